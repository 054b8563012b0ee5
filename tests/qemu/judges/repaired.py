# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a hypervisor's dump one that every reader opens, and what it says true? For what `innercore repair` wrote."""

from __future__ import annotations

import pathlib
import struct

from . import readers, root

BLOCK = 4096
# Of the sub header, which is the second block.
PHYS_BASE, OFFSET_VMCOREINFO, OFFSET_NOTE, SIZE_NOTE = 0, 32, 48, 56


def forget_vmcoreinfo(dump: pathlib.Path) -> None:
    """Make a seekable KDUMP of QEMU what it is without -device vmcoreinfo: no such note, no pointer, phys_base 0."""
    with open(dump, "r+b") as handle:
        handle.seek(BLOCK)
        sub = bytearray(handle.read(104))
        (offset,) = struct.unpack_from("<q", sub, OFFSET_NOTE)
        (size,) = struct.unpack_from("<Q", sub, SIZE_NOTE)
        handle.seek(offset)
        notes = handle.read(size)
        found = notes.find(b"VMCOREINFO\0")
        if found >= 0:
            # It is the last one.
            struct.pack_into("<Q", sub, SIZE_NOTE, found - 12)
        struct.pack_into("<Q", sub, PHYS_BASE, 0)
        struct.pack_into("<qQ", sub, OFFSET_VMCOREINFO, 0, 0)
        handle.seek(BLOCK)
        handle.write(sub)


def refusals(dump: pathlib.Path, vmlinux: pathlib.Path, scratch: pathlib.Path, within: root.Root | None) -> set[str]:
    """Which of drgn and makedumpfile cannot read it."""
    found = set()
    for name, attempt in (
        ("drgn", lambda: readers.drgn(dump, vmlinux, (), within)),
        ("makedumpfile", lambda: readers.makedumpfile_refilter(dump, scratch / "refused", within=within)),
    ):
        try:
            attempt()
        except readers.ReaderError:
            found.add(name)
    return found


def check(
    dump: pathlib.Path,
    vmlinux: pathlib.Path,
    release: str,
    phys_base: int,
    scratch: pathlib.Path,
    within: root.Root | None = None,
) -> None:
    """All four readers; the crash was sysrq's. `phys_base` is what the kernel's own VMCOREINFO says."""
    seen = readers.drgn(dump, vmlinux, (), within)
    assert seen.identity["release"] == release and seen.identity["sysname"] == "Linux", seen.identity
    assert "sysrq_handle_crash" in seen.trace and "panic" in seen.trace, seen.trace
    known = readers.kdumpfile(dump, (), within).attributes
    assert known["arch.name"] == "x86_64"
    assert known["linux.uts.release"] == release
    assert known["linux.phys_base"] == phys_base & (1 << 64) - 1
    assert known["linux.vmcoreinfo.lines.OSRELEASE"] == release
    said = readers.crash(dump, vmlinux, ["sys", "bt"], within)
    assert release in said["sys"], said
    assert "sysrq triggered crash" in said["sys"], said
    assert "panic at" in said["bt"], said
    again = readers.makedumpfile_refilter(dump, scratch / "refiltered", within=within)
    try:
        assert readers.kdumpfile(again, (), within).attributes["linux.uts.release"] == release
    finally:
        again.unlink()
