# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes things away from a real vmcore, in place, and puts them back: keys of VMCOREINFO, BTF, parts of memory."""

from __future__ import annotations

import contextlib
import pathlib
import struct
from collections.abc import Iterable, Iterator

PT_LOAD, PT_NOTE = 1, 4
BTF_MAGIC = bytes.fromhex("9feb0100")
KERNEL_MAP = 0xFFFFFFFF80000000

# What a page filter reads in VMCOREINFO and BTF (with kallsyms) can tell as well, on kernels that have it.
KEYS = (
    "SYMBOL(mem_section)",
    "SIZE(mem_section)",
    "OFFSET(mem_section.section_mem_map)",
    "SIZE(page)",
    "OFFSET(page.flags)",
    "OFFSET(page._refcount)",
    "OFFSET(page.mapping)",
    "OFFSET(page._mapcount)",
    "OFFSET(page.private)",
    "OFFSET(page.compound_head)",
    "OFFSET(page.compound_info)",
    "OFFSET(page.compound_dtor)",
    "LENGTH(zone.free_area)",
    "NUMBER(PG_lru)",
    "NUMBER(PG_private)",
    "NUMBER(PG_swapcache)",
    "NUMBER(PG_swapbacked)",
    "NUMBER(PG_slab)",
    "NUMBER(PG_hwpoison)",
    "NUMBER(PG_head_mask)",
    "NUMBER(HUGETLB_PAGE_DTOR)",
    "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)",
    "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)",
    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)",
    "NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)",
    "NUMBER(PAGE_UNACCEPTED_MAPCOUNT_VALUE)",
)


class Core:
    """A vmcore that may be written to. `patched` undoes what it did, whatever happens."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        with open(path, "rb") as core:
            head = core.read(64)
            assert head[:6] == b"\x7fELF\x02\x01", path
            (phoff,) = struct.unpack_from("<Q", head, 32)
            (count,) = struct.unpack_from("<H", head, 56)
            core.seek(phoff)
            self.loads, notes = [], None
            for kind, _, off, vaddr, paddr, size, _, _ in struct.iter_unpack("<IIQQQQQQ", core.read(56 * count)):
                if kind == PT_NOTE:
                    notes = (off, size)
                elif kind == PT_LOAD:
                    self.loads.append((off, vaddr, paddr, size))
            assert notes is not None
            core.seek(notes[0])
            raw = core.read(notes[1])
        name = raw.index(b"VMCOREINFO\0")
        (length,) = struct.unpack_from("<I", raw, name - 8)
        self._info_at = notes[0] + name + 12
        self.info = raw[name + 12 : name + 12 + length]

    def value(self, key: str) -> str | None:
        """What VMCOREINFO says, None if it does not."""
        for line in self.info.split(b"\n"):
            if line.startswith(key.encode() + b"="):
                return line.split(b"=", 1)[1].decode()
        return None

    def keys(self) -> list[str]:
        """Those of KEYS that this kernel exports."""
        return [key for key in KEYS if self.value(key) is not None]

    def without(self, keys: Iterable[str]) -> list[tuple[int, bytes]]:
        """Patches that take keys out of VMCOREINFO: renamed, for the text may not change its length."""
        patches = []
        for key in keys:
            at = self.info.index(b"\n" + key.encode() + b"=") + 1
            patches.append((self._info_at + at, b"x"))
        return patches

    def info_offset(self, at: int) -> int:
        """Where in the file a byte of VMCOREINFO is."""
        return self._info_at + at

    def without_btf(self) -> list[tuple[int, bytes]]:
        """Patches that break the header of every BTF in the kernel's image."""
        patches = []
        with open(self.path, "rb") as core:
            for off, vaddr, _, size in self.loads:
                if vaddr < KERNEL_MAP:
                    continue
                core.seek(off)
                data, at = core.read(size), -1
                while (at := data.find(BTF_MAGIC, at + 1)) >= 0:
                    patches.append((off + at, b"\0\0"))
        return patches

    def offset(self, paddr: int) -> int | None:
        """Where in the file the byte at a physical address is."""
        for off, _, start, size in self.loads:
            if start <= paddr < start + size:
                return off + paddr - start
        return None

    def read(self, paddr: int, length: int) -> bytes:
        """Physical memory."""
        off = self.offset(paddr)
        assert off is not None, hex(paddr)
        with open(self.path, "rb") as core:
            core.seek(off)
            return core.read(length)

    def translate(self, vaddr: int) -> int | None:
        """Walk the kernel's own page tables."""
        top = self.value("SYMBOL(init_top_pgt)") or self.value("SYMBOL(swapper_pg_dir)")
        table = int(top, 16) - KERNEL_MAP + int(self.value("NUMBER(phys_base)"))
        mask = 0x000FFFFFFFFFF000 & ~int(self.value("NUMBER(sme_mask)") or "0")
        levels = 5 if self.value("NUMBER(pgtable_l5_enabled)") == "1" else 4
        for level in range(levels, 0, -1):
            shift = 12 + 9 * (level - 1)
            (entry,) = struct.unpack("<Q", self.read(table + (vaddr >> shift & 511) * 8, 8))
            if not entry & 1:
                return None
            if level == 1 or (level <= 3 and entry & 0x80):
                return (entry & mask & ~((1 << shift) - 1)) + (vaddr & (1 << shift) - 1)
            table = entry & mask
        return None

    @contextlib.contextmanager
    def patched(self, patches: Iterable[tuple[int, bytes]]) -> Iterator[None]:
        """The file with (offset, bytes) written over it."""
        undo = []
        with open(self.path, "r+b", buffering=0) as core:
            try:
                for off, data in patches:
                    core.seek(off)
                    undo.append((off, core.read(len(data))))
                    core.seek(off)
                    core.write(data)
                yield
            finally:
                for off, data in reversed(undo):
                    core.seek(off)
                    core.write(data)


def stored(dump: pathlib.Path) -> int:
    """The second bitmap of a KDUMP file as a number, bit for PFN. libkdumpfile says the same, but not as fast."""
    with open(dump, "rb") as handle:
        head = handle.read(448)
        assert head[:8] == b"KDUMP   "
        block, sub_blocks, bitmap_blocks = struct.unpack_from("<iII", head, 428)
        half = bitmap_blocks // 2 * block
        handle.seek((1 + sub_blocks) * block + half)
        return int.from_bytes(handle.read(half), "little")
