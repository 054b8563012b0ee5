# SPDX-License-Identifier: GPL-2.0-or-later
"""The newest kernel that Debian has: all that must hold on each, and the slab pages that makedumpfile loses there."""

from __future__ import annotations

import pathlib

import pytest

import crashes
import damage
import kernels
import pairs
from cycle import Result
from judges import pages, readers, root

on_newest = pytest.mark.parametrize("crash", [crashes.kernel_name("7", "ovmf")], indirect=True)


def audited(
    crash: Result, outside: kernels.Judged, innercore: str, dump: pathlib.Path
) -> tuple[pairs.Pair, dict[str, list[int]]]:
    """`dump` held against QEMU's, by compare and by drgn: the pair, and what drgn misses there, by its classes."""
    missed, _ = pages.compare(outside.judgement, readers.kdumpfile(dump).stored)
    return pairs.compare(innercore, dump, crash.outer["kdump-zlib"]), missed


def agree(pair: pairs.Pair, missed: dict[str, list[int]]) -> None:
    """compare and drgn miss the same pages, all zero ones aside: those are no loss, says compare."""
    audit, kinds = pair.report["audit"], pair.report["audit"]["lost_by_kind"]
    assert pair.lost + audit["zero"] == sum(map(len, missed.values()))
    for name, kind in (("slab", "slab"), ("large kmalloc", "large_kmalloc"), ("page table", "page_table")):
        assert 0 <= len(missed.get(name, ())) - kinds.get(kind, 0) <= audit["zero"], (name, kinds)
    pfns = {pfn for start, end in audit["lost_ranges"] for pfn in range(start, end)}
    assert pfns <= {pfn for found in missed.values() for pfn in found}
    assert len(pfns) == pair.lost or len(audit["lost_ranges"]) >= 1000  # the report has no more


@on_newest
def test_kernel_is_understood(
    crash: Result,
    outside: kernels.Judged,
    innercore: str,
    scratch: pathlib.Path,
    measured: list[tuple[str, str]],
) -> None:
    counts = outside.judgement.counts()
    measured.append((f"pages of {crash.plan.name}", ", ".join(f"{name} {count}" for name, count in counts.items())))
    wrong = kernels.complaints(crash, outside, innercore, scratch)
    assert not wrong, "\n".join(wrong)


@on_newest
def test_what_makedumpfile_loses_is_found(
    crash: Result,
    outside: kernels.Judged,
    innercore: str,
    scratch: pathlib.Path,
    measured: list[tuple[str, str]],
) -> None:
    theirs = readers.makedumpfile_refilter(crash.vmcore, scratch / "theirs", within=root.sid())
    pair, missed = audited(crash, outside, innercore, theirs)
    lost = {kind: len(pfns) for kind, pfns in missed.items()}
    measured.append((f"makedumpfile {root.sid().versions['makedumpfile']} on {crash.plan.kernel.release}", f"lost {lost}"))
    agree(pair, missed)
    assert pair.exit_code == (1 if lost else 0)


@on_newest
def test_lost_tails_of_slabs_are_found(
    crash: Result, outside: kernels.Judged, innercore: str, scratch: pathlib.Path
) -> None:
    """What makedumpfile up to 1.7.8 does to Linux 7.1, done to our own dump: that goes on when theirs is mended."""
    tails = list(outside.judgement.first_tails)
    assert len(tails) > 100
    forgetful = damage.drop_pages(crash.dump, scratch / "forgetful", tails)
    pair, missed = audited(crash, outside, innercore, forgetful)
    assert missed == {"slab": tails}
    assert pair.exit_code == 1
    assert set(pair.report["audit"]["lost_by_kind"]) == {"slab"}
    agree(pair, missed)
