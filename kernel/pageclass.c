// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules by which a struct page tells what its page is used for. Feature tests, never version tests: each rule holds
 * only where VMCOREINFO names what it needs, and what no rule claims is kernel memory.
 */
#include "kernel/pageclass.h"

#include <string.h>

/* include/linux/page-flags.h: in the low bits of page.mapping */
#define MAPPING_ANON 1u
/*
 * include/linux/page-flags.h: a page_type is below this, a count of mappings is not (PAGE_MAPCOUNT_RESERVE). Up to 4.17 the very
 * value means a free page (PAGE_BUDDY_MAPCOUNT_VALUE), since then nothing.
 */
#define MAPCOUNT_RESERVE (-128)

const char *page_class_name(enum page_class c)
{
	static const char *const names[] = {
		[PAGE_CLASS_UNKNOWN] = "unknown",	    [PAGE_CLASS_KERNEL] = "kernel",
		[PAGE_CLASS_FREE] = "free",		    [PAGE_CLASS_CACHE] = "cache",
		[PAGE_CLASS_CACHE_PRIVATE] = "cache_private", [PAGE_CLASS_USER] = "user",
		[PAGE_CLASS_OFFLINE] = "offline",	    [PAGE_CLASS_HWPOISON] = "hwpoison",
	};

	return names[c];
}

static uint64_t flag_mask(const struct vmcoreinfo *vi, const char *name)
{
	int64_t bit;

	return vmcoreinfo_number(vi, name, &bit) && bit >= 0 && bit < 64 ? UINT64_C(1) << bit : 0;
}

/*
 * Since commit 4ffca5a96678 ("mm: support only one page_type per page") a type is the top byte and the low 24 bits are free
 * for other use; before, it is a pattern of cleared bits. The exported value itself tells which: only a top-byte type
 * has nothing in its low 24 bits.
 */
static void type_match_init(struct page_type_match *m, const struct vmcoreinfo *vi, const char *name)
{
	int64_t v;

	*m = (struct page_type_match){ 0 };
	if (!vmcoreinfo_number(vi, name, &v))
		return;
	m->known = true;
	m->value = (uint32_t)v;
	m->mask = m->value & 0x00ffffff ? UINT32_MAX : 0xff000000;
}

static bool type_matches(const struct page_type_match *m, const struct page_facts *f)
{
	return m->known && (f->mapcount & m->mask) == m->value;
}

static enum status need_offset(const struct vmcoreinfo *vi, const char *name, size_t width, const struct page_layout *l,
			       size_t *off, struct err *err)
{
	uint64_t v;

	if (!vmcoreinfo_offset(vi, name, &v))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO has no OFFSET(%s)", name);
	if (!span_within(v, width, l->size))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO's OFFSET(%s) lies outside struct page", name);
	*off = (size_t)v;
	return ST_OK;
}

static enum status learn_offsets(struct page_layout *l, const struct vmcoreinfo *vi, struct err *err)
{
	const struct {
		const char *name, *older;
		size_t width, *off;
	} fields[] = {
		{ "page.flags", NULL, l->word_bytes, &l->off_flags },
		{ "page._mapcount", NULL, 4, &l->off_mapcount },
		{ "page.mapping", NULL, l->word_bytes, &l->off_mapping },
		{ "page.private", NULL, l->word_bytes, &l->off_private },
		{ "page._refcount", "page._count", 4, &l->off_refcount },
		{ "page.compound_info", "page.compound_head", l->word_bytes, &l->off_compound_head },
	};
	uint64_t size;

	if (!vmcoreinfo_size(vi, "page", &size) || size < 32 || size > PAGE_STRUCT_MAX)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO's SIZE(page) is missing or makes no sense");
	l->size = (size_t)size;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t ignored;
		const char *name = fields[i].name;
		enum status st;

		if (fields[i].older && !vmcoreinfo_offset(vi, name, &ignored))
			name = fields[i].older;
		st = need_offset(vi, name, fields[i].width, l, fields[i].off, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static void learn_flags(struct page_layout *l, const struct vmcoreinfo *vi)
{
	int64_t n;

	l->mask_lru = flag_mask(vi, "PG_lru");
	l->mask_private = flag_mask(vi, "PG_private");
	l->mask_swapcache = flag_mask(vi, "PG_swapcache");
	l->mask_swapbacked = flag_mask(vi, "PG_swapbacked");
	l->mask_slab = flag_mask(vi, "PG_slab");
	l->mask_reserved = flag_mask(vi, "PG_reserved");
	l->mask_hwpoison = flag_mask(vi, "PG_hwpoison");
	l->mask_hugetlb_second = flag_mask(vi, "PG_hugetlb");
	if (vmcoreinfo_number(vi, "PG_head_mask", &n))
		l->mask_head = (uint64_t)n;
}

static void learn_types(struct page_layout *l, const struct vmcoreinfo *vi)
{
	uint64_t off, orders;
	int64_t dtor;

	type_match_init(&l->buddy, vi, "PAGE_BUDDY_MAPCOUNT_VALUE");
	type_match_init(&l->offline, vi, "PAGE_OFFLINE_MAPCOUNT_VALUE");
	type_match_init(&l->hugetlb, vi, "PAGE_HUGETLB_MAPCOUNT_VALUE");
	type_match_init(&l->slab, vi, "PAGE_SLAB_MAPCOUNT_VALUE");
	type_match_init(&l->unaccepted, vi, "PAGE_UNACCEPTED_MAPCOUNT_VALUE");
	type_match_init(&l->zsmalloc, vi, "PAGE_ZSMALLOC_MAPCOUNT_VALUE");
	type_match_init(&l->large_kmalloc, vi, "PAGE_LARGE_KMALLOC_MAPCOUNT_VALUE");
	if (vmcoreinfo_length(vi, "zone.free_area", &orders) && orders <= 32)
		l->max_order = (unsigned)orders;
	if (!vmcoreinfo_number(vi, "HUGETLB_PAGE_DTOR", &dtor))
		return;
	/* Linux 6.3 to 6.5 name it as a field of the folio, which overlays the head and the first tail. */
	if (vmcoreinfo_offset(vi, "page.compound_dtor", &off)) {
		l->has_hugetlb_dtor = off < l->size;
	} else if (vmcoreinfo_offset(vi, "folio._folio_dtor", &off) && off >= l->size) {
		off -= l->size;
		l->has_hugetlb_dtor = off < l->size;
	}
	l->off_compound_dtor = l->has_hugetlb_dtor ? (size_t)off : 0;
	l->hugetlb_dtor = (uint8_t)dtor;
}

enum status page_layout_init(struct page_layout *l, const struct vmcoreinfo *vi, enum byte_order order, bool is_64bit,
			     struct err *err)
{
	uint64_t ignored;
	enum status st;

	*l = (struct page_layout){ .order = order, .word_bytes = is_64bit ? 8 : 4 };
	st = learn_offsets(l, vi, err);
	if (st != ST_OK)
		return st;
	l->has_compound_info = vmcoreinfo_offset(vi, "page.compound_info", &ignored);
	learn_flags(l, vi);
	learn_types(l, vi);
	/*
	 * Slab memory overlays page.mapping: without a way to tell slab (a flag up to 6.9, a type since) a slab page could
	 * pass for a user page. Every kernel exports one of the two; one that does not is newer than these rules.
	 */
	if (!l->mask_slab && !l->slab.known)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO does not tell how to recognise slab pages");
	if (!l->mask_head)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO has no NUMBER(PG_head_mask)");
	return ST_OK;
}

static uint64_t get_word(const struct page_layout *l, const uint8_t *p)
{
	return l->word_bytes == 8 ? get_u64(p, l->order) : get_u32(p, l->order);
}

void page_facts_decode(const struct page_layout *l, const uint8_t *raw, struct page_facts *f)
{
	f->flags = get_word(l, raw + l->off_flags);
	f->mapping = get_word(l, raw + l->off_mapping);
	f->private = get_word(l, raw + l->off_private);
	f->compound_head = get_word(l, raw + l->off_compound_head);
	f->mapcount = get_u32(raw + l->off_mapcount, l->order);
	f->refcount = (int32_t)get_u32(raw + l->off_refcount, l->order);
	f->dtor = l->has_hugetlb_dtor ? raw[l->off_compound_dtor] : 0;
}

/*
 * Since Linux 7.1 a tail may hold a mask that turns its own address into its head's: all ones above the bits that tell the
 * struct pages of one compound page apart. A pointer never looks like that: it would point at the last bytes of the
 * address space.
 */
#define HEAD_MASK_MAX_BYTES (UINT64_C(1) << 40)

static bool is_head_mask(const struct page_layout *l, uint64_t link)
{
	uint64_t span = -(link & ~UINT64_C(1));

	if (l->word_bytes == 4)
		span &= UINT32_MAX;
	return l->has_compound_info && is_power_of_2(l->size) && is_power_of_2(span) && span >= 2 * l->size &&
	       span <= HEAD_MASK_MAX_BYTES;
}

bool page_is_tail(const struct page_layout *l, const struct page_facts *f, uint64_t vaddr, uint64_t *head_vaddr)
{
	uint64_t link = f->compound_head;

	*head_vaddr = is_head_mask(l, link) ? vaddr & link & ~UINT64_C(1) : link - 1;
	return page_has_tail_mark(f);
}

uint64_t page_tails_of_link(const struct page_layout *l, const struct page_facts *f, uint64_t vaddr)
{
	uint64_t span = -(f->compound_head & ~UINT64_C(1));

	if (!is_head_mask(l, f->compound_head))
		return UINT64_MAX;
	return max_u64((span - (vaddr & (span - 1))) / l->size, 1);
}

/* Struct pages that nobody initialised: page_init_poison() fills them with ones. */
static bool is_poisoned_struct(const struct page_facts *f)
{
	return f->flags == UINT64_MAX || f->flags == UINT32_MAX;
}

bool page_is_hwpoison(const struct page_layout *l, const struct page_facts *f)
{
	return f->flags & l->mask_hwpoison && !is_poisoned_struct(f);
}

bool page_is_slab(const struct page_layout *l, const struct page_facts *f)
{
	return f->flags & l->mask_slab || type_matches(&l->slab, f);
}

static bool has_page_type(const struct page_facts *f)
{
	return (int32_t)f->mapcount <= MAPCOUNT_RESERVE;
}

/* A hugetlb head up to 6.8, told by its first tail, which must name this very head. */
static bool is_hugetlb_by_tail(const struct page_layout *l, const struct page_facts *f, const struct page_facts *next,
			       uint64_t vaddr)
{
	uint64_t head;

	if (!page_is_head(l, f) || !next || !page_is_tail(l, next, vaddr + l->size, &head) || head != vaddr)
		return false;
	if (l->mask_hugetlb_second && next->flags & l->mask_hugetlb_second)
		return true;
	return l->has_hugetlb_dtor && next->dtor == l->hugetlb_dtor;
}

/* Bit 0 set, bit 1 perhaps (KSM), on a pointer into the kernel: other users of the field leave no such value. */
static bool is_anonymous(const struct page_layout *l, const struct page_facts *f)
{
	unsigned top = l->word_bytes * 8 - 1;

	return f->mapping & MAPPING_ANON && f->mapping >> top;
}

static bool is_cache(const struct page_layout *l, const struct page_facts *f)
{
	if (f->flags & l->mask_lru)
		return true;
	return l->mask_swapbacked && f->flags & l->mask_swapbacked && f->flags & l->mask_swapcache;
}

enum page_class page_class_of(const struct page_layout *l, const struct page_facts *f, const struct page_facts *next,
			      uint64_t vaddr)
{
	if (is_poisoned_struct(f))
		return PAGE_CLASS_KERNEL;
	if (page_is_hwpoison(l, f))
		return PAGE_CLASS_HWPOISON;
	if (page_is_slab(l, f))
		return PAGE_CLASS_KERNEL;
	if (has_page_type(f)) {
		if (type_matches(&l->buddy, f) || type_matches(&l->unaccepted, f))
			return PAGE_CLASS_FREE;
		if (type_matches(&l->offline, f))
			return PAGE_CLASS_OFFLINE;
		if (type_matches(&l->hugetlb, f) || type_matches(&l->zsmalloc, f))
			return PAGE_CLASS_USER;
		/* Page tables, guard pages, large kmalloc, network buffers, and types that are newer than this. */
		return PAGE_CLASS_KERNEL;
	}
	if (is_hugetlb_by_tail(l, f, next, vaddr) || is_anonymous(l, f))
		return PAGE_CLASS_USER;
	if (is_cache(l, f)) /* where nothing tells of private data, there may be some */
		return f->flags & l->mask_private || !l->mask_private ? PAGE_CLASS_CACHE_PRIVATE : PAGE_CLASS_CACHE;
	return PAGE_CLASS_KERNEL;
}

/*
 * VMCOREINFO does not export these types. Old style: PG_table cleared, PG_buddy being -129 tells the style. Top-byte style:
 * PGTY_table and PGTY_large_kmalloc follow PGTY_buddy (0xf0) in enum pagetype.
 */
#define OLD_STYLE_BUDDY 0xffffff7fu
#define OLD_STYLE_TABLE 0xfffffdffu
#define PGTY_TABLE 0xf2u
#define PGTY_LARGE_KMALLOC 0xf8u

enum kernel_kind page_kernel_kind(const struct page_layout *l, const struct page_facts *f)
{
	if (page_is_slab(l, f))
		return KERNEL_KIND_SLAB;
	if (!has_page_type(f))
		return KERNEL_KIND_OTHER;
	if (l->buddy.value == OLD_STYLE_BUDDY)
		return f->mapcount == OLD_STYLE_TABLE ? KERNEL_KIND_PAGE_TABLE : KERNEL_KIND_OTHER;
	if (f->mapcount >> 24 == PGTY_TABLE)
		return KERNEL_KIND_PAGE_TABLE;
	if (l->large_kmalloc.known)
		return type_matches(&l->large_kmalloc, f) ? KERNEL_KIND_LARGE_KMALLOC : KERNEL_KIND_OTHER;
	return f->mapcount >> 24 == PGTY_LARGE_KMALLOC ? KERNEL_KIND_LARGE_KMALLOC : KERNEL_KIND_OTHER;
}

uint64_t page_free_block_pages(const struct page_layout *l, const struct page_facts *f, uint64_t pfn)
{
	uint64_t order = f->private;

	/* Unaccepted memory (6.16 and later) comes in blocks of the highest order and keeps no order of its own. */
	if (type_matches(&l->unaccepted, f) && l->max_order)
		order = l->max_order - 1;
	if (order >= l->max_order || pfn & ((UINT64_C(1) << order) - 1))
		return 0;
	return UINT64_C(1) << order;
}

bool page_may_be_inside_free_block(const struct page_layout *l, const struct page_facts *f)
{
	return f->refcount == 0 && !page_has_tail_mark(f) && !has_page_type(f) &&
	       !(f->flags & (l->mask_slab | l->mask_lru | l->mask_hwpoison | l->mask_head));
}
