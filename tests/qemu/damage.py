# SPDX-License-Identifier: GPL-2.0-or-later
"""Small, exact damage to a KDUMP file, to see that it is found: one bit of one page, or one page gone.

Only the layout is known here (version 6, 64-bit, little endian, not flattened); what a page holds is the caller's.
"""

from __future__ import annotations

import pathlib
import shutil
import struct

PAGE = 4096
DESCRIPTOR = struct.Struct("<qIIQ")  # offset, size, flags, page_flags


class Layout:
    """Where things are in a dump."""

    def __init__(self, path: pathlib.Path):
        with open(path, "rb") as handle:
            head = handle.read(PAGE)
            assert head[:8] == b"KDUMP   ", f"{path} is no KDUMP file"
            block, sub, bitmap_blocks = struct.unpack_from("<iiI", head, 428)
            assert block == PAGE
            self.bitmap1 = (1 + sub) * PAGE
            self.bitmap2 = (1 + sub) * PAGE + bitmap_blocks * PAGE // 2
            self.descriptors = (1 + sub + bitmap_blocks) * PAGE
            handle.seek(self.bitmap2)
            self.stored = handle.read(bitmap_blocks * PAGE // 2)
        self.count = int.from_bytes(self.stored, "little").bit_count()

    def stores(self, pfn: int) -> bool:
        """Whether the dump has the page."""
        return bool(self.stored[pfn // 8] >> pfn % 8 & 1)

    def descriptor(self, pfn: int) -> int:
        """The index of the descriptor of a page that is stored."""
        assert self.stores(pfn), f"page {pfn:#x} is not stored"
        below = int.from_bytes(self.stored[: pfn // 8 + 1], "little") & ((1 << pfn) - 1)
        return below.bit_count()


def replace_page(dump: pathlib.Path, out: pathlib.Path, pfn: int, data: bytes) -> pathlib.Path:
    """A copy of `dump` in which page `pfn` holds `data`: at the end of the file, not compressed."""
    layout = Layout(dump)
    shutil.copyfile(dump, out)
    with open(out, "r+b") as handle:
        end = handle.seek(0, 2)
        handle.write(data)
        handle.seek(layout.descriptors + layout.descriptor(pfn) * DESCRIPTOR.size)
        handle.write(DESCRIPTOR.pack(end, PAGE, 0, 0))
    return out


def drop_pages(dump: pathlib.Path, out: pathlib.Path, pfns: list[int]) -> pathlib.Path:
    """A copy of `dump` without these pages, as if the filter had taken them out."""
    layout = Layout(dump)
    shutil.copyfile(dump, out)
    gone = {layout.descriptor(pfn) for pfn in pfns}
    stored = bytearray(layout.stored)
    for pfn in pfns:
        stored[pfn // 8] &= ~(1 << pfn % 8)
    with open(out, "r+b") as handle:
        handle.seek(layout.bitmap2)
        handle.write(stored)
        handle.seek(layout.descriptors)
        table = handle.read(layout.count * DESCRIPTOR.size)
        step = DESCRIPTOR.size
        kept = b"".join(table[i * step : (i + 1) * step] for i in range(layout.count) if i not in gone)
        handle.seek(layout.descriptors)
        handle.write(kept.ljust(len(table), b"\0"))
    return out


def forget_pages(dump: pathlib.Path, out: pathlib.Path, pfns: list[int]) -> pathlib.Path:
    """A copy of `dump` that says of these pages, which it does not store, that there never were any."""
    layout = Layout(dump)
    shutil.copyfile(dump, out)
    with open(out, "r+b") as handle:
        handle.seek(layout.bitmap1)
        existing = bytearray(handle.read(layout.bitmap2 - layout.bitmap1))
        for pfn in pfns:
            assert existing[pfn // 8] >> pfn % 8 & 1 and not layout.stores(pfn)
            existing[pfn // 8] &= ~(1 << pfn % 8)
        handle.seek(layout.bitmap1)
        handle.write(existing)
    return out
