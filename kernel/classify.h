/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_CLASSIFY_H
#define KERNEL_CLASSIFY_H

#include "kernel/memmap.h"
#include "kernel/pageclass.h"

/**
 * Classify page frames in ascending order. Remembers across calls what one page says of others: a compound head of its
 * tails, a free block of its pages.
 */
struct classifier;

enum status classifier_open(struct kmodel *km, struct classifier **c, struct err *err) __must_check;
/** Another one for another thread, through @km, a clone of the first one's; to be closed before @c is. */
enum status classifier_clone(const struct classifier *c, struct kmodel *km, struct classifier **clone, struct err *err)
	__must_check;
void classifier_close(struct classifier *c);

/** Pages that classifier_run() likes to be given at once: a multiple of this, aligned to it. */
#define CLASSIFY_BATCH_PAGES 4096u

/**
 * Classify [@start_pfn, @end_pfn), at most CLASSIFY_BATCH_PAGES, ascending from call to call: one byte a page to @class. What lies in between may be
 * another's work: where it is left out and taken up at multiples of CLASSIFY_BATCH_PAGES, the classes are the same.
 */
void classifier_run(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, uint8_t *class);

/** Of a kernel page in the last batch that was run: its kind, a tail's being its head's. */
enum kernel_kind classifier_kernel_kind(struct classifier *c, uint64_t pfn);

/** The struct page of any page frame, decoded; false where there is none. */
bool classifier_facts(struct classifier *c, uint64_t pfn, struct page_facts *f);

/** The memory map that it reads; borrowed. */
const struct memmap *classifier_memmap(const struct classifier *c);

/** What a classifier has seen beside classes, since it was last asked. All of it is PAGE_CLASS_KERNEL. */
struct classify_counts {
	uint64_t slab;			     /**< slab pages and, where they are told, large kmallocs */
	uint64_t reserved[PAGE_CLASS_COUNT]; /**< PG_reserved, and yet they looked like this */
};
void classifier_take_counts(struct classifier *c, struct classify_counts *counts);

/** Sections of RAM whose part of the memory map is missing. */
uint64_t classifier_sections_missing(const struct classifier *c);

#endif
