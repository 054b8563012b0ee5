# SPDX-License-Identifier: GPL-2.0-or-later
"""The crashes that the tests look at. Each is run once; the tests share what it left."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Callable

import cycle
import debian
import image
import pairs
from channel import Deadline, HarnessError

# Which Debian kernels stand for which version; the next where one is gone from the archive. KERNEL= in the environment
# takes the place of all.
VERSIONS = {"6.1": ("bookworm-cloud",), "6.12": ("bookworm-backports-cloud", "trixie-cloud")}
# On top of these the oldest kernel that is promised, the newest there is, and full flavours.
MORE_VERSIONS = {
    "5.10": ("bullseye-cloud",),
    "7": ("sid-cloud",),
    "5.10f": ("bullseye-full",),
    "6.1f": ("bookworm-full",),
    "6.12f": ("bookworm-backports-full", "trixie-full"),
    "7f": ("sid-full",),
}
FIRMWARES = ("ovmf", "seabios")
MATRIX = tuple(f"{firmware}-{version}" for version in VERSIONS for firmware in FIRMWARES)
# One of them also shows what a dump of before the jump is, beside crashloaded, of the other version and firmware.
EARLY_TOO = "ovmf-6.12"
# Enough that files of a hundred sorts are in the page cache, and yet quick under emulation.
LOAD_MIB = 64


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all crashes of one run share."""

    images: cycle.Images
    folder: pathlib.Path

    def run(self, plan: cycle.Plan) -> cycle.Result:
        """A crash without anything special between its stages."""
        return cycle.run(plan, self.images, self.folder / plan.name.replace(" ", "_"))


def kernel(version: str) -> debian.Kernel:
    """The kernel that stands for `version`, with debug symbols for the judges."""
    given = debian.kernel_from_environment()
    if given:
        return given
    *names, last = (VERSIONS | MORE_VERSIONS)[version]
    for name in names:
        with contextlib.suppress(debian.GoneError):
            return debian.kernel(name, debug=True)
    return debian.kernel(last, debug=True)


# With `paging`, QEMU dumps what the vCPUs map: of a crashed kernel that all of them have left, nothing.
ONE_CPU_STAYS = (("cmdline_append", "nr_cpus=1"),)


def matrix_crash(name: str) -> Callable[[Bench], cycle.Result]:
    """A loaded guest; the raw memory and QEMU's dumps come along.

    Both paging depths and both CPUs get their turn, and any two values of firmware, kexec's way, -device vmcoreinfo and
    the dump's format meet in one of the four.
    """
    firmware, version = name.split("-")

    def run(bench: Bench) -> cycle.Result:
        plan = cycle.Plan(
            name=name,
            kernel=kernel(version),
            firmware=firmware,
            cpu="max" if firmware == "ovmf" else "qemu64",
            load_mib=LOAD_MIB,
            raw_copy=True,
            panic_cpu=1 if version == "6.1" else 0,
            config=() if version == "6.1" else ONE_CPU_STAYS,
            kexec="s" if (firmware == "ovmf") == (version == "6.1") else "c",
            vmcoreinfo=version == "6.1",
            outer=pairs.FORMATS,
            witness=kernel(version).name in debian.FLAVOURS,  # KERNEL= comes without headers
            early=name == EARLY_TOO and kernel(version).name in debian.FLAVOURS,  # which have pvpanic
        )
        return bench.run(plan)

    return run


# Which run of the kernels' matrix has what on top of the load that all have.
EXTRA_LOADS = {
    "seabios-5.10f": {"hotplug": "dimm"},
    "seabios-6.1f": {"hotplug": "dimm"},
    "seabios-6.12": {"hotplug": "virtio-mem"},
    "seabios-7": {"hotplug": "virtio-mem"},
    "seabios-7f": {"hotplug": "dimm"},
    # Kernel and firmware leave the second GiB alone there.
    "ovmf-6.1f": {"gigantic": True, "memory_mib": 2560},
    "ovmf-7f": {"gigantic": True, "memory_mib": 2560},
}


def kernel_crash(version: str, firmware: str) -> Callable[[Bench], cycle.Result]:
    """A loaded guest, for all that one run can tell of a kernel."""
    extra = EXTRA_LOADS.get(f"{firmware}-{version}", {})

    def run(bench: Bench) -> cycle.Result:
        plan = cycle.Plan(
            name=kernel_name(version, firmware),
            kernel=kernel(version),
            firmware=firmware,
            cpu="max" if firmware == "ovmf" else "qemu64",
            load_mib=LOAD_MIB,
            raw_copy=True,
            kexec="s" if firmware == "ovmf" else "c",
            vmcoreinfo=firmware == "seabios",
            outer=("kdump-zlib",),
            **extra,
        )
        return bench.run(plan)

    return run


def kernel_name(version: str, firmware: str) -> str:
    """Of a run of the kernels' matrix."""
    return f"kernel-{version}-{firmware}"


def pair_crash(firmware: str, kexec: str, vmcoreinfo: bool, version: str) -> Callable[[Bench], cycle.Result]:
    """An idle guest, for its pairs alone."""

    def run(bench: Bench) -> cycle.Result:
        plan = cycle.Plan(
            name=pair_name(firmware, kexec, vmcoreinfo, version),
            kernel=kernel(version),
            firmware=firmware,
            kexec=kexec,
            vmcoreinfo=vmcoreinfo,
            outer=pairs.FORMATS,
            config=ONE_CPU_STAYS,
        )
        return bench.run(plan)

    return run


def pair_name(firmware: str, kexec: str, vmcoreinfo: bool, version: str) -> str:
    """As in the table that `make check-matrix` prints."""
    return f"{firmware} kexec -{kexec} {'vmcoreinfo' if vmcoreinfo else 'none'} {version}"


def crashloaded(bench: Bench) -> cycle.Result:
    """The host learns of the crash by pvpanic, and dumps at four instants.

    At two before the jump; as soon as a CPU runs in the capture kernel's memory; and when the capture kernel has halted.
    """
    config = (("final_action", "halt"),)
    plan = cycle.Plan("crashloaded", kernel("6.1"), firmware="seabios", config=config, vmcoreinfo=True, early=True)
    folder = bench.folder / plan.name
    with cycle.Crash(plan, bench.images, folder) as crash:
        guest, result = crash.guest, crash.result
        crash.boot()
        crash.arm()
        crash.panic()
        guest.qmp.wait_event("GUEST_CRASHLOADED", Deadline(60))
        reservation = pairs.reservation(result.facts["iomem"])
        deadline = Deadline(60)
        jumped = False
        while not jumped:
            guest.qmp.execute("stop")
            at = guest.program_counters()
            jumped = any(where is not None and where in reservation for where in at)
            if jumped:
                result.outer["jumped"] = folder / "outer.jumped"
                guest.dump(result.outer["jumped"], "kdump-zlib")
            guest.qmp.execute("cont")
            if deadline.passed() and not jumped:
                raise HarnessError(f"no CPU came to the capture kernel's memory: {at}")
        guest.wait_console("innercore: halting", cycle.CAPTURE_SECONDS)
        result.outer["halted"] = folder / "outer.halted"
        guest.dump(result.outer["halted"], "kdump-zlib")
        return crash.collect()


def small_reservation(bench: Bench) -> cycle.Result:
    """As little memory as the capture kernel can do with on two CPUs; the crash is on the one that was booted first."""
    return bench.run(cycle.Plan("small-reservation", kernel("6.1"), crashkernel="96M", memory_mib=4096, panic_cpu=0))


def xfs(bench: Bench) -> cycle.Result:
    """The target is xfs, the guest comes back after the capture."""
    return bench.run(cycle.Plan("xfs", kernel("6.12"), firmware="seabios", fs_type="xfs"))


def vfat(bench: Bench) -> cycle.Result:
    """The target is vfat, found by device, and the machine is switched off in the end."""
    config = (("target", "/dev/vdb"), ("final_action", "poweroff"), ("compression", "zlib"))
    return bench.run(cycle.Plan("vfat", kernel("6.1"), firmware="seabios", fs_type="vfat", config=config))


def no_target(bench: Bench) -> cycle.Result:
    """The target was there when innercore armed, and is gone when it is needed."""
    config = (("target", f"UUID={image.UUID}"), ("target_wait_seconds", "3"))
    plan = cycle.Plan("no-target", kernel("6.1"), firmware="seabios", config=config)
    with cycle.Crash(plan, bench.images, bench.folder / plan.name) as crash:
        crash.boot()
        crash.arm()
        crash.guest.check("dd if=/dev/zero of=/dev/disk/by-serial/target bs=1M count=1 conv=notrunc && sync")
        crash.panic()
        crash.capture()
        crash.guest.kill()
        crash.result.crash_console = crash.crash_console()
        return crash.result


def power_cut(bench: Bench) -> cycle.Result:
    """QEMU is killed while the dump is written; unfiltered on a slow disk that takes minutes."""
    config = (("dump_level", "0"), ("compression", "none"))
    plan = cycle.Plan(
        "power-cut", kernel("6.12"), firmware="seabios", config=config, target_write_bytes_per_second=8 << 20
    )
    with cycle.Crash(plan, bench.images, bench.folder / plan.name) as crash:
        crash.boot()
        crash.arm()
        crash.panic()
        crash.guest.wait_console(WRITING, cycle.CAPTURE_SECONDS)
        crash.guest.kill()
        return crash.collect()


# What innercore's init says on the console once pages of the dump are on their way.
WRITING = r"[0-9]+% .* eta "

# Every combination; `make check-matrix` alone runs them.
PAIRS = tuple(itertools.product(FIRMWARES, ("s", "c"), (True, False), VERSIONS))
# Of each version cloud and full flavour, for the matrix of kernels.
KERNELS = tuple(itertools.product(("5.10", "5.10f", "6.1", "6.1f", "6.12", "6.12f", "7", "7f"), FIRMWARES))
# Of suites that need not be in the archive for ever: without them there is less to test, and no failure.
MAY_BE_GONE = {kernel_name(*run) for run in KERNELS} | {pair_name(*combination) for combination in PAIRS}

CRASHES: dict[str, Callable[[Bench], cycle.Result]] = {name: matrix_crash(name) for name in MATRIX}
CRASHES.update(
    {
        "crashloaded": crashloaded,
        "small-reservation": small_reservation,
        "xfs": xfs,
        "vfat": vfat,
        "no-target": no_target,
        "power-cut": power_cut,
    }
)
CRASHES.update({kernel_name(version, firmware): kernel_crash(version, firmware) for version, firmware in KERNELS})
CRASHES.update({pair_name(*combination): pair_crash(*combination) for combination in PAIRS})
