# SPDX-License-Identifier: GPL-2.0-or-later
"""compare: pairs that agree, pairs with exactly one thing wrong, and pairs that cannot be compared."""
import collections
import json
import random
import subprocess

import pytest

import elfcore
import judges
import pairs
import symbols
import vmcore
from kdump import PAGE


class Pair:
    def __init__(self, machine, inner, outer):
        self.m, self.inner, self.outer = machine, inner, outer


@pytest.fixture(scope='module')
def originals(innercore, tmp_path_factory):
    """One machine, its outer dump, and its inner dumps at some levels, without compression. Read only."""
    folder = tmp_path_factory.mktemp('pairs')
    m = vmcore.Machine(style='6.12', peculiar=True)
    src = elfcore.write(folder / 'vmcore', elfcore.standard(m), m.notes())
    out = {'outer': pairs.outer_elf(folder / 'outer', m), 'vmcore': src}
    for level in (0, 1, 31):
        out[level] = folder / f'inner{level}'
        assert judges.capture(innercore, src, out[level], 'none', level).code == 0
    out['machine'] = m
    yield out
    for path in folder.iterdir():
        path.unlink()


def some(m, kind, order=None, tail=0):
    """A page of a block of this kind."""
    return next(pfn for pfn, (k, o) in sorted(m.kinds.items()) if k == kind and (order is None or o == order)) + tail


def left_out(m, level):
    """What the audit must say of a dump of @level: {class: pages}"""
    counts = collections.Counter(m.classes[pfn] for pfn in set(m.ram.pfns()) - m.kept(level))
    counts['cache'] += counts['cache_private']
    return counts


def check_audit(audit, counts):
    for key in ('free', 'cache', 'cache_private', 'user', 'offline', 'hwpoison'):
        assert audit[key] == counts[key], key


# Pairs that agree.

@pytest.mark.parametrize('level', (0, 1, 31))
def test_same_memory_matches(innercore, originals, level):
    m = originals['machine']
    r = pairs.compare(innercore, originals[level], originals['outer'])
    kept = len(m.kept(level))
    assert (r.code, r.verdict) == (0, 'match'), r
    assert r.pages['common'] == r.pages['equal'] == kept
    assert r.pages['inner_only'] == r.pages['differ_explained'] == r.pages['differ_unexplained'] == 0
    assert r.pages['outer_only'] == pairs.extra_pages(m) + len(m.classes) - kept
    causes = {'low_1mib': 0x9e, 'flash': 64, 'excluded_by_level': len(m.classes) - kept}
    assert r.pages['causes'] == {k: v for k, v in causes.items() if v}
    assert r.audit['dropped'] == len(m.classes) - kept
    assert r.audit['lost'] == 0 and r.audit['lost_ranges'] == [] and r.audit['lost_by_kind'] == {}
    check_audit(r.audit, left_out(m, level))


@pytest.mark.parametrize('options', (
    dict(style='6.1', levels=4, negative_phys_base=False, mem_section='static'),
    dict(style='6.1', sme_mask=1 << 47, peculiar=True),
    dict(style='6.12', vmemmap='4K', fake_heads=True),
), ids=('6.1', 'sme', 'fake heads'))
def test_other_machines_match(innercore, cores, scratch, options):
    m, src = cores.standard(**options)
    assert judges.capture(innercore, src, scratch / 'inner', 'zstd', 31).code == 0
    r = pairs.compare(innercore, scratch / 'inner', pairs.outer_elf(scratch / 'outer', m))
    assert (r.code, r.verdict) == (0, 'match'), r
    check_audit(r.audit, left_out(m, 31))


@pytest.mark.parametrize('form', ('makedumpfile', 'makedumpfile elf', 'flattened', 'elf'))
def test_inner_dumps_of_every_make(innercore, cores, scratch, form):
    m, src = cores.standard(style='6.1')
    inner = scratch / 'inner'
    if form == 'makedumpfile':
        code, text = judges.makedumpfile(src, inner, 31)
        assert code == 0, text
    elif form == 'makedumpfile elf':
        code, text = judges.run_text('makedumpfile', '-E', '-d', '30', src, inner)
        assert code == 0, text
    elif form == 'flattened':
        with open(inner, 'wb') as f:
            assert judges.capture(innercore, src, '-', 'lzo', 31, stdout=f).code == 0
    else:
        inner = src
    r = pairs.compare(innercore, inner, pairs.outer_elf(scratch / 'outer', m))
    assert (r.code, r.verdict) == (0, 'match'), r
    if form == 'makedumpfile elf':  # it keeps short runs of what it may leave out
        assert len(m.kept(31)) < r.pages['equal'] < len(m.classes)
    elif form == 'elf':
        assert r.pages['equal'] == len(m.classes) and r.audit['dropped'] == 0
    else:
        assert r.pages['equal'] == len(m.kept(31))
        check_audit(r.audit, left_out(m, 31))


def test_outer_kdump_as_a_hypervisor_writes_it(innercore, cores, scratch):
    """No VMCOREINFO, no utsname, phys_base 0: read by the inner dump's VMCOREINFO, and told that it is wrong."""
    m, src = cores.standard(style='6.1')
    judges.capture(innercore, src, scratch / 'inner', 'lzo', 31)
    blind = elfcore.write(scratch / 'blind', elfcore.standard(m)[1:], vmcore.notes(m.cpus, None))
    judges.capture(innercore, blind, scratch / 'outer', 'none', 0)
    with open(scratch / 'outer', 'r+b') as f:
        f.seek(12)
        f.write(bytes(6 * 65))
        f.seek(PAGE)
        f.write(bytes(8))
    r = pairs.compare(innercore, scratch / 'inner', scratch / 'outer')
    assert (r.code, r.verdict) == (0, 'match'), r
    assert r.outer['vmcoreinfo_borrowed'] is True and r.inner['vmcoreinfo_borrowed'] is False
    assert r.field('phys_base') == {'field': 'phys_base', 'inner': str(m.phys_base), 'outer': '0', 'state': 'differs',
                                    'right': 'inner', 'why': r.field('phys_base')['why']}
    for name, value in (('release', m.uts[2]), ('nodename', m.uts[1]), ('version', m.uts[3])):
        f = r.field(name)
        assert (f['inner'], f['outer'], f['state'], f['right']) == (value, None, 'absent', 'inner')
    assert r.field('crash_time')['right'] == 'inner'
    assert r.field('vmcoreinfo')['state'] == 'absent'
    assert r.field('cpus')['state'] == 'same'


def test_what_neither_dump_tells_is_no_line(innercore, originals):
    """Two ELF cores have no utsname of their own."""
    r = pairs.compare(innercore, originals['vmcore'], originals['outer'])
    assert r.code == 0
    assert not {'sysname', 'release', 'dump_level', 'max_mapnr', 'crash_time'} & {f['field'] for f in r.headers}
    for f in r.headers:
        assert f['state'] in ('same', 'differs', 'absent')
        assert f['state'] != 'absent' or (f['inner'] is None) != (f['outer'] is None)
        assert f['right'] in ('inner', 'outer', 'both', 'neither', 'unknown')


# Byte-granular loads, and partial pages.

def test_byte_granular_loads(innercore, cores, scratch):
    m = cores.machine(style='6.12')
    inner = elfcore.write(scratch / 'inner', elfcore.split(m, 7), m.notes(), align=1)
    outer = elfcore.write(scratch / 'outer', elfcore.split(m, 8, pieces=900), m.notes(), align=8)
    r = pairs.compare(innercore, inner, outer)
    assert (r.code, r.pages['equal']) == (0, len(m.classes)), r
    pfn = some(m, 'slab')
    pairs.flip_elf(outer, pfn * PAGE + 77)
    r = pairs.compare(innercore, inner, outer)
    assert (r.code, r.pages['unexplained_ranges']) == (1, [[pfn, pfn + 1]]), r


def ragged_edges(m):
    """(PFN, first byte, end) of the pages that elfcore.ragged() has in part."""
    out = []
    for ld in elfcore.ragged(m)[1:]:
        end = ld.paddr + ld.file_len
        if ld.paddr % PAGE:
            out.append((ld.paddr // PAGE, ld.paddr % PAGE, PAGE))
        if end % PAGE:
            out.append((end // PAGE, 0, end % PAGE))
    return out


def fill_edges(m):
    for pfn, _, _ in ragged_edges(m):
        m.ram.write(pfn * PAGE, b'\xa5' * PAGE)


def test_partial_pages_of_elf_cores(innercore, scratch):
    m = vmcore.Machine(style='6.1', seed=5)
    fill_edges(m)
    inner = elfcore.write(scratch / 'inner', elfcore.ragged(m), m.notes())
    outer = pairs.outer_elf(scratch / 'outer', m)
    r = pairs.compare(innercore, inner, outer)
    assert (r.code, r.pages['equal']) == (0, len(m.classes)), r
    for pfn, start, end in ragged_edges(m):
        damaged = pairs.copied(outer, scratch / 'damaged')
        for off in (0, PAGE - 1):
            if not start <= off < end:
                pairs.flip_elf(damaged, pfn * PAGE + off)
        assert pairs.compare(innercore, inner, damaged).code == 0
        pairs.flip_elf(damaged, pfn * PAGE + (start if start else end - 1))
        r = pairs.compare(innercore, inner, damaged)
        assert (r.code, r.pages['unexplained_ranges']) == (1, [[pfn, pfn + 1]]), r


def test_partial_pages_in_a_kdump(innercore, scratch):
    """It stores them whole, padded with zeros; no resource tree tells here where RAM ends."""
    m = vmcore.Machine(style='6.1', seed=6)
    fill_edges(m)
    src = elfcore.write(scratch / 'vmcore', elfcore.ragged(m), m.notes())
    assert judges.capture(innercore, src, scratch / 'inner', 'none', 0).code == 0
    outer = pairs.outer_elf(scratch / 'outer', m)
    edges = ragged_edges(m)
    r = pairs.compare(innercore, scratch / 'inner', outer)
    assert (r.code, r.verdict) == (0, 'match'), r
    assert r.pages['causes']['partial_page'] == r.pages['differ_explained'] == len(edges)
    assert {d['pfn'] for d in r.differences} == {pfn for pfn, _, _ in edges}
    for d in r.differences:
        pfn, start, end = next(e for e in edges if e[0] == d['pfn'])
        assert (d['first_offset'], d['last_offset']) == ((0, start - 1) if start else (end, PAGE - 1))
        assert d['bytes'] == PAGE - (end - start)
    pfn, start, end = edges[0]
    pairs.flip_elf(outer, pfn * PAGE + (start if start else end - 1))
    r = pairs.compare(innercore, scratch / 'inner', outer)
    assert (r.code, r.pages['unexplained_ranges']) == (1, [[pfn, pfn + 1]]), r


def e820_of(m, edit=lambda entries: entries):
    """RAM as elfcore.ragged() has it, something else behind each of its ranges."""
    out = []
    for ld in elfcore.ragged(m)[1:]:
        out += [(ld.paddr, ld.file_len, 1), (ld.paddr + ld.file_len, -(ld.paddr + ld.file_len) % PAGE or PAGE, 4)]
    return edit(out)


def edges_differ(m, path):
    """Where no RAM is, as another machine's firmware would leave it."""
    for pfn, start, end in ragged_edges(m):
        for off in (0, PAGE - 1):
            if not start <= off < end:
                pairs.flip_elf(path, pfn * PAGE + off)


@pytest.mark.parametrize('tables, understood', (
    (lambda m: {'e820_table': e820_of(m)}, True),
    (lambda m: {'e820_table': e820_of(m, lambda e: e[::-1]), 'e820_table_firmware': e820_of(m)}, True),
    (lambda m: {'e820_table_firmware': e820_of(m, lambda e: e + [(1 << 63, 1 << 63, 1)])}, False),
    (lambda m: {'e820_table': e820_of(m, lambda e: [(a, n, 2) for a, n, _ in e])}, False),
), ids=('e820', 'the other table', 'runs over', 'no RAM'))
def test_e820_tells_where_ram_ends(innercore, scratch, tables, understood):
    """The tree of resources cannot be read; both dumps hold whole pages, and no zeros give an edge away."""
    m = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False, seed=6)
    fill_edges(m)
    sy = symbols.Symbols(m, e820=tables(m))
    src = elfcore.write(scratch / 'vmcore', elfcore.standard(m), sy.notes())
    assert judges.capture(innercore, src, scratch / 'inner', 'none', 0).code == 0
    outer = elfcore.write(scratch / 'outer', pairs.outer_loads(m), sy.notes(), qemu=True)
    edges_differ(m, outer)
    edges = [e for e in ragged_edges(m) if e[0] * PAGE < symbols.CRASH_KERNEL[0] or e[0] * PAGE >= symbols.CRASH_KERNEL[1]]
    assert len(edges) == len(ragged_edges(m)) - 1
    r = pairs.compare(innercore, scratch / 'inner', outer)
    if not understood:
        assert r.code == 1 and r.pages['differ_unexplained'] == len(edges) + 1, r
        return
    assert (r.code, r.verdict) == (0, 'match'), r
    assert r.pages['causes']['partial_page'] == len(edges) and r.pages['causes']['crash_kernel'] == 1
    for pfn, start, end in edges:
        pairs.flip_elf(outer, pfn * PAGE + (start if start else end - 1))
        r = pairs.compare(innercore, scratch / 'inner', outer)
        assert (r.code, r.pages['unexplained_ranges']) == (1, [[pfn, pfn + 1]]), r
        pairs.flip_elf(outer, pfn * PAGE + (start if start else end - 1))


# Exactly one thing wrong.

@pytest.mark.parametrize('side', ('inner', 'outer'))
@pytest.mark.parametrize('kind', ('slab', 'pgtable', 'kcompound', 'reserved'))
def test_one_flipped_bit(innercore, originals, scratch, side, kind):
    m = originals['machine']
    pfn = next(p for p, (k, _) in sorted(m.kinds.items()) if k == kind and any(m.ram.read(p * PAGE, PAGE)) and p > 0x10600)
    inner, outer = originals[31], originals['outer']
    if side == 'inner':
        inner = pairs.copied(inner, scratch / 'inner')
        pairs.flip_kdump(inner, pfn * PAGE + 4000)
    else:
        outer = pairs.copied(outer, scratch / 'outer')
        pairs.flip_elf(outer, pfn * PAGE + 4000)
    r = pairs.compare(innercore, inner, outer)
    assert (r.code, r.verdict) == (1, 'differs'), r
    assert r.pages['differ_unexplained'] == 1 and r.pages['only_unexplained'] == 0
    assert r.pages['equal'] == len(m.kept(31)) - 1
    assert r.pages['unexplained_ranges'] == [[pfn, pfn + 1]]
    assert [(d['pfn'], d['bytes'], d['first_offset'], d['last_offset'], d['cause']) for d in r.differences] == \
        [(pfn, 1, 4000, 4000, 'unexplained')]
    assert r.audit['lost'] == 0


@pytest.mark.parametrize('kind, order, tail, name', (
    ('slab', 0, 0, 'slab'), ('slab', 3, 0, 'slab'), ('slab', 3, 1, 'slab'), ('slab', 3, 7, 'slab'), ('pgtable', 0, 0, 'page_table'),
    ('kcompound', 2, 1, 'other'), ('pcp', 0, 0, 'other'), ('uninitialised', 0, 0, 'unknown'), ('tail_into_nowhere', 0, 0, 'unknown')))
def test_one_lost_page(innercore, originals, scratch, kind, order, tail, name):
    m = originals['machine']
    pfn = some(m, kind, order, tail)
    inner = pairs.copied(originals[31], scratch / 'inner')
    pairs.drop_pages(inner, {pfn})
    r = pairs.compare(innercore, inner, originals['outer'])
    assert (r.code, r.verdict) == (1, 'differs'), r
    assert r.audit['lost'] == 1
    assert r.audit['lost_ranges'] == [[pfn, pfn + 1]]
    assert r.audit['lost_by_kind'] == {name: 1}
    assert r.audit['dropped'] == len(m.classes) - len(m.kept(31)) + 1
    assert r.pages['differ_unexplained'] == r.pages['only_unexplained'] == 0
    assert r.pages['causes']['excluded_by_level'] == r.audit['dropped'] - 1
    check_audit(r.audit, left_out(m, 31))


def test_reserved_pages_are_named(innercore, originals, scratch):
    """PG_reserved has no name in VMCOREINFO: it is learnt from the kernel's own text."""
    m = originals['machine']
    lost = {0x10200 + 300, 0x10200 + 301, some(m, 'pgtable')}
    inner = pairs.copied(originals[31], scratch / 'inner')
    pairs.drop_pages(inner, lost)
    r = pairs.compare(innercore, inner, originals['outer'])
    assert r.audit['lost_by_kind'] == {'reserved': 2, 'page_table': 1}, r
    assert [0x10200 + 300, 0x10200 + 302] in r.audit['lost_ranges']


def test_makedumpfile_that_loses_slabs(innercore, cores, scratch):
    """The first tail of a compound slab taken for user memory: what makedumpfile 1.7.8 does on Linux 7.2."""
    m, src = cores.standard(style='6.12')
    assert judges.capture(innercore, src, scratch / 'inner', 'zlib', 31).code == 0
    tails = {pfn + 1 for pfn, (kind, order) in m.kinds.items() if kind == 'slab' and order}
    assert len(tails) > 20
    pairs.drop_pages(scratch / 'inner', tails)
    r = pairs.compare(innercore, scratch / 'inner', pairs.outer_elf(scratch / 'outer', m))
    assert (r.code, r.audit['lost']) == (1, len(tails)), r
    assert r.audit['lost_by_kind'] == {'slab': len(tails)}
    assert {pfn for a, b in r.audit['lost_ranges'] for pfn in range(a, b)} == tails


@pytest.mark.parametrize('cls, kind', (('user', 'anon'), ('free', 'buddy'), ('cache', 'cache'), ('cache_private', 'cache_private')))
def test_left_out_beyond_the_level(innercore, originals, scratch, cls, kind):
    m = originals['machine']
    pfn = some(m, kind)
    inner = pairs.copied(originals[1], scratch / 'inner')
    pairs.drop_pages(inner, {pfn})
    r = pairs.compare(innercore, inner, originals['outer'])
    assert (r.code, r.verdict) == (1, 'differs'), r
    assert r.audit['dropped_beyond_level'] == {cls: 1}
    assert r.pages['unexplained_ranges'] == [[pfn, pfn + 1]]
    assert r.audit['lost'] == 0
    pairs.set_level(inner, 31)
    assert pairs.compare(innercore, inner, originals['outer']).code == 0


def test_kept_although_the_level_asks_to_leave_it_out(innercore, originals, scratch):
    m = originals['machine']
    inner = pairs.copied(originals[0], scratch / 'inner')
    pairs.set_level(inner, 24)
    r = pairs.compare(innercore, inner, originals['outer'])
    assert r.code == 0, r
    counts = m.counts()
    assert r.audit['kept_droppable'] == {'free': counts['free'], 'user': counts['user']}


def test_holes_are_unexplained(innercore, originals, scratch):
    m = originals['machine']
    pfn = some(m, 'slab')
    inner = pairs.copied(originals[31], scratch / 'inner')
    pairs.punch_hole(inner, pfn)
    r = pairs.compare(innercore, inner, originals['outer'])
    assert (r.code, r.pages['inner_unreadable'], r.pages['unexplained_ranges']) == (1, 1, [[pfn, pfn + 1]]), r
    assert r.audit['lost'] == 0


def test_memory_that_nothing_explains(innercore, originals, scratch):
    m = originals['machine']
    loads = pairs.outer_loads(m) + [elfcore.Load(0x20000000, b'x' * 5 * PAGE)]
    r = pairs.compare(innercore, originals[31], pairs.outer_elf(scratch / 'outer', m, loads=loads))
    assert (r.code, r.pages['only_unexplained'], r.pages['unexplained_ranges']) == (1, 5, [[0x20000, 0x20005]]), r
    loads = [ld for ld in pairs.outer_loads(m) if ld.paddr != 0x100000000]
    r = pairs.compare(innercore, originals[0], pairs.outer_elf(scratch / 'outer', m, loads=loads))
    above = sum(pfn >= 0x100000 for pfn in m.kept(0))
    assert (r.code, r.pages['inner_only'], r.pages['only_unexplained']) == (1, above, above), r


def test_filtered_outer_dump(innercore, originals, scratch):
    """The outer dump's memory map is enough for the audit of pages that neither dump holds."""
    m = originals['machine']
    r = pairs.compare(innercore, originals[31], originals[31])
    gone = len(m.classes) - len(m.kept(31))
    assert (r.code, r.pages['equal'], r.pages['neither'], r.audit['dropped']) == (0, len(m.kept(31)), gone, gone), r
    check_audit(r.audit, left_out(m, 31))
    r = pairs.compare(innercore, originals[0], originals[31])
    assert (r.code, r.pages['inner_only']) == (0, len(m.kept(0)) - len(m.kept(31))), r
    both = pairs.copied(originals[31], scratch / 'both')
    lost = some(m, 'pgtable')
    pairs.drop_pages(both, {lost, some(m, 'slab', 3, 2)})
    r = pairs.compare(innercore, both, both)
    assert (r.code, r.audit['lost_by_kind']) == (1, {'slab': 1, 'page_table': 1}), r
    assert [lost, lost + 1] in r.audit['lost_ranges']


def test_truncated_dumps(innercore, originals, scratch):
    m = originals['machine']
    for side in ('inner', 'outer'):
        paths = {'inner': originals['vmcore'], 'outer': originals['outer']}
        cut = paths[side] = pairs.copied(paths[side], scratch / side)
        with open(cut, 'r+b') as f:
            f.truncate(cut.stat().st_size - 20 * PAGE)
        r = pairs.compare(innercore, paths['inner'], paths['outer'])
        gone = r.pages[f'{side}_unreadable']
        assert r.code == 1 and gone in (20, 21), r
        assert r.pages['only_unexplained'] == gone and r.pages['equal'] == len(m.classes) - gone
        assert r.pages['unexplained_ranges'] == [[0x100600 - gone, 0x100600]]


@pytest.mark.parametrize('side', ('inner', 'outer'))
@pytest.mark.parametrize('field, size', ((5, 1 << 50), (6, 1 << 50), (5, 1 << 42)))
def test_memory_that_no_machine_has(innercore, originals, scratch, side, field, size):
    """p_filesz and p_memsz are words in a file: each page of them takes time."""
    paths = {'inner': originals['vmcore'], 'outer': originals['outer']}
    path = paths[side] = pairs.copied(paths[side], scratch / side)
    with open(path, 'r+b') as f:
        head = elfcore.EHDR.unpack(f.read(64))
        f.seek(head[5] + (head[10] - 1) * 56)
        phdr = list(elfcore.PHDR.unpack(f.read(56)))
        phdr[5] = size if field == 5 else phdr[5]
        phdr[6] = size
        f.seek(-56, 1)
        f.write(elfcore.PHDR.pack(*phdr))
    done = pairs.run(innercore, paths['inner'], paths['outer'], timeout=60)
    assert done.returncode == 2 and side.encode() in done.stderr
    assert (b'no machine has' if size > 1 << 46 else b'holds next to none') in done.stderr


# Pairs that cannot be compared.

@pytest.mark.parametrize('key', (b'CRASHTIME=', b'BUILD-ID=', b'OSRELEASE='))
def test_different_boots(innercore, originals, scratch, key):
    m = originals['machine']
    at = m.vmcoreinfo.index(key) + len(key)
    other = m.vmcoreinfo[:at] + (b'9' if m.vmcoreinfo[at:at + 1] != b'9' else b'8') + m.vmcoreinfo[at + 1:]
    outer = pairs.outer_elf(scratch / 'outer', m, vmcoreinfo=other)
    r = pairs.compare(innercore, originals[31], outer)
    assert (r.code, r.verdict) == (2, 'incomparable'), r
    assert key.decode()[:-1] in r.why
    assert r.pages['common'] == 0
    text = pairs.run(innercore, originals[31], outer)
    assert text.returncode == 2 and text.stdout.startswith(b'INCOMPARABLE') and key[:-1] in text.stdout
    r = pairs.compare(innercore, originals[31], outer, '--force')
    assert (r.code, r.verdict, r.pages['equal']) == (0, 'match', len(m.kept(31))), r
    assert key.decode()[:-1] in r.why


def test_another_machine(innercore, originals, scratch):
    other = vmcore.Machine(style='6.1', levels=4, negative_phys_base=False, seed=9)
    for vmcoreinfo in (True, False):
        r = pairs.compare(innercore, originals[31], pairs.outer_elf(scratch / 'outer', other, vmcoreinfo=vmcoreinfo))
        assert (r.code, r.verdict) == (2, 'incomparable'), r
        assert r.why


def test_no_kernel_at_all(innercore, originals, scratch):
    m = originals['machine']
    blind = elfcore.write(scratch / 'blind', elfcore.standard(m)[1:], vmcore.notes(m.cpus, None))
    blind2 = pairs.outer_elf(scratch / 'blind2', m, vmcoreinfo=None)
    r = pairs.compare(innercore, blind, blind2)
    assert (r.code, r.verdict) == (2, 'incomparable') and 'VMCOREINFO' in r.why, r
    r = pairs.compare(innercore, blind, blind2, '-f')
    assert r.code == 0 and r.pages['equal'] == len(m.classes), r
    assert r.audit['done'] is False and 'VMCOREINFO' in r.audit['why_not_done']


def test_dropped_pages_that_nobody_can_audit_are_no_match(innercore, originals, scratch):
    m = originals['machine']
    blind = pairs.outer_elf(scratch / 'blind', m, vmcoreinfo=None)
    inner = pairs.copied(originals[31], scratch / 'inner')
    with open(inner, 'r+b') as f:  # no VMCOREINFO on either side
        raw = f.read()
        f.seek(0)
        f.write(raw.replace(b'VMCOREINFO\0', b'VMCOREXXXX\0').replace(b'OSRELEASE=', b'OSXXXXXXX='))
    r = pairs.compare(innercore, inner, blind, '-f')
    assert (r.code, r.verdict, r.audit['done'], r.audit['lost']) == (1, 'differs', False, 0), r
    assert b'NOT AUDITED' in pairs.run(innercore, '-f', inner, blind).stdout


@pytest.mark.parametrize('what', ('empty', 'text', 'missing', 'folder'))
def test_no_dump(innercore, originals, scratch, what):
    path = scratch / 'x'
    if what == 'folder':
        path.mkdir()
    elif what != 'missing':
        path.write_bytes(b'' if what == 'empty' else b'hello\n')
    for argv in ((path, originals['outer']), (originals[31], path)):
        done = pairs.run(innercore, *argv)
        assert done.returncode == 2 and not done.stdout and str(path).encode() in done.stderr


# Reports.

def test_json_contract(innercore, originals):
    r = pairs.compare(innercore, originals[31], originals['outer'])
    assert {'verdict', 'pages', 'audit', 'headers'} <= set(r.report)
    assert {'common', 'equal', 'differ_explained', 'differ_unexplained', 'inner_only', 'outer_only', 'causes'} <= set(r.pages)
    assert {'dropped', 'zero', 'free', 'cache', 'user', 'offline', 'lost', 'lost_by_kind', 'lost_ranges'} <= set(r.audit)
    assert all(set(f) == {'field', 'inner', 'outer', 'state', 'right', 'why'} for f in r.headers)
    assert sum(r.pages['causes'].values()) + r.pages['differ_unexplained'] + r.pages['only_unexplained'] + r.audit['lost'] == \
        sum(r.pages[k] for k in ('outer_only', 'inner_only', 'neither', 'differ_explained', 'differ_unexplained'))


def test_text_says_the_worst_first(innercore, originals, scratch):
    m = originals['machine']
    pfn = some(m, 'slab')
    inner = pairs.copied(originals[31], scratch / 'inner')
    pairs.drop_pages(inner, {pfn})
    lines = pairs.run(innercore, inner, originals['outer']).stdout.decode().splitlines()
    assert lines[0].startswith('DIFFERS: 1 kernel page lost')
    assert any(line.split() == ['lost', '1', 'slab', '1'] for line in lines[:8]), lines
    assert f'  {pfn:#x}  slab' in lines
    assert max(map(len, lines[:14])) <= 160
    lines = pairs.run(innercore, originals[31], originals['outer']).stdout.decode().splitlines()
    assert lines[0].startswith('MATCH: ')


def test_usage(innercore, originals):
    for argv in ((), (originals[31],), ('-j', '0', 'a', 'b'), ('-j', 'x', 'a', 'b'), ('-j',), ('--nonsense', 'a', 'b'), ('--html',)):
        done = pairs.run(innercore, *argv)
        assert done.returncode == 2 and b'--help' in done.stderr
    assert b'--html' in pairs.run(innercore, '--help').stdout


# Hostile input.

@pytest.mark.parametrize('seed', range(6))
def test_mutated_pairs_do_no_harm(sanitized, originals, scratch, seed):
    """Bytes of headers, bitmaps, descriptors, page tables and struct pages at random: any verdict, no crash, no hang."""
    rng = random.Random(seed)
    m = originals['machine']
    for _ in range(4):
        inner, outer = pairs.copied(originals[31], scratch / 'inner'), pairs.copied(originals['outer'], scratch / 'outer')
        with open(inner, 'r+b') as f:
            for _ in range(rng.randrange(12)):
                f.seek(rng.choice((rng.randrange(0x300), PAGE + rng.randrange(0x1000), rng.randrange(0x30000))))
                f.write(rng.randbytes(rng.choice((1, 1, 4, 8))))
        with open(outer, 'r+b') as f:
            for _ in range(rng.randrange(3)):
                f.seek(rng.randrange(0x1000))
                f.write(rng.randbytes(1))
        for _ in range(rng.randrange(40)):
            pairs_at = rng.choice((vmcore.TABLE_POOL[0] + rng.randrange(0x20000), vmcore.IMAGE_PADDR + 0x200000 + rng.randrange(0x50000),
                                   m.struct_page_paddr(0x10000 + rng.randrange(0x2000))))
            try:
                pairs.flip_elf(outer, pairs_at, 1 << rng.randrange(8))
            except (StopIteration, IndexError, ValueError, OSError):
                break
        pairs.run(sanitized, '-f', '--json', '--html', scratch / 'page.html', inner, outer)


@pytest.mark.parametrize('claim, taken', ((64 << 30, True), (16 << 40, False)))
def test_memory_that_a_core_only_claims(innercore, scratch, claim, taken):
    """Each page of it is looked at: a small file must not keep anybody busy for minutes."""
    m = vmcore.Machine(style='6.1', seed=9)
    loads = [*elfcore.standard(m), elfcore.Load(1 << 34, b'', 0, claim)]
    inner, outer = elfcore.write(scratch / 'inner', loads, m.notes()), pairs.outer_elf(scratch / 'outer', m)
    done = pairs.run(innercore, '--json', inner, outer)
    if taken:
        r = json.loads(done.stdout)
        assert done.returncode == 1 and r['pages']['neither'] == r['audit']['lost'] == claim // PAGE, r['pages']
        return
    assert done.returncode == 2 and b'holds next to none of them' in done.stderr, done
    for argv in (('capture', '-q', inner, scratch / 'out'), ('repair', '-o', scratch / 'out', inner)):
        done = subprocess.run([innercore, *map(str, argv)], capture_output=True, timeout=100)
        assert done.returncode == 2 and b'holds next to none of them' in done.stderr, done
    assert not (scratch / 'out').exists()
