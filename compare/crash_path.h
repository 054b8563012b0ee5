/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CRASH_PATH_H
#define COMPARE_CRASH_PATH_H

#include "compare/side.h"

/**
 * What the crashed kernel writes on its way into the capture kernel: its log, the stacks of its CPUs, and the variables of
 * compare/crash_objects.h. Where the hypervisor stopped the guest on that way, these bytes may differ, and no others.
 */
struct crash_path;

/**
 * Did the hypervisor stop the guest before the jump into the capture kernel? True only where every vCPU shows by its
 * registers that it does not run in the reservation; false also where nobody can tell.
 */
bool crash_path_is_open(const struct side *outer);

/**
 * Prove by the kernel's symbols, page tables and saved registers where these bytes lie. Places that cannot be proved are
 * left out. NULL: out of memory, or nothing was proved.
 */
struct crash_path *crash_path_new(const struct side *inner, const struct side *outer);
void crash_path_free(struct crash_path *cp);

/** Do @a and @b, both the page @pfn of @page_size bytes, differ in such bytes only? */
bool crash_path_explains(const struct crash_path *cp, uint64_t pfn, const uint8_t *a, const uint8_t *b,
			 uint32_t page_size);

#endif
