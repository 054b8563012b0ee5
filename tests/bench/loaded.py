# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of 4 GiB at work that panics into a capture kernel where the host may run programs on its /proc/vmcore.

The load is the same each time: the host's own /usr, as far as CORPUS_MIB go, is the guest's files (its packages are those that
Kbuild-helpers/install-deps names); guest/load.sh and the programs beside it say what is made of them. So bytes differ from crash to
crash as little as a kernel allows, and the mix of pages does not.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/qemu"))

import cpio  # noqa: E402
import cycle  # noqa: E402
import debian  # noqa: E402
import image  # noqa: E402
from channel import HarnessError  # noqa: E402
from guest import Disk, Guest, Machine  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
# makedumpfile 1.7.2 knows Linux 6.1 and no newer one, and it is half of what the bench is for.
KERNEL = "bookworm-cloud"
VMCORE_MIB = 4096
RESERVED_MIB = 512
CORPUS_MIB = 1800
CORPUS_MAX_FILE = 48 << 20
LOAD = {"CACHE_MIB": 1500, "HEAP_MIB": 900, "SHARED_MIB": 60}
LOAD_SECONDS = 1800
COPY_SECONDS = 1200
CAPTURE_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")


def cache() -> pathlib.Path:
    """Where what takes long is kept."""
    folder = debian.cache_dir() / "bench"
    folder.mkdir(exist_ok=True)
    return folder


def _corpus_files() -> list[tuple[pathlib.Path, int]]:
    """Files of all sorts, (path, bytes), picked and ordered by the hash of their names: the same on each machine."""
    found = []
    for top in ("bin", "include", "lib", "sbin", "share"):
        for folder, _, names in os.walk(f"/usr/{top}"):
            for name in names:
                path = pathlib.Path(folder, name)
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= CORPUS_MAX_FILE:
                    found.append(path)
    chosen, total = [], 0
    for path in sorted(found, key=lambda path: hashlib.sha256(str(path).encode()).digest()):
        size = path.stat().st_size
        if total + size > CORPUS_MIB << 20:
            break
        chosen.append((path, size))
        total += size
    return chosen


def corpus() -> pathlib.Path:
    """The disk with the files that the guest works on; made once."""
    path = cache() / "corpus.img"
    with debian.locked("bench-corpus"):
        if not path.exists():
            debian.say("gathering files for the guest to work on")
            with tempfile.TemporaryDirectory(prefix=".corpus-", dir=cache()) as scratch:
                work = pathlib.Path(scratch)
                for source, _ in _corpus_files():
                    target = work / "root" / source.relative_to("/usr")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
                argv = ["mke2fs", "-q", "-t", "ext4", "-N", "150000", "-E", "root_owner=0:0,nodiscard", "-d", work / "root"]
                image.run([*argv, work / "disk", f"{CORPUS_MIB * 5 // 4 + 128}M"])
                (work / "disk").rename(path)
    return path


def harness_archive(kernel: debian.Kernel, real_init: pathlib.Path, programs: list[cpio.Entry]) -> bytes:
    """To append to the capture initramfs: guest/bench.sh as its init, and `programs` that are tried there."""
    with tempfile.TemporaryDirectory() as scratch:
        copier = image.compile_static(TREE / "tests/qemu/guest/vmcopy.c", pathlib.Path(scratch) / "vmcopy")
        entries = [cpio.folder("harness"), cpio.file("harness/vmcopy", copier.read_bytes(), 0o755)]
    entries.append(cpio.file("harness/busybox", image.busybox().read_bytes(), 0o755))
    entries.append(cpio.file("init", (HERE / "guest/bench.sh").read_bytes(), 0o755))
    entries.append(cpio.file("init.real", real_init.read_bytes(), 0o755))
    entries += image._module_entries(kernel, CAPTURE_MODULES, "harness") + programs
    return gzip.compress(cpio.archive(entries), 1, mtime=0)


class LoadedGuest:
    """One crash. A context manager; `guest` runs commands in whichever kernel is up."""

    def __init__(self, innercore: pathlib.Path, folder: pathlib.Path, programs: list[cpio.Entry] | None = None):
        self.kernel = debian.kernel(KERNEL)
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.facts: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        program = image.stripped(innercore, folder)
        self._images = cycle.Images(folder / "images", innercore)
        self._loaders = [image.compile_static(HERE / f"guest/{name}.c", folder / name) for name in ("heap", "readahead")]
        self._initramfs = image.blank_disk(folder / "initramfs.img", 0)
        archive = harness_archive(self.kernel, program, programs or [])
        # A disk is a whole number of sectors; the length goes along.
        self._initramfs.write_bytes(archive + b"\0" * (-len(archive) % 512))
        self._initramfs_bytes = len(archive)
        self.target = image.target_disk(folder / "target.img", "ext4", VMCORE_MIB + 1024)
        self.raw = image.blank_disk(folder / "raw.img", VMCORE_MIB + 256)
        disks = (
            Disk(self._images.root(self.kernel), "root", snapshot=True),
            Disk(self.target, "target"),
            Disk(self.raw, "rawcopy"),
            Disk(corpus(), "corpus", snapshot=True),
            Disk(self._initramfs, "initramfs"),
        )
        machine = Machine(
            kernel=self.kernel,
            initrd=self._images.initramfs(self.kernel),
            disks=disks,
            firmware="seabios",
            memory_mib=VMCORE_MIB + RESERVED_MIB,
            crashkernel=f"{RESERVED_MIB}M",
        )
        self.guest = Guest(machine, folder)

    def __enter__(self) -> LoadedGuest:
        self.guest.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.guest.__exit__(*error)

    def load(self) -> None:
        """Boot, and be busy."""
        began = time.monotonic()
        self.guest.wait_ready(300)
        for program in self._loaders:
            path = f"/usr/libexec/{program.name}"
            self.guest.put(f"{path}.gz", gzip.compress(program.read_bytes()))
            self.guest.check(f"gunzip {path}.gz\nchmod 755 {path}")
        settings = "".join(f"{key}={value}\n" for key, value in LOAD.items())
        script = (HERE / "guest/load.sh").read_text(encoding="utf-8")
        self.facts["meminfo"] = self.guest.check(settings + script, LOAD_SECONDS)
        self.seconds["load"] = time.monotonic() - began

    def arm(self, cpus: int = 2) -> None:
        """`innercore arm`, with guest/bench.sh in front of its init, and as many CPUs."""
        text = "".join(f"{key} = {value}\n" for key, value in cycle.default_config(cycle.Plan("", self.kernel)).items())
        self.guest.put(cycle.CONFIG, text.encode())
        serial = "/dev/disk/by-serial/initramfs"
        self.guest.check(
            "set -e\n"
            "innercore mkinitramfs -o /run/capture.img\n"
            f"head -c {self._initramfs_bytes} {serial} | cat /run/capture.img - >/run/bench.img\n"
            "innercore arm --initramfs /run/bench.img\n",
            300,
        )
        said = self.guest.check("innercore status --json")
        cmdline = re.search(r'"cmdline": *"((?:[^"\\]|\\.)*)"', said)
        if not cmdline:
            raise HarnessError(f"innercore status --json tells no command line: {said}")
        words = re.sub(r"\bnr_cpus=\d+", f"nr_cpus={cpus}", cmdline[1])
        self.facts["cmdline"] = words
        image_path = f"/boot/vmlinuz-{self.kernel.release}"
        self.guest.check(f"kexec -p -s --initrd=/run/bench.img --command-line='{words}' {image_path}", 120)

    def panic(self) -> None:
        """Crash on the boot CPU, for the other one can be started again; until the capture kernel listens."""
        self._panic_from = self.guest.console.size()
        began = time.monotonic()
        self.guest.panic(0)
        self.guest.wait_ready(300)
        self.seconds["panic to user space"] = time.monotonic() - began

    def copy_vmcore(self, output: pathlib.Path) -> pathlib.Path:
        """The whole of /proc/vmcore."""
        self.guest.check("vmcopy /proc/vmcore /run/by-serial/rawcopy", COPY_SECONDS)
        os.truncate(self.raw, cycle.vmcore_bytes(self.raw))
        self.raw.rename(output)
        return output


def vmcore(innercore: pathlib.Path) -> pathlib.Path:
    """The vmcore of such a guest; made once, for that takes minutes under emulation."""
    path = cache() / "vmcore"
    with debian.locked("bench-vmcore"):
        if not path.exists():
            debian.say("crashing a loaded guest of 4 GiB for its /proc/vmcore")
            with tempfile.TemporaryDirectory(prefix=".vmcore-", dir=cache()) as scratch:
                with LoadedGuest(innercore, pathlib.Path(scratch)) as crash:
                    crash.load()
                    crash.arm()
                    crash.panic()
                    copy = crash.copy_vmcore(pathlib.Path(scratch) / "vmcore")
                (cache() / "vmcore.meminfo").write_text(crash.facts["meminfo"], encoding="utf-8")
                copy.rename(path)
    return path


if __name__ == "__main__":
    print(vmcore(pathlib.Path(os.environ.get("INNERCORE_BIN", TREE / "build/innercore"))))
