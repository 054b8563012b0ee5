# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real crash leaves: on two firmwares and two kernels, with memory of every kind, and judged from outside."""

from __future__ import annotations

import filecmp
import hashlib
import json
import pathlib
import re
import stat
import subprocess

import pytest

import crashes
from cycle import Result
from judges import pages, readers, root

on_all = pytest.mark.parametrize("crash", crashes.MATRIX, indirect=True)
on_one = pytest.mark.parametrize("crash", crashes.MATRIX[:1], indirect=True)
on_each_kernel = pytest.mark.parametrize("crash", [f"ovmf-{version}" for version in crashes.VERSIONS], indirect=True)

# What the load makes beyond doubt; the judge must have seen it, or it has judged nothing.
CODECS = ("none", "zlib", "lzo", "snappy", "zstd")


def run(argv: list[object], stdin: bytes | None = None) -> bytes:
    """Run to success and return standard output."""
    done = subprocess.run([str(word) for word in argv], input=stdin, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, f"{argv}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}"
    return done.stdout


def info(innercore: str, dump: pathlib.Path) -> dict[str, object]:
    """innercore info --json."""
    return json.loads(run([innercore, "info", "--json", dump]))


def vmlinux(crash: Result) -> pathlib.Path:
    """The symbols of the crashed kernel."""
    path = crash.plan.kernel.vmlinux
    if path is None:
        pytest.skip("no VMLINUX= for this kernel")
    return path


def judge_root(crash: Result) -> root.Root | None:
    """bookworm's own readers for bookworm's own kernel; newer ones for newer kernels, which bookworm's cannot read."""
    return None if crash.plan.kernel.release.startswith("6.1.") else root.sid()


def popcount(bitmap: bytes) -> int:
    """Pages in a bitmap."""
    return int.from_bytes(bitmap, "little").bit_count()


# --- what is on the target -----------------------------------------------------------------------------------------


@on_all
def test_status_is_complete(crash: Result) -> None:
    status = crash.status
    assert status["state"] == "complete", status
    assert status["errors"] == []
    assert status["capture"]["complete"] and status["capture"]["filtered"]
    assert status["release"] == crash.facts["release"]
    assert status["capture"]["dump_level"] == 31


@on_all
def test_files_are_whole(crash: Result) -> None:
    folder = crash.dump_folder
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", folder.name)
    names = {path.name for path in folder.iterdir()}
    assert names == set(crash.status["files"]) | {"status.json"}, "nothing half-made stays behind"
    assert {"dmesg.txt", "inner.kdump", "vmcoreinfo.txt"} <= names
    for name, size in crash.status["files"].items():
        assert (folder / name).stat().st_size == size, name
    for name, digest in crash.status["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@on_all
def test_nobody_else_may_read_it(crash: Result) -> None:
    folder = crash.dump_folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@on_all
def test_log_is_what_dmesg_said(crash: Result, innercore: str) -> None:
    text = (crash.dump_folder / "dmesg.txt").read_text(errors="replace")
    assert text.startswith(crash.dmesg_before)
    rest = text[len(crash.dmesg_before) :]
    assert "sysrq: Trigger a crash" in rest
    assert "Kernel panic - not syncing: sysrq triggered crash" in rest
    assert run([innercore, "dmesg", crash.dump]).decode(errors="replace") == text
    raw = run([innercore, "dmesg", "-r", crash.dump]).decode(errors="replace")
    assert raw.startswith(crash.facts["dmesg_raw"])


# --- what it is ----------------------------------------------------------------------------------------------------


@on_all
def test_phys_base_is_the_same_everywhere(crash: Result, innercore: str) -> None:
    said = info(innercore, crash.dump)
    note = (crash.dump_folder / "vmcoreinfo.txt").read_text(encoding="ascii")
    in_note = int(re.search(r"^NUMBER\(phys_base\)=(-?\d+)$", note, re.MULTILINE)[1])
    assert said["phys_base"] == in_note
    assert said["header_phys_base"] == in_note
    assert said["phys_base_source"] == "VMCOREINFO"
    if crash.plan.firmware == "ovmf":
        assert in_note != 0


@on_all
def test_libkdumpfile_agrees_with_info(crash: Result, innercore: str) -> None:
    said = info(innercore, crash.dump)
    read = readers.kdumpfile(crash.dump)
    attributes = read.attributes
    assert attributes["linux.uts.release"] == said["release"] == crash.facts["release"]
    assert attributes["linux.uts.machine"] == said["machine"]
    assert attributes["arch.page_size"] == said["page_size"]
    assert attributes["cpu.number"] == said["nr_cpus"] == 2
    assert popcount(read.memory) == said["pages"]["ram"]
    assert popcount(read.stored) == said["pages"]["stored"]
    assert said["complete"]


# --- the readers ---------------------------------------------------------------------------------------------------


@on_all
def test_crash_shows_who_panicked(crash: Result) -> None:
    shown = readers.crash(crash.dump, vmlinux(crash), ["bt"], within=judge_root(crash))["bt"]
    assert re.search(r'PID: \d+ .*COMMAND: "sh"', shown), shown
    assert re.search(r"#\d+ \[\w+\] sysrq_handle_crash at ", shown), shown


@on_all
def test_drgn_reads_the_kernel(crash: Result) -> None:
    read = readers.drgn(crash.dump, vmlinux(crash), within=judge_root(crash))
    assert read.identity["release"] == crash.facts["release"]
    assert "load" in read.tasks
    assert read.crashed == "sh"
    assert "sysrq_handle_crash" in read.trace


@on_all
def test_makedumpfile_filters_it_again(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    again = scratch / "again.kdump"
    readers.makedumpfile_refilter(crash.dump, again, within=root.sid())
    check_refiltered(innercore, crash.dump, again)


# No makedumpfile that Debian packages is built with snappy; libkdumpfile and crash read those dumps, below.
@on_one
@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "snappy"])
def test_makedumpfile_filters_every_codec_again(
    crash: Result, innercore: str, scratch: pathlib.Path, codec: str
) -> None:
    dump, again = scratch / "dump", scratch / "again.kdump"
    run([innercore, "capture", "-q", "-z", codec, "-d", "31", crash.vmcore, dump])
    # bookworm's is built without zstd.
    readers.makedumpfile_refilter(dump, again, within=root.sid() if codec == "zstd" else None)
    check_refiltered(innercore, dump, again)


def check_refiltered(innercore: str, dump: pathlib.Path, again: pathlib.Path) -> None:
    """The header says that the dump is of this level already, so makedumpfile must find each page and drop none."""
    assert readers.kdumpfile(again).stored == readers.kdumpfile(dump).stored
    assert info(innercore, again)["complete"]


# --- the filter ----------------------------------------------------------------------------------------------------


@on_all
def test_no_kernel_page_lost_no_user_page_kept(crash: Result, measured: list[tuple[str, str]]) -> None:
    judgement = pages.judge(crash.vmcore, vmlinux(crash))
    lost, leaked = pages.compare(judgement, readers.kdumpfile(crash.dump).stored)
    counts = judgement.counts()
    measured.append((f"pages of {crash.plan.name}", ", ".join(f"{name} {count}" for name, count in counts.items())))
    assert not lost, {name: pfns[:20] for name, pfns in lost.items()}
    assert not leaked, {name: pfns[:20] for name, pfns in leaked.items()}
    assert not judgement.anomalies, judgement.anomalies[:20]


# --- the bytes -----------------------------------------------------------------------------------------------------


@on_all
def test_stored_pages_equal_memory(crash: Result, innercore: str) -> None:
    seen = readers.kdumpfile_compare(crash.dump, crash.vmcore)
    assert seen.differing == []
    assert seen.unread == []
    assert seen.compared == info(innercore, crash.dump)["pages"]["stored"]


@on_one
@pytest.mark.parametrize("level", (0, 31))
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_stores_every_page(
    crash: Result, innercore: str, scratch: pathlib.Path, codec: str, level: int
) -> None:
    dump = scratch / "dump"
    run([innercore, "capture", "-q", "-z", codec, "-d", level, crash.vmcore, dump])
    seen = readers.kdumpfile_compare(dump, crash.vmcore)
    assert seen.differing == []
    assert seen.unread == []
    assert seen.compared == info(innercore, dump)["pages"]["stored"] > 10000


@on_each_kernel
@pytest.mark.parametrize("codec", ("zlib", "zstd"))
def test_rearranged_stream_is_the_file(crash: Result, innercore: str, scratch: pathlib.Path, codec: str) -> None:
    direct, flat, rearranged = scratch / "direct", scratch / "flat", scratch / "rearranged"
    run([innercore, "capture", "-q", "-z", codec, "-d", "31", crash.vmcore, direct])
    with open(flat, "wb") as stream:
        argv = [innercore, "capture", "-q", "-z", codec, "-d", "31", crash.vmcore, "-"]
        subprocess.run(argv, stdout=stream, check=True, timeout=300)
    readers.makedumpfile_rearrange(flat, rearranged)
    assert rearranged.read_bytes() == direct.read_bytes()


@on_each_kernel
def test_desk_takes_the_same_dump_as_the_guest(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    """/proc/vmcore there and its copy here: the same pages, whatever the interface they were read through."""
    dump = scratch / "dump"
    run([innercore, "capture", "-q", "-d", "31", crash.vmcore, dump])
    assert readers.kdumpfile(dump).stored == readers.kdumpfile(crash.dump).stored
    assert dump.stat().st_size == crash.dump.stat().st_size


# --- the means -----------------------------------------------------------------------------------------------------


@on_each_kernel
def test_capture_is_content_with_little_memory(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    """16 MiB of private memory and one bit a page; the limit counts what is mapped, touched or not."""
    for threads in (1, 2):
        limit = (16 << 20) + (threads - 1) * (4 << 20) + crash.plan.memory_mib * 256 // 8
        dumps = []
        for codec in CODECS:
            dump = scratch / f"{codec}-{threads}"
            argv = [innercore, "capture", "-q", "-z", codec, "-d", "31", "-j", str(threads), crash.vmcore, dump]
            run(["prlimit", f"--data={limit}", *argv])
            assert info(innercore, dump)["complete"]
            dumps.append(dump)
        if threads > 1:
            for dump in dumps:
                assert filecmp.cmp(dump, scratch / f"{dump.name[:-2]}-1", shallow=False)
