#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""innercore capture against makedumpfile, side by side.

    bench.py [FILE]             measure, keep the figures in FILE (default build/bench.json), print them and the targets
    bench.py --table [FILE]     print what FILE holds

A cell is a codec, a dump level and a number of threads; what stands for it is the median of the rounds, in each of which every
program runs once, one after the other. Against each stands the fastest of makedumpfile's builds and thread counts, found by a
trial; where no build has the codec, nothing does. "CPU" is user + system time, which a busy machine disturbs less than the wall
clock. The input is the /proc/vmcore of a guest of 4 GiB at work (loaded.py) in the page cache, the output lies in /dev/shm: no
disk takes part. A later run with the same FILE puts its cells in the place of the same ones, so all can be measured in pieces:

    PAIRS=N             rounds of a cell (default 5)
    BENCH=quick         one round of -d 31 alone
    BENCH_PARTS=LIST    of cells, raw_copy, syscalls, guest (default: all)
    BENCH_CELLS=TEXT    only cells whose name has it, such as "zlib -d 31"; several with semicolons
    BENCH_TRIAL_LEVEL=31  the trials at this level alone, which saves most of the time
    BENCH_VMCORE=FILE   another vmcore, an ELF core
    BENCH_MAKEDUMPFILE=PROGRAM     another makedumpfile, and no other
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import inside
import limit
import loaded
import paired
import targets
from opponents import CODECS, INNERCORE, LEVELS, Build, builds, ours
from paired import Run, timed

TREE = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("cells", "raw_copy", "syscalls", "guest")
MODES = {"1 thread": (1, None), "2 threads": (2, None), "2 threads on 1 CPU": (2, "0")}
Key = tuple[str, int, str]


@dataclasses.dataclass(frozen=True)
class Best:
    """makedumpfile's fastest way for a cell."""

    build: Build
    threads: int

    def __str__(self) -> str:
        return f"makedumpfile {self.build.version}, {self.threads or 'no'} threads"


class Bench:
    """One run of this program. Results of earlier runs stay unless they are measured again."""

    def __init__(self, path: pathlib.Path, scratch: pathlib.Path):
        self.path = path
        self.result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.quick = os.environ.get("BENCH") == "quick"
        self.rounds = int(os.environ.get("PAIRS") or ("1" if self.quick else "5"))
        self.builds = builds()
        self.scratch = scratch
        self.dump = scratch / "dump"
        self.core = pathlib.Path(os.environ.get("BENCH_VMCORE") or loaded.vmcore(INNERCORE))
        self.limit = limit.program(scratch)
        self.written = 0  # by our last run
        self.lists: dict[int, tuple[pathlib.Path, pathlib.Path]] = {}
        self.trials: dict[tuple[str, int, bool], Best | None] = {}

    def keys(self, levels: tuple[int, ...] = LEVELS) -> list[Key]:
        """The cells that are asked for."""
        only = [text.strip() for text in os.environ.get("BENCH_CELLS", "").split(";")]
        found = [(codec, level, mode) for codec in CODECS for level in levels for mode in MODES]
        if self.quick:
            found = [key for key in found if key[1] == 31]
        return [key for key in found if any(text in name_of(key) for text in only)]

    def keep(self, where: str, key: Key, cell: dict[str, Any]) -> None:
        """In the place of an older one, and on disk at once."""
        codec, level, mode = key
        cell = {"codec": codec, "level": level, "mode": mode, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "load": os.getloadavg()[0], **cell}
        cells = self.result.setdefault(where, [])
        order = [(c, n, m) for c in CODECS for n in LEVELS for m in MODES]
        if "ratios" in cell:
            print(targets.cell_line(cell), flush=True)
        cells[:] = [old for old in cells if (old["codec"], old["level"], old["mode"]) != key] + [cell]
        cells.sort(key=lambda each: order.index((each["codec"], each["level"], each["mode"])))
        self.save()

    def save(self) -> None:
        """Write FILE."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.result, indent=1) + "\n", encoding="utf-8")
        partial.rename(self.path)

    # --- cells ---

    def warm(self) -> None:
        """All of the input in the page cache."""
        with open(self.core, "rb", buffering=0) as handle:
            while handle.read(8 << 20):
                pass

    def best(self, codec: str, level: int, cpus: str | None) -> Best | None:
        """By trial: each build without threads, then the faster one with 1 and 2, which are given up once they are slower.

        Its threads poll: where they get no CPU of their own, a run may take minutes.
        """
        level = int(os.environ.get("BENCH_TRIAL_LEVEL") or level)
        key = (codec, level, cpus is not None)
        if key in self.trials:
            return self.trials[key]
        found: tuple[float, Best] | None = None
        ways = [Best(build, 0) for build in self.builds if codec in build.codecs]
        for way in ways:
            wall = timed(way.build.argv(codec, level, 0, self.core, self.dump), self.dump, cpus).wall
            if not found or wall < found[0]:
                found = wall, way
        for threads in (1, 2) if found else ():
            way = Best(found[1].build, threads)
            with contextlib.suppress(subprocess.TimeoutExpired):
                wall = timed(way.build.argv(codec, level, threads, self.core, self.dump), self.dump, cpus, found[0]).wall
                found = min(found, (wall, way), key=lambda each: each[0])
        self.trials[key] = found[1] if found else None
        return self.trials[key]

    def page_lists(self, level: int) -> tuple[pathlib.Path, pathlib.Path]:
        """(kept, stored) pages of this level; what is stored is the same for each codec."""
        if level not in self.lists:
            subprocess.run(ours("lzo", level, 2, self.core, self.dump), check=True)
            folder = self.scratch / f"pages-{level}"
            folder.mkdir()
            self.lists[level] = limit.page_lists(self.core, self.dump, folder)
            self.dump.unlink()
        return self.lists[level]

    def least(self, codec: str, level: int, threads: int, cpus: str | None) -> Run:
        """The codec alone, and one read of memory."""
        kept, stored = self.page_lists(level)
        read = limit.run(self.limit, self.core, kept, "read", threads, cpus)
        if codec == "none":
            return read
        pack = limit.run(self.limit, self.core, stored, codec, threads, cpus)
        return Run(read.wall + pack.wall, read.cpu + pack.cpu, 0, pack.written)

    def own(self, codec: str, level: int, threads: int, cpus: str | None) -> Run:
        """innercore."""
        run = timed(ours(codec, level, threads, self.core, self.dump), self.dump, cpus)
        self.written = run.written
        return run

    def cells(self) -> None:
        """A codec's and level's cells together: they share the runs of what they are held against."""
        wanted = self.keys()
        for cpus in (None, "0"):
            for codec, level in dict.fromkeys(key[:2] for key in wanted if MODES[key[2]][1] == cpus):
                self.group(codec, level, cpus, [key for key in wanted if key[:2] == (codec, level) and MODES[key[2]][1] == cpus])

    def group(self, codec: str, level: int, cpus: str | None, keys: list[Key]) -> None:
        """All sides of some cells: ours, theirs, our own single thread, the limit."""
        self.warm()
        best = self.best(codec, level, cpus)
        self.page_lists(level)
        counts = {MODES[key[2]][0] for key in keys} | ({1} if cpus else set())
        sides: dict[str, Callable[[], Run]] = {}
        for n in sorted(counts):
            sides[f"ours {n}"] = lambda n=n: self.own(codec, level, n, cpus)
            sides[f"limit {n}"] = lambda n=n: self.least(codec, level, n, cpus)
        # Not a part of the limit, but none can do without it either.
        sides["write"] = lambda: limit.write(self.dump, self.written)
        if best:
            argv = best.build.argv(codec, level, best.threads, self.core, self.dump)
            sides["theirs"] = lambda: timed(argv, self.dump, cpus)
        runs = dict(zip(sides, paired.rounds(list(sides.values()), self.rounds), strict=True))
        for key in keys:
            n = MODES[key[2]][0]
            least = runs[f"limit {n}"]
            floor = [Run(a.wall + b.wall, a.cpu + b.cpu, 0, 0) for a, b in zip(least, runs["write"], strict=True)]
            mine = {"ours": runs[f"ours {n}"], "limit": least, "floor": floor}
            if n > 1 and "ours 1" in runs:
                mine["own"] = runs["ours 1"]
            if best:
                mine["theirs"] = runs["theirs"]
            cell = summary(mine, str(best) if best else "nothing: no build has it")
            self.keep("cells", key, {**cell, "core": self.core_id()})

    def core_id(self) -> str:
        """Which input: its length and the hash of its headers and notes."""
        with open(self.core, "rb") as handle:
            return f"{self.core.stat().st_size} {hashlib.sha256(handle.read(1 << 16)).hexdigest()[:16]}"

    # --- the other parts ---

    def raw_copy(self) -> None:
        """Against cp, which takes all of memory as it is."""
        lines = []
        for level in (31,) if self.quick else LEVELS:
            self.warm()
            runs = paired.rounds([
                lambda level=level: timed(ours("zstd", level, 2, self.core, self.dump), self.dump),
                lambda: timed(["cp", self.core, self.dump], self.dump),
            ], self.rounds)
            wall, cpu, size = (paired.ratio(*runs, what) for what in ("wall", "cpu", "written"))
            lines.append(f"cp of the vmcore / zstd -d {level}, 2 threads: wall {wall}, CPU {cpu}, size {size.median:.2f}")
            print(lines[-1], flush=True)
        self.result["raw_copy"] = lines
        self.save()

    def syscalls(self) -> None:
        """How often either asks the kernel for something."""
        for key in self.keys((31,)):
            codec, level, mode = key
            threads, cpus = MODES[mode]
            if cpus is not None:
                continue
            best = self.best(codec, level, cpus)
            found: dict[str, Any] = {"ours": self.count(ours(codec, level, threads, self.core, self.dump))}
            if best:
                found["theirs"] = self.count(best.build.argv(codec, level, best.threads, self.core, self.dump))
            self.keep("syscalls", key, {**found, "against": str(best) if best else ""})

    def count(self, argv: list[str]) -> int:
        """System calls of a run, by strace's count."""
        said = self.scratch / "strace"
        timed(["strace", "-f", "-c", "-o", said, *argv], self.dump)
        total = re.search(r"^100\.00 .*?(\d+)(?: +\d+)? total$", said.read_text(encoding="ascii"), re.MULTILINE)
        assert total, said.read_text(encoding="ascii")
        return int(total[1])

    def guest(self) -> None:
        """The same inside a guest."""
        keys = [key for key in self.keys((31,)) if MODES[key[2]][1] is None]
        with inside.Session(INNERCORE, self.builds, self.scratch / "guest") as session:
            for key in keys:
                codec, level, mode = key
                runs, against = session.cell(codec, level, MODES[mode][0], self.rounds)
                self.keep("guest", key, summary(runs, against))
            self.result["guest_seconds"] = session.after_panic()
        self.save()


def name_of(key: Key) -> str:
    """As it is printed."""
    return f"{key[0]} -d {key[1]}, {key[2]}"


def summary(runs: dict[str, list[Run]], against: str) -> dict[str, Any]:
    """What is kept of a cell: ratios that are more the better we are for "theirs", and less for the rest."""
    mine = runs["ours"]
    ratios = {}
    for side, others in runs.items():
        if side != "ours":
            pair = (mine, others) if side == "theirs" else (others, mine)
            ratios[side] = {what: dataclasses.asdict(paired.ratio(*pair, what)) for what in ("wall", "cpu")}
    found = {"against": against, "ratios": ratios, "seconds": paired.median(mine, "wall"), "rss_kib": max(r.rss_kib for r in mine),
             "runs": {side: paired.plain(one) for side, one in runs.items()}}
    if "theirs" in runs:
        ratios["size"] = {"wall": mine[0].written / runs["theirs"][0].written}
        found["their_rss_kib"] = max(r.rss_kib for r in runs["theirs"])
    return found


def main() -> int:
    """The command line of the module's own text above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=TREE / "build/bench.json")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.table:
        targets.print_all(json.loads(options.file.read_text(encoding="utf-8")))
        return 0
    parts = [part for part in os.environ.get("BENCH_PARTS", ",".join(PARTS)).split(",") if part]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"BENCH_PARTS: there is no {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="innercore-bench-", dir="/dev/shm") as scratch:
        # makedumpfile keeps its bitmaps in a file; no disk is to take part in that either.
        os.environ["TMPDIR"] = scratch
        bench = Bench(options.file, pathlib.Path(scratch))
        print(targets.HEADER)
        for part in PARTS:
            if part in parts:
                getattr(bench, part)()
    targets.print_all(bench.result)
    print(f"\nkept in {options.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
