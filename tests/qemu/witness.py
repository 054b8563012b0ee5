# SPDX-License-Identifier: GPL-2.0-or-later
"""What the witness kernel module planted in a guest: see Kbuild-helpers/witness."""

from __future__ import annotations

import dataclasses
import re

# The kernel's own: each must be in the inner dump, byte for byte.
KERNEL = ("slab", "large_kmalloc", "vmalloc", "plain", "zero", "kernel_table", "user_table")
# What a dump of level 31 drops, and as what of compare's audit ("cache" counts cache with private data too).
DROPPED = {"free": "free", "anonymous": "user", "hugetlb": "user", "cache": "cache", "shmem": "cache"}


@dataclasses.dataclass(frozen=True)
class Planted:
    """One page."""

    kind: str
    pfn: int
    fnv: int


def fnv1a(data: bytes) -> int:
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def planted(dmesg: str) -> list[Planted]:
    """From the guest's log."""
    lines = re.findall(r"witness: (\w+) ([0-9a-f]+) ([0-9a-f]{16})$", dmesg, re.MULTILINE)
    return [Planted(kind, int(pfn, 16), int(value, 16)) for kind, pfn, value in lines]
