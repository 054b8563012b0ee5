# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines, and byte streams to and from QEMU.

QEMU gets one end of a socket pair for each stream. So there are no paths to collide or to clean up, no moment at which
the socket does not exist yet, and the end of QEMU is seen at once, as the end of the stream.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable


class HarnessError(RuntimeError):
    """The guest, QEMU or a tool did not do what the test needs before it can judge anything."""


# On a machine that is busy with other things as well, QEMU_PATIENCE=3 waits three times as long.
PATIENCE = float(os.environ.get("QEMU_PATIENCE", "1"))


class Deadline:
    """A point in time; what every wait of the harness is bounded by."""

    def __init__(self, seconds: float):
        self.seconds = seconds * PATIENCE
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds that remain, never negative."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether waiting must end."""
        return self.left() == 0.0


class Stream:
    """One end of a socket pair; a thread collects what arrives, so that QEMU never blocks on us."""

    def __init__(self, name: str):
        self.name = name
        self._ours, self.theirs = socket.socketpair()
        self._data = bytearray()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, name=f"stream-{name}", daemon=True)

    def start(self) -> None:
        """Call once QEMU has inherited `theirs`."""
        self.theirs.close()
        self._thread.start()

    def _collect(self) -> None:
        while True:
            try:
                chunk = self._ours.recv(1 << 16)
            except OSError:
                chunk = b""
            with self._changed:
                self._data += chunk
                self._closed = not chunk
                self._changed.notify_all()
            if not chunk:
                return

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        try:
            self._ours.sendall(data)
        except OSError as error:
            raise HarnessError(f"{self.name}: QEMU is gone ({error})") from error

    def size(self) -> int:
        """Bytes received so far: a position for wait_for()."""
        with self._changed:
            return len(self._data)

    def since(self, start: int = 0) -> bytes:
        """What has arrived from position `start` on."""
        with self._changed:
            return bytes(self._data[start:])

    def wait_for(self, ready: Callable[[bytearray], int | None], deadline: Deadline) -> int:
        """Wait until `ready(everything received)` gives a position, and return it.

        Raises HarnessError when the stream ends or time runs out first.
        """
        with self._changed:
            while True:
                position = ready(self._data)
                if position is not None:
                    return position
                if self._closed:
                    raise HarnessError(f"{self.name}: QEMU ended")
                if deadline.passed():
                    raise HarnessError(f"{self.name}: nothing after {deadline.seconds:.0f} s")
                self._changed.wait(deadline.left())

    def wait_text(self, pattern: str, deadline: Deadline, start: int = 0) -> re.Match[bytes]:
        """Wait until `pattern` (a regular expression) appears after position `start`."""
        compiled = re.compile(pattern.encode())
        found: list[re.Match[bytes]] = []

        def ready(data: bytearray) -> int | None:
            match = compiled.search(bytes(data[start:]))
            if match is None:
                return None
            found.append(match)
            return start + match.end()

        self.wait_for(ready, deadline)
        return found[0]

    def join(self) -> None:
        """Wait for the last bytes after QEMU has ended."""
        self._thread.join(10)

    def close(self) -> None:
        """Release our end."""
        with self._changed:
            self._closed = True
        self._ours.close()
