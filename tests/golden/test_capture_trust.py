# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan that the kernel's own count contradicts: what cannot be trusted is kept, and the dump says no more than it did."""
import json
import struct
import subprocess

import pytest

import elfcore
import judges
import vmcore
from kdump import Kdump
from vmcore import IMAGE_PADDR

# Places in the image's unused end, and what VMCOREINFO says of struct pglist_data.
NODE_DATA, NODE = 0x300000, 0x301000
NR_ZONES_OFF, ZONE_BYTES, FREE_AREA, AREA_BYTES, NR_FREE_OFF, VM_STAT = 171552, 1536, 256, 88, 80, 1344
NODE_BYTES = 174208


def plant_zones(m, listed, counted):
    """One node with two zones, which count so many free pages between them. Returns what VMCOREINFO says more."""
    node = bytearray(NODE_BYTES)
    struct.pack_into('<I', node, NR_ZONES_OFF, 2)
    for zone in range(2):
        share, counter = ((n // 3, n - n // 3)[zone] for n in (listed, counted))
        at = zone * ZONE_BYTES
        struct.pack_into('<Q', node, at + FREE_AREA + NR_FREE_OFF, share % 1024)
        struct.pack_into('<Q', node, at + FREE_AREA + 10 * AREA_BYTES + NR_FREE_OFF, share // 1024)
        struct.pack_into('<Q', node, at + VM_STAT, counter)
    m.ram.write(IMAGE_PADDR + NODE_DATA, struct.pack('<QQ', 0, m.image_vaddr(NODE)))
    m.ram.write(IMAGE_PADDR + NODE, bytes(node))
    return f'SYMBOL(node_data)={m.image_vaddr(NODE_DATA):x}\nLENGTH(node_data)=2\n'.encode()


def capture(innercore, m, scratch, level, listed, counted):
    vmcoreinfo = m.vmcoreinfo + plant_zones(m, listed, counted)
    src = elfcore.write(scratch / 'src', elfcore.standard(m), vmcore.notes(m.cpus, vmcoreinfo))
    r = judges.capture(innercore, src, scratch / 'out', 'zstd', level, '--force')
    assert r.code == 0, r
    return r, Kdump.open(scratch / 'out')


@pytest.mark.parametrize('style', ('6.1', '6.12'))
@pytest.mark.parametrize('factor', (0, 0.5, 2))
def test_free_pages_that_the_kernel_did_not_count(innercore, scratch, style, factor):
    m = vmcore.Machine(style=style)
    counted = int(m.counts()['free'] * factor)
    for level in (31, 16, 23, 15, 2):
        r, k = capture(innercore, m, scratch, level, counted, counted)
        assert k.stored == m.kept(level & ~16), 'free pages are kept, the others are left out'
        assert k.dump_level == r.report['level_used'] == level & ~16
        assert r.report['dump_level'] == level
        assert r.report['checks']['free']['far_apart'] is True
        assert r.report['classes']['free'] == m.counts()['free'], 'what was seen is still told'
        assert 'do not trust' in r.stderr and 'free' in r.report['why_level']


@pytest.mark.parametrize('listed,counted', ((1, 1), (1, 2), (0.98, 1), (1, 1.02)))
def test_free_pages_that_it_did_count(innercore, scratch, listed, counted):
    """Also where one of the two counts is off: unaccepted memory is on no list, isolated pages are not in the counter."""
    m = vmcore.Machine(style='6.12')
    free = m.counts()['free']
    r, k = capture(innercore, m, scratch, 31, int(free * listed), int(free * counted))
    assert k.stored == m.kept(31)
    assert k.dump_level == r.report['level_used'] == 31
    assert r.report['why_level'] == '' and 'trust' not in r.stderr
    assert r.report['checks']['free']['far_apart'] is False
    assert r.report['checks']['cache'] is None, 'nothing tells of the other counters'


def test_section_that_lies_elsewhere_than_vmemmap_says(innercore, scratch):
    """mem_section of one section leads to the struct pages of another, which read well and are wrong."""
    m = vmcore.Machine(style='6.12')
    sections = m.sections()
    wrong, other = sections[-1], sections[0]
    shift = (wrong - other) * vmcore.SECTION_PAGES * 64
    coded = struct.unpack('<Q', m.ram.read(m.section_paddr[wrong], 8))[0]
    m.ram.write(m.section_paddr[wrong], struct.pack('<Q', coded - shift))
    src = elfcore.write(scratch / 'src', elfcore.standard(m), m.notes())
    r = judges.capture(innercore, src, scratch / 'out', 'zstd', 31)
    assert r.code == 0, r
    pfns = range(wrong * vmcore.SECTION_PAGES, (wrong + 1) * vmcore.SECTION_PAGES)
    assert Kdump.open(scratch / 'out').stored >= set(m.ram.pfns()) & set(pfns) | m.kept(31)
    assert r.report['sections'] == {'missing': 1, 'disagreeing': 1}
    assert 'vmemmap disagree' in r.stderr


def info(innercore, *argv):
    return subprocess.run([innercore, 'info', *argv], check=True, capture_output=True, timeout=60).stdout.decode()


@pytest.mark.parametrize('level', (0, 31))
def test_info_tells_classes_and_counters(innercore, scratch, level):
    """Of a filtered dump too: the memory map is the kernel's, and so is in it."""
    m = vmcore.Machine(style='6.12')
    free = m.counts()['free']
    _, k = capture(innercore, m, scratch, level, free * 2, free * 2)
    assert k.stored == m.kept(level & ~16)
    told = json.loads(info(innercore, '--json', scratch / 'out'))
    want = m.counts()
    assert {name: told['classes'][name] for name in ('free', 'cache', 'cache_private', 'user')} == \
        {name: want[name] for name in ('free', 'cache', 'cache_private', 'user')}
    assert sum(told['classes'].values()) == len(set(m.ram.pfns())) and told['classes_trouble'] is None
    assert told['checks']['free'] == {'seen': free, 'least': free * 2, 'most': free * 2, 'distance': free,
                                      'far_apart': True}
    assert told['counters']['nr_free_pages'] == free * 2 and told['counters']['nr_file_pages'] is None
    assert 'FAR APART' in info(innercore, scratch / 'out')
    told = json.loads(info(innercore, '--json', '--no-classes', scratch / 'out'))
    assert told['classes'] is told['checks'] is told['classes_trouble'] is None


def test_info_of_a_kernel_that_tells_nothing(innercore, scratch):
    m = vmcore.Machine(style='6.12')
    src = elfcore.write(scratch / 'src', elfcore.standard(m), vmcore.notes(m.cpus, None))
    told = json.loads(info(innercore, '--json', src))
    assert told['classes'] is None and 'VMCOREINFO' in told['classes_trouble']
