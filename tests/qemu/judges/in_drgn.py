# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a dump with drgn: who crashed, its stack trace, the tasks, the kernel's counters of pages, and pages.

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
# By the names of /proc/vmstat.
NODE_COUNTERS = {
    "nr_inactive_anon": "NR_INACTIVE_ANON",
    "nr_active_anon": "NR_ACTIVE_ANON",
    "nr_inactive_file": "NR_INACTIVE_FILE",
    "nr_active_file": "NR_ACTIVE_FILE",
    "nr_unevictable": "NR_UNEVICTABLE",
    "nr_isolated_anon": "NR_ISOLATED_ANON",
    "nr_isolated_file": "NR_ISOLATED_FILE",
    "nr_anon_pages": "NR_ANON_MAPPED",
    "nr_file_pages": "NR_FILE_PAGES",
    "nr_shmem": "NR_SHMEM",
    "nr_slab_reclaimable": "NR_SLAB_RECLAIMABLE_B",
    "nr_slab_unreclaimable": "NR_SLAB_UNRECLAIMABLE_B",
}


def page(prog: drgn.Program, pfn: int) -> dict[str, str]:
    """One page as JSON holds it."""
    try:
        return {"bytes": base64.b64encode(prog.read(pfn * PAGE_SIZE, PAGE_SIZE, True)).decode()}
    except drgn.FaultError as error:
        return {"kind": "error", "text": f"FaultError: {error}"}


def counters(prog: drgn.Program) -> dict[str, int]:
    """As the kernel keeps them, beside "managed" and "hugetlb"; none is shown below zero."""
    found = {name: prog["vm_node_stat"][prog.constant(item)].counter for name, item in NODE_COUNTERS.items()}
    found["managed"] = prog["_totalram_pages"].counter
    found["nr_zspages"] = prog["vm_zone_stat"][prog.constant("NR_ZSPAGES")].counter
    pages = {name: max(0, counter.value_()) for name, counter in found.items()}
    sizes = [prog["hstates"][i] for i in range(prog["hugetlb_max_hstate"].value_())]
    pages["hugetlb"] = sum(size.nr_huge_pages.value_() << size.order.value_() for size in sizes)
    return pages


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
        "counters": counters(prog),
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
