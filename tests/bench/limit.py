# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit: the codec alone on the pages that a dump stores, and one read of the pages that it keeps; see limit.c."""

from __future__ import annotations

import array
import mmap
import os
import pathlib
import struct
import subprocess
import time

import paired

HERE = pathlib.Path(__file__).resolve().parent
PAGE = 4096
LIBRARIES = ("-ldeflate", "-llzo2", "-lsnappy", "-lzstd", "-lstdc++", "-lpthread")


def program(folder: pathlib.Path) -> pathlib.Path:
    """limit.c, compiled, with the archives that innercore is made of: Debian's of snappy is slower than the shared library."""
    output = folder / "limit"
    argv = [os.environ.get("CC") or "gcc", "-O3", "-Wall", "-Wextra", "-Werror", "-static"]
    argv += ["-o", str(output), str(HERE / "limit.c")]
    subprocess.run([*argv, *LIBRARIES], check=True)
    return output


def _loads(core: pathlib.Path) -> list[tuple[int, int, int]]:
    """(first PFN, end PFN, file offset of the first page) of what lies in the file as whole pages."""
    found = []
    with open(core, "rb") as handle:
        head = handle.read(64)
        (offset,) = struct.unpack_from("<Q", head, 32)
        entry_bytes, count = struct.unpack_from("<HH", head, 54)
        handle.seek(offset)
        table = handle.read(entry_bytes * count)
    for at in range(0, len(table), entry_bytes):
        kind, _, file_at, _, paddr, file_bytes = struct.unpack_from("<IIQQQQ", table, at)
        if kind == 1:
            first, end = -(-paddr // PAGE), (paddr + file_bytes) // PAGE
            found.append((first, end, file_at + first * PAGE - paddr))
    return found


def page_lists(core: pathlib.Path, dump: pathlib.Path, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Files of the offsets in `core` of the pages that `dump` keeps, and of those that it stores each on its own."""
    at: dict[int, int] = {}
    for first, end, file_at in _loads(core):
        at.update(zip(range(first, end), range(file_at, file_at + (end - first) * PAGE, PAGE)))
    kept, stored = array.array("Q"), array.array("Q")
    seen = set()
    with open(dump, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        sub_blocks, bitmap_blocks = struct.unpack_from("<iI", raw, 432)
        half = bitmap_blocks * PAGE // 2
        bitmap_at = (1 + sub_blocks) * PAGE + half
        bitmap, desc_at = raw[bitmap_at : bitmap_at + half], bitmap_at + half
        for number, byte in enumerate(bitmap):
            for bit in range(8) if byte else ():
                if not byte >> bit & 1:
                    continue
                (offset,) = struct.unpack_from("<q", raw, desc_at)
                desc_at += 24
                pfn = number * 8 + bit
                if pfn not in at:
                    continue
                kept.append(at[pfn])
                if offset not in seen:
                    seen.add(offset)
                    stored.append(at[pfn])
    paths = folder / "kept", folder / "stored"
    for path, offsets in zip(paths, (kept, stored)):
        path.write_bytes(offsets.tobytes())
    return paths


def run(limit: pathlib.Path, core: pathlib.Path, offsets: pathlib.Path, codec: str, threads: int, cpus: str | None) -> paired.Run:
    """One pass; its own clock, so that starting and mapping are not counted."""
    argv = [str(limit), str(core), str(offsets), codec, str(threads)]
    if cpus is not None:
        argv = ["taskset", "-c", cpus, *argv]
    wall, cpu, total = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()
    return paired.Run(float(wall), float(cpu), 0, int(total) if codec != "read" else 0)


def write(output: pathlib.Path, len_bytes: int) -> paired.Run:
    """So many bytes that were in memory already, in large pieces, by one thread, to where dumps are written."""
    piece = os.urandom(1 << 20)
    wall, cpu = time.monotonic(), time.process_time()
    with open(output, "wb", buffering=0) as handle:
        for at in range(0, len_bytes, len(piece)):
            handle.write(piece[: len_bytes - at])
    run = paired.Run(time.monotonic() - wall, time.process_time() - cpu, 0, len_bytes)
    output.unlink()
    return run
