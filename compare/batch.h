/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_BATCH_H
#define COMPARE_BATCH_H

#include "common/err.h"
#include "formats/physmem.h"

#define BATCH_MAX_PAGES 256u
/** Of one dump; larger pages make a batch of fewer. */
#define BATCH_MAX_BYTES ((size_t)MIB)

/**
 * Some pages of both dumps, read and held against each other: all that can be done without knowing what the pages before
 * them were. Each batch has readers of its own, so threads work on several at once.
 */
struct batch {
	struct physmem *inner, *outer; /**< owned if owns_readers */
	bool owns_readers;
	uint32_t page_size;
	size_t max_pages;
	uint8_t *inner_pages, *outer_pages; /**< max_pages each */
	/* The owner sets these, ... */
	uint64_t start_pfn;
	size_t nr;
	/* ... and batch_work() those. */
	enum page_state inner_state[BATCH_MAX_PAGES], outer_state[BATCH_MAX_PAGES];
	bool same[BATCH_MAX_PAGES]; /**< both have bytes of the page, and they are equal */
};

/** How many pages of @page_size bytes a batch has: a power of two. */
size_t batch_pages(uint32_t page_size);

/**
 * Readers of its own where the dumps allow it; else the batch borrows @inner and @outer, and only one batch may be worked
 * on at a time: *@alone.
 */
enum status batch_init(struct batch *b, struct physmem *inner, struct physmem *outer, bool *alone,
		       struct err *err) __must_check;
void batch_deinit(struct batch *b);

/** A pool_work_fn. */
void batch_work(void *ctx, unsigned worker, void *item);

#endif
