/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_PAGES_H
#define COMPARE_PAGES_H

#include "compare/audit.h"
#include "compare/cause.h"
#include "compare/compare.h"
#include "compare/crash_path.h"

enum page_verdict {
	PAGE_EQUAL,
	PAGE_DIFFERS,
	PAGE_INNER_ONLY,
	PAGE_OUTER_ONLY,
	PAGE_NEITHER, /**< the source of the inner dump had it, and neither dump holds it */
};

/** What became of one page that at least one of the dumps holds, or that the inner one left out. */
struct page_seen {
	uint64_t pfn;
	enum page_verdict verdict;
	enum cause cause;	/**< unless PAGE_EQUAL, and unless it is lost; CAUSE_NONE: unexplained */
	bool dropped;		/**< the source of the inner dump had it, the dump has not */
	bool unreadable;	/**< one-sided since the other dump should hold it and does not give it */
	enum audit_class class; /**< what the page is; AUDIT_COUNT: there is no audit */
	bool described;		/**< a struct page tells the class; false: AUDIT_LOST for want of one */
};

static inline bool page_is_lost(const struct page_seen *s)
{
	return s->dropped && s->class == AUDIT_LOST;
}

static inline bool page_is_unexplained(const struct page_seen *s)
{
	return s->verdict != PAGE_EQUAL && s->cause == CAUSE_NONE && !page_is_lost(s);
}

/** Told of each page, in PFN order. */
typedef void (*page_seen_fn)(void *ctx, const struct page_seen *seen);

struct pages_job {
	struct physmem *inner, *outer; /**< of one page size */
	struct place place;
	struct crash_path *crash_path; /**< NULL: the outer dump is of after the jump, or nobody knows */
	struct auditor *auditor; /**< NULL: no audit */
	unsigned nr_threads;    /**< 0 and 1: the caller's own */
	bool level_known;
	unsigned inner_level;		     /**< dump level that the inner dump says it has */
	bool inner_is_kdump, outer_is_kdump; /**< stores whole pages */
	page_seen_fn seen;		     /**< may be NULL */
	void *seen_ctx;
};

/** Run over all pages of both dumps in PFN order and fill in the counts of @report; the same for every nr_threads. */
enum status pages_compare(struct pages_job *job, struct compare_report *report, struct err *err) __must_check;

#endif
