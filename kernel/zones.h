/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_ZONES_H
#define KERNEL_ZONES_H

#include "kernel/kmodel.h"

/** Free pages as the kernel's zones count them, in two ways that agree but for what was on its way. */
struct zones_free {
	uint64_t listed; /**< in the free lists: zone.free_area[order].nr_free */
	uint64_t least, most; /**< sums of the smaller and of the larger of that and NR_FREE_PAGES, zone by zone */
};

/**
 * All of it told by VMCOREINFO. False where something is missing, unreadable or absurd; then *@free is untouched. Where there
 * is no NR_FREE_PAGES, the lists alone count.
 */
bool zones_free_pages(struct kmodel *km, struct zones_free *free);

#endif
