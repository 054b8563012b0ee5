#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What compare costs beyond reading: runs in pairs A B A B, the ratio and its spread, in seconds and in seconds of CPU.

    compare.py [--gib N] [--rounds N] [-j N]

ELF against ELF, both in the page cache: against one read of both files by as many threads (limit 2). KDUMP against KDUMP:
against decoding every page of both with the same libraries by as many threads, as build/bench/decode does (limit 1.25).
Anonymous memory: at most 64 MiB. Fixed costs (opening, the memory map) weigh less the larger the files; --gib 4 takes 8 GiB
of TMPDIR and of page cache. On a machine that does other things too, the CPU's ratio is the one to look at.
"""
import argparse
import os
import random
import resource
import statistics
import struct
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
DECODE = os.environ.get('DECODE_BIN', str(TOP / 'build/bench/decode'))
CHUNK = 1 << 20
MEMORY_LIMIT_KIB = 64 << 10


def big_core(m, path, gib):
    """A true small machine, and @gib of pages beside it, no two alike, that compress as real ones do, more or less."""
    rng = random.Random(1)
    block = bytearray(b''.join((b'%08d structure of the kernel ' % i * 20)[:300] + rng.randbytes(212) for i in range(CHUNK // 512)))
    rest = elfcore.Load(vmcore.FREE_START, b'', m.direct_map + vmcore.FREE_START, hole_len=gib << 30)
    elfcore.write(path, [*elfcore.standard(m), rest], m.notes())
    with open(path, 'r+b') as f:
        f.seek(elfcore.file_offset(path, vmcore.FREE_START))
        for i in range((gib << 30) // CHUNK):
            for off in range(0, CHUNK, 4096):
                struct.pack_into('<I', block, off + 1024, i)
            f.write(block)


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
    done = subprocess.run([*map(str, argv)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode())


def peak_kib(*argv):
    """Anonymous memory of a run, looked at often."""
    peak = 0
    with subprocess.Popen([*map(str, argv)], stdout=subprocess.DEVNULL) as p:
        while p.poll() is None:
            for line in Path(f'/proc/{p.pid}/status').read_text().splitlines():
                if line.startswith('RssAnon:'):
                    peak = max(peak, int(line.split()[1]))
            time.sleep(0.005)
    return peak


def cpu_seconds():
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(r.ru_utime + r.ru_stime for r in both)


def timed(what):
    began, began_cpu = time.monotonic(), cpu_seconds()
    what()
    return time.monotonic() - began, cpu_seconds() - began_cpu


def duel(name, a, b, rounds, limit):
    """Seconds decide; seconds of CPU are there to tell why."""
    a(), b()  # caches
    runs = [(timed(a), timed(b)) for _ in range(rounds)]
    for i, unit in reversed((*enumerate(('s', 's of CPU')),)):
        best = [min(r[side][i] for r in runs) for side in (0, 1)]
        ratios = [ta[i] / tb[i] for ta, tb in runs]
        print(f'{name}: {best[0]:.2f} {unit} against {best[1]:.2f}, ratio {statistics.median(ratios):.2f} '
              f'({min(ratios):.2f} to {max(ratios):.2f}), limit {limit}', flush=True)
    return statistics.median(ratios) <= limit


def modest(name, *argv):
    peak = peak_kib(*argv)
    print(f'{name}: anonymous memory {peak / 1024:.1f} MiB, limit {MEMORY_LIMIT_KIB >> 10}', flush=True)
    return 0 < peak <= MEMORY_LIMIT_KIB


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
        compare = BINARY, 'compare', '-j', o.j
        ok = duel('ELF against ELF, and one read of both', lambda: run(*compare, inner, outer),
                  lambda: read_both((inner, outer), o.j), o.rounds, 2)
        ok &= modest('ELF against ELF', *compare, inner, outer)
        outer.unlink()
        run(BINARY, 'capture', '-q', '-z', 'zstd', '-d', '0', inner, packed)
        inner.unlink()
        other = pairs.copied(packed, folder / 'other')
        ok &= duel('zstd against zstd, and every page of both decoded', lambda: run(*compare, packed, other),
                   lambda: run(DECODE, o.j, packed, other), o.rounds, 1.25)
        ok &= modest('zstd against zstd', *compare, packed, other)
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
