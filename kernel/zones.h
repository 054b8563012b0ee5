/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_ZONES_H
#define KERNEL_ZONES_H

#include "kernel/kmodel.h"

/**
 * The kernel's own count of the free pages in its zones' free lists (zone.free_area[order].nr_free, or NR_FREE_PAGES where
 * that is more), all of it told by VMCOREINFO. False where something is missing, unreadable or absurd; then *@pages is untouched.
 */
bool zones_free_pages(struct kmodel *km, uint64_t *pages);

#endif
