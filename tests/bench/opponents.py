# SPDX-License-Identifier: GPL-2.0-or-later
"""The builds of makedumpfile that innercore is held against, and how each is asked for one codec, level and number of threads."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/qemu"))

import image  # noqa: E402
from judges import root  # noqa: E402

INNERCORE = pathlib.Path(os.environ.get("INNERCORE_BIN", TREE / "build/innercore"))
CODECS = {"zlib": "-c", "lzo": "-l", "snappy": "-p", "zstd": "-z", "none": None}
LEVELS = (0, 1, 31)
LOADER = "lib64/ld-linux-x86-64.so.2"


def ours(codec: str, level: int, threads: int, core: object, dump: object, program: object = INNERCORE) -> list[str]:
    """innercore's command line; what it says of progress is left out."""
    words = [program, "capture", "-q", "-z", codec, "-d", level, "-j", threads, core, dump]
    return [str(word) for word in words]


@dataclasses.dataclass(frozen=True)
class Build:
    """One makedumpfile. `command` runs it on this machine."""

    version: str
    command: tuple[str, ...]
    codecs: frozenset[str]
    program: pathlib.Path
    loader: pathlib.Path
    libraries: tuple[pathlib.Path, ...]

    def argv(self, codec: str, level: int, threads: int, core: object, dump: object, command: object = None) -> list[str]:
        """Its command line; no thread is its own default. Messages are off, as ours are."""
        words: list[object] = [*(command or self.command), "--message-level", 4, "-d", level]
        if CODECS[codec]:
            words.append(CODECS[codec])
        if threads:
            words += ["--num-threads", threads]
        return [str(word) for word in [*words, core, dump]]


def _build(command: tuple[str, ...], program: pathlib.Path, folder: pathlib.Path | None) -> Build:
    done = subprocess.run([*command, "-v"], capture_output=True, check=False, text=True)
    text = done.stdout + done.stderr
    version = re.search(r"version (\S+)", text)
    if not version:
        raise SystemExit(f"bench: {shlex.join(command)} -v tells no version: {text}")
    can = {name for name in ("lzo", "snappy", "zstd") if re.search(rf"^{name}\s+enabled", text, re.MULTILINE)}
    if folder:
        loader = folder / LOADER
        listed = subprocess.run([*command[:-1], "--list", program], capture_output=True, check=True, text=True).stdout
    else:
        loader = pathlib.Path("/") / LOADER
        listed = subprocess.run(["ldd", program], capture_output=True, check=True, text=True).stdout
    libraries = tuple(pathlib.Path(path) for path in re.findall(r"=> (/\S+) \(0x", listed))
    # What libc opens on its own to end a thread, and aborts without: no list has it.
    beside_libc = [each.with_name("libgcc_s.so.1") for each in libraries if each.name == "libc.so.6"]
    libraries += tuple(path for path in beside_libc if path.exists())
    return Build(version[1], command, frozenset({"zlib", "none"} | can), program, loader, libraries)


def builds() -> list[Build]:
    """This machine's own, and the newest Debian's from a private root. BENCH_MAKEDUMPFILE names another in place of both."""
    given = os.environ.get("BENCH_MAKEDUMPFILE")
    if given:
        return [_build((given,), pathlib.Path(given), None)]
    own = pathlib.Path(image.tool("makedumpfile"))
    found = [_build((str(own),), own, None)]
    try:
        path = root.sid().path
    except root.RootError as error:
        print(f"bench: no newer makedumpfile: {error}", file=sys.stderr)
        return found
    program = next(at for at in (path / "usr/sbin/makedumpfile", path / "usr/bin/makedumpfile") if at.exists())
    libraries = path / "usr/lib/x86_64-linux-gnu"
    found.append(_build((str(path / LOADER), "--library-path", str(libraries), str(program)), program, path))
    return found
