# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and initramfs images for the guests, made without mounting anything and without root."""

from __future__ import annotations

import gzip
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence

import cpio
import debian
from channel import HarnessError
from debian import Kernel

HERE = pathlib.Path(__file__).resolve().parent
GUEST = HERE / "guest"
TREE = HERE.parents[1]

# What the guest has beside busybox: kexec-tools and kmod because `innercore arm` calls them, util-linux's dmesg because
# its text is what dmesg.txt is held against, and the means to make file systems. dash, because Debian's busybox shell
# runs its own applets whatever PATH says.
PROGRAMS = ("dash", "kexec", "kmod", "dmesg", "blkid", "mke2fs", "mkfs.vfat", "mkfs.xfs", "taskset")
KMOD_NAMES = ("depmod", "insmod", "lsmod", "modinfo", "modprobe", "rmmod")
# What the first kernel needs before it sees its root disk.
ROOT_MODULES = ("virtio_pci", "virtio_blk", "nvme", "ext4")

ROOT_MIB = 640
LABEL = "crash"
VFAT_LABEL = "CRASH"  # mkfs.vfat refuses lower case
UUID = "5ca1ab1e-0000-4000-8000-00000c0ffee0"


def tool(name: str) -> str:
    """The path of a program; the sbin folders are not on every user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise HarnessError(f"{name} is not installed; Kbuild-helpers/install-deps names the packages")
    return path


def run(argv: Sequence[object], stdin: str | None = None) -> str:
    """Run to the end and return standard output; an error carries what the program said."""
    words = [str(word) for word in argv]
    done = subprocess.run([tool(words[0]), *words[1:]], input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# --- programs ------------------------------------------------------------------------------------------------------


def busybox() -> pathlib.Path:
    """The static busybox; a dynamic one would need libraries that an initramfs does not have."""
    for name in ("/usr/bin/busybox", "/bin/busybox", tool("busybox")):
        path = pathlib.Path(name)
        if path.exists() and b"/ld-linux" not in path.read_bytes()[:4096]:
            return path
    raise HarnessError("busybox is not static; Debian's package is busybox-static")


def libraries(program: pathlib.Path) -> set[pathlib.Path]:
    """What the dynamic loader would map for `program`, the loader itself included."""
    listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=False).stdout
    return {pathlib.Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE)}


def compile_static(source: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """A helper program for the guest."""
    run([os.environ.get("CC") or "gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", output, source])
    return output


def stripped(program: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A copy of `program` without symbols, as `make install` would put it on a machine."""
    copy = folder / f"{program.name}.stripped"
    run(["strip", "-o", copy, program])
    return copy


# --- kernel modules ------------------------------------------------------------------------------------------------


def module_files(kernel: Kernel, names: Iterable[str]) -> list[pathlib.Path]:
    """The files that make `names` work, in the order of loading; what is built in, or not there at all, needs none."""
    files: list[pathlib.Path] = []
    for name in names:
        argv = [tool("modprobe"), "-d", kernel.modules_root, "-S", kernel.release, "-C", "/dev/null"]
        argv += ["--show-depends", name]
        listed = subprocess.run(argv, text=True, capture_output=True, check=False).stdout
        for line in listed.splitlines():
            if line.startswith("insmod "):
                path = pathlib.Path(line.split()[1])
                if path not in files:
                    files.append(path)
    return files


def module_bytes(path: pathlib.Path) -> bytes:
    """The module as insmod takes it on any kernel: not compressed."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run([tool("zstd"), "-dcq"], input=data, capture_output=True, check=True).stdout
    return data


def _module_entries(kernel: Kernel, names: Iterable[str], folder: str) -> list[cpio.Entry]:
    entries = []
    order = []
    for path in module_files(kernel, names):
        name = path.name[: path.name.index(".ko") + 3]
        order.append(name)
        entries.append(cpio.file(f"{folder}/{name}", module_bytes(path)))
    entries.append(cpio.file(f"{folder}/order", "".join(f"{name}\n" for name in order).encode()))
    return entries


def witness_module(kernel: Kernel, output: pathlib.Path) -> pathlib.Path:
    """Kbuild-helpers/witness, built for `kernel` against Debian's headers, without debug information."""
    build = debian.headers(kernel.name)
    with tempfile.TemporaryDirectory(prefix="witness-", dir=output.parent) as scratch:
        work = pathlib.Path(scratch) / "witness"
        shutil.copytree(TREE / "Kbuild-helpers/witness", work)
        # No BTF: that takes pahole and the kernel's own vmlinux. And nothing of the make that may be running us.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        for name in ("V", "Q", "SAN", "BUILD", "CFLAGS", "LDFLAGS"):
            env.pop(name, None)
        argv = ["make", "-C", build, f"M={work}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"]
        done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise HarnessError(f"the witness module does not build\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
        run(["strip", "-g", "-o", output, work / "innercore_witness.ko"])
    return output


# --- initramfs -----------------------------------------------------------------------------------------------------


def first_initramfs(kernel: Kernel, output: pathlib.Path) -> pathlib.Path:
    """What the guest's first kernel boots from; it only finds the root disk."""
    entries = [cpio.folder(name) for name in ("bin", "dev", "mnt", "modules", "proc", "sys")]
    entries.append(cpio.file("bin/busybox", busybox().read_bytes(), 0o755))
    entries.append(cpio.file("init", (GUEST / "init.sh").read_bytes(), 0o755))
    entries += _module_entries(kernel, ROOT_MODULES, "modules")
    output.write_bytes(cpio.archive(entries))
    return output


def vmcopy_archive(kernel: Kernel, real_init: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """To append to the capture initramfs: copies the raw memory away first, then becomes `real_init`."""
    entries = [cpio.folder("harness")]
    entries.append(cpio.file("harness/busybox", busybox().read_bytes(), 0o755))
    copier = compile_static(GUEST / "vmcopy.c", output.with_suffix(".vmcopy"))
    entries.append(cpio.file("harness/vmcopy", copier.read_bytes(), 0o755))
    entries.append(cpio.file("init", (GUEST / "vmcopy.sh").read_bytes(), 0o755))
    entries.append(cpio.file("init.real", real_init.read_bytes(), 0o755))
    entries += _module_entries(kernel, ("virtio_pci", "virtio_blk", "virtio_console"), "harness")
    output.write_bytes(gzip.compress(cpio.archive(entries), 1, mtime=0))
    return output


# --- the root disk -------------------------------------------------------------------------------------------------


def _install(source: pathlib.Path, root: pathlib.Path, target: str, mode: int = 0o755) -> None:
    path = root / target.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    path.chmod(mode)


def _populate(
    root: pathlib.Path, kernel: Kernel, innercore: pathlib.Path, load: pathlib.Path, vmcopy: pathlib.Path
) -> None:
    for name in ("dev", "etc", "mnt/target", "proc", "root", "run", "sys", "tmp", "var"):
        (root / name).mkdir(parents=True)
    for name in ("usr/bin", "usr/sbin", "usr/lib"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "lib64").symlink_to("usr/lib64")
    _install(busybox(), root, "usr/bin/busybox")
    for applet in run([busybox(), "--list"]).split():
        if applet != "busybox":
            (root / "usr/bin" / applet).symlink_to("busybox")
    needed: set[pathlib.Path] = set()
    for name in PROGRAMS:
        program = pathlib.Path(tool(name))
        (root / "usr/bin" / name).unlink(missing_ok=True)
        _install(program, root, f"usr/sbin/{name}")
        needed |= libraries(program)
    for library in needed:
        inside = str(library)
        _install(library, root, inside if inside.startswith("/usr") else f"/usr{inside}")
    for name in KMOD_NAMES:
        (root / "usr/bin" / name).unlink(missing_ok=True)
        (root / "usr/sbin" / name).symlink_to("kmod")
    (root / "usr/bin/sh").unlink()
    (root / "usr/bin/sh").symlink_to("../sbin/dash")
    (root / "usr/sbin/mkfs.ext4").symlink_to("mke2fs")
    _install(innercore, root, "usr/sbin/innercore")
    _install(vmcopy, root, "usr/libexec/vmcopy.cpio.gz", 0o644)
    _install(GUEST / "agent.sh", root, "usr/sbin/init")
    _install(GUEST / "load.sh", root, "usr/libexec/load.sh", 0o644)
    _install(GUEST / "hotplug.sh", root, "usr/libexec/hotplug.sh", 0o644)
    _install(load, root, "usr/libexec/load")
    _install(kernel.bzimage, root, f"boot/vmlinuz-{kernel.release}", 0o644)
    shutil.copytree(kernel.modules, root / "lib/modules" / kernel.release, symlinks=True, ignore=_no_links_out)
    for name in ("build", "source"):
        (root / "lib/modules" / kernel.release / name).unlink(missing_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="ascii")
    (root / "etc/group").write_text("root:x:0:\n", encoding="ascii")


def _no_links_out(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in ("build", "source")}


def root_disk(
    kernel: Kernel, innercore: pathlib.Path, output: pathlib.Path, real_init: pathlib.Path | None = None
) -> pathlib.Path:
    """The first kernel's root file system: busybox, kexec-tools, kmod, the kernel with its modules, and innercore."""
    with tempfile.TemporaryDirectory(prefix="root-", dir=output.parent) as scratch:
        work = pathlib.Path(scratch)
        load = compile_static(GUEST / "load.c", work / "load")
        program = stripped(innercore, work)
        vmcopy = vmcopy_archive(kernel, real_init or program, work / "vmcopy.cpio.gz")
        _populate(work / "root", kernel, program, load, vmcopy)
        partial = work / "disk"
        argv = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", "root_owner=0:0,nodiscard", "-d", work / "root"]
        run([*argv, partial, f"{ROOT_MIB}M"])
        partial.rename(output)
    return output


# --- the target disk -----------------------------------------------------------------------------------------------


def blank_disk(output: pathlib.Path, size_mib: int) -> pathlib.Path:
    """A sparse file."""
    output.unlink(missing_ok=True)
    with open(output, "wb") as handle:
        handle.truncate(size_mib << 20)
    return output


def target_disk(output: pathlib.Path, fs_type: str = "ext4", size_mib: int = 512) -> pathlib.Path:
    """Where the capture kernel saves to: the file system labelled LABEL (VFAT_LABEL on vfat)."""
    blank_disk(output, size_mib)
    if fs_type == "ext4":
        run(["mke2fs", "-q", "-t", "ext4", "-L", LABEL, "-U", UUID, "-E", "nodiscard", output])
    elif fs_type == "xfs":
        run(["mkfs.xfs", "-q", "-L", LABEL, "-m", f"uuid={UUID}", output])
    elif fs_type == "vfat":
        run(["mkfs.vfat", "-n", VFAT_LABEL, output])
    else:
        raise HarnessError(f"no target disk of type {fs_type}")
    return output


def extract(disk: pathlib.Path, fs_type: str, folder: pathlib.Path) -> pathlib.Path:
    """Everything on an ext4 or vfat target disk, copied into `folder` without mounting."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if fs_type == "ext4":
        # The capture kernel may have been cut off: what the journal holds belongs to what a mount would show.
        subprocess.run([tool("e2fsck"), "-fy", disk], capture_output=True, check=False)
        run(["debugfs", "-R", f"rdump / {folder}", disk])
    elif fs_type == "vfat":
        run(["mcopy", "-s", "-n", "-i", disk, "::/*", folder])
    else:
        raise HarnessError(f"{fs_type} can only be read by a guest")
    return folder


def untar(archive: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A tar archive that a guest wrote onto a bare disk, unpacked into `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(archive, mode="r:") as tar:
        tar.extractall(folder, members=[member for member in tar if member.isfile() or member.isdir()])
    return folder
