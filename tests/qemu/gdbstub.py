# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's debugger interface, as far as it takes to stop a guest at a chosen instruction.

Only breakpoints are set here; the monitor tells the guest to go on and hears that it has stopped. They are of the
processor's kind: the other kind is a change in the guest's memory.
"""

from __future__ import annotations

from channel import Deadline, HarnessError, Stream

SECONDS = 30


class GdbStub:
    """The guest must not run while one of these is called."""

    def __init__(self, stream: Stream):
        self._stream = stream

    def insert(self, address: int) -> None:
        """Stop at `address`, on any CPU."""
        self._ask(f"Z1,{address:x},1")

    def remove(self, address: int) -> None:
        """Do not stop there any more: without this a guest that stands there does not get any further."""
        self._ask(f"z1,{address:x},1")

    def _ask(self, packet: str) -> None:
        start = self._stream.size()
        # The plus is what QEMU waits for since its last answer. Not sent at once: a byte that comes while the guest runs
        # again stops it.
        self._stream.send(b"+$%s#%02x" % (packet.encode(), sum(packet.encode()) & 0xFF))
        answer = self._stream.wait_text(r"\+.*?\$(OK|E[0-9a-f]{2})?#[0-9a-f]{2}", Deadline(SECONDS), start)
        if answer[1] != b"OK":
            raise HarnessError(f"QEMU's debugger interface refused {packet}: {answer[0]!r}")
