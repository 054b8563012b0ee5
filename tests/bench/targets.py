# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, as tables: each cell, the limits, and each target with what was reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from paired import Ratio

MORE, LESS = "at least", "at most"


@dataclasses.dataclass(frozen=True)
class Target:
    """One promise about one cell. `key` is a cell's ratio or a plain figure."""

    text: str
    which: dict[str, Any]  # what the cell's fields are
    key: str
    way: str
    bound: float


def _targets() -> Iterator[Target]:
    one, two = {"mode": "1 thread"}, {"mode": "2 threads"}
    for level, bound in ((0, 4.5), (1, 4.5), (31, 3.5)):
        yield Target(f"zlib -d {level}, 2 threads", {"codec": "zlib", "level": level, **two}, "theirs", MORE, bound)
    for level in (0, 1, 31):
        yield Target(f"zlib -d {level}, 1 thread", {"codec": "zlib", "level": level, **one}, "theirs", MORE, 2.3)
    for codec in ("lzo", "snappy", "zstd"):
        for level in (0, 1):
            cell = {"codec": codec, "level": level}
            yield Target(f"{codec} -d {level}, 2 threads", {**cell, **two}, "theirs", MORE, 2)
            yield Target(f"{codec} -d {level}, 1 thread", {**cell, **one}, "theirs", MORE, 1.2)
    for codec in ("lzo", "snappy", "zstd", "none"):
        yield Target(f"{codec} -d 31, 2 threads", {"codec": codec, "level": 31, **two}, "theirs", MORE, 2)
    for codec in ("zlib", "lzo", "snappy", "zstd", "none"):
        for level in (0, 1, 31):
            cell = {"codec": codec, "level": level}
            yield Target(f"{codec} -d {level}, 2 threads on 1 CPU, own 1 thread = 1",
                         {**cell, "mode": "2 threads on 1 CPU"}, "own", LESS, 1.1)
    for codec in ("zlib", "lzo", "snappy", "zstd", "none"):
        for level in (0, 1, 31):
            for mode in ("1 thread", "2 threads"):
                yield Target(f"{codec} -d {level}, {mode}, codec alone + one read = 1",
                             {"codec": codec, "level": level, "mode": mode}, "limit", LESS, 1.25)
    for level in (0, 1, 31):
        yield Target(f"zstd -d {level}, size, makedumpfile -z = 1", {"codec": "zstd", "level": level, **two}, "size", LESS, 1.02)


def _ratio(found: Any) -> Ratio:
    return Ratio(**found) if isinstance(found, dict) else Ratio(found, found, found)


def _cells(result: dict[str, Any], where: str, which: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in result.get(where, []) if all(cell.get(key) == value for key, value in which.items())]


def verdicts(result: dict[str, Any], where: str = "cells") -> Iterator[tuple[Target, Ratio | None, Ratio | None, str]]:
    """(target, by wall clock, by CPU time, verdict) of each."""
    for target in _targets():
        found = _cells(result, where, target.which)
        if not found:
            yield target, None, None, "not run"
        elif target.key not in found[0]["ratios"]:
            yield target, None, None, "no opponent"
        else:
            both = found[0]["ratios"][target.key]
            wall, cpu = _ratio(both["wall"]), _ratio(both["cpu"]) if "cpu" in both else None
            met = wall.median >= target.bound if target.way == MORE else wall.median <= target.bound
            yield target, wall, cpu, "met" if met else "MISSED"


HEADER = f"{'':32} {'theirs/ours, wall':21} {'CPU':21} {'size':6} {'seconds':>8} {'KiB':>7} {'theirs':>7}  against"


def cell_line(cell: dict[str, Any]) -> str:
    """A cell, under HEADER."""
    name = f"{cell['codec']} -d {cell['level']}, {cell['mode']}"
    theirs = cell["ratios"].get("theirs")
    told = f"{_ratio(theirs['wall'])!s:21} {_ratio(theirs['cpu'])!s:21} {cell['ratios']['size']['wall']:6.3f}" if theirs else " " * 50
    return f"{name:32} {told} {cell['seconds']:8.2f} {cell['rss_kib']:7} {cell.get('their_rss_kib', ''):>7}  {cell['against']}"


def _print_cells(cells: list[dict[str, Any]], title: str) -> None:
    if cells:
        print(f"\n{title}\n{HEADER}")
        for cell in cells:
            print(cell_line(cell))


def _print_floor(cells: list[dict[str, Any]]) -> None:
    told = [cell for cell in cells if "floor" in cell["ratios"] and cell["mode"] != "2 threads on 1 CPU"]
    if told:
        print(f"\nours against codec alone + one read + the write of as many bytes\n{'':32} {'wall':21} {'CPU':21}")
    for cell in told:
        both = cell["ratios"]["floor"]
        name = f"{cell['codec']} -d {cell['level']}, {cell['mode']}"
        print(f"{name:32} {_ratio(both['wall'])!s:21} {_ratio(both['cpu'])!s:21}")


def print_all(result: dict[str, Any]) -> None:
    """All there is in `result`."""
    _print_cells(result.get("cells", []), "on this machine, input and output in RAM")
    _print_floor(result.get("cells", []))
    for line in result.get("raw_copy", []):
        print(line)
    if result.get("syscalls"):
        print(f"\nsystem calls\n{'':32} {'ours':>9} {'theirs':>9}")
        for cell in result["syscalls"]:
            name = f"{cell['codec']} -d {cell['level']}, {cell['mode']}"
            print(f"{name:32} {cell['ours']:9} {cell.get('theirs', ''):>9}  {cell['against']}")
    _print_cells(result.get("guest", []), "inside a guest, on the same /proc/vmcore, to a disk")
    for key, value in result.get("guest_seconds", {}).items():
        print(f"{key:60} {value:8.2f} s")
    print(f"\ntargets, by wall clock\n{'':56} {'':13} {'wall':21} {'CPU':21}")
    for target, wall, cpu, verdict in verdicts(result):
        print(f"{target.text:56} {target.way:>8} {target.bound:4} {wall or ''!s:21} {cpu or ''!s:21} {verdict}")
