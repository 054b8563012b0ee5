/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_ANCHORS_H
#define KERNEL_ANCHORS_H

#include "kernel/memmap.h"

/** Memory that is the kernel's own beyond doubt, known without asking any struct page. */
enum anchor {
	ANCHOR_IMAGE,	   /**< text, read-only data, data and bss, less what the kernel freed after boot */
	ANCHOR_PAGE_TABLE, /**< tables that lead to the image, the memory map and the other anchors */
	ANCHOR_MEMORY_MAP, /**< the struct pages themselves */
	ANCHOR_PERCPU,	   /**< the areas of the kernel's static per-CPU variables */
	ANCHOR_NOTES,	   /**< crash notes of the CPUs, VMCOREINFO */
	ANCHOR_COUNT,
};

/** "image", "page_table", "memory_map", "percpu", "notes": also the JSON keys. */
const char *anchor_name(enum anchor a);

/** Told of physical bytes [@start, @end), in no order; the same more than once. */
typedef void (*anchor_fn)(void *ctx, enum anchor a, uint64_t start, uint64_t end);

/**
 * Find them all by the kernel's page tables, VMCOREINFO and, where it can be read, the symbol table (5.10 has none in
 * VMCOREINFO: there only single pages of the image are known). What cannot be found is left out, and what lies behind
 * millions of page-table entries. @mm may be NULL.
 */
void anchors_walk(struct kmodel *km, const struct memmap *mm, anchor_fn fn, void *ctx);

#endif
