// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/sorter.h"

#include <string.h>

enum status sorter_init(struct sorter *s, struct kmodel *km, uint64_t drops, struct err *err)
{
	*s = (struct sorter){ .pm = km->pm, .km = km, .drops = drops };
	return classifier_open(km, &s->c, err);
}

enum status sorter_clone(struct sorter *s, const struct sorter *from, struct err *err)
{
	enum status st;

	*s = (struct sorter){ .is_clone = true, .drops = from->drops };
	st = physmem_clone(from->pm, &s->pm, err);
	if (st == ST_OK)
		st = kmodel_clone(from->km, s->pm, &s->km, err);
	if (st == ST_OK)
		st = classifier_clone(from->c, s->km, &s->c, err);
	if (st != ST_OK)
		sorter_deinit(s);
	return st;
}

void sorter_deinit(struct sorter *s)
{
	classifier_close(s->c);
	if (s->is_clone) {
		kmodel_close(s->km);
		physmem_close(s->pm);
	}
	*s = (struct sorter){ 0 };
}

/* Are the 64 bytes at @class all the same? */
static bool is_uniform(const uint8_t *class)
{
	uint64_t first = class[0] * UINT64_C(0x0101010101010101), differ = 0;

	for (size_t i = 0; i < 64; i += 8) {
		uint64_t v;

		memcpy(&v, class + i, sizeof(v));
		differ |= v ^ first;
	}
	return !differ;
}

/* Poison is not guarded: reading it may end the machine. So it is a set of its own. */
static void part_poison(struct sorted_part *p, size_t word, const uint8_t *class, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (class[i] == PAGE_CLASS_HWPOISON)
			p->poison[word] |= UINT64_C(1) << i;
	p->drop[word] &= ~p->poison[word];
	p->has_poison = true;
}

/* Of up to 64 pages. Without branches on what differs from page to page: a byte of @counts for each class. */
static void take_word(const struct sorter *s, struct sorted_part *p, size_t word, size_t nr)
{
	const uint8_t *class = s->class + word * 64;
	uint64_t counts = 0, drop = 0;

	_Static_assert(PAGE_CLASS_COUNT <= 8, "a byte for each");
	if (nr == 64 && is_uniform(class)) {
		counts = UINT64_C(64) << 8 * class[0];
		drop = -(s->drops >> class[0] & 1);
	} else {
		for (size_t i = 0; i < nr; i++) {
			counts += UINT64_C(1) << 8 * class[i];
			drop |= (s->drops >> class[i] & 1) << i;
		}
	}
	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		p->by_class[c] += counts >> 8 * c & 0xff;
	p->drop[word] = drop;
	p->poison[word] = 0;
	if (counts >> 8 * PAGE_CLASS_HWPOISON & 0xff)
		part_poison(p, word, class, nr);
}

void sorter_run(struct sorter *s, struct sorted_part *part)
{
	uint64_t pfn = part->start_pfn;

	while (pfn < part->end_pfn) {
		uint64_t end = min_u64(align_down(pfn, CLASSIFY_BATCH_PAGES) + CLASSIFY_BATCH_PAGES, part->end_pfn);

		classifier_run(s->c, pfn, end, s->class + (pfn - part->start_pfn));
		pfn = end;
	}
	memset(part->by_class, 0, sizeof(part->by_class));
	part->has_poison = false;
	for (size_t word = 0, nr = (size_t)(part->end_pfn - part->start_pfn); word * 64 < nr; word++)
		take_word(s, part, word, (size_t)min_u64(nr - word * 64, 64));
	classifier_take_counts(s->c, &part->counts);
}
