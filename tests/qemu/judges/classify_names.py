# SPDX-License-Identifier: GPL-2.0-or-later
"""The classes of pages by code, apart from classify.py, which only a Python with drgn can import."""

NAMES = (
    "absent",  # 0: not in the vmcore
    "kernel",  # allocated, and nothing below
    "free",
    "cache",
    "cache private",
    "anonymous",
    "hugetlb",
    "offline",
    "hwpoison",
    "slab",
    "page table",
    "reserved",
    "pcp",  # free, but on a CPU's list and so without the buddy mark
    "kernel stack",
    "memory map",
    "module",
    "vmalloc",
    "guard",
    "large kmalloc",
    "no struct page",
    "contested",
    "zsmalloc",  # compressed swap and the like: user data
)
