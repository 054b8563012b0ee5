# SPDX-License-Identifier: GPL-2.0-or-later
"""One whole crash: boot, arm, load, panic, capture, and what that left behind, brought to the host."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import struct
import threading
import time
from typing import Any

import image
import pairs
from channel import HarnessError
from debian import Kernel
from guest import Disk, Guest, Machine

CONFIG = "/etc/innercore.conf"
LOAD_SECONDS = 180
ARM_SECONDS = 120
CAPTURE_SECONDS = 300
# The balloon takes this much away from the guest: offline pages.
BALLOON_MIB = 32
# Of virtio-mem the second half of the last block stays away: offline pages amid online ones.
HOTPLUG_MIB = {"dimm": 256, "virtio-mem": 192}
VIRTIO_MEM = ("-object", "memory-backend-ram,id=vmem,size=512M")
VIRTIO_MEM += ("-device", "virtio-mem-pci,id=virtio-mem,memdev=vmem,requested-size=0")
RAW_COPY_RESERVATION = "192M"
# Two instants before the jump, and functions of the kernel's that it runs to on the way to them: when the host is about to
# hear of the panic, and when the next line of the log is on its way out; each with all locks taken that this takes.
EARLY = {"notified": ("pvpanic_panic_notify", "iowrite8"), "printing": ("wait_for_lsr",)}
# A variable that is written between them and the jump, on a page with others.
EARLY_WRITTEN = "ftrace_enabled"
# Whoever writes the command gets the user pages, so a shell does that, and stays. The pages of the two files must be of
# one's own file: what is overwritten is in no other file's cache.
PLANT = """set -e
mkdir -p /mnt/hugetlbfs
mount -t hugetlbfs none /mnt/hugetlbfs
echo $(($(cat /proc/sys/vm/nr_hugepages) + 4)) >/proc/sys/vm/nr_hugepages
dd if=/dev/zero of=/root/witness bs=4096 count=16
truncate -s 4M /mnt/hugetlbfs/witness
insmod /root/witness.ko
rm -f /run/planted
(
	echo plant >/sys/module/innercore_witness/parameters/command
	echo yes >/run/planted
	while :; do sleep 1000; done
) >/dev/null 2>&1 </dev/null &
tries=0
until [ -e /run/planted ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { echo "witness: not planted"; exit 1; }
	usleep 100000
done
"""
OLD_KEXEC = """mkdir /run/old
cat >/run/old/kexec <<'END'
#!/bin/sh
case " $* " in
*" -s "*) echo "kexec_file_load: Function not implemented" >&2; exit 1 ;;
esac
exec /usr/sbin/kexec "$@"
END
chmod 755 /run/old/kexec
PATH=/run/old:$PATH
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What kind of crash."""

    name: str
    kernel: Kernel
    firmware: str = "ovmf"
    fs_type: str = "ext4"
    crashkernel: str = "128M"
    memory_mib: int = 1024
    cpu: str = "max"
    load_mib: int = 0  # read so much into the page cache and make every kind of page; 0: an idle guest
    raw_copy: bool = False  # bring the whole /proc/vmcore to the host too
    panic_cpu: int | None = None
    config: tuple[tuple[str, str], ...] = ()  # on top of default_config()
    kexec: str = "s"  # which of kexec's ways: -s is kexec_file_load, -c is kexec_load
    vmcoreinfo: bool = False  # -device vmcoreinfo: QEMU's dumps carry the kernel's VMCOREINFO
    hotplug: str = ""  # "dimm" or "virtio-mem": memory that comes while the guest runs
    gigantic: bool = False  # a huge page of 1 GiB, and the memory for it; struct pages of huge pages given back
    witness: bool = False  # plant pages of known kind and content: see witness.py
    outer: tuple[str, ...] = ()  # formats, see pairs.FORMATS, that QEMU dumps in while the capture kernel waits
    early: bool = False  # QEMU also dumps at each of EARLY
    target_write_bytes_per_second: int = 0


@dataclasses.dataclass
class Result:
    """What a crash left. Paths are None where the plan did not ask for them."""

    plan: Plan
    folder: pathlib.Path
    console: str = ""
    crash_console: str = ""  # from the panic on
    dmesg_before: str = ""
    vmcore: pathlib.Path | None = None
    outer: dict[str, pathlib.Path] = dataclasses.field(default_factory=dict)  # QEMU's dumps by format; see pairs.KEPT
    pairs: dict[str, pairs.Pair] = dataclasses.field(default_factory=dict)  # by format
    target: pathlib.Path | None = None  # the target file system's contents
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    facts: dict[str, str] = dataclasses.field(default_factory=dict)  # what the guest said of itself before the crash
    early_symbols: dict[str, int] = dataclasses.field(default_factory=dict)  # with "behind": what follows EARLY_WRITTEN

    @property
    def dump_folder(self) -> pathlib.Path:
        """The one folder that the capture made."""
        assert self.target is not None
        folders = [path for path in sorted((self.target / "dumps").glob("*Z-*")) if path.is_dir()]
        if len(folders) != 1:
            listed = sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*"))
            raise HarnessError(f"expected one dump on the target, found {len(folders)}: {listed}\n{self.crash_console}")
        return folders[0]

    @property
    def dump(self) -> pathlib.Path:
        """The KDUMP file."""
        return self.dump_folder / "inner.kdump"

    @property
    def status(self) -> dict[str, Any]:
        """status.json."""
        return json.loads((self.dump_folder / "status.json").read_text(encoding="utf-8"))


class Images:
    """Root disks and first initramfs images: one of each per kernel, shared by all crashes of a run."""

    def __init__(self, folder: pathlib.Path, innercore: pathlib.Path):
        self.folder = folder
        self.innercore = innercore
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def root(self, kernel: Kernel) -> pathlib.Path:
        """The root disk; guests take it as a snapshot."""
        path = self.folder / f"root-{kernel.release}.img"
        with self._lock:
            return path if path.exists() else image.root_disk(kernel, self.innercore, path)

    def witness(self, kernel: Kernel) -> pathlib.Path:
        """The witness kernel module."""
        path = self.folder / f"witness-{kernel.release}.ko"
        with self._lock:
            return path if path.exists() else image.witness_module(kernel, path)

    def initramfs(self, kernel: Kernel) -> pathlib.Path:
        """What the first kernel boots from."""
        path = self.folder / f"first-{kernel.release}.cpio"
        with self._lock:
            return path if path.exists() else image.first_initramfs(kernel, path)


def default_config(plan: Plan) -> dict[str, str]:
    """The guest's innercore.conf before the plan's own changes."""
    label = image.VFAT_LABEL if plan.fs_type == "vfat" else image.LABEL
    config = {
        "target": f"LABEL={label}",
        "path": "/dumps",
        "dump_level": "31",
        "compression": "zstd",
        "keep": "3",
        "final_action": "reboot",
    }
    config.update(dict(plan.config))
    return config


class Crash:
    """The stages of one crash, so that a test can do something else between them. A context manager."""

    def __init__(
        self, plan: Plan, images: Images, folder: pathlib.Path, append: str = "", extra: tuple[str, ...] = ()
    ):
        self.plan = plan
        self.result = Result(plan, folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.target_disk = image.target_disk(folder / "target.img", plan.fs_type)
        disks = [Disk(images.root(plan.kernel), "root", snapshot=True)]
        disks.append(Disk(self.target_disk, "target", write_bytes_per_second=plan.target_write_bytes_per_second))
        self.raw_disk: pathlib.Path | None = None
        if plan.raw_copy or plan.fs_type == "xfs":
            self.raw_disk = image.blank_disk(folder / "raw.img", plan.memory_mib + HOTPLUG_MIB.get(plan.hotplug, 0) + 64)
            disks.append(Disk(self.raw_disk, "rawcopy"))
        if plan.hotplug == "virtio-mem":
            extra += VIRTIO_MEM
        if plan.early:
            append += " crash_kexec_post_notifiers"
            extra += ("-device", "pvpanic-pci")
        machine = Machine(
            kernel=plan.kernel,
            initrd=images.initramfs(plan.kernel),
            disks=tuple(disks),
            firmware=plan.firmware,
            memory_mib=plan.memory_mib,
            cpu=plan.cpu,
            max_memory_mib=plan.memory_mib + 1024 if plan.hotplug else 0,
            append=" ".join(filter(None, (append, *self._appended(plan)))),
            crashkernel=RAW_COPY_RESERVATION if plan.raw_copy or plan.outer else plan.crashkernel,
            extra=extra + (("-device", "vmcoreinfo") if plan.vmcoreinfo else ()),
            # The host cannot read xfs without mounting it, so the guest comes back and copies it out.
            reboot=plan.fs_type == "xfs",
            debugger=plan.early,
        )
        self.guest = Guest(machine, folder)
        self._images = images
        self._stage_began = time.monotonic()
        self._panic_at = 0

    @staticmethod
    def _appended(plan: Plan) -> list[str]:
        """More words for the kernel's command line."""
        words = ["harness.nocopy"] if plan.outer and not plan.raw_copy else []
        return words + (["hugepagesz=1G hugepages=1 hugetlb_free_vmemmap=on nokaslr"] if plan.gigantic else [])

    def __enter__(self) -> Crash:
        self._stage_began = time.monotonic()
        self.guest.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.guest.__exit__(*error)

    def _stage_done(self, name: str) -> None:
        now = time.monotonic()
        self.result.seconds[name] = now - self._stage_began
        self._stage_began = now

    def boot(self) -> None:
        """Until the first kernel's agent listens, with the configuration in place."""
        self.guest.wait_ready()
        text = "".join(f"{key} = {value}\n" for key, value in default_config(self.plan).items())
        self.guest.put(CONFIG, text.encode())
        self._stage_done("boot")

    def hotplug(self) -> None:
        """More memory, above all that there is: so what comes next is taken from it."""
        if not self.plan.hotplug:
            return
        qmp, size_mib = self.guest.qmp, HOTPLUG_MIB[self.plan.hotplug]
        total_kib = int(self.guest.check("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
        if self.plan.hotplug == "dimm":
            qmp.execute("object-add", qom_type="memory-backend-ram", id="dimm", size=size_mib << 20)
            qmp.execute("device_add", driver="pc-dimm", id="pc-dimm", memdev="dimm")
        else:
            self.guest.check("modprobe virtio_mem")
            qmp.execute("qom-set", path="virtio-mem", property="requested-size", value=size_mib << 20)
        wanted_kib = total_kib + (size_mib << 10)
        self.guest.check(f"HOTPLUG_KIB={wanted_kib}\n. /usr/libexec/hotplug.sh", LOAD_SECONDS)
        self._stage_done("hotplug")

    def load(self) -> None:
        """Make pages of every class."""
        if not self.plan.load_mib:
            return
        self.result.facts["load"] = self.guest.check(
            f"LOAD_FILES={self.plan.load_mib}\n. /usr/libexec/load.sh", LOAD_SECONDS
        )
        # QEMU counts dimms among what the balloon takes from, and virtio-mem not.
        memory_mib = self.plan.memory_mib + (HOTPLUG_MIB["dimm"] if self.plan.hotplug == "dimm" else 0)
        self.guest.qmp.execute("balloon", value=(memory_mib - BALLOON_MIB) << 20)
        self._stage_done("load")

    def arm(self) -> None:
        """`innercore arm`; with the raw copier and the wait in front of innercore's own init if asked."""
        script = "set -e\n"
        if self.plan.kexec == "c":
            # As on a kernel that lacks kexec_file_load; innercore then falls back on its own.
            script += OLD_KEXEC
        if self.plan.raw_copy or self.plan.outer:
            script += (
                "innercore mkinitramfs -o /run/capture.img\n"
                "cat /run/capture.img /usr/libexec/vmcopy.cpio.gz >/run/raw.img\n"
                "innercore arm --initramfs /run/raw.img\n"
            )
        else:
            script += "innercore arm\n"
        self.result.facts["arm"] = self.guest.check(script, ARM_SECONDS)
        loaded = self.guest.check("cat /sys/kernel/kexec_crash_loaded").strip()
        if loaded != "1":
            raise HarnessError(f"innercore arm succeeded, yet no capture kernel is loaded: {self.result.facts['arm']}")
        self._stage_done("arm")

    def plant(self) -> None:
        """Pages of known kind and content, after arming, which takes much memory: a free page is anybody's."""
        if not self.plan.witness:
            return
        self.guest.put("/root/witness.ko", self._images.witness(self.plan.kernel).read_bytes())
        self.guest.check(PLANT)
        self._stage_done("plant")

    def panic(self) -> None:
        """Note what dmesg says at last, and crash."""
        self.result.facts["iomem"] = self.guest.check("cat /proc/iomem")
        self.result.facts["release"] = self.guest.check("uname -r").strip()
        self.guest.check("echo 1 >/proc/sys/kernel/sysrq")
        self.result.facts["status"] = self.guest.check("innercore status")
        self.result.facts["status_json"] = self.guest.check("innercore status --json")
        self.result.facts["dmesg_raw"] = self.guest.check("dmesg --raw")
        self.result.dmesg_before = self.guest.check("dmesg --color=never")
        self._panic_at = self.guest.console.size()
        if self.plan.early:
            self._panic_by_steps()
        else:
            self.guest.panic(self.plan.panic_cpu)

    def _panic_by_steps(self) -> None:
        """Crash, and take QEMU's dumps of before the jump."""
        self.guest.check("modprobe pvpanic-pci")
        symbols = self.guest.symbols((*itertools.chain(*EARLY.values()), EARLY_WRITTEN, "_text"))
        said = self.guest.check(f"grep -A 1 ' {EARLY_WRITTEN}$' /proc/kallsyms").splitlines()
        self.result.early_symbols = symbols | {"behind": int(said[1].split()[0], 16)}
        crashing = False
        for name, functions in EARLY.items():
            for function in functions:
                self.guest.break_at(symbols[function])
                if not crashing:
                    self.guest.panic(self.plan.panic_cpu)
                crashing = True
                self.guest.wait_break(symbols[function])
            self._dump_early(name)
        self.guest.qmp.execute("cont")
        self._stage_done("early")

    def _dump_early(self, name: str) -> None:
        reservation = pairs.reservation(self.result.facts["iomem"])
        if any(where is not None and where in reservation for where in self.guest.program_counters()):
            raise HarnessError(f"{name} is after the jump")
        self.result.outer[name] = self.result.folder / f"outer.{name}"
        self.guest.dump(self.result.outer[name], "kdump-zlib")

    def crash_console(self) -> str:
        """What the console has said since the panic."""
        return self.guest.console.since(self._panic_at).decode(errors="replace").replace("\r", "")

    def hold(self) -> None:
        """Where the capture kernel waits for us: take QEMU's dumps, all of one standing guest."""
        if not (self.plan.raw_copy or self.plan.outer):
            return
        self.guest.wait_held(CAPTURE_SECONDS)
        self._stage_done("raw copy")
        self.guest.qmp.execute("stop")
        for name in self.plan.outer:
            path = self.result.folder / f"outer.{name}"
            self.guest.dump(path, name)
            self.result.outer[name] = path
        self.guest.qmp.execute("cont")
        self.guest.let_go()
        self._stage_done("outer")

    def capture(self) -> None:
        """Until the capture kernel has saved and reset the machine (on xfs: and the guest is back)."""
        if self.plan.fs_type == "xfs":
            self.guest.wait_ready(CAPTURE_SECONDS)
            self._stage_done("capture")
            by_serial = "/dev/disk/by-serial"
            self.guest.check(
                "set -e\nmodprobe xfs\n"
                f"mount -t xfs {by_serial}/target /mnt/target\n"
                f"tar -c -f {by_serial}/rawcopy -C /mnt/target .\numount /mnt/target\nsync\n",
                120,
            )
            self._stage_done("copy out")
            self.guest.send("poweroff -f")
            self.guest.wait_end(60, "powering off")
        else:
            event = self.guest.wait_end(CAPTURE_SECONDS, "capturing")
            self.result.facts["end"] = event["data"]["reason"]
            self._stage_done("capture")

    def collect(self) -> Result:
        """Bring everything to the host."""
        self.guest.kill()
        result = self.result
        result.console = self.guest.console.since().decode(errors="replace").replace("\r", "")
        result.crash_console = self.crash_console()
        result.target = result.folder / "target"
        if self.plan.fs_type == "xfs":
            assert self.raw_disk is not None
            image.untar(self.raw_disk, result.target)
            self.raw_disk.unlink()
        else:
            image.extract(self.target_disk, self.plan.fs_type, result.target)
        if self.plan.raw_copy:
            assert self.raw_disk is not None
            result.vmcore = result.folder / "vmcore"
            os.truncate(self.raw_disk, vmcore_bytes(self.raw_disk))
            self.raw_disk.rename(result.vmcore)
        self.target_disk.unlink()
        self._stage_done("collect")
        result.pairs = pairs.compare_all(self._images.innercore, result.dump, result.outer) if result.outer else {}
        self._stage_done("compare")
        return result


def vmcore_bytes(path: pathlib.Path) -> int:
    """How long the ELF core at the start of `path` is: /proc/vmcore pads each part to whole pages."""
    with open(path, "rb") as handle:
        head = handle.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            raise HarnessError(f"{path}: no ELF core was copied there")
        (offset,) = struct.unpack_from("<Q", head, 32)
        entry_bytes, count = struct.unpack_from("<HH", head, 54)
        handle.seek(offset)
        table = handle.read(entry_bytes * count)
    end = 0
    for position in range(0, len(table), entry_bytes):
        (file_offset,) = struct.unpack_from("<Q", table, position + 8)
        (file_bytes,) = struct.unpack_from("<Q", table, position + 32)
        end = max(end, file_offset + file_bytes)
    return (end + 4095) & ~4095


def run(plan: Plan, images: Images, folder: pathlib.Path) -> Result:
    """All stages, one after the other."""
    with Crash(plan, images, folder) as crash:
        crash.boot()
        crash.hotplug()
        crash.load()
        crash.arm()
        crash.plant()
        crash.panic()
        crash.hold()
        crash.capture()
        return crash.collect()
