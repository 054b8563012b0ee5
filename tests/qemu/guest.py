# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest under QEMU: starts it, runs commands in it, watches its console, and sees it end."""

from __future__ import annotations

import base64
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection

import image
from channel import Deadline, HarnessError, Stream
from debian import Kernel, cache_dir
from gdbstub import GdbStub
from qmp import Message, Qmp

BOOT_SECONDS = 120
COMMAND_SECONDS = 60
DUMP_SECONDS = 120
KVM_PROBE_SECONDS = 5

# QEMU 7.2's emulation of cmpxchg16b may leave rubbish in the flags. Linux 6.12's slab allocator is laid out so that
# about one boot in three dies of it; without the feature the kernel does the same work another way.
TCG_CPU_QUIRKS = ",-cx16"
# On a busy host the emulated timer is too late for the kernel's test of it, which ends in a panic.
TCG_KERNEL_QUIRKS = " no_timer_check"

OVMF_PAIRS = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
)


@dataclasses.dataclass(frozen=True)
class Disk:
    """A virtio disk that the guest finds by `serial`. Writes to a `snapshot` are forgotten when QEMU ends."""

    path: pathlib.Path
    serial: str
    snapshot: bool = False
    write_bytes_per_second: int = 0  # a slow disk, for what must happen while it is written; 0: as fast as it goes


@dataclasses.dataclass(frozen=True)
class Machine:
    """What to boot and on what. `firmware` is ovmf or seabios."""

    kernel: Kernel
    initrd: pathlib.Path
    disks: tuple[Disk, ...]
    firmware: str = "ovmf"
    memory_mib: int = 1024
    max_memory_mib: int = 0  # as far as memory may be plugged in later; 0: none may
    cpus: int = 2
    cpu: str = "max"
    append: str = ""
    crashkernel: str = "128M"
    reboot: bool = False
    debugger: bool = False  # for break_at()
    extra: tuple[str, ...] = ()


def qemu() -> str:
    """The emulator."""
    return image.tool("qemu-system-x86_64")


@functools.cache
def accelerator() -> str:
    """kvm only if a kernel really ran under it: nested KVM may exist and yet hang in the firmware."""
    forced = os.environ.get("QEMU_ACCEL")
    if forced:
        return forced
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    verdict = cache_dir() / f"accel-{boot_id}"
    if not verdict.exists():
        for old in cache_dir().glob("accel-*"):
            old.unlink(missing_ok=True)
        partial = cache_dir() / f".accel-{os.getpid()}"
        partial.write_text("kvm" if _kvm_runs() else "tcg", encoding="ascii")
        partial.rename(verdict)
    return verdict.read_text(encoding="ascii")


def _kvm_runs() -> bool:
    """Whether firmware gets as far as running a boot sector under KVM; that sector only writes to the exit device."""
    sector = bytes.fromhex("b010 e6f4 f4 ebfd".replace(" ", "")).ljust(510, b"\0") + b"\x55\xaa"
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(sector.ljust(1 << 16, b"\0"))
        disk.flush()
        argv = [qemu(), "-accel", "kvm", "-machine", "q35", "-m", "64"]
        argv += ["-nodefaults", "-no-user-config", "-display", "none"]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"]
        argv += ["-drive", f"file={disk.name},format=raw,if=ide", "-boot", "c"]
        try:
            done = subprocess.run(argv, timeout=KVM_PROBE_SECONDS, capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == (0x10 << 1 | 1)


class Guest:
    """One run of QEMU. Use as a context manager: leaving it ends QEMU, whatever happened."""

    def __init__(self, machine: Machine, folder: pathlib.Path):
        self.machine = machine
        self.folder = folder
        self.console = Stream("console")
        self._agent = Stream("agent")
        self._monitor = Stream("qmp")
        self._debugger = Stream("debugger")
        self._stub = GdbStub(self._debugger)
        self._streams = [self.console, self._agent, self._monitor] + ([self._debugger] if machine.debugger else [])
        self.qmp = Qmp(self._monitor)
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_from = 0  # where the next agent's greeting may begin
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Guest:
        try:
            self._start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_unused: object) -> None:
        self.kill()

    # --- life ---

    def _firmware(self) -> list[str]:
        if self.machine.firmware == "seabios":
            return []
        for code, variables in OVMF_PAIRS:
            if os.path.exists(code) and os.path.exists(variables):
                private = self.folder / "vars.fd"
                shutil.copyfile(variables, private)
                return [
                    "-drive",
                    f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
                    "-drive",
                    f"if=pflash,unit=1,format=raw,file={private}",
                ]
        raise HarnessError("OVMF is not installed; Kbuild-helpers/install-deps names the package")

    def _arguments(self) -> list[str]:
        machine = self.machine
        append = f"console=ttyS0 root=/dev/vda rw panic=10 crashkernel={machine.crashkernel} {machine.append}".strip()
        if accelerator() != "kvm":
            append += TCG_KERNEL_QUIRKS
        argv = [qemu(), "-name", "innercore-test", "-nodefaults", "-no-user-config", "-display", "none", "-S"]
        argv += ["-machine", "q35", "-accel", accelerator() + (",thread=multi" if accelerator() == "tcg" else "")]
        quirks = "" if accelerator() == "kvm" else TCG_CPU_QUIRKS
        argv += ["-cpu", machine.cpu + quirks, "-smp", str(machine.cpus)]
        slots = f",slots=1,maxmem={machine.max_memory_mib}M" if machine.max_memory_mib else ""
        argv += ["-m", f"{machine.memory_mib}M{slots}"]
        argv += self._firmware()
        argv += ["-kernel", str(machine.kernel.bzimage), "-initrd", str(machine.initrd), "-append", append]
        argv += ["-chardev", f"socket,id=console,fd={self.console.theirs.fileno()},logfile={self.folder}/console.log"]
        argv += ["-serial", "chardev:console"]
        argv += ["-chardev", f"socket,id=qmp,fd={self._monitor.theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
        argv += ["-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={self._agent.theirs.fileno()}"]
        argv += ["-device", "virtserialport,chardev=agent,name=innercore.agent"]
        argv += ["-device", "virtio-balloon-pci"]
        for number, disk in enumerate(machine.disks):
            snapshot = "on" if disk.snapshot else "off"
            throttle = f"throttling.bps-write={disk.write_bytes_per_second}," if disk.write_bytes_per_second else ""
            options = f"if=none,id=disk{number},format=raw,cache=unsafe,snapshot={snapshot},{throttle}file={disk.path}"
            argv += ["-drive", options]
            argv += ["-device", f"virtio-blk-pci,drive=disk{number},serial={disk.serial}"]
        if not machine.reboot:
            argv.append("-no-reboot")
        if machine.debugger:
            argv += ["-chardev", f"socket,id=debugger,fd={self._debugger.theirs.fileno()}", "-gdb", "chardev:debugger"]
        return argv + list(machine.extra)

    def _start(self) -> None:
        argv = self._arguments()
        (self.folder / "qemu.args").write_text("\n".join(argv) + "\n", encoding="utf-8")
        with open(self.folder / "qemu.log", "wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[stream.theirs.fileno() for stream in self._streams],
            )
        for stream in self._streams:
            stream.start()
        with self._explained("starting QEMU"):
            self.qmp.negotiate(Deadline(30))
            self.qmp.execute("cont")

    def kill(self) -> None:
        """End QEMU at once, as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()
        for stream in self._streams:
            stream.join()
            stream.close()

    def wait_end(self, seconds: float, what: str) -> Message:
        """Wait until the guest resets or powers off; returns QEMU's SHUTDOWN event."""
        with self._explained(what):
            event = self.qmp.wait_event("SHUTDOWN", Deadline(seconds))
        assert self._process is not None
        self._process.wait(30)
        self.console.join()
        return event

    # --- telling what went wrong ---

    def tail(self, lines: int = 40) -> str:
        """The end of the console and of QEMU's own messages."""
        text = self.console.since().decode(errors="replace").replace("\r", "").splitlines()[-lines:]
        log = self.folder / "qemu.log"
        own = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        return "\n".join(["--- console ---", *text, "--- qemu ---", *own])

    def _explained(self, what: str) -> _Explained:
        return _Explained(self, what)

    # --- commands ---

    def wait_ready(self, seconds: float = BOOT_SECONDS) -> None:
        """Wait until the agent in the guest listens; again after each reboot."""
        with self._explained("booting the first kernel"):
            self._agent.wait_text(r"READY\n", Deadline(seconds), self._ready_from)
        self._ready_from = self._agent.size()

    def send(self, command: str) -> int:
        """Start `command` without waiting for its end; returns where its answer will begin."""
        start = self._agent.size()
        self._agent.send(base64.b64encode(command.encode()) + b"\n")
        return start

    def run(self, command: str, seconds: float = COMMAND_SECONDS) -> tuple[int, str]:
        """Run a shell command (or script) in the guest; returns its exit code and its output, both streams in one."""
        first_line = command.strip().splitlines()[0]
        with self._explained(f"running in the guest: {first_line}"):
            start = self.send(command)
            deadline = Deadline(seconds)
            header = self._agent.wait_text(r"^(\d+) (\d+)\n", deadline, start)
            begin = start + header.end()
            length = int(header[2])
            self._agent.wait_for(lambda data: begin if len(data) >= begin + length else None, deadline)
            self._ready_from = begin + length
            return int(header[1]), self._agent.since(begin)[:length].decode(errors="replace")

    def check(self, command: str, seconds: float = COMMAND_SECONDS) -> str:
        """run(), and the command must succeed."""
        code, output = self.run(command, seconds)
        if code != 0:
            raise HarnessError(f"in the guest: {command}\nexit code {code}\n{output}\n{self.tail()}")
        return output

    def put(self, path: str, data: bytes, seconds: float = COMMAND_SECONDS) -> None:
        """Write a small file in the guest."""
        self.check(f"base64 -d >'{path}' <<'END'\n{base64.encodebytes(data).decode()}END", seconds)

    def wait_console(self, pattern: str, seconds: float, start: int = 0) -> str:
        """Wait for a line on the console that `pattern` matches; returns what matched."""
        with self._explained(f"waiting for {pattern!r} on the console"):
            return self.console.wait_text(pattern, Deadline(seconds), start)[0].decode(errors="replace")

    def wait_held(self, seconds: float) -> None:
        """Wait until the capture kernel waits for our word: see guest/vmcopy.sh."""
        with self._explained("waiting for the capture kernel to wait"):
            self._agent.wait_text(r"HELD\n", Deadline(seconds), self._ready_from)
        self._ready_from = self._agent.size()

    def let_go(self) -> None:
        """The word that it waits for."""
        self._agent.send(b"go\n")

    def program_counters(self) -> list[int | None]:
        """The physical address that each CPU executes at; None where its page tables do not tell."""
        found: list[int | None] = []
        for cpu in self.qmp.execute("query-cpus-fast"):
            said = self._ask_cpu(cpu["cpu-index"], "info registers")
            rip = re.search(r"\bRIP=([0-9a-f]{16})", said)
            where = self._ask_cpu(cpu["cpu-index"], f"gva2gpa 0x{rip[1]}") if rip else ""
            physical = re.search(r"gpa: (?:0x)?([0-9a-f]+)", where)
            found.append(int(physical[1], 16) if physical else None)
        return found

    def _ask_cpu(self, cpu: int, command: str) -> str:
        return self.qmp.execute("human-monitor-command", command_line=command, cpu_index=cpu)

    def dump(self, path: pathlib.Path, format_name: str) -> None:
        """The hypervisor's dump of the guest as it is now. `format_name` is QEMU's own, or "elf-paging"."""
        paging = format_name == "elf-paging"
        arguments = {"paging": paging, "protocol": f"file:{path}"}
        if not paging:
            arguments["format"] = format_name
        path.unlink(missing_ok=True)
        with self._explained(f"dumping as {format_name}"):
            self.qmp.execute("dump-guest-memory", Deadline(DUMP_SECONDS), **arguments)

    def symbols(self, names: Collection[str]) -> dict[str, int]:
        """Addresses of symbols of the kernel and its modules."""
        said = self.check(f"grep -E '^[0-9a-f]+ . ({'|'.join(names)})([[:space:]]|$)' /proc/kallsyms || true")
        found = {name: int(address, 16) for address, _, name in (line.split()[:3] for line in said.splitlines())}
        if missing := {*names} - {*found}:
            raise HarnessError(f"the kernel has no {', '.join(missing)}")
        return found

    def break_at(self, address: int) -> None:
        """Stop the guest as soon as a CPU comes to `address`; it runs until then."""
        self.qmp.execute("stop")
        self._stub.insert(address)
        self.qmp.events = [event for event in self.qmp.events if event["event"] != "STOP"]
        self.qmp.execute("cont")

    def wait_break(self, address: int, seconds: float = COMMAND_SECONDS) -> None:
        """Wait until it stands there."""
        with self._explained(f"running to {address:#x}"):
            self.qmp.wait_event("STOP", Deadline(seconds))
            status = self.qmp.execute("query-status")["status"]
            if status != "debug":
                raise HarnessError(f"the guest does not stand at the breakpoint: {status}")
            self._stub.remove(address)

    def panic(self, cpu: int | None = None) -> None:
        """Crash the guest as a user would, on a certain CPU if asked."""
        on_cpu = f"taskset -c {cpu} " if cpu is not None else ""
        self.check("echo 1 >/proc/sys/kernel/sysrq")
        self.send(f"exec {on_cpu}sh -c 'echo c >/proc/sysrq-trigger'")


class _Explained:
    """Adds the end of the console to whatever goes wrong inside."""

    def __init__(self, guest: Guest, what: str):
        self._guest = guest
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, HarnessError):
            raise HarnessError(f"{self._what}: {error}\n{self._guest.tail()}") from error
