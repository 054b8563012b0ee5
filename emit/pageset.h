/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_PAGESET_H
#define EMIT_PAGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "formats/physmem.h"

/** A run of page frames that exist, and where its bits begin. */
struct pageset_run {
	uint64_t start_pfn, end_pfn;
	uint64_t first_index;
};

/**
 * A subset of the page frames that exist in a dump: one bit a present page, so that a sparse physical map costs nothing
 * for its holes.
 */
struct pageset {
	struct pageset_run *runs; /**< ascending, disjoint */
	size_t nr_runs;
	uint64_t nr_present;
	uint64_t nr_set;
	uint64_t *bits;
};

/** All present pages of @pm, all set. */
enum status pageset_init(struct pageset *ps, const struct physmem *pm, struct err *err) __must_check;
void pageset_deinit(struct pageset *ps);
/** As it was after pageset_init(). */
void pageset_set_all(struct pageset *ps);

/** Index of @pfn's bit; false where the page does not exist. */
bool pageset_index(const struct pageset *ps, uint64_t pfn, uint64_t *index);
bool pageset_test(const struct pageset *ps, uint64_t pfn);
/** Take @pfn out; nothing where it is not in. */
void pageset_clear(struct pageset *ps, uint64_t pfn);
void pageset_clear_range(struct pageset *ps, uint64_t start_pfn, uint64_t end_pfn);
/** Take out the pages whose bits are set in @bits: bit i is that of @start_pfn + i. All @nr_pages exist, in one run. */
void pageset_clear_bits(struct pageset *ps, uint64_t start_pfn, const uint64_t *bits, uint64_t nr_pages);

/** Pages from @end_pfn on do not even exist any more. */
void pageset_end_at(struct pageset *ps, uint64_t end_pfn);

/** The first run of set pages at or after @pfn, at most @max pages long. False: there is none. */
bool pageset_next(const struct pageset *ps, uint64_t pfn, uint64_t max, uint64_t *start_pfn, uint64_t *end_pfn);

/** The first page at or after @pfn that exists (@present), or that is set; UINT64_MAX: there is none. */
uint64_t pageset_first(const struct pageset *ps, bool present, uint64_t pfn);

/**
 * Write KDUMP bitmap bytes (bit = PFN, least significant first) for the PFNs from @start_pfn (a multiple of 8) on:
 * @present: of the pages that exist; else of the pages that are set.
 */
void pageset_fill_bitmap(const struct pageset *ps, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes);

#endif
