// SPDX-License-Identifier: GPL-2.0-or-later
/* The same plan for any number of threads, whatever happens on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/plan.h"
#include "tests/unit/fake_memmap.h"

#define RAM (32 * MIB)
#define NR_PFNS (RAM / 4096)
#define ANON (UINT64_C(0xffff888000001000) | 1)
#define NR_RUNS 100u

/* Runs of RAM with a page missing in between: each is a part of its own. */
static struct range runs[NR_RUNS];
static unsigned nr_clones, most_clones; /* made by the thread that plans */

static void free_clone(struct physmem *pm)
{
	free((char *)pm - offsetof(struct fake_kernel, pm));
}

static const struct physmem_ops clone_ops = {
	.read = fake_physmem_read,
	.next_data = fake_next_data,
	.close = free_clone,
};

static enum status clone_fake(struct physmem *pm, struct physmem **clone, struct err *err)
{
	struct fake_kernel *fk = nr_clones < most_clones ? malloc(sizeof(*fk)) : NULL;

	if (!fk)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(fk, (char *)pm - offsetof(struct fake_kernel, pm), sizeof(*fk));
	fk->pm.ops = &clone_ops;
	*clone = &fk->pm;
	nr_clones++;
	return ST_OK;
}

static const struct physmem_ops ops = {
	.read = fake_physmem_read,
	.next_data = fake_next_data,
	.clone = clone_fake,
	.close = fake_physmem_close,
};

static struct fake_page some_page(void)
{
	static const struct fake_page pages[] = {
		{ .flags = FAKE_PG_LRU | FAKE_PG_SWAPBACKED, .mapping = ANON, .refcount = 1 },
		{ .flags = FAKE_PG_LRU, .mapping = ANON - 1, .refcount = 2 },
		{ .flags = FAKE_PG_LRU | FAKE_PG_PRIVATE, .mapping = ANON - 1, .refcount = 2 },
		{ .flags = FAKE_PG_SLAB, .mapping = ANON, .refcount = 1 },
		{ .flags = FAKE_PG_HWPOISON, .refcount = 1 },
		{ .mapcount_plus_1 = FAKE_OFFLINE + 1 },
		{ .refcount = 1 },
		{ .flags = FAKE_PG_LRU | 1u << 12, .refcount = 1 }, /* reserved */
	};

	return pages[(size_t)random() % ARRAY_SIZE(pages)];
}

/* Blocks of all orders; compound pages and free blocks lie across the edges of parts. */
static void fill(struct fake_memmap *mm)
{
	uint64_t pfn = 0;

	while (pfn < NR_PFNS) {
		unsigned order = (unsigned)random() % 11;

		while (pfn & ((UINT64_C(1) << order) - 1))
			order--;
		switch (random() % 4) {
		case 0:
			fake_page_put(mm, pfn, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = order });
			break;
		case 1:
			fake_compound_put(mm, pfn, UINT64_C(1) << order, some_page());
			break;
		default:
			for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
				fake_page_put(mm, pfn + i, some_page());
		}
		pfn += UINT64_C(1) << order;
	}
}

static struct fake_memmap new_memory(void)
{
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);

	fake_vi_6_1(mm.fk);
	fake_vi_add(mm.fk, "NUMBER(PG_reserved)=12");
	srandom(5);
	fill(&mm);
	fake_section_put(&mm, 5, 0); /* is not there */
	fake_hole(mm.fk, fake_page_vaddr(&mm, 6400), ST_IO);
	for (uint64_t i = 0; i < NR_RUNS; i++) {
		runs[i].start = i * NR_PFNS / NR_RUNS * 4096;
		runs[i].end = ((i + 1) * NR_PFNS / NR_RUNS - 1) * 4096;
	}
	mm.fk->pm.ops = &ops;
	mm.fk->pm.ranges = runs;
	mm.fk->pm.nr_ranges = NR_RUNS;
	nr_clones = 0;
	most_clones = UINT32_MAX;
	return mm;
}

static void make_plan(struct fake_memmap *mm, struct plan_config c, struct plan *plan)
{
	struct kmodel *km = fake_kernel_open(mm->fk);
	struct err err = { 0 };

	c.level = 31;
	if (plan_init(plan, &mm->fk->pm, km, &c, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_true(plan->filtered);
	kmodel_close(km);
}

static void assert_same(const struct plan *a, const struct plan *b)
{
	assert_memory_equal(a->by_class, b->by_class, sizeof(a->by_class));
	assert_memory_equal(a->guards.fired, b->guards.fired, sizeof(a->guards.fired));
	assert_int_equal(a->reserved_fired, b->reserved_fired);
	assert_int_equal(a->sections_missing, b->sections_missing);
	assert_int_equal(a->keep.nr_set, b->keep.nr_set);
	assert_int_equal(a->keep.nr_present, b->keep.nr_present);
	for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++)
		assert_int_equal(pageset_test(&a->keep, pfn), pageset_test(&b->keep, pfn));
}

static void any_number_of_threads_makes_the_same_plan(void **state)
{
	struct fake_memmap mm = new_memory();
	struct plan alone, plan;

	make_plan(&mm, (struct plan_config){ 0 }, &alone);
	assert_int_equal(nr_clones, 0);
	/* All of it takes part. */
	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		assert_true(alone.by_class[c]);
	assert_true(alone.reserved_fired && alone.sections_missing == 1);
	for (unsigned n = 1; n <= 9; n++) {
		nr_clones = 0;
		make_plan(&mm, (struct plan_config){ .nr_threads = n }, &plan);
		assert_int_equal(nr_clones, n - 1);
		assert_same(&alone, &plan);
		plan_deinit(&plan);
	}
	plan_deinit(&alone);
	fake_memmap_free(&mm);
}

struct steps {
	uint64_t nr, last_done, stop_after;
};

static bool count_steps(void *ctx, uint64_t done, uint64_t total)
{
	struct steps *s = ctx;

	assert_true(s->nr < s->stop_after);
	assert_true(done > s->last_done && done <= total);
	s->last_done = done;
	return ++s->nr != s->stop_after;
}

static void one_that_stops_ends_all_and_keeps_the_rest(void **state)
{
	struct fake_memmap mm = new_memory();
	struct plan alone, whole, plan;

	make_plan(&mm, (struct plan_config){ 0 }, &whole);
	for (uint64_t stop = 1; stop < NR_RUNS; stop += 7) {
		struct steps s = { .stop_after = stop };
		struct plan_config c = { .step = count_steps, .ctx = &s };

		make_plan(&mm, c, &alone);
		assert_int_equal(s.nr, stop);
		for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
			uint64_t index;

			if (pageset_index(&whole.keep, pfn, &index))
				assert_int_equal(pageset_test(&alone.keep, pfn),
						 index >= s.last_done || pageset_test(&whole.keep, pfn));
		}
		for (c.nr_threads = 2; c.nr_threads <= 5; c.nr_threads++) {
			s = (struct steps){ .stop_after = stop };
			make_plan(&mm, c, &plan);
			assert_same(&alone, &plan);
			plan_deinit(&plan);
		}
		plan_deinit(&alone);
	}
	plan_deinit(&whole);
	fake_memmap_free(&mm);
}

static void what_cannot_be_read_is_kept_and_the_rest_goes_on(void **state)
{
	struct fake_memmap mm = new_memory();
	struct plan before, after;
	const uint64_t first = 2944, end = first + FAKE_PAGE / FAKE_PAGE_STRUCT; /* a page of struct pages */

	make_plan(&mm, (struct plan_config){ .nr_threads = 3 }, &before);
	fake_hole(mm.fk, fake_page_vaddr(&mm, first), ST_IO);
	make_plan(&mm, (struct plan_config){ .nr_threads = 3 }, &after);
	assert_true(after.keep.nr_set > before.keep.nr_set);
	for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
		uint64_t ignored;

		if (pfn >= first && pfn < end && pageset_index(&after.keep, pfn, &ignored))
			assert_true(pageset_test(&after.keep, pfn));
		else if (!pageset_test(&after.keep, pfn)) /* more may be kept: what a lost head would have told of */
			assert_false(pageset_test(&before.keep, pfn));
	}
	plan_deinit(&before);
	plan_deinit(&after);
	fake_memmap_free(&mm);
}

static void threads_that_memory_does_not_suffice_for_are_done_without(void **state)
{
	struct fake_memmap mm = new_memory();
	struct plan alone, plan;

	make_plan(&mm, (struct plan_config){ 0 }, &alone);
	for (most_clones = 0; most_clones < 4; most_clones++) {
		nr_clones = 0;
		make_plan(&mm, (struct plan_config){ .nr_threads = 4 }, &plan);
		assert_int_equal(nr_clones, min_u64(most_clones, 3));
		assert_same(&alone, &plan);
		plan_deinit(&plan);
	}
	for (uint64_t mib = 1; mib <= 5; mib++) {
		nr_clones = 0;
		make_plan(&mm, (struct plan_config){ .nr_threads = 4, .memory_bytes = mib * MIB }, &plan);
		/* The page set is the first to be served. */
		assert_int_equal(nr_clones, mib < 3 ? 0 : min_u64(mib - 1, 4) - 1);
		assert_same(&alone, &plan);
		plan_deinit(&plan);
	}
	plan_deinit(&alone);
	fake_memmap_free(&mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_threads_makes_the_same_plan),
		cmocka_unit_test(one_that_stops_ends_all_and_keeps_the_rest),
		cmocka_unit_test(what_cannot_be_read_is_kept_and_the_rest_goes_on),
		cmocka_unit_test(threads_that_memory_does_not_suffice_for_are_done_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
