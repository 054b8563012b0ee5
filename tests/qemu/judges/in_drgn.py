# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a dump with drgn: who crashed, its stack trace, the tasks, and pages by physical address.

    python3 in_drgn.py DUMP VMLINUX OUT PFN...

OUT is JSON. Run by readers.py with the Python of the same Debian as drgn itself.
"""

from __future__ import annotations

import base64
import json
import sys

import drgn
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_dmesg

PAGE_SIZE = 4096
UTSNAME = ("sysname", "nodename", "release", "version", "machine")


def page(prog: drgn.Program, pfn: int) -> dict[str, str]:
    """One page as JSON holds it."""
    try:
        return {"bytes": base64.b64encode(prog.read(pfn * PAGE_SIZE, PAGE_SIZE, True)).decode()}
    except drgn.FaultError as error:
        return {"kind": "error", "text": f"FaultError: {error}"}


def main() -> int:
    """See the module's own text."""
    dump, vmlinux, out, *pfns = sys.argv[1:]
    prog = drgn.Program()
    prog.set_core_dump(dump)
    prog.load_debug_info([vmlinux])
    name = prog["init_uts_ns"].name
    answer = {
        "identity": {field: getattr(name, field).string_().decode() for field in UTSNAME},
        "dmesg": get_dmesg(prog).decode(errors="replace"),
        "tasks": [task.comm.string_().decode(errors="replace") for task in for_each_task(prog)],
        "pages": {pfn: page(prog, int(pfn)) for pfn in pfns},
    }
    thread = prog.crashed_thread()
    answer["crashed"] = thread.object.comm.string_().decode(errors="replace")
    answer["trace"] = str(thread.stack_trace())
    with open(out, "w", encoding="utf-8") as result:
        json.dump(answer, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
