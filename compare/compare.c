// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/compare.h"

#include <stdio.h>
#include <string.h>

#include "common/exit_codes.h"
#include "compare/headers.h"
#include "compare/pages.h"
#include "compare/picture.h"

static void read_both_kernels(struct side *inner, struct side *outer)
{
	side_borrow_vmcoreinfo(inner, outer);
	side_borrow_vmcoreinfo(outer, inner);
	side_read_kernel(inner);
	side_read_kernel(outer);
}

static void find_places(const struct side *inner, const struct side *outer, struct place *place)
{
	const struct side *reserved = outer->nr_crash_cma ? outer : inner;

	place->page_size = inner->pm->page_size;
	place->iomem = side_iomem_of(inner, outer);
	place->nr_crash_cma = reserved->nr_crash_cma;
	memcpy(place->crash_cma, reserved->crash_cma, sizeof(place->crash_cma));
}

static void open_auditor(const struct side *outer, struct pages_job *job, struct compare_report *r)
{
	struct err why = { 0 };

	r->audited = auditor_open(outer, &job->auditor, &why) == ST_OK;
	if (!r->audited)
		snprintf(r->why_not_audited, sizeof(r->why_not_audited), "%.190s", why.text);
}

static enum status compare_memory(struct side *inner, struct side *outer, const struct compare_config *config,
				  struct compare_report *r, struct err *err)
{
	struct pages_job job = {
		.inner = inner->pm,
		.outer = outer->pm,
		.nr_threads = config->nr_threads,
		.level_known = r->inner.level_known,
		.inner_level = r->inner.level,
		.inner_is_kdump = kdump_physmem_details(inner->pm) != NULL,
		.outer_is_kdump = kdump_physmem_details(outer->pm) != NULL,
	};
	enum status st = ST_OK;

	find_places(inner, outer, &job.place);
	if (config->want_picture)
		st = picture_new(inner->pm, outer->pm, &r->picture, err);
	if (st != ST_OK)
		return st;
	if (r->picture) {
		job.seen = picture_see;
		job.seen_ctx = r->picture;
	}
	open_auditor(outer, &job, r);
	if (crash_path_is_open(outer))
		job.crash_path = crash_path_new(inner, outer);
	st = pages_compare(&job, r, err);
	crash_path_free(job.crash_path);
	auditor_close(job.auditor);
	return st;
}

static enum status compare_sides(struct side *inner, struct side *outer, const struct compare_config *config,
				 struct compare_report *r, struct err *err)
{
	bool comparable = inner->pm->page_size == outer->pm->page_size;
	enum status st;

	read_both_kernels(inner, outer);
	headers_describe(inner, outer, r);
	headers_compare(inner, outer, r);
	if (!headers_same_boot(inner, outer, r->why_incomparable, sizeof(r->why_incomparable)) &&
	    !(config->force && comparable)) {
		r->verdict = VERDICT_INCOMPARABLE;
		return ST_OK;
	}
	st = compare_memory(inner, outer, config, r, err);
	if (st != ST_OK)
		return st;
	/* Dropped pages that nobody could audit are no reason to call it a match. */
	r->verdict = r->differ_unexplained || r->only_unexplained || r->audit[AUDIT_LOST] || (r->dropped && !r->audited)
			     ? VERDICT_DIFFERS
			     : VERDICT_MATCH;
	return ST_OK;
}

enum status compare_run(const struct compare_config *config, struct compare_report *report, struct err *err)
{
	struct side inner = { 0 }, outer = { 0 };
	double begin = units_now();
	enum status st;

	memset(report, 0, sizeof(*report));
	report->verdict = VERDICT_INCOMPARABLE;
	st = side_init(&inner, config->inner, config->nr_inner, err);
	if (st == ST_OK)
		st = side_init(&outer, &config->outer, 1, err);
	if (st == ST_OK)
		st = compare_sides(&inner, &outer, config, report, err);
	side_deinit(&outer);
	side_deinit(&inner);
	report->seconds = units_now() - begin;
	return st;
}

void compare_report_deinit(struct compare_report *report)
{
	picture_free(report->picture);
	report->picture = NULL;
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
