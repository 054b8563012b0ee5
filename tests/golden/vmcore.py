# SPDX-License-Identifier: GPL-2.0-or-later
"""
Synthetic x86_64 vmcores with a small but true kernel in them: page tables, memory map, utsname, VMCOREINFO, CPU notes.

A Machine is the crashed machine's physical memory and the truth about it: machine.classes tells each page frame's
class, machine.ram.read() each byte. elfcore.py writes it as an ELF core in many layouts.
"""
import random
import struct

import pagetypes
from pagetypes import STRUCT_PAGE_SIZE

PAGE = 4096
MIB = 1 << 20
LARGE = 2 * MIB
START_KERNEL_MAP = 0xffffffff80000000
SECTION_BITS = 27
SECTION_PAGES = 1 << (SECTION_BITS - 12)
HUGE_ORDER = 9
LARGE_BLOCKS = (('buddy', 10), ('hugetlb', 9), ('anon', 9), ('hugetlb', 9), ('buddy', 9))

# Ranges of RAM: below 16 MiB, in a section of its own with the kernel, and above 4 GiB.
RANGES = ((0x100000, 0x900000), (0x10000000, 0x12600000), (0x100000000, 0x100600000))
IMAGE_PADDR, IMAGE_LEN = 0x10200000, 2 * LARGE
TABLE_POOL = (0x10000000, 0x10080000)
FREE_START = 1 << 33

# Places in the kernel image.
OFF_PGD, OFF_UTS, OFF_NODE_MAP, OFF_SECTION_POINTER = 0x200000, 0x201000, 0x202000, 0x202800
OFF_SECTION_ARRAY = 0x240000

UTS = {'6.1': ('Linux', 'golden', '6.1.0-golden-amd64', '#1 SMP PREEMPT_DYNAMIC Golden 6.1.1-1', 'x86_64', '(none)'),
       '6.12': ('Linux', 'golden', '6.12.0+golden-amd64', '#1 SMP PREEMPT_DYNAMIC Golden 6.12.1-1', 'x86_64', '(none)')}
CRASHTIME = 1700000000
BUILD_ID = '0123456789abcdef0123456789abcdef01234567'


class Ram:
    """Physical memory: page-aligned blocks of bytes."""

    def __init__(self, ranges):
        self.blocks = [(start, bytearray(end - start)) for start, end in ranges]

    def _find(self, paddr, length):
        for start, data in self.blocks:
            if start <= paddr and paddr + length <= start + len(data):
                return data, paddr - start
        raise IndexError(hex(paddr))

    def read(self, paddr, length):
        data, off = self._find(paddr, length)
        return bytes(data[off:off + length])

    def view(self, paddr, length):
        data, off = self._find(paddr, length)
        return memoryview(data)[off:off + length]

    def write(self, paddr, raw):
        data, off = self._find(paddr, len(raw))
        data[off:off + len(raw)] = raw

    def pfns(self):
        for start, data in self.blocks:
            yield from range(start // PAGE, (start + len(data)) // PAGE)


class PageTables:
    """x86_64 tables of 4 or 5 levels."""

    NX, TABLE, LEAF, PS, PAT_LARGE = 1 << 63, 0x067, 0x163, 0x80, 1 << 12

    def __init__(self, ram, root, levels, new_table, sme_mask):
        self.ram, self.root, self.levels, self.new_table, self.sme_mask = ram, root, levels, new_table, sme_mask

    def _entry(self, table, vaddr, level):
        return table + (vaddr >> (12 + 9 * (level - 1)) & 511) * 8

    def _get(self, paddr):
        return struct.unpack('<Q', self.ram.read(paddr, 8))[0]

    def entry_paddr(self, vaddr, level):
        """Where the entry of @level (1: PTE) lies that maps @vaddr."""
        table = self.root
        for lv in range(self.levels, level, -1):
            table = self._get(self._entry(table, vaddr, lv)) & 0x000ffffffffff000 & ~self.sme_mask
        return self._entry(table, vaddr, level)

    def map(self, vaddr, paddr, size, flags=0):
        leaf = {PAGE: 1, LARGE: 2, 1 << 30: 3}[size]
        table = self.root
        for lv in range(self.levels, leaf, -1):
            at = self._entry(table, vaddr, lv)
            if not self._get(at):
                self.ram.write(at, struct.pack('<Q', self.new_table() | self.TABLE | self.sme_mask))
            table = self._get(at) & 0x000ffffffffff000 & ~self.sme_mask
        bits = self.LEAF | self.sme_mask | flags | (self.PS if leaf > 1 else 0)
        self.ram.write(self._entry(table, vaddr, leaf), struct.pack('<Q', paddr | bits))


class Machine:
    """
    style: '6.1', '6.12'. levels: 4, 5. negative_phys_base. sme_mask: a bit of every table entry, or 0.
    mem_section: 'roots' (VMCOREINFO names the roots, in the direct map), 'pointer' (it names the pointer to them),
    'static' (roots in the image), 'flat' (no roots: one array, 36 bits of memory).
    section_flags: low bits of section_mem_map beside present and has_mem_map. vmemmap: '2M', '4K', or 'none' (each
    section's struct pages somewhere in the direct map). peculiar: plant what only innercore tells apart.
    fake_heads: optimized hugetlb vmemmap, needs '4K'. free_gib: so much more memory from 8 GiB on, all of it free and
    no part of ram or classes; one page of struct pages describes it many times.
    """

    def __init__(self, style='6.1', levels=5, negative_phys_base=True, sme_mask=0, mem_section='roots',
                 section_flags=0x1c, vmemmap='2M', peculiar=False, fake_heads=False, cpus=2, seed=1, free_gib=0):
        self.rng = random.Random(seed)
        self.style = pagetypes.STYLES[style]
        self.levels, self.sme_mask, self.mem_section, self.section_flags = levels, sme_mask, mem_section, section_flags
        self.vmemmap_mode, self.peculiar, self.fake_heads, self.cpus = vmemmap, peculiar, fake_heads, cpus
        self.kernel_offset = 0x31200000 if negative_phys_base else 0x7e00000
        self.stext = START_KERNEL_MAP + 0x1000000 + self.kernel_offset
        self.phys_base = IMAGE_PADDR - (self.stext - START_KERNEL_MAP)
        self.direct_map = 0xff23758ec0000000 if levels == 5 else 0xffff9c5bc0000000
        self.vmemmap = 0xffabf6f940000000 if levels == 5 else 0xfffff3a7c0000000
        self.physmem_bits = 36 if mem_section == 'flat' else 52 if levels == 5 else 46
        self.uts = UTS[style]
        self.ram = Ram(RANGES)
        self.classes = {}
        self.kinds = {}        # pfn of a block's first page -> (kind, order)
        self.structures = set()  # pages that hold what a reader needs: image, tables, memory map
        self._memmap_frame = {}  # number of a page of struct pages, by vmemmap order -> its physical address
        self.free = set(self.ram.pfns())
        self.free_sections = range(FREE_START >> SECTION_BITS, FREE_START + (free_gib << 30) >> SECTION_BITS)
        self._build()

    # Address arithmetic.

    def image_vaddr(self, off):
        return self.stext + off

    def page_vaddr(self, pfn):
        """Of the struct page of @pfn."""
        if self.vmemmap_mode == 'none':
            return self.direct_map + self._section_map[pfn // SECTION_PAGES] + pfn % SECTION_PAGES * STRUCT_PAGE_SIZE
        return self.vmemmap + pfn * STRUCT_PAGE_SIZE

    def struct_page_paddr(self, pfn):
        at = pfn * STRUCT_PAGE_SIZE
        return self._memmap_frame[at // PAGE] + at % PAGE

    def sections(self):
        return sorted({pfn // SECTION_PAGES for start, end in RANGES for pfn in range(start // PAGE, end // PAGE, 512)})

    # Building.

    def _claim(self, paddr, length, kind='reserved'):
        for pfn in range(paddr // PAGE, (paddr + length) // PAGE):
            self.free.remove(pfn)
            self.kinds[pfn] = (kind, 0)

    def _take(self, order):
        """A free, aligned block, or None."""
        size = 1 << order
        starts = [pfn for start, end in RANGES
                  for pfn in range(-(-(start // PAGE) // size) * size, end // PAGE - size + 1, size)]
        first = self.rng.randrange(len(starts))
        for i in range(len(starts)):
            pfn = starts[(first + i) % len(starts)]
            if pfn in self.free and all(p in self.free for p in range(pfn, pfn + size)):
                self.free.difference_update(range(pfn, pfn + size))
                return pfn
        return None

    def _build(self):
        self._claim(IMAGE_PADDR, IMAGE_LEN)
        self._claim(TABLE_POOL[0], TABLE_POOL[1] - TABLE_POOL[0], 'pgtable')
        self.large = [(kind, order, self._take(order)) for kind, order in LARGE_BLOCKS]
        tables = iter(range(TABLE_POOL[0], TABLE_POOL[1], PAGE))
        self.ram.write(IMAGE_PADDR, self.rng.randbytes(LARGE))
        self.tables = PageTables(self.ram, IMAGE_PADDR + OFF_PGD, self.levels, lambda: next(tables), self.sme_mask)
        for off in range(0, IMAGE_LEN, LARGE):
            self.tables.map(self.stext + off, IMAGE_PADDR + off, LARGE)
        self._map_ram()
        self._build_memmap()
        self._build_sections()
        uts = b''.join(f.encode().ljust(65, b'\0') for f in self.uts)
        self.ram.write(IMAGE_PADDR + OFF_UTS, uts)
        self.ram.write(IMAGE_PADDR + OFF_NODE_MAP, struct.pack('<Q', 1))
        self._plant_all()
        self._fill_contents()
        self.vmcoreinfo = self._vmcoreinfo_text()

    def _map_ram(self):
        """Direct map: above 4 GiB by one leaf of 1 GiB, elsewhere by 2 MiB, the first megabytes by pages."""
        for start, end in RANGES:
            if start >= 1 << 32:
                self.tables.map(self.direct_map + start, start, 1 << 30, PageTables.NX | PageTables.PAT_LARGE)
                continue
            for paddr in range(start & ~(LARGE - 1), end, LARGE):
                if paddr < LARGE:
                    for page in range(start, LARGE, PAGE):
                        self.tables.map(self.direct_map + page, page, PAGE, PageTables.NX)
                else:
                    self.tables.map(self.direct_map + paddr, paddr, LARGE, PageTables.NX | PageTables.PAT_LARGE)

    def _build_memmap(self):
        self._section_map = {}
        for nr in self.sections():
            first = nr * SECTION_PAGES * STRUCT_PAGE_SIZE // PAGE
            if self.vmemmap_mode == '4K':
                self._map_scattered(nr, first)
                continue
            pfn = self._take(HUGE_ORDER)
            for i in range(512):
                self._memmap_frame[first + i] = (pfn + i) * PAGE
                self.kinds[pfn + i] = ('reserved', 0)
            if self.vmemmap_mode == '2M':
                self.tables.map(self.vmemmap + first * PAGE, pfn * PAGE, LARGE, PageTables.NX)
            else:
                self._section_map[nr] = pfn * PAGE

    def _build_free_memmap(self, planter):
        pfn = self._take(HUGE_ORDER)
        for i in range(1 << HUGE_ORDER):
            self.kinds[pfn + i] = ('reserved', 0)
        block = b''.join(planter.buddy(0, 10))
        self.ram.write(pfn * PAGE, block * (LARGE // len(block)))
        for nr in self.free_sections:
            self.tables.map(self.vmemmap + nr * LARGE, pfn * PAGE, LARGE, PageTables.NX)
        self.structures.update(range(pfn, pfn + (1 << HUGE_ORDER)))

    def _map_scattered(self, nr, first):
        """Page by page, and only for 2 MiB subsections that have RAM, as memory hotplug does."""
        for i in range(512):
            pfn = (first + i) * PAGE // STRUCT_PAGE_SIZE
            subsection = range(pfn // 512 * 512, pfn // 512 * 512 + 512)
            if not any(s // PAGE < subsection.stop and e // PAGE > subsection.start for s, e in RANGES):
                continue
            frame = self._take(0)
            self.kinds[frame] = ('reserved', 0)
            self._memmap_frame[first + i] = frame * PAGE
            self.tables.map(self.vmemmap + (first + i) * PAGE, frame * PAGE, PAGE, PageTables.NX)

    def _build_sections(self):
        nr_sections = 1 << (self.physmem_bits - SECTION_BITS)
        per_root = PAGE // 16
        self.nr_roots = nr_sections if self.mem_section == 'flat' else nr_sections // per_root
        if self.mem_section in ('roots', 'pointer'):
            length = self.nr_roots * 8
            order = max(0, (length - 1).bit_length() - 12)
            roots = self._take(order) * PAGE
            for i in range(1 << order):
                self.kinds[roots // PAGE + i] = ('kalloc', 0)
            self.roots_vaddr = self.direct_map + roots
        else:
            roots, self.roots_vaddr = IMAGE_PADDR + OFF_SECTION_ARRAY, self.image_vaddr(OFF_SECTION_ARRAY)
        self.ram.write(IMAGE_PADDR + OFF_SECTION_POINTER, struct.pack('<Q', self.roots_vaddr))
        self.roots_paddr = roots
        self.section_paddr = {}
        made = {}
        for nr in [*self.sections(), *self.free_sections]:
            at = roots + nr * 16
            if self.mem_section != 'flat':
                root = nr // per_root
                if root not in made:
                    made[root] = self._take(0)
                    self.kinds[made[root]] = ('slab', 0)
                    self.ram.write(roots + root * 8, struct.pack('<Q', self.direct_map + made[root] * PAGE))
                at = made[root] * PAGE + nr % per_root * 16
            start_pfn = nr * SECTION_PAGES
            coded = self.page_vaddr(start_pfn) - start_pfn * STRUCT_PAGE_SIZE & (1 << 64) - 1
            self.ram.write(at, struct.pack('<QQ', coded | 3 | self.section_flags, self.direct_map + 0x1234000))
            self.section_paddr[nr] = at

    # Planting.

    def _write_struct_pages(self, pfn, pages):
        for i, raw in enumerate(pages):
            self.ram.write(self.struct_page_paddr(pfn + i), raw)

    def _set_block(self, planter, kind, pfn, order):
        known = pagetypes.COMMON_KINDS.get(kind) or pagetypes.PECULIAR_KINDS[kind]
        self.kinds[pfn] = (kind, order)
        self._write_struct_pages(pfn, getattr(planter, kind)(pfn, order))
        for i, cls in enumerate(known[1](order)):
            self.classes[pfn + i] = cls

    def _plant_all(self):
        planter = pagetypes.Planter(self.style, self.page_vaddr, self.direct_map, self.rng)
        if self.free_sections:
            self._build_free_memmap(planter)
        for pfn, (kind, order) in sorted(self.kinds.items()):
            self._set_block(planter, kind, pfn, order)
        for kind, order, pfn in self.large:
            self._set_block(planter, kind, pfn, order)
            if kind == 'hugetlb' and self.fake_heads:
                self._fold_struct_pages(pfn)
        kinds = dict(pagetypes.COMMON_KINDS)
        if self.peculiar:
            kinds.update(pagetypes.PECULIAR_KINDS)
        todo = [(order, kind) for kind, (orders, _) in kinds.items() for order in orders if order < 9]
        for order, kind in sorted(todo * 2, reverse=True):  # each at least twice, the large ones first
            pfn = self._take(order)
            if pfn is not None:
                self._set_block(planter, kind, pfn, order)
        for pfn in sorted(self.free):
            if pfn not in self.free:
                continue
            order, kind = self.rng.choice(todo)
            while order and (pfn % (1 << order) or not all(p in self.free for p in range(pfn, pfn + (1 << order)))):
                order, kind = self.rng.choice(todo)
            self.free.difference_update(range(pfn, pfn + (1 << order)))
            self._set_block(planter, kind, pfn, order)

    def _fold_struct_pages(self, pfn):
        """Optimized hugetlb vmemmap: the later pages of struct pages show the first one: heads that are none."""
        at = self.page_vaddr(pfn)
        frame = self.struct_page_paddr(pfn)
        for i in range(1, 512 * STRUCT_PAGE_SIZE // PAGE):
            self.tables.map(at + i * PAGE, frame, PAGE, PageTables.NX)
            self._memmap_frame[pfn * STRUCT_PAGE_SIZE // PAGE + i] = frame

    def _fill_contents(self):
        """Every page that holds no structure: noise, text that shrinks, or nothing."""
        self.structures.update(frame // PAGE for frame in self._memmap_frame.values())
        self.structures.update(at // PAGE for at in self.section_paddr.values())
        spans = [(IMAGE_PADDR, IMAGE_LEN), (TABLE_POOL[0], TABLE_POOL[1] - TABLE_POOL[0])]
        if self.mem_section in ('roots', 'pointer'):
            spans.append((self.roots_paddr, -(-self.nr_roots * 8 // PAGE) * PAGE))
        for paddr, length in spans:
            self.structures.update(range(paddr // PAGE, (paddr + length) // PAGE))
        for pfn in self.ram.pfns():
            if pfn in self.structures:
                continue
            dice = self.rng.random()
            if dice < 0.25:
                self.ram.write(pfn * PAGE, self.rng.randbytes(PAGE))
            elif dice < 0.7:
                self.ram.write(pfn * PAGE, (b'page %016x ' % pfn * 190)[:PAGE])
            elif dice < 0.72:  # all but the last byte
                self.ram.write(pfn * PAGE + PAGE - 1, b'x')

    # What tests ask.

    def kept(self, level):
        """PFNs that a dump of @level holds."""
        return {pfn for pfn in self.ram.pfns() if not pagetypes.dropped(self.classes[pfn], level)}

    def counts(self):
        out = dict.fromkeys(pagetypes.CLASSES, 0)
        for cls in self.classes.values():
            out[cls] += 1
        return out

    # Notes.

    def _vmcoreinfo_text(self):
        import vmcoreinfo
        return vmcoreinfo.text(self)

    def notes(self):
        return notes(self.cpus, self.vmcoreinfo)


def note(name, kind, desc):
    def pad(raw):
        return raw + bytes(-len(raw) % 4)
    return struct.pack('<III', len(name) + 1, len(desc), kind) + pad(name + b'\0') + pad(desc)


def prstatus(cpu):
    """struct elf_prstatus of x86_64: pr_pid at 32, 27 registers at 112."""
    desc = bytearray(336)
    struct.pack_into('<I', desc, 32, 100 + cpu)
    struct.pack_into('<27Q', desc, 112, *(0x1000 * cpu + i for i in range(27)))
    return bytes(desc)


def notes(cpus, vmcoreinfo):
    out = b''.join(note(b'CORE', 1, prstatus(i)) for i in range(cpus))
    return out if vmcoreinfo is None else out + note(b'VMCOREINFO', 0, vmcoreinfo)
