// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/pagerun.h"

/* What an untyped single page shows, as bits of an index. */
enum { SHOWS_ANON = 1, SHOWS_CACHE = 2, SHOWS_PRIVATE = 4 };

/* A type that could be a count of mappings is nonsense, and the long way knows what becomes of it. */
static bool is_type(const struct page_type_match *m)
{
	return !m->known || (int32_t)(m->value | ~m->mask) < PAGE_LEAST_MAPCOUNT;
}

bool page_runs_init(struct page_runs *r, const struct page_layout *l)
{
	if (l->word_bytes != 8 || l->order != ORDER_NATIVE || !is_type(&l->slab) || !is_type(&l->buddy) ||
	    !is_type(&l->offline) || !is_type(&l->hugetlb) || !is_type(&l->unaccepted) || !is_type(&l->zsmalloc))
		return false;
	*r = (struct page_runs){
		.size = l->size,
		.off_flags = l->off_flags,
		.off_mapcount = l->off_mapcount,
		.off_mapping = l->off_mapping,
		.off_refcount = l->off_refcount,
		.off_link = l->off_compound_head,
		.mask_lru = l->mask_lru,
		.mask_private = l->mask_private,
		.swap = 1,
		.loud = l->mask_slab | l->mask_hwpoison | l->mask_head | l->mask_reserved,
		.loud_tail = l->mask_slab | l->mask_hwpoison | l->mask_reserved,
	};
	r->loud_inner = r->loud | l->mask_lru;
	if (l->mask_swapbacked && l->mask_swapcache)
		r->mask_swap = r->swap = l->mask_swapbacked | l->mask_swapcache;
	/* Struct pages that nobody initialised are all ones, and must be loud among single pages. */
	if (!(l->mask_head & UINT32_MAX))
		return false;
	for (unsigned shows = 0; shows < ARRAY_SIZE(r->class); shows++) {
		enum page_class class = PAGE_CLASS_KERNEL;

		if (shows & SHOWS_ANON)
			class = PAGE_CLASS_USER;
		else if (shows & SHOWS_CACHE)
			class = shows & SHOWS_PRIVATE || !l->mask_private ? PAGE_CLASS_CACHE_PRIVATE : PAGE_CLASS_CACHE;
		r->class[shows] = (uint8_t)class;
	}
	return true;
}

size_t page_run_single(const struct page_runs *restrict r, const uint8_t *restrict raw, size_t nr, uint8_t *restrict class)
{
	size_t n = 0;

	/* No branches on what differs from page to page. */
	for (; n < nr && page_run_is_single(r, raw); n++, raw += r->size) {
		uint64_t flags = page_run_word(raw, r->off_flags), mapping = page_run_word(raw, r->off_mapping);
		unsigned shows;

		shows = (unsigned)(mapping >> 63 & mapping) * SHOWS_ANON;
		shows |= (unsigned)(((flags & r->mask_lru) != 0) | ((flags & r->mask_swap) == r->swap)) * SHOWS_CACHE;
		shows |= (unsigned)((flags & r->mask_private) != 0) * SHOWS_PRIVATE;
		class[n] = r->class[shows];
	}
	return n;
}

size_t page_run_inside_free(const struct page_runs *r, const uint8_t *raw, size_t nr)
{
	size_t n = 0;

	for (; n < nr; n++, raw += r->size)
		if ((page_run_word(raw, r->off_flags) & r->loud_inner) | (page_run_word(raw, r->off_link) & 1) |
		    (uint32_t)page_run_half(raw, r->off_refcount) | (page_run_half(raw, r->off_mapcount) < PAGE_LEAST_MAPCOUNT))
			break;
	return n;
}

size_t page_run_tails(const struct page_runs *r, const uint8_t *raw, size_t nr, uint64_t link)
{
	size_t n = 0;

	/* A typed tail may say slab. Up to 6.17 most tails have a count there, else the long way takes them one by one. */
	for (; n < nr; n++, raw += r->size)
		if ((page_run_word(raw, r->off_flags) & r->loud_tail) | (page_run_word(raw, r->off_link) ^ link) |
		    (page_run_half(raw, r->off_mapcount) < PAGE_LEAST_MAPCOUNT))
			break;
	return n;
}
