# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that says less of itself, or whose memory map is damaged: nothing that is its own may be lost.

All at a desk, on the raw memory of crashes that other tests made.
"""

from __future__ import annotations

import json
import pathlib
import random
import struct
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest

import blind
import crashes
from cycle import Result
from judges import readers

on_each_kernel = pytest.mark.parametrize("crash", [f"ovmf-{version}" for version in crashes.VERSIONS], indirect=True)

# Macros until 6.11: the kernel's own types do not tell them.
MACROS = {"NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)"}
TOP_BYTE = 1 << 24


class Desk:
    """Captures a patched vmcore again and again."""

    def __init__(self, innercore: str, core: blind.Core, scratch: pathlib.Path):
        self.innercore, self.core, self.dump = innercore, core, scratch / "dump"
        self.report: dict[str, Any] = {}

    def kept(self, patches: Iterable[tuple[int, bytes]]) -> int:
        """The bitmap of what a dump at -d 31 holds, as a number; the log must come out too."""
        with self.core.patched(patches):
            argv = [self.innercore, "capture", "-q", "--force", "-z", "none", "-d", "31", self.core.path, self.dump]
            done = subprocess.run([*argv, "--json"], check=True, timeout=120, capture_output=True)
            self.report = json.loads(done.stdout)
            log = subprocess.run([self.innercore, "dmesg", self.core.path], check=True, timeout=60, capture_output=True)
        assert b"sysrq: Trigger a crash" in log.stdout
        return blind.stored(self.dump)


@pytest.fixture
def desk(crash: Result, innercore: str, scratch: pathlib.Path) -> Desk:
    """On the crash of the test."""
    return Desk(innercore, blind.Core(crash.vmcore), scratch)


def macros_of(core: blind.Core) -> set[str]:
    """What is nowhere but in VMCOREINFO; without kallsyms there nothing is."""
    if core.value("SYMBOL(kallsyms_names)") is None:
        return set(blind.KEYS)
    buddy = int(core.value("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)"))
    return MACROS if buddy % TOP_BYTE else set()


@on_each_kernel
def test_types_of_the_kernel_stand_in_for_vmcoreinfo(desk: Desk, measured: list[tuple[str, str]]) -> None:
    core, macros = desk.core, macros_of(desk.core)
    whole = desk.kept([])
    assert whole == int.from_bytes(readers.kdumpfile(desk.dump).stored, "little")
    keys = core.keys()
    assert len(keys) > 18
    for key in keys:
        kept = desk.kept(core.without([key]))
        assert not whole & ~kept, f"lost without {key}"
        assert kept == whole or key in macros, f"{(kept & ~whole).bit_count()} pages more without {key}"
    all_but = [key for key in keys if key not in macros]
    if all_but:
        assert desk.kept(core.without(all_but)) == whole
    kept = desk.kept(core.without(keys))
    assert not whole & ~kept
    measured.append(("blind", f"{core.path.parent.name}: {len(keys)} keys one by one and together"))


@on_each_kernel
def test_nothing_is_lost_without_types(desk: Desk) -> None:
    core = desk.core
    whole = desk.kept([])
    without_btf = core.without_btf()
    assert without_btf or core.value("SYMBOL(kallsyms_names)") is None
    assert not whole & ~desk.kept(without_btf)
    for key in core.keys()[::4]:
        kept = desk.kept([*without_btf, *core.without([key])])
        assert not whole & ~kept, f"lost without {key}"
    assert not whole & ~desk.kept([*without_btf, *core.without(core.keys())])


def random_bytes(dice: random.Random, length: int) -> bytes:
    """Noise of three sorts: any bytes, all ones, and words of few bits, which look like flags."""
    sort = dice.randrange(3)
    if sort == 0:
        return dice.randbytes(length)
    if sort == 1:
        return b"\xff" * length
    return b"".join(struct.pack("<Q", 1 << dice.randrange(64)) for _ in range(length // 8))


def struct_page(core: blind.Core, pfn: int) -> int:
    """Physical address of a page's struct page, by way of mem_section."""
    per_section = 1 << int(core.value("NUMBER(SECTION_SIZE_BITS)")) - 12
    roots = core.translate(int(core.value("SYMBOL(mem_section)"), 16))
    size = int(core.value("SIZE(mem_section)"))
    nr, per_root = pfn // per_section, 4096 // size
    (root,) = struct.unpack("<Q", core.read(roots + nr // per_root * 8, 8))
    section = core.translate(root + nr % per_root * size)
    (coded,) = struct.unpack("<Q", core.read(section, 8))
    at = core.translate((coded & ~0xFFF) + pfn * int(core.value("SIZE(page)")))
    assert at is not None
    return at


@on_each_kernel
@pytest.mark.parametrize("seed", range(3))
def test_scrambled_struct_pages_lose_only_themselves(desk: Desk, seed: int) -> None:
    """A page of struct pages, 64 of them or so, is noise. What tails of its heads become is not known: kept."""
    core, dice = desk.core, random.Random(seed)
    whole = desk.kept([])
    per_page = 4096 // int(core.value("SIZE(page)"))
    patches, hit = [], 0
    for _ in range(40):
        pfn = dice.randrange(0x8000, 0x20000) // per_page * per_page
        patches.append((core.offset(struct_page(core, pfn)), random_bytes(dice, 4096)))
        hit |= (1 << per_page) - 1 << pfn
    kept = desk.kept(patches)
    assert kept != whole, "the noise was read"
    lost = whole & ~kept & ~hit
    assert not lost, f"{lost.bit_count()} pages, the first {(lost & -lost).bit_length() - 1:#x}"


@on_each_kernel
def test_guards_overrule_struct_pages(desk: Desk) -> None:
    """The kernel's text, its page tables and the memory map pretend to be anonymous user memory: they are kept."""
    core = desk.core
    if core.value("SYMBOL(kallsyms_names)") is None:
        pytest.skip("without kallsyms only single pages are guarded")
    whole = desk.kept([])
    assert not any(desk.report["guards"].values()), "on an undamaged map the rules are right"
    counted, seen = desk.report["zones_free"], desk.report["classes"]["free"]
    assert abs(counted - seen) < 1024, "the kernel's own count of free pages"
    text = core.translate(int(core.value("SYMBOL(_stext)"), 16)) >> 12
    top = core.value("SYMBOL(init_top_pgt)") or core.value("SYMBOL(swapper_pg_dir)")
    table = core.translate(int(top, 16)) >> 12
    of_map = struct_page(core, text) >> 12
    user = struct.pack("<QQQQQQiI", 0, 0, 0, 0xFFFF888000001001, 0, 0, 0, 1).ljust(int(core.value("SIZE(page)")), b"\0")
    pfns = [*range(text, text + 64), table, of_map]
    kept = desk.kept([(core.offset(struct_page(core, pfn)), user) for pfn in pfns])
    assert all(whole >> pfn & 1 for pfn in pfns)
    assert not whole & ~kept
    fired = desk.report["guards"]
    assert fired["image"] >= 64 and fired["memory_map"] == 1, fired


def untrue(core: blind.Core) -> list[tuple[str, str]]:
    """Keys of VMCOREINFO, and values of the same length that are wrong: rules that do not fit the kernel."""
    lies = [("NUMBER(PG_lru)", str(int(core.value("NUMBER(PG_lru)")) + step)) for step in (1, 2, 3)]
    lies += [("OFFSET(page.mapping)", "32"), ("OFFSET(page._mapcount)", "52"), ("OFFSET(page.private)", "32")]
    if core.value("NUMBER(PG_slab)") is not None:
        lies += [("NUMBER(PG_slab)", str(bit)) for bit in (0, 1, 2)]
    for kind in ("BUDDY", "SLAB", "HUGETLB"):
        key = f"NUMBER(PAGE_{kind}_MAPCOUNT_VALUE)"
        value = core.value(key)
        if value is not None:
            step = TOP_BYTE if int(value) % TOP_BYTE == 0 else 2
            lies += [(key, str(int(value) + step)), (key, str(int(value) - step))]
    return [(key, value) for key, value in lies if len(value) == len(core.value(key))]


@on_each_kernel
def test_rules_that_do_not_fit_lose_nothing(desk: Desk, measured: list[tuple[str, str]]) -> None:
    """The kernel's own counters tell: where a class is far from them, the level falls back. Without, hundreds are lost."""
    core = desk.core
    whole = desk.kept([])
    assert desk.report["level_used"] == 31 and desk.report["why_level"] == ""
    fallen = 0
    lies = untrue(core)
    assert len(lies) > 8
    for key, value in lies:
        at = core.info.index(b"\n" + key.encode() + b"=") + len(key) + 2
        kept = desk.kept([(core.info_offset(at), value.encode())])
        lost = whole & ~kept
        assert not lost, f"{key}={value}: {lost.bit_count()} pages, {desk.report['why_level']}"
        assert (desk.report["level_used"] < 31) == (desk.report["why_level"] != "")
        fallen += desk.report["level_used"] < 31
        if key == "NUMBER(PG_lru)":
            assert desk.report["level_used"] == 17, "page cache, and user memory with it"
    measured.append(("fallback", f"{core.path.parent.name}: {fallen} of {len(lies)} rules that do not fit"))


@on_each_kernel
@pytest.mark.parametrize("seed", range(2))
def test_scrambled_roots_lose_nothing(desk: Desk, seed: int) -> None:
    """mem_section's roots, and then one section: without a map everything is kept."""
    core, dice = desk.core, random.Random(seed)
    whole = desk.kept([])
    roots = core.translate(int(core.value("SYMBOL(mem_section)"), 16))
    kept = desk.kept([(core.offset(roots), random_bytes(dice, 8))])
    assert not whole & ~kept


@on_each_kernel
@pytest.mark.parametrize("seed", range(2))
def test_scrambled_tables_lose_nothing(desk: Desk, seed: int) -> None:
    """The upper tables of the memory map: entries zeroed, or leading to nonsense that is not there."""
    core, dice = desk.core, random.Random(seed)
    whole = desk.kept([])
    top = core.value("SYMBOL(init_top_pgt)") or core.value("SYMBOL(swapper_pg_dir)")
    table = int(top, 16) - blind.KERNEL_MAP + int(core.value("NUMBER(phys_base)"))
    patches = []
    for _ in range(8):
        index = dice.randrange(256, 511)
        patches.append((core.offset(table + index * 8), struct.pack("<Q", dice.choice((0, dice.getrandbits(64) | 1)))))
    for index in range(256, 511):
        if dice.random() < 0.5:
            patches.append((core.offset(table + index * 8), struct.pack("<Q", 0)))
    kept = desk.kept(patches)
    assert not whole & ~kept
