# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that cannot be read: an error in every reader, never zeros and never another page's bytes."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import elfcore
import faultfs
import judges
import vmcore
from kdump import INCOMPLETE, PAGE, Kdump

HERE = Path(__file__).parent
needs_fuse = pytest.mark.skipif(not faultfs.available(), reason='failing reads need root and /dev/fuse')


def capture_from_faulty(binary, src, bad, dest, level, scratch, codec='zlib', preload=None):
    """Capture @src with reads of the byte ranges @bad of the file failing."""
    mountpoint = scratch / 'faulty'
    mountpoint.mkdir(exist_ok=True)
    ranges = ','.join(text if isinstance(text, str) else '{}-{}'.format(*text) for text in bad)
    argv = ['unshare', '-m', sys.executable, str(HERE / 'faultfs.py'), src, str(mountpoint), ranges]
    argv += ['env', f'LD_PRELOAD={preload}'] if preload else []
    argv += [binary, 'capture', '-z', codec, '-d', str(level), '--json', '-q', str(mountpoint / 'core'), str(dest)]
    with open(scratch / 'stdout', 'wb') as out:
        done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, env=judges.environment(), timeout=100)
    stderr = done.stderr.decode()
    text = stderr if dest == '-' else (scratch / 'stdout').read_text()
    start = text.find('{')
    return judges.Result(done.returncode, None, stderr, json.loads(text[start:]) if start >= 0 else None)


def spans_of(src, pfns):
    return [(off, off + PAGE) for off in (elfcore.file_offset(src, pfn * PAGE) for pfn in pfns)]


def hole_ranges(pfns):
    return [[a, b] for a, b in judges.runs(pfns, limit=1 << 40)]


def some_pages(m, level):
    """Pages of no special content: one alone, a run of three, a range's first and last, one that level 31 drops."""
    plain = [p for p in sorted(m.kept(level)) if m.kinds.get(p, ('',))[0] in ('slab', 'kcompound', 'kalloc', 'pcp')
             and p < 0x10000 and p not in m.structures]
    image = vmcore.IMAGE_PADDR // PAGE + 300
    dropped = next(p for p in sorted(m.classes) if m.classes[p] == 'free' and p < 0x10000)
    return {plain[3], plain[50], plain[51], plain[-1], image, image + 1, image + 2, 0x100, 0x8ff, 0x1005ff, dropped}


def check_holes(path, m, bad, level, reader_errors=('CorruptException',)):
    kept = m.kept(level)
    holes = bad & kept
    k = Kdump.open(path)
    assert k.stored == kept
    assert k.status == 1 | INCOMPLETE
    for pfn in kept:
        assert (k.desc(pfn) == (0, 0, 0, 0)) == (pfn in holes)
    reader = judges.Kdumpfile(path)
    assert reader.differences(kept - holes, m.ram.read) == {}
    errors = {reader.read(pfn * PAGE) for pfn in holes}
    assert errors <= set(reader_errors), errors
    good = sorted(kept - holes)[::400]
    got = judges.drgn_read(path, [pfn * PAGE for pfn in sorted(holes) + good])
    assert all(got[pfn * PAGE] == 'FaultError' for pfn in holes)
    assert all(got[pfn * PAGE] == m.ram.read(pfn * PAGE, PAGE) for pfn in good)
    return holes


def check_report(r, holes):
    assert r.code == 3, r
    rep = r.report
    assert rep['saved'] is True and rep['complete'] is False
    assert rep['why_incomplete'] == 'pages could not be read'
    assert rep['holes'] == hole_ranges(holes) and rep['hole_ranges'] == len(rep['holes'])
    assert rep['pages']['unreadable'] == len(holes) and rep['pages']['unsaved'] == 0


@needs_fuse
@pytest.mark.parametrize('level', (0, 31))
def test_failing_medium(sanitized, cores, scratch, level):
    m, src = cores.standard(style='6.1')
    bad = some_pages(m, level)
    r = capture_from_faulty(sanitized, src, spans_of(src, bad), scratch / 'out', level, scratch)
    holes = check_holes(scratch / 'out', m, bad, level)
    check_report(r, holes)
    assert len(holes) >= 7
    # makedumpfile goes on, and its copy has the rest.
    code, text = judges.makedumpfile(scratch / 'out', scratch / 'theirs', 31)
    assert code == 0, text
    rest = m.kept(31) - holes
    assert judges.Kdumpfile(scratch / 'theirs').differences(rest, m.ram.read) == {}


@needs_fuse
def test_failing_medium_to_a_stream(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    bad = some_pages(m, 0)
    r = capture_from_faulty(innercore, src, spans_of(src, bad), '-', 0, scratch)
    code, text = judges.rearrange(scratch / 'stdout', scratch / 'out')
    assert code == 0, text
    check_report(r, check_holes(scratch / 'out', m, bad, 0))


def test_many_holes_are_counted_beyond_the_list(innercore, cores, scratch):
    """300 loads of one page each, all beyond the end of the file."""
    m = cores.machine(style='6.1')
    bad = set(range(0x20000, 0x20000 + 600, 2))
    loads = elfcore.standard(m) + [elfcore.Load(pfn * PAGE, b'', hole_len=PAGE) for pfn in sorted(bad)]
    src = elfcore.write(scratch / 'src', loads, m.notes())
    os.truncate(src, elfcore.file_offset(src, min(bad) * PAGE))
    r = judges.capture(innercore, src, scratch / 'out', 'zlib', 0)
    assert r.code == 3, r
    assert r.report['pages']['unreadable'] == len(bad) == r.report['hole_ranges']
    assert r.report['holes'] == hole_ranges(bad)[:len(r.report['holes'])] and len(r.report['holes']) >= 256
    assert Kdump.open(scratch / 'out').stored == m.kept(0) | bad
    reader = judges.Kdumpfile(scratch / 'out')
    assert {reader.read(pfn * PAGE) for pfn in bad} == {'CorruptException'}
    assert reader.differences(m.kept(0), m.ram.read) == {}


@needs_fuse
def test_everything_unreadable(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    start = min(off for _, off, _ in elfcore.places(src))
    r = capture_from_faulty(innercore, src, [(start, os.path.getsize(src))], scratch / 'out', 31, scratch)
    assert r.code == 3, r
    k = Kdump.open(scratch / 'out')
    assert {desc for _, desc in k.descs()} == {(0, 0, 0, 0)}
    assert k.stored == set(m.ram.pfns())  # no memory map: all are kept


@needs_fuse
def test_unreadable_headers(sanitized, cores, scratch):
    """Not a dump then: one line, exit 2, nothing left behind."""
    _, src = cores.standard(style='6.1')
    r = capture_from_faulty(sanitized, src, [(0, PAGE)], scratch / 'out', 31, scratch)
    assert r.code in (2, 4), r
    assert not (scratch / 'out').exists()


def check_unreadable_struct_pages(binary, cores, scratch, preload=None):
    m, src = cores.standard(style='6.12')
    first = 0x10000000 // PAGE + 64 * 20
    frame = m.struct_page_paddr(first) // PAGE
    r = capture_from_faulty(binary, src, spans_of(src, {frame}), scratch / 'out', 31, scratch, preload=preload)
    assert r.code == 3 and r.report['filtered'], r
    k = Kdump.open(scratch / 'out')
    assert k.stored >= m.kept(31) | set(range(first, first + 64))
    assert r.report['holes'] == [[frame, frame + 1]]
    assert r.report['classes']['unknown'] >= 64


@needs_fuse
def test_unreadable_struct_pages(sanitized, cores, scratch):
    """A page of struct pages that cannot be read: itself a hole, and the pages that it tells of are kept."""
    check_unreadable_struct_pages(sanitized, cores, scratch)


# The file ends too soon.


@pytest.mark.parametrize('inside_page', (0, 1234))
def test_truncated_source(sanitized, cores, scratch, inside_page):
    m, src = cores.standard(style='6.1')
    cut = 0x100200000  # inside the last range
    shutil.copyfile(src, scratch / 'src')
    os.truncate(scratch / 'src', elfcore.file_offset(src, cut) + inside_page)
    r = judges.capture(sanitized, scratch / 'src', scratch / 'out', 'zlib', 0)
    bad = set(range(cut // PAGE, 0x100600000 // PAGE))
    check_report(r, check_holes(scratch / 'out', m, bad, 0))


def test_source_truncated_within_the_struct_pages(sanitized, cores, scratch):
    """What is left holds no memory map: everything that can be read is kept."""
    m, src = cores.standard(style='6.1')
    shutil.copyfile(src, scratch / 'src')
    os.truncate(scratch / 'src', elfcore.file_offset(src, 0x10000000))
    r = judges.capture(sanitized, scratch / 'src', scratch / 'out', 'zlib', 31)
    assert r.code == 3, r
    k = Kdump.open(scratch / 'out')
    gone = {p for p in m.ram.pfns() if p * PAGE >= 0x10000000 and not
            vmcore.IMAGE_PADDR <= p * PAGE < vmcore.IMAGE_PADDR + vmcore.IMAGE_LEN}
    assert {pfn for pfn, desc in k.descs() if desc == (0, 0, 0, 0)} == gone & k.stored
    assert judges.Kdumpfile(scratch / 'out').differences(set(m.ram.pfns()) - gone, m.ram.read) == {}


def check_cut_struct_pages(binary, cores, scratch, preload=None):
    m, src = cores.standard(style='6.12')
    first = 0x10000000 // PAGE + 64 * 20
    cut = elfcore.file_offset(src, m.struct_page_paddr(first))
    r = capture_from_faulty(binary, src, [f'cut:{cut}-{os.path.getsize(src)}'], scratch / 'out', 31, scratch, preload=preload)
    assert r.code == 3 and r.report['filtered'], r
    k = Kdump.open(scratch / 'out')
    untold = {p for p in m.ram.pfns() if elfcore.file_offset(src, m.struct_page_paddr(p)) >= cut}
    gone = {p for p in m.ram.pfns() if elfcore.file_offset(src, p * PAGE) >= cut}
    assert set(m.ram.pfns()) - k.stored  # what is left of the map is made use of
    assert k.stored >= m.kept(31) | untold
    assert {pfn for pfn, desc in k.descs() if desc == (0, 0, 0, 0)} == gone & k.stored
    assert judges.Kdumpfile(scratch / 'out').differences(k.stored - gone, m.ram.read) == {}


@needs_fuse
def test_source_shrinks_before_the_plan(sanitized, cores, scratch):
    check_cut_struct_pages(sanitized, cores, scratch)


def test_source_shrinks_while_it_is_read(innercore, cores, scratch):
    """Not even this may kill a capture."""
    m, src = cores.standard(style='6.1')
    shutil.copyfile(src, scratch / 'src')
    argv = [innercore, 'capture', '-z', 'none', '-d', '0', '--json', '-q', str(scratch / 'src'), '-']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        raw = p.stdout.read(vmcore.MIB)
        os.truncate(scratch / 'src', elfcore.file_offset(src, 0x100100000))
        raw += p.stdout.read()
        report = json.loads(p.stderr.read())
        assert p.wait(60) == 3
    (scratch / 'stream').write_bytes(raw)
    assert judges.rearrange(scratch / 'stream', scratch / 'out')[0] == 0
    bad = set(range(0x100100, 0x100600)) & m.kept(0)
    assert report['pages']['unreadable'] == len(bad)
    k = Kdump.open(scratch / 'out')
    assert {pfn for pfn, desc in k.descs() if desc == (0, 0, 0, 0)} == bad
    assert judges.Kdumpfile(scratch / 'out').differences(m.kept(0) - bad, m.ram.read) == {}


# /proc/vmcore is read through windows of mmap(2), where a bad page is a SIGBUS.


def preload_for_windows(binary, folder):
    """What to preload, so that @binary takes any file for one of procfs; None where it is static."""
    if 'Shared library' not in judges.run_text('readelf', '-d', binary)[1]:
        return None
    shim = folder / 'statfs_shim.so'
    code, text = judges.run_text('gcc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', shim, HERE / 'statfs_shim.c')
    assert code == 0, text
    asan = judges.run_text('gcc', '-print-file-name=libasan.so')[1].strip()
    return f'{asan} {shim}'


@pytest.fixture
def windowed(sanitized, scratch):
    return preload_for_windows(sanitized, scratch) or \
        pytest.skip('no sanitized binary: the product is static and cannot be preloaded')


@needs_fuse
@pytest.mark.parametrize('level', (0, 31))
def test_bad_page_in_a_window(sanitized, windowed, cores, scratch, level):
    m, src = cores.standard(style='6.1')
    bad = some_pages(m, level)
    r = capture_from_faulty(sanitized, src, spans_of(src, bad), scratch / 'out', level, scratch, preload=windowed)
    check_report(r, check_holes(scratch / 'out', m, bad, level))


@needs_fuse
def test_unreadable_struct_pages_in_a_window(sanitized, windowed, cores, scratch):
    """Nobody copies them first: they fail while they are classified."""
    check_unreadable_struct_pages(sanitized, cores, scratch, preload=windowed)


@needs_fuse
def test_window_shrinks_before_the_plan(sanitized, windowed, cores, scratch):
    check_cut_struct_pages(sanitized, cores, scratch, preload=windowed)


@pytest.mark.parametrize('layout', ('standard', 'split', 'ragged'))
def test_windows_give_the_same_bytes(sanitized, windowed, cores, scratch, layout):
    m = cores.machine(style='6.12')
    src = elfcore.write(scratch / 'src', getattr(elfcore, layout)(m), m.notes(), align=1 if layout == 'split' else PAGE)
    judges.capture(sanitized, src, scratch / 'read', 'lzo', 31)
    argv = [sanitized, 'capture', '-q', '-z', 'lzo', '-d', '31', str(src), str(scratch / 'mapped')]
    env = dict(judges.environment(), LD_PRELOAD=windowed)
    done = subprocess.run(argv, env=env, stderr=subprocess.PIPE, timeout=100)
    assert done.returncode == 0, done.stderr
    assert (scratch / 'read').read_bytes() == (scratch / 'mapped').read_bytes()
