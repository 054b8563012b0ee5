# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's machine protocol: commands, their answers, and the events in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from channel import Deadline, HarnessError, Stream

Message = dict[str, Any]


class QmpError(HarnessError):
    """QEMU refused a command."""


class Qmp:
    """One monitor. Not for several threads at once; events are kept until somebody asks for them."""

    def __init__(self, stream: Stream):
        self._stream = stream
        self._read_to = 0
        self._next_id = 0
        self.events: list[Message] = []

    def negotiate(self, deadline: Deadline) -> None:
        """Leave the capability mode that QEMU starts in."""
        self._receive(deadline)  # the greeting
        self.execute("qmp_capabilities", deadline)

    def _receive(self, deadline: Deadline) -> Message:
        start = self._read_to

        def line_end(data: bytearray) -> int | None:
            position = data.find(b"\n", start)
            return None if position < 0 else position + 1

        end = self._stream.wait_for(line_end, deadline)
        self._read_to = end
        return json.loads(self._stream.since(start)[: end - start])

    def execute(self, command: str, deadline: Deadline | None = None, /, **arguments: Any) -> Any:
        """Run `command` (underscores of argument names become dashes) and return what QEMU returns."""
        deadline = deadline or Deadline(30)
        self._next_id += 1
        wanted = self._next_id
        request: Message = {"execute": command, "id": wanted}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._stream.send(json.dumps(request).encode() + b"\n")
        while True:
            message = self._receive(deadline)
            if "event" in message:
                self.events.append(message)
            elif message.get("id") == wanted:
                if "error" in message:
                    raise QmpError(f"{command}: {message['error'].get('desc')}")
                return message.get("return")

    def wait_event(
        self, names: str | set[str], deadline: Deadline, accept: Callable[[Message], bool] = lambda event: True
    ) -> Message:
        """The first event of one of `names` that `accept` likes; also one that came earlier. It is used up."""
        wanted = {names} if isinstance(names, str) else names
        while True:
            for index, event in enumerate(self.events):
                if event["event"] in wanted and accept(event):
                    return self.events.pop(index)
            message = self._receive(deadline)
            if "event" in message:
                self.events.append(message)
