# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's own dump against QEMU's of the same crash: exact to the byte, and nothing of the kernel lost."""

from __future__ import annotations

import collections
import pathlib
import re

import pytest

import crashes
import cycle
import damage
import pairs
import witness
from cycle import Result
from judges import readers

on_all = pytest.mark.parametrize("crash", crashes.MATRIX, indirect=True)
# Of a kernel that this machine's own readers know, so that no other root must be there first.
on_one = pytest.mark.parametrize("crash", ["ovmf-6.1"], indirect=True)
on_formats = pytest.mark.parametrize("format_name", pairs.FORMATS)


@on_all
def test_loaded_as_planned(crash: Result) -> None:
    way = {"s": "kexec_file_load", "c": "kexec_load"}[crash.plan.kexec]
    assert f'"{way}"' in crash.facts["status_json"], crash.facts["status_json"]


@on_all
@on_formats
def test_pair_matches(crash: Result, format_name: str, measured: list[tuple[str, str]]) -> None:
    pair = crash.pairs[format_name]
    assert not pairs.complaint(pair, crash.plan.kexec, crash.facts["iomem"])
    equal = f"{pair.pages['equal']} of {pair.pages['common']} pages equal"
    measured.append((f"pair {crash.plan.name} {format_name}", f"{equal}, {pair.seconds:.1f} s"))


@on_all
@on_formats
def test_vmcoreinfo_where_there_is_the_device(crash: Result, format_name: str) -> None:
    headers = {field["field"]: field for field in crash.pairs[format_name].report["headers"]}
    state = headers["vmcoreinfo"]["state"]
    assert (state == "same") == crash.plan.vmcoreinfo, headers["vmcoreinfo"]


# --- the witness ---------------------------------------------------------------------------------------------------


def planted(crash: Result) -> list[witness.Planted]:
    """What the witness planted, each kind of it."""
    if not crash.plan.witness:
        pytest.skip("the witness module needs Debian's headers of the kernel")
    found = witness.planted(crash.dmesg_before)
    missing = {*witness.KERNEL, *witness.DROPPED} - {page.kind for page in found}
    assert not missing, missing
    return found


def holds(seen: bytes | readers.Unread, page: witness.Planted) -> bool:
    """Whether what was read is what was planted."""
    return isinstance(seen, bytes) and witness.fnv1a(seen) == page.fnv


@on_all
def test_planted_kernel_pages_are_in_both_dumps(crash: Result, scratch: pathlib.Path) -> None:
    pages = [page for page in planted(crash) if page.kind in witness.KERNEL]
    pfns = [page.pfn for page in pages]
    outer = readers.makedumpfile_rearrange(crash.outer["kdump-zlib"], scratch / "outer")
    for dump in (crash.dump, outer):
        seen = readers.kdumpfile(dump, pfns).pages
        wrong = [(page, seen[page.pfn]) for page in pages if not holds(seen[page.pfn], page)]
        assert not wrong, wrong
        assert not any(any(seen[page.pfn]) for page in pages if page.kind == "zero")


@on_all
def test_planted_other_pages_are_dropped_for_their_reason(
    crash: Result, innercore: str, scratch: pathlib.Path
) -> None:
    outer = readers.makedumpfile_rearrange(crash.outer["kdump-zlib"], scratch / "outer")
    seen = readers.kdumpfile(outer, [page.pfn for page in planted(crash) if page.kind in witness.DROPPED]).pages
    before = crash.pairs["kdump-zlib"].report["audit"]
    layout = damage.Layout(crash.dump)
    pfns, expected = [], collections.Counter()
    for kind, reason in witness.DROPPED.items():
        pages = [page for page in planted(crash) if page.kind == kind]
        still = [page for page in pages if holds(seen[page.pfn], page) and not layout.stores(page.pfn)]
        # A free page is anybody's: what the shell did not take until the crash is proof enough.
        assert len(still) == len(pages) or (kind == "free" and len(still) >= len(pages) // 4), (kind, len(still))
        pfns += [page.pfn for page in still]
        expected[reason] += len(still)
    # The audit has counted each for its reason: if they had not been in the dump's source, just they are missed there.
    forgetful = damage.forget_pages(crash.dump, scratch / "forgetful", pfns)
    pair = pairs.compare(innercore, forgetful, crash.outer["kdump-zlib"])
    after = pair.report["audit"]
    assert before["dropped"] - after["dropped"] == len(pfns)
    assert {reason: before[reason] - after[reason] for reason in expected} == expected


# --- other instants ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", ["crashloaded"], indirect=True)
@pytest.mark.parametrize("instant", ("jumped", "halted"))
def test_dump_after_the_jump_matches(crash: Result, instant: str) -> None:
    """From the jump on all but the capture kernel's memory stands still, until the end."""
    assert not pairs.complaint(crash.pairs[instant], crash.plan.kexec, crash.facts["iomem"])


def early_pair(crash: Result, instant: str) -> pairs.Pair:
    """Of the inner dump and QEMU's of before the jump."""
    if not crash.plan.early:
        pytest.skip("KERNEL= may come without pvpanic")
    return crash.pairs[instant]


on_early = pytest.mark.parametrize("crash", ["crashloaded", crashes.EARLY_TOO], indirect=True)


@on_early
@pytest.mark.parametrize("instant", cycle.EARLY)
def test_dump_before_the_jump_is_explained(crash: Result, instant: str, measured: list[tuple[str, str]]) -> None:
    """Each page that differs, and to the byte, by what the panic is known to write on its way to the jump."""
    pair = early_pair(crash, instant)
    assert not pairs.complaint(pair, crash.plan.kexec, crash.facts["iomem"], early=True)
    measured.append((f"{crash.plan.name}, {instant}", f"{pair.pages['causes']['crash_path']} pages of the crash path"))


@on_early
@pytest.mark.parametrize("instant", cycle.EARLY)
def test_byte_beside_what_the_panic_writes_is_found(
    crash: Result, innercore: str, scratch: pathlib.Path, instant: str
) -> None:
    """The first byte of the next variable, on a page that is explained."""
    before = early_pair(crash, instant)
    code = re.search(r"^ *([0-9a-f]+)-[0-9a-f]+ : Kernel code$", crash.facts["iomem"], re.MULTILINE)
    assert code
    in_image = int(code[1], 16) - crash.early_symbols["_text"]
    written, behind = (in_image + crash.early_symbols[name] for name in (cycle.EARLY_WRITTEN, "behind"))
    pfn, at = divmod(behind, damage.PAGE)
    assert written // damage.PAGE == pfn
    assert [page["cause"] for page in before.report["differences"] if page["pfn"] == pfn] == ["crash_path"]
    page = bytearray(readers.kdumpfile(crash.dump, [pfn]).pages[pfn])
    page[at] ^= 1
    inner = damage.replace_page(crash.dump, scratch / "damaged", pfn, bytes(page))
    pair = pairs.compare(innercore, inner, crash.outer[instant])
    assert (pair.exit_code, pair.report["verdict"]) == (1, "differs")
    assert pair.pages["unexplained_ranges"] == [[pfn, pfn + 1]]
    assert pair.pages["causes"]["crash_path"] == before.pages["causes"]["crash_path"] - 1


# --- what must not go unnoticed ------------------------------------------------------------------------------------


def slab_page(crash: Result) -> int:
    """A page of the kernel of which it is known that it is of a slab."""
    return next(page.pfn for page in planted(crash) if page.kind == "slab")


@on_one
@pytest.mark.parametrize("side", ("inner", "outer"))
def test_one_bit_is_found(crash: Result, innercore: str, scratch: pathlib.Path, side: str) -> None:
    outer = readers.makedumpfile_rearrange(crash.outer["kdump-zlib"], scratch / "outer")
    dumps = {"inner": crash.dump, "outer": outer}
    pfn = slab_page(crash)
    page = bytearray(readers.kdumpfile(dumps[side], [pfn]).pages[pfn])
    page[2000] ^= 0x10
    dumps[side] = damage.replace_page(dumps[side], scratch / "damaged", pfn, bytes(page))
    pair = pairs.compare(innercore, dumps["inner"], dumps["outer"])
    assert pair.exit_code == 1
    assert pair.report["verdict"] == "differs"
    before = crash.pairs["kdump-zlib"]
    assert pair.pages["differ_unexplained"] == 1
    assert pair.pages["unexplained_ranges"] == [[pfn, pfn + 1]]
    assert pair.pages["equal"] == before.pages["equal"] - 1
    found = [page for page in pair.report["differences"] if page["pfn"] == pfn]
    assert [(page["bytes"], page["first_offset"], page["last_offset"]) for page in found] == [(1, 2000, 2000)]
    assert pair.lost == 0


@on_one
def test_one_lost_page_is_found(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    pfn = slab_page(crash)
    inner = damage.drop_pages(crash.dump, scratch / "damaged", [pfn])
    pair = pairs.compare(innercore, inner, crash.outer["kdump-zlib"])
    assert pair.exit_code == 1
    assert pair.lost == 1
    assert pair.report["audit"]["lost_by_kind"] == {"slab": 1}
    assert pair.report["audit"]["lost_ranges"] == [[pfn, pfn + 1]]
    assert pair.pages["differ_unexplained"] == 0
    assert pair.pages["equal"] == crash.pairs["kdump-zlib"].pages["equal"] - 1


# --- makedumpfile's dumps ------------------------------------------------------------------------------------------


@on_one
def test_makedumpfiles_dump_audits_clean(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    theirs = readers.makedumpfile_refilter(crash.vmcore, scratch / "theirs")
    pair = pairs.compare(innercore, theirs, crash.outer["kdump-zlib"])
    assert not pairs.complaint(pair, crash.plan.kexec, crash.facts["iomem"])
