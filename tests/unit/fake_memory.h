/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_MEMORY_H
#define TESTS_UNIT_FAKE_MEMORY_H

/*
 * Physical memory out of pieces, each with bytes, claimed, or broken; what a byte is follows from its address. Include
 *after cmocka.h.
 *
 *	struct fake_memory fm = fake_memory_new(4096);
 *	fake_memory_add(&fm, 0x1000, 0x3000, FAKE_DATA);
 *	fake_memory_add(&fm, 0x3000, 0x4000, FAKE_BROKEN);
 *	struct physmem *pm = fake_memory_pm(&fm);	fm must stay where it is
 */

#include <stdlib.h>
#include <string.h>

#include "formats/physmem.h"

#define FAKE_PIECES_MAX 4096

enum fake_piece_kind {
	FAKE_DATA,
	FAKE_ZERO,    /**< data too */
	FAKE_NOISE,   /**< data that no codec shrinks */
	FAKE_REPEATED, /**< noise and text that come again every 8 pages of 4096 bytes */
	FAKE_CLAIMED, /**< RAM of which the dump has no byte */
	FAKE_BROKEN,  /**< should be there and cannot be read */
};

struct fake_piece {
	uint64_t start, end;
	enum fake_piece_kind kind;
};

struct fake_memory {
	struct physmem pm;
	struct fake_piece pieces[FAKE_PIECES_MAX]; /**< ascending, disjoint */
	size_t nr_pieces;
	struct range ranges[FAKE_PIECES_MAX];
	uint64_t nr_reads;
};

static inline uint8_t fake_memory_byte(enum fake_piece_kind kind, uint64_t paddr)
{
	uint64_t h;

	if (kind == FAKE_ZERO)
		return 0;
	if (kind == FAKE_REPEATED) {
		kind = paddr / 4096 % 2 ? FAKE_NOISE : FAKE_DATA;
		paddr %= 8 * 4096;
	}
	h = (kind == FAKE_NOISE ? paddr : paddr / 256) * UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint8_t)(h >> 56) | (kind == FAKE_DATA);
}

/* In runs of the same byte where there are some: thread sanitizers take their time for each store. */
static inline void fake_memory_fill(enum fake_piece_kind kind, uint64_t paddr, uint8_t *to, uint64_t len)
{
	const uint64_t period = kind == FAKE_DATA || kind == FAKE_ZERO ? 256 : 1;
	uint64_t run;

	for (uint64_t i = 0; i < len; i += run) {
		run = min_u64(period - (paddr + i) % period, len - i);
		memset(to + i, fake_memory_byte(kind, paddr + i), run);
	}
}

static inline struct fake_piece *fake_memory_find(struct fake_memory *fm, uint64_t paddr)
{
	for (size_t i = 0; i < fm->nr_pieces; i++)
		if (paddr < fm->pieces[i].end)
			return &fm->pieces[i];
	return NULL;
}

static inline enum status fake_memory_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got,
					   struct err *err)
{
	struct fake_memory *fm = (struct fake_memory *)pm;
	uint8_t *to = buf;

	fm->nr_reads++;
	while (*got < len) {
		uint64_t at = paddr + *got;
		struct fake_piece *p = fake_memory_find(fm, at);

		if (!p || at < p->start || p->kind == FAKE_CLAIMED)
			return err_set(err, ST_NO_DATA, "fake: no byte at 0x%llx", (unsigned long long)at);
		if (p->kind == FAKE_BROKEN)
			return err_set(err, ST_IO, "fake: cannot read 0x%llx", (unsigned long long)at);
		fake_memory_fill(p->kind, at, to + *got, min_u64(p->end - at, len - *got));
		*got += min_u64(p->end - at, len - *got);
	}
	return ST_OK;
}

static inline bool fake_memory_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	struct fake_memory *fm = (struct fake_memory *)pm;
	struct fake_piece *p = fake_memory_find(fm, paddr);

	while (p && p < fm->pieces + fm->nr_pieces && p->kind == FAKE_CLAIMED)
		p++;
	if (!p || p == fm->pieces + fm->nr_pieces || p->start >= limit)
		return false;
	*run = (struct range){ max_u64(paddr, p->start), min_u64(limit, p->end) };
	return true;
}

static inline void fake_memory_close(struct physmem *pm)
{
}

static inline void fake_memory_close_clone(struct physmem *pm)
{
	free(pm);
}

static const struct physmem_ops fake_memory_clone_ops = {
	.read = fake_memory_read,
	.next_data = fake_memory_next_data,
	.close = fake_memory_close_clone,
};

static inline enum status fake_memory_clone(struct physmem *pm, struct physmem **clone, struct err *err)
{
	struct fake_memory *fm = malloc(sizeof(*fm));

	assert_non_null(fm);
	memcpy(fm, pm, sizeof(*fm));
	fm->pm.ops = &fake_memory_clone_ops;
	*clone = &fm->pm;
	return ST_OK;
}

static const struct physmem_ops fake_memory_ops = {
	.read = fake_memory_read,
	.next_data = fake_memory_next_data,
	.clone = fake_memory_clone,
	.close = fake_memory_close,
};

static inline struct fake_memory fake_memory_new(uint32_t page_size)
{
	return (struct fake_memory){
		.pm = { .ops = &fake_memory_ops, .page_size = page_size, .order = ORDER_LITTLE, .is_64bit = true },
	};
}

static inline void fake_memory_add(struct fake_memory *fm, uint64_t start, uint64_t end, enum fake_piece_kind kind)
{
	struct range *last = fm->pm.nr_ranges ? &fm->ranges[fm->pm.nr_ranges - 1] : NULL;

	assert_true(fm->nr_pieces < FAKE_PIECES_MAX && start < end);
	assert_true(!fm->nr_pieces || fm->pieces[fm->nr_pieces - 1].end <= start);
	fm->pieces[fm->nr_pieces++] = (struct fake_piece){ start, end, kind };
	if (last && last->end == start)
		last->end = end;
	else
		fm->ranges[fm->pm.nr_ranges++] = (struct range){ start, end };
}

static inline struct physmem *fake_memory_pm(struct fake_memory *fm)
{
	fm->pm.ranges = fm->ranges;
	return &fm->pm;
}

#endif
