# SPDX-License-Identifier: GPL-2.0-or-later
"""innercore and makedumpfile inside a capture kernel, in turns, on the same /proc/vmcore of the same boot, to a disk.

The disk is a file in the host's RAM, and a run ends when its dump is on it (syncfs). The capture kernel has two CPUs. Under
emulation a guest's second is no second of hardware; ratios are what this is for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "qemu"))

import cpio  # noqa: E402
import image  # noqa: E402
import loaded  # noqa: E402
import paired  # noqa: E402
from opponents import Build, ours  # noqa: E402
from paired import Run  # noqa: E402

PROGRAM = "/harness/innercore"
MOUNT = "/mnt"
DUMP = f"{MOUNT}/dump"
RUN_SECONDS = 3000


@dataclasses.dataclass(frozen=True)
class Best:
    """makedumpfile's fastest way, and how long the trial took."""

    wall: float
    argv: list[str]
    name: str


class Session:
    """One crash. A context manager; ready to run when entered."""

    def __init__(self, innercore: pathlib.Path, builds: list[Build], folder: pathlib.Path):
        self.builds = builds
        folder.mkdir()
        timed = image.compile_static(loaded.HERE / "guest/timed.c", folder / "timed")
        programs = [cpio.file("harness/timed", timed.read_bytes(), 0o755), cpio.symlink("harness/innercore", "/init.real")]
        for build in builds:
            programs += _files(build)
        self.crash = loaded.LoadedGuest(innercore, folder, programs)
        self.guest = self.crash.guest
        self.trials: dict[tuple[str, int], Best | None] = {}

    def __enter__(self) -> Session:
        self.crash.__enter__()
        try:
            self.crash.load()
            self.crash.arm()
            self.crash.panic()
            self.guest.check(f"mount -t ext4 /run/by-serial/target {MOUNT}\ncat /proc/cpuinfo | grep -c processor\nfree")
        except BaseException:
            self.crash.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.crash.__exit__(*error)

    def timed(self, argv: list[str], seconds: float = 0) -> Run:
        """One run to the disk; TimeoutError: it took longer than so many seconds."""
        bound = int(seconds) + 1 if seconds else 0
        said = self.guest.check(
            f"rm -f {DUMP}\nsync\necho 3 >/proc/sys/vm/drop_caches\n"
            f"timed {MOUNT} {bound} {' '.join(argv)}\nstat -c 'size %s' {DUMP}\nrm -f {DUMP}", RUN_SECONDS,
        )
        found = re.search(r"^timed (\S+) (\S+) (\d+) (\d+)$", said, re.MULTILINE)
        size = re.search(r"^size (\d+)$", said, re.MULTILINE)
        if found and bound and int(found[4]) == 9:
            raise TimeoutError
        if not found or int(found[4]) or not size:
            raise SystemExit(f"bench: in the guest: {' '.join(argv)}:\n{said}")
        return Run(float(found[1]), float(found[2]), int(found[3]), int(size[1]))

    def best(self, codec: str, level: int) -> Best | None:
        """makedumpfile's fastest build and number of threads, by a trial."""
        if (codec, level) in self.trials:
            return self.trials[codec, level]
        best: Best | None = None
        for build in self.builds:
            for count in (0, 1, 2) if codec in build.codecs else ():
                argv = _theirs(build, codec, level, count)
                # Its threads poll: slower than the best so far is lost.
                with contextlib.suppress(TimeoutError):
                    wall = self.timed(argv, best.wall if best else 0).wall
                    if not best or wall < best.wall:
                        best = Best(wall, argv, f"makedumpfile {build.version}, {count or 'no'} threads")
        self.trials[codec, level] = best
        return best

    def cell(self, codec: str, level: int, threads: int, rounds: int) -> tuple[dict[str, list[Run]], str]:
        """The runs of both sides, and what the other one is."""
        sides = {"ours": lambda: self.timed(ours(codec, level, threads, "/proc/vmcore", DUMP, PROGRAM))}
        best = self.best(codec, level)
        if best:
            sides["theirs"] = lambda: self.timed(best.argv)
        runs = paired.rounds(list(sides.values()), rounds)
        return dict(zip(sides, runs, strict=True)), best.name if best else "nothing: no build has it"

    def after_panic(self) -> dict[str, float]:
        """From the panic to each thing on disk: innercore as PID 1, and what kdump scripts do with cp and makedumpfile.

        All of them share the time from the panic to the first program.
        """
        found = {"panic to the first program of the capture kernel": self.crash.seconds["panic to user space"]}
        newest = max(self.builds, key=lambda build: build.version)
        log = _command(newest) + ["--dump-dmesg", "/proc/vmcore", DUMP]
        found[f"then makedumpfile {newest.version} --dump-dmesg"] = self.timed(log).wall
        found[f"then makedumpfile {newest.version} -z -d 31"] = self.timed(_theirs(newest, "zstd", 31, 0)).wall
        found["or cp /proc/vmcore"] = self.timed(["/harness/bin/cp", "/proc/vmcore", DUMP]).wall
        self.guest.check(f"umount {MOUNT}")
        start = self.guest.console.size()
        began = time.monotonic()
        self.guest.send("exec /init.real")
        for what, pattern in (("dmesg.txt on disk", r"dmesg\.txt saved"), ("the dump committed", r"complete: [^\n]* of ")):
            self.guest.wait_console(pattern, RUN_SECONDS, start)
            found[f"or innercore as init: {what}"] = time.monotonic() - began
        return found


def _folder(build: Build) -> str:
    return f"harness/makedumpfile-{build.version}"


def _files(build: Build) -> list[cpio.Entry]:
    """The program with its own loader and libraries, side by side with those of another build."""
    folder = _folder(build)
    wanted = {"makedumpfile": build.program, "ld.so": build.loader}
    wanted |= {path.name: path for path in build.libraries}
    return [cpio.folder(folder)] + [cpio.file(f"{folder}/{name}", path.read_bytes(), 0o755) for name, path in wanted.items()]


def _command(build: Build) -> list[str]:
    folder = f"/{_folder(build)}"
    return [f"{folder}/ld.so", "--library-path", folder, f"{folder}/makedumpfile"]


def _theirs(build: Build, codec: str, level: int, threads: int) -> list[str]:
    return build.argv(codec, level, threads, "/proc/vmcore", DUMP, _command(build))
