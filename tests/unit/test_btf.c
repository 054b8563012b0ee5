// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/btf.h"
#include "tests/unit/fake_kernel.h"

#define STRINGS "\0page\0flags\0head\0mapping\0pageflags\0PG_lru\0PG_head\0zone\0free_area\0other\0"

/* BTF by hand; the names are offsets in STRINGS. */
struct maker {
	uint8_t bytes[8192];
	size_t len;
	uint32_t nr_types;
};

static uint32_t name_of(const char *name)
{
	size_t len = strlen(name) + 1;

	for (uint32_t off = 0; off + len <= sizeof(STRINGS); off++)
		if (!memcmp(&STRINGS[off], name, len) && (!off || !STRINGS[off - 1]))
			return off;
	fail_msg("no string %s", name);
	return 0;
}

static void put(struct maker *m, uint32_t v)
{
	put_u32(m->bytes + m->len, ORDER_LITTLE, v);
	m->len += 4;
}

static uint32_t type(struct maker *m, const char *name, unsigned kind, uint32_t vlen, uint32_t size_or_type)
{
	put(m, name_of(name));
	put(m, kind << 24 | vlen);
	put(m, size_or_type);
	return ++m->nr_types;
}

static void three(struct maker *m, uint32_t a, uint32_t b, uint32_t c)
{
	put(m, a);
	put(m, b);
	put(m, c);
}

/* struct page { flags; union { struct { mapping }; head } }, enum pageflags, struct zone { free_area[11] }. */
static void make_types(struct maker *m, unsigned unknown_kind, unsigned unknown_words)
{
	uint32_t word, in_union, nameless, array;

	word = type(m, "other", 1, 0, 8);
	put(m, 64);
	if (unknown_kind) {
		type(m, "other", unknown_kind, 2, 0);
		for (unsigned i = 0; i < unknown_words; i++)
			put(m, 0);
	}
	in_union = type(m, "", 4, 1, 16);
	three(m, name_of("mapping"), word, 64);
	nameless = type(m, "", 5, 2, 16);
	three(m, 0, in_union, 0);
	three(m, name_of("head"), word, 0);
	type(m, "page", 4, 2, 64);
	three(m, name_of("flags"), word, 0);
	three(m, 0, nameless, 64);
	type(m, "pageflags", 6, 2, 4);
	put(m, name_of("PG_lru"));
	put(m, 5);
	put(m, name_of("PG_head"));
	put(m, 6);
	array = type(m, "", 3, 0, 0);
	three(m, word, word, 11);
	type(m, "zone", 4, 1, 88);
	three(m, name_of("free_area"), array, 0);
}

struct dump {
	struct fake_kernel *fk;
	struct kmodel *km;
	uint64_t start, end;
};

static void put_types(struct dump *d, const struct maker *m)
{
	uint8_t header[24];

	put_u32(header, ORDER_LITTLE, 0x1eb9f);
	put_u32(header + 4, ORDER_LITTLE, sizeof(header));
	put_u32(header + 8, ORDER_LITTLE, 0);
	put_u32(header + 12, ORDER_LITTLE, (uint32_t)m->len);
	put_u32(header + 16, ORDER_LITTLE, (uint32_t)m->len);
	put_u32(header + 20, ORDER_LITTLE, sizeof(STRINGS));
	fake_put(d->fk, d->start, header, sizeof(header));
	fake_put(d->fk, d->start + sizeof(header), m->bytes, m->len);
	fake_put(d->fk, d->start + sizeof(header) + m->len, STRINGS, sizeof(STRINGS));
	d->end = d->start + sizeof(header) + m->len + sizeof(STRINGS);
}

static struct dump dump_new(const struct maker *m)
{
	struct dump d = { .fk = fake_kernel_new(4 * MIB) };

	d.start = fake_alloc(d.fk, 16384);
	put_types(&d, m);
	d.km = fake_kernel_open(d.fk);
	return d;
}

static void dump_free(struct dump *d)
{
	kmodel_close(d->km);
	fake_kernel_free(d->fk);
}

static enum status open_it(const struct dump *d, struct btf **b)
{
	static const char *const names[] = { "page", "zone", "pageflags", "absent" };
	struct err err = { 0 };

	return btf_open(d->km, d->start, d->end, names, ARRAY_SIZE(names), b, &err);
}

static void check_answers(struct btf *b)
{
	uint64_t v = 77;
	int64_t n = 77;

	assert_true(btf_struct_size(b, "page", &v) && v == 64);
	assert_true(btf_offset(b, "page", "flags", &v) && v == 0);
	assert_true(btf_offset(b, "page", "head", &v) && v == 8);
	assert_true(btf_offset(b, "page", "mapping", &v) && v == 16);
	assert_true(btf_array_length(b, "zone", "free_area", &v) && v == 11);
	assert_true(btf_enumerator(b, "pageflags", "PG_lru", &n) && n == 5);
	assert_true(btf_enumerator(b, "pageflags", "PG_head", &n) && n == 6);
	v = 77;
	assert_false(btf_offset(b, "page", "free_area", &v));
	assert_false(btf_offset(b, "absent", "flags", &v));
	assert_false(btf_struct_size(b, "pageflags", &v));
	assert_false(btf_array_length(b, "page", "flags", &v));
	assert_false(btf_enumerator(b, "pageflags", "PG_lr", &n));
	assert_int_equal(v, 77);
}

static void types_are_found_by_name(void **state)
{
	struct maker m = { .len = 0 };
	struct dump d;
	struct btf *b;

	make_types(&m, 0, 0);
	d = dump_new(&m);
	assert_int_equal(open_it(&d, &b), ST_OK);
	assert_int_equal(btf_nr_unknown(b), 0);
	check_answers(b);
	btf_close(b);
	dump_free(&d);
}

/* Of any size that is made like those of the known kinds. */
static void unknown_kinds_are_stepped_over(void **state)
{
	static const unsigned words[] = { 0, 1, 2, 3, 4, 6 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct maker m = { .len = 0 };
		struct dump d;
		struct btf *b;

		make_types(&m, 20 + (unsigned)i, words[i]);
		d = dump_new(&m);
		assert_int_equal(open_it(&d, &b), ST_OK);
		assert_int_equal(btf_nr_unknown(b), 1);
		check_answers(b);
		btf_close(b);
		dump_free(&d);
	}
}

static void ask_everything(struct btf *b)
{
	uint64_t v;
	int64_t n;

	(void)btf_struct_size(b, "page", &v);
	(void)btf_offset(b, "page", "mapping", &v);
	(void)btf_array_length(b, "zone", "free_area", &v);
	(void)btf_enumerator(b, "pageflags", "PG_head", &n);
}

static void nonsense_ends(void **state)
{
	struct maker m = { .len = 0 };
	unsigned seed = 1;
	struct dump d;

	make_types(&m, 0, 0);
	d = dump_new(&m);
	for (int round = 0; round < 3000; round++) {
		struct btf *b;

		put_types(&d, &m);
		for (int i = rand_r(&seed) % 4; i >= 0; i--) {
			uint64_t at = d.start + (unsigned)rand_r(&seed) % (d.end - d.start);
			uint8_t byte = (uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed) : 0xff);

			fake_put(d.fk, at, &byte, 1);
		}
		if (!(rand_r(&seed) % 8))
			d.end -= (unsigned)rand_r(&seed) % (d.end - d.start);
		if (open_it(&d, &b) == ST_OK) {
			ask_everything(b);
			btf_close(b);
		}
	}
	dump_free(&d);
}

/* A nameless struct that contains itself, a typedef of itself. */
static void circles_end(void **state)
{
	struct maker m = { .len = 0 };
	struct dump d;
	struct btf *b;
	uint64_t v;

	type(&m, "page", 4, 8, 64);
	for (int i = 0; i < 8; i++)
		three(&m, 0, 1, 0);
	type(&m, "zone", 4, 1, 8);
	three(&m, name_of("free_area"), 3, 0);
	type(&m, "other", 8, 0, 3);
	d = dump_new(&m);
	assert_int_equal(open_it(&d, &b), ST_OK);
	assert_false(btf_offset(b, "page", "mapping", &v));
	assert_false(btf_array_length(b, "zone", "free_area", &v));
	btf_close(b);
	dump_free(&d);
}

static void what_is_no_btf_is_refused(void **state)
{
	struct maker m = { .len = 0 };
	struct dump d;
	struct btf *b;

	make_types(&m, 0, 0);
	d = dump_new(&m);
	d.end = d.start;
	assert_int_equal(open_it(&d, &b), ST_BAD_INPUT);
	d.end = d.start + (UINT64_C(1) << 40);
	assert_int_equal(open_it(&d, &b), ST_BAD_INPUT);
	d.start -= 4096 * 100;
	d.end = d.start + 8192;
	assert_int_not_equal(open_it(&d, &b), ST_OK);
	dump_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_found_by_name),
		cmocka_unit_test(unknown_kinds_are_stepped_over),
		cmocka_unit_test(nonsense_ends),
		cmocka_unit_test(circles_end),
		cmocka_unit_test(what_is_no_btf_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
