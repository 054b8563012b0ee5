// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/compare.h"

#include <stdio.h>
#include <string.h>

#include "common/exit_codes.h"
#include "compare/headers.h"
#include "compare/pages.h"

static void read_both_kernels(struct side *inner, struct side *outer)
{
	side_borrow_vmcoreinfo(inner, outer);
	side_borrow_vmcoreinfo(outer, inner);
	side_read_kernel(inner);
	side_read_kernel(outer);
}

static enum status compare_memory(struct side *inner, struct side *outer, struct compare_report *r, struct err *err)
{
	const struct side *mapped = outer->has_iomem ? outer : inner;
	struct pages_job job = {
		.inner = inner->pm,
		.outer = outer->pm,
		.place = { mapped->has_iomem ? &mapped->iomem : NULL, inner->pm->page_size },
		.inner_level = (unsigned)inner->pm->dump_level,
		.inner_is_kdump = kdump_physmem_details(inner->pm) != NULL,
		.outer_is_kdump = kdump_physmem_details(outer->pm) != NULL,
	};
	struct err why = { 0 };
	enum status st;

	r->audited = auditor_open(outer, &job.auditor, &why) == ST_OK;
	if (!r->audited)
		snprintf(r->why_not_audited, sizeof(r->why_not_audited), "%.190s", why.text);
	st = pages_compare(&job, r, err);
	auditor_close(job.auditor);
	return st;
}

static enum status compare_sides(struct side *inner, struct side *outer, bool force, struct compare_report *r,
				 struct err *err)
{
	enum status st;

	read_both_kernels(inner, outer);
	if (!headers_same_boot(inner, outer, r->why_incomparable, sizeof(r->why_incomparable)) &&
	    (!force || !inner->km || !outer->km || inner->pm->page_size != outer->pm->page_size)) {
		r->verdict = VERDICT_INCOMPARABLE;
		return ST_OK;
	}
	headers_compare(inner, outer, r);
	st = compare_memory(inner, outer, r, err);
	if (st != ST_OK)
		return st;
	/* Dropped pages that nobody could audit are no reason to call it a match. */
	r->verdict = r->differ_unexplained || r->only_unexplained || r->audit[AUDIT_LOST] || (r->dropped && !r->audited) ?
			     VERDICT_DIFFERS :
			     VERDICT_MATCH;
	return ST_OK;
}

enum status compare_run(const struct compare_config *config, struct compare_report *report, struct err *err)
{
	struct side inner = { 0 }, outer = { 0 };
	double begin = units_now();
	enum status st;

	memset(report, 0, sizeof(*report));
	report->verdict = VERDICT_INCOMPARABLE;
	st = side_init(&inner, config->inner, err);
	if (st == ST_OK)
		st = side_init(&outer, config->outer, err);
	if (st == ST_OK)
		st = compare_sides(&inner, &outer, config->force, report, err);
	side_deinit(&outer);
	side_deinit(&inner);
	report->seconds = units_now() - begin;
	return st;
}

int compare_exit_code(const struct compare_report *report)
{
	switch (report->verdict) {
	case VERDICT_MATCH:
		return EXIT_CODE_OK;
	case VERDICT_DIFFERS:
		return EXIT_CODE_NEGATIVE;
	case VERDICT_INCOMPARABLE:
		break;
	}
	return EXIT_CODE_BAD_INPUT;
}
