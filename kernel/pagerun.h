/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_PAGERUN_H
#define KERNEL_PAGERUN_H

#include <string.h>

#include "kernel/pageclass.h"

/**
 * Runs of struct pages of which a short look tells the class. The answers are those that kernel/pageclass.h gives page by
 * page; where more than a short look is needed the run ends, and what follows is for the long way. Most of a machine's
 * memory lies in such runs, and there speed is decided.
 */
struct page_runs {
	size_t size; /**< of struct page, bytes */
	size_t off_flags, off_mapcount, off_mapping, off_refcount, off_link;
	uint64_t mask_lru, mask_private;
	uint64_t mask_swap, swap; /**< flags & @mask_swap == @swap is a sign of cache; not known: never equal */
	uint64_t loud;	     /**< flags that ask for the long way */
	uint64_t loud_tail;  /**< the same for tails */
	uint64_t loud_inner; /**< the same inside a free block */
	uint8_t class[8];    /**< of an untyped single page, by what it shows */
};

/** False: this layout is none for short looks, take the long way for all pages. */
bool page_runs_init(struct page_runs *r, const struct page_layout *l);

/* include/linux/page-flags.h, PAGE_MAPCOUNT_RESERVE: a count of mappings is not below this, a page type is. */
#define PAGE_LEAST_MAPCOUNT (-127)

static inline uint64_t page_run_word(const uint8_t *raw, size_t off)
{
	uint64_t v;

	memcpy(&v, raw + off, sizeof(v));
	return v;
}

static inline int32_t page_run_half(const uint8_t *raw, size_t off)
{
	int32_t v;

	memcpy(&v, raw + off, sizeof(v));
	return v;
}

/** Is the page at @raw a single one, without a type? */
static inline bool page_run_is_single(const struct page_runs *r, const uint8_t *raw)
{
	return !((page_run_word(raw, r->off_flags) & r->loud) | (page_run_word(raw, r->off_link) & 1) |
		 (page_run_half(raw, r->off_mapcount) < PAGE_LEAST_MAPCOUNT));
}

/**
 * How many of the @nr struct pages at @raw, from the first on, are single pages without a type. The class of each goes to @class,
 * as a byte. Not for pages inside a free block.
 */
size_t page_run_single(const struct page_runs *restrict r, const uint8_t *restrict raw, size_t nr, uint8_t *restrict class);

/** How many may be inner pages of a free block and are PAGE_CLASS_FREE. */
size_t page_run_inside_free(const struct page_runs *r, const uint8_t *raw, size_t nr);

/** How many are tails with just the link @link. */
size_t page_run_tails(const struct page_runs *r, const uint8_t *raw, size_t nr, uint64_t link);

#endif
