# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs side by side: each side runs once, then each again (A B A B ...), and what is told of them is the ratio of each
round, with its spread. A machine that is busy for a while is busy for both sides of a round.

"wall" is what a user waits; "cpu" is user + system time of all threads, which a busy machine disturbs less, and which says
nothing of how well threads are used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of one program."""

    wall: float
    cpu: float
    rss_kib: int
    written: int  # the bytes that it left, sparse ones too


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Of the rounds of a pair: b / a, so that more is better for a."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} .. {self.most:.2f})"


class _Peak(threading.Thread):
    """The kernel's own high-water mark, read now and then; ru_maxrss would count this interpreter before the exec too."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self._path = pathlib.Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self.kib = 0

    def run(self) -> None:
        while not self._ended.wait(0.01):
            with contextlib.suppress(OSError):
                for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
                    if line.startswith("VmHWM:"):
                        self.kib = int(line.split()[1])

    def end(self) -> None:
        """No more."""
        self._ended.set()
        self.join()


def timed(
    argv: Sequence[object],
    output: pathlib.Path | None = None,
    cpus: str | None = None,
    most_seconds: float | None = None,
    ok: Sequence[int] = (0,),
) -> Run:
    """Run to the end. `output` is what it writes: removed before and after. `cpus` is taskset's list.

    TimeoutExpired: it took longer. SystemExit: its exit code is none of `ok`.
    """
    words = [str(word) for word in argv]
    if cpus is not None:
        words = ["taskset", "-c", cpus, *words]
    if output:
        output.unlink(missing_ok=True)
    late = threading.Event()
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said) as process:

            def end_it() -> None:
                late.set()
                process.send_signal(signal.SIGKILL)

            killer = threading.Timer(most_seconds, end_it) if most_seconds else None
            peak = _Peak(process.pid)
            peak.start()
            if killer:
                killer.start()
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if killer:
                killer.cancel()
            peak.end()
        said.seek(0)
        text = said.read().decode(errors="replace")
    written = 0
    if output and output.exists():
        written = output.stat().st_size
        output.unlink()
    if late.is_set():
        raise subprocess.TimeoutExpired(words, most_seconds or 0)
    if process.returncode not in ok:
        raise SystemExit(f"bench: {shlex.join(words)}: exit code {process.returncode}\n{text}")
    return Run(wall, usage.ru_utime + usage.ru_stime, peak.kib, written)


def rounds(sides: Sequence[Callable[[], Run]], count: int) -> list[list[Run]]:
    """`count` rounds of all sides, one after the other; the runs of each side."""
    runs: list[list[Run]] = [[] for _ in sides]
    for _ in range(count):
        for side, one in zip(runs, sides, strict=True):
            side.append(one())
    return runs


def ratio(a: Sequence[Run], b: Sequence[Run], what: str) -> Ratio:
    """Of field `what`, round by round. A round too short to be timed counts as even."""
    found = [getattr(y, what) / getattr(x, what) if getattr(x, what) else 1.0 for x, y in zip(a, b, strict=True)]
    return Ratio(statistics.median(found), min(found), max(found))


def median(runs: Sequence[Run], what: str) -> float:
    """Of field `what`."""
    return statistics.median(getattr(run, what) for run in runs)


def plain(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For JSON."""
    return [dataclasses.asdict(run) for run in runs]
