// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * decode THREADS DUMP...: every page of one dump after the other, read and decoded as compare does it, and nothing else done
 * with it: what compare's speed is held against.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/pool.h"
#include "formats/physmem.h"

/* As large as compare's, so that threads wait as seldom, and read piece by piece, so that a piece stays in the processor's cache. */
#define STRETCH_BYTES MIB
#define PIECE_BYTES (128 * KIB)
#define STRETCHES_PER_THREAD 2u

struct stretch {
	struct physmem *pm;
	uint64_t start_pfn;
	size_t nr;
	uint8_t *pages;
	enum page_state *state;
};

static void read_stretch(void *ctx, unsigned worker, void *item)
{
	struct stretch *s = item;
	size_t piece = PIECE_BYTES / s->pm->page_size;

	for (size_t at = 0; at < s->nr; at += piece)
		physmem_read_pages(s->pm, s->start_pfn + at, (size_t)min_u64(piece, s->nr - at), s->pages, s->state);
}

static bool next_stretch(struct physmem *pm, struct stretch *s, uint64_t *paddr)
{
	struct range run;

	if (!physmem_next_data(pm, *paddr, UINT64_MAX, &run))
		return false;
	s->start_pfn = run.start / pm->page_size;
	*paddr = align_down(run.start, STRETCH_BYTES) + STRETCH_BYTES;
	s->nr = (size_t)((*paddr - s->start_pfn * pm->page_size) / pm->page_size);
	return true;
}

static int decode(const char *path, unsigned nr_threads)
{
	unsigned nr = nr_threads * STRETCHES_PER_THREAD;
	struct stretch *s = calloc(nr, sizeof(*s)), *done;
	uint64_t paddr = 0;
	struct err err = { 0 };
	struct physmem *pm;
	struct pool *pool;

	if (!s || physmem_open(path, &pm, &err) != ST_OK || pool_open(nr_threads, read_stretch, NULL, &pool, &err) != ST_OK)
		goto fail;
	for (unsigned i = 0; i < nr; i++) {
		s[i].pages = malloc(PIECE_BYTES);
		s[i].state = calloc(PIECE_BYTES / pm->page_size, sizeof(*s[i].state));
		if (!s[i].pages || !s[i].state || physmem_clone(pm, &s[i].pm, &err) != ST_OK)
			goto fail;
	}
	for (unsigned i = 0; i < nr && next_stretch(pm, &s[i], &paddr); i++)
		if (!pool_submit(pool, &s[i]))
			goto fail;
	while ((done = pool_collect(pool)))
		if (next_stretch(pm, done, &paddr) && !pool_submit(pool, done))
			goto fail;
	pool_close(pool);
	for (unsigned i = 0; i < nr; i++) {
		physmem_close(s[i].pm);
		free(s[i].pages);
		free(s[i].state);
	}
	physmem_close(pm);
	free(s);
	return 0;
fail:
	fprintf(stderr, "decode: %s: %s\n", path, err.text);
	return 1;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (decode(argv[i], (unsigned)atoi(argv[1])) != 0)
			return 1;
	return argc < 3;
}
