// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/pages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/pool.h"
#include "compare/stretch.h"
#include "compare/tally.h"
#include "formats/claim.h"
#include "formats/elf/elf_physmem.h"
#include "kernel/classify.h"

/* While the oldest stretch is judged, no thread should wait for the next one. */
#define STRETCHES_PER_THREAD 2u
/* No architecture has wider physical addresses; what lies beyond would overflow byte arithmetic on pages. */
#define PHYS_END (UINT64_C(1) << 52)
/* A file can claim more memory than it has bytes, and each page of it takes a look. No guest comes near this, ... */
#define CLAIM_MAX_BYTES (64 * 1024 * GIB)
/* ... and of a core that was cut off by this much nothing is left to compare; trying to read it takes longer. */
#define TRUNCATED_MAX_BYTES (1024 * GIB)

struct pass {
	struct pages_job *job;
	struct compare_report *report;
	uint32_t page_size;
	const struct stretch *b; /* that is judged */
	uint64_t next_paddr;   /* from which on no stretch was made yet */
	uint64_t audited_end;  /* PFN; the auditor has loaded what lies before */
};

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static bool has_data(enum page_state s)
{
	return s == PAGE_WHOLE || s == PAGE_PARTIAL;
}

/* The first byte of RAM at or after @paddr that was in the source of @pm, held or not; UINT64_MAX: none. */
static uint64_t next_ram(const struct physmem *pm, uint64_t paddr)
{
	size_t i = ranges_find(pm->ranges, pm->nr_ranges, paddr);

	return i < pm->nr_ranges ? max_u64(paddr, pm->ranges[i].start) : UINT64_MAX;
}

/* Does RAM of the dump @pm touch page @pfn, whether or not the dump holds its bytes? */
static bool exists_in(const struct physmem *pm, uint64_t pfn)
{
	uint64_t start = pfn * pm->page_size;

	return next_ram(pm, start) < start + pm->page_size;
}

static void measure(const uint8_t *a, const uint8_t *b, uint64_t from, uint64_t to, struct page_difference *d)
{
	for (uint64_t i = from; i < to; i++) {
		if (a[i] == b[i])
			continue;
		if (!d->nr_bytes++)
			d->first_off = (uint32_t)i;
		d->last_off = (uint32_t)i;
	}
}

/* Of bytes [@from, @to) of page @pfn only those that both dumps hold. An ELF core knows; a KDUMP says that it has all.
 */
static void measure_covered(const struct pass *p, uint64_t pfn, size_t i, uint32_t from, uint32_t to,
			    struct page_difference *d)
{
	const uint8_t *a = p->b->inner_pages + i * p->page_size, *b = p->b->outer_pages + i * p->page_size;
	uint64_t base = pfn * p->page_size;
	struct range x = { 0, base + from };

	if (p->b->inner_state[i] == PAGE_WHOLE && p->b->outer_state[i] == PAGE_WHOLE) {
		measure(a, b, from, to, d);
		return;
	}
	while (physmem_next_data(p->job->inner, x.end, base + to, &x)) {
		struct range y = { 0, x.start };

		while (physmem_next_data(p->job->outer, y.end, x.end, &y))
			measure(a, b, y.start - base, y.end - base, d);
	}
}

/*
 * Where nobody tells what of the page is RAM: at the edge of what the dump @pm has, a KDUMP fills the rest of the page
 * up with zeros. So a difference is explained if it lies in those zeros alone, and the page has bytes that agree as
 * well.
 */
static bool is_padding(const struct physmem *pm, const uint8_t *page, const struct page_difference *d)
{
	size_t head = 0, tail = pm->page_size;

	if (is_zero(page, pm->page_size))
		return false;
	while (!page[head])
		head++;
	while (!page[tail - 1])
		tail--;
	return (d->first_off >= tail && !exists_in(pm, d->pfn + 1)) ||
	       (d->last_off < head && d->pfn && !exists_in(pm, d->pfn - 1));
}

/* At the edge of System RAM only the RAM bytes count; a whole page was stored where one side is a KDUMP. */
static enum cause cause_at_edge(const struct pass *p, size_t i, const struct page_difference *d)
{
	struct page_difference in_ram = { 0 };
	uint32_t from, to;

	if (!cause_ram_part(&p->job->place, d->pfn, &from, &to))
		return CAUSE_NONE;
	measure_covered(p, d->pfn, i, from, to, &in_ram);
	return in_ram.nr_bytes ? CAUSE_NONE : CAUSE_PARTIAL_PAGE;
}

static enum cause cause_of_plain_ram(const struct pass *p, size_t i, const struct page_difference *d,
				     enum audit_class class)
{
	const uint8_t *a = p->b->inner_pages + i * p->page_size, *b = p->b->outer_pages + i * p->page_size;

	if (class == AUDIT_OFFLINE)
		return CAUSE_OFFLINE;
	return crash_path_explains(p->job->crash_path, d->pfn, a, b, p->page_size) ? CAUSE_CRASH_PATH : CAUSE_NONE;
}

static enum cause cause_of_difference(const struct pass *p, size_t i, const struct page_difference *d,
				      enum audit_class class)
{
	const struct pages_job *job = p->job;
	enum cause cause = cause_of_place(&p->job->place, d->pfn);

	if (cause == CAUSE_PARTIAL_PAGE)
		return cause_at_edge(p, i, d);
	if (cause == CAUSE_NONE)
		cause = cause_of_plain_ram(p, i, d, class);
	if (cause != CAUSE_NONE || job->place.iomem)
		return cause;
	if ((job->inner_is_kdump && is_padding(job->inner, p->b->inner_pages + i * p->page_size, d)) ||
	    (job->outer_is_kdump && is_padding(job->outer, p->b->outer_pages + i * p->page_size, d)))
		return CAUSE_PARTIAL_PAGE;
	return CAUSE_NONE;
}

/* Both dumps hold something of the page. Fills @d where they disagree. */
static void judge_common(const struct pass *p, size_t i, struct page_seen *s, struct page_difference *d)
{
	const uint8_t *a = p->b->inner_pages + i * p->page_size, *b = p->b->outer_pages + i * p->page_size;

	s->verdict = PAGE_EQUAL;
	if (p->b->same[i])
		return;
	*d = (struct page_difference){ .pfn = s->pfn };
	measure_covered(p, s->pfn, i, 0, p->page_size, d);
	if (!d->nr_bytes)
		return;
	d->inner_zero = is_zero(a, p->page_size);
	d->outer_zero = is_zero(b, p->page_size);
	d->cause = cause_of_difference(p, i, d, s->class);
	s->cause = d->cause;
	s->verdict = PAGE_DIFFERS;
}

/* The inner dump's source had the page, the dump has not: the filter took it out. Rightly? */
static void judge_dropped(const struct pass *p, size_t i, struct page_seen *s)
{
	const struct pages_job *job = p->job;

	s->dropped = true;
	/* In an ELF core the zero pages are left out too, and read as zeros again; a KDUMP always stores them. */
	if (s->class == AUDIT_LOST && !job->inner_is_kdump && p->b->outer_state[i] == PAGE_WHOLE &&
	    is_zero(p->b->outer_pages + i * p->page_size, p->page_size))
		s->class = AUDIT_ZERO;
	if (s->class == AUDIT_LOST)
		return;
	/* The level explains what it asked for, and no more. Without an audit the verdict says so as a whole. */
	if (s->class == AUDIT_COUNT || !job->level_known || audit_level_drops(s->class, job->inner_level))
		s->cause = CAUSE_EXCLUDED;
}

static void judge_one_sided(const struct pass *p, size_t i, struct page_seen *s)
{
	bool inner_only = s->verdict == PAGE_INNER_ONLY;
	enum page_state other = inner_only ? p->b->outer_state[i] : p->b->inner_state[i];
	bool existed = exists_in(inner_only ? p->job->outer : p->job->inner, s->pfn);

	s->unreadable = other == PAGE_UNREADABLE;
	if (existed && other == PAGE_ABSENT) {
		if (inner_only)
			s->cause = CAUSE_EXCLUDED;
		else
			judge_dropped(p, i, s);
		return;
	}
	s->cause = cause_of_place(&p->job->place, s->pfn);
	if (s->cause == CAUSE_NONE && s->class == AUDIT_OFFLINE)
		s->cause = CAUSE_OFFLINE;
}

static void judge_page(struct pass *p, uint64_t pfn, size_t i)
{
	bool in = has_data(p->b->inner_state[i]), out = has_data(p->b->outer_state[i]);
	struct page_seen s = { .pfn = pfn, .cause = CAUSE_NONE, .class = AUDIT_COUNT };
	struct page_difference d;

	if (p->b->inner_state[i] == PAGE_UNREADABLE)
		p->report->inner_unreadable++;
	if (p->b->outer_state[i] == PAGE_UNREADABLE)
		p->report->outer_unreadable++;
	if (!in && !out && (p->b->inner_state[i] != PAGE_ABSENT || !exists_in(p->job->inner, pfn)))
		return;
	if (p->job->auditor) {
		s.class = auditor_class(p->job->auditor, pfn);
		s.described = auditor_describes(p->job->auditor, pfn);
	}
	if (in && out) {
		judge_common(p, i, &s, &d);
	} else if (!in && !out) {
		s.verdict = PAGE_NEITHER;
		judge_dropped(p, i, &s);
	} else {
		s.verdict = in ? PAGE_INNER_ONLY : PAGE_OUTER_ONLY;
		judge_one_sided(p, i, &s);
	}
	tally_page(p->report, p->job, &s);
	if (s.verdict == PAGE_DIFFERS)
		tally_difference(p->report, &d);
	if (p->job->seen)
		p->job->seen(p->job->seen_ctx, &s);
}

/* The first byte at or after @paddr that the outer dump holds, or that the source of the inner one had. */
static uint64_t next_of_interest(const struct pages_job *job, uint64_t paddr)
{
	uint64_t best = next_ram(job->inner, paddr);
	struct range run;

	if (physmem_next_data(job->outer, paddr, min_u64(best, PHYS_END), &run))
		best = min_u64(best, run.start);
	return best;
}

static enum status check_size(const struct physmem *pm, const char *which, struct err *err)
{
	const struct elf_details *elf = elf_physmem_details(pm);
	enum status st;

	if (pm->nr_ranges && pm->ranges[pm->nr_ranges - 1].end > PHYS_END)
		return err_set(err, ST_BAD_INPUT,
			       "the %s dump claims memory up to 0x%" PRIx64 ", beyond any physical address", which,
			       pm->ranges[pm->nr_ranges - 1].end);
	if (physmem_nr_present_pages(pm) > CLAIM_MAX_BYTES / pm->page_size)
		return err_set(err, ST_BAD_INPUT,
			       "the %s dump claims %" PRIu64 " pages of memory: no machine has so many", which,
			       physmem_nr_present_pages(pm));
	st = claim_check(pm, err);
	if (st != ST_OK)
		return err_wrap(err, st, "the %s dump", which);
	if (elf && elf->truncated_bytes > TRUNCATED_MAX_BYTES)
		return err_set(err, ST_BAD_INPUT, "the %s dump lacks %" PRIu64 " bytes at its end", which,
			       elf->truncated_bytes);
	return ST_OK;
}

/* False: there is nothing left to look at. */
static bool next_stretch(struct pass *p, struct stretch *b)
{
	uint64_t paddr = next_of_interest(p->job, p->next_paddr), end;

	if (paddr == UINT64_MAX)
		return false;
	b->start_pfn = paddr / p->page_size;
	end = align_down(b->start_pfn, b->max_pages) + b->max_pages;
	b->nr = (size_t)(end - b->start_pfn);
	p->next_paddr = end * p->page_size;
	return true;
}

static void judge_stretch(struct pass *p, const struct stretch *b)
{
	struct auditor *auditor = p->job->auditor;

	p->b = b;
	if (auditor && b->start_pfn >= p->audited_end) {
		p->audited_end = align_down(b->start_pfn, CLASSIFY_BATCH_PAGES) + CLASSIFY_BATCH_PAGES;
		auditor_load(auditor, align_down(b->start_pfn, CLASSIFY_BATCH_PAGES), p->audited_end);
	}
	for (size_t i = 0; i < b->nr; i++)
		judge_page(p, b->start_pfn + i, i);
}

/* The pool has room for all @stretches. */
static void run_pass(struct pass *p, struct pool *pool, struct stretch *stretches, size_t nr_stretches)
{
	struct stretch *b;

	for (size_t i = 0; i < nr_stretches && next_stretch(p, &stretches[i]); i++)
		if (!pool_submit(pool, &stretches[i]))
			break;
	while ((b = pool_collect(pool))) {
		judge_stretch(p, b);
		if (next_stretch(p, b) && !pool_submit(pool, b))
			break;
	}
}

static enum status run_with_stretches(struct pass *p, struct stretch *stretches, size_t nr_stretches, struct err *err)
{
	unsigned nr_threads = p->job->nr_threads;
	struct pool *pool;
	size_t nr = 0;
	bool alone = false;
	enum status st = ST_OK;

	while (nr < nr_stretches && st == ST_OK && !alone) {
		st = stretch_init(&stretches[nr], p->job->inner, p->job->outer, &alone, err);
		nr += st == ST_OK;
	}
	if (st == ST_OK)
		st = pool_open(alone ? 1 : nr_threads, stretch_work, NULL, &pool, err);
	if (st == ST_OK) {
		run_pass(p, pool, stretches, nr);
		pool_close(pool);
	}
	while (nr)
		stretch_deinit(&stretches[--nr]);
	return st;
}

enum status pages_compare(struct pages_job *job, struct compare_report *report, struct err *err)
{
	struct pass p = { .job = job, .report = report, .page_size = job->inner->page_size };
	size_t nr_stretches = job->nr_threads > 1 ? min_u64(STRETCHES_PER_THREAD * job->nr_threads, POOL_MAX_ITEMS) : 1;
	struct stretch *stretches;
	enum status st = check_size(job->inner, "inner", err);

	if (st == ST_OK)
		st = check_size(job->outer, "outer", err);
	if (st != ST_OK)
		return st;
	stretches = calloc(nr_stretches, sizeof(*stretches));
	if (!stretches)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = run_with_stretches(&p, stretches, nr_stretches, err);
	free(stretches);
	return st;
}
