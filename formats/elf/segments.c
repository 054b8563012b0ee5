// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/elf/segments.h"

#include <stdlib.h>

/* One load's bytes, or one load's bare claim. Lower rank wins. */
struct piece {
	struct segment seg;
	size_t rank;
};

static int piece_by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->seg.start != y->seg.start)
		return x->seg.start < y->seg.start ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Binary min-heap of pieces by rank: those that cover the sweep's position. */
struct heap {
	const struct piece **at;
	size_t nr;
};

static void heap_push(struct heap *h, const struct piece *p)
{
	size_t i = h->nr++;

	while (i && h->at[(i - 1) / 2]->rank > p->rank) {
		h->at[i] = h->at[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h->at[i] = p;
}

static void heap_pop(struct heap *h)
{
	const struct piece *last = h->at[--h->nr];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->nr)
			break;
		if (child + 1 < h->nr && h->at[child + 1]->rank < h->at[child]->rank)
			child++;
		if (h->at[child]->rank >= last->rank)
			break;
		h->at[i] = h->at[child];
		i = child;
	}
	h->at[i] = last;
}

static size_t split_into_pieces(const struct elf_load *loads, size_t nr_loads, struct piece *pieces)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_loads; i++) {
		const struct elf_load *l = &loads[i];

		if (l->file_len)
			pieces[nr++] = (struct piece){ { l->paddr, l->paddr + l->file_len, l->file_off, true }, i };
		if (l->mem_len > l->file_len)
			pieces[nr++] = (struct piece){ { l->paddr + l->file_len, l->paddr + l->mem_len, 0, false },
						       nr_loads + i };
	}
	return nr;
}

/* Append [@start, @end) of @p, growing the last segment where it simply goes on. */
static void append_segment(struct segment_map *map, const struct piece *p, uint64_t start, uint64_t end)
{
	uint64_t off = p->seg.has_data ? p->seg.file_off + (start - p->seg.start) : 0;

	if (map->nr_segments) {
		struct segment *last = &map->segments[map->nr_segments - 1];

		if (last->end == start && last->has_data == p->seg.has_data &&
		    (!last->has_data || last->file_off + (last->end - last->start) == off)) {
			last->end = end;
			return;
		}
	}
	map->segments[map->nr_segments++] = (struct segment){ start, end, off, p->seg.has_data };
}

/* Run over the starts and ends of all pieces; between two of them the best piece that covers the place owns it. */
static void sweep(struct segment_map *map, const struct piece *pieces, size_t nr, struct heap *heap)
{
	uint64_t pos = 0;
	size_t next = 0;

	while (next < nr || heap->nr) {
		uint64_t end;

		while (heap->nr && heap->at[0]->seg.end <= pos)
			heap_pop(heap);
		if (!heap->nr && next == nr)
			break;
		if (!heap->nr)
			pos = max_u64(pos, pieces[next].seg.start);
		while (next < nr && pieces[next].seg.start <= pos)
			heap_push(heap, &pieces[next++]);
		while (heap->nr && heap->at[0]->seg.end <= pos)
			heap_pop(heap);
		if (!heap->nr)
			continue;
		end = heap->at[0]->seg.end;
		if (next < nr)
			end = min_u64(end, pieces[next].seg.start);
		append_segment(map, heap->at[0], pos, end);
		pos = end;
	}
}

static void merge_ranges(struct segment_map *map)
{
	for (size_t i = 0; i < map->nr_segments; i++) {
		const struct segment *s = &map->segments[i];

		if (map->nr_ranges && map->ranges[map->nr_ranges - 1].end == s->start)
			map->ranges[map->nr_ranges - 1].end = s->end;
		else
			map->ranges[map->nr_ranges++] = (struct range){ s->start, s->end };
	}
}

enum status segment_map_init(struct segment_map *map, const struct elf_load *loads, size_t nr_loads, struct err *err)
{
	size_t cap = 2 * nr_loads; /* pieces; each adds at most two boundaries, so twice that many segments */
	struct piece *pieces = calloc(cap, sizeof(*pieces));
	struct heap heap = { calloc(cap, sizeof(*heap.at)), 0 };
	enum status st = ST_OK;

	*map = (struct segment_map){ 0 };
	map->segments = calloc(2 * cap, sizeof(*map->segments));
	if (!pieces || !heap.at || !map->segments) {
		st = err_set(err, ST_NO_MEMORY, "out of memory");
		goto out;
	}
	cap = split_into_pieces(loads, nr_loads, pieces);
	qsort(pieces, cap, sizeof(*pieces), piece_by_start);
	sweep(map, pieces, cap, &heap);
	map->ranges = calloc(map->nr_segments, sizeof(*map->ranges));
	if (!map->ranges) {
		st = err_set(err, ST_NO_MEMORY, "out of memory");
		goto out;
	}
	merge_ranges(map);
out:
	free(pieces);
	free(heap.at);
	if (st != ST_OK)
		segment_map_deinit(map);
	return st;
}

void segment_map_deinit(struct segment_map *map)
{
	free(map->segments);
	free(map->ranges);
	*map = (struct segment_map){ 0 };
}

size_t segment_map_find(const struct segment_map *map, uint64_t paddr)
{
	size_t lo = 0, hi = map->nr_segments;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (map->segments[mid].end <= paddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
