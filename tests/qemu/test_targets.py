# SPDX-License-Identifier: GPL-2.0-or-later
"""Other targets, little memory, no target at all, and the power gone in the middle."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

import crashes
import image
from cycle import Result
from judges import readers
from test_crash import info, popcount, run, vmlinux

INITRAMFS_MAX_BYTES = 3 << 19  # 1.5 MiB


def on(*names: str) -> pytest.MarkDecorator:
    """The test looks at these crashes."""
    return pytest.mark.parametrize("crash", names, indirect=True)


@on("small-reservation")
def test_96_mib_are_enough_for_two_cpus_and_4_gib(crash: Result) -> None:
    assert crash.status["state"] == "complete", crash.crash_console
    assert crash.status["errors"] == []
    assert crash.status["capture"]["threads"] == 2
    shown = readers.crash(crash.dump, vmlinux(crash), ["bt"])["bt"]
    assert "sysrq_handle_crash" in shown


@on("ovmf-6.1")
def test_a_crash_on_another_cpu_leaves_the_first_asleep(crash: Result) -> None:
    """Hardware goes back to its firmware where the kernel starts the CPU that booted it; emulated CPUs do not mind."""
    assert crash.status["state"] == "complete", crash.crash_console
    assert crash.status["capture"]["threads"] == 1
    assert "nr_cpus=2 disable_cpu_apicid=0" in crash.crash_console


@on("xfs", "vfat")
def test_other_file_systems(crash: Result, innercore: str) -> None:
    assert crash.status["state"] == "complete", crash.crash_console
    assert crash.status["target"]["fstype"] == crash.plan.fs_type
    assert crash.status["target"]["uuid"] == image.UUID or crash.plan.fs_type == "vfat" and crash.status["target"]["uuid"]
    said = info(innercore, crash.dump)
    assert said["complete"]
    assert popcount(readers.kdumpfile(crash.dump).stored) == said["pages"]["stored"]
    assert "Kernel panic" in (crash.dump_folder / "dmesg.txt").read_text(errors="replace")


@on("vfat")
def test_compression_as_configured(crash: Result, innercore: str) -> None:
    used = info(innercore, crash.dump)["compression"]
    assert used["zlib"] > 0
    assert used["zstd"] == 0


@on("vfat")
def test_final_action_poweroff(crash: Result) -> None:
    assert crash.facts["end"] == "guest-shutdown"


@on("small-reservation", "no-target")
def test_final_action_reboot(crash: Result) -> None:
    assert crash.facts["end"] == "guest-reset"


def once(text: str) -> str:
    """Without repetitions: on a loaded host the emulated serial port sends a character twice now and then."""
    return re.sub(r"(.)\1+", r"\1", text)


@on("no-target")
def test_log_on_the_console_without_a_target(crash: Result) -> None:
    said = crash.crash_console
    begin = said.index("the crashed kernel's log follows")
    end = said.index("end of the crashed kernel's log")
    log = once(said[begin:end])
    assert once("Kernel panic - not syncing: sysrq triggered crash") in log
    # The capture kernel's own messages may come between two lines, not within one.
    missing = [line for line in crash.dmesg_before.splitlines() if once(line) not in log]
    assert not missing, missing[:5]
    assert said.rindex("innercore: rebooting") > end


@on("power-cut")
def test_power_cut_leaves_the_log(crash: Result) -> None:
    status = crash.status
    assert status["state"] == "started", status
    log = crash.dump_folder / "dmesg.txt"
    assert log.stat().st_size == status["files"]["dmesg.txt"]
    text = log.read_text(errors="replace")
    assert text.startswith(crash.dmesg_before)
    assert "Kernel panic - not syncing: sysrq triggered crash" in text
    for name, size in status["files"].items():
        assert (crash.dump_folder / name).stat().st_size == size, name


@on("power-cut")
def test_power_cut_leaves_no_dump_that_looks_whole(crash: Result, innercore: str) -> None:
    assert not crash.dump.exists(), "the dump has its name only when it is whole"
    partial = [path for path in crash.dump_folder.iterdir() if "kdump" in path.name]
    assert len(partial) == 1, "what was written is there"
    assert "inner.kdump" not in crash.status["files"]


@pytest.mark.parametrize("version", crashes.VERSIONS)
def test_initramfs_size(
    version: str, innercore: str, scratch: pathlib.Path, measured: list[tuple[str, str]]
) -> None:
    kernel = crashes.kernel(version)
    program = image.stripped(pathlib.Path(innercore), scratch)
    sizes = {}
    for fs_type in ("ext4", "xfs", "vfat"):
        config = scratch / "innercore.conf"
        config.write_text(f"target = UUID={image.UUID}\nfstype = {fs_type}\npath = /dumps\n", encoding="ascii")
        argv = [innercore, "mkinitramfs", "--json", "-c", config, "-k", kernel.release]
        argv += ["--modules", kernel.modules_root, "--init", program]
        argv += ["--target-modules", f"virtio_pci,virtio_blk,{fs_type}"]
        first, second = scratch / "first", scratch / "second"
        sizes[fs_type] = json.loads(run([*argv, "-o", first]))["bytes"]
        assert sizes[fs_type] == first.stat().st_size
        run([*argv, "-o", second])
        assert first.read_bytes() == second.read_bytes(), "the same inputs give the same bytes"
    measured.append((f"initramfs of {kernel.release}", ", ".join(f"{name} {size}" for name, size in sizes.items())))
    assert sizes["ext4"] <= INITRAMFS_MAX_BYTES


@on(*crashes.MATRIX[:1])
def test_arm_says_what_it_did(crash: Result) -> None:
    assert re.search(crash.facts["release"], crash.facts["status"])
    state = json.loads(crash.facts["status_json"])
    assert state["loaded"] is True
