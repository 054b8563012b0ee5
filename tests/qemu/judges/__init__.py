# SPDX-License-Identifier: GPL-2.0-or-later
"""The outside judges: programs and rules that share nothing with innercore and say whether its dumps are right.

    root      a private root of a newer Debian, for readers that bookworm's versions cannot replace
    readers   crash, drgn, libkdumpfile and makedumpfile, run on a dump, as functions
    pages     what each page of a full /proc/vmcore copy is, told by drgn and the kernel's debug symbols
"""
