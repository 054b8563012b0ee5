// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/policy.h"
#include "capture/sorter.h"
#include "common/pool.h"

/* A sorter's buffer for struct pages, its caches, its stack. */
#define THREAD_BYTES MIB

struct planner {
	struct plan *plan;
	const struct plan_config *config;
	uint64_t drops; /* 1 << class of what the level leaves out */
	struct sorter *sorters; /* one a thread, which alone uses it */
	unsigned nr_sorters;
	struct sorted_part *parts; /* used in turn; see sorter.h for who may touch one */
	struct pool *pool;
	size_t run;	   /* of the page set, which the next part lies in */
	uint64_t next_pfn; /* the part begins here, or where the run does */
};

/* Parts that are out at a time: each thread has one in work and one waiting. */
static size_t parts_for(unsigned nr_threads)
{
	return nr_threads == 1 ? 1 : 2 * (size_t)nr_threads;
}

static void sort_part(void *ctx, unsigned worker, void *item)
{
	struct planner *p = ctx;

	sorter_run(&p->sorters[worker], item);
}

/* How many threads have something to do, and what they need. */
static unsigned threads_for(const struct planner *p)
{
	const struct plan_config *c = p->config;
	uint64_t nr = min_u64(max_u64(c->nr_threads, 1), POOL_MAX_ITEMS / 2), set_bytes = p->plan->keep.nr_present / 8;

	if (c->memory_bytes)
		nr = min_u64(nr, max_u64((c->memory_bytes - min_u64(c->memory_bytes, set_bytes)) / THREAD_BYTES, 1));
	return (unsigned)min_u64(nr, div_round_up(p->plan->keep.nr_present, SORTER_PART_PAGES) + p->plan->keep.nr_runs);
}

static void crew_deinit(struct planner *p)
{
	pool_close(p->pool); /* first: its threads use the rest */
	while (p->nr_sorters)
		sorter_deinit(&p->sorters[--p->nr_sorters]);
	free(p->sorters);
	free(p->parts);
}

/* The threads beside this one: as many as there is memory and readers for. */
static enum status crew_init(struct planner *p, struct kmodel *km, struct err *err)
{
	unsigned nr_threads = threads_for(p);
	enum status st;

	p->sorters = calloc(nr_threads, sizeof(*p->sorters));
	if (!p->sorters)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = sorter_init(&p->sorters[0], km, p->drops, err);
	if (st != ST_OK)
		return st;
	p->nr_sorters = 1;
	while (p->nr_sorters < nr_threads && sorter_clone(&p->sorters[p->nr_sorters], &p->sorters[0], NULL) == ST_OK)
		p->nr_sorters++;
	p->parts = calloc(parts_for(p->nr_sorters), sizeof(*p->parts));
	if (!p->parts)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	return pool_open(p->nr_sorters, sort_part, p, &p->pool, err);
}

static bool next_part(struct planner *p, struct sorted_part *part)
{
	const struct pageset *keep = &p->plan->keep;

	while (p->run < keep->nr_runs && p->next_pfn >= keep->runs[p->run].end_pfn)
		p->run++;
	if (p->run == keep->nr_runs)
		return false;
	part->start_pfn = max_u64(p->next_pfn, keep->runs[p->run].start_pfn);
	part->end_pfn = min_u64(align_down(part->start_pfn, SORTER_PART_PAGES) + SORTER_PART_PAGES,
				keep->runs[p->run].end_pfn);
	p->next_pfn = part->end_pfn;
	return true;
}

static void take_part(const struct planner *p, struct sorted_part *part)
{
	struct plan *plan = p->plan;
	uint64_t nr = part->end_pfn - part->start_pfn;

	for (int c = 0; c < PAGE_CLASS_COUNT; c++) {
		plan->by_class[c] += part->by_class[c];
		plan->reserved_fired += p->drops >> c & 1 ? part->counts.reserved[c] : 0;
	}
	plan->slab += part->counts.slab;
	guards_spare(&plan->guards, &plan->keep, part->start_pfn, nr, part->drop);
	pageset_clear_bits(&plan->keep, part->start_pfn, part->drop, nr);
	if (part->has_poison)
		pageset_clear_bits(&plan->keep, part->start_pfn, part->poison, nr);
}

/* In ticket order, so that a stop leaves out the same pages for any number of threads. */
static void sort_all(struct planner *p)
{
	const struct plan_config *c = p->config;
	struct plan *plan = p->plan;
	uint64_t done = 0;
	struct sorted_part *part;
	bool go_on = true;

	for (size_t i = 0; i < parts_for(p->nr_sorters) && next_part(p, &p->parts[i]); i++)
		go_on = go_on && pool_submit(p->pool, &p->parts[i]);
	while (go_on && (part = pool_collect(p->pool))) {
		take_part(p, part);
		done += part->end_pfn - part->start_pfn;
		if (c->step)
			go_on = c->step(c->ctx, done, plan->keep.nr_present);
		if (go_on && next_part(p, part))
			go_on = pool_submit(p->pool, part);
	}
	plan->by_class[PAGE_CLASS_UNKNOWN] += plan->keep.nr_present - done;
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

static enum status filter(struct plan *plan, struct kmodel *km, const struct plan_config *config, struct err *err)
{
	struct planner p = { .plan = plan, .config = config };
	enum status st;

	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		p.drops |= (uint64_t)policy_drops((enum page_class)c, config->level) << c;
	st = crew_init(&p, km, err);
	if (st == ST_OK) {
		struct classifier *c = p.sorters[0].c;

		guards_init(&plan->guards, km, classifier_memmap(c));
		sort_all(&p);
		guards_deinit(&plan->guards);
		plan->sections_missing = classifier_sections_missing(c);
		plan->sections_disagreeing = memmap_sections_disagreeing(classifier_memmap(c));
		plan->filtered = true;
	}
	crew_deinit(&p);
	return st;
}

static void decide(struct plan *plan, struct physmem *pm, struct kmodel *km, const struct plan_config *config)
{
	drop_what_source_lacks(plan, pm); /* first: what is dropped for its class is not lacking */
	if (km) {
		struct err why = { 0 };

		if (filter(plan, km, config, &why) != ST_OK)
			snprintf(plan->why_unfiltered, sizeof(plan->why_unfiltered), "%.250s", why.text);
	} else {
		snprintf(plan->why_unfiltered, sizeof(plan->why_unfiltered), "%.250s", config->why_no_model);
	}
	if (!plan->filtered)
		plan->by_class[PAGE_CLASS_UNKNOWN] = plan->keep.nr_present;
}

enum status plan_init(struct plan *plan, struct physmem *pm, struct kmodel *km, const struct plan_config *config,
		      struct err *err)
{
	enum status st;

	*plan = (struct plan){ 0 };
	st = pageset_init(&plan->keep, pm, err);
	if (st == ST_OK)
		decide(plan, pm, km, config);
	return st;
}

void plan_again(struct plan *plan, struct physmem *pm, struct kmodel *km, const struct plan_config *config)
{
	*plan = (struct plan){ .keep = plan->keep };
	pageset_set_all(&plan->keep);
	decide(plan, pm, km, config);
}

struct trust_seen plan_seen(const struct plan *plan)
{
	struct trust_seen seen = {
		.pages = plan->keep.nr_present,
		.slab = plan->slab,
		.sections_missing = plan->sections_missing,
	};

	memcpy(seen.by_class, plan->by_class, sizeof(seen.by_class));
	return seen;
}

void plan_deinit(struct plan *plan)
{
	pageset_deinit(&plan->keep);
}
