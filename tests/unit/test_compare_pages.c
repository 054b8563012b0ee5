// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare/pages.h"
#include "tests/unit/fake_dump.h"

#define PAGE FAKE_DUMP_PAGE
/* Above the first MiB, whose differences are explained by where they are. */
#define BASE UINT64_C(0x200000)
#define NR_PAGES 16u

/* Two dumps of the same memory. */
struct pair {
	struct fake_dump *inner, *outer;
	struct pages_job job;
	struct compare_report report;
	size_t nr_seen;
	struct page_seen seen[8192];
};

static void see(void *ctx, const struct page_seen *s)
{
	struct pair *p = ctx;

	assert_true(!p->nr_seen || p->seen[p->nr_seen - 1].pfn < s->pfn);
	assert_true(p->nr_seen < ARRAY_SIZE(p->seen));
	p->seen[p->nr_seen++] = *s;
}

static struct pair *pair_new_sized(size_t nr_pages)
{
	struct pair *p = calloc(1, sizeof(*p));

	p->inner = fake_dump_new(BASE, nr_pages);
	p->outer = fake_dump_new(BASE, nr_pages);
	for (uint64_t i = 0; i < nr_pages * PAGE; i++)
		p->inner->bytes[i] = p->outer->bytes[i] = (uint8_t)(1 + i / PAGE + i % 251);
	p->job.place.page_size = PAGE;
	p->job.seen = see;
	p->job.seen_ctx = p;
	return p;
}

static struct pair *pair_new(void)
{
	struct pair *p = pair_new_sized(NR_PAGES);

	fake_dump_set(p->inner, BASE, BASE + NR_PAGES * PAGE, FAKE_HELD);
	fake_dump_set(p->outer, BASE, BASE + NR_PAGES * PAGE, FAKE_HELD);
	return p;
}

static struct compare_report *run(struct pair *p)
{
	memset(&p->report, 0, sizeof(p->report));
	p->nr_seen = 0;
	p->job.inner = fake_dump_pm(p->inner);
	p->job.outer = fake_dump_pm(p->outer);
	assert_int_equal(pages_compare(&p->job, &p->report, NULL), ST_OK);
	return &p->report;
}

static void pair_free(struct pair *p)
{
	fake_dump_free(p->inner);
	fake_dump_free(p->outer);
	free(p);
}

static const struct page_seen *seen_at(const struct pair *p, uint64_t pfn)
{
	for (size_t i = 0; i < p->nr_seen; i++)
		if (p->seen[i].pfn == pfn)
			return &p->seen[i];
	fail_msg("page 0x%llx was not seen", (unsigned long long)pfn);
	return NULL;
}

static void assert_one_cause(const struct compare_report *r, enum cause cause, uint64_t pages)
{
	for (unsigned c = 0; c < CAUSE_COUNT; c++)
		assert_int_equal(r->causes[c], c == cause ? pages : 0);
}

static void same_memory_is_equal(void **state)
{
	struct pair *p = pair_new();
	struct compare_report *r = run(p);

	assert_int_equal(r->common, NR_PAGES);
	assert_int_equal(r->equal, NR_PAGES);
	assert_int_equal(p->nr_seen, NR_PAGES);
	assert_int_equal(r->unexplained.nr_pages, 0);
	assert_one_cause(r, CAUSE_NONE, 0);
	pair_free(p);
}

static void one_bit_is_found_wherever_it_is(void **state)
{
	static const uint32_t offs[] = { 0, 1, 2047, 4094, 4095 };

	for (unsigned page = 0; page < NR_PAGES; page++) {
		for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
			struct pair *p = pair_new();
			struct compare_report *r;

			*fake_dump_at(i % 2 ? p->inner : p->outer, BASE + page * PAGE + offs[i]) ^= 0x10;
			r = run(p);
			assert_int_equal(r->equal, NR_PAGES - 1);
			assert_int_equal(r->differ_unexplained, 1);
			assert_int_equal(r->unexplained.nr, 1);
			assert_int_equal(r->unexplained.at[0].start, BASE / PAGE + page);
			assert_int_equal(r->unexplained.at[0].end, BASE / PAGE + page + 1);
			assert_int_equal(r->differ_unexplained_at.nr, 1);
			assert_int_equal(r->differ_unexplained_at.at[0].nr_bytes, 1);
			assert_int_equal(r->differ_unexplained_at.at[0].first_off, offs[i]);
			assert_int_equal(r->differ_unexplained_at.at[0].last_off, offs[i]);
			assert_int_equal(seen_at(p, BASE / PAGE + page)->verdict, PAGE_DIFFERS);
			assert_one_cause(r, CAUSE_NONE, 1);
			pair_free(p);
		}
	}
}

static void how_pages_differ(void **state)
{
	struct pair *p = pair_new();
	struct compare_report *r;

	memset(fake_dump_at(p->inner, BASE + 3 * PAGE), 0, PAGE);
	*fake_dump_at(p->outer, BASE + 5 * PAGE + 100) ^= 1;
	*fake_dump_at(p->outer, BASE + 5 * PAGE + 200) ^= 1;
	*fake_dump_at(p->outer, BASE + 5 * PAGE + 150) ^= 1;
	r = run(p);
	assert_int_equal(r->differ_unexplained_at.nr, 2);
	assert_true(r->differ_unexplained_at.at[0].inner_zero);
	assert_false(r->differ_unexplained_at.at[0].outer_zero);
	assert_true(r->differ_unexplained_at.at[0].nr_bytes > PAGE - 20);
	assert_int_equal(r->differ_unexplained_at.at[1].nr_bytes, 3);
	assert_int_equal(r->differ_unexplained_at.at[1].first_off, 100);
	assert_int_equal(r->differ_unexplained_at.at[1].last_off, 200);
	pair_free(p);
}

/* ELF against ELF: what only one of them covers is not compared, down to the byte. */
static void only_covered_bytes_count(void **state)
{
	struct pair *p = pair_new();
	struct compare_report *r;
	uint64_t page = BASE + 4 * PAGE;

	/* The inner core has two loads in this page, with a hole that reads as zeros. */
	fake_dump_set(p->inner, page, page + 0x123, FAKE_NOWHERE);
	fake_dump_set(p->inner, page + 0x800, page + 0x900, FAKE_NOWHERE);
	r = run(p);
	assert_int_equal(r->equal, NR_PAGES);
	*fake_dump_at(p->outer, page) ^= 1;
	*fake_dump_at(p->outer, page + 0x122) ^= 1;
	*fake_dump_at(p->outer, page + 0x800) ^= 1;
	*fake_dump_at(p->outer, page + 0x8ff) ^= 1;
	assert_int_equal(run(p)->equal, NR_PAGES);
	*fake_dump_at(p->outer, page + 0x900) ^= 1;
	assert_int_equal(run(p)->differ_unexplained, 1);
	assert_int_equal(p->report.differ_unexplained_at.at[0].nr_bytes, 1);
	assert_int_equal(p->report.differ_unexplained_at.at[0].first_off, 0x900);
	*fake_dump_at(p->outer, page + 0x900) ^= 1;
	*fake_dump_at(p->outer, page + 0x123) ^= 1;
	assert_int_equal(run(p)->differ_unexplained_at.at[0].first_off, 0x123);
	pair_free(p);
}

static void parts_that_do_not_meet_cannot_disagree(void **state)
{
	struct pair *p = pair_new();

	fake_dump_set(p->inner, BASE + 15 * PAGE + 0x400, BASE + 16 * PAGE, FAKE_NOWHERE);
	fake_dump_set(p->outer, BASE + 15 * PAGE, BASE + 15 * PAGE + 0x400, FAKE_NOWHERE);
	assert_int_equal(run(p)->equal, NR_PAGES);
	pair_free(p);
}

/* Fill what the KDUMP side stores of the last page: bytes from @off on are zeros there. */
static struct pair *padded_tail(uint32_t off)
{
	struct pair *p = pair_new();

	p->job.inner_is_kdump = true;
	memset(fake_dump_at(p->inner, BASE + 15 * PAGE + off), 0, PAGE - off);
	return p;
}

static void zero_padding_at_the_end_is_a_partial_page(void **state)
{
	struct pair *p = padded_tail(0x400);
	struct compare_report *r = run(p);

	assert_int_equal(r->differ_explained, 1);
	assert_int_equal(r->differ_unexplained, 0);
	assert_one_cause(r, CAUSE_PARTIAL_PAGE, 1);
	assert_int_equal(r->differ_explained_at.at[0].first_off, 0x400);
	pair_free(p);
}

static void zero_padding_at_the_start_is_a_partial_page(void **state)
{
	struct pair *p = pair_new();

	p->job.outer_is_kdump = true;
	memset(fake_dump_at(p->outer, BASE), 0, 0x123);
	assert_one_cause(run(p), CAUSE_PARTIAL_PAGE, 1);
	pair_free(p);
}

static void padding_explains_nothing_else(void **state)
{
	struct pair *p = padded_tail(0x400);

	/* a byte of the part that is RAM */
	*fake_dump_at(p->inner, BASE + 15 * PAGE + 0x3ff) ^= 0x40;
	assert_int_equal(run(p)->differ_unexplained, 1);
	pair_free(p);

	/* no zeros, but something else */
	p = padded_tail(0x400);
	*fake_dump_at(p->inner, BASE + 15 * PAGE + 0xfff) = 0x77;
	assert_int_equal(run(p)->differ_unexplained, 1);
	pair_free(p);

	/* nothing but zeros: no byte speaks for this page */
	p = padded_tail(0);
	assert_int_equal(run(p)->differ_unexplained, 1);
	pair_free(p);

	/* an ELF core pads nothing */
	p = padded_tail(0x400);
	p->job.inner_is_kdump = false;
	assert_int_equal(run(p)->differ_unexplained, 1);
	pair_free(p);
}

static void padding_is_at_an_edge_only(void **state)
{
	struct pair *p = pair_new();

	p->job.inner_is_kdump = true;
	memset(fake_dump_at(p->inner, BASE + 7 * PAGE + 0x400), 0, PAGE - 0x400);
	assert_int_equal(run(p)->differ_unexplained, 1);
	/* the next page is gone from the dump, but its source had it */
	fake_dump_set(p->inner, BASE + 8 * PAGE, BASE + 9 * PAGE, FAKE_ONLY_CLAIMED);
	assert_int_equal(run(p)->differ_unexplained, 1);
	fake_dump_set(p->inner, BASE + 8 * PAGE, BASE + 9 * PAGE, FAKE_NOWHERE);
	assert_int_equal(run(p)->differ_unexplained, 0);
	assert_int_equal(p->report.causes[CAUSE_PARTIAL_PAGE], 1);
	pair_free(p);
}

/* The guest's resource tree says what is RAM; then zeros prove nothing. */
static void with_a_tree_the_ram_part_must_agree(void **state)
{
	struct iomem_region ram[] = {
		{ BASE, BASE + 15 * PAGE + 0x400, 0, "System RAM" },
		{ BASE + 15 * PAGE + 0x400, BASE + 16 * PAGE, 0, "Reserved" },
	};
	struct iomem io = { .regions = ram, .nr_regions = ARRAY_SIZE(ram) };
	struct pair *p = pair_new();

	p->job.inner_is_kdump = p->job.outer_is_kdump = true;
	p->job.place.iomem = &io;
	*fake_dump_at(p->outer, BASE + 15 * PAGE + 0x400) ^= 1;
	*fake_dump_at(p->outer, BASE + 15 * PAGE + 0xfff) ^= 1;
	assert_int_equal(run(p)->differ_unexplained, 0);
	assert_one_cause(&p->report, CAUSE_PARTIAL_PAGE, 1);
	*fake_dump_at(p->outer, BASE + 15 * PAGE + 0x3ff) ^= 1;
	assert_int_equal(run(p)->differ_unexplained, 1);
	*fake_dump_at(p->outer, BASE + 15 * PAGE + 0x3ff) ^= 1;
	/* a padded page in the middle of RAM is no edge */
	memset(fake_dump_at(p->inner, BASE + 7 * PAGE + 0x400), 0, PAGE - 0x400);
	fake_dump_set(p->inner, BASE + 8 * PAGE, BASE + 9 * PAGE, FAKE_NOWHERE);
	assert_int_equal(run(p)->differ_unexplained, 1);
	pair_free(p);
}

static void pages_of_one_side(void **state)
{
	struct pair *p = pair_new();
	struct compare_report *r;

	fake_dump_set(p->inner, BASE, BASE + PAGE, FAKE_NOWHERE);
	fake_dump_set(p->inner, BASE + 2 * PAGE, BASE + 5 * PAGE, FAKE_ONLY_CLAIMED);
	fake_dump_set(p->outer, BASE + 6 * PAGE, BASE + 8 * PAGE, FAKE_NOWHERE);
	fake_dump_set(p->outer, BASE + 9 * PAGE, BASE + 10 * PAGE, FAKE_ONLY_CLAIMED);
	fake_dump_set(p->inner, BASE + 11 * PAGE, BASE + 12 * PAGE, FAKE_ONLY_CLAIMED);
	fake_dump_set(p->outer, BASE + 11 * PAGE, BASE + 12 * PAGE, FAKE_NOWHERE);
	r = run(p);
	assert_int_equal(r->common, NR_PAGES - 8);
	assert_int_equal(r->outer_only, 4);
	assert_int_equal(r->inner_only, 3);
	assert_int_equal(r->neither, 1);
	assert_int_equal(r->dropped, 4);
	assert_int_equal(r->only_unexplained, 3);
	assert_int_equal(r->causes[CAUSE_EXCLUDED], 5);
	assert_int_equal(r->causes[CAUSE_NONE], 3);
	assert_int_equal(r->unexplained.nr, 2);
	assert_int_equal(r->unexplained.at[1].start, BASE / PAGE + 6);
	assert_int_equal(r->unexplained.at[1].end, BASE / PAGE + 8);
	assert_int_equal(p->nr_seen, NR_PAGES);
	pair_free(p);
}

static void place_explains_pages_of_one_side(void **state)
{
	struct iomem_region tree[] = {
		{ BASE, BASE + 8 * PAGE, 0, "System RAM" },
		{ BASE + 4 * PAGE, BASE + 6 * PAGE, 1, "Crash kernel" },
		{ BASE + 8 * PAGE, BASE + 16 * PAGE, 0, "ACPI Non-volatile Storage" },
	};
	struct iomem io = { .regions = tree, .nr_regions = ARRAY_SIZE(tree) };
	struct pair *p = pair_new();
	struct compare_report *r;

	p->job.place.iomem = &io;
	fake_dump_set(p->inner, BASE + 4 * PAGE, BASE + 6 * PAGE, FAKE_NOWHERE);
	fake_dump_set(p->inner, BASE + 10 * PAGE, BASE + 16 * PAGE, FAKE_NOWHERE);
	*fake_dump_at(p->inner, BASE + 9 * PAGE) ^= 1;
	r = run(p);
	assert_int_equal(r->causes[CAUSE_CRASH_KERNEL], 2);
	assert_int_equal(r->causes[CAUSE_FIRMWARE], 7);
	assert_int_equal(r->differ_explained, 1);
	assert_int_equal(r->only_unexplained, 0);
	pair_free(p);
}

/* A hole is neither an excluded page nor one that never was. */
static void unreadable_pages_are_unexplained(void **state)
{
	struct pair *p = pair_new();
	struct compare_report *r;

	fake_dump_set(p->inner, BASE + 2 * PAGE, BASE + 3 * PAGE, FAKE_UNREADABLE);
	fake_dump_set(p->outer, BASE + 4 * PAGE + 7, BASE + 4 * PAGE + 8, FAKE_UNREADABLE);
	fake_dump_set(p->inner, BASE + 6 * PAGE, BASE + 7 * PAGE, FAKE_UNREADABLE);
	fake_dump_set(p->outer, BASE + 6 * PAGE, BASE + 7 * PAGE, FAKE_UNREADABLE);
	r = run(p);
	assert_int_equal(r->inner_unreadable, 2);
	assert_int_equal(r->outer_unreadable, 2);
	assert_int_equal(r->only_unexplained, 2);
	assert_int_equal(r->dropped, 0);
	assert_true(seen_at(p, BASE / PAGE + 2)->unreadable);
	assert_int_equal(seen_at(p, BASE / PAGE + 2)->verdict, PAGE_OUTER_ONLY);
	pair_free(p);
}

/* The lists are bounded, the counts are not; and explained differences never crowd out the others. */
static void lists_are_bounded(void **state)
{
	size_t nr = 2 * COMPARE_MAX_RANGES + 200;
	struct pair *p = pair_new_sized(nr);
	struct iomem_region tree[] = {
		{ BASE, BASE + 100 * PAGE, 0, "Reserved" },
		{ BASE + 100 * PAGE, BASE + nr * PAGE, 0, "System RAM" },
	};
	struct iomem io = { .regions = tree, .nr_regions = ARRAY_SIZE(tree) };
	struct compare_report *r;

	p->job.place.iomem = &io;
	fake_dump_set(p->inner, BASE, BASE + nr * PAGE, FAKE_HELD);
	fake_dump_set(p->outer, BASE, BASE + nr * PAGE, FAKE_HELD);
	for (size_t i = 0; i < nr; i += 2)
		*fake_dump_at(p->outer, BASE + i * PAGE + 9) ^= 1;
	r = run(p);
	assert_int_equal(r->differ_explained, 50);
	assert_int_equal(r->differ_unexplained, nr / 2 - 50);
	assert_int_equal(r->unexplained.nr_pages, nr / 2 - 50);
	assert_int_equal(r->unexplained.nr, COMPARE_MAX_RANGES);
	assert_true(r->unexplained.cut);
	assert_int_equal(r->differ_unexplained_at.nr, COMPARE_MAX_SAMPLES);
	assert_int_equal(r->differ_unexplained_at.at[0].pfn, BASE / PAGE + 100);
	pair_free(p);
}

static void memory_beyond_any_address_is_refused(void **state)
{
	struct pair *p = pair_new();
	struct range beyond = { 0, UINT64_MAX - 4095 };
	struct err err;

	p->job.inner = fake_dump_pm(p->inner);
	p->job.outer = fake_dump_pm(p->outer);
	p->outer->pm.ranges = &beyond;
	p->outer->pm.nr_ranges = 1;
	assert_int_equal(pages_compare(&p->job, &p->report, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "outer"));
	pair_free(p);
}

/* What a page's verdict must be, from its bytes alone. */
static void expect(const struct pair *p, uint64_t pfn, bool *in, bool *out, bool *neither, uint32_t *differing)
{
	bool broken_in = false, broken_out = false, claimed = false;

	*in = *out = false;
	*differing = 0;
	for (uint64_t at = pfn * PAGE; at < (pfn + 1) * PAGE; at++) {
		enum fake_byte a = fake_dump_kind(p->inner, at), b = fake_dump_kind(p->outer, at);

		*in |= a == FAKE_HELD;
		*out |= b == FAKE_HELD;
		broken_in |= a == FAKE_UNREADABLE;
		broken_out |= b == FAKE_UNREADABLE;
		claimed |= a == FAKE_ONLY_CLAIMED;
		*differing +=
			a == FAKE_HELD && b == FAKE_HELD && p->inner->bytes[at - BASE] != p->outer->bytes[at - BASE];
	}
	*in &= !broken_in;
	*out &= !broken_out;
	*neither = !*in && !*out && claimed && !broken_in;
}

static void scatter(struct fake_dump *d, unsigned *seed)
{
	for (uint64_t at = BASE; at < BASE + NR_PAGES * PAGE;) {
		uint64_t len = rand_r(seed) % 2 ? (uint64_t)(1 + rand_r(seed) % 3000)
						: PAGE * (uint64_t)(1 + rand_r(seed) % 3);
		uint64_t end = min_u64(at + len, BASE + NR_PAGES * PAGE);
		unsigned dice = (unsigned)rand_r(seed) % 16;

		fake_dump_set(d, at, end,
			      dice < 2	 ? FAKE_NOWHERE
			      : dice < 4 ? FAKE_ONLY_CLAIMED
			      : dice < 5 ? FAKE_UNREADABLE
					 : FAKE_HELD);
		at = end;
	}
	for (int i = 0; i < 6; i++)
		d->bytes[(size_t)rand_r(seed) % d->len] ^= 0x20;
}

static void random_dumps_against_their_bytes(void **state)
{
	unsigned seed = 42;

	for (int round = 0; round < 300; round++) {
		struct pair *p = pair_new();
		uint64_t common = 0, equal = 0, inner_only = 0, outer_only = 0, neither = 0;

		scatter(p->inner, &seed);
		scatter(p->outer, &seed);
		run(p);
		for (uint64_t pfn = BASE / PAGE; pfn < BASE / PAGE + NR_PAGES; pfn++) {
			bool in, out, gone;
			uint32_t differing;

			expect(p, pfn, &in, &out, &gone, &differing);
			neither += gone;
			common += in && out;
			equal += in && out && !differing;
			inner_only += in && !out;
			outer_only += !in && out;
			if (in && out)
				assert_int_equal(seen_at(p, pfn)->verdict, differing ? PAGE_DIFFERS : PAGE_EQUAL);
		}
		assert_int_equal(p->report.common, common);
		assert_int_equal(p->report.equal, equal);
		assert_int_equal(p->report.inner_only, inner_only);
		assert_int_equal(p->report.outer_only, outer_only);
		assert_int_equal(p->report.neither, neither);
		assert_int_equal(p->nr_seen, common + inner_only + outer_only + neither);
		pair_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_memory_is_equal),
		cmocka_unit_test(one_bit_is_found_wherever_it_is),
		cmocka_unit_test(how_pages_differ),
		cmocka_unit_test(only_covered_bytes_count),
		cmocka_unit_test(parts_that_do_not_meet_cannot_disagree),
		cmocka_unit_test(zero_padding_at_the_end_is_a_partial_page),
		cmocka_unit_test(zero_padding_at_the_start_is_a_partial_page),
		cmocka_unit_test(padding_explains_nothing_else),
		cmocka_unit_test(padding_is_at_an_edge_only),
		cmocka_unit_test(with_a_tree_the_ram_part_must_agree),
		cmocka_unit_test(pages_of_one_side),
		cmocka_unit_test(place_explains_pages_of_one_side),
		cmocka_unit_test(unreadable_pages_are_unexplained),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(memory_beyond_any_address_is_refused),
		cmocka_unit_test(random_dumps_against_their_bytes),
	};

	return cmocka_run_group_tests_name("compare: pages", tests, NULL, NULL);
}
