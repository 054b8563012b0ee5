// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "emit/repeats.h"

#define PAGE 4096u

static struct repeats *open_table(uint32_t page_size, size_t bytes)
{
	struct repeats *r;
	struct err err = { 0 };

	if (repeats_open(page_size, bytes, &r, &err) != ST_OK)
		fail_msg("%s", err.text);
	return r;
}

static struct page_print print_of(const struct repeats *r, uint64_t number)
{
	uint64_t page[PAGE / 8] = { [100] = 7, [200] = number, [208] = number };

	return repeats_print(r, page);
}

static void what_was_added_is_found(void **state)
{
	struct repeats *r = open_table(PAGE, 256 * KIB);
	struct stored_page s, small = { .off = 12345, .size = 17 }, large = { .off = UINT64_C(1) << 45, .size = 1u << 18 };
	struct page_print a = print_of(r, 1), b = print_of(r, 2), c = print_of(r, 3);

	assert_false(repeats_find(r, &a, &s));
	repeats_add(r, &a, &small);
	repeats_add(r, &b, &large);
	assert_true(repeats_may_know(r, &a) && repeats_find(r, &a, &s));
	assert_true(s.off == small.off && s.size == small.size);
	assert_true(repeats_find(r, &b, &s));
	assert_true(s.off == large.off && s.size == large.size);
	assert_false(repeats_may_know(r, &c) || repeats_find(r, &c, &s));
	/* Further than an entry has bits for: not taken, rather than cut. */
	repeats_add(r, &c, &(struct stored_page){ .off = UINT64_C(1) << 46, .size = 1 });
	assert_false(repeats_find(r, &c, &s));
	repeats_close(r);
	repeats_close(NULL);
}

/* A print that leaves any bit of a page out would give one page for another. */
static void every_bit_of_a_page_counts(void **state)
{
	for (uint32_t page_size = PAGE; page_size <= 65536; page_size *= 16) {
		struct repeats *r = open_table(page_size, 256 * KIB);
		_cleanup_free_ uint8_t *page = calloc(1, page_size);
		struct page_print plain = repeats_print(r, page);

		for (uint32_t bit = 0; bit < page_size * 8; bit += bit % 64 == 62 ? 1 : 31) {
			struct page_print p;

			page[bit / 8] ^= (uint8_t)(1u << bit % 8);
			p = repeats_print(r, page);
			assert_true(p.print != plain.print);
			page[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_true(repeats_print(r, page).print == plain.print);
		repeats_close(r);
	}
}

/* Pages that swap words, or shift a difference from one to the next, are what a plain sum cannot tell apart. */
static void order_counts(void **state)
{
	struct repeats *r = open_table(PAGE, 256 * KIB);
	uint64_t a[PAGE / 8] = { 0 }, b[PAGE / 8] = { 0 };

	for (size_t i = 0; i + 1 < PAGE / 8; i++) {
		a[i] = b[i + 1] = 5;
		a[i + 1] = b[i] = 6;
		assert_true(repeats_print(r, a).print != repeats_print(r, b).print);
		a[i] = b[i + 1] = a[i + 1] = b[i] = 0;
	}
	repeats_close(r);
}

/* Nobody who writes a page knows its print; where it lies in the table is the same in every run, as the dump has to be. */
static void each_table_draws_its_own_print(void **state)
{
	struct repeats *r = open_table(PAGE, 256 * KIB), *s = open_table(PAGE, 256 * KIB);

	for (uint64_t i = 0; i < 100; i++) {
		assert_true(print_of(r, i).print != print_of(s, i).print);
		assert_true(print_of(r, i).place == print_of(s, i).place);
	}
	repeats_close(s);
	repeats_close(r);
}

/* Pages that are much alike must not crowd one place. */
static void simple_pages_are_remembered_side_by_side(void **state)
{
	struct repeats *r = open_table(PAGE, 256 * KIB);
	uint64_t words[PAGE / 8] = { 0 };
	struct stored_page s = { .off = PAGE, .size = PAGE };
	struct page_print prints[256 + 1024];
	size_t nr = 0, nr_known = 0;

	for (int byte = 1; byte < 256; byte++) {
		uint8_t page[PAGE];

		memset(page, byte, sizeof(page));
		prints[nr++] = repeats_print(r, page);
	}
	for (size_t i = 0; i < 512; i++) { /* one small number in each place */
		words[i] = 1;
		prints[nr++] = repeats_print(r, words);
		words[i] = UINT64_C(0x8000000000000063);
		prints[nr++] = repeats_print(r, words);
		words[i] = 0;
	}
	for (size_t i = 0; i < nr; i++)
		repeats_add(r, &prints[i], &s);
	for (size_t i = 0; i < nr; i++)
		nr_known += repeats_may_know(r, &prints[i]);
	assert_true(nr_known > nr - nr / 100);
	repeats_close(r);
}

static uint64_t count_known(struct repeats *r, uint64_t first, uint64_t end)
{
	uint64_t nr = 0;

	for (uint64_t i = first; i < end; i++) {
		struct page_print p = print_of(r, i);

		nr += repeats_may_know(r, &p);
	}
	return nr;
}

/* 16384 entries: of many more pages the last ones are remembered, and one that comes again and again always is. */
static void the_table_forgets_what_was_not_seen_for_long(void **state)
{
	struct repeats *r = open_table(PAGE, 256 * KIB);
	struct page_print often = print_of(r, 1);
	struct stored_page s = { .off = PAGE, .size = PAGE };

	repeats_add(r, &often, &s);
	for (uint64_t i = 2; i < 100000; i++) {
		struct page_print p = print_of(r, i);

		if (i % 1000 == 0)
			assert_true(repeats_find(r, &often, &s));
		repeats_add(r, &p, &s);
	}
	assert_true(count_known(r, 100000 - 5000, 100000) > 4900);
	assert_true(count_known(r, 2, 50000) < 100);
	repeats_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found),
		cmocka_unit_test(every_bit_of_a_page_counts),
		cmocka_unit_test(order_counts),
		cmocka_unit_test(each_table_draws_its_own_print),
		cmocka_unit_test(simple_pages_are_remembered_side_by_side),
		cmocka_unit_test(the_table_forgets_what_was_not_seen_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
