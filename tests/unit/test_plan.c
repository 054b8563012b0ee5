// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/plan.h"
#include "capture/policy.h"
#include "kernel/classify.h"
#include "tests/unit/fake_memmap.h"
#include "tests/unit/fake_memory.h"

#define RAM (32 * MIB)
#define NR_PFNS (RAM / 4096)
#define ANON (UINT64_C(0xffff888000001000) | 1)
#define CACHE UINT64_C(0xffff888000001000)

static void level_bits_drop_what_makedumpfile_drops(void **state)
{
	for (unsigned level = 0; level < 32; level++) {
		assert_false(policy_drops(PAGE_CLASS_UNKNOWN, level));
		assert_false(policy_drops(PAGE_CLASS_KERNEL, level));
		assert_true(policy_drops(PAGE_CLASS_OFFLINE, level));
		assert_true(policy_drops(PAGE_CLASS_HWPOISON, level));
		assert_int_equal(policy_drops(PAGE_CLASS_CACHE, level), (level & 2) || (level & 4));
		assert_int_equal(policy_drops(PAGE_CLASS_CACHE_PRIVATE, level), !!(level & 4));
		assert_int_equal(policy_drops(PAGE_CLASS_USER, level), !!(level & 8));
		assert_int_equal(policy_drops(PAGE_CLASS_FREE, level), !!(level & 16));
	}
	assert_false(policy_drops((enum page_class)77, 31));
}

/* A little of everything: the blocks of pages that each class has. */
static const struct range blocks[PAGE_CLASS_COUNT] = {
	[PAGE_CLASS_UNKNOWN] = { 7 * 1024, 8 * 1024 },
	[PAGE_CLASS_FREE] = { 1024, 2048 },
	[PAGE_CLASS_CACHE] = { 2048, 2050 },
	[PAGE_CLASS_CACHE_PRIVATE] = { 2050, 2053 },
	[PAGE_CLASS_USER] = { 2560, 3072 },
	[PAGE_CLASS_OFFLINE] = { 4000, 4001 },
	[PAGE_CLASS_HWPOISON] = { 5000, 5002 },
};

static struct fake_memmap new_memory(void)
{
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);

	fake_vi_6_1(mm.fk);
	fake_page_put(&mm, 1024, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	for (uint64_t pfn = 2048; pfn < 2053; pfn++)
		fake_page_put(&mm, pfn,
			      (struct fake_page){ .flags = FAKE_PG_LRU | (pfn < 2050 ? 0 : FAKE_PG_PRIVATE),
						  .mapping = CACHE,
						  .refcount = 1 });
	fake_compound_put(&mm, 2560, 512, (struct fake_page){ .mapping = ANON, .refcount = 1 });
	fake_page_put(&mm, 4000, (struct fake_page){ .mapcount_plus_1 = FAKE_OFFLINE + 1 });
	for (uint64_t pfn = 5000; pfn < 5002; pfn++)
		fake_page_put(&mm, pfn, (struct fake_page){ .flags = FAKE_PG_HWPOISON, .refcount = 1 });
	fake_section_put(&mm, 7, 0);
	return mm;
}

static enum page_class class_by_hand(uint64_t pfn)
{
	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		if (pfn >= blocks[c].start && pfn < blocks[c].end)
			return (enum page_class)c;
	return PAGE_CLASS_KERNEL;
}

static void plans_follow_class_and_level(void **state)
{
	struct fake_memmap mm = new_memory();
	struct kmodel *km = fake_kernel_open(mm.fk);

	for (unsigned level = 0; level < 32; level++) {
		uint64_t count[PAGE_CLASS_COUNT] = { 0 }, kept = 0;
		struct plan plan;
		struct err err = { 0 };

		assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &(struct plan_config){ .level = level }, &err), ST_OK);
		assert_true(plan.filtered);
		assert_int_equal(plan.sections_missing, 1);
		assert_int_equal(plan.pages_not_in_source, 0);
		for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
			bool keep = !policy_drops(class_by_hand(pfn), level);

			if (pageset_test(&plan.keep, pfn) != keep)
				fail_msg("level %u, page %llu", level, (unsigned long long)pfn);
			count[class_by_hand(pfn)]++;
			kept += keep;
		}
		assert_int_equal(plan.keep.nr_set, kept);
		assert_memory_equal(plan.by_class, count, sizeof(count));
		plan_deinit(&plan);
	}
	kmodel_close(km);
	fake_memmap_free(&mm);
}

/* A source that was filtered before: 9 MiB to 10 MiB, and a part of the page at 12 MiB, are only claimed. */
static bool filtered_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	static const struct range held[] = {
		{ 0, 9 * MIB }, { 10 * MIB, 12 * MIB }, { 12 * MIB + 5, 12 * MIB + 6 }, { 12 * MIB + 4096, RAM }
	};

	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].end <= paddr || held[i].start >= limit)
			continue;
		*run = (struct range){ max_u64(paddr, held[i].start), min_u64(limit, held[i].end) };
		return true;
	}
	return false;
}

static void pages_that_the_source_lacks_are_counted_whatever_their_class(void **state)
{
	static const struct physmem_ops ops = {
		.read = fake_physmem_read,
		.next_data = filtered_next_data,
		.close = fake_physmem_close,
	};
	struct fake_memmap mm = new_memory();
	struct kmodel *km = fake_kernel_open(mm.fk);
	struct plan plan;
	struct err err = { 0 };

	mm.fk->pm.ops = &ops;
	/* Of 2304 to 2560 the structs say kernel; of 2560 and up user, which level 8 drops on its own. */
	for (unsigned level = 0; level <= 8; level += 8) {
		assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &(struct plan_config){ .level = level }, &err), ST_OK);
		assert_int_equal(plan.pages_not_in_source, 256);
		assert_true(pageset_test(&plan.keep, 2303));
		assert_false(pageset_test(&plan.keep, 2304));
		assert_false(pageset_test(&plan.keep, 2559));
		assert_int_equal(pageset_test(&plan.keep, 2560), level == 0);
		assert_true(pageset_test(&plan.keep, 3072));
		plan_deinit(&plan);
	}
	/* Free pages that the source lacks are lacking, not dropped. */
	fake_page_put(&mm, 2304, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 8 });
	assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &(struct plan_config){ .level = 31 }, &err), ST_OK);
	assert_int_equal(plan.pages_not_in_source, 256);
	plan_deinit(&plan);
	kmodel_close(km);
	fake_memmap_free(&mm);
}

struct steps {
	uint64_t nr, last_done, stop_after;
};

static bool count_steps(void *ctx, uint64_t done, uint64_t total)
{
	struct steps *s = ctx;

	assert_true(done > s->last_done && done <= total);
	assert_int_equal(total, NR_PFNS - 1);
	s->last_done = done;
	return ++s->nr != s->stop_after;
}

static void plan_that_is_stopped_keeps_the_rest(void **state)
{
	static const struct range ranges[] = { { 0, 16 * MIB }, { 16 * MIB + 4096, RAM } };
	struct fake_memmap mm = new_memory();
	struct kmodel *km = fake_kernel_open(mm.fk);
	struct steps s = { .stop_after = 1 };
	struct plan_config c = { .level = 31, .step = count_steps, .ctx = &s };
	struct plan plan;
	struct err err = { 0 };
	uint64_t sum = 0;

	mm.fk->pm.ranges = ranges;
	mm.fk->pm.nr_ranges = ARRAY_SIZE(ranges);
	assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &c, &err), ST_OK);
	assert_int_equal(s.nr, 1);
	assert_false(pageset_test(&plan.keep, 1024));
	for (uint64_t pfn = 16 * MIB / 4096 + 1; pfn < NR_PFNS; pfn++)
		assert_true(pageset_test(&plan.keep, pfn));
	for (int i = 0; i < PAGE_CLASS_COUNT; i++)
		sum += plan.by_class[i];
	assert_int_equal(sum, NR_PFNS - 1);
	plan_deinit(&plan);
	s = (struct steps){ 0 };
	assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &c, &err), ST_OK);
	assert_int_equal(s.last_done, NR_PFNS - 1);
	plan_deinit(&plan);
	kmodel_close(km);
	fake_memmap_free(&mm);
}

/* A guard against a rule that drops nothing at this level has nothing to tell. */
static void reserved_pages_count_where_a_rule_would_drop_them(void **state)
{
	struct fake_memmap mm = new_memory();
	struct kmodel *km;
	struct err err = { 0 };

	fake_vi_add(mm.fk, "NUMBER(PG_reserved)=12");
	for (uint64_t pfn = 2048; pfn < 2051; pfn++) /* two of cache, one of cache with private data */
		fake_page_put(&mm, pfn,
			      (struct fake_page){ .flags = FAKE_PG_LRU | UINT64_C(1) << 12 | (pfn < 2050 ? 0 : FAKE_PG_PRIVATE),
						  .mapping = CACHE,
						  .refcount = 1 });
	km = fake_kernel_open(mm.fk);
	for (unsigned level = 0; level < 32; level++) {
		struct plan plan;

		assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &(struct plan_config){ .level = level }, &err), ST_OK);
		assert_int_equal(plan.reserved_fired, level & 4 ? 3 : level & 2 ? 2 : 0);
		assert_true(pageset_test(&plan.keep, 2048) && pageset_test(&plan.keep, 2050));
		plan_deinit(&plan);
	}
	kmodel_close(km);
	fake_memmap_free(&mm);
}

static void without_a_model_everything_is_kept_and_the_reason_told(void **state)
{
	static struct fake_memory fm;
	struct plan_config c = { .level = 31, .why_no_model = "the reason" };
	struct plan plan;
	struct err err = { 0 };

	fm = fake_memory_new(4096);
	fake_memory_add(&fm, 0x1000, 0x5800, FAKE_DATA);
	fake_memory_add(&fm, 0x5800, 0x9800, FAKE_CLAIMED);
	fake_memory_add(&fm, 0xb000, 0xc000, FAKE_BROKEN);
	fake_memory_add(&fm, 0xc000, 0xd000, FAKE_CLAIMED);
	assert_int_equal(plan_init(&plan, fake_memory_pm(&fm), NULL, &c, &err), ST_OK);
	assert_false(plan.filtered);
	assert_string_equal(plan.why_unfiltered, "the reason");
	assert_int_equal(plan.by_class[PAGE_CLASS_UNKNOWN], 11);
	assert_int_equal(plan.pages_not_in_source, 5);
	assert_int_equal(plan.keep.nr_set, 6);
	assert_true(pageset_test(&plan.keep, 5)); /* a part of it is there */
	assert_false(pageset_test(&plan.keep, 6));
	assert_true(pageset_test(&plan.keep, 11)); /* unreadable is not lacking: that is for emit to find */
	assert_false(pageset_test(&plan.keep, 12));
	plan_deinit(&plan);
}

static void without_a_map_everything_is_kept_and_the_reason_told(void **state)
{
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct kmodel *km = fake_kernel_open(mm.fk);
	struct plan plan;
	struct err err = { 0 };

	assert_int_equal(plan_init(&plan, &mm.fk->pm, km, &(struct plan_config){ .level = 31 }, &err), ST_OK);
	assert_false(plan.filtered);
	assert_non_null(strstr(plan.why_unfiltered, "slab"));
	assert_int_equal(plan.keep.nr_set, NR_PFNS);
	assert_int_equal(plan.by_class[PAGE_CLASS_UNKNOWN], NR_PFNS);
	plan_deinit(&plan);
	kmodel_close(km);
	fake_memmap_free(&mm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_bits_drop_what_makedumpfile_drops),
		cmocka_unit_test(plans_follow_class_and_level),
		cmocka_unit_test(pages_that_the_source_lacks_are_counted_whatever_their_class),
		cmocka_unit_test(plan_that_is_stopped_keeps_the_rest),
		cmocka_unit_test(reserved_pages_count_where_a_rule_would_drop_them),
		cmocka_unit_test(without_a_model_everything_is_kept_and_the_reason_told),
		cmocka_unit_test(without_a_map_everything_is_kept_and_the_reason_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
