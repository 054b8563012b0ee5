// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/guards.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256u
#define MAX_RANGES (64u * 1024)

static int by_start(const void *a, const void *b)
{
	const struct guard_range *x = a, *y = b;

	return x->start_pfn < y->start_pfn ? -1 : x->start_pfn > y->start_pfn;
}

/* Sort; what overlaps belongs to the first; neighbours of one sort become one. */
static void tidy(struct guards *g)
{
	size_t nr = 0;

	if (g->nr)
		qsort(g->ranges, g->nr, sizeof(*g->ranges), by_start);
	for (size_t i = 0; i < g->nr; i++) {
		struct guard_range r = g->ranges[i];

		if (nr) {
			struct guard_range *last = &g->ranges[nr - 1];

			r.start_pfn = max_u64(r.start_pfn, last->end_pfn);
			if (r.start_pfn >= r.end_pfn)
				continue;
			if (r.start_pfn == last->end_pfn && r.anchor == last->anchor) {
				last->end_pfn = r.end_pfn;
				continue;
			}
		}
		g->ranges[nr++] = r;
	}
	g->nr = nr;
}

static bool make_room(struct guards *g)
{
	size_t capacity = g->capacity ? g->capacity * 2 : FIRST_CAPACITY;
	struct guard_range *bigger;

	if (g->nr < g->capacity)
		return true;
	/* Sorted again for each range that still comes, a scattered memory map would take hours. */
	if (g->full)
		return false;
	tidy(g);
	if (g->nr < g->capacity / 2)
		return true;
	bigger = capacity > MAX_RANGES ? NULL : realloc(g->ranges, capacity * sizeof(*bigger));
	if (!bigger) {
		g->full = true;
		return g->nr < g->capacity;
	}
	g->ranges = bigger;
	g->capacity = capacity;
	return true;
}

struct adder {
	struct guards *g;
	uint32_t page_shift;
};

static void add(void *ctx, enum anchor anchor, uint64_t start, uint64_t end)
{
	struct adder *a = ctx;
	struct guards *g = a->g;
	uint64_t start_pfn = start >> a->page_shift, end_pfn = ((end - 1) >> a->page_shift) + 1;
	struct guard_range *last = g->nr ? &g->ranges[g->nr - 1] : NULL;

	if (start >= end)
		return;
	if (last && last->anchor == anchor && start_pfn >= last->start_pfn && start_pfn <= last->end_pfn) {
		last->end_pfn = max_u64(last->end_pfn, end_pfn);
		return;
	}
	if (!make_room(g)) {
		g->nr_untold++;
		return;
	}
	g->ranges[g->nr++] = (struct guard_range){ start_pfn, end_pfn, anchor };
}

void guards_init(struct guards *g, struct kmodel *km, const struct memmap *mm)
{
	struct adder a = { g, km->page_shift };

	memset(g, 0, sizeof(*g));
	anchors_walk(km, mm, add, &a);
	tidy(g);
}

void guards_deinit(struct guards *g)
{
	free(g->ranges);
	g->ranges = NULL;
	g->nr = g->capacity = 0;
}

/* The first range that ends behind @pfn. */
static size_t find(const struct guards *g, uint64_t pfn)
{
	size_t lo = 0, hi = g->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->ranges[mid].end_pfn <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void guards_spare(struct guards *g, const struct pageset *keep, uint64_t start_pfn, uint64_t nr_pages, uint64_t *drop)
{
	uint64_t end_pfn = start_pfn + nr_pages;

	for (size_t i = find(g, start_pfn); i < g->nr && g->ranges[i].start_pfn < end_pfn; i++) {
		uint64_t from = max_u64(start_pfn, g->ranges[i].start_pfn), to = min_u64(end_pfn, g->ranges[i].end_pfn);

		for (uint64_t pfn = from; pfn < to; pfn++) {
			uint64_t *word = &drop[(pfn - start_pfn) / 64], bit = UINT64_C(1) << (pfn - start_pfn) % 64;

			if (!(*word & bit))
				continue;
			g->fired[g->ranges[i].anchor] += pageset_test(keep, pfn);
			*word &= ~bit;
		}
	}
}
