#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo` after the build: a guest panics and captures itself, and crash says why. Each stage with its seconds."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading
import time

import cycle
import debian
import guest
import image
from channel import HarnessError, Stream

TREE = image.TREE
INNERCORE = TREE / "build/innercore"
FOLDER = TREE / "build/demo"
KERNEL_NAME = "bookworm-cloud"
CRASHKERNEL = "96M"


class Stage:
    """Says what begins, and how long it took when it has ended."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> None:
        print(f"\n=== {self._what}", flush=True)
        self._began = time.monotonic()

    def __exit__(self, kind: object, *_rest: object) -> None:
        word = "failed" if kind else "done"
        print(f"=== {word} in {time.monotonic() - self._began:.1f} s", flush=True)


class ConsoleEcho:
    """Shows what the console says while it happens: the panic, and then only what innercore says."""

    def __init__(self, console: Stream):
        self._console = console
        self._shown = console.size()
        self._capturing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        while not self._stop.wait(0.2):
            self._show_new_lines()
        self._show_new_lines()

    def _show_new_lines(self) -> None:
        text = self._console.since(self._shown)
        end = text.rfind(b"\n") + 1
        self._shown += end
        for line in text[:end].decode(errors="replace").replace("\r", "").splitlines():
            self._capturing |= "] Linux version " in line
            if line.startswith("innercore") or (line.strip() and not self._capturing):
                print(f"    {line}", flush=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_unused: object) -> None:
        self._stop.set()
        self._thread.join()


def show(text: str) -> None:
    """Output of a program, set off from our own."""
    for line in text.rstrip().splitlines():
        print(f"    {line}")


def backtrace(vmlinux: pathlib.Path, dump: pathlib.Path) -> None:
    """What crash says about the task that panicked."""
    argv = [image.tool("crash"), "-s", str(vmlinux), str(dump)]
    done = subprocess.run(argv, input="bt\nquit\n", text=True, capture_output=True, check=False, timeout=120)
    show(done.stdout)
    if "sysrq_handle_crash" not in done.stdout:
        raise HarnessError(f"crash shows no sysrq_handle_crash (exit code {done.returncode})\n{done.stderr}")


def run() -> None:
    """All stages after the build."""
    given = debian.kernel_from_environment()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with Stage("kernel: " + ("KERNEL=" if given else f"the newest {KERNEL_NAME} one, through apt")):
            kernel = given or debian.kernel(KERNEL_NAME)
            print(f"    {kernel.bzimage}")
        # The debug symbols are ten times the kernel's size; they come while the guest runs.
        symbols = None if given else pool.submit(debian.kernel, KERNEL_NAME, True)
        with Stage("guest disks: ext4 root with kexec-tools and innercore, empty ext4 labelled crash"):
            images = cycle.Images(FOLDER / "images", INNERCORE)
            for old in (FOLDER / "images").iterdir():
                old.unlink()
            plan = cycle.Plan("demo", kernel, crashkernel=CRASHKERNEL)
            crash = cycle.Crash(plan, images, FOLDER / "guest")
        with crash:
            with Stage(f"boot: Linux {kernel.release}, OVMF, KASLR, {guest.accelerator()}, crashkernel={CRASHKERNEL}"):
                crash.boot()
                show(crash.guest.check("cat /proc/cmdline; cat /etc/innercore.conf"))
            with Stage("arm: innercore arm"):
                crash.arm()
                show(crash.result.facts["arm"])
                show(crash.guest.check("innercore status"))
            with Stage("panic and capture: echo c >/proc/sysrq-trigger"), ConsoleEcho(crash.guest.console):
                crash.panic()
                crash.capture()
            with Stage("bring the dump to the host"):
                result = crash.collect()
                show(image.run(["ls", "-l", result.dump_folder]))
        with Stage("innercore info"):
            show(image.run([INNERCORE, "info", result.dump]))
        vmlinux = kernel.vmlinux
        if symbols:
            with Stage("debug symbols"):
                vmlinux = symbols.result().vmlinux
                print(f"    {vmlinux}")
    if vmlinux is None:
        print("\n=== no VMLINUX= given, so no backtrace by crash; the end of dmesg.txt instead")
        show("\n".join((result.dump_folder / "dmesg.txt").read_text(errors="replace").splitlines()[-40:]))
        return
    with Stage("crash: who panicked"):
        backtrace(vmlinux, result.dump)
    print(f"\nThe dump stays in {os.path.relpath(result.dump_folder)}")


def main() -> int:
    """One line of reason for what went wrong, not a trace."""
    began = time.monotonic()
    try:
        run()
    except (HarnessError, debian.DebianError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"All in {time.monotonic() - began:.1f} s after the build.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
