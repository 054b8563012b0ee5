/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_STRETCH_H
#define COMPARE_STRETCH_H

#include "common/err.h"
#include "formats/physmem.h"

#define STRETCH_MAX_PAGES 256u
/** Of one dump; larger pages make a stretch of fewer. */
#define STRETCH_MAX_BYTES ((size_t)MIB)

/**
 * Some pages of both dumps, read and held against each other: all that can be done without knowing what the pages before
 * them were. Each stretch has readers of its own, so threads work on several at once.
 */
struct stretch {
	struct physmem *inner, *outer; /**< owned if owns_readers */
	bool owns_readers;
	uint32_t page_size;
	size_t max_pages;
	uint8_t *inner_pages, *outer_pages; /**< max_pages each */
	/* The owner sets these, ... */
	uint64_t start_pfn;
	size_t nr;
	/* ... and stretch_work() those. */
	enum page_state inner_state[STRETCH_MAX_PAGES], outer_state[STRETCH_MAX_PAGES];
	bool same[STRETCH_MAX_PAGES]; /**< both have bytes of the page, and they are equal */
};

/** How many pages of @page_size bytes a stretch has: a power of two. */
size_t stretch_pages(uint32_t page_size);

/**
 * Readers of its own where the dumps allow it; else the stretch borrows @inner and @outer, and only one stretch may be worked
 * on at a time: *@alone.
 */
enum status stretch_init(struct stretch *b, struct physmem *inner, struct physmem *outer, bool *alone,
		       struct err *err) __must_check;
void stretch_deinit(struct stretch *b);

/** A pool_work_fn. */
void stretch_work(void *ctx, unsigned worker, void *item);

#endif
