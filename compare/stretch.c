// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/stretch.h"

#include <stdlib.h>
#include <string.h>

#define TILE_BYTES (128 * KIB)

size_t stretch_pages(uint32_t page_size)
{
	return (size_t)max_u64(1, min_u64(STRETCH_MAX_PAGES, STRETCH_MAX_BYTES / page_size));
}

static enum status clone_readers(struct stretch *b, struct physmem *inner, struct physmem *outer, struct err *err)
{
	enum status st = physmem_clone(inner, &b->inner, err);

	if (st != ST_OK)
		return st;
	st = physmem_clone(outer, &b->outer, err);
	if (st != ST_OK)
		physmem_close(b->inner);
	return st;
}

enum status stretch_init(struct stretch *b, struct physmem *inner, struct physmem *outer, bool *alone, struct err *err)
{
	enum status st;

	b->page_size = inner->page_size;
	b->max_pages = stretch_pages(b->page_size);
	st = clone_readers(b, inner, outer, err);
	b->owns_readers = st == ST_OK;
	*alone = st == ST_UNSUPPORTED;
	if (st != ST_OK && !*alone)
		return st;
	if (*alone) {
		b->inner = inner;
		b->outer = outer;
	}
	b->inner_pages = malloc(b->max_pages * b->page_size);
	b->outer_pages = malloc(b->max_pages * b->page_size);
	if (b->inner_pages && b->outer_pages)
		return ST_OK;
	stretch_deinit(b);
	return err_set(err, ST_NO_MEMORY, "out of memory");
}

void stretch_deinit(struct stretch *b)
{
	if (b->owns_readers) {
		physmem_close(b->outer);
		physmem_close(b->inner);
	}
	free(b->inner_pages);
	free(b->outer_pages);
	b->inner_pages = b->outer_pages = NULL;
	b->owns_readers = false;
}

/* Long stretches of a filtered dump hold nothing: then @pages stays as it is. */
static void read_pages(struct physmem *pm, uint64_t start_pfn, size_t nr, uint8_t *pages, enum page_state *state)
{
	struct range run;

	if (physmem_next_data(pm, start_pfn * pm->page_size, (start_pfn + nr) * pm->page_size, &run)) {
		physmem_read_pages(pm, start_pfn, nr, pages, state);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		state[i] = PAGE_ABSENT;
}

static bool has_data(enum page_state s)
{
	return s == PAGE_WHOLE || s == PAGE_PARTIAL;
}

/* What was just read is still in the processor's cache when it is compared. */
static void work_on_tile(struct stretch *b, size_t first, size_t nr)
{
	size_t size = b->page_size, off = first * size;

	read_pages(b->inner, b->start_pfn + first, nr, b->inner_pages + off, b->inner_state + first);
	read_pages(b->outer, b->start_pfn + first, nr, b->outer_pages + off, b->outer_state + first);
	for (size_t i = first; i < first + nr; i++)
		b->same[i] = has_data(b->inner_state[i]) && has_data(b->outer_state[i]) &&
			     !memcmp(b->inner_pages + i * size, b->outer_pages + i * size, size);
}

void stretch_work(void *ctx, unsigned worker, void *item)
{
	struct stretch *b = item;
	size_t tile = (size_t)max_u64(1, TILE_BYTES / b->page_size);

	for (size_t at = 0; at < b->nr; at += tile)
		work_on_tile(b, at, (size_t)min_u64(tile, b->nr - at));
}
