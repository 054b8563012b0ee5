/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_DUMP_H
#define TESTS_UNIT_FAKE_DUMP_H

/*
 * A dump whose every byte the test sets: bytes that it holds, bytes that it only claims, bytes that it cannot give.
 *Include after cmocka.h.
 *
 *	struct fake_dump *d = fake_dump_new(0x200000, 64);	64 pages from there on, all of them zero and nowhere
 *	fake_dump_set(d, 0x200000, 0x203000, FAKE_HELD);
 *	*fake_dump_at(d, 0x200123) = 7;
 *	struct physmem *pm = fake_dump_pm(d);			after the last fake_dump_set()
 *	fake_dump_free(d);
 */

#include <stdlib.h>
#include <string.h>

#include "formats/physmem.h"

#define FAKE_DUMP_PAGE 4096u

enum fake_byte { FAKE_NOWHERE, FAKE_ONLY_CLAIMED, FAKE_HELD, FAKE_UNREADABLE };

struct fake_dump {
	struct physmem pm;
	uint64_t base;
	size_t len;
	uint8_t *bytes;
	uint8_t *kinds; /* enum fake_byte */
	struct range *ranges;
};

static inline enum fake_byte fake_dump_kind(const struct fake_dump *d, uint64_t paddr)
{
	return paddr >= d->base && paddr - d->base < d->len ? (enum fake_byte)d->kinds[paddr - d->base] : FAKE_NOWHERE;
}

static inline uint8_t *fake_dump_at(struct fake_dump *d, uint64_t paddr)
{
	assert_true(paddr >= d->base && paddr - d->base < d->len);
	return &d->bytes[paddr - d->base];
}

static inline enum status fake_dump_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got,
					 struct err *err)
{
	struct fake_dump *d = (struct fake_dump *)pm;

	for (; *got < len; ++*got) {
		uint64_t at = paddr + *got;

		switch (fake_dump_kind(d, at)) {
		case FAKE_HELD:
			((uint8_t *)buf)[*got] = d->bytes[at - d->base];
			break;
		case FAKE_UNREADABLE:
			return err_set(err, ST_IO, "fake: cannot read 0x%llx", (unsigned long long)at);
		case FAKE_NOWHERE:
		case FAKE_ONLY_CLAIMED:
			return err_set(err, ST_NO_DATA, "fake: no byte at 0x%llx", (unsigned long long)at);
		}
	}
	return ST_OK;
}

static inline bool fake_dump_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	struct fake_dump *d = (struct fake_dump *)pm;
	uint64_t at = paddr > d->base ? paddr : d->base, end = min_u64(limit, d->base + d->len);

	while (at < end && fake_dump_kind(d, at) < FAKE_HELD)
		at++;
	if (at >= end)
		return false;
	run->start = at;
	while (at < end && fake_dump_kind(d, at) >= FAKE_HELD)
		at++;
	run->end = at;
	return true;
}

static inline void fake_dump_close(struct physmem *pm)
{
}

static const struct physmem_ops fake_dump_ops = {
	.read = fake_dump_read,
	.next_data = fake_dump_next_data,
	.close = fake_dump_close,
};

static inline struct fake_dump *fake_dump_new(uint64_t base, size_t nr_pages)
{
	struct fake_dump *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->pm = (struct physmem){
		.ops = &fake_dump_ops, .page_size = FAKE_DUMP_PAGE, .order = ORDER_LITTLE, .is_64bit = true
	};
	d->base = base;
	d->len = nr_pages * FAKE_DUMP_PAGE;
	d->bytes = calloc(1, d->len);
	d->kinds = calloc(1, d->len);
	d->ranges = calloc(d->len / 2 + 1, sizeof(*d->ranges));
	assert_true(d->bytes && d->kinds && d->ranges);
	return d;
}

static inline void fake_dump_free(struct fake_dump *d)
{
	free(d->bytes);
	free(d->kinds);
	free(d->ranges);
	free(d);
}

static inline void fake_dump_set(struct fake_dump *d, uint64_t start, uint64_t end, enum fake_byte kind)
{
	assert_true(start >= d->base && start < end && end - d->base <= d->len);
	memset(d->kinds + (start - d->base), kind, end - start);
}

static inline struct physmem *fake_dump_pm(struct fake_dump *d)
{
	d->pm.nr_ranges = 0;
	for (uint64_t at = d->base; at < d->base + d->len; at++) {
		struct range *last = d->pm.nr_ranges ? &d->ranges[d->pm.nr_ranges - 1] : NULL;

		if (fake_dump_kind(d, at) == FAKE_NOWHERE)
			continue;
		if (last && last->end == at)
			last->end++;
		else
			d->ranges[d->pm.nr_ranges++] = (struct range){ at, at + 1 };
	}
	d->pm.ranges = d->ranges;
	return &d->pm;
}

#endif
