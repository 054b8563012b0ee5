# SPDX-License-Identifier: GPL-2.0-or-later
"""Every codec, every level: which pages are kept, that they are the source's, and that every reader takes the file."""
import pytest

import judges
import pagetypes
import vmcore
from kdump import COMPRESSION, PAGE, Kdump

LEVELS = (0, 1, 2, 4, 8, 16, 31)


def classes_agree(report, machine):
    """Kernel and unknown pages are kept alike; which of the two a senseless struct page is makes no difference."""
    want, got = machine.counts(), dict(report['classes'])
    for counts in (want, got):
        counts['kept always'] = counts.pop('kernel') + counts.pop('unknown')
    assert got == want


@pytest.mark.parametrize('level', LEVELS)
@pytest.mark.parametrize('codec', COMPRESSION)
def test_kept_pages_and_contents(innercore, cores, scratch, codec, level):
    style = '6.12' if codec in ('zstd', 'lzo') else '6.1'
    m, src = cores.standard(style=style, peculiar=True)
    out = scratch / 'out'
    r = judges.capture(innercore, src, out, codec, level)
    assert r.code == 0, r
    k = Kdump.open(out)
    assert k.stored == m.kept(level)
    assert k.ram == set(m.ram.pfns())
    assert k.status == COMPRESSION[codec]
    assert k.dump_level == level
    classes_agree(r.report, m)
    reader = judges.Kdumpfile(out)
    assert reader.differences(m.kept(level), m.ram.read) == {}
    for pfn in sorted(k.ram - k.stored)[::97]:
        assert reader.read(pfn * PAGE) == 'NoDataException'


@pytest.mark.parametrize('level', range(32))
def test_every_level(innercore, cores, scratch, level):
    m, src = cores.standard(style='6.12', peculiar=True)
    assert judges.capture(innercore, src, scratch / 'out', 'snappy', level).code == 0
    assert Kdump.open(scratch / 'out').stored == m.kept(level)


@pytest.mark.parametrize('codec', COMPRESSION)
def test_how_pages_are_stored(innercore, cores, scratch, codec):
    """Zero pages share one stored page, repeated ones theirs, noise is raw, the rest compressed; nothing lies over anything else."""
    m, src = cores.standard(style='6.1')
    r = judges.capture(innercore, src, scratch / 'out', codec, 0)
    k = Kdump.open(scratch / 'out')
    zero, nr_zero, raw, packed = set(), 0, set(), set()
    for pfn, (off, size, flags, page_flags) in k.descs():
        assert page_flags == 0
        if not any(m.ram.read(pfn * PAGE, PAGE)):
            assert (size, flags) == (PAGE, 0)
            zero.add(off)
            nr_zero += 1
            continue
        assert flags in (0, COMPRESSION[codec])
        assert size == PAGE if flags == 0 else 0 < size < PAGE
        (packed if flags else raw).add((off, off + size))
    assert len(zero) == 1
    off = zero.pop()
    assert k.raw[off:off + PAGE] == bytes(PAGE)
    spans = sorted(raw | packed | {(off, off + PAGE)})
    assert spans[0][0] == k.data_off and spans[-1][1] == len(k.raw)
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:]))
    pages = r.report['pages']
    assert (pages['zero'], pages['raw'], pages['compressed']) == (nr_zero, len(raw), len(packed))
    assert pages['repeated'] == len(k.stored) - nr_zero - len(raw) - len(packed) > 0
    assert bool(packed) == (codec != 'none') and raw


@pytest.mark.parametrize('style', ('6.1', '6.12'))
def test_header_is_what_every_reader_needs(innercore, cores, scratch, style):
    m, src = cores.standard(style=style)
    out = scratch / 'out'
    judges.capture(innercore, src, out, 'zlib', 31)
    k = Kdump.open(out)
    assert k.version == 6 and k.block_size == PAGE
    assert tuple(k.uts) == m.uts
    assert (k.tv_sec, k.tv_usec) == (vmcore.CRASHTIME, 0)
    assert k.phys_base == m.phys_base
    end = max(m.ram.pfns()) + 1
    assert k.max_mapnr == k.max_mapnr_64 == end
    assert k.bitmap_blocks == 2 * -(-end // 8 // PAGE)
    assert k.nr_cpus == m.cpus and k.split == 0
    assert k.notes() == m.notes() and k.notes_off == PAGE + 104
    assert k.sub_blocks == -(-(104 + len(m.notes())) // PAGE)
    assert k.vmcoreinfo() == m.vmcoreinfo
    assert (k.erase_off, k.erase_len) == (0, 0)
    assert (out.stat().st_mode & 0o777) == 0o600
    assert [p.name for p in scratch.iterdir()] == ['out']


def test_outside_programs_open_it(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    out = scratch / 'out'
    judges.capture(innercore, src, out, 'lzo', 31)
    assert 'Kdump compressed dump v6' in judges.run_text('file', '-b', out)[1]
    assert judges.run_text('crash', '--osrelease', out) == (0, m.uts[2] + '\n')
    reader = judges.Kdumpfile(out)
    assert reader.attr('linux.uts.release') == m.uts[2]
    assert reader.attr('arch.name') == 'x86_64'
    assert reader.attr('cpu.number') == m.cpus
    assert reader.attr('linux.phys_base') == m.phys_base % (1 << 64)
    pfns = sorted(m.kept(31))[::50]
    got = judges.drgn_read(out, [pfn * PAGE for pfn in pfns])
    assert all(got[pfn * PAGE] == m.ram.read(pfn * PAGE, PAGE) for pfn in pfns)


@pytest.mark.parametrize('level', (0, 31))
@pytest.mark.parametrize('codec', ('none', 'zlib', 'lzo'))  # what Debian's makedumpfile can read
def test_makedumpfile_filters_our_dump_to_the_same_pages(innercore, cores, scratch, codec, level):
    m, src = cores.standard(style='6.1')
    judges.capture(innercore, src, scratch / 'ours', codec, level)
    code, text = judges.makedumpfile(scratch / 'ours', scratch / 'theirs', 31)
    assert code == 0, text
    assert Kdump.open(scratch / 'theirs').stored == m.kept(31)
    assert judges.Kdumpfile(scratch / 'theirs').differences(m.kept(31), m.ram.read) == {}


@pytest.mark.parametrize('level', LEVELS)
def test_makedumpfile_agrees_about_the_source(cores, scratch, level):
    """Judges the generator: on plain struct pages of 6.1 both programs' rules are the same."""
    m, src = cores.standard(style='6.1')
    code, text = judges.makedumpfile(src, scratch / 'out', level)
    assert code == 0, text
    assert Kdump.open(scratch / 'out').stored == m.kept(level)


def test_our_dump_is_filtered_again(innercore, cores, scratch):
    """A KDUMP as source: what it lacks stays absent, what the new level drops goes."""
    m, src = cores.standard(style='6.12')
    judges.capture(innercore, src, scratch / 'd1', 'zstd', 16)
    r = judges.capture(innercore, scratch / 'd1', scratch / 'd2', 'lzo', 2 | 8)
    assert r.code == 0, r
    k = Kdump.open(scratch / 'd2')
    assert k.stored == m.kept(16) & m.kept(2 | 8)
    assert k.ram == set(m.ram.pfns())
    assert k.phys_base == m.phys_base and tuple(k.uts) == m.uts
    assert judges.Kdumpfile(scratch / 'd2').differences(k.stored, m.ram.read) == {}


def test_same_source_same_bytes(innercore, cores, scratch):
    _, src = cores.standard(style='6.12')
    for name in ('a', 'b'):
        judges.capture(innercore, src, scratch / name, 'zstd', 31)
    assert (scratch / 'a').read_bytes() == (scratch / 'b').read_bytes()


def test_json_report(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    r = judges.capture(innercore, src, scratch / 'out', 'zlib', 31)
    rep, pages = r.report, r.report['pages']
    assert rep['saved'] is True and rep['complete'] is True and rep['filtered'] is True
    assert rep['why_incomplete'] == '' and rep['why_unfiltered'] == ''
    assert (rep['compression'], rep['dump_level'], rep['release']) == ('zlib', 31, m.uts[2])
    assert set(rep['classes']) == set(pagetypes.CLASSES)
    assert sum(rep['classes'].values()) == pages['present'] == len(m.classes)
    assert pages['kept'] == len(m.kept(31)) == sum(pages[how] for how in ('zero', 'repeated', 'raw', 'compressed'))
    assert pages['page_size'] == PAGE
    assert (pages['not_in_source'], pages['partial'], pages['unreadable'], pages['unsaved']) == (0, 0, 0, 0)
    assert rep['holes'] == [] and rep['hole_ranges'] == 0
    assert abs(rep['bytes']['written'] - (scratch / 'out').stat().st_size) < PAGE  # the header's page is mostly a gap
    assert rep['bytes']['read'] == pages['kept'] * PAGE
    assert rep['seconds']['plan'] >= 0 and rep['seconds']['write'] >= 0
