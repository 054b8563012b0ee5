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
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/qemu"), str(TREE / "tests/golden")]

OUT = TREE / "build/bench"
INNERCORE = os.environ.get("INNERCORE_BIN", str(TREE / "build/innercore"))
MAKEDUMPFILE = shlex.split(os.environ.get("BENCH_MAKEDUMPFILE", "makedumpfile"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))
CODECS = {"zlib": "-c", "lzo": "-l", "snappy": "-p", "zstd": "-z", "none": None}
LEVELS = (0, 1, 31)
MODES = {"1 thread": (1, None), "2 threads": (2, None), "2 threads on 1 CPU": (2, "0")}


@dataclasses.dataclass
class Run:
    """One run of one program."""

    wall: float
    cpu: float
    rss_kib: int
    written: int


class Peak(threading.Thread):
    """The kernel's own high-water mark, read now and then; ru_maxrss would count this interpreter before the exec too."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.path = pathlib.Path(f"/proc/{pid}/status")
        self.kib = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            with contextlib.suppress(OSError):
                for line in self.path.read_text(encoding="ascii", errors="replace").splitlines():
                    if line.startswith("VmHWM:"):
                        self.kib = int(line.split()[1])


def timed(argv: list[str], dump: pathlib.Path, cpus: str | None, most_seconds: float | None = None) -> Run:
    """Run to success; the dump is removed. TimeoutExpired: it took longer."""
    dump.unlink(missing_ok=True)
    if cpus is not None:
        argv = ["taskset", "-c", cpus, *argv]
    began = time.monotonic()
    with tempfile.TemporaryFile() as said, subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=said) as process:
        killer = threading.Timer(most_seconds, process.kill) if most_seconds else None
        if killer:
            killer.start()
        peak = Peak(process.pid)
        peak.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if killer:
            killer.cancel()
        peak.ended.set()
        peak.join()
        said.seek(0)
        text = said.read()
    if most_seconds and process.returncode == -signal.SIGKILL:
        dump.unlink(missing_ok=True)
        raise subprocess.TimeoutExpired(argv, most_seconds)
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"bench: {shlex.join(argv)}: exit code {process.returncode}\n{text.decode(errors='replace')}")
    written = dump.stat().st_size
    dump.unlink()
    return Run(wall, usage.ru_utime + usage.ru_stime, peak.kib, written)


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


def spread(values: list[float]) -> str:
    """median (least .. most)"""
    return f"{statistics.median(values):5.2f} ({min(values):.2f} .. {max(values):.2f})"


def pairs(a: list[str], b: list[str], dump: pathlib.Path, cpus: str | None) -> tuple[list[Run], list[Run]]:
    """A B A B ..."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(PAIRS):
        for side, argv in enumerate((a, b)):
            runs[side].append(timed(argv, dump, cpus))
    return runs


def cell(codec: str, level: int, mode: str, core: pathlib.Path, can: set[str]) -> dict[str, object]:
    """One line of the table."""
    threads, cpus = MODES[mode]
    dump = core.with_name("dump")
    name = f"{codec} -d {level}, {mode}"
    mine = ours(codec, level, threads, core, dump)
    if codec in can and cpus is None:
        trial = {0: timed(theirs(codec, level, 0, core, dump), dump, cpus)}
        for n in () if threads == 1 else (1, 2):
            # Its threads poll: where they get no CPU of their own, a run may take minutes. Slower than none is lost anyway.
            with contextlib.suppress(subprocess.TimeoutExpired):
                trial[n] = timed(theirs(codec, level, n, core, dump), dump, cpus, trial[0].wall + 1)
        best = min(trial, key=lambda n: trial[n].wall)
        other, against = theirs(codec, level, best, core, dump), f"makedumpfile, {best} threads"
    else:
        # Nothing to hold it against, or the question is what threads cost where there is one CPU.
        other, against = ours(codec, level, 1, core, dump), "own 1 thread"
    left, right = pairs(mine, other, dump, cpus)
    wall = [b.wall / a.wall for a, b in zip(left, right, strict=True)]
    cpu = [b.cpu / a.cpu for a, b in zip(left, right, strict=True)]
    print(f"{name:34} {spread(wall)} cpu {spread(cpu)} size {left[0].written / right[0].written:.3f}  "
          f"{statistics.median(r.wall for r in left):6.2f} s  {left[0].rss_kib:6} KiB  against {against}", flush=True)
    return {"cell": name, "against": against, "ratio_wall": wall, "ratio_cpu": cpu,
            "ours": [dataclasses.asdict(r) for r in left], "other": [dataclasses.asdict(r) for r in right]}


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
            left = timed(ours("lzo", 31, 1, core, dump), dump, None)
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
