#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""innercore capture against makedumpfile, side by side: each cell is the median of paired runs (A B A B ...).

    BENCH_VMCORE       an ELF core to take; default: a guest of BENCH_GUEST_MIB (4096) is loaded, crashed and copied
    BENCH_PAIRS        pairs a cell (default 5)
    BENCH_CELLS        only cells whose name contains this, such as "zlib -d 31"
    BENCH_MAKEDUMPFILE command (default: makedumpfile); what codecs it has, it says itself
    BENCH_SCALE_GIB    sizes of the synthetic, sparse machines (default "8 64 512")

Input and output lie in /dev/shm, so that no disk takes part. Against each cell stands makedumpfile's best thread count for it,
found by a trial. "cpu" is user + system time, which a busy machine disturbs less than the wall clock. Results are kept in
build/bench/.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/qemu"), str(TREE / "tests/golden")]

import paired  # noqa: E402
from paired import timed  # noqa: E402

OUT = TREE / "build/bench"
INNERCORE = os.environ.get("INNERCORE_BIN", str(TREE / "build/innercore"))
MAKEDUMPFILE = shlex.split(os.environ.get("BENCH_MAKEDUMPFILE", "makedumpfile"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))
CODECS = {"zlib": "-c", "lzo": "-l", "snappy": "-p", "zstd": "-z", "none": None}
LEVELS = (0, 1, 31)
MODES = {"1 thread": (1, None), "2 threads": (2, None), "2 threads on 1 CPU": (2, "0")}


def ours(codec: str, level: int, threads: int, core: pathlib.Path, dump: pathlib.Path) -> list[str]:
    """The command line."""
    return [INNERCORE, "capture", "-q", "-z", codec, "-d", str(level), "-j", str(threads), str(core), str(dump)]


def theirs(codec: str, level: int, threads: int, core: pathlib.Path, dump: pathlib.Path) -> list[str]:
    """The same for makedumpfile; 0 threads is its own default, and mostly its best."""
    argv = [*MAKEDUMPFILE, "-d", str(level)]
    if CODECS[codec]:
        argv.append(str(CODECS[codec]))
    if threads:
        argv += ["--num-threads", str(threads)]
    return [*argv, str(core), str(dump)]


def their_codecs() -> set[str]:
    """What this build of makedumpfile can do."""
    done = subprocess.run([*MAKEDUMPFILE, "-v"], capture_output=True, check=False, text=True)
    text = done.stdout + done.stderr
    return {"zlib", "none"} | {name for name in ("lzo", "snappy", "zstd") if f"{name}\tenabled" in text}


@contextlib.contextmanager
def the_core() -> Iterator[pathlib.Path]:
    """A real vmcore in RAM."""
    given = os.environ.get("BENCH_VMCORE")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        core = pathlib.Path(scratch) / "vmcore"
        if given:
            core.write_bytes(b"")
            subprocess.run(["cp", given, core], check=True)
        else:
            import crashes
            import cycle

            mib = int(os.environ.get("BENCH_GUEST_MIB", "4096"))
            folder = pathlib.Path(scratch) / "guest"
            plan = cycle.Plan("bench", crashes.kernel("6.12"), firmware="seabios", memory_mib=mib, load_mib=mib // 8,
                              raw_copy=True)
            result = cycle.run(plan, cycle.Images(folder / "images", pathlib.Path(INNERCORE)), folder / "bench")
            assert result.vmcore
            result.vmcore.rename(core)
        yield core


def cell(codec: str, level: int, mode: str, core: pathlib.Path, can: set[str]) -> dict[str, object]:
    """One line of the table."""
    threads, cpus = MODES[mode]
    dump = core.with_name("dump")
    name = f"{codec} -d {level}, {mode}"
    mine = ours(codec, level, threads, core, dump)
    if codec in can and cpus is None:
        trial = {0: timed(theirs(codec, level, 0, core, dump), dump)}
        for n in () if threads == 1 else (1, 2):
            # Its threads poll: where they get no CPU of their own, a run may take minutes. Slower than none is lost anyway.
            with contextlib.suppress(subprocess.TimeoutExpired):
                trial[n] = timed(theirs(codec, level, n, core, dump), dump, None, trial[0].wall + 1)
        best = min(trial, key=lambda n: trial[n].wall)
        other, against = theirs(codec, level, best, core, dump), f"makedumpfile, {best} threads"
    else:
        # Nothing to hold it against, or the question is what threads cost where there is one CPU.
        other, against = ours(codec, level, 1, core, dump), "own 1 thread"
    left, right = paired.rounds([lambda: timed(mine, dump, cpus), lambda: timed(other, dump, cpus)], PAIRS)
    wall, cpu = paired.ratio(left, right, "wall"), paired.ratio(left, right, "cpu")
    print(f"{name:34} {wall!s:22} cpu {cpu!s:22} size {left[0].written / right[0].written:.3f}  "
          f"{paired.median(left, 'wall'):6.2f} s  {left[0].rss_kib:6} KiB  against {against}", flush=True)
    return {"cell": name, "against": against, "ratio_wall": dataclasses.asdict(wall), "ratio_cpu": dataclasses.asdict(cpu),
            "ours": paired.plain(left), "other": paired.plain(right)}


def scale() -> list[dict[str, object]]:
    """Sparse machines, nearly all of them free: time and memory must grow with struct pages alone."""
    import elfcore
    import vmcore

    found: list[dict[str, object]] = []
    for gib in (int(n) for n in os.environ.get("BENCH_SCALE_GIB", "8 64 512").split()):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
            core, dump = pathlib.Path(scratch) / "core", pathlib.Path(scratch) / "dump"
            machine = vmcore.Machine(style="6.1", free_gib=gib)
            load = elfcore.Load(vmcore.FREE_START, b"", machine.direct_map + vmcore.FREE_START, hole_len=gib << 30)
            elfcore.write(core, [*elfcore.standard(machine), load], machine.notes())
            left = timed(ours("lzo", 31, 1, core, dump), dump)
            struct_bytes = (gib << 30) // 4096 * 64
            print(f"plan of {gib:5} GiB: {left.wall:6.2f} s, cpu {left.cpu:6.2f} s, "
                  f"{struct_bytes / left.cpu / (1 << 30):5.2f} GiB of struct pages a second, {left.rss_kib} KiB", flush=True)
            found.append({"gib": gib, "ours": dataclasses.asdict(left)})
    return found


def main() -> int:
    """All cells, then the scale."""
    OUT.mkdir(parents=True, exist_ok=True)
    only = os.environ.get("BENCH_CELLS", "")
    can = their_codecs()
    cells = []
    print(f"{'cell':34} ratio of wall times: more is better")
    with the_core() as core:
        for codec in CODECS:
            for level in LEVELS:
                for mode in MODES:
                    if only in f"{codec} -d {level}, {mode}":
                        cells.append(cell(codec, level, mode, core, can))
    result = {"pairs": PAIRS, "cpus": os.cpu_count(), "load": os.getloadavg(), "cells": cells, "scale": scale()}
    path = OUT / f"bench-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(f"kept in {path.relative_to(TREE)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
