/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_SUMMARY_H
#define COMPARE_SUMMARY_H

#include "compare/compare.h"

/* What the text report and the HTML report say alike. */

/** "MATCH", "DIFFERS", "INCOMPARABLE". */
const char *summary_verdict(const struct compare_report *r);
/** The verdict in a sentence: what is wrong, or why nothing is. Returns @buf. */
const char *summary_sentence(const struct compare_report *r, char *buf, size_t len);

/** All that may be counted as unexplained. */
static inline uint64_t summary_unexplained(const struct compare_report *r)
{
	return r->differ_unexplained + r->only_unexplained;
}

/** Pages that only the outer dump holds, and not because a filter took them out of the inner one. */
static inline uint64_t summary_outer_only(const struct compare_report *r)
{
	return r->outer_only - (r->dropped - r->neither);
}

/** Pages, by cause, audit class or kind of loss: @n of them, the largest first. */
struct summary_item {
	const char *label;
	uint64_t pages;
	bool bad;
};
#define SUMMARY_MAX_ITEMS 16
/** Fill @items with what is not zero, largest first; how many. */
size_t summary_causes(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS]);
size_t summary_audit(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS]);
size_t summary_lost(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS]);
size_t summary_kept(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS]);
size_t summary_beyond_level(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS]);

/** "KDUMP version 6, dump level 31, ...". Returns @buf. */
const char *summary_side(const struct side_report *side, char *buf, size_t len);

/** "slab, page table" for the kinds in @mask, as struct compare_report.lost_kinds has them. Returns @buf. */
const char *summary_kinds(uint8_t mask, char *buf, size_t len);

/** Does one dump's header say what is not so? CPUs that stand elsewhere by the time of the outer dump are no fault of
 * it. */
bool summary_is_wrong(const struct field_report *f);

const char *summary_field_state(enum field_state s);

#endif
