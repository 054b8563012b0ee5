#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The page judge: which pages of a crashed guest a dump at -d 31 must hold, and which it must not.

drgn and the kernel's debug symbols say what each page of a full /proc/vmcore copy is (classify.py: how, and why that is
independent of VMCOREINFO and of innercore). At -d 31 a dump

    must hold       every page in use by the kernel, whatever for: slab, page tables, reserved, stacks, the memory map,
                    modules, vmalloc, guards, large kmallocs, pages that nothing more is known of, pages without a
                    struct page, and pages on a CPU's free list, which bear no mark that a dump tool could go by
    must not hold   free pages (buddy allocator), the page cache on the LRU lists with and without private data,
                    anonymous memory, hugetlb pages whether used or not, zsmalloc where the kernel gives it a page
                    type (6.12 and later), offline pages, poisoned pages
    may hold        contested pages, where the kernel was stopped amid a change: each one is named in `anomalies`

Zero-filled pages count as held: they share storage but keep their descriptors.

    python3 -m judges.pages VMCORE VMLINUX OUT [DUMP]     judge, print the counts, hold DUMP against it
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

from . import readers, root

MUST_DROP = frozenset(("free", "cache", "cache private", "anonymous", "hugetlb", "offline", "hwpoison", "zsmalloc"))
MUST_KEEP = frozenset(
    (
        "kernel",
        "slab",
        "page table",
        "reserved",
        "pcp",
        "kernel stack",
        "memory map",
        "module",
        "vmalloc",
        "guard",
        "large kmalloc",
        "no struct page",
    )
)
NEITHER = frozenset(("absent", "contested"))
SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What each page is: codes[pfn] is an index into classes; 0 is a page that the vmcore does not hold.

    `witnesses` counts the pages that lists and owners spoke of: were they few, the marks alone would have judged.
    `partial`: PFNs of which the vmcore holds a part. `first_tails`: the second page of each slab of several pages.
    """

    release: str
    classes: tuple[str, ...]
    codes: bytes
    anomalies: tuple[str, ...]
    partial: tuple[int, ...]
    witnesses: dict[str, int]
    first_tails: tuple[int, ...] = ()

    def counts(self) -> dict[str, int]:
        """Pages per class, `absent` left out."""
        found = collections.Counter(self.codes)
        return {name: found[code] for code, name in enumerate(self.classes) if code and found[code]}

    def name(self, pfn: int) -> str:
        """The class of one page."""
        return self.classes[self.codes[pfn]] if pfn < len(self.codes) else "absent"


def load(path: os.PathLike[str] | str) -> Judgement:
    """Read back what judge() wrote: one line of JSON, then one byte a page."""
    header_line, codes = pathlib.Path(path).read_bytes().split(b"\n", 1)
    header = json.loads(header_line)
    if len(codes) != header["pages"]:
        raise readers.ReaderError(f"{path}: {len(codes)} codes where {header['pages']} were announced")
    unknown = set(header["classes"]) - MUST_DROP - MUST_KEEP - NEITHER
    if unknown:
        raise readers.ReaderError(f"{path}: nothing says whether to keep {', '.join(sorted(unknown))}")
    return Judgement(
        release=header["release"],
        classes=tuple(header["classes"]),
        codes=codes,
        anomalies=tuple(header["anomalies"]),
        partial=tuple(header["partial"]),
        witnesses=header["witnesses"],
        first_tails=tuple(header["first tails"]),
    )


def judge(
    vmcore: os.PathLike[str] | str,
    vmlinux: os.PathLike[str] | str,
    out: os.PathLike[str] | str | None = None,
    within: root.Root | None = None,
) -> Judgement:
    """Classify every page of `vmcore`; the result is also left in `out` if given. `within`: default the root of sid."""
    within = within or root.sid()
    with tempfile.TemporaryDirectory(prefix="innercore-judge-") as scratch:
        result = pathlib.Path(scratch) / "judgement"
        readers.child("classify.py", [vmcore, vmlinux, result], [vmcore, vmlinux, scratch], within, SECONDS)
        if out is not None:
            pathlib.Path(out).write_bytes(result.read_bytes())
        return load(result)


def compare(judgement: Judgement, stored: bytes) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """(lost, leaked): PFNs by class that a -d 31 dump lacks though it must hold them, and that it holds but must not.

    `stored` has one bit a PFN, lowest first: the second bitmap of the dump. Stored pages that the vmcore does not have
    at all count as leaked, under `absent`.
    """
    keep = bytes(name in MUST_KEEP for name in judgement.classes)
    drop = bytes(name in MUST_DROP or name == "absent" for name in judgement.classes)
    lost: dict[str, list[int]] = collections.defaultdict(list)
    leaked: dict[str, list[int]] = collections.defaultdict(list)
    codes = judgement.codes
    for pfn in range(max(len(codes), len(stored) * 8)):
        code = codes[pfn] if pfn < len(codes) else 0
        held = pfn // 8 < len(stored) and stored[pfn // 8] >> pfn % 8 & 1
        if held and drop[code]:
            leaked[judgement.classes[code]].append(pfn)
        elif not held and keep[code]:
            lost[judgement.classes[code]].append(pfn)
    return dict(lost), dict(leaked)


def summary(found: dict[str, list[int]], most: int = 12) -> str:
    """One line a class, for the message of a failed test."""
    lines = []
    for name, pfns in found.items():
        shown = ", ".join(f"{pfn:#x}" for pfn in pfns[:most])
        lines.append(f"{name}: {len(pfns)} pages: {shown}{' ...' if len(pfns) > most else ''}")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """The command line of the module's own text above."""
    if len(argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = judge(argv[0], argv[1], argv[2])
        print(found.release, *(f"{name}: {count}" for name, count in found.counts().items()), sep="\n")
        print(*(f"witness: {name}: {count}" for name, count in found.witnesses.items()), sep="\n")
        for note in found.anomalies:
            print(f"anomaly: {note}")
        if len(argv) < 4:
            return 0
        lost, leaked = compare(found, readers.kdumpfile(argv[3]).stored)
    except (readers.ReaderError, root.RootError) as error:
        print(f"pages: {error}", file=sys.stderr)
        return 2
    print(f"-- lost\n{summary(lost)}\n-- kept though droppable\n{summary(leaked)}")
    return 1 if lost or leaked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
