// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/pages.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/classify.h"

#define BATCH_PAGES 256u

struct pass {
	const struct pages_job *job;
	struct compare_report *report;
	uint32_t page_size;
	uint8_t *inner, *outer; /* BATCH_PAGES pages each */
	enum page_state inner_state[BATCH_PAGES], outer_state[BATCH_PAGES];
};

static void add_to_list(struct range_list *list, uint64_t pfn)
{
	list->nr_pages++;
	if (list->nr && list->at[list->nr - 1].end == pfn)
		list->at[list->nr - 1].end++;
	else if (list->nr < COMPARE_MAX_RANGES)
		list->at[list->nr++] = (struct range){ pfn, pfn + 1 };
	else
		list->cut = true;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static bool has_data(enum page_state s)
{
	return s == PAGE_WHOLE || s == PAGE_PARTIAL;
}

/* Does RAM of the dump @pm touch page @pfn, whether or not the dump holds its bytes? */
static bool exists_in(const struct physmem *pm, uint64_t pfn)
{
	uint64_t start = pfn * pm->page_size, end = start + pm->page_size;
	size_t lo = 0, hi = pm->nr_ranges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pm->ranges[mid].end <= start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < pm->nr_ranges && pm->ranges[lo].start < end;
}

/* Bytes [*@from, *@to) of a page that both dumps hold. An ELF core knows; a KDUMP has to ask the kernel's resource tree. */
static void common_part(const struct pass *p, uint64_t pfn, uint32_t *from, uint32_t *to)
{
	uint64_t start = pfn * p->page_size, end = start + p->page_size;
	struct physmem *const sides[] = { p->job->inner, p->job->outer };

	*from = 0;
	*to = p->page_size;
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct range run, all = { end, start };

		for (run.end = start; physmem_next_data(sides[i], run.end, end, &run);) {
			all.start = min_u64(all.start, run.start);
			all.end = max_u64(all.end, run.end);
		}
		*from = (uint32_t)max_u64(*from, all.start - start);
		*to = (uint32_t)min_u64(*to, all.end - start);
	}
}

static void measure(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t to, struct page_difference *d)
{
	for (uint32_t i = from; i < to; i++) {
		if (a[i] == b[i])
			continue;
		if (!d->nr_bytes++)
			d->first_off = i;
		d->last_off = i;
	}
}

/* Both dumps hold something of the page. Fills @d where they disagree. */
static bool pages_agree(const struct pass *p, uint64_t pfn, size_t i, struct page_difference *d)
{
	const uint8_t *a = p->inner + i * p->page_size, *b = p->outer + i * p->page_size;
	uint32_t from = 0, to = p->page_size, ram_from, ram_to;

	if (!memcmp(a, b, p->page_size))
		return true;
	if (p->inner_state[i] == PAGE_PARTIAL || p->outer_state[i] == PAGE_PARTIAL)
		common_part(p, pfn, &from, &to);
	*d = (struct page_difference){ .pfn = pfn, .inner_zero = is_zero(a, p->page_size), .outer_zero = is_zero(b, p->page_size) };
	measure(a, b, from, to, d);
	if (!d->nr_bytes)
		return true;
	d->cause = cause_of_place(&p->job->place, pfn);
	/* At the edge of System RAM only the RAM bytes count; a whole page was stored where one side is a KDUMP. */
	if (d->cause == CAUSE_PARTIAL_PAGE && cause_ram_part(&p->job->place, pfn, &ram_from, &ram_to)) {
		struct page_difference in_ram = { 0 };

		measure(a, b, (uint32_t)max_u64(from, ram_from), (uint32_t)min_u64(to, ram_to), &in_ram);
		if (in_ram.nr_bytes)
			d->cause = CAUSE_NONE;
	}
	return false;
}

static void take_difference(struct compare_report *r, const struct page_difference *d)
{
	r->causes[d->cause]++;
	if (d->cause == CAUSE_NONE) {
		r->differ_unexplained++;
		add_to_list(&r->unexplained, d->pfn);
	} else {
		r->differ_explained++;
	}
	if (r->nr_samples < COMPARE_MAX_SAMPLES)
		r->samples[r->nr_samples++] = *d;
}

static void take_one_sided(struct pass *p, uint64_t pfn, enum cause cause)
{
	p->report->causes[cause]++;
	if (cause == CAUSE_NONE) {
		p->report->only_unexplained++;
		add_to_list(&p->report->unexplained, pfn);
	}
}

/* The inner dump's source had the page, the dump does not: the filter took it out. Rightly? */
static void audit_dropped(struct pass *p, uint64_t pfn, size_t i)
{
	struct compare_report *r = p->report;
	enum lost_kind kind;
	enum audit_class c;

	r->dropped++;
	if (!p->job->auditor)
		return;
	c = auditor_judge(p->job->auditor, pfn, &kind);
	/* In an ELF core the zero pages are left out too, and read as zeros again; a KDUMP always stores them. */
	if (c == AUDIT_LOST && !p->job->inner_is_kdump && is_zero(p->outer + i * p->page_size, p->page_size))
		c = AUDIT_ZERO;
	r->audit[c]++;
	if (c == AUDIT_LOST) {
		r->lost_by_kind[kind]++;
		add_to_list(&r->lost, pfn);
	}
}

static void audit_kept(struct pass *p, uint64_t pfn)
{
	enum lost_kind kind;
	enum audit_class c;

	if (!p->job->auditor || !p->job->inner_level)
		return;
	c = auditor_judge(p->job->auditor, pfn, &kind);
	if (audit_level_drops(c, p->job->inner_level))
		p->report->kept_droppable[c]++;
}

static bool is_offline(struct pass *p, uint64_t pfn)
{
	enum lost_kind kind;

	return p->job->auditor && auditor_judge(p->job->auditor, pfn, &kind) == AUDIT_OFFLINE;
}

static void judge_page(struct pass *p, uint64_t pfn, size_t i)
{
	struct compare_report *r = p->report;
	bool in = has_data(p->inner_state[i]), out = has_data(p->outer_state[i]);
	struct page_difference d;
	enum cause cause;

	if (in && out) {
		r->common++;
		if (pages_agree(p, pfn, i, &d))
			r->equal++;
		else
			take_difference(r, &d);
		audit_kept(p, pfn);
		return;
	}
	if (!in && !out)
		return;
	cause = cause_of_place(&p->job->place, pfn);
	if (out) {
		r->outer_only++;
		if (exists_in(p->job->inner, pfn)) {
			cause = p->inner_state[i] == PAGE_UNREADABLE ? CAUSE_NONE : CAUSE_EXCLUDED;
			audit_dropped(p, pfn, i);
		}
	} else {
		r->inner_only++;
		if (exists_in(p->job->outer, pfn) && p->outer_state[i] == PAGE_ABSENT)
			cause = CAUSE_EXCLUDED;
	}
	if (cause == CAUSE_NONE && is_offline(p, pfn))
		cause = CAUSE_OFFLINE;
	take_one_sided(p, pfn, cause);
}

static void compare_batch(struct pass *p, uint64_t start_pfn, size_t nr)
{
	physmem_read_pages(p->job->inner, start_pfn, nr, p->inner, p->inner_state);
	physmem_read_pages(p->job->outer, start_pfn, nr, p->outer, p->outer_state);
	for (size_t i = 0; i < nr; i++)
		judge_page(p, start_pfn + i, i);
}

/* The first byte at or after @paddr that exists in either dump; UINT64_MAX: none. */
static uint64_t next_existing(const struct pages_job *job, uint64_t paddr)
{
	const struct physmem *const sides[] = { job->inner, job->outer };
	uint64_t best = UINT64_MAX;

	for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
		size_t lo = 0, hi = sides[k]->nr_ranges;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (sides[k]->ranges[mid].end <= paddr)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < sides[k]->nr_ranges)
			best = min_u64(best, max_u64(paddr, sides[k]->ranges[lo].start));
	}
	return best;
}

enum status pages_compare(const struct pages_job *job, struct compare_report *report, struct err *err)
{
	struct pass p = { .job = job, .report = report, .page_size = job->inner->page_size };
	uint64_t paddr = 0, audited_end = 0;

	p.inner = malloc((size_t)BATCH_PAGES * p.page_size);
	p.outer = malloc((size_t)BATCH_PAGES * p.page_size);
	if (!p.inner || !p.outer) {
		free(p.inner);
		free(p.outer);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	while ((paddr = next_existing(job, paddr)) != UINT64_MAX) {
		uint64_t pfn = paddr / p.page_size;
		uint64_t end = align_down(pfn, BATCH_PAGES) + BATCH_PAGES;

		if (job->auditor && pfn >= audited_end) {
			audited_end = align_down(pfn, CLASSIFY_BATCH_PAGES) + CLASSIFY_BATCH_PAGES;
			auditor_load(job->auditor, align_down(pfn, CLASSIFY_BATCH_PAGES), audited_end);
		}
		compare_batch(&p, pfn, (size_t)(end - pfn));
		paddr = end * p.page_size;
	}
	free(p.inner);
	free(p.outer);
	return ST_OK;
}
