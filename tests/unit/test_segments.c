// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/elf/segments.h"

#define SPACE 220 /* bytes of the address space in which each byte's owner is worked out one by one */
#define CLAIMED (UINT64_MAX - 1)
#define NOTHING UINT64_MAX

static struct segment_map make_map(const struct elf_load *loads, size_t nr)
{
	struct segment_map map;
	struct err err = { 0 };

	if (segment_map_init(&map, loads, nr, &err) != ST_OK)
		fail_msg("%s", err.text);
	return map;
}

/* Where the file has the byte at @paddr, by the rule in the header and nothing clever. */
static uint64_t owner(const struct elf_load *loads, size_t nr, uint64_t paddr)
{
	bool claimed = false;

	for (size_t i = 0; i < nr; i++) {
		if (paddr < loads[i].paddr || paddr - loads[i].paddr >= loads[i].mem_len)
			continue;
		if (paddr - loads[i].paddr < loads[i].file_len)
			return loads[i].file_off + (paddr - loads[i].paddr);
		claimed = true;
	}
	return claimed ? CLAIMED : NOTHING;
}

static uint64_t mapped(const struct segment_map *map, uint64_t paddr)
{
	size_t i = segment_map_find(map, paddr);

	if (i == map->nr_segments || paddr < map->segments[i].start)
		return NOTHING;
	return map->segments[i].has_data ? map->segments[i].file_off + (paddr - map->segments[i].start) : CLAIMED;
}

static bool in_ranges(const struct segment_map *map, uint64_t paddr)
{
	for (size_t i = 0; i < map->nr_ranges; i++)
		if (paddr >= map->ranges[i].start && paddr < map->ranges[i].end)
			return true;
	return false;
}

static void check_map(const struct segment_map *map, const struct elf_load *loads, size_t nr)
{
	for (size_t i = 0; i < map->nr_segments; i++) {
		assert_true(map->segments[i].start < map->segments[i].end);
		assert_true(!i || map->segments[i - 1].end <= map->segments[i].start);
	}
	for (size_t i = 0; i < map->nr_ranges; i++) {
		assert_true(map->ranges[i].start < map->ranges[i].end);
		assert_true(!i || map->ranges[i - 1].end < map->ranges[i].start); /* merged: never touching */
	}
	for (uint64_t paddr = 0; paddr < SPACE; paddr++) {
		uint64_t want = owner(loads, nr, paddr);

		if (mapped(map, paddr) != want)
			fail_msg("byte %llu: %lld, not %lld", (unsigned long long)paddr, (long long)mapped(map, paddr),
				 (long long)want);
		assert_int_equal(in_ranges(map, paddr), want != NOTHING);
	}
}

static void check(const struct elf_load *loads, size_t nr)
{
	struct segment_map map = make_map(loads, nr);

	check_map(&map, loads, nr);
	segment_map_deinit(&map);
	assert_null(map.segments);
}

static void no_loads_make_an_empty_map(void **state)
{
	struct segment_map map = make_map(NULL, 0);

	assert_int_equal(map.nr_segments, 0);
	assert_int_equal(map.nr_ranges, 0);
	assert_int_equal(segment_map_find(&map, 0), 0);
	segment_map_deinit(&map);
}

static void neighbours_become_one_segment_where_the_file_goes_on(void **state)
{
	static const struct elf_load loads[] = {
		{ .paddr = 10, .file_off = 1000, .file_len = 10, .mem_len = 10 },
		{ .paddr = 20, .file_off = 1010, .file_len = 10, .mem_len = 10 },
		{ .paddr = 30, .file_off = 5000, .file_len = 10, .mem_len = 10 },
	};
	struct segment_map map = make_map(loads, 3);

	check_map(&map, loads, 3);
	assert_int_equal(map.nr_segments, 2);
	assert_int_equal(map.nr_ranges, 1);
	segment_map_deinit(&map);
}

static void first_in_the_file_wins(void **state)
{
	static const struct elf_load loads[] = {
		{ .paddr = 50, .file_off = 100, .file_len = 20, .mem_len = 20 },
		{ .paddr = 40, .file_off = 200, .file_len = 100, .mem_len = 100 }, /* around it */
		{ .paddr = 60, .file_off = 300, .file_len = 100, .mem_len = 120 }, /* over its end */
		{ .paddr = 50, .file_off = 400, .file_len = 20, .mem_len = 20 },   /* the same again */
	};

	check(loads, 4);
}

static void data_beats_a_claim_whatever_the_order(void **state)
{
	static const struct elf_load loads[] = {
		{ .paddr = 10, .file_off = 100, .file_len = 5, .mem_len = 100 },
		{ .paddr = 20, .file_off = 200, .file_len = 50, .mem_len = 50 },
		{ .paddr = 0, .file_off = 0, .file_len = 0, .mem_len = 210 },
		{ .paddr = 12, .file_off = 300, .file_len = 5, .mem_len = 5 },
	};

	check(loads, 4);
}

static void random_loads_resolve_as_byte_by_byte(void **state)
{
	unsigned seed = 20240229;

	for (int round = 0; round < 3000; round++) {
		struct elf_load loads[12];
		size_t nr = (size_t)rand_r(&seed) % 13;

		for (size_t i = 0; i < nr; i++) {
			struct elf_load *l = &loads[i];

			l->paddr = (uint64_t)rand_r(&seed) % 100;
			l->mem_len = 1 + (uint64_t)rand_r(&seed) % 100;
			l->file_len = rand_r(&seed) % 3 ? l->mem_len : (uint64_t)rand_r(&seed) % (l->mem_len + 1);
			l->file_off = (uint64_t)rand_r(&seed) % 4 * 1000 + (rand_r(&seed) % 2 ? l->paddr : 0);
		}
		check(loads, nr);
	}
}

/* Hostile: every load covers the middle, so each place has thousands of candidates. */
static void seventy_thousand_nested_loads(void **state)
{
	const size_t nr = 70000;
	struct elf_load *loads = calloc(nr, sizeof(*loads));
	struct segment_map map;

	for (size_t i = 0; i < nr; i++)
		loads[i] = (struct elf_load){
			.paddr = i,
			.file_off = 1000000 * i,
			.file_len = 2 * (nr - i),
			.mem_len = 2 * (nr - i) + i % 2,
		};
	map = make_map(loads, nr);
	assert_int_equal(map.nr_ranges, 1);
	assert_int_equal(map.ranges[0].start, 0);
	assert_int_equal(map.ranges[0].end, 2 * nr);
	assert_true(mapped(&map, nr) == nr); /* the first has it all */
	segment_map_deinit(&map);
	/* The other way round the small ones come first, and each adds two boundaries. */
	for (size_t i = 0; i < nr / 2; i++) {
		struct elf_load t = loads[i];

		loads[i] = loads[nr - 1 - i];
		loads[nr - 1 - i] = t;
	}
	map = make_map(loads, nr);
	assert_true(map.nr_segments >= nr);
	assert_true(mapped(&map, nr) == owner(loads, nr, nr));
	assert_true(mapped(&map, 5) == owner(loads, nr, 5));
	assert_true(mapped(&map, 2 * nr - 1) == owner(loads, nr, 2 * nr - 1));
	segment_map_deinit(&map);
	free(loads);
}

/* As memory hotplug and a fragmented firmware map make them, apart from each other. */
static void seventy_thousand_scattered_loads(void **state)
{
	const size_t nr = 70000;
	struct elf_load *loads = calloc(nr, sizeof(*loads));
	struct segment_map map;

	for (size_t i = 0; i < nr; i++)
		loads[i] = (struct elf_load){
			.paddr = (i * 7919 % nr) * 0x3000,
			.file_off = i * 0x2000,
			.file_len = 0x2000,
			.mem_len = 0x2000,
		};
	map = make_map(loads, nr);
	assert_int_equal(map.nr_segments, nr);
	assert_int_equal(map.nr_ranges, nr);
	for (size_t i = 0; i < nr; i += 997)
		assert_true(mapped(&map, loads[i].paddr + 5) == loads[i].file_off + 5);
	segment_map_deinit(&map);
	free(loads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_loads_make_an_empty_map),
		cmocka_unit_test(neighbours_become_one_segment_where_the_file_goes_on),
		cmocka_unit_test(first_in_the_file_wins),
		cmocka_unit_test(data_beats_a_claim_whatever_the_order),
		cmocka_unit_test(random_loads_resolve_as_byte_by_byte),
		cmocka_unit_test(seventy_thousand_nested_loads),
		cmocka_unit_test(seventy_thousand_scattered_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
