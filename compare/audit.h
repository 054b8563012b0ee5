/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_AUDIT_H
#define COMPARE_AUDIT_H

#include "compare/compare.h"
#include "compare/side.h"

/**
 * The filter audit: what were the pages that the inner dump left out? The outer dump still holds them, and its own memory
 * map tells. Shares the decoder of struct page with capture, not the decision.
 */
struct auditor;

/** @side: the outer dump. ST_NOT_FOUND and ST_BAD_INPUT: its memory map cannot be read, no audit. */
enum status auditor_open(const struct side *side, struct auditor **a, struct err *err) __must_check;
void auditor_close(struct auditor *a);

/** Look at the pages [@start_pfn, @end_pfn), at most CLASSIFY_BATCH_PAGES of them, ascending from call to call. */
void auditor_load(struct auditor *a, uint64_t start_pfn, uint64_t end_pfn);

/** The verdict on page @pfn of the last load, and for AUDIT_LOST the kind. */
enum audit_class auditor_judge(struct auditor *a, uint64_t pfn, enum lost_kind *kind);

/** Would makedumpfile's dump level @level leave out a page of class @c? Written down here a second time, on purpose. */
bool audit_level_drops(enum audit_class c, unsigned level);

#endif
