/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CAUSE_H
#define COMPARE_CAUSE_H

#include "compare/compare.h"
#include "compare/side.h"

/** What is known of places in physical memory, by which a difference there can be explained. */
struct place {
	const struct iomem *iomem; /**< NULL: the kernel's resource tree was not found */
	uint32_t page_size;
	struct range crash_cma[SIDE_MAX_CMA]; /**< physical bytes */
	size_t nr_crash_cma;
	/* The last answer and the bytes for which it holds: pages are asked for in runs, and a tree can be long. */
	struct range known;
	enum cause known_cause;
};

/** The cause that the place alone gives to page @pfn; CAUSE_NONE where the place is plain System RAM, or not known. */
enum cause cause_of_place(struct place *p, uint64_t pfn);

/**
 * Which bytes [*@from, *@to) of page @pfn are System RAM, where that is a proper part of the page. False: all, none, or
 * not known.
 */
bool cause_ram_part(const struct place *p, uint64_t pfn, uint32_t *from, uint32_t *to);

#endif
