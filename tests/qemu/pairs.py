# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs: a guest's own dump and QEMU's of the same crash, held against each other by `innercore compare`.

QEMU's ELF dumps are as large as the guest, so each is compared as soon as the guest has ended, and then removed; what
the report said stays. KEPT ones stay for tests that want more of them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import time
from typing import Any

# What QEMU can write, by its own names; "elf-paging" is what it writes with paging=true.
FORMATS = ("elf", "elf-paging", "kdump-zlib")
KEPT = ("kdump-zlib", "notified", "printing", "jumped", "halted")
COMPARE_SECONDS = 300
# The capture kernel that kexec_load (kexec -c) starts writes its real-mode trampoline there; kexec_file_load's dumps
# leave the low 1 MiB out.
TRAMPOLINE_PAGES = 3
LOW_END_PFN = 0x100


@dataclasses.dataclass(frozen=True)
class Pair:
    """What `innercore compare --json` said."""

    exit_code: int
    report: dict[str, Any]  # empty: it could not compare
    stderr: str
    seconds: float

    @property
    def pages(self) -> dict[str, Any]:
        """The counts of pages."""
        return self.report["pages"]

    @property
    def lost(self) -> int:
        """Pages of the kernel that the inner dump lacks."""
        return self.report["audit"]["lost"]


def compare(innercore: os.PathLike[str] | str, inner: pathlib.Path, outer: pathlib.Path) -> Pair:
    """One pair."""
    began = time.monotonic()
    argv = [str(innercore), "compare", "--json", str(inner), str(outer)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=COMPARE_SECONDS)
    report = json.loads(done.stdout) if done.stdout.strip() else {}
    return Pair(done.returncode, report, done.stderr, time.monotonic() - began)


def compare_all(innercore: pathlib.Path, inner: pathlib.Path, outer: dict[str, pathlib.Path]) -> dict[str, Pair]:
    """Each of `outer`; what is not KEPT is removed."""
    found = {}
    for name, path in list(outer.items()):
        found[name] = compare(innercore, inner, path)
        if name not in KEPT and not os.environ.get("INNERCORE_KEEP"):
            path.unlink()
            del outer[name]
    return found


def reservation(iomem: str) -> range:
    """The physical addresses of the capture kernel's memory, the highest if there are several."""
    found = re.findall(r"^ *([0-9a-f]+)-([0-9a-f]+) : Crash kernel$", iomem, re.MULTILINE)
    return range(int(found[-1][0], 16), int(found[-1][1], 16) + 1)


def beyond_ram(page: dict[str, Any], iomem: str) -> bool:
    """Whether a page differs only where it is not System RAM any more: a KDUMP stores it whole, padded with zeros."""
    ends = [int(end, 16) + 1 for end in re.findall(r"^[0-9a-f]+-([0-9a-f]+) : System RAM$", iomem, re.MULTILINE)]
    return any(end % 4096 and end // 4096 == page["pfn"] and page["first_offset"] >= end % 4096 for end in ends)


def complaint(pair: Pair, kexec: str, iomem: str, more_low_pages: int = 0, early: bool = False) -> str:
    """Why the pair does not prove what it must; empty if it does. `iomem` is the first kernel's.

    `more_low_pages`: of the low 1 MiB so many may differ beside the trampoline's. `early`: the outer dump is of before the
    jump, and must differ where the panic still wrote; but the trampoline was written later.
    """
    if pair.exit_code != 0 or pair.report.get("verdict") != "match":
        return f"exit code {pair.exit_code}: {json.dumps(pair.report)[:3000]}\n{pair.stderr}"
    pages, audit = pair.pages, pair.report["audit"]
    if pages["differ_unexplained"] or audit["lost"] or not audit["done"]:
        return f"a match that is none: {pages} {audit}"
    if pages["equal"] + pages["differ_explained"] != pages["common"] or pages["common"] < 10000 or not audit["dropped"]:
        return f"too little was compared: {pages} {audit}"
    differing = [page for page in pair.report["differences"] if not beyond_ram(page, iomem)]
    written = [page for page in differing if page["cause"] == "crash_path"]
    if bool(written) != early or len(written) != pages["causes"].get("crash_path", 0):
        return f"pages that the panic still wrote: {len(written)} of {pages['causes']}"
    differing = [page for page in differing if page not in written]
    low = [page for page in differing if page["pfn"] < LOW_END_PFN and page["cause"] == "low_1mib"]
    more_low = len(low) - (TRAMPOLINE_PAGES if kexec == "c" and not early else 0)
    if len(low) != len(differing) or not 0 <= more_low <= more_low_pages:
        return f"the trampoline's pages, and no others, may differ: {pair.report['differences']}"
    return ""
