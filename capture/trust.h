/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_TRUST_H
#define CAPTURE_TRUST_H

#include "kernel/pageclass.h"
#include "kernel/vmstat.h"
#include "kernel/zones.h"

/**
 * Page classes against the crashed kernel's own counters. Rules that fit the kernel and a sound memory map find what it
 * counted; where the two are far apart, one of them is wrong, and what cannot be trusted is not left out.
 */
enum trust_check {
	TRUST_FREE,
	TRUST_CACHE,
	TRUST_USER,
	TRUST_SLAB,    /**< not a class that is left out, but one that was often taken for one */
	TRUST_MANAGED, /**< free, cache, user and slab pages together, against all that the allocator ever had */
	TRUST_COUNT,
};

/** "free", "cache", "user", "slab", "managed": also the JSON keys. */
const char *trust_name(enum trust_check c);

struct trust_row {
	bool known;	/**< the counters were found; else nothing here counts */
	bool far_apart;
	uint64_t seen;	/**< pages that the plan found */
	uint64_t least, most; /**< that the kernel's counters allow, were they exact */
};

struct trust {
	struct vmstat counters;
	bool has_free;
	bool tells_large_kmallocs; /**< the kernel counts them as slab, and so do we */
	struct zones_free free;
	struct trust_row rows[TRUST_COUNT];
};

/** What a walk over the memory map found. */
struct trust_seen {
	uint64_t pages;		   /**< that the dump has */
	uint64_t by_class[PAGE_CLASS_COUNT];
	uint64_t slab;		   /**< of the kernel's */
	uint64_t sections_missing; /**< parts of the memory map that could not be looked at */
};

/** Read the counters of @km and judge. */
void trust_weigh(struct trust *t, struct kmodel *km, const struct trust_seen *seen);

/** The judging alone: fills in rows from what else is in @t. @nr_cpus: that kept counts to themselves. Pure. */
void trust_judge(struct trust *t, const struct trust_seen *seen, unsigned nr_cpus);

/** Pages outside of least and most; 0 where within. */
uint64_t trust_distance(const struct trust_row *row);

/** What is left of @level where nothing is left out that cannot be trusted. */
unsigned trust_level(const struct trust *t, unsigned level);

/** The rows that are far apart, in a line of words; empty where none is. */
void trust_describe(const struct trust *t, char *buf, size_t len);

struct json_t;
/** For reports: pages of each class. NULL: no memory. */
struct json_t *trust_classes_json(const uint64_t by_class[PAGE_CLASS_COUNT]);
/** For reports: what the kernel counted, null where that is not known; and the rows. NULL: no memory. */
struct json_t *trust_counters_json(const struct trust *t);
struct json_t *trust_checks_json(const struct trust *t);

#endif
