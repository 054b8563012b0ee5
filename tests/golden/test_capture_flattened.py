# SPDX-License-Identifier: GPL-2.0-or-later
"""The flattened form: what makedumpfile -R makes of it, and that the stream itself suits crash's direct reader."""
import os
import subprocess
import threading

import pytest

import judges
import vmcore
from kdump import COMPRESSION, Flattened, Kdump

MIB = 1 << 20


def capture_stream(binary, src, path, codec, level):
    with open(path, 'wb') as f:
        return judges.capture(binary, src, '-', codec, level, stdout=f)


@pytest.mark.parametrize('level', (0, 31))
@pytest.mark.parametrize('codec', COMPRESSION)
def test_rearranged_stream_equals_the_file(innercore, cores, scratch, codec, level):
    _, src = cores.standard(style='6.12', peculiar=True)
    r = capture_stream(innercore, src, scratch / 'stream', codec, level)
    assert r.code == 0 and r.report['complete'], r
    judges.capture(innercore, src, scratch / 'direct', codec, level)
    code, text = judges.rearrange(scratch / 'stream', scratch / 'rearranged')
    assert code == 0, text
    assert (scratch / 'rearranged').read_bytes() == (scratch / 'direct').read_bytes()


def check_stream(flat):
    """Each byte once, large records, the main header last, the end marker and nothing behind it."""
    assert flat.ended and flat.trailing == 0
    spans = sorted((off, off + len(data)) for off, data in flat.records)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))
    assert flat.records[-1][0] == 0 and len(flat.records[-1][1]) == 464
    assert flat.records[-1][1].startswith(b'KDUMP   ')
    assert all(off for off, _ in flat.records[:-1])
    starts = {off for off, _ in flat.records}
    for off, data in flat.records[:-1]:
        assert len(data) >= MIB or off + len(data) not in starts or off + len(data) == data_start(flat)


def data_start(flat):
    """Page data begin right behind the descriptors, which are a run of their own."""
    return Kdump(flat.rearranged()).data_off


@pytest.mark.parametrize('codec,level', (('none', 0), ('zstd', 0), ('lzo', 31)))
def test_shape_of_the_stream(innercore, cores, scratch, codec, level):
    _, src = cores.standard(style='6.12', peculiar=True)
    capture_stream(innercore, src, scratch / 'stream', codec, level)
    flat = Flattened((scratch / 'stream').read_bytes())
    check_stream(flat)
    assert Kdump(flat.rearranged()).status == COMPRESSION[codec]


def test_stream_as_source(innercore, cores, scratch):
    """A flattened dump, not rearranged, filtered once more."""
    m, src = cores.standard(style='6.12')
    capture_stream(innercore, src, scratch / 'stream', 'zstd', 0)
    r = judges.capture(innercore, scratch / 'stream', scratch / 'out', 'zlib', 31)
    assert r.code == 0, r
    assert Kdump.open(scratch / 'out').stored == m.kept(31)
    assert judges.Kdumpfile(scratch / 'out').differences(m.kept(31), m.ram.read) == {}


def test_fifo_gets_the_stream(innercore, cores, scratch):
    _, src = cores.standard(style='6.1')
    os.mkfifo(scratch / 'fifo')
    got = []
    reader = threading.Thread(target=lambda: got.append((scratch / 'fifo').read_bytes()))
    reader.start()
    r = judges.capture(innercore, src, scratch / 'fifo', 'zlib', 31)
    reader.join()
    assert r.code == 0, r
    capture_stream(innercore, src, scratch / 'stream', 'zlib', 31)
    assert got[0] == (scratch / 'stream').read_bytes()


def test_report_does_not_get_into_the_stream(innercore, cores, scratch):
    _, src = cores.standard(style='6.1')
    r = capture_stream(innercore, src, scratch / 'stream', 'zlib', 31)
    assert r.report['saved']
    assert Flattened((scratch / 'stream').read_bytes()).trailing == 0


def test_full_device(innercore, cores):
    """Nothing can be saved: exit 4, one line that says why."""
    _, src = cores.standard(style='6.1')
    with open('/dev/full', 'wb') as f:
        done = subprocess.run([innercore, 'capture', '-q', '-d', '31', src, '-'], stdout=f, stderr=subprocess.PIPE,
                              timeout=60)
    assert done.returncode == 4
    assert done.stderr.count(b'\n') == 1 and b'No space' in done.stderr, done.stderr


@pytest.mark.parametrize('want', (0, 1 << 20))
def test_reader_that_goes_away(innercore, cores, want):
    """EPIPE is an error like any other: exit 4, not death by SIGPIPE."""
    _, src = cores.standard(style='6.1')
    with subprocess.Popen([innercore, 'capture', '-q', '-z', 'none', '-d', '0', src, '-'], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as p:
        p.stdout.read(want)
        p.stdout.close()
        stderr = p.stderr.read()
        assert p.wait(60) == 4, (p.returncode, stderr)
    assert stderr.count(b'\n') == 1, stderr


def test_sparse_physical_memory_makes_no_long_bitmaps_in_the_stream(innercore, cores, scratch):
    """A page of RAM at 1 TiB: the bitmaps' zeros are gaps, and -R gives the same file."""
    import elfcore
    m = cores.machine(style='6.12')
    loads = elfcore.standard(m) + [elfcore.Load(1 << 40, b'far away' * 512)]
    src = elfcore.write(scratch / 'src', loads, m.notes())
    capture_stream(innercore, src, scratch / 'stream', 'zlib', 31)
    flat = Flattened((scratch / 'stream').read_bytes())
    check_stream(flat)
    k = Kdump(flat.rearranged())
    assert k.bitmap_blocks * 4096 > 2 * 32 * MIB > (scratch / 'stream').stat().st_size
    assert k.page((1 << 40) // vmcore.PAGE) == b'far away' * 512
    judges.capture(innercore, src, scratch / 'direct', 'zlib', 31)
    assert (scratch / 'direct').read_bytes() == flat.rearranged()
