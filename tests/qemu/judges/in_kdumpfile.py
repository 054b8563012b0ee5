# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a dump with libkdumpfile, by its C interface, which is the same in bookworm's version and in later ones.

    python3 in_kdumpfile.py show DUMP OUT PFN...        attributes, both bitmaps and the named pages, into OUT
    python3 in_kdumpfile.py compare DUMP SOURCE OUT     every page that DUMP stores against the same page of SOURCE

OUT is JSON. Run by readers.py in a process of its own: a reader that dies on a dump is a finding, not our end.
"""

from __future__ import annotations

import base64
import ctypes
import glob
import json
import os
import sys

PAGE_SIZE = 4096
# Larger than any dump of a test guest would fill: 32 GiB of pages.
MAX_PFN = 1 << 23
MACHPHYSADDR = 1
NIL, DIRECTORY, NUMBER, ADDRESS, STRING, BITMAP, BLOB = range(7)
STATUS = ("ok", "system", "not implemented", "no data", "corrupt", "invalid", "end of file", "no key", "busy", "xlat")
# Stretches read at once where only the bytes count.
STRETCH_PAGES = 1024


class Value(ctypes.Union):
    """kdump_attr_value_t"""

    _fields_ = (("number", ctypes.c_uint64), ("string", ctypes.c_char_p), ("pointer", ctypes.c_void_p))


class Attribute(ctypes.Structure):
    """kdump_attr_t"""

    _fields_ = (("type", ctypes.c_int), ("value", Value))


class Position(ctypes.Structure):
    """kdump_attr_iter_t: the key, then the library's own reference."""

    _fields_ = (("key", ctypes.c_char_p), ("own", ctypes.c_void_p * 4))


class ReadError(Exception):
    """A call failed: `kind` is the status by name, the text is the library's."""

    def __init__(self, kind: str, text: str):
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


def library() -> ctypes.CDLL:
    """libkdumpfile of whatever version is installed here; no compiler and no ldconfig cache is needed to find it."""
    found = sorted(glob.glob("/usr/lib/*/libkdumpfile.so.*") + glob.glob("/usr/lib*/libkdumpfile.so.*"), key=len)
    if not found:
        raise ReadError("system", "libkdumpfile is not installed")
    lib = ctypes.CDLL(found[0])
    context, text = ctypes.c_void_p, ctypes.c_char_p
    lib.kdump_new.restype = context
    lib.kdump_free.argtypes = (context,)
    lib.kdump_get_err.argtypes = (context,)
    lib.kdump_get_err.restype = text
    lib.kdump_open_fdset.argtypes = (context, ctypes.c_uint, ctypes.POINTER(ctypes.c_int))
    lib.kdump_get_attr.argtypes = (context, text, ctypes.POINTER(Attribute))
    lib.kdump_attr_iter_start.argtypes = (context, text, ctypes.POINTER(Position))
    lib.kdump_attr_iter_next.argtypes = (context, ctypes.POINTER(Position))
    lib.kdump_attr_iter_end.argtypes = (context, ctypes.POINTER(Position))
    lib.kdump_read.argtypes = (
        context,
        ctypes.c_int,
        ctypes.c_uint64,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
    )
    lib.kdump_bmp_get_bits.argtypes = (context, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p)
    return lib


class Dump:
    """One opened dump."""

    def __init__(self, lib: ctypes.CDLL, path: str):
        self.lib = lib
        self.fd = os.open(path, os.O_RDONLY)
        self.context = lib.kdump_new()
        if not self.context:
            raise ReadError("system", "kdump_new failed")
        self._check(lib.kdump_open_fdset(self.context, 1, ctypes.byref(ctypes.c_int(self.fd))))

    def _check(self, status: int) -> None:
        if status:
            text = self.lib.kdump_get_err(self.context) or b""
            kind = STATUS[status] if 0 <= status < len(STATUS) else f"status {status}"
            raise ReadError(kind, text.decode(errors="replace"))

    def attribute(self, key: str) -> Attribute | None:
        """The value of that key, None if it has none."""
        found = Attribute()
        status = self.lib.kdump_get_attr(self.context, key.encode(), ctypes.byref(found))
        return None if status else found

    def attributes(self, key: str = "") -> dict[str, int | str]:
        """All numbers, addresses and strings below `key`, by full name."""
        found: dict[str, int | str] = {}
        position = Position()
        if self.lib.kdump_attr_iter_start(self.context, key.encode() or None, ctypes.byref(position)):
            return found
        while position.key is not None:
            name = f"{key}.{position.key.decode()}" if key else position.key.decode()
            value = self.attribute(name)
            if value is None:
                pass
            elif value.type == DIRECTORY:
                found.update(self.attributes(name))
            elif value.type in (NUMBER, ADDRESS):
                found[name] = value.value.number
            elif value.type == STRING:
                found[name] = (value.value.string or b"").decode(errors="replace")
            if self.lib.kdump_attr_iter_next(self.context, ctypes.byref(position)):
                break
        self.lib.kdump_attr_iter_end(self.context, ctypes.byref(position))
        return found

    def bitmap(self, key: str) -> bytes:
        """A bitmap attribute, as far as max_pfn says; empty if the format has none."""
        value, last = self.attribute(key), self.attribute("max_pfn")
        if value is None or value.type != BITMAP or last is None:
            return b""
        bits = min(last.value.number, MAX_PFN)
        buffer = ctypes.create_string_buffer((bits + 7) // 8 + 8)
        if not bits or self.lib.kdump_bmp_get_bits(value.value.pointer, 0, bits - 1, buffer):
            return b""
        return buffer.raw[: (bits + 7) // 8]

    def read_into(self, buffer: ctypes.Array[ctypes.c_char], pfn: int, count: int) -> None:
        """`count` pages from `pfn` to the start of `buffer`; ReadError if any of them cannot be had."""
        size = ctypes.c_size_t(count * PAGE_SIZE)
        self._check(self.lib.kdump_read(self.context, MACHPHYSADDR, pfn * PAGE_SIZE, buffer, ctypes.byref(size)))
        if size.value != count * PAGE_SIZE:
            raise ReadError("end of file", f"{size.value} of {count * PAGE_SIZE} bytes")

    def read(self, pfn: int) -> bytes:
        """One page."""
        buffer = ctypes.create_string_buffer(PAGE_SIZE)
        self.read_into(buffer, pfn, 1)
        return buffer.raw


def page(dump: Dump, pfn: int) -> dict[str, str]:
    """One page as JSON holds it."""
    try:
        return {"bytes": base64.b64encode(dump.read(pfn)).decode()}
    except ReadError as error:
        return {"kind": "excluded" if error.kind == "no data" else "error", "text": str(error)}


def show(path: str, pfns: list[int]) -> dict:
    """What `show` prints."""
    dump = Dump(library(), path)
    return {
        "attributes": dump.attributes(),
        "memory": base64.b64encode(dump.bitmap("memory.pagemap")).decode(),
        "stored": base64.b64encode(dump.bitmap("file.pagemap")).decode(),
        "pages": {str(pfn): page(dump, pfn) for pfn in pfns},
    }


def stretches(bitmap: bytes) -> list[tuple[int, int]]:
    """Runs of set bits as (first PFN, count), none longer than STRETCH_PAGES."""
    found = []
    first = None
    for pfn in range(len(bitmap) * 8 + 1):
        held = pfn < len(bitmap) * 8 and bitmap[pfn // 8] >> pfn % 8 & 1
        if first is not None and (not held or pfn - first == STRETCH_PAGES):
            found.append((first, pfn - first))
            first = None
        if held and first is None:
            first = pfn
    return found


def compare(path: str, source: str) -> dict:
    """What `compare` prints."""
    lib, memcmp = library(), ctypes.CDLL(None).memcmp
    memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    left, right = Dump(lib, path), Dump(lib, source)
    # The same two for all: gigabytes pass through here.
    ours, theirs = (ctypes.create_string_buffer(STRETCH_PAGES * PAGE_SIZE) for _ in range(2))
    compared, differing, unread = 0, [], []
    for first, count in stretches(left.bitmap("file.pagemap")):
        try:
            left.read_into(ours, first, count)
            right.read_into(theirs, first, count)
            if memcmp(ours, theirs, count * PAGE_SIZE) == 0:
                compared += count
                continue
        except ReadError:
            pass
        for pfn in range(first, first + count):
            sides = []
            for name, dump in (("dump", left), ("source", right)):
                try:
                    sides.append(dump.read(pfn))
                except ReadError as error:
                    unread.append((pfn, f"{name}: {error}"))
            if len(sides) == 2:
                compared += 1
                if sides[0] != sides[1]:
                    differing.append(pfn)
    return {"compared": compared, "differing": differing, "unread": unread}


def main() -> int:
    """See the module's own text."""
    action, path, *rest = sys.argv[1:]
    try:
        if action == "compare":
            source, out = rest
            answer = compare(path, source)
        else:
            out, *pfns = rest
            answer = show(path, [int(pfn) for pfn in pfns])
    except ReadError as error:
        print(f"libkdumpfile: {error}", file=sys.stderr)
        return 1
    with open(out, "w", encoding="ascii") as result:
        json.dump(answer, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
