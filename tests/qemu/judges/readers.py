#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The outside readers of a dump, as functions: crash, drgn, libkdumpfile, makedumpfile.

Each runs in a process of its own, with a deadline, from this machine (`within=None`) or from a root of another Debian.
What a reader cannot do is a ReaderError that carries what it said; a page that it refuses is an Unread.

    python3 -m judges.readers crash DUMP VMLINUX [COMMAND...]     add --sid before the first word for sid's readers
    python3 -m judges.readers drgn DUMP VMLINUX
    python3 -m judges.readers kdumpfile DUMP
    python3 -m judges.readers compare DUMP SOURCE
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence

from . import root

Path = os.PathLike[str] | str

HERE = pathlib.Path(__file__).resolve().parent
# Never the PATH's python3: the bindings belong to the distribution's own.
PYTHON = "/usr/bin/python3"
PAGE_SIZE = 4096
SECONDS = 180


class ReaderError(RuntimeError):
    """A reader failed, died or came to its deadline; the message ends with what it said."""


@dataclasses.dataclass(frozen=True)
class Unread:
    """A page that a reader refused. `kind`: "excluded" (not stored, by the reader's own word) or "error"."""

    kind: str
    text: str


Pages = dict[int, bytes | Unread]


@dataclasses.dataclass(frozen=True)
class Drgn:
    """What drgn tells: utsname fields, the log, the crashed task's name and stack trace, names of all tasks, the kernel's
    counters of pages, asked pages."""

    identity: dict[str, str]
    dmesg: str
    crashed: str
    trace: str
    tasks: list[str]
    counters: dict[str, int]
    pages: Pages


@dataclasses.dataclass(frozen=True)
class Kdumpfile:
    """What libkdumpfile tells: attributes by full name; bitmaps with one bit a PFN, lowest first; asked pages."""

    attributes: dict[str, int | str]
    memory: bytes
    stored: bytes
    pages: Pages


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Stored pages against their source: how many were compared, which differ, (PFN, "side: why") of the unreadable."""

    compared: int
    differing: list[int]
    unread: list[tuple[int, str]]


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def _run(
    argv: Sequence[str], paths: Iterable[Path], within: root.Root | None, timeout: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a reader here or in a root. Its exit code is for the caller to judge; a signal is a ReaderError already."""
    if within is not None:
        done = within.run(argv, paths, timeout)
    else:
        done = root.run(argv, timeout, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"})
    if done.returncode < 0 or done.returncode > 128:
        code = done.returncode
        signal = -code if code < 0 else code - 128
        raise ReaderError(f"{argv[0]} ended by signal {signal}\n{_tail(done.stdout + done.stderr)}")
    return done


def child(
    script: str, argv: Sequence[Path], paths: Iterable[Path], within: root.Root | None, timeout: float = SECONDS
) -> None:
    """Run one of this package's scripts with the distribution's Python; it leaves its answer in a file."""
    program = HERE / script
    done = _run([PYTHON, "-B", str(program), *(_absolute(arg) for arg in argv)], [*paths, HERE], within, timeout)
    if done.returncode:
        raise ReaderError(f"{script}: exit code {done.returncode}\n{_tail(done.stdout + done.stderr)}")


def _absolute(argument: Path) -> str:
    """Files are seen in the root under their real names."""
    return str(argument.resolve()) if isinstance(argument, pathlib.Path) else str(argument)


def _file(path: Path) -> pathlib.Path:
    found = pathlib.Path(path).resolve()
    if not found.is_file():
        raise ReaderError(f"{found}: no such file")
    return found


def _answer(
    script: str, argv: Sequence[Path], paths: Sequence[Path], pfns: Iterable[int], within: root.Root | None
) -> dict:
    with tempfile.TemporaryDirectory(prefix="innercore-reader-") as scratch:
        out = pathlib.Path(scratch) / "answer"
        child(script, [*argv, out, *(str(pfn) for pfn in pfns)], [*paths, scratch], within)
        return json.loads(out.read_text(encoding="utf-8"))


def _pages(answer: Mapping[str, Mapping[str, str]]) -> Pages:
    return {
        int(pfn): base64.b64decode(page["bytes"]) if "bytes" in page else Unread(page["kind"], page["text"])
        for pfn, page in answer.items()
    }


# --- crash ---------------------------------------------------------------------------------------------------------


def crash(dump: Path, vmlinux: Path, commands: Sequence[str], within: root.Root | None = None) -> dict[str, str]:
    """The text that each of crash's commands prints, by command. "" holds what it said while it opened the dump."""
    dump, vmlinux = _file(dump), _file(vmlinux)
    mark = "innercore-judge-command"
    with tempfile.TemporaryDirectory(prefix="innercore-crash-") as scratch:
        script = pathlib.Path(scratch) / "commands"
        # gdb's printf goes through crash's own buffer; its "echo" is the shell's and comes at any moment.
        lines = []
        for number, command in enumerate([*commands, "quit"]):
            lines += [f'gdb printf "{mark} {number}\\n"', command]
        script.write_text("\n".join(lines) + "\n", encoding="ascii")
        argv = ["crash", "--no_scroll", "--no_crashrc", "-s", "-i", str(script), str(vmlinux), str(dump)]
        done = _run(argv, [scratch, vmlinux, dump], within)
    parts = re.split(rf"^{mark} (\d+)\n", done.stdout, flags=re.MULTILINE)
    texts = dict(zip((int(number) for number in parts[1::2]), parts[2::2], strict=True))
    if len(texts) != len(commands) + 1:
        ran = max(len(texts) - 1, 0)
        raise ReaderError(f"crash ran {ran} of {len(commands)} commands\n{_tail(done.stdout + done.stderr)}")
    return {"": parts[0] + done.stderr} | {command: texts[number] for number, command in enumerate(commands)}


def crash_pages(dump: Path, vmlinux: Path, pfns: Iterable[int], within: root.Root | None = None) -> Pages:
    """Pages by physical address through crash's rd."""
    commands = {pfn: f"rd -p -64 {pfn * PAGE_SIZE:#x} {PAGE_SIZE // 8}" for pfn in pfns}
    texts = crash(dump, vmlinux, list(commands.values()), within)
    found: Pages = {}
    for pfn, command in commands.items():
        words = re.findall(r"^ *[0-9a-f]+: +([0-9a-f]{16}) ([0-9a-f]{16})", texts[command], re.MULTILINE)
        if len(words) * 16 == PAGE_SIZE:
            found[pfn] = b"".join(int(word, 16).to_bytes(8, "little") for pair in words for word in pair)
    refused = {pfn: f"rd -p {pfn * PAGE_SIZE:#x} 1" for pfn in commands if pfn not in found}
    if refused:
        # crash 9 prints nothing at all for some pages; why, it tells only to who debugs it.
        texts = crash(dump, vmlinux, ["set debug 8", *refused.values()], within)
    for pfn, command in refused.items():
        said = [line for line in texts[command].splitlines() if line.startswith("rd: ")]
        text = said[0] if said else _tail(texts[command], 1)
        found[pfn] = Unread("excluded" if "page excluded" in text else "error", text)
    return found


def crash_version(within: root.Root | None = None) -> str:
    """For instance 8.0.2."""
    done = _run(["crash", "--version"], [], within)
    match = re.search(r"^crash (\S+)", done.stdout, re.MULTILINE)
    return match[1] if match else "unknown"


# --- drgn and libkdumpfile -----------------------------------------------------------------------------------------


def drgn(dump: Path, vmlinux: Path, pfns: Iterable[int] = (), within: root.Root | None = None) -> Drgn:
    """Open with drgn; everything it is asked for in one go, for opening is what takes time."""
    dump, vmlinux = _file(dump), _file(vmlinux)
    answer = _answer("in_drgn.py", [dump, vmlinux], [dump, vmlinux], pfns, within)
    pages = _pages(answer.pop("pages"))
    return Drgn(**answer, pages=pages)


def kdumpfile(dump: Path, pfns: Iterable[int] = (), within: root.Root | None = None) -> Kdumpfile:
    """Open with libkdumpfile. A flattened dump needs 0.5.3, which bookworm does not have."""
    dump = _file(dump)
    answer = _answer("in_kdumpfile.py", ["show", dump], [dump], pfns, within)
    memory, stored = (base64.b64decode(answer[name]) for name in ("memory", "stored"))
    return Kdumpfile(answer["attributes"], memory, stored, _pages(answer["pages"]))


def kdumpfile_compare(dump: Path, source: Path, within: root.Root | None = None) -> Comparison:
    """Every page that `dump` stores, byte by byte against `source` (an ELF vmcore or another dump)."""
    dump, source = _file(dump), _file(source)
    answer = _answer("in_kdumpfile.py", ["compare", dump, source], [dump, source], (), within)
    return Comparison(answer["compared"], answer["differing"], [(pfn, why) for pfn, why in answer["unread"]])


def pfns_of(bitmap: bytes) -> list[int]:
    """The PFNs whose bits are set."""
    return [byte * 8 + bit for byte, value in enumerate(bitmap) if value for bit in range(8) if value >> bit & 1]


# --- makedumpfile --------------------------------------------------------------------------------------------------


def _makedumpfile(options: Sequence[str], paths: Sequence[Path], within: root.Root | None) -> None:
    # Message level 4: errors only; the progress bar is not for a log.
    done = _run(["makedumpfile", "--message-level", "4", *options], paths, within)
    if done.returncode:
        said = _tail(done.stdout + done.stderr)
        raise ReaderError(f"makedumpfile {' '.join(options)}: exit code {done.returncode}\n{said}")


def makedumpfile_refilter(
    dump: Path, out: Path, level: int = 31, codec: str = "-l", within: root.Root | None = None
) -> pathlib.Path:
    """`makedumpfile -d LEVEL CODEC DUMP OUT`; codec "" for none. Returns `out`, overwritten."""
    dump, out = _file(dump), pathlib.Path(out).resolve()
    options = ["-f", "-d", str(level), *([codec] if codec else [])]
    _makedumpfile([*options, str(dump), str(out)], [dump, out.parent], within)
    return _file(out)


def makedumpfile_rearrange(flattened: Path, out: Path, within: root.Root | None = None) -> pathlib.Path:
    """`makedumpfile -R OUT < FLATTENED`. Returns `out`, overwritten."""
    flattened, out = _file(flattened), pathlib.Path(out).resolve()
    feed = ["sh", "-c", 'exec makedumpfile --message-level 4 -f -R "$1" <"$2"', "sh", str(out), str(flattened)]
    done = _run(feed, [flattened, out.parent], within)
    if done.returncode:
        raise ReaderError(f"makedumpfile -R: exit code {done.returncode}\n{_tail(done.stdout + done.stderr)}")
    return _file(out)


def makedumpfile_dmesg(dump: Path, within: root.Root | None = None) -> bytes:
    """The log that `makedumpfile --dump-dmesg` finds."""
    dump = _file(dump)
    with tempfile.TemporaryDirectory(prefix="innercore-dmesg-") as scratch:
        out = pathlib.Path(scratch) / "dmesg"
        _makedumpfile(["-f", "--dump-dmesg", str(dump), str(out)], [dump, scratch], within)
        return out.read_bytes()


def main(argv: Sequence[str]) -> int:
    """The command line of the module's own text above."""
    try:
        within = root.sid() if argv[:1] == ["--sid"] else None
        words = list(argv[1:] if within else argv)
        if words[:1] == ["crash"] and len(words) >= 3:
            for command, text in crash(words[1], words[2], words[3:] or ["sys", "bt"], within).items():
                print(f"crash> {command}\n{text}" if command else text)
        elif words[:1] == ["drgn"] and len(words) == 3:
            found = drgn(words[1], words[2], (), within)
            print(json.dumps(found.identity), f"crashed: {found.crashed}", found.trace, sep="\n")
        elif words[:1] == ["kdumpfile"] and len(words) == 2:
            known = kdumpfile(words[1], (), within)
            print(*(f"{key} = {value}" for key, value in sorted(known.attributes.items())), sep="\n")
            print(f"memory: {len(pfns_of(known.memory))} pages, stored: {len(pfns_of(known.stored))}")
        elif words[:1] == ["compare"] and len(words) == 3:
            print(kdumpfile_compare(words[1], words[2], within))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (ReaderError, root.RootError) as error:
        print(f"readers: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
