// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "capture/policy.h"
#include "capture/trust.h"

#define ALL (DUMP_LEVEL_CACHE | DUMP_LEVEL_CACHE_PRIVATE | DUMP_LEVEL_USER | DUMP_LEVEL_FREE)
#define ALL_BUT_FREE (ALL & ~DUMP_LEVEL_FREE)

/* A guest of 4 GiB, as its own counters and a plan that fits them tell. */
static const struct vmstat sound_counters = {
	.known = { true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true },
	.pages = {
		[VMSTAT_MANAGED] = 1000000,
		[VMSTAT_INACTIVE_ANON] = 60000, [VMSTAT_ACTIVE_ANON] = 60000, [VMSTAT_INACTIVE_FILE] = 150000,
		[VMSTAT_ACTIVE_FILE] = 50000, [VMSTAT_UNEVICTABLE] = 2000,
		[VMSTAT_ANON_MAPPED] = 98000, [VMSTAT_FILE_PAGES] = 222000, [VMSTAT_SHMEM] = 21000,
		[VMSTAT_SWAPCACHE] = 1000, [VMSTAT_SLAB_RECLAIMABLE] = 30000, [VMSTAT_SLAB_UNRECLAIMABLE] = 20000,
		[VMSTAT_PAGETABLE] = 3000, [VMSTAT_ZSPAGES] = 5000, [VMSTAT_HUGETLB] = 10240,
	},
};

static struct trust_seen sound_seen(void)
{
	struct trust_seen seen = { .pages = 1040000, .slab = 49000 };

	seen.by_class[PAGE_CLASS_FREE] = 500000;
	seen.by_class[PAGE_CLASS_CACHE] = 200000;
	seen.by_class[PAGE_CLASS_CACHE_PRIVATE] = 21000;
	seen.by_class[PAGE_CLASS_USER] = 101000 + 10240 + 5000;
	seen.by_class[PAGE_CLASS_KERNEL] = seen.pages - 500000 - 221000 - 116240;
	return seen;
}

static struct trust sound_trust(void)
{
	return (struct trust){ .counters = sound_counters, .has_free = true, .free = { 500010, 499900, 500010 } };
}

/* What is left of level 31. */
static unsigned level_of(struct trust *t, const struct trust_seen *seen)
{
	char words[512];

	trust_judge(t, seen, 4);
	trust_describe(t, words, sizeof(words));
	assert_int_equal(trust_level(t, 31) == 31, !words[0]);
	return trust_level(t, 31);
}

static void move(struct trust_seen *seen, enum page_class from, enum page_class to, uint64_t pages)
{
	seen->by_class[from] -= pages;
	seen->by_class[to] += pages;
}

static void sound_plan_is_trusted(void **state)
{
	struct trust t = sound_trust();
	struct trust_seen seen = sound_seen();

	assert_int_equal(level_of(&t, &seen), 31);
	for (int c = 0; c < TRUST_COUNT; c++) {
		assert_true(t.rows[c].known);
		assert_int_equal(trust_distance(&t.rows[c]), 0);
	}
	assert_int_equal(trust_level(&t, 5), 5);
}

static void classes_that_are_too_large_are_not_left_out(void **state)
{
	static const struct {
		enum page_class class;
		unsigned level;
	} all[] = { { PAGE_CLASS_FREE, 31 & ~DUMP_LEVEL_FREE },
		    { PAGE_CLASS_CACHE, 31 & ~ALL_BUT_FREE },
		    { PAGE_CLASS_CACHE_PRIVATE, 31 & ~ALL_BUT_FREE },
		    { PAGE_CLASS_USER, 31 & ~ALL_BUT_FREE } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct trust t = sound_trust();
		struct trust_seen seen = sound_seen();

		move(&seen, PAGE_CLASS_KERNEL, all[i].class, 50000);
		assert_int_equal(level_of(&t, &seen), all[i].level);
	}
}

static void classes_that_are_too_small_are_not_left_out(void **state)
{
	struct trust t = sound_trust();
	struct trust_seen seen = sound_seen();

	move(&seen, PAGE_CLASS_FREE, PAGE_CLASS_KERNEL, 400000);
	assert_int_equal(level_of(&t, &seen), 31 & ~DUMP_LEVEL_FREE);
	seen = sound_seen();
	move(&seen, PAGE_CLASS_CACHE, PAGE_CLASS_KERNEL, 150000);
	assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
	seen = sound_seen();
	move(&seen, PAGE_CLASS_USER, PAGE_CLASS_KERNEL, 110000);
	assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
}

/* Lost slab is what went wrong most often: where it is not seen, it is somewhere else. */
static void slab_that_is_not_seen_ends_the_trust(void **state)
{
	struct trust t = sound_trust();
	struct trust_seen seen = sound_seen();

	seen.slab = 0;
	assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
	seen.slab = 25000; /* the rest are large kmallocs */
	assert_int_equal(level_of(&t, &seen), 31);
	t.tells_large_kmallocs = true; /* then there is no rest */
	assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
	seen.slab = 100000;
	assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
}

static void more_than_the_allocator_ever_had_is_nonsense(void **state)
{
	struct trust t = { .counters = { .known = { [VMSTAT_MANAGED] = true }, .pages = { [VMSTAT_MANAGED] = 500000 } } };
	struct trust_seen seen = sound_seen();

	assert_int_equal(level_of(&t, &seen), 31 & ~ALL);
}

/* What the dump lacks, or nobody looked at, cannot have been seen; what was seen is not less for it. */
static void what_was_not_looked_at_is_not_missed(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct trust t = sound_trust();
		struct trust_seen seen = sound_seen();

		move(&seen, PAGE_CLASS_FREE, PAGE_CLASS_KERNEL, 400000);
		move(&seen, PAGE_CLASS_CACHE, PAGE_CLASS_KERNEL, 150000);
		seen.slab = 0;
		if (i == 0)
			seen.sections_missing = 1;
		else if (i == 1)
			move(&seen, PAGE_CLASS_KERNEL, PAGE_CLASS_UNKNOWN, 100000);
		else if (i == 2)
			seen.pages = 900000;
		else
			t.counters.is_lent = true;
		assert_int_equal(level_of(&t, &seen), 31);
		move(&seen, PAGE_CLASS_KERNEL, PAGE_CLASS_USER, 100000);
		assert_int_equal(level_of(&t, &seen), 31 & ~ALL_BUT_FREE);
	}
}

static void counters_that_are_not_known_say_nothing(void **state)
{
	struct trust t = { .has_free = false };
	struct trust_seen seen = { .pages = 100 };

	seen.by_class[PAGE_CLASS_USER] = 90;
	assert_int_equal(level_of(&t, &seen), 31);
	for (int c = 0; c < TRUST_COUNT; c++)
		assert_false(t.rows[c].known);
	/* Zeros that are none: without the counts of hugetlb and zsmalloc, user pages are not judged. */
	for (int i = 0; i < 2; i++) {
		enum vmstat_item item = i ? VMSTAT_ZSPAGES : VMSTAT_HUGETLB;

		t = sound_trust();
		seen = sound_seen();
		t.counters.known[item] = false;
		t.counters.pages[item] = 0;
		seen.by_class[PAGE_CLASS_USER] += 100000;
		assert_int_equal(level_of(&t, &seen), 31);
		assert_false(t.rows[TRUST_USER].known);
	}
}

static void little_and_lagging_differences_are_fine(void **state)
{
	struct trust t = sound_trust();
	struct trust_seen seen = sound_seen();

	seen.by_class[PAGE_CLASS_FREE] = 500010 + 1000;
	seen.by_class[PAGE_CLASS_CACHE] += 5000;
	seen.by_class[PAGE_CLASS_USER] += 5000;
	assert_int_equal(level_of(&t, &seen), 31);
	/* A guest that is almost empty: a sixteenth of nothing is no measure. */
	memset(&t, 0, sizeof(t));
	memset(&seen, 0, sizeof(seen));
	t.has_free = true;
	seen.by_class[PAGE_CLASS_FREE] = 900;
	seen.pages = 2000;
	assert_int_equal(level_of(&t, &seen), 31);
}

static void reports_name_what_is_far_apart(void **state)
{
	struct trust t = sound_trust();
	struct trust_seen seen = sound_seen();
	char words[512];
	json_t *o;

	seen.by_class[PAGE_CLASS_FREE] = 700000;
	trust_judge(&t, &seen, 4);
	trust_describe(&t, words, sizeof(words));
	assert_string_equal(words, "700000 pages look like free, the kernel counted 499900 to 500010");
	o = trust_checks_json(&t);
	assert_true(json_is_true(json_object_get(json_object_get(o, "free"), "far_apart")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "free"), "distance")), 199990);
	assert_true(json_is_false(json_object_get(json_object_get(o, "user"), "far_apart")));
	json_decref(o);
	t.counters.known[VMSTAT_ZSPAGES] = false;
	o = trust_counters_json(&t);
	assert_int_equal(json_integer_value(json_object_get(o, "nr_file_pages")), 222000);
	assert_true(json_is_null(json_object_get(o, "nr_zspages")));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_plan_is_trusted),
		cmocka_unit_test(classes_that_are_too_large_are_not_left_out),
		cmocka_unit_test(classes_that_are_too_small_are_not_left_out),
		cmocka_unit_test(slab_that_is_not_seen_ends_the_trust),
		cmocka_unit_test(more_than_the_allocator_ever_had_is_nonsense),
		cmocka_unit_test(what_was_not_looked_at_is_not_missed),
		cmocka_unit_test(counters_that_are_not_known_say_nothing),
		cmocka_unit_test(little_and_lagging_differences_are_fine),
		cmocka_unit_test(reports_name_what_is_far_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
