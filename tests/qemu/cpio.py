# SPDX-License-Identifier: GPL-2.0-or-later
"""A writer of "newc" archives, as the kernel unpacks them: several may follow each other, later ones override."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member; a folder has no data."""

    path: str
    mode: int
    data: bytes = b""


def folder(path: str) -> Entry:
    """A directory."""
    return Entry(path, stat.S_IFDIR | 0o755)


def file(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | mode, data)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _member(inode: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive, a multiple of 512 bytes long so that another one may follow."""
    out = b"".join(_member(inode, entry) for inode, entry in enumerate(entries, 1))
    out += _member(0, Entry("TRAILER!!!", 0))
    return out + b"\0" * (-len(out) % 512)
