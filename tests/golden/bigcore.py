# SPDX-License-Identifier: GPL-2.0-or-later
"""
Synthetic vmcores of large machines, as sparse files: the small true machine of vmcore.py, and beside it sections of memory of
which the file holds the struct pages alone. Every such section has struct pages of its own, in its first frames, as Linux
places them; all other pages are holes and read as zeros.
"""
import random

import elfcore
import pagetypes
import vmcore
from vmcore import LARGE, PAGE, SECTION_PAGES, STRUCT_PAGE_SIZE, PageTables

SECTION_BYTES = SECTION_PAGES * PAGE
MEMMAP_PAGES = SECTION_PAGES * STRUCT_PAGE_SIZE // PAGE
FIRST_SECTION = vmcore.FREE_START // SECTION_BYTES

# What sections are used for: (weight, ((kind, order, weight), ...)), weights by pages. No machine's in particular, but of the
# kind that a loaded server has: most of it anonymous or page cache, a few percent the kernel's own, fragments everywhere.
MIXES = {
    'anon': (40, (('anon', 9, 70), ('anon', 4, 4), ('anon', 0, 22), ('pgtable', 0, 2), ('slab', 3, 2))),
    'cache': (25, (('cache', 0, 40), ('cache', 2, 20), ('cache', 4, 25), ('cache_private', 0, 10), ('slab', 3, 5))),
    'free': (15, (('buddy', 10, 97), ('buddy', 3, 2), ('anon', 0, 1))),
    'mixed': (20, (('anon', 0, 30), ('cache', 0, 25), ('buddy', 0, 8), ('buddy', 2, 8), ('buddy', 5, 8), ('slab', 0, 4),
                   ('slab', 1, 4), ('kalloc', 0, 3), ('cache_private', 2, 4), ('hugetlb', 9, 6))),
}


class Section:
    """The struct pages of a section of some mix; what depends on where it lies is added in one go."""

    def __init__(self, style, name, direct_map, seed):
        self.counts = dict.fromkeys(pagetypes.CLASSES, 0)
        plan = self._plan(name, random.Random(seed))
        here = self._fill(style, plan, direct_map, seed, 0)
        there = self._fill(style, plan, direct_map, seed, 1 << 40)
        # Addresses of struct pages, which are relative here: where the two differ.
        moved = bytearray(len(here))
        for at in range(0, len(here), 8):
            moved[at] = here[at:at + 8] != there[at:at + 8]
        self.bytes = int.from_bytes(here, 'little')
        self.moved = int.from_bytes(moved, 'little')

    def _plan(self, name, rng):
        """Blocks of the highest orders fill a piece of 1024 pages, the others share one."""
        uses = MIXES[name][1]
        weights = [weight for _, _, weight in uses]
        small = [(kind, order) for kind, order, _ in uses if order < 9]
        small_weights = [weight / (1 << order) for _, order, weight in uses if order < 9]
        plan, pfn = [('reserved', 0, n) for n in range(MEMMAP_PAGES)], MEMMAP_PAGES
        while pfn < SECTION_PAGES:
            end = (pfn // 1024 + 1) * 1024
            kind, order, _ = rng.choices(uses, weights)[0]
            while pfn < end:
                if order < 9 or end - pfn < 1 << order:
                    kind, order = rng.choices(small, small_weights)[0]
                    while pfn % (1 << order):
                        kind, order = rng.choices(small, small_weights)[0]
                plan.append((kind, order, pfn))
                pfn += 1 << order
        for kind, order, _ in plan:
            for cls in pagetypes.COMMON_KINDS[kind][1](order):
                self.counts[cls] += 1
        return plan

    @staticmethod
    def _fill(style, plan, direct_map, seed, memmap):
        planter = pagetypes.Planter(style, lambda pfn: memmap + pfn * STRUCT_PAGE_SIZE, direct_map, random.Random(seed))
        return b''.join(raw for kind, order, pfn in plan for raw in getattr(planter, kind)(pfn, order))

    def at(self, memmap):
        return (self.bytes + self.moved * memmap).to_bytes(LARGE, 'little')


class BigMachine(vmcore.Machine):
    """@clusters: (first section, count) of memory beyond the small machine's, from FIRST_SECTION on, ascending."""

    def __init__(self, clusters, style='6.1', mixes=tuple(MIXES), seed=1):
        self.clusters, self.mixes, self.section_seed = clusters, mixes, seed
        super().__init__(style=style)

    def _build_sections(self):
        self.free_sections = [nr for first, count in self.clusters for nr in range(first, first + count)]
        super()._build_sections()

    def _build_free_memmap(self, planter):
        for nr in self.free_sections:
            self.tables.map(self.vmemmap + nr * LARGE, nr * SECTION_BYTES, LARGE, PageTables.NX)

    def _sections_of_mix(self):
        made = [(Section(self.style, name, self.direct_map, f'{self.section_seed}{name}{i}'), MIXES[name][0])
                for name in self.mixes for i in range(2)]
        sections, weights = zip(*made)
        rng = random.Random(self.section_seed)
        return lambda: rng.choices(sections, weights)[0]

    def write(self, path):
        """As an ELF core. Returns how many pages of each class it has."""
        loads = elfcore.standard(self)
        for first, count in self.clusters:
            start = first * SECTION_BYTES
            loads.append(elfcore.Load(start, b'', self.direct_map + start, hole_len=count * SECTION_BYTES))
        elfcore.write(path, loads, self.notes())
        places = {paddr: off for paddr, off, _ in elfcore.places(path)}
        counts, draw = self.counts(), self._sections_of_mix()
        with open(path, 'r+b') as f:
            for first, count in self.clusters:
                for i in range(count):
                    section = draw()
                    f.seek(places[first * SECTION_BYTES] + i * SECTION_BYTES)
                    f.write(section.at(self.vmemmap + (first + i) * LARGE))
                    for cls, n in section.counts.items():
                        counts[cls] += n
        return counts


def clusters(populated_gib, span_gib, pieces):
    """So much memory in so many pieces, evenly over the span."""
    sections, span = populated_gib * 8 // pieces, span_gib * 8 // pieces
    return [(FIRST_SECTION + i * span, sections) for i in range(pieces)]
