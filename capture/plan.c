// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/plan.h"

#include <stdio.h>

#include "capture/policy.h"
#include "kernel/classify.h"

struct planner {
	struct plan *plan;
	unsigned level;
};

static void take_run(void *ctx, uint64_t start_pfn, uint64_t end_pfn, enum page_class class)
{
	struct planner *p = ctx;

	p->plan->by_class[class] += end_pfn - start_pfn;
	if (policy_drops(class, p->level))
		guards_drop(&p->plan->guards, &p->plan->keep, start_pfn, end_pfn, class);
}

static void classify_all(struct planner *p, struct classifier *c, plan_step_fn step, void *ctx)
{
	const struct pageset *keep = &p->plan->keep;
	uint64_t done = 0;
	bool go_on = true;

	for (size_t i = 0; i < keep->nr_runs; i++) {
		uint64_t pfn = keep->runs[i].start_pfn;

		while (pfn < keep->runs[i].end_pfn) {
			uint64_t end = min_u64(align_down(pfn, CLASSIFY_BATCH_PAGES) + CLASSIFY_BATCH_PAGES,
					       keep->runs[i].end_pfn);

			if (go_on)
				classifier_run(c, pfn, end, take_run, p);
			else
				p->plan->by_class[PAGE_CLASS_UNKNOWN] += end - pfn;
			done += end - pfn;
			pfn = end;
			if (go_on && step)
				go_on = step(ctx, done, keep->nr_present);
		}
	}
}

/* A dump that was filtered before, or a core with p_memsz > p_filesz: what the source lacks cannot be kept. */
static void drop_what_source_lacks(struct plan *plan, struct physmem *pm)
{
	uint64_t limit = physmem_max_pfn(pm) * pm->page_size;
	struct range run = { 0 };
	uint64_t next_pfn = 0; /* the first page that was not decided yet */
	uint64_t before = plan->keep.nr_set;

	while (physmem_next_data(pm, run.end, limit, &run)) {
		uint64_t first = run.start / pm->page_size;

		if (first > next_pfn)
			pageset_clear_range(&plan->keep, next_pfn, first);
		next_pfn = max_u64(next_pfn, div_round_up(run.end, pm->page_size));
	}
	pageset_clear_range(&plan->keep, next_pfn, UINT64_MAX);
	plan->pages_not_in_source = before - plan->keep.nr_set;
}

static enum status filter(struct plan *plan, struct kmodel *km, unsigned level, plan_step_fn step, void *ctx,
			  struct err *err)
{
	struct planner p = { plan, level };
	struct classifier *c;
	enum status st = classifier_open(km, &c, err);

	if (st != ST_OK)
		return st;
	guards_init(&plan->guards, km, classifier_memmap(c));
	classify_all(&p, c, step, ctx);
	plan->reserved_fired = classifier_reserved_guarded(c);
	guards_deinit(&plan->guards);
	plan->sections_missing = classifier_sections_missing(c);
	plan->filtered = true;
	classifier_close(c);
	return ST_OK;
}

enum status plan_init(struct plan *plan, struct physmem *pm, struct kmodel *km, const char *why_no_model, unsigned level,
		      plan_step_fn step, void *ctx, struct err *err)
{
	enum status st;

	*plan = (struct plan){ 0 };
	st = pageset_init(&plan->keep, pm, err);
	if (st != ST_OK)
		return st;
	drop_what_source_lacks(plan, pm); /* first: what is dropped for its class is not lacking */
	if (km) {
		struct err why = { 0 };

		st = filter(plan, km, level, step, ctx, &why);
		if (st != ST_OK)
			snprintf(plan->why_unfiltered, sizeof(plan->why_unfiltered), "%.250s", why.text);
	} else {
		snprintf(plan->why_unfiltered, sizeof(plan->why_unfiltered), "%.250s", why_no_model);
	}
	if (!plan->filtered)
		plan->by_class[PAGE_CLASS_UNKNOWN] = plan->keep.nr_present;
	return ST_OK;
}

void plan_deinit(struct plan *plan)
{
	pageset_deinit(&plan->keep);
}
