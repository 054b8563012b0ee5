// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "emit/pageset.h"
#include "tests/unit/fake_memory.h"

#define MODEL_PFNS 2000

/* The same set, one byte a page. */
struct model {
	struct fake_memory fm;
	bool present[MODEL_PFNS], set[MODEL_PFNS];
};

static struct pageset make_set(struct fake_memory *fm)
{
	struct pageset ps;
	struct err err = { 0 };

	if (pageset_init(&ps, fake_memory_pm(fm), &err) != ST_OK)
		fail_msg("%s", err.text);
	return ps;
}

static void check_bits(const struct pageset *ps, const struct model *m)
{
	uint64_t nr_present = 0, nr_set = 0, index;

	for (uint64_t pfn = 0; pfn < MODEL_PFNS; pfn++) {
		assert_int_equal(pageset_index(ps, pfn, &index), m->present[pfn]);
		if (m->present[pfn])
			assert_int_equal(index, nr_present);
		assert_int_equal(pageset_test(ps, pfn), m->set[pfn]);
		nr_present += m->present[pfn];
		nr_set += m->set[pfn];
	}
	assert_int_equal(ps->nr_present, nr_present);
	assert_int_equal(ps->nr_set, nr_set);
}

static void check_next(const struct pageset *ps, const struct model *m, uint64_t max)
{
	uint64_t pfn = 0, start, end;

	while (pageset_next(ps, pfn, max, &start, &end)) {
		assert_true(start >= pfn && end > start && end - start <= max && end <= MODEL_PFNS);
		for (; pfn < start; pfn++)
			assert_false(m->set[pfn]);
		for (; pfn < end; pfn++)
			assert_true(m->set[pfn]);
		/* As long as allowed, unless the run of pages that exist ends. */
		if (end - start < max && end < MODEL_PFNS && m->present[end])
			assert_false(m->set[end]);
	}
	for (; pfn < MODEL_PFNS; pfn++)
		assert_false(m->set[pfn]);
}

static void check_bitmap(const struct pageset *ps, const struct model *m, uint64_t start_pfn, size_t len)
{
	uint8_t out[400];

	for (int present = 0; present < 2; present++) {
		memset(out, 0xa5, sizeof(out));
		pageset_fill_bitmap(ps, present, start_pfn, out, len);
		for (uint64_t i = 0; i < len * 8; i++) {
			uint64_t pfn = start_pfn + i;
			bool want = pfn < MODEL_PFNS && (present ? m->present[pfn] : m->set[pfn]);

			if ((out[i / 8] >> i % 8 & 1) != want)
				fail_msg("bit of page %llu is %d", (unsigned long long)pfn, !want);
		}
		for (size_t i = len; i < sizeof(out); i++)
			assert_int_equal(out[i], 0xa5);
	}
}

static void add(struct model *m, uint64_t start, uint64_t end)
{
	fake_memory_add(&m->fm, start, end, FAKE_DATA);
	for (uint64_t pfn = start / 4096; pfn < div_round_up(end, 4096); pfn++)
		m->present[pfn] = m->set[pfn] = true;
}

static struct model *new_model(void)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->fm = fake_memory_new(4096);
	return m;
}

static void empty_memory_makes_an_empty_set(void **state)
{
	struct model *m = new_model();
	struct pageset ps = make_set(&m->fm);
	uint64_t start, end;

	check_bits(&ps, m);
	assert_false(pageset_next(&ps, 0, 10, &start, &end));
	pageset_clear(&ps, 5);
	pageset_clear_range(&ps, 0, UINT64_MAX);
	check_bitmap(&ps, m, 0, 16);
	pageset_deinit(&ps);
	assert_null(ps.bits);
	free(m);
}

static void ranges_that_share_a_page_make_one_run(void **state)
{
	struct model *m = new_model();
	struct pageset ps;

	add(m, 0x1800, 0x2100);
	add(m, 0x2200, 0x2300);
	add(m, 0x2fff, 0x3000);
	add(m, 0x3000 + 1, 0x5000);
	add(m, 0x8000, 0x9001);
	add(m, 0x9002, 0xa000);
	ps = make_set(&m->fm);
	assert_int_equal(ps.nr_runs, 2);
	check_bits(&ps, m);
	check_next(&ps, m, 1);
	check_next(&ps, m, 3);
	check_next(&ps, m, UINT64_MAX / 2);
	check_bitmap(&ps, m, 0, 20);
	pageset_deinit(&ps);
	free(m);
}

static void clear(struct pageset *ps, struct model *m, uint64_t start, uint64_t end)
{
	pageset_clear_range(ps, start, end);
	for (uint64_t pfn = start; pfn < end && pfn < MODEL_PFNS; pfn++)
		m->set[pfn] = false;
}

static void ranges_are_cleared_across_words_and_runs(void **state)
{
	static const struct range cuts[] = {
		{ 0, 0 },     { 5, 5 }, { 9, 3 },     { 64, 128 },	   { 63, 65 },	 { 127, 128 },
		{ 200, 201 }, { 0, 3 }, { 300, 700 }, { 990, UINT64_MAX }, { 128, 191 },
	};
	struct model *m = new_model();
	struct pageset ps;

	add(m, 0, 400 * 4096);
	add(m, 500 * 4096, 501 * 4096);
	add(m, 600 * 4096, 1000 * 4096);
	ps = make_set(&m->fm);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		clear(&ps, m, cuts[i].start, cuts[i].end);
		check_bits(&ps, m);
		check_next(&ps, m, 7);
	}
	clear(&ps, m, 0, UINT64_MAX);
	assert_int_equal(ps.nr_set, 0);
	check_bits(&ps, m);
	pageset_deinit(&ps);
	free(m);
}

static void random_sets_behave_like_their_model(void **state)
{
	unsigned seed = 3;

	for (int round = 0; round < 60; round++) {
		struct model *m = new_model();
		uint64_t at = (uint64_t)rand_r(&seed) % 9000;
		struct pageset ps;

		while (at < (MODEL_PFNS - 400) * UINT64_C(4096)) {
			uint64_t len = 1 + (uint64_t)rand_r(&seed) % (rand_r(&seed) % 2 ? 3000 : 4096 * 300);

			add(m, at, at + len);
			at += len + (rand_r(&seed) % 3 ? (uint64_t)rand_r(&seed) % 20000
						       : 1 + (uint64_t)rand_r(&seed) % 700000);
		}
		ps = make_set(&m->fm);
		for (int i = 0; i < 30; i++) {
			uint64_t start = (uint64_t)rand_r(&seed) % MODEL_PFNS;

			if (rand_r(&seed) % 2) {
				clear(&ps, m, start, start + (uint64_t)rand_r(&seed) % 150);
			} else {
				pageset_clear(&ps, start);
				m->set[start] = false;
			}
		}
		check_bits(&ps, m);
		for (uint64_t max = 1; max < 100; max += 13)
			check_next(&ps, m, max);
		for (int i = 0; i < 20; i++)
			check_bitmap(&ps, m, align_down((uint64_t)rand_r(&seed) % MODEL_PFNS, 8),
				     (size_t)rand_r(&seed) % 300);
		pageset_deinit(&ps);
		free(m);
	}
}

/* Sparse physical maps of 96 TiB exist: what lies between costs nothing. */
static void far_apart_ranges_cost_only_their_pages(void **state)
{
	static struct fake_memory fm;
	uint64_t top = UINT64_C(1) << 56, start, end, index;
	struct pageset ps;
	uint8_t out[64];

	fm = fake_memory_new(4096);
	fake_memory_add(&fm, 0, 4096 * 10, FAKE_DATA);
	fake_memory_add(&fm, top - 4096 * 10, top, FAKE_DATA);
	ps = make_set(&fm);
	assert_int_equal(ps.nr_present, 20);
	assert_true(pageset_index(&ps, top / 4096 - 1, &index));
	assert_int_equal(index, 19);
	pageset_clear_range(&ps, 5, top / 4096 - 5);
	assert_true(pageset_next(&ps, 5, 100, &start, &end));
	assert_true(start == top / 4096 - 5 && end == top / 4096);
	assert_false(pageset_next(&ps, end, 100, &start, &end));
	assert_false(pageset_next(&ps, UINT64_MAX, 100, &start, &end));
	assert_int_equal(pageset_first(&ps, true, 3), 3);
	assert_int_equal(pageset_first(&ps, false, 3), 3);
	assert_int_equal(pageset_first(&ps, true, 5), 5);
	assert_int_equal(pageset_first(&ps, false, 5), top / 4096 - 5);
	assert_int_equal(pageset_first(&ps, true, 10), top / 4096 - 10);
	assert_int_equal(pageset_first(&ps, true, top / 4096), UINT64_MAX);
	assert_int_equal(pageset_first(&ps, false, top / 4096), UINT64_MAX);
	pageset_fill_bitmap(&ps, false, top / 4096 - 16, out, sizeof(out));
	assert_int_equal(out[0], 0);
	assert_int_equal(out[1], 0xf8);
	assert_int_equal(out[2], 0);
	pageset_deinit(&ps);
}

/* A bitmap is asked for piece by piece: a piece must not look at all that follows it. */
static void many_pieces_of_an_almost_empty_set(void **state)
{
	static struct fake_memory fm;
	const uint64_t nr = UINT64_C(1) << 27; /* 512 GiB */
	struct pageset ps;
	uint64_t bits = 0;
	uint8_t out[512];

	fm = fake_memory_new(4096);
	fake_memory_add(&fm, 0, nr * 4096, FAKE_CLAIMED);
	ps = make_set(&fm);
	pageset_clear_range(&ps, 0, nr - 1);
	assert_int_equal(ps.nr_set, 1);
	for (uint64_t pfn = 0; pfn < nr; pfn += sizeof(out) * 8) {
		pageset_fill_bitmap(&ps, false, pfn, out, sizeof(out));
		for (size_t i = 0; i < sizeof(out); i++)
			bits += (uint64_t)__builtin_popcount(out[i]);
	}
	assert_int_equal(bits, 1);
	pageset_deinit(&ps);
}

static void more_pages_than_any_machine_has_are_refused(void **state)
{
	static struct fake_memory fm;
	struct pageset ps;
	struct err err = { 0 };

	fm = fake_memory_new(4096);
	fake_memory_add(&fm, 0, UINT64_C(1) << 56, FAKE_CLAIMED);
	assert_int_equal(pageset_init(&ps, fake_memory_pm(&fm), &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "17592186044416 pages"));
	assert_null(ps.bits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_memory_makes_an_empty_set),
		cmocka_unit_test(ranges_that_share_a_page_make_one_run),
		cmocka_unit_test(ranges_are_cleared_across_words_and_runs),
		cmocka_unit_test(random_sets_behave_like_their_model),
		cmocka_unit_test(far_apart_ranges_cost_only_their_pages),
		cmocka_unit_test(many_pieces_of_an_almost_empty_set),
		cmocka_unit_test(more_pages_than_any_machine_has_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
