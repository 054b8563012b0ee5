# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel whose own words, tables or memory map are broken: the dump is taken, what is not understood is kept."""
import random
import struct

import pytest

import elfcore
import judges
import vmcore
from kdump import PAGE, Kdump
from vmcore import SECTION_PAGES


def capture(binary, m, scratch, level=31, vmcoreinfo=None, loads=None):
    """Capture @m: the kept pages equal the source, whatever they are. Gives the result and the dump."""
    notes = m.notes() if vmcoreinfo is None else vmcore.notes(m.cpus, vmcoreinfo or None)
    src = elfcore.write(scratch / 'src', loads or elfcore.standard(m), notes)
    r = judges.capture(binary, src, scratch / 'out', 'none', level, '-f')
    assert r.code == 0, r
    k = Kdump.open(scratch / 'out')
    if k.block_size == PAGE:
        assert not [pfn for pfn in k.pfns if k.page(pfn) != m.ram.read(pfn * PAGE, PAGE)]
    return r, k


def all_pages(m):
    return set(m.ram.pfns())


def everything_is_kept(m, r, k):
    assert k.stored == all_pages(m)
    assert r.report['filtered'] is False and r.report['why_unfiltered']
    assert r.report['classes']['unknown'] == len(m.classes)
    assert 'nothing is filtered' in r.stderr, r.stderr
    # What was not filtered must not look filtered.
    assert k.dump_level in (0, 1)


# VMCOREINFO.


def test_no_vmcoreinfo(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    r, k = capture(sanitized, m, scratch, vmcoreinfo=b'')
    everything_is_kept(m, r, k)
    # The kernel's own PT_LOAD still tells phys_base, and libkdumpfile opens it.
    assert k.phys_base == m.phys_base and k.uts[4] == 'x86_64'
    assert judges.Kdumpfile(scratch / 'out').differences(all_pages(m), m.ram.read) == {}


def test_no_notes_at_all(sanitized, cores, scratch):
    m = cores.machine(style='6.1')
    src = elfcore.write(scratch / 'src', elfcore.standard(m), b'')
    r = judges.capture(sanitized, src, scratch / 'out', 'zlib', 31)
    assert r.code == 0, r
    k = Kdump.open(scratch / 'out')
    everything_is_kept(m, r, k)
    assert (k.notes_off, k.notes_len, k.vmcoreinfo_off, k.vmcoreinfo_len, k.nr_cpus) == (0, 0, 0, 0, 0)
    assert all(k.page(pfn) == m.ram.read(pfn * PAGE, PAGE) for pfn in sorted(k.stored)[::50])


@pytest.mark.parametrize('length', (1, 100, 4000, 70000))
def test_vmcoreinfo_of_random_bytes(sanitized, cores, scratch, length):
    m = cores.machine(style='6.1')
    r, k = capture(sanitized, m, scratch, vmcoreinfo=random.Random(length).randbytes(length))
    everything_is_kept(m, r, k)


@pytest.mark.parametrize('share', (0.1, 0.35, 0.6, 0.85))
def test_vmcoreinfo_that_ends_early(sanitized, cores, scratch, share):
    m = cores.machine(style='6.12')
    r, k = capture(sanitized, m, scratch, vmcoreinfo=m.vmcoreinfo[:int(len(m.vmcoreinfo) * share)])
    everything_is_kept(m, r, k)


KEYS = b'''SYMBOL(_stext) SYMBOL(init_top_pgt) SYMBOL(swapper_pg_dir) SYMBOL(mem_section) NUMBER(phys_base) KERNELOFFSET
NUMBER(pgtable_l5_enabled) NUMBER(sme_mask) NUMBER(SECTION_SIZE_BITS) NUMBER(MAX_PHYSMEM_BITS) LENGTH(mem_section)
SIZE(mem_section) SIZE(page) PAGESIZE OFFSET(page.flags) OFFSET(page.mapping) OFFSET(page.compound_head)
NUMBER(PG_head_mask) NUMBER(PG_lru) NUMBER(PG_swapbacked) LENGTH(zone.free_area)'''.split()


@pytest.mark.parametrize('key', KEYS, ids=bytes.decode)
@pytest.mark.parametrize('wild', (False, True))
def test_one_key_missing_or_wild(sanitized, cores, scratch, key, wild):
    """Less may be dropped, and never a page that is true kernel memory where the rules are simply fewer."""
    m = cores.machine(style='6.12')
    lines = [line for line in m.vmcoreinfo.split(b'\n') if not line.startswith(key + b'=')]
    if wild:
        lines.insert(5, key + (b'=-1' if key.startswith(b'NUMBER') else b'=7fffffffffffffff'))
    _, k = capture(sanitized, m, scratch, vmcoreinfo=b'\n'.join(lines))
    if not wild:
        assert k.stored >= m.kept(31)


@pytest.mark.parametrize('seed', range(10))
def test_vmcoreinfo_with_random_damage(sanitized, cores, scratch, seed):
    m = cores.machine(style='6.12')
    rng = random.Random(seed)
    text = bytearray(m.vmcoreinfo)
    for _ in range(1 << rng.randrange(1, 8)):
        text[rng.randrange(len(text))] = rng.randrange(256)
    capture(sanitized, m, scratch, vmcoreinfo=bytes(text))


# Page tables and memory map. Machines are made anew: these tests break them.

SECTION = 2  # the one at 256 MiB
IN_SECTION = range(SECTION * SECTION_PAGES, (SECTION + 1) * SECTION_PAGES)


def broken(**options):
    options.setdefault('style', '6.12')
    return vmcore.Machine(seed=77, **options)


def check_section_lost(binary, m, scratch):
    """All of the section is kept, the others are filtered to the page."""
    r, k = capture(binary, m, scratch)
    lost = all_pages(m) & set(IN_SECTION)
    assert k.stored == m.kept(31) | lost
    assert r.report['filtered'] is True
    assert r.report['classes']['unknown'] == len(lost)
    return r


def write_u64(m, paddr, value):
    m.ram.write(paddr, struct.pack('<Q', value))


def test_section_not_present(sanitized, scratch):
    m = broken()
    write_u64(m, m.section_paddr[SECTION], 0)
    r = check_section_lost(sanitized, m, scratch)
    assert '1 sections' in r.stderr, r.stderr


@pytest.mark.parametrize('entry', (0, 0x7ff0000001e3, 0x1e3 | 0x7f0000000000, 0xffffffffffffff60))
def test_table_entry_of_a_section_broken(sanitized, scratch, entry):
    """vmemmap's PMD entry: not present, or pointing at memory that is not there."""
    m = broken()
    write_u64(m, m.tables.entry_paddr(m.vmemmap + IN_SECTION.start * 64, 2), entry)
    check_section_lost(sanitized, m, scratch)


@pytest.mark.parametrize('level', (3, 4, 5))
def test_upper_table_entry_broken(sanitized, scratch, level):
    """All of vmemmap hangs on it; a section whose map cannot be read at all is unknown."""
    m = broken()
    write_u64(m, m.tables.entry_paddr(m.vmemmap + IN_SECTION.start * 64, level), 0x7ff000000067)
    r, k = capture(sanitized, m, scratch)
    assert k.stored >= m.kept(31)
    assert set(IN_SECTION) & all_pages(m) <= k.stored
    assert r.report['classes']['unknown'] > 0


def test_map_points_at_other_memory(sanitized, scratch):
    """Its struct pages are then noise: nothing is certain there, but the other sections stay exact."""
    m = broken()
    write_u64(m, m.tables.entry_paddr(m.vmemmap + IN_SECTION.start * 64, 2), vmcore.IMAGE_PADDR | 0x1e3)
    _, k = capture(sanitized, m, scratch)
    assert k.stored - set(IN_SECTION) == m.kept(31) - set(IN_SECTION)


def test_root_table_is_noise(sanitized, scratch):
    m = broken()
    m.ram.write(vmcore.IMAGE_PADDR + vmcore.OFF_PGD, random.Random(1).randbytes(PAGE))
    everything_is_kept(m, *capture(sanitized, m, scratch))


def test_root_table_points_at_itself(sanitized, scratch):
    m = broken()
    for i in range(512):
        write_u64(m, vmcore.IMAGE_PADDR + vmcore.OFF_PGD + 8 * i, vmcore.IMAGE_PADDR + vmcore.OFF_PGD | 0x67)
    everything_is_kept(m, *capture(sanitized, m, scratch))


def test_mem_section_is_empty(sanitized, scratch):
    m = broken()
    m.ram.write(m.roots_paddr, bytes(PAGE))
    everything_is_kept(m, *capture(sanitized, m, scratch))


def test_mem_section_is_noise(sanitized, scratch):
    m = broken()
    m.ram.write(m.roots_paddr, random.Random(2).randbytes(PAGE))
    _, k = capture(sanitized, m, scratch)
    assert k.stored == all_pages(m)


def test_sections_share_one_map(sanitized, scratch):
    """Two entries name one map: an alias that must at least do no harm."""
    m = broken()
    m.ram.write(m.section_paddr[SECTION], m.ram.read(m.section_paddr[0], 8))
    capture(sanitized, m, scratch)


@pytest.mark.parametrize('lost', (0, 5, 77))
def test_page_of_struct_pages_not_mapped(sanitized, scratch, lost):
    """With a map by pages one of them is gone: its 64 pages are kept, and pages that lean on them."""
    m = broken(vmemmap='4K')
    first = IN_SECTION.start + 64 * lost
    write_u64(m, m.tables.entry_paddr(m.vmemmap + first * 64, 1), 0)
    r, k = capture(sanitized, m, scratch)
    gone = set(range(first, first + 64)) & all_pages(m)
    lean = set()
    for pfn, (_, order) in m.kinds.items():
        if pfn in gone:
            lean.update(range(pfn, pfn + (1 << order)))
    assert m.kept(31) | gone <= k.stored <= m.kept(31) | gone | lean
    assert r.report['filtered'] is True


def test_source_lacks_the_struct_pages(sanitized, scratch):
    """p_filesz ends before them: the source was cut by another tool."""
    m = broken()
    frame = m.struct_page_paddr(IN_SECTION.start)
    loads = []
    for ld in elfcore.standard(m):
        at = frame - ld.paddr
        if 0 <= at < len(ld.data):
            loads += [elfcore.Load(ld.paddr, ld.data[:at], ld.vaddr, at + vmcore.LARGE),
                      elfcore.Load(frame + vmcore.LARGE, ld.data[at + vmcore.LARGE:], ld.vaddr + at + vmcore.LARGE)]
        else:
            loads.append(ld)
    r, k = capture(sanitized, m, scratch, loads=loads)
    lacks = set(range(frame // PAGE, (frame + vmcore.LARGE) // PAGE))
    assert k.stored == (m.kept(31) | all_pages(m) & set(IN_SECTION)) - lacks
    assert r.report['pages']['not_in_source'] == len(lacks)


@pytest.mark.parametrize('style', ('6.1', '6.12'))
@pytest.mark.parametrize('seed', range(4))
def test_scrambled_struct_pages(sanitized, scratch, style, seed):
    """Noise, or true struct pages with random bytes in them: a dump comes out, true in what it holds."""
    m = broken(style=style, peculiar=True)
    rng = random.Random(seed)
    for frame in sorted({f for f in m._memmap_frame.values()}):
        dice = rng.random()
        if dice < 0.3:
            m.ram.write(frame, rng.randbytes(PAGE))
        elif dice < 0.8:
            for _ in range(200):
                m.ram.write(frame + rng.randrange(PAGE), rng.randbytes(1))
    r, k = capture(sanitized, m, scratch)
    assert sum(r.report['classes'].values()) == len(m.classes)
    # Noise claims now and then that the memory map itself is free memory: then a guard keeps it.
    guarded = {name: pages for name, pages in r.report['guards'].items() if name != 'reserved'}  # that is a class
    assert set(guarded) == {'image', 'page_table', 'memory_map', 'percpu', 'notes'}
    assert len(k.stored) == r.report['classes']['kernel'] + r.report['classes']['unknown'] + sum(guarded.values())
    # But for pages that noise calls poisoned: to read such a page may end the machine.
    assert len({frame // PAGE for frame in m._memmap_frame.values()} - k.stored) <= r.report['classes']['hwpoison']


def test_links_among_struct_pages_cannot_loop(sanitized, scratch):
    """Every struct page a tail of the next one, the last of the first."""
    m = broken()
    pfns = [p for p in sorted(all_pages(m)) if p in IN_SECTION]
    for a, b in zip(pfns, pfns[1:] + pfns[:1]):
        write_u64(m, m.struct_page_paddr(a) + 8, m.page_vaddr(b) | 1)
    _, k = capture(sanitized, m, scratch)
    assert set(pfns) - k.stored <= {p for p in pfns if m.classes[p] == 'hwpoison'}
