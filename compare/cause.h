/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CAUSE_H
#define COMPARE_CAUSE_H

#include "compare/compare.h"
#include "compare/side.h"

/** What is known of a place in physical memory, by which a difference there can be explained. */
struct place {
	const struct iomem *iomem; /**< NULL: the kernel's resource tree was not found */
	uint32_t page_size;
};

/** The cause that the place alone gives to page @pfn; CAUSE_NONE where the place is plain System RAM, or not known. */
enum cause cause_of_place(const struct place *p, uint64_t pfn);

/**
 * Which bytes [*@from, *@to) of page @pfn are System RAM, where that is a proper part of the page. False: all, none, or
 * not known.
 */
bool cause_ram_part(const struct place *p, uint64_t pfn, uint32_t *from, uint32_t *to);

#endif
