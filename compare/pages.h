/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_PAGES_H
#define COMPARE_PAGES_H

#include "compare/audit.h"
#include "compare/cause.h"
#include "compare/compare.h"

/** What became of one page. */
enum page_verdict {
	PAGE_NEITHER,
	PAGE_EQUAL,
	PAGE_DIFFERS,
	PAGE_INNER_ONLY,
	PAGE_OUTER_ONLY,
};

struct pages_job {
	struct physmem *inner, *outer;
	struct place place;
	struct auditor *auditor; /**< NULL: no audit */
	unsigned inner_level;	 /**< dump level that the inner dump says it has */
	bool inner_is_kdump, outer_is_kdump; /**< stores whole pages */
};

/** Run over all pages of both dumps in PFN order and fill in the counts of @report. */
enum status pages_compare(const struct pages_job *job, struct compare_report *report, struct err *err) __must_check;

#endif
