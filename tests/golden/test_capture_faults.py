# SPDX-License-Identifier: GPL-2.0-or-later
"""Trouble with the output and with the run: full disks, limits, signals. What is saved must be true and say so."""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import time

import pytest

import elfcore
import judges
import vmcore
from kdump import COMPRESSION, INCOMPLETE, PAGE, Flattened, Kdump

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='mounts need root')


def check_incomplete(path, machine, report, level, codec='zlib'):
    """What was saved reads as the source, what was not is an error, and the report counts both."""
    k = Kdump.open(path)
    assert k.status & INCOMPLETE
    assert k.status & ~INCOMPLETE in (0, COMPRESSION[codec])
    assert k.stored == machine.kept(level)
    saved = {pfn for pfn, desc in k.descs() if desc != (0, 0, 0, 0)}
    assert all(off + size <= len(k.raw) for off, size, flags, _ in (k.desc(pfn) for pfn in saved))
    reader = judges.Kdumpfile(path)
    assert reader.differences(saved, machine.ram.read) == {}
    for pfn in sorted(k.stored - saved)[::37]:
        got = reader.read(pfn * PAGE)
        assert isinstance(got, str) and got != 'NoDataException', got
    assert report['saved'] is True and report['complete'] is False
    assert report['pages']['unsaved'] == len(k.stored - saved)
    return k, saved


def capture_into_tmpfs(binary, src, out, size, codec, level):
    """On a file system of @size bytes; what is on it afterwards is copied to @out."""
    script = ('mount -t tmpfs -o size="$1" none "$2" || exit 98; full="$2"; shift 2; "$@"; code=$?; '
              'cp -r "$full" "$full-after" && exit $code')
    full = out / 'full'
    full.mkdir()
    argv = ['unshare', '-m', 'sh', '-c', script, 'sh', str(size), str(full),
            binary, 'capture', '-z', codec, '-d', str(level), '--json', '-q', src, str(full / 'dump')]
    done = subprocess.run(argv, capture_output=True, env=judges.environment(), timeout=100)
    text = done.stdout.decode()
    return judges.Result(done.returncode, done.stdout, done.stderr.decode(), json.loads(text) if text else None)


@needs_root
@pytest.mark.parametrize('codec,level', (('zlib', 0), ('none', 31), ('zstd', 31)))
def test_disk_full(innercore, cores, scratch, codec, level):
    m, src = cores.standard(style='6.1')
    whole = judges.capture(innercore, src, scratch / 'whole', codec, level)
    size = (scratch / 'whole').stat().st_size
    assert whole.code == 0
    for share in (0.3, 0.6, 0.95):
        limit = int(size * share) // PAGE * PAGE
        out = scratch / f'{share}'
        out.mkdir()
        r = capture_into_tmpfs(innercore, src, out, limit, codec, level)
        assert r.code == 3, r
        assert r.report['why_incomplete'] == 'no space left'
        after = out / 'full-after'
        assert [p.name for p in after.iterdir()] == ['dump']
        k, saved = check_incomplete(after / 'dump', m, r.report, level, codec)
        # Most of the room is used: at most a run of data was lost.
        assert sum({k.desc(pfn)[0]: k.desc(pfn)[1] for pfn in saved}.values()) >= limit - k.data_off - 2 * vmcore.MIB
        shutil.rmtree(out)


@needs_root
def test_disk_too_small_for_anything(innercore, cores, scratch):
    _, src = cores.standard(style='6.1')
    for size in (4096, 65536):
        out = scratch / str(size)
        out.mkdir()
        r = capture_into_tmpfs(innercore, src, out, size, 'zlib', 31)
        assert r.code == 4, r
        assert r.report['saved'] is False
        assert 'o space left' in r.stderr
        assert list((out / 'full-after').iterdir()) == []


def test_file_size_limit(innercore, cores, scratch):
    """RLIMIT_FSIZE: EFBIG, and SIGXFSZ must not kill."""
    m, src = cores.standard(style='6.1')
    limit = 5 * vmcore.MIB

    def set_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    r = judges.capture(innercore, src, scratch / 'out', 'none', 31, preexec_fn=set_limit)
    assert r.code == 3, r
    assert (scratch / 'out').stat().st_size <= limit
    check_incomplete(scratch / 'out', m, r.report, 31, 'none')


def test_existing_file_is_not_replaced_without_force(innercore, cores, scratch):
    m, src = cores.standard(style='6.1')
    (scratch / 'out').write_bytes(b'precious')
    done = subprocess.run([innercore, 'capture', '-q', src, str(scratch / 'out')], capture_output=True, timeout=60)
    assert done.returncode in (2, 4) and done.stderr.count(b'\n') == 1, done.stderr
    assert (scratch / 'out').read_bytes() == b'precious'
    r = judges.capture(innercore, src, scratch / 'out', 'zlib', 31, '-f')
    assert r.code == 0 and Kdump.open(scratch / 'out').stored == m.kept(31)
    assert [p.name for p in scratch.iterdir()] == ['out']


def test_destination_that_cannot_be_made(innercore, cores, scratch):
    _, src = cores.standard(style='6.1')
    for dest in (scratch / 'missing' / 'out', scratch, '/proc/out'):
        done = subprocess.run([innercore, 'capture', '-q', '-d', '31', src, str(dest)], capture_output=True, timeout=60)
        assert done.returncode in (2, 4) and done.stderr.count(b'\n') == 1, (dest, done.returncode, done.stderr)
    assert list(scratch.iterdir()) == []


# Signals.


def wait_until_blocked(p):
    """Until the process sleeps in a write on its full pipe."""
    for _ in range(2000):
        with open(f'/proc/{p.pid}/stat') as f:
            state = f.read().rsplit(')', 1)[1].split()[0]
        with open(f'/proc/{p.pid}/wchan') as f:
            where = f.read()
        if state == 'S' and 'pipe' in where:
            return
        assert p.poll() is None
        time.sleep(0.005)
    raise AssertionError(f'not blocked: {state} {where}')


@pytest.mark.parametrize('number', (signal.SIGINT, signal.SIGTERM))
def test_stopped_stream(innercore, cores, scratch, number):
    """The stream still ends as a stream should, marked incomplete."""
    m, src = cores.standard(style='6.1')
    argv = [innercore, 'capture', '-z', 'none', '-d', '0', '--json', '-q', src, '-']
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        raw = p.stdout.read(8 * vmcore.MIB)
        wait_until_blocked(p)
        p.send_signal(number)
        raw += p.stdout.read()
        report = json.loads(p.stderr.read())
        assert p.wait(60) == 3
    flat = Flattened(raw)
    assert flat.ended and flat.trailing == 0
    assert report['why_incomplete'] == 'stopped before the end'
    (scratch / 'stream').write_bytes(raw)
    code, text = judges.rearrange(scratch / 'stream', scratch / 'out')
    assert code == 0, text
    assert (scratch / 'out').read_bytes() == flat.rearranged()
    _, saved = check_incomplete(scratch / 'out', m, report, 0, 'none')
    assert len(saved) > 2000


def large_source(m, path):
    """8 GiB of nothing behind a small machine: takes seconds to read. Its descriptors, reserved first, are 49 MiB."""
    loads = elfcore.standard(m) + [elfcore.Load(1 << 33, b'', m.direct_map + (1 << 33), hole_len=1 << 33)]
    return elfcore.write(path, loads, m.notes())


def start_and_wait_for_pages(innercore, src, folder, size):
    """Starts a capture into @folder and waits until its file has grown to @size."""
    argv = [innercore, 'capture', '-z', 'none', '-d', '0', '--json', '-q', str(src), str(folder / 'dump')]
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(5000):
        if sum(f.stat().st_blocks * 512 for f in folder.iterdir()) >= size:
            return p
        assert p.poll() is None, p.stderr.read()
        time.sleep(0.002)
    raise AssertionError('the dump does not grow')


def descriptors_offset(main_header):
    sub_blocks, bitmap_blocks = struct.unpack_from('<iI', main_header, 432)
    return (1 + sub_blocks + bitmap_blocks) * PAGE


def wait_for_descriptors(p, path, index=20000):
    """Until descriptor number @index is in the file: those of the machine proper then are, too."""
    with open(path, 'rb', buffering=0) as f:
        start = descriptors_offset(f.read(464))
        for _ in range(5000):
            f.seek(start + 24 * index)
            if any(f.read(24)):
                return
            assert p.poll() is None, p.stderr.read()
            time.sleep(0.002)
    raise AssertionError('no descriptors are written')


@pytest.mark.parametrize('number', (signal.SIGINT, signal.SIGTERM))
def test_stopped_file(innercore, cores, scratch, number):
    m = cores.machine(style='6.1')
    src = large_source(m, scratch / 'src')
    (scratch / 'out').mkdir()
    p = start_and_wait_for_pages(innercore, src, scratch / 'out', 72 * vmcore.MIB)
    p.send_signal(number)
    stdout, stderr = p.communicate(timeout=60)
    assert p.returncode == 3, stderr
    report = json.loads(stdout)
    assert report['why_incomplete'] == 'stopped before the end'
    assert report['saved'] and not report['complete'] and report['pages']['unsaved'] > 0
    assert [f.name for f in (scratch / 'out').iterdir()] == ['dump']
    reader = judges.Kdumpfile(scratch / 'out' / 'dump')
    pfns = sorted(m.kept(0))
    bad = reader.differences(pfns, m.ram.read)
    assert len(bad) < len(pfns) // 2 and set(bad) == set(pfns[len(pfns) - len(bad):])  # only the end is missing
    assert 'differs' not in bad.values()
    last = reader.read((1 << 34) - PAGE)
    assert isinstance(last, str) and last != 'NoDataException'


def test_killed(innercore, cores, scratch):
    """Nothing runs after SIGKILL: no file of the wanted name, and what lies there says that it is incomplete."""
    m = cores.machine(style='6.1')
    src = large_source(m, scratch / 'src')
    (scratch / 'out').mkdir()
    p = start_and_wait_for_pages(innercore, src, scratch / 'out', 72 * vmcore.MIB)
    files = list((scratch / 'out').iterdir())
    wait_for_descriptors(p, files[0])
    p.kill()
    p.communicate(timeout=60)
    assert list((scratch / 'out').iterdir()) == files and files[0].name != 'dump'
    assert files[0].stat().st_mode & 0o777 == 0o600
    with open(files[0], 'rb') as f:
        head = f.read(464)
        f.seek(descriptors_offset(head))
        descs = list(struct.iter_unpack('<qIIQ', f.read(24 * 20000)))
    assert head[:8] == b'KDUMP   ' and head[424] & INCOMPLETE
    assert all(off and off + size <= files[0].stat().st_size for off, size, _, _ in descs)
    reader = judges.Kdumpfile(files[0])
    assert 'differs' not in reader.differences(m.kept(0), m.ram.read).values()
