/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CRASH_OBJECTS_H
#define COMPARE_CRASH_OBJECTS_H

#include "kernel/kmodel.h"

/** Who is told of what was found; addresses are virtual, and may lie anywhere. */
struct crash_objects_sink {
	void (*object)(void *ctx, uint64_t vaddr, uint64_t len_bytes);
	void (*in_stack)(void *ctx, uint64_t vaddr); /**< of some byte in a stack, which may reach to either side */
	void *ctx;
};

/**
 * Find the variables that a kernel writes from panic() to the jump into the capture kernel, by its own tables of symbols and
 * types. A variable is told from its symbol to the next one and never more than it can be large. What the tables do not
 * name, or name twice, is left out, and so is what belongs to the CPU that panics where nothing says which one that is. For
 * x86_64 since 6.0, whose VMCOREINFO leads to the tables.
 */
void crash_objects_find(struct kmodel *km, const struct crash_objects_sink *sink);

#endif
