#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the plan costs on large machines, side by side with makedumpfile's filter: runs in pairs A B A B, the ratio and its spread.

    scale.py [--rounds N] [--only NAME] [--populated-max GIB] [--folder DIR]

The vmcores are synthetic and sparse (bigcore.py). Times are those that the programs themselves give for the work between
opening the file and writing the dump; makedumpfile has no threads for it. RSS is the peak of the whole run. A comparison counts
only if both programs find the very pages of each class that the generator planted. Results are kept in build/bench/.
"""
import argparse
import json
import os
import re
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
import bigcore  # noqa: E402

INNERCORE = os.environ.get('INNERCORE_BIN', str(TOP / 'build/innercore'))
MAKEDUMPFILE = os.environ.get('BENCH_MAKEDUMPFILE', 'makedumpfile').split()

# name -> (GiB of memory, GiB that it spans, pieces that it comes in)
MACHINES = {'64 GiB': (64, 64, 1), '1 TiB': (256, 1024, 8), '12 TiB': (128, 12288, 64)}
THEIR_CLASSES = {'cache': 'Non-private cache pages', 'cache_private': 'Private cache pages', 'user': 'User process data pages',
                 'free': 'Free pages', 'hwpoison': 'Hwpoison pages', 'offline': 'Offline pages'}


class Run:
    """One run of one program: what it said, and the most memory that it had."""

    def __init__(self, argv):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process:
                self.rss_kib, ended = 0, threading.Event()
                watch = threading.Thread(target=self._watch, args=(process.pid, ended), daemon=True)
                watch.start()
                process.wait()
                ended.set()
                watch.join()
            out.seek(0)
            err.seek(0)
            self.out, self.err = out.read().decode(), err.read().decode()
        if process.returncode:
            raise SystemExit(f'{argv}: exit code {process.returncode}\n{self.out}{self.err}')

    def _watch(self, pid, ended):
        while not ended.wait(0.01):
            try:
                text = Path(f'/proc/{pid}/status').read_text()
            except OSError:
                return
            found = re.search(r'VmHWM:\s*(\d+)', text)
            self.rss_kib = max(self.rss_kib, int(found[1])) if found else self.rss_kib


class Ours(Run):
    """The dump goes where it costs nothing."""

    def __init__(self, core, threads):
        super().__init__([INNERCORE, 'capture', '-q', '--json', '-z', 'none', '-d', '31', '-j', str(threads), core, '/dev/null'])
        said = json.loads(self.out)
        self.plan, self.classes = said['seconds']['plan'], said['classes']


class Theirs(Run):
    """Without writing; it takes the same steps."""

    def __init__(self, core):
        super().__init__([*MAKEDUMPFILE, '-d', '31', '-D', '--dry-run', '--message-level', '31', core, 'dump'])
        steps = re.findall(r'STEP \[(.*?)\s*\] : ([0-9.]+) seconds', self.out + self.err)
        self.plan = sum(float(seconds) for name, seconds in steps if not name.startswith('Copying'))
        self.classes = {}
        for cls, name in THEIR_CLASSES.items():
            self.classes[cls] = int(re.search(rf'{re.escape(name)}\s*: 0x([0-9a-f]+)', self.out + self.err)[1], 16)


def check(name, truth, found):
    for cls, count in found.items():
        if truth[cls] != count:
            raise SystemExit(f'{name} finds {count} pages of class {cls}, and {truth[cls]} were planted')


def spread(values):
    return f'{statistics.median(values):6.2f} ({min(values):.2f} .. {max(values):.2f})'


def measure(name, core, truth, rounds):
    """Lines of the table, and all that was measured."""
    struct_gib = sum(truth.values()) * 64 / (1 << 30)
    sides = {'1 thread': lambda: Ours(core, 1), '2 threads': lambda: Ours(core, 2), 'makedumpfile': lambda: Theirs(core)}
    runs = {side: [] for side in sides}
    for side, run in sides.items():  # all of it into the cache
        check(side, truth, run().classes)
    for _ in range(rounds):
        for side, run in sides.items():
            runs[side].append(run())
    print(f'{name}: {struct_gib:.2f} GiB of struct pages')
    for side, all_of_it in runs.items():
        line = f'  {side:13} {statistics.median(r.plan for r in all_of_it):7.3f} s,'
        line += f' {spread([struct_gib / r.plan for r in all_of_it])} GiB a second,'
        line += f' RSS {statistics.median(r.rss_kib for r in all_of_it) / 1024:7.1f} MiB'
        if side != 'makedumpfile':
            theirs = runs['makedumpfile']
            line += f', makedumpfile takes {spread([b.plan / a.plan for a, b in zip(all_of_it, theirs)])} times as long'
            line += f' and {spread([b.rss_kib / a.rss_kib for a, b in zip(all_of_it, theirs)])} times the memory'
        print(line, flush=True)
    return {'machine': name, 'struct_gib': struct_gib,
            'runs': {side: [{'plan': r.plan, 'rss_kib': r.rss_kib} for r in found] for side, found in runs.items()}}


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=int(os.environ.get('BENCH_PAIRS', '5')))
    p.add_argument('--only', default='')
    p.add_argument('--populated-max', type=int, default=256, help='GiB: less memory in the same span, where there is little cache')
    p.add_argument('--folder', default=os.environ.get('TMPDIR', '/var/tmp'), help='a GiB of disk and of cache for 64 GiB of memory')
    o = p.parse_args()
    found = []
    with tempfile.TemporaryDirectory(dir=o.folder) as folder:
        for name, (populated, span, pieces) in MACHINES.items():
            if o.only not in name:
                continue
            core = Path(folder) / 'core'
            machine = bigcore.BigMachine(bigcore.clusters(min(populated, o.populated_max), span, pieces))
            truth = machine.write(core)
            found.append(measure(name, str(core), truth, o.rounds))
            core.unlink()
    out = TOP / 'build/bench'
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'scale-{time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}.json'
    path.write_text(json.dumps({'rounds': o.rounds, 'load': os.getloadavg(), 'machines': found}, indent=1))
    print(f'kept in {path.relative_to(TOP)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
