# SPDX-License-Identifier: GPL-2.0-or-later
"""ELF cores of every layout: loads cut anywhere, over each other, without bytes, more than 65,535 of them."""
import pytest

import elfcore
import judges
from kdump import PAGE, Kdump


def check(binary, machine, loads, path, level=0, codec='lzo', **layout):
    """Capture a core of @loads and compare every page with what the loads say. Gives the report and the dump."""
    src = elfcore.write(path / 'src', loads, machine.notes(), **layout)
    r = judges.capture(binary, src, path / 'out', codec, level)
    assert r.code == 0, r
    k = Kdump.open(path / 'out')
    has_data, partial, present = {}, set(), set()
    for pfn, content, marks in elfcore.Truth(loads).pages():
        present.add(pfn)
        if marks.count(2):
            has_data[pfn] = content
        if 0 < marks.count(2) < PAGE:
            partial.add(pfn)
    wanted = set(has_data) & (machine.kept(level) | set(has_data).difference(machine.classes))
    assert k.ram == present
    assert k.stored == wanted
    reader = judges.Kdumpfile(path / 'out')

    def content(paddr, length):
        return b''.join(has_data[p] for p in range(paddr // PAGE, (paddr + length) // PAGE))

    assert reader.differences(wanted, content) == {}
    assert r.report['pages']['present'] == len(present)
    assert r.report['pages']['not_in_source'] == len(present) - len(has_data)
    assert r.report['pages']['partial'] == len(partial & wanted)
    return r.report, k


@pytest.mark.parametrize('level', (0, 31))
@pytest.mark.parametrize('layout', ('standard', 'ragged', 'split', 'overlapping', 'short_file'))
def test_layout(sanitized, cores, scratch, layout, level):
    m = cores.machine(style='6.12')
    check(sanitized, m, getattr(elfcore, layout)(m), scratch, level, align=1 if layout == 'split' else PAGE)


def test_split_loads_at_many_seeds(innercore, cores, scratch):
    m = cores.machine(style='6.1')
    for seed in range(2):
        (scratch / 'out').unlink(missing_ok=True)
        check(innercore, m, elfcore.split(m, seed, pieces=3000), scratch, align=8)


def test_more_than_65535_program_headers(innercore, cores, scratch):
    m = cores.machine(style='6.12')
    loads = elfcore.many(m)
    assert len(loads) > 0xffff
    check(innercore, m, loads, scratch, 31)
    src = scratch / 'src'
    raw = src.read_bytes()[:128]
    assert raw[56:58] == b'\xff\xff' and int.from_bytes(raw[64 + 44:64 + 48], 'little') == len(loads) + 1


@pytest.mark.parametrize('ehsize', (64, 8))
def test_qemu_puts_section_headers_first(sanitized, cores, scratch, ehsize):
    m = cores.machine(style='6.12')
    loads = elfcore.standard(m)
    check(sanitized, m, loads, scratch, 31, qemu=True, ehsize=ehsize)


def test_conflicting_loads_first_in_file_order_wins(innercore, cores, scratch):
    m = cores.machine(style='6.1')
    start, data = m.ram.blocks[0]
    lie = elfcore.Load(start + 100, b'\xee' * 9000)
    _, k = check(innercore, m, [lie] + elfcore.standard(m), scratch, codec='none')
    assert k.page(start // PAGE + 1) == b'\xee' * PAGE
    (scratch / 'out').unlink()
    _, k = check(innercore, m, elfcore.standard(m) + [lie], scratch, codec='none')
    assert k.page(start // PAGE + 1) == m.ram.read(start + PAGE, PAGE)


def test_only_claimed_pages_are_not_stored(innercore, cores, scratch):
    """p_filesz 0: the source itself was filtered. Its pages are known, and absent."""
    m = cores.machine(style='6.1')
    loads = elfcore.standard(m) + [elfcore.Load(0x20000000, b'', m.direct_map + 0x20000000, 64 * PAGE)]
    report, k = check(innercore, m, loads, scratch)
    assert report['pages']['not_in_source'] == 64
    assert judges.Kdumpfile(scratch / 'out').read(0x20000000) == 'NoDataException'


def test_makedumpfile_reads_split_loads_alike(innercore, cores, scratch):
    """Judges the layout writer. makedumpfile leaves out a page that lies in several loads: we must not."""
    m = cores.machine(style='6.1')
    loads = elfcore.split(m, 5)
    src = elfcore.write(scratch / 'src', loads, m.notes(), align=1)
    code, text = judges.makedumpfile(src, scratch / 'theirs', 31)
    assert code == 0, text
    judges.capture(innercore, src, scratch / 'ours', 'zlib', 31)
    ours, theirs = Kdump.open(scratch / 'ours'), Kdump.open(scratch / 'theirs')
    cut = {ld.paddr // PAGE for ld in loads if ld.paddr % PAGE}
    assert ours.stored == m.kept(31)
    assert theirs.stored == m.kept(31) - cut
    assert all(ours.page(p) == theirs.page(p) for p in theirs.stored)
