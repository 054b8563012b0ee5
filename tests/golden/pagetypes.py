# SPDX-License-Identifier: GPL-2.0-or-later
"""
struct page as two generations of Linux fill it, for synthetic vmcores.

A *kind* is one use of a block of 2**order pages: it knows its class (what innercore must say of it) and writes the
block's struct pages. The 64 bytes are those of x86_64: flags 0, lru or compound_head 8, 16, mapping 24, index 32,
private 40, _mapcount or page_type 48, _refcount 52, memcg_data 56.
"""
import struct

PAGE_STRUCT = struct.Struct('<QQQQQQIIQ')
STRUCT_PAGE_SIZE = 64
NO_TYPE = 0xffffffff  # _mapcount of a page that nobody maps: -1
TAIL_MAPPING = 0xdead000000000400  # include/linux/poison.h

KERNEL, FREE, CACHE, CACHE_PRIVATE = 'kernel', 'free', 'cache', 'cache_private'
USER, OFFLINE, HWPOISON, UNKNOWN = 'user', 'offline', 'hwpoison', 'unknown'
CLASSES = (KERNEL, FREE, CACHE, CACHE_PRIVATE, USER, OFFLINE, HWPOISON, UNKNOWN)


def dropped(cls, level):
    """Does dump level @level leave out pages of this class?"""
    if cls in (OFFLINE, HWPOISON):
        return True
    return bool(level & {FREE: 16, CACHE: 2 | 4, CACHE_PRIVATE: 4, USER: 8}.get(cls, 0))


class Style:
    """Where one generation of kernels keeps what. All numbers as their VMCOREINFO gives them."""

    def __init__(self, name, flags, types, dtors):
        self.name, self.flags, self.types, self.dtors = name, flags, types, dtors

    def bits(self, *names):
        return sum(1 << self.flags[n] for n in names)


# Page types were cleared bits up to 6.11 and are a top byte since.
STYLE_6_1 = Style('6.1',
                  dict(locked=0, referenced=1, uptodate=2, dirty=3, lru=4, active=5, waiters=7, slab=9, swapcache=10,
                       reserved=12, private=13, writeback=15, head=16, swapbacked=19, hwpoison=23),
                  dict(buddy=0xffffff7f, offline=0xfffffeff, table=0xfffffdff, guard=0xfffffbff),
                  dict(kernel=1, hugetlb=2, thp=3))
STYLE_6_12 = Style('6.12',
                   dict(locked=0, writeback=1, referenced=2, uptodate=3, dirty=4, lru=5, head=6, waiters=7, active=8,
                        swapcache=10, reserved=13, private=14, swapbacked=17, hwpoison=20),
                   dict(buddy=0xf0 << 24, offline=0xf1 << 24, table=0xf2 << 24, guard=0xf3 << 24, hugetlb=0xf4 << 24,
                        slab=0xf5 << 24, zsmalloc=0xf6 << 24, netpp=0xf9 << 24),
                   None)
STYLES = {s.name: s for s in (STYLE_6_1, STYLE_6_12)}

# Node, zone and last CPU live in the high bits of flags and mean nothing to a filter.
HIGH_FLAGS = 0x0017ffffc0000000


def page(flags=0, w8=0, w16=0, mapping=0, index=0, private=0, mapcount=NO_TYPE, refcount=0, memcg=0):
    flags |= HIGH_FLAGS
    return PAGE_STRUCT.pack(flags, w8, w16, mapping, index, private, mapcount & 0xffffffff, refcount, memcg)


class Planter:
    """Makes the struct pages of blocks. @vaddr_of gives the address of a PFN's struct page; @rng is seeded."""

    def __init__(self, style, vaddr_of, direct_map, rng):
        self.s, self.vaddr_of, self.direct_map, self.rng = style, vaddr_of, direct_map, rng

    def pointer(self):
        """Some kernel object's address."""
        return self.direct_map + (self.rng.getrandbits(27) & ~0x3f)

    def list_links(self):
        return dict(w8=self.pointer() + 8, w16=self.pointer() + 8)

    def compound(self, pfn, order, head, dtor='kernel', odd_second=True):
        """@head: keyword arguments of page() for the head. The tails name it; the first tail carries the order."""
        s = self.s
        head = dict(head)
        if order == 0:
            return [page(**head)]
        head['flags'] = head.get('flags', 0) | s.bits('head')
        link = self.vaddr_of(pfn) | 1
        # What lies over page.mapping in the first tail are counters: bit 0 says nothing there.
        second = dict(w8=link, mapping=((1 << order) << 32) | int(odd_second))
        if s.dtors:
            second['w16'] = s.dtors[dtor] | order << 8 | 0xffffffff << 32
        else:
            second['flags'] = order | (0x100 if dtor == 'hugetlb' else 0)
        out = [page(**head), page(**second)]
        out += [page(w8=link, mapping=TAIL_MAPPING)] * ((1 << order) - 2)
        return out

    # Kernel memory of all sorts.

    def reserved(self, pfn, order):
        return [page(flags=self.s.bits('reserved'), refcount=1)] * (1 << order)

    def kalloc(self, pfn, order):
        """Plain alloc_pages() without __GFP_COMP: stacks, buffers."""
        return [page(refcount=1, private=self.rng.choice((0, self.pointer())))] + [page()] * ((1 << order) - 1)

    def kcompound(self, pfn, order):
        return self.compound(pfn, order, dict(refcount=1))

    def pgtable(self, pfn, order):
        return [page(refcount=1, mapcount=self.s.types['table'], mapping=0, private=self.pointer(), w16=self.pointer())]

    def guard(self, pfn, order):
        return [page(mapcount=self.s.types['guard'])]

    def movable(self, pfn, order):
        """zsmalloc and balloon up to 6.12: PAGE_MAPPING_MOVABLE, bit 1 without bit 0."""
        return [page(mapping=self.pointer() | 2, refcount=1, private=self.pointer())]

    def pcp(self, pfn, order):
        """Free, but on a CPU's own list: looks like nothing in particular."""
        return [page(**self.list_links())]

    def checked(self, pfn, order):
        """PG_swapcache's bit has other meanings where PG_swapbacked is clear."""
        return [page(flags=self.s.bits('swapcache', 'uptodate'), refcount=1)]

    def swapbacked_only(self, pfn, order):
        return [page(flags=self.s.bits('swapbacked', 'uptodate'), refcount=1)]

    def slab(self, pfn, order, mapping=None):
        """slab_cache, list links, freelist, counters: they lie over lru, mapping, index, private."""
        head = dict(self.list_links(), index=self.pointer(), private=self.rng.getrandbits(31), refcount=1,
                    mapping=self.pointer() if mapping is None else mapping)
        if 'slab' in self.s.types:
            head['mapcount'] = self.s.types['slab']
        else:
            head['flags'] = self.s.bits('slab')
        return self.compound(pfn, order, head)

    def slab_alias(self, pfn, order):
        """From 6.2 on the count of slabs on a CPU's partial list, or a list link, lies over page.mapping."""
        return self.slab(pfn, order, mapping=self.rng.choice((1, 3, 0x17, self.pointer() | 1)))

    # Free memory.

    def buddy(self, pfn, order):
        first = page(**self.list_links(), private=order, mapcount=self.s.types['buddy'])
        return [first] + [page()] * ((1 << order) - 1)

    # Page cache.

    def _file(self, *flags, **more):
        more.setdefault('mapping', self.pointer() + 0x168 & ~7)
        more.setdefault('mapcount', self.rng.choice((NO_TYPE, 0, 1)))
        return dict(self.list_links(), flags=self.s.bits('uptodate', *flags), index=self.rng.getrandbits(20),
                    refcount=2, memcg=self.pointer(), **more)

    def cache(self, pfn, order):
        more = self.rng.choice(((), ('referenced',), ('active', 'dirty')))
        return self.compound(pfn, order, self._file('lru', *more), dtor='thp')

    def cache_shmem_swap(self, pfn, order):
        """Isolated from the LRU, known as cache by swap flags alone."""
        return [page(**self._file('swapbacked', 'swapcache'))]

    def cache_private(self, pfn, order):
        return self.compound(pfn, order, self._file('lru', 'private', private=self.pointer()), dtor='thp')

    # User memory.

    def anon(self, pfn, order, low_bits=1, flags=('lru', 'swapbacked')):
        return self.compound(pfn, order, self._file(*flags, mapping=self.pointer() | low_bits, mapcount=0), dtor='thp')

    def anon_isolated(self, pfn, order):
        return self.anon(pfn, order, flags=('swapbacked',))

    def anon_swapcache(self, pfn, order):
        return self.anon(pfn, order, flags=('lru', 'swapbacked', 'swapcache'))

    def ksm(self, pfn, order):
        return self.anon(pfn, order, low_bits=3)

    def hugetlb(self, pfn, order):
        head = dict(self.list_links(), flags=self.s.bits('uptodate'), mapping=self.pointer() + 0x168 & ~7, refcount=1)
        if 'hugetlb' in self.s.types:
            head['mapcount'] = self.s.types['hugetlb']
        return self.compound(pfn, order, head, dtor='hugetlb')

    # Memory that no dump holds.

    def offline(self, pfn, order):
        return [page(mapcount=self.s.types['offline'], refcount=1)] * (1 << order)

    def hwpoison(self, pfn, order):
        return [page(flags=self.s.bits('hwpoison'), refcount=1)]

    # Where innercore's rules are finer than makedumpfile's.

    def uninitialised(self, pfn, order):
        """page_init_poison(): all ones, PG_hwpoison's bit and the tail bit among them."""
        return [b'\xff' * STRUCT_PAGE_SIZE] * (1 << order)

    def poisoned_tail(self, pfn, order, head_kind='kcompound'):
        pages = getattr(self, head_kind)(pfn, order)
        raw = list(PAGE_STRUCT.unpack(pages[-1]))
        raw[0] |= self.s.bits('hwpoison')
        pages[-1] = PAGE_STRUCT.pack(*raw)
        return pages

    def poisoned_user_tail(self, pfn, order):
        return self.poisoned_tail(pfn, order, 'anon')

    def buddy_wild_order(self, pfn, order):
        return [page(**self.list_links(), private=self.rng.choice((11, 63, 1 << 40)), mapcount=self.s.types['buddy'])]

    def buddy_misaligned(self, pfn, order):
        """Order 3 at an odd PFN: makes no sense."""
        return [page(refcount=1), page(private=3, mapcount=self.s.types['buddy'])] + [page(refcount=1)] * 14

    def buddy_with_slab_inside(self, pfn, order):
        pages = self.buddy(pfn, order)
        pages[5] = self.slab(pfn + 5, 0)[0]
        return pages

    def _low_bits(self, name):
        """A page type that is a top byte leaves 24 bits to others; one of cleared bits (up to 6.11) does not."""
        value = self.s.types[name]
        return value if value & 0xffffff else value | self.rng.randrange(1, 1 << 24)

    def buddy_with_low_bits(self, pfn, order):
        first = page(**self.list_links(), private=order, mapcount=self._low_bits('buddy'))
        return [first] + [page()] * ((1 << order) - 1)

    def offline_with_low_bits(self, pfn, order):
        return [page(mapcount=self._low_bits('offline'), refcount=1)]

    def slab_that_looks_like_a_tail(self, pfn, order):
        """A user's compound page, and behind it a slab whose first word happens to name that head."""
        slab = list(PAGE_STRUCT.unpack(self.slab(pfn + 4, 0)[0]))
        slab[1] = self.vaddr_of(pfn) | 1
        return self.anon(pfn, 2) + [PAGE_STRUCT.pack(*slab)] + [page(refcount=1)] * 3

    def anon_without_pointer(self, pfn, order):
        return [page(mapping=self.rng.choice((1, 3, 0x7f0012345001)), refcount=1)]

    def typed_with_odd_mapping(self, pfn, order):
        """Page types claim the mapcount, so a mapping means what the type says."""
        return [page(mapping=self.pointer() | 1, mapcount=self.s.types['table'], refcount=1)]

    def tail_of_no_head(self, pfn, order):
        """Names a page that is no head."""
        tails = [page(w8=self.vaddr_of(pfn) | 1), page(w8=self.vaddr_of(pfn + 1) | 1)]
        return [page(refcount=1), *tails, page(refcount=1)]

    def tail_into_nowhere(self, pfn, order):
        return [page(w8=self.rng.choice((self.vaddr_of(pfn) + 0x21, 1, 0xffffffffffffffff, self.direct_map | 1)))]


def _all(cls):
    return lambda order: [cls] * (1 << order)


def _poisoned_tail(cls):
    return lambda order: [cls] * ((1 << order) - 1) + [HWPOISON]


# name -> (orders, classes of the block's pages). Both generations of rules agree about these.
COMMON_KINDS = {
    'reserved': ((0,), _all(KERNEL)), 'kalloc': ((0, 2), _all(KERNEL)), 'kcompound': ((1, 2, 3), _all(KERNEL)),
    'pgtable': ((0,), _all(KERNEL)), 'guard': ((0,), _all(KERNEL)), 'movable': ((0,), _all(KERNEL)),
    'pcp': ((0,), _all(KERNEL)), 'checked': ((0,), _all(KERNEL)), 'swapbacked_only': ((0,), _all(KERNEL)),
    'slab': ((0, 1, 3), _all(KERNEL)),
    'buddy': (tuple(range(11)), _all(FREE)),
    'cache': ((0, 0, 2, 4), _all(CACHE)), 'cache_shmem_swap': ((0,), _all(CACHE)),
    'cache_private': ((0, 0, 2), _all(CACHE_PRIVATE)),
    'anon': ((0, 0, 2, 4, 9), _all(USER)), 'anon_isolated': ((0,), _all(USER)), 'anon_swapcache': ((0,), _all(USER)),
    'ksm': ((0,), _all(USER)), 'hugetlb': ((9,), _all(USER)),
    'offline': ((0, 3), _all(OFFLINE)), 'hwpoison': ((0,), _all(HWPOISON)),
}

PECULIAR_KINDS = {
    'slab_alias': ((0, 1, 3), _all(KERNEL)),
    'uninitialised': ((0, 2), _all(KERNEL)),
    'poisoned_tail': ((2,), _poisoned_tail(KERNEL)), 'poisoned_user_tail': ((2,), _poisoned_tail(USER)),
    'buddy_wild_order': ((0,), _all(UNKNOWN)),
    'buddy_misaligned': ((4,), lambda order: [KERNEL, UNKNOWN] + [KERNEL] * 14),
    'buddy_with_slab_inside': ((3,), lambda order: [FREE] * 5 + [KERNEL] + [FREE] * 2),
    'buddy_with_low_bits': ((0, 3), _all(FREE)), 'offline_with_low_bits': ((0,), _all(OFFLINE)),
    'slab_that_looks_like_a_tail': ((3,), lambda order: [USER] * 4 + [KERNEL] * 4),
    'anon_without_pointer': ((0,), _all(KERNEL)), 'typed_with_odd_mapping': ((0,), _all(KERNEL)),
    'tail_of_no_head': ((2,), lambda order: [KERNEL, UNKNOWN, UNKNOWN, KERNEL]),
    'tail_into_nowhere': ((0,), _all(UNKNOWN)),
}
