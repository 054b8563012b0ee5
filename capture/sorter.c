// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/sorter.h"

#include <string.h>

enum status sorter_init(struct sorter *s, struct kmodel *km, const bool drops[PAGE_CLASS_COUNT], struct err *err)
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

static void set_bits(uint64_t *bits, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t end = min_u64(to, (from / 64 + 1) * 64);

		bits[from / 64] |= UINT64_MAX >> (64 - (end - from)) << (from % 64);
		from = end;
	}
}

static void take_run(void *ctx, uint64_t start_pfn, uint64_t end_pfn, enum page_class class)
{
	const struct sorter *s = ctx;
	struct sorted_part *p = s->part;

	p->by_class[class] += end_pfn - start_pfn;
	if (!s->drops[class])
		return;
	/* Poison is not guarded: reading it may end the machine. */
	if (class == PAGE_CLASS_HWPOISON)
		p->has_poison = true;
	set_bits(class == PAGE_CLASS_HWPOISON ? p->poison : p->drop, start_pfn - p->start_pfn, end_pfn - p->start_pfn);
}

void sorter_run(struct sorter *s, struct sorted_part *part)
{
	uint64_t pfn = part->start_pfn;

	memset(part->by_class, 0, sizeof(part->by_class));
	memset(part->drop, 0, sizeof(part->drop));
	memset(part->poison, 0, sizeof(part->poison));
	part->has_poison = false;
	s->part = part;
	while (pfn < part->end_pfn) {
		uint64_t end = min_u64(align_down(pfn, CLASSIFY_BATCH_PAGES) + CLASSIFY_BATCH_PAGES, part->end_pfn);

		classifier_run(s->c, pfn, end, take_run, s);
		pfn = end;
	}
	classifier_take_counts(s->c, &part->counts);
}
