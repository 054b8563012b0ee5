# SPDX-License-Identifier: GPL-2.0-or-later
"""The same dump, report and warnings for any number of threads, however little memory there is for them."""
import subprocess

import pytest

import bigcore
import judges
from vmcore import MIB


CLUSTERS = [(bigcore.FIRST_SECTION + 3, 9), (bigcore.FIRST_SECTION + 4000, 7)]


@pytest.fixture(scope='module', params=['6.1', '6.12'])
def big(request, tmp_path_factory):
    """(pages of each class, path): all kinds of use, in two places far apart."""
    path = tmp_path_factory.mktemp('big') / 'core'
    counts = bigcore.BigMachine(CLUSTERS, style=request.param).write(path)
    yield counts, path
    path.unlink()


def result_of(binary, src, dest, threads, *more):
    r = judges.capture(binary, src, dest, 'lzo', 31, '-j', str(threads), *more)
    raw = dest.read_bytes() if dest.exists() else None
    dest.unlink(missing_ok=True)
    for key in ('seconds', 'threads'):
        if r.report:
            del r.report[key]
    return r, raw


def test_every_number_of_threads_gives_the_same(innercore, big, scratch):
    counts, src = big
    alone, dump = result_of(innercore, src, scratch / 'dump', 1)
    assert alone.code == 0
    assert alone.report['classes'] == counts
    for threads in (2, 3, 8, 128):
        r, raw = result_of(innercore, src, scratch / 'dump', threads)
        assert (r.code, r.report, r.stderr) == (alone.code, alone.report, alone.stderr)
        assert raw == dump


def test_broken_map_gives_the_same(innercore, big, scratch):
    """Struct pages of one section are noise, and the tables lead nowhere for another: warnings and guards are the same too."""
    counts, src = big
    broken = scratch / 'broken'
    subprocess.run(['cp', '--sparse=always', src, broken], check=True)
    rng = bigcore.random.Random(4)
    with open(broken, 'r+b') as f:
        f.seek(bigcore.elfcore.file_offset(broken, (CLUSTERS[0][0] + 2) * bigcore.SECTION_BYTES))
        f.write(rng.randbytes(2 * MIB))
        f.truncate(broken.stat().st_size - 3 * bigcore.SECTION_BYTES)
    alone, dump = result_of(innercore, broken, scratch / 'dump', 1)
    assert alone.code == 3 and alone.report['filtered'] and alone.report['classes']['unknown'] > 2 * bigcore.SECTION_PAGES
    for threads in (2, 5):
        r, raw = result_of(innercore, broken, scratch / 'dump', threads)
        assert (r.code, r.report, r.stderr) == (alone.code, alone.report, alone.stderr)
        assert raw == dump


def test_read_through_windows(sanitized, big, scratch):
    """As /proc/vmcore is: each thread has windows of its own, and struct pages are looked at in them."""
    from test_capture_unreadable import preload_for_windows
    preload = preload_for_windows(sanitized, scratch)
    if not preload:
        pytest.skip('no sanitized binary: the product is static and cannot be preloaded')
    counts, src = big
    dumps = []
    for env in (judges.environment(), dict(judges.environment(), LD_PRELOAD=preload)):
        dest = scratch / 'dump'
        subprocess.run([sanitized, 'capture', '-q', '-z', 'lzo', '-d', '31', '-j', '3', src, dest], env=env, check=True)
        dumps.append(dest.read_bytes())
        dest.unlink()
    assert dumps[0] == dumps[1]


def test_little_memory(innercore, big, scratch):
    """
    Fewer threads do where memory for more is not to be had; and what the budget promises is enough. Without the table of
    repeated pages, which little memory makes smaller, and the dump larger.
    """
    _, src = big
    _, dump = result_of(innercore, src, scratch / 'dump', 1, '--no-dedup')
    saved = []
    for mib in (24, 20, 16, 12, 10, 9, 8, 7, 6):
        argv = ['prlimit', f'--data={mib * MIB}', innercore, 'capture', '-q', '--no-dedup', '-z', 'lzo', '-d', '31', '-j', '2']
        done = subprocess.run([*argv, src, scratch / 'dump'], stderr=subprocess.PIPE)
        saved.append(done.returncode == 0)
        if saved[-1]:
            assert (scratch / 'dump').read_bytes() == dump
        else:
            assert done.returncode == 4 and b'out of memory' in done.stderr, done
        (scratch / 'dump').unlink(missing_ok=True)
    assert all(saved[:3]), saved
    assert saved == sorted(saved, reverse=True)
