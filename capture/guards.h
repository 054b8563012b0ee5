/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_GUARDS_H
#define CAPTURE_GUARDS_H

#include "emit/pageset.h"
#include "kernel/anchors.h"
#include "kernel/pageclass.h"

struct guard_range {
	uint64_t start_pfn, end_pfn;
	enum anchor anchor;
};

/**
 * Page frames that no dump level leaves out, whatever a struct page says: kernel/anchors.h. A guard that fires means that
 * the rules are wrong, or the memory map is damaged. Poisoned pages are not guarded: reading one may end the machine.
 */
struct guards {
	struct guard_range *ranges; /**< ascending, disjoint after guards_init() */
	size_t nr, capacity;
	bool full; /**< no more room is to be had */
	uint64_t nr_untold; /**< ranges that found no room */
	uint64_t fired[ANCHOR_COUNT]; /**< pages */
};

/** Never fails: what there is no memory for is not guarded, and counted. */
void guards_init(struct guards *g, struct kmodel *km, const struct memmap *mm);
void guards_deinit(struct guards *g);

/**
 * The @nr_pages pages from @start_pfn on whose bits are set in @drop are to be taken out of @keep: clear the bits of those that
 * are guarded, and count them.
 */
void guards_spare(struct guards *g, const struct pageset *keep, uint64_t start_pfn, uint64_t nr_pages, uint64_t *drop);

#endif
