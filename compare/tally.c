// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/tally.h"

/* Pages come in ascending order. False: no room for one more range. */
static bool add_to_list(struct range_list *list, uint64_t pfn)
{
	list->nr_pages++;
	if (list->nr && list->at[list->nr - 1].end == pfn)
		list->at[list->nr - 1].end++;
	else if (list->nr < COMPARE_MAX_RANGES)
		list->at[list->nr++] = (struct range){ pfn, pfn + 1 };
	else
		list->cut = true;
	return !list->cut;
}

static void tally_common(struct compare_report *r, const struct pages_job *job, const struct page_seen *s)
{
	r->common++;
	if (s->verdict == PAGE_EQUAL)
		r->equal++;
	else if (s->cause == CAUSE_NONE)
		r->differ_unexplained++;
	else
		r->differ_explained++;
	if (job->level_known && audit_level_drops(s->class, job->inner_level))
		r->kept_droppable[s->class]++;
}

static void tally_dropped(struct compare_report *r, const struct pages_job *job, const struct page_seen *s)
{
	enum lost_kind kind;

	r->dropped++;
	if (s->class == AUDIT_COUNT)
		return;
	r->audit[s->class]++;
	if (s->class != AUDIT_LOST) {
		if (s->cause == CAUSE_NONE)
			r->dropped_beyond_level[s->class]++;
		return;
	}
	kind = auditor_lost_kind(job->auditor, s->pfn);
	r->lost_by_kind[kind]++;
	if (add_to_list(&r->lost, s->pfn))
		r->lost_kinds[r->lost.nr - 1] |= (uint8_t)(1u << kind);
}

void tally_page(struct compare_report *r, const struct pages_job *job, const struct page_seen *s)
{
	bool unexplained = page_is_unexplained(s);

	if (s->verdict == PAGE_EQUAL || s->verdict == PAGE_DIFFERS) {
		tally_common(r, job, s);
	} else {
		if (s->verdict == PAGE_INNER_ONLY)
			r->inner_only++;
		else if (s->verdict == PAGE_OUTER_ONLY)
			r->outer_only++;
		else
			r->neither++;
		r->only_unexplained += unexplained;
	}
	if (s->dropped)
		tally_dropped(r, job, s);
	if (s->verdict != PAGE_EQUAL && !page_is_lost(s))
		r->causes[s->cause]++;
	if (unexplained)
		add_to_list(&r->unexplained, s->pfn);
}

void tally_difference(struct compare_report *r, const struct page_difference *d)
{
	struct difference_list *list = d->cause == CAUSE_NONE ? &r->differ_unexplained_at : &r->differ_explained_at;

	if (list->nr < COMPARE_MAX_SAMPLES)
		list->at[list->nr++] = *d;
}
