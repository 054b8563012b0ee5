/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_AUDIT_H
#define COMPARE_AUDIT_H

#include "compare/compare.h"
#include "compare/side.h"

/**
 * The filter audit: what were the pages that the inner dump left out? The outer dump still holds them, and its own
 * memory map tells. Shares the decoder of struct page with capture, not the decision.
 */
struct auditor;

/** @side: the outer dump. ST_NOT_FOUND and ST_BAD_INPUT: its memory map cannot be read, no audit. */
enum status auditor_open(const struct side *side, struct auditor **a, struct err *err) __must_check;
void auditor_close(struct auditor *a);

/** Look at the pages [@start_pfn, @end_pfn), at most CLASSIFY_BATCH_PAGES of them, ascending from call to call. */
void auditor_load(struct auditor *a, uint64_t start_pfn, uint64_t end_pfn);

/** What page @pfn of the last load is: AUDIT_LOST for memory that no dump level gives up. Never AUDIT_ZERO. */
enum audit_class auditor_class(const struct auditor *a, uint64_t pfn);
/** Does a struct page tell it? Else page @pfn is AUDIT_LOST because nobody knows better. */
bool auditor_describes(const struct auditor *a, uint64_t pfn);
/** Of a page that is AUDIT_LOST: the kernel's what? */
enum lost_kind auditor_lost_kind(struct auditor *a, uint64_t pfn);

/** Would makedumpfile's dump level @level leave out a page of class @c? Written down here a second time, on purpose. */
bool audit_level_drops(enum audit_class c, unsigned level);

#endif
