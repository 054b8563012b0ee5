# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's dump, which readers refuse, after `innercore repair`: written anew, and in place."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

import pytest

from cycle import Result
from judges import readers, repaired, root

# Of a kernel that this machine's own readers know.
on_one = pytest.mark.parametrize("crash", ["ovmf-6.1"], indirect=True)


def repair(innercore: str, *words: object) -> dict[str, object]:
    """innercore repair --json, which must succeed."""
    argv = [innercore, "repair", "--json", *(str(word) for word in words)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def facts(crash: Result) -> tuple[pathlib.Path, str, int]:
    """Debug symbols, release and phys_base by the guest's own dump."""
    vmlinux = crash.plan.kernel.vmlinux
    if vmlinux is None:
        pytest.skip("no VMLINUX= for this kernel")
    note = (crash.dump_folder / "vmcoreinfo.txt").read_text(encoding="ascii")
    found = re.search(r"^NUMBER\(phys_base\)=(-?\d+)$", note, re.MULTILINE)
    assert found
    return vmlinux, crash.facts["release"], int(found[1])


def hypervisors_dump(crash: Result, path: pathlib.Path) -> pathlib.Path:
    """QEMU's kdump-zlib, seekable, as it is without -device vmcoreinfo."""
    outer = getattr(crash, "outer", {}).get("kdump-zlib")
    if outer is None:
        pytest.skip("no dump of QEMU's was taken")
    readers.makedumpfile_rearrange(outer, path)
    repaired.forget_vmcoreinfo(path)
    return path


@on_one
def test_repaired_dump_is_read_by_all(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    dump = hypervisors_dump(crash, scratch / "outer")
    vmlinux, release, phys_base = facts(crash)
    within = None if release.startswith("6.1.") else root.sid()
    assert repaired.refusals(dump, vmlinux, scratch, within) == {"drgn", "makedumpfile"}
    report = repair(innercore, "-z", "zlib", "-o", scratch / "repaired", dump)
    assert report["vmcoreinfo_from"] == "guest memory" and report["guest_cpus"] == 2, report
    repaired.check(scratch / "repaired", vmlinux, release, phys_base, scratch, within)


@on_one
def test_changed_in_place_is_read_by_all(crash: Result, innercore: str, scratch: pathlib.Path) -> None:
    dump = hypervisors_dump(crash, scratch / "outer")
    before = dump.read_bytes()
    vmlinux, release, phys_base = facts(crash)
    within = None if release.startswith("6.1.") else root.sid()
    assert not repair(innercore, "--in-place", dump)["nothing_to_do"]
    repaired.check(dump, vmlinux, release, phys_base, scratch, within)
    assert repair(innercore, "--in-place", dump)["nothing_to_do"]
    assert not repair(innercore, "--undo", dump)["nothing_to_do"]
    assert dump.read_bytes() == before
