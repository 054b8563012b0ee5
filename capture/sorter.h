/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_SORTER_H
#define CAPTURE_SORTER_H

#include "kernel/classify.h"

/** What is sorted in one go: 2 MiB of struct pages, mostly. A multiple of CLASSIFY_BATCH_PAGES. */
#define SORTER_PART_PAGES 32768u
#define SORTER_PART_WORDS (SORTER_PART_PAGES / 64)

/** A stretch of page frames, all of which exist, and what is to become of them. Bit i is that of start_pfn + i. */
struct sorted_part {
	uint64_t start_pfn, end_pfn; /**< the owner's, read by the worker */
	/* The rest is the worker's, read by the owner afterwards. */
	uint64_t by_class[PAGE_CLASS_COUNT];
	struct classify_counts counts;
	bool has_poison;
	uint64_t drop[SORTER_PART_WORDS];   /**< left out at this level, unless something proves them the kernel's own */
	uint64_t poison[SORTER_PART_WORDS]; /**< left out, whatever else is said of them */
};

/** Sorts page frames by what a level leaves out: one thread's, with readers of its own. Makes no decision about guards. */
struct sorter {
	struct physmem *pm;	  /**< owned where it is a clone */
	struct kmodel *km;	  /**< the same */
	struct classifier *c;
	bool is_clone;
	uint64_t drops;		  /**< 1 << class of what the level leaves out */
	uint8_t class[SORTER_PART_PAGES]; /**< of the part in work */
};

/** For the thread that owns @km. @drops: the sum of 1 << class of what the level leaves out. */
enum status sorter_init(struct sorter *s, struct kmodel *km, uint64_t drops, struct err *err) __must_check;
/** For another thread; to be released before @from is. ST_UNSUPPORTED: the source has one reader only. */
enum status sorter_clone(struct sorter *s, const struct sorter *from, struct err *err) __must_check;
void sorter_deinit(struct sorter *s);

/** Fill @part, whose place is given: at most SORTER_PART_PAGES that do not cross a multiple of it. */
void sorter_run(struct sorter *s, struct sorted_part *part);

#endif
