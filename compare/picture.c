// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/picture.h"

#include <stdlib.h>
#include <string.h>

/* A hole that is shorter stays a few empty cells; it is not worth a new row. */
#define SPLIT_BYTES (4 * MIB)

/* The ranges of two dumps as one ascending series of PFN ranges, overlaps merged. */
struct merged {
	const struct physmem *pm[2];
	size_t next[2];
};

static bool next_range(struct merged *m, struct range *out)
{
	bool have = false;

	for (;;) {
		const struct range *best = NULL;
		size_t from = 0;
		struct range pfns;

		for (size_t k = 0; k < 2; k++) {
			const struct physmem *pm = m->pm[k];

			if (m->next[k] < pm->nr_ranges && (!best || pm->ranges[m->next[k]].start < best->start)) {
				best = &pm->ranges[m->next[k]];
				from = k;
			}
		}
		if (!best)
			return have;
		pfns.start = best->start / m->pm[0]->page_size;
		pfns.end = div_round_up(best->end, m->pm[0]->page_size);
		if (have && pfns.start > out->end)
			return true;
		m->next[from]++;
		if (!have)
			*out = pfns;
		out->end = max_u64(out->end, pfns.end);
		have = true;
	}
}

/* The longest holes, up to one less than there may be regions, in ascending order. */
struct holes {
	struct range at[PICTURE_MAX_REGIONS - 1];
	size_t nr;
};

static uint64_t length(const struct range *r)
{
	return r->end - r->start;
}

static void keep_hole(struct holes *h, struct range hole)
{
	size_t shortest = 0;

	if (h->nr == ARRAY_SIZE(h->at)) {
		for (size_t i = 1; i < h->nr; i++)
			if (length(&h->at[i]) < length(&h->at[shortest]))
				shortest = i;
		if (length(&h->at[shortest]) >= length(&hole))
			return;
		memmove(&h->at[shortest], &h->at[shortest + 1], (h->nr - shortest - 1) * sizeof(h->at[0]));
		h->nr--;
	}
	h->at[h->nr++] = hole;
}

/* Cells that never straddle a region, and begin at multiples of their size all the same. */
static uint64_t cells_of(const struct range *region, uint64_t cell_pages)
{
	return div_round_up(region->end, cell_pages) - region->start / cell_pages;
}

static void divide(struct picture *p)
{
	uint64_t nr;

	for (p->cell_pages = 1;; p->cell_pages *= 2) {
		nr = 0;
		for (size_t i = 0; i < p->nr_regions; i++) {
			struct range pfns = { p->regions[i].start_pfn, p->regions[i].end_pfn };

			p->regions[i].first_cell = (size_t)nr;
			p->regions[i].nr_cells = (size_t)cells_of(&pfns, p->cell_pages);
			nr += p->regions[i].nr_cells;
		}
		if (nr <= PICTURE_MAX_CELLS)
			break;
	}
	p->nr_cells = (size_t)nr;
}

static void find_regions(struct picture *p, const struct physmem *a, const struct physmem *b)
{
	struct merged m = { .pm = { a, b } };
	struct holes holes = { 0 };
	struct range r, all = { 0, 0 };

	if (!next_range(&m, &r))
		return;
	all = r;
	while (next_range(&m, &r)) {
		if (r.start - all.end >= SPLIT_BYTES / p->page_size)
			keep_hole(&holes, (struct range){ all.end, r.start });
		all.end = r.end;
	}
	for (size_t i = 0; i <= holes.nr; i++) {
		struct picture_region *region = &p->regions[p->nr_regions++];

		region->start_pfn = i ? holes.at[i - 1].end : all.start;
		region->end_pfn = i < holes.nr ? holes.at[i].start : all.end;
	}
}

enum status picture_new(const struct physmem *a, const struct physmem *b, struct picture **out, struct err *err)
{
	struct picture *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	p->page_size = a->page_size;
	find_regions(p, a, b);
	divide(p);
	p->cells = calloc(p->nr_cells ? p->nr_cells : 1, sizeof(*p->cells));
	if (!p->cells) {
		free(p);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	*out = p;
	return ST_OK;
}

void picture_free(struct picture *p)
{
	if (!p)
		return;
	free(p->cells);
	free(p);
}

enum picture_state picture_state_of(const struct page_seen *s)
{
	if (page_is_lost(s))
		return PICTURE_LOST;
	switch (s->verdict) {
	case PAGE_DIFFERS:
		return PICTURE_DIFFERS + (unsigned)s->cause;
	case PAGE_INNER_ONLY:
		return PICTURE_INNER_ONLY + (unsigned)s->cause;
	case PAGE_OUTER_ONLY:
	case PAGE_NEITHER:
		if (s->dropped && s->cause == CAUSE_EXCLUDED)
			return PICTURE_LEFT_OUT + (unsigned)s->class;
		return PICTURE_OUTER_ONLY + (unsigned)s->cause;
	case PAGE_EQUAL:
		break;
	}
	return PICTURE_EQUAL;
}

/* A cell has fewer pages than this counts, unless a file lies about the size of its machine. */
static void count(uint32_t *n)
{
	*n += *n != UINT32_MAX;
}

static unsigned class_of(const struct page_seen *s)
{
	if (!s->described)
		return AUDIT_COUNT;
	return s->class == AUDIT_ZERO ? AUDIT_LOST : s->class; /* that it is zero says nothing of whose it is */
}

void picture_see(void *ctx, const struct page_seen *seen)
{
	struct picture *p = ctx;
	enum picture_state state = picture_state_of(seen);
	const struct picture_region *r;
	struct picture_cell *cell;
	unsigned class = class_of(seen);

	while (p->current < p->nr_regions && seen->pfn >= p->regions[p->current].end_pfn)
		p->current++;
	if (p->current == p->nr_regions || seen->pfn < p->regions[p->current].start_pfn)
		return;
	r = &p->regions[p->current];
	cell = &p->cells[r->first_cell + seen->pfn / p->cell_pages - r->start_pfn / p->cell_pages];
	count(&cell->states[state]);
	count(&cell->classes[class]);
	p->states[state]++;
	p->classes[class]++;
}

bool picture_state_is_alarm(enum picture_state s)
{
	return s == PICTURE_LOST || s == PICTURE_OUTER_ONLY + (unsigned)CAUSE_NONE ||
	       s == PICTURE_INNER_ONLY + (unsigned)CAUSE_NONE || s == PICTURE_DIFFERS + (unsigned)CAUSE_NONE;
}

enum picture_state picture_cell_state(const struct picture_cell *cell)
{
	enum picture_state best = PICTURE_STATES;
	bool best_alarm = false;

	for (unsigned s = 0; s < PICTURE_STATES; s++) {
		bool alarm = picture_state_is_alarm(s);

		if (!cell->states[s] || (best_alarm && !alarm))
			continue;
		if (best == PICTURE_STATES || alarm > best_alarm || cell->states[s] > cell->states[best]) {
			best = s;
			best_alarm = alarm;
		}
	}
	return best;
}

unsigned picture_cell_class(const struct picture_cell *cell)
{
	unsigned best = PICTURE_CLASSES;

	for (unsigned c = 0; c < PICTURE_CLASSES; c++)
		if (cell->classes[c] && (best == PICTURE_CLASSES || cell->classes[c] > cell->classes[best]))
			best = c;
	return best;
}

struct range picture_cell_pfns(const struct picture *p, const struct picture_region *region, size_t i)
{
	uint64_t start = (region->start_pfn / p->cell_pages + i) * p->cell_pages;

	return (struct range){ max_u64(start, region->start_pfn), min_u64(start + p->cell_pages, region->end_pfn) };
}
