# SPDX-License-Identifier: GPL-2.0-or-later
"""What one crash tells of a kernel: everything that must hold on every kernel, and a row of figures for a table."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import pathlib
import re
import subprocess

import pairs
from cycle import HOTPLUG_MIB, Result
from judges import pages, readers, root

HEAD = (
    "kernel",
    "firmware",
    "kexec",
    "also",
    "common",
    "equal",
    "unexplained",
    "lost",
    "stored",
    "drgn: lost",
    "kept",
    "dmesg lines",
    "seconds",
)
# What the load makes of each class of pages, at least; else the judge has seen an idle guest.
LEAST = {
    "slab": 4000,
    "page table": 200,
    "kernel stack": 200,
    "vmalloc": 100,
    "anonymous": 10000,
    "hugetlb": 8 << 9,
    "cache": 15000,
    "cache private": 20,
    "offline": 8000,
    "hwpoison": 1,
    "free": 10000,
}
# Of transparent huge pages, anonymous and shared, at least.
HUGE_KIB = 8 << 10
# What a kernel may be built without.
MAY_LACK = ("hwpoison",)
# What compare's audit calls the classes that a dump at -d 31 has none of.
AUDITED = {
    "free": ("free",),
    "cache": ("cache", "cache private"),
    "user": ("anonymous", "hugetlb", "zsmalloc"),
    "offline": ("offline",),
    "hwpoison": ("hwpoison",),
    "lost": (),
}
# The guests have less than 2 GiB, and all of it below; new memory comes above.
END_OF_32_BIT_PFN = 1 << 20


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the outside says of a crash."""

    judgement: pages.Judgement
    stored: bytes
    lost: dict[str, list[int]]
    kept: dict[str, list[int]]
    drgn: readers.Drgn


@functools.cache
def _judged(vmcore: pathlib.Path, vmlinux: pathlib.Path, dump: pathlib.Path) -> Judged:
    judgement = pages.judge(vmcore, vmlinux)
    stored = readers.kdumpfile(dump).stored
    return Judged(judgement, stored, *pages.compare(judgement, stored), readers.drgn(dump, vmlinux, within=root.sid()))


def judged(crash: Result) -> Judged:
    """Once for all tests of that crash."""
    assert crash.vmcore and crash.plan.kernel.vmlinux
    return _judged(crash.vmcore, crash.plan.kernel.vmlinux, crash.dump)


def _lines(log: str) -> list[str]:
    """drgn does not indent the further lines of a message, dmesg does."""
    return [line if line.startswith("[") else line.lstrip() for line in log.splitlines()]


def _log(innercore: str, crash: Result, drgn: readers.Drgn) -> list[str]:
    text = (crash.dump_folder / "dmesg.txt").read_text(errors="replace")
    said = subprocess.run([innercore, "dmesg", crash.dump], capture_output=True, check=True, timeout=60).stdout
    wrong = []
    if not text.startswith(crash.dmesg_before):
        wrong.append("dmesg.txt: not what dmesg said before the crash")
    if "Kernel panic - not syncing: sysrq triggered crash" not in text[len(crash.dmesg_before) :]:
        wrong.append("dmesg.txt: no panic")
    if said.decode(errors="replace") != text:
        wrong.append("dmesg.txt: not what is in the dump")
    ours, theirs = _lines(text), _lines(drgn.dmesg)
    if ours != theirs:
        differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]][:3]
        wrong.append(f"dmesg.txt: {len(ours)} lines, drgn has {len(theirs)}: {differing}")
    return wrong


def _load(crash: Result, judgement: pages.Judgement) -> list[str]:
    counts = judgement.counts()
    lacking = re.findall(r"^load: no (.*)$", crash.facts["load"], re.MULTILINE)
    wrong = [f"load: no {what}" for what in lacking if not what.startswith(MAY_LACK)]
    for kind, least in LEAST.items():
        if counts.get(kind, 0) < least and kind not in (what.partition(":")[0] for what in lacking):
            wrong.append(f"load: {counts.get(kind, 0)} pages {kind}")
    for name in ("AnonHugePages", "ShmemHugePages"):
        kib = re.search(rf"^{name}: +(\d+) kB$", crash.facts["load"], re.MULTILINE)
        if not kib or int(kib[1]) < HUGE_KIB:
            wrong.append(f"load: {kib[0] if kib else 'no ' + name}")
    if crash.plan.hotplug:
        new = collections.Counter(map(judgement.name, range(END_OF_32_BIT_PFN, len(judgement.codes))))
        if new.total() < HOTPLUG_MIB[crash.plan.hotplug] << 8 or len(new) < 8:
            wrong.append(f"load: too little of the new memory was used: {new}")
        if crash.plan.hotplug == "virtio-mem" and not new["offline"]:
            wrong.append("load: no page of virtio-mem is offline")
    if crash.plan.gigantic and counts["hugetlb"] < 1 << 18:
        wrong.append("load: no huge page of 1 GiB")
    return wrong


def _audit(pair: pairs.Pair, judgement: pages.Judgement) -> list[str]:
    """compare's own judgement of what was dropped is from QEMU's dump; it must come to what drgn saw."""
    audit, counts = pair.report["audit"], judgement.counts()
    wrong = [f"compare: kept though droppable: {audit['kept_droppable']}"] if audit["kept_droppable"] else []
    for name, classes in AUDITED.items():
        there = sum(counts.get(kind, 0) for kind in classes)
        if audit[name] != there:
            wrong.append(f"compare: {audit[name]} pages {name} were dropped, drgn finds {there}")
    return wrong


def _repaired(innercore: str, crash: Result, scratch: pathlib.Path) -> list[str]:
    """QEMU's dump, of which drgn reads none without -device vmcoreinfo, tells the same after repair."""
    out = scratch / "repaired"
    argv = [innercore, "repair", "--json", "-o", out, crash.outer["kdump-zlib"]]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return [f"repair: exit code {done.returncode}: {done.stderr}"]
    read = readers.drgn(out, crash.plan.kernel.vmlinux, within=root.sid())
    out.unlink()
    wrong = []
    if json.loads(done.stdout)["vmcoreinfo_from"] != ("the dump itself" if crash.plan.vmcoreinfo else "guest memory"):
        wrong.append(f"repair: {done.stdout}")
    return wrong + _crashed("drgn, after repair", read, crash)


def _crashed(who: str, read: readers.Drgn, crash: Result) -> list[str]:
    if read.crashed == "sh" and "sysrq_handle_crash" in read.trace and read.identity["release"] == crash.facts["release"]:
        return []
    return [f"{who}: {read.crashed} crashed in {read.trace} of {read.identity}"]


def _trust(crash: Result, drgn: readers.Drgn) -> list[str]:
    """On a sound kernel no class is far from what the kernel counted, and what it counted is what drgn reads."""
    capture = crash.status["capture"]
    wrong = [f"level {capture['level_used']}: {capture['why_level']}"] if capture["why_level"] else []
    if capture["level_used"] != capture["dump_level"] or not capture["checks"]["free"]:
        wrong.append(f"level {capture['level_used']}, {capture['checks']}")
    ours = capture["counters"]
    if "kallsyms_names" in (crash.dump_folder / "vmcoreinfo.txt").read_text(encoding="utf-8"):
        wrong += [f"counter {name} was not found" for name in drgn.counters if ours[name] is None]
    for name, pages in drgn.counters.items():
        if ours[name] not in (None, pages):
            wrong.append(f"counter {name}: {ours[name]}, drgn has {pages}")
    return wrong


def complaints(crash: Result, outside: Judged, innercore: str, scratch: pathlib.Path) -> list[str]:
    """All that is wrong, empty if this kernel is understood."""
    status = crash.status
    wrong = []
    if status["state"] != "complete" or status["errors"] or not status["capture"]["filtered"]:
        wrong.append(f"status.json: {json.dumps(status)}")
    for pair in crash.pairs.values():
        # A capture kernel of 5.10 that came by kexec_load has the low 640 KiB for itself and uses some.
        more_low = 4 if crash.plan.kexec == "c" and crash.facts["release"].startswith("5.10.") else 0
        complaint = pairs.complaint(pair, crash.plan.kexec, crash.facts["iomem"], more_low)
        wrong += [complaint] if complaint else _audit(pair, outside.judgement)
    if outside.lost:
        wrong.append(f"lost by drgn's word: {pages.summary(outside.lost)}")
    if outside.kept:
        wrong.append(f"kept though drgn finds it droppable: {pages.summary(outside.kept)}")
    wrong += [f"the judge was not sure: {note}" for note in outside.judgement.anomalies]
    wrong += _crashed("drgn", outside.drgn, crash) + _repaired(innercore, crash, scratch)
    wrong += _trust(crash, outside.drgn)
    return wrong + _log(innercore, crash, outside.drgn) + _load(crash, outside.judgement)


def row(crash: Result, outside: Judged) -> tuple[str, ...]:
    """For a table under HEAD."""
    plan = crash.plan
    pair = crash.pairs["kdump-zlib"]
    counted = pair.pages if pair.report else dict.fromkeys(("common", "equal", "differ_unexplained"), "-")
    return tuple(
        str(cell)
        for cell in (
            crash.facts["release"],
            plan.firmware,
            f"-{plan.kexec}",
            plan.hotplug or ("1G pages" if plan.gigantic else "-"),
            counted["common"],
            counted["equal"],
            counted["differ_unexplained"],
            pair.lost if pair.report else "-",
            int.from_bytes(outside.stored, "little").bit_count(),
            sum(map(len, outside.lost.values())),
            sum(map(len, outside.kept.values())),
            outside.drgn.dmesg.count("\n"),
            f"{sum(crash.seconds.values()):.0f}",
        )
    )
