# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells what each page of a full /proc/vmcore copy is. Run by pages.py, with the Python that has drgn in it.

    python3 classify.py VMCORE VMLINUX OUT

Nothing comes from VMCOREINFO's filter keys: every offset, flag and type number is from the kernel's debug symbols, and
the struct pages are read at vmemmap_base. Pages are judged by three kinds of witness:

    lists    the zones' free lists and the CPUs' page caches, walked link by link
    owners   page tables of the kernel and of every process, and what the kernel's map: struct pages, modules, stacks;
             the slabs on the lists of every cache; the pages of every task_struct, mm_struct and kmem_cache
    marks    the flags and the type in the page's own struct page, or in its compound head's

Owners beat marks, and a list and a mark must agree; where they do not, the page is `contested` and a line says so.
"""

from __future__ import annotations

import array
import collections
import json
import struct
import sys
from collections.abc import Callable, Iterator

import drgn
from drgn.helpers.linux.cpumask import for_each_possible_cpu
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.nodemask import for_each_online_node
from drgn.helpers.linux.percpu import per_cpu, per_cpu_ptr
from drgn.helpers.linux.pid import for_each_task

from classify_names import NAMES

CODE = {name: code for code, name in enumerate(NAMES)}
DROPPABLE_MARKS = frozenset(
    CODE[name]
    for name in ("free", "cache", "cache private", "anonymous", "hugetlb", "offline", "hwpoison", "zsmalloc")
)

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PTRS_PER_TABLE = 512
ADDRESS_BITS = 0x000FFFFFFFFFF000
PRESENT, LARGE = 1 << 0, 1 << 7
KERNEL_MAP = 0xFFFFFFFF80000000
MODULES = range(0xFFFFFFFFC0000000, 0xFFFFFFFFFF000000)
# Macros until 6.10, and macros leave nothing in the debug symbols: include/linux/page-flags.h.
OLD_TYPE_BASE = 0xF0000000
OLD_TYPES = {0x80: "buddy", 0x100: "offline", 0x200: "table", 0x400: "guard"}
# A run of struct pages that cannot be read at once is tried again in pieces, down to one page of them.
READ_PAGES = 1 << 15
SAMPLES = 8
# More slabs than a CPU's list holds on any kernel; it ends a loop in a broken one.
MAX_CPU_PARTIAL = 4096


def member(type_: drgn.Type, *names: str) -> int:
    """The offset of the first member of that name that exists."""
    for name in names:
        try:
            return drgn.offsetof(type_, name)
        except LookupError:
            continue
    raise LookupError(f"{type_.type_name()} has none of {', '.join(names)}")


def enumerators(prog: drgn.Program, name: str) -> dict[str, int]:
    """The values of an enum, empty if this kernel has none of that name."""
    try:
        return {entry.name: entry.value for entry in prog.type(name).enumerators}
    except LookupError:
        return {}


def find_type(prog: drgn.Program, name: str) -> drgn.Type | None:
    """A type, None if this kernel has none of that name."""
    try:
        return prog.type(name)
    except LookupError:
        return None


def loads(path: str) -> list[tuple[int, int]]:
    """The physical [start, end) byte ranges of the ELF core's PT_LOADs, merged and in order."""
    with open(path, "rb") as core:
        header = core.read(64)
        if header[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is no 64-bit little-endian ELF file")
        phoff, shoff = struct.unpack_from("<QQ", header, 32)
        count = struct.unpack_from("<H", header, 56)[0]
        if count == 0xFFFF:
            core.seek(shoff + 44)
            count = struct.unpack("<I", core.read(4))[0]
        core.seek(phoff)
        table = core.read(count * 56)
    found = []
    for type_, _, _, _, paddr, _, memsz, _ in struct.iter_unpack("<IIQQQQQQ", table):
        if type_ == 1 and memsz:
            found.append((paddr, paddr + memsz))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class MemoryMap:
    """All struct pages below `end_pfn`, read once in large pieces; `valid` says which of them could be read."""

    def __init__(self, prog: drgn.Program, end_pfn: int):
        self.prog = prog
        page = prog.type("struct page")
        self.type = page
        self.stride = page.size
        if self.stride % 8:
            raise ValueError(f"struct page has {self.stride} bytes")
        self.base = prog["vmemmap_base"].value_()
        self.end_pfn = end_pfn
        self.valid = bytearray(end_pfn)
        raw = bytearray(end_pfn * self.stride)
        sections = self._sections()
        for section in range((end_pfn + self.per_section - 1) // self.per_section):
            if section in sections:
                self._read(raw, section * self.per_section, min((section + 1) * self.per_section, end_pfn))
        self.words = array.array("Q", bytes(raw))
        self.ints = memoryview(self.words).cast("B").cast("I")

    def _sections(self) -> set[int]:
        """The numbers of the sections that have a memory map, from the section table itself."""
        prog = self.prog
        per_root = PAGE_SIZE // prog.type("struct mem_section").size
        # SECTION_SIZE_BITS of x86_64: arch/x86/include/asm/sparsemem.h
        self.per_section = 1 << (27 - PAGE_SHIFT)
        found = set()
        table = prog["mem_section"]
        for number in range((self.end_pfn + self.per_section - 1) // self.per_section):
            root = table[number // per_root]
            if root and root[number % per_root].section_mem_map.value_() & 2:
                found.add(number)
        return found

    def _read(self, raw: bytearray, start: int, end: int) -> None:
        try:
            piece = self.prog.read(self.base + start * self.stride, (end - start) * self.stride)
        except drgn.FaultError:
            if end - start <= PAGE_SIZE // self.stride:
                return
            middle = (start + end) // 2
            self._read(raw, start, middle)
            self._read(raw, middle, end)
            return
        raw[start * self.stride : end * self.stride] = piece
        self.valid[start:end] = b"\1" * (end - start)

    def column(self, offset: int, width: int = 8) -> array.array | memoryview:
        """One field of every struct page, indexed by PFN."""
        if width == 8:
            return self.words[offset // 8 :: self.stride // 8]
        return self.ints[offset // 4 :: self.stride // 4]

    def pfn(self, address: int) -> int | None:
        """The PFN that the struct page at `address` is of."""
        number, rest = divmod(address - self.base, self.stride)
        return number if not rest and 0 <= number < self.end_pfn else None


class Marks:
    """What a struct page says about itself."""

    def __init__(self, memory_map: MemoryMap):
        prog, page = memory_map.prog, memory_map.type
        flag = enumerators(prog, "enum pageflags")
        self.map = memory_map
        self.flags = memory_map.column(member(page, "flags"))
        self.link = memory_map.column(member(page, "compound_info", "compound_head"))
        self.mapping = memory_map.column(member(page, "mapping"))
        self.type = memory_map.column(member(page, "page_type"), 4)
        self.head_bit = 1 << flag["PG_head"]
        self.lru = 1 << flag["PG_lru"]
        self.private = 1 << flag["PG_private"]
        self.swapcache = 1 << flag["PG_swapcache"]
        self.swapbacked = 1 << flag["PG_swapbacked"]
        self.reserved = 1 << flag["PG_reserved"]
        self.slab = 1 << flag["PG_slab"] if "PG_slab" in flag else 0
        self.hwpoison = 1 << flag["PG_hwpoison"] if "PG_hwpoison" in flag else 0
        self.types = {
            value: name.removeprefix("PGTY_")
            for name, value in enumerators(prog, "enum pagetype").items()
            if name.startswith("PGTY_") and name != "PGTY_mapcount_underflow"
        }
        if not self.types and not self.slab:
            raise LookupError("the debug symbols tell neither PG_slab nor enum pagetype")
        self._hugetlb_dtor = enumerators(prog, "enum compound_dtor_id").get("HUGETLB_PAGE_DTOR")
        self._dtor_offset = member(page, "compound_dtor") if self._hugetlb_dtor is not None else 0
        if self._hugetlb_dtor is None and "hugetlb" not in self.types.values():
            raise LookupError("the debug symbols tell no way to know a hugetlb page")

    def _linked(self, pfn: int) -> int | None:
        """The PFN that the tail `pfn` names as its head."""
        link = self.link[pfn] - 1
        named = self.map.pfn(link)
        if named is not None:
            return named
        # Since 7.1 a mask may stand there: what it leaves of the tail's own address is the head's.
        return self.map.pfn((self.map.base + pfn * self.map.stride) & link)

    def head(self, pfn: int) -> int | None:
        """The PFN of the compound head of `pfn`, which is `pfn` itself for a page of its own; None: nonsense."""
        link = self.link[pfn]
        if link & 1:
            return self._linked(pfn)
        # A hugetlb page's tails may share the head's page of struct pages (vmemmap optimization). Such a fake head is
        # told from a true one by its neighbour, which is a tail that links to the true one.
        if self.flags[pfn] & self.head_bit and pfn % (PAGE_SIZE // self.map.stride) == 0 and pfn + 1 < self.map.end_pfn:
            link = self.link[pfn + 1]
            if link & 1:
                return self._linked(pfn + 1)
        return pfn

    def type_name(self, pfn: int) -> str | None:
        """The page type of this struct page, None if the field counts mappings instead."""
        value = self.type[pfn]
        if value < 0x80000000 or value == 0xFFFFFFFF:
            return None
        if self.types:
            return self.types.get(value >> 24)
        for bit, name in OLD_TYPES.items():
            if value & (OLD_TYPE_BASE | bit) == OLD_TYPE_BASE:
                return name
        return None

    def _is_hugetlb(self, head: int) -> bool:
        if self._hugetlb_dtor is None or not self.flags[head] & self.head_bit or head + 1 >= self.map.end_pfn:
            return False
        offset = (head + 1) * self.map.stride + self._dtor_offset
        return memoryview(self.map.words).cast("B")[offset] == self._hugetlb_dtor

    def of_head(self, pfn: int) -> int:
        """The class that the marks of a page of its own or of a compound head tell, hwpoison aside."""
        named = self.type_name(pfn)
        if named is not None:
            by_type = {
                "buddy": "free",
                "offline": "offline",
                "table": "page table",
                "guard": "guard",
                "hugetlb": "hugetlb",
                "slab": "slab",
                "large_kmalloc": "large kmalloc",
                "zsmalloc": "zsmalloc",
            }
            return CODE[by_type.get(named, "kernel")]
        flags, mapping = self.flags[pfn], self.mapping[pfn]
        if flags & self.slab:
            return CODE["slab"]
        if flags & self.reserved:
            return CODE["reserved"]
        if self._is_hugetlb(pfn):
            return CODE["hugetlb"]
        if mapping & 1:
            return CODE["anonymous"]
        if flags & self.lru or (flags & self.swapcache and flags & self.swapbacked):
            return CODE["cache private" if flags & self.private else "cache"]
        return CODE["kernel"]


class Lists:
    """Free pages by the allocator's own lists: PFN -> order."""

    def __init__(self, memory_map: MemoryMap):
        self.map = memory_map
        self.offset = member(memory_map.type, "buddy_list", "lru")
        self.next = memory_map.column(self.offset)
        self.free: dict[int, int] = {}
        self.pcp: dict[int, int] = {}
        self.notes: list[str] = []
        prog = memory_map.prog
        per_order = enumerators(prog, "enum migratetype")["MIGRATE_PCPTYPES"]
        cpus = list(for_each_possible_cpu(prog))
        for node in for_each_online_node(prog):
            data = prog["node_data"][node]
            for zone in data.node_zones:
                if not zone.present_pages:
                    continue
                name = zone.name.string_().decode()
                for order, area in enumerate(zone.free_area):
                    found = sum(self._walk(head, order, self.free, name) for head in area.free_list)
                    counted = area.nr_free.value_()
                    if found != counted:
                        self.notes.append(f"zone {name} order {order}: {found} on the lists, nr_free {counted}")
                for cpu in cpus:
                    lists = self._cpu_lists(zone, cpu)
                    for index, head in enumerate(lists):
                        # The last one or two lists are of transparent huge pages: mm/page_alloc.c, order_to_pindex()
                        order = index // per_order if index < 4 * per_order else 9
                        self._walk(head, order, self.pcp, f"{name} cpu {cpu}")

    @staticmethod
    def _cpu_lists(zone: drgn.Object, cpu: int) -> drgn.Object:
        try:
            return per_cpu_ptr(zone.per_cpu_pageset, cpu).lists
        except AttributeError:  # up to 5.13
            return per_cpu_ptr(zone.pageset, cpu).pcp.lists

    def _walk(self, head: drgn.Object, order: int, into: dict[int, int], name: str) -> int:
        end, node, count = head.address_, head.next.value_(), 0
        while node != end:
            pfn = self.map.pfn(node - self.offset)
            if pfn is None or pfn in into:
                self.notes.append(f"{name} order {order}: broken list at {node:#x}")
                return count
            into[pfn] = order
            count += 1
            node = self.next[pfn]
        return count


class PageTables:
    """Walks page tables by physical address, the tables themselves noted in `tables`."""

    def __init__(self, prog: drgn.Program):
        self.prog = prog
        self.tables: set[int] = set()
        try:
            self.levels = 5 if prog["__pgtable_l5_enabled"] else 4
        except KeyError:
            self.levels = 4
        try:
            self.mask = ADDRESS_BITS & ~prog["sme_me_mask"].value_()
        except KeyError:
            self.mask = ADDRESS_BITS
        self.faults = 0

    def walk(self, table: int, first: int, last: int, leaf: Callable[[int, int, int], None] | None) -> None:
        """All of one root's entries [first, last); `leaf` gets (virtual address, physical address, bytes)."""
        self._table(table, self.levels, 0, range(first, last), leaf)

    def _table(
        self, table: int, level: int, address: int, entries: range, leaf: Callable[[int, int, int], None] | None
    ) -> None:
        pfn = table >> PAGE_SHIFT
        # Shared by several processes (hugetlb), or the kernel's half seen again: once is enough.
        if pfn in self.tables and level < self.levels:
            return
        try:
            raw = self.prog.read(table, PAGE_SIZE, True)
        except drgn.FaultError:
            self.faults += 1
            return
        self.tables.add(pfn)
        shift = PAGE_SHIFT + 9 * (level - 1)
        values = struct.unpack(f"<{PTRS_PER_TABLE}Q", raw)
        for index in entries:
            value = values[index]
            if not value & PRESENT:
                continue
            virtual = address | index << shift
            if level == 1 or (level <= 3 and value & LARGE):
                if leaf:
                    leaf(virtual, value & self.mask & ~((1 << shift) - 1), 1 << shift)
            else:
                self._table(value & self.mask, level - 1, virtual, range(PTRS_PER_TABLE), leaf)


class Owners:
    """Pages that the kernel itself can be seen to use, whatever their struct pages say: PFN -> class."""

    def __init__(self, memory_map: MemoryMap):
        prog = memory_map.prog
        self.prog = prog
        self.owned: dict[int, int] = {}
        self.vmalloc: dict[int, int] = {}  # virtual page -> PFN
        self.notes: list[str] = []
        self.tables = PageTables(prog)
        # struct slab was a part of struct page up to 5.16.
        has_slab = bool(find_type(prog, "struct slab"))
        self.slab_type = "struct slab" if has_slab else "struct page"
        self.slab_link = "slab_list"
        self._memmap = range(memory_map.base, memory_map.base + memory_map.end_pfn * memory_map.stride)
        self._sign = -1 << (12 + 9 * self.tables.levels - 1) & (1 << 64) - 1
        areas = prog["vmalloc_base"].value_()
        size = (12800 if self.tables.levels == 5 else 32) << 40
        self._vmalloc_range = range(areas, areas + size)
        root = prog.symbol("init_top_pgt").address - KERNEL_MAP + prog.read_u64(prog.symbol("phys_base").address)
        self.tables.walk(root & (1 << 64) - 1, 256, 512, self._kernel_leaf)
        self._direct_map = prog["page_offset_base"].value_()
        self._processes()
        self._slabs(memory_map)
        for pfn in self.tables.tables:
            self.owned[pfn] = CODE["page table"]

    def _kernel_leaf(self, virtual: int, physical: int, size: int) -> None:
        virtual |= self._sign
        if virtual in self._memmap:
            self._own(physical, size, "memory map")
        elif virtual in MODULES:
            self._own(physical, size, "module")
        elif virtual in self._vmalloc_range:
            for offset in range(0, size, PAGE_SIZE):
                self.vmalloc[(virtual + offset) >> PAGE_SHIFT] = (physical + offset) >> PAGE_SHIFT

    def _own(self, physical: int, size: int, name: str) -> None:
        for pfn in range(physical >> PAGE_SHIFT, (physical + size) >> PAGE_SHIFT):
            self.owned[pfn] = CODE[name]

    def _tasks(self) -> Iterator[drgn.Object]:
        yield from for_each_task(self.prog)
        for cpu in for_each_possible_cpu(self.prog):
            idle = per_cpu(self.prog["runqueues"], cpu).idle
            if idle:
                yield idle

    def _object(self, address: int, size: int) -> None:
        """An object that some list of the kernel's leads to; those in the kernel's image are reserved anyway."""
        start = address - self._direct_map
        if 0 <= start < self._memmap.start - self._direct_map:
            first, last = start >> PAGE_SHIFT, (start + size - 1) >> PAGE_SHIFT
            self.owned.update((pfn, CODE["slab"]) for pfn in range(first, last + 1))

    def _slab(self, slab: drgn.Object, cache: drgn.Object, memory_map: MemoryMap) -> None:
        pfn = memory_map.pfn(slab.value_())
        if pfn is None:
            self.notes.append(f"cache {cache.name.string_().decode()}: broken slab {slab.value_():#x}")
            return
        pages = (slab.objects.value_() * cache.size.value_() + PAGE_SIZE - 1) >> PAGE_SHIFT
        self.owned.update((number, CODE["slab"]) for number in range(pfn, pfn + pages))

    @staticmethod
    def _of_node(cache: drgn.Object, node: int) -> drgn.Object:
        return cache.per_node[node].node if hasattr(cache, "per_node") else cache.node[node]

    def _slabs(self, memory_map: MemoryMap) -> None:
        """SLUB's own lists; a full slab is on none of them."""
        cpus, nodes = list(for_each_possible_cpu(self.prog)), list(for_each_online_node(self.prog))
        for cache in list_for_each_entry("struct kmem_cache", self.prog["slab_caches"].address_of_(), "list"):
            # Its last member has an element a node that could exist, and the object only those that do.
            self._object(cache.value_(), member(cache.type_.type, "node", "per_node"))
            for node in nodes:
                partial = self._of_node(cache, node).partial.address_of_()
                for slab in list_for_each_entry(self.slab_type, partial, self.slab_link):
                    self._slab(slab, cache, memory_map)
            # Sheaves of objects took the place of the CPUs' own slabs in 7.x.
            for cpu in cpus if hasattr(cache, "cpu_slab") else ():
                of_cpu = per_cpu_ptr(cache.cpu_slab, cpu)
                if not hasattr(of_cpu, "slab"):  # struct page up to 5.16
                    if of_cpu.page:
                        self._slab(of_cpu.page, cache, memory_map)
                    continue
                if of_cpu.slab:
                    self._slab(of_cpu.slab, cache, memory_map)
                slab, left = of_cpu.partial, MAX_CPU_PARTIAL
                while slab and left:
                    self._slab(slab, cache, memory_map)
                    slab, left = slab.next, left - 1

    def _processes(self) -> None:
        size = self.prog["init_stack"].type_.size if "init_stack" in self.prog else 4 * PAGE_SIZE
        roots = set()
        for task in self._tasks():
            # The registers at its end are declared larger than this CPU's are.
            self._object(task.value_(), member(task.type_.type, "thread"))
            if task.mm:
                roots.add(task.mm.pgd.value_())
                self._object(task.mm.value_(), task.mm.type_.type.size)
            stack = task.stack.value_()
            if not stack:
                continue
            for address in range(stack, stack + size, PAGE_SIZE):
                pfn = self.vmalloc.get(address >> PAGE_SHIFT)
                if pfn is not None:
                    self.owned[pfn] = CODE["kernel stack"]
                elif stack in self._vmalloc_range:
                    self.notes.append(f"the stack of task {task.pid.value_()} is not mapped at {address:#x}")
        for root in sorted(roots):
            self.tables.walk(root - self._direct_map, 0, 256, None)
        if self.tables.faults:
            self.notes.append(f"{self.tables.faults} page tables are not in the vmcore")


class Judge:
    """Brings the witnesses together."""

    def __init__(self, prog: drgn.Program, ranges: list[tuple[int, int]]):
        end_pfn = (ranges[-1][1] + PAGE_SIZE - 1) >> PAGE_SHIFT
        self.ranges = ranges
        self.map = MemoryMap(prog, end_pfn)
        self.marks = Marks(self.map)
        self.lists = Lists(self.map)
        self.owners = Owners(self.map)
        self.codes = bytearray(end_pfn)
        self.notes = self.lists.notes + self.owners.notes
        self._contested: dict[str, list[int]] = collections.defaultdict(list)

    def _present(self) -> Iterator[int]:
        last = -1
        for start, end in self.ranges:
            for pfn in range(max(start >> PAGE_SHIFT, last + 1), (end + PAGE_SIZE - 1) >> PAGE_SHIFT):
                yield pfn
                last = pfn

    def _by_marks(self) -> None:
        codes, marks, valid = self.codes, self.marks, self.map.valid
        heads: dict[int, int] = {}
        for pfn in self._present():
            if not valid[pfn]:
                codes[pfn] = CODE["no struct page"]
                continue
            if marks.flags[pfn] & marks.hwpoison and marks.flags[pfn] != (1 << 64) - 1:
                codes[pfn] = CODE["hwpoison"]
                continue
            head = marks.head(pfn)
            if head is None or not valid[head]:
                codes[pfn] = CODE["no struct page"]
                continue
            if head not in heads:
                heads[head] = marks.of_head(head)
            codes[pfn] = heads[head]

    def _contest(self, why: str, pfn: int, code: int) -> None:
        self._contested[why].append(pfn)
        self.codes[pfn] = code

    def _by_lists(self) -> None:
        """The marks of a free run stand in its first page alone; the lists must tell the same runs."""
        codes = self.codes
        listed: set[int] = set()
        for first, order in self.lists.free.items():
            marked = codes[first] == CODE["free"] or not codes[first]
            for pfn in range(first, min(first + (1 << order), self.map.end_pfn)):
                listed.add(pfn)
                if not codes[pfn] or codes[pfn] == CODE["hwpoison"]:
                    continue
                if not marked:
                    self._contest("on a free list without the mark", pfn, CODE["contested"])
                elif pfn != first and codes[pfn] not in (CODE["kernel"], CODE["reserved"], CODE["no struct page"]):
                    self._contest(f"inside a free run but {NAMES[codes[pfn]]}", pfn, CODE["contested"])
                else:
                    codes[pfn] = CODE["free"]
        for pfn in range(self.map.end_pfn):
            if codes[pfn] == CODE["free"] and pfn not in listed:
                self._contest("marked free but on no list", pfn, CODE["contested"])
        for first, order in self.lists.pcp.items():
            for pfn in range(first, min(first + (1 << order), self.map.end_pfn)):
                if codes[pfn] == CODE["kernel"]:
                    codes[pfn] = CODE["pcp"]
                elif codes[pfn] and codes[pfn] != CODE["hwpoison"]:
                    self._contest(f"on a CPU's free list but {NAMES[codes[pfn]]}", pfn, CODE["contested"])

    def _by_owners(self) -> None:
        codes = self.codes
        for pfn, code in self.owners.owned.items():
            if pfn >= len(codes) or not codes[pfn]:
                continue
            if codes[pfn] in DROPPABLE_MARKS or codes[pfn] == CODE["pcp"] or self._is_odd(pfn, code):
                # Kept is right in doubt: the owner was found by following the kernel's own pointers.
                self._contest(f"{NAMES[code]} by its owner but {NAMES[codes[pfn]]} by its marks", pfn, code)
            else:
                codes[pfn] = code
        for pfn in self.owners.vmalloc.values():
            if pfn < len(codes) and codes[pfn] == CODE["kernel"]:
                codes[pfn] = CODE["vmalloc"]

    def _is_odd(self, pfn: int, code: int) -> bool:
        """A slab that its cache lists is marked so, or reserved where it is older than the allocator."""
        return code == CODE["slab"] and self.codes[pfn] not in (code, CODE["reserved"])

    def _first_tails(self) -> list[int]:
        """The second page of each slab of several."""
        slab, head = CODE["slab"], self.marks.head
        return [pfn for pfn in range(1, len(self.codes)) if self.codes[pfn] == slab and head(pfn) == pfn - 1]

    def judge(self) -> dict:
        """The header of the result; the codes are in `codes`."""
        self._by_marks()
        self._by_lists()
        self._by_owners()
        for why, pfns in self._contested.items():
            self.notes.append(f"{len(pfns)} pages {why}: {', '.join(f'{pfn:#x}' for pfn in pfns[:SAMPLES])}")
        partial = sorted({edge >> PAGE_SHIFT for bounds in self.ranges for edge in bounds if edge % PAGE_SIZE})
        owned = collections.Counter(NAMES[code] for code in self.owners.owned.values())
        witnesses = {
            "free lists": sum(1 << order for order in self.lists.free.values()),
            "cpu lists": sum(1 << order for order in self.lists.pcp.values()),
            **{f"{name} by owner": count for name, count in owned.items()},
        }
        return {
            "witnesses": witnesses,
            "first tails": self._first_tails(),
            "classes": list(NAMES),
            "pages": len(self.codes),
            "partial": partial,
            "anomalies": self.notes,
            "levels": self.owners.tables.levels,
        }


def main() -> int:
    """See the module's own text."""
    vmcore, vmlinux, out = sys.argv[1:4]
    prog = drgn.Program()
    prog.set_core_dump(vmcore)
    prog.load_debug_info([vmlinux])
    judge = Judge(prog, loads(vmcore))
    header = judge.judge()
    header["release"] = prog["init_uts_ns"].name.release.string_().decode()
    with open(out, "wb") as result:
        result.write(json.dumps(header).encode("ascii") + b"\n")
        result.write(judge.codes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
