#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What compare costs beyond reading: runs in pairs A B A B, the ratio and its spread.

    compare.py [--gib N] [--rounds N] [-j N]

ELF against ELF, both in the page cache: against one read of both files by as many threads (limit 2). KDUMP against KDUMP:
against decoding every page of both with the same libraries, which is what verify does, on one thread (limit 1.25). Fixed costs
(opening, the memory map) weigh less the larger the files; --gib 4 takes 8 GiB of disk and of page cache.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/golden'))
sys.dont_write_bytecode = True
import elfcore  # noqa: E402
import pairs  # noqa: E402
import vmcore  # noqa: E402

BINARY = os.environ.get('INNERCORE_BIN', str(TOP / 'build/innercore'))
CHUNK = 1 << 20


def big_core(m, path, gib):
    """A true small machine, and @gib of pages beside it that compress as real ones do, more or less."""
    block = b''.join((b'%08d structure of the kernel ' % i * 20)[:300] + os.urandom(212) for i in range(CHUNK // 512))
    data = block * ((gib << 30) // CHUNK // 4) * 4
    elfcore.write(path, [*elfcore.standard(m), elfcore.Load(vmcore.FREE_START, data, m.direct_map + vmcore.FREE_START)], m.notes())


def read_both(paths, threads):
    """Every byte once, in pieces, by as many threads."""
    def work(first):
        buf = bytearray(CHUNK)
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            for off in range(first * CHUNK, os.fstat(fd).st_size, threads * CHUNK):
                os.preadv(fd, [buf], off)
            os.close(fd)
    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()


def run(*argv):
    done = subprocess.run([BINARY, *map(str, argv)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode())


def timed(what):
    began = time.monotonic()
    what()
    return time.monotonic() - began


def duel(name, a, b, rounds, limit):
    a(), b()  # caches
    ratios, times = [], []
    for _ in range(rounds):
        ta, tb = timed(a), timed(b)
        ratios.append(ta / tb)
        times.append((ta, tb))
    best = [min(t) for t in zip(*times)]
    print(f'{name}: {best[0]:.2f} s against {best[1]:.2f} s, ratio {statistics.median(ratios):.2f} '
          f'({min(ratios):.2f} to {max(ratios):.2f}), limit {limit}', flush=True)
    return statistics.median(ratios) <= limit


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--gib', type=int, default=1)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('-j', type=int, default=len(os.sched_getaffinity(0)))
    o = p.parse_args()
    m = vmcore.Machine(style='6.12', free_gib=o.gib)
    with tempfile.TemporaryDirectory(dir=os.environ.get('TMPDIR', '/var/tmp')) as folder:
        folder = Path(folder)
        inner, outer, packed = folder / 'inner', folder / 'outer', folder / 'packed'
        big_core(m, inner, o.gib)
        pairs.copied(inner, outer)
        ok = duel('ELF against ELF, and one read of both', lambda: run('compare', '-j', o.j, inner, outer),
                  lambda: read_both((inner, outer), o.j), o.rounds, 2)
        outer.unlink()
        run('capture', '-q', '-z', 'zstd', '-d', '0', inner, packed)
        inner.unlink()
        other = pairs.copied(packed, folder / 'other')
        ok &= duel('zstd against zstd, and every page of both decoded, one thread', lambda: run('compare', '-j', 1, packed, other),
                   lambda: (run('verify', '-q', packed), run('verify', '-q', other)), o.rounds, 1.25)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
