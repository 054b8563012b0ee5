/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_PLAN_H
#define CAPTURE_PLAN_H

#include "capture/guards.h"
#include "capture/trust.h"
#include "emit/pageset.h"
#include "kernel/kmodel.h"
#include "kernel/pageclass.h"

/** Called now and then while planning, with how many of the present pages were looked at. False: give up, keep the rest. */
typedef bool (*plan_step_fn)(void *ctx, uint64_t pages_done, uint64_t pages_total);

struct plan_config {
	unsigned level;		  /**< makedumpfile's mask */
	const char *why_no_model; /**< where there is no kmodel */
	plan_step_fn step;	  /**< may be NULL; called by the thread that plans */
	void *ctx;
	unsigned nr_threads;	  /**< that work, the caller included; 0 is 1. The plan is the same for any number */
	uint64_t memory_bytes;	  /**< that may be taken, page set and all; less than the least that works is no error. 0: no limit */
};

/** Which pages to keep, and what was counted on the way. */
struct plan {
	struct pageset keep;
	bool filtered;		/**< false: no usable memory map, everything is kept */
	char why_unfiltered[256];
	uint64_t by_class[PAGE_CLASS_COUNT];
	uint64_t pages_not_in_source; /**< present, but the source dump itself holds no byte of them */
	struct guards guards;	      /**< after plan_init() only the counts */
	uint64_t reserved_fired;      /**< pages with PG_reserved that the rules would have dropped: kept */
	uint64_t slab;		      /**< of the kernel's: see struct classify_counts */
	uint64_t sections_missing;    /**< parts of RAM whose memory map could not be read, or not be trusted: kept */
	uint64_t sections_disagreeing; /**< of these: mem_section and vmemmap put it in different places */
};

/**
 * Decide for every present page of @pm. Writes nothing. @km may be NULL with a reason in @config: nothing is filtered. Only a
 * lack of memory is an error, and fewer threads are tried first; every other trouble means that more is kept: what cannot be
 * read is, and so is all that was not looked at when a step says stop.
 */
enum status plan_init(struct plan *plan, struct physmem *pm, struct kmodel *km, const struct plan_config *config,
		      struct err *err) __must_check;
/**
 * Decide once more about the pages of the same @pm. Takes no page set of its own; without memory for a filter, all pages
 * are kept.
 */
void plan_again(struct plan *plan, struct physmem *pm, struct kmodel *km, const struct plan_config *config);
void plan_deinit(struct plan *plan);

/** What the plan has seen, for trust_weigh(). */
struct trust_seen plan_seen(const struct plan *plan);

#endif
