// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/endian.h"
#include "common/units.h"
#include "formats/io/flattened.h"
#include "formats/kdump/kdump_physmem.h"
#include "tests/unit/fake_kdump.h"

/** A stream being put together, and beside it the file that it stands for, as -R makes it: record by record. */
struct stream {
	uint8_t *bytes, *file;
	size_t len, file_len, cap;
};

static void append(struct stream *s, const void *data, size_t len)
{
	if (s->len + len > s->cap) {
		s->cap = 2 * (s->len + len);
		s->bytes = realloc(s->bytes, s->cap);
	}
	memcpy(s->bytes + s->len, data, len);
	s->len += len;
}

static void append_u64(struct stream *s, uint64_t v)
{
	uint8_t raw[8];

	put_u64(raw, ORDER_BIG, v);
	append(s, raw, 8);
}

static void begin(struct stream *s)
{
	uint8_t header[FLAT_HEADER_SIZE] = "makedumpfile";

	memset(s, 0, sizeof(*s));
	put_u64(header + 16, ORDER_BIG, 1);
	put_u64(header + 24, ORDER_BIG, 1);
	append(s, header, sizeof(header));
}

static void record(struct stream *s, uint64_t off, const void *data, size_t len)
{
	append_u64(s, off);
	append_u64(s, len);
	append(s, data, len);
	if (off + len > s->file_len) {
		s->file = realloc(s->file, off + len);
		memset(s->file + s->file_len, 0, off + len - s->file_len);
		s->file_len = off + len;
	}
	memcpy(s->file + off, data, len);
}

static void finish(struct stream *s)
{
	append_u64(s, UINT64_MAX);
	append_u64(s, UINT64_MAX);
}

static void done(struct stream *s)
{
	free(s->bytes);
	free(s->file);
}

/** Opens a copy of exactly the stream's length, which *@copy takes; NULL with the error in @err. */
static struct rsource *open_stream(const struct stream *s, size_t len, uint8_t **copy, bool *truncated, struct err *err)
{
	struct rsource *inner, *src;

	*copy = malloc(len ? len : 1);
	memcpy(*copy, s->bytes, len);
	assert_int_equal(rsource_mem_open(*copy, len, "stream", &inner, err), ST_OK);
	if (rsource_flattened_open(inner, &src, truncated, err) == ST_OK)
		return src;
	rsource_close(inner);
	return NULL;
}

static void check_file(struct rsource *src, const uint8_t *file, size_t file_len)
{
	uint8_t *whole = malloc(file_len + 10);
	size_t got;

	assert_int_equal(src->size_bytes, file_len);
	memset(whole, 0xa5, file_len + 10);
	assert_int_equal(rsource_read_some(src, 0, whole, file_len + 10, &got, NULL), ST_OK);
	assert_int_equal(got, file_len);
	assert_memory_equal(whole, file, file_len);
	assert_int_equal(rsource_read(src, 0, whole, file_len + 1, NULL), ST_BAD_INPUT);
	/* In pieces, backwards. */
	for (size_t end = file_len; end;) {
		size_t len = end < 1 + end % 513 ? end : 1 + end % 513;

		memset(whole, 0xa5, len);
		assert_int_equal(rsource_read(src, end - len, whole, len, NULL), ST_OK);
		assert_memory_equal(whole, file + end - len, len);
		end -= len;
	}
	free(whole);
}

static void check_stream(struct stream *s)
{
	struct err err = { 0 };
	uint8_t *copy;
	bool truncated;
	struct rsource *src = open_stream(s, s->len, &copy, &truncated, &err);

	if (!src)
		fail_msg("%s", err.text);
	assert_false(truncated);
	check_file(src, s->file, s->file_len);
	rsource_close(src);
	free(copy);
}

static void test_simple(void **state)
{
	struct stream s;

	begin(&s);
	record(&s, 0, "head", 4);
	record(&s, 4200, "notes", 5);
	record(&s, 4096, "sub", 3);
	record(&s, 8192, "x", 1);
	finish(&s);
	check_stream(&s);
	/* Written to a raw disk: what follows the end marker is not of the stream. */
	append(&s, "garbage that looks like nothing, longer than a record header", 60);
	check_stream(&s);
	done(&s);
}

static void test_empty(void **state)
{
	struct stream s;
	struct err err = { 0 };
	uint8_t *copy, byte;
	bool truncated;
	struct rsource *src;
	size_t got = 1;

	begin(&s);
	finish(&s);
	src = open_stream(&s, s.len, &copy, &truncated, &err);
	assert_non_null(src);
	assert_int_equal(src->size_bytes, 0);
	assert_int_equal(rsource_read_some(src, 0, &byte, 1, &got, &err), ST_OK);
	assert_int_equal(got, 0);
	rsource_close(src);
	free(copy);
	done(&s);
}

/* The later record wins, however they lie over each other: the file that was written record by record is the judge. */
static void test_overlaps(void **state)
{
	uint32_t seed = 4711;

	for (int round = 0; round < 400; round++) {
		struct stream s;
		int nr = 1 + round % 40;

		begin(&s);
		for (int i = 0; i < nr; i++) {
			uint8_t data[300];
			uint64_t off;
			size_t len;

			seed = seed * 1103515245u + 12345;
			off = (seed >> 8) % (round % 3 ? 1000 : 200);
			len = 1 + (seed >> 20) % (round % 5 ? 299 : 20);
			memset(data, 1 + i, len);
			data[len / 2] = (uint8_t)seed;
			record(&s, off, data, len);
		}
		finish(&s);
		check_stream(&s);
		done(&s);
	}
}

/* More records than a scan window holds, and one longer than it. */
static void test_many_and_large(void **state)
{
	struct stream s;
	uint8_t *large = malloc(200000);

	for (size_t i = 0; i < 200000; i++)
		large[i] = (uint8_t)(i * 7 + i / 256);
	begin(&s);
	for (size_t i = 0; i < 9000; i++)
		record(&s, (i * 7919 % 9000) * 10, large + i, 1 + i % 15);
	record(&s, 500000, large, 200000);
	record(&s, 90500, large, 70000);
	finish(&s);
	check_stream(&s);
	done(&s);
	free(large);
}

static void test_next_data(void **state)
{
	struct stream s;
	struct err err = { 0 };
	uint8_t *copy;
	bool truncated;
	struct rsource *src;
	struct range run;

	begin(&s);
	record(&s, 100, "abcdefghij", 10);
	record(&s, UINT64_C(1) << 20, "k", 1);
	finish(&s);
	src = open_stream(&s, s.len, &copy, &truncated, &err);
	assert_non_null(src);
	run = rsource_next_data(src, 0);
	assert_int_equal(run.start, 100);
	assert_int_equal(run.end, 110);
	run = rsource_next_data(src, 105);
	assert_int_equal(run.start, 105);
	assert_int_equal(run.end, 110);
	run = rsource_next_data(src, 110);
	assert_int_equal(run.start, 1 << 20);
	run = rsource_next_data(src, (1 << 20) + 1);
	assert_int_equal(run.start, run.end);
	rsource_close(src);
	free(copy);
	done(&s);
}

/* Cut anywhere: what came before is there. */
static void test_truncated(void **state)
{
	struct stream s;

	begin(&s);
	record(&s, 0, "0123456789", 10);
	record(&s, 20, "abcdefghij", 10);
	finish(&s);
	for (size_t len = 32; len < s.len; len++) {
		struct err err = { 0 };
		uint8_t *copy, byte = 0;
		bool truncated = false;
		struct rsource *src = open_stream(&s, len, &copy, &truncated, &err);

		assert_non_null(src);
		assert_true(truncated);
		assert_int_equal(src->size_bytes, len <= 4112	? 0
						  : len <= 4122 ? len - 4112
						  : len <= 4138 ? 10
						  : len <= 4148 ? len - 4118
								: 30);
		if (src->size_bytes) {
			assert_int_equal(rsource_read(src, src->size_bytes - 1, &byte, 1, &err), ST_OK);
			assert_int_equal(byte, s.file[src->size_bytes - 1]);
		}
		rsource_close(src);
		free(copy);
	}
	done(&s);
}

static void refused(const struct stream *s, size_t len, enum status expected, const char *why)
{
	struct err err = { 0 };
	uint8_t *copy;
	bool truncated;

	assert_null(open_stream(s, len, &copy, &truncated, &err));
	assert_int_equal(err.status, expected);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	free(copy);
}

static void test_broken_records(void **state)
{
	static const struct {
		uint64_t off, len;
	} broken[] = {
		{ 0, 0 },	   { UINT64_MAX, 0 },	      { UINT64_MAX, 1 },
		{ 0, UINT64_MAX }, { UINT64_C(1) << 63, 16 }, { 16, UINT64_C(1) << 63 },
		{ INT64_MAX, 1 },  { INT64_MAX - 10, 12 },    { INT64_MAX, INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct stream s;

		begin(&s);
		record(&s, 0, "0123456789", 10);
		append_u64(&s, broken[i].off);
		append_u64(&s, broken[i].len);
		append(&s, "some data that follows", 22);
		refused(&s, s.len, ST_BAD_INPUT, "position 4122");
		done(&s);
	}
}

static void test_header(void **state)
{
	struct stream s;
	struct rsource *src;

	begin(&s);
	finish(&s);
	assert_int_equal(rsource_mem_open(s.bytes, s.len, "stream", &src, NULL), ST_OK);
	assert_true(flattened_probe(src));
	rsource_close(src);
	assert_int_equal(rsource_mem_open(s.bytes, 15, "stream", &src, NULL), ST_OK);
	assert_false(flattened_probe(src));
	rsource_close(src);
	s.bytes[12] = 'x';
	assert_int_equal(rsource_mem_open(s.bytes, s.len, "stream", &src, NULL), ST_OK);
	assert_false(flattened_probe(src));
	rsource_close(src);
	s.bytes[12] = 0;
	refused(&s, 31, ST_BAD_INPUT, "ends too early");
	put_u64(s.bytes + 16, ORDER_BIG, 2);
	refused(&s, s.len, ST_UNSUPPORTED, "type 2");
	put_u64(s.bytes + 16, ORDER_BIG, 1);
	put_u64(s.bytes + 24, ORDER_BIG, 0);
	refused(&s, s.len, ST_UNSUPPORTED, "version 0");
	done(&s);
}

/* A far record makes a huge file of nothing: no memory and no time may go with its size. */
static void test_huge_gap(void **state)
{
	struct stream s;
	struct err err = { 0 };
	uint8_t *copy, buf[64];
	bool truncated;
	struct rsource *src;

	begin(&s);
	append_u64(&s, 0);
	append_u64(&s, 4);
	append(&s, "head", 4);
	append_u64(&s, INT64_MAX - 4);
	append_u64(&s, 4);
	append(&s, "tail", 4);
	finish(&s);
	src = open_stream(&s, s.len, &copy, &truncated, &err);
	assert_non_null(src);
	assert_int_equal(src->size_bytes, INT64_MAX);
	assert_int_equal(rsource_read(src, INT64_MAX - 8, buf, 8, NULL), ST_OK);
	assert_memory_equal(buf, "\0\0\0\0tail", 8);
	assert_int_equal(rsource_read(src, UINT64_C(1) << 40, buf, 64, NULL), ST_OK);
	assert_int_equal(buf[0] | buf[63], 0);
	rsource_close(src);
	free(copy);
	done(&s);
}

static enum fake_store every_page(uint64_t pfn)
{
	return FAKE_STORED;
}

/** As a KDUMP, the stream cut to @len. */
static enum status open_flat_kdump(struct stream *s, size_t len, struct physmem **pm, struct err *err)
{
	struct rsource *inner, *src;
	bool truncated;
	enum status st;

	assert_int_equal(rsource_mem_open(s->bytes, len, "stream", &inner, err), ST_OK);
	assert_int_equal(rsource_flattened_open(inner, &src, &truncated, err), ST_OK);
	assert_int_equal(truncated, len < s->len);
	st = kdump_physmem_open_flattened(src, truncated, pm, err);
	if (st != ST_OK)
		rsource_close(src);
	return st;
}

/*
 * Data first, then the headers: a stream that is cut in its descriptors has gaps where descriptors were, and one with
 * the data last gaps where data was. Neither may read as pages of zeros.
 */
static void test_kdump_in_stream(void **state)
{
	struct fake_kdump f = { .order = ORDER_LITTLE,
				.version = 6,
				.machine = "x86_64",
				.codec = "none",
				.page_size = 4096,
				.max_mapnr = 40,
				.store = every_page,
				.content = fake_content,
				.notes = "" };
	struct stream s;
	struct physmem *pm;
	struct err err = { 0 };
	uint8_t page[4096], expected[4096];
	size_t last_page;

	fake_kdump_build(&f);
	begin(&s);
	last_page = f.len - 4096;
	record(&s, 0, f.bytes, f.data);
	record(&s, last_page, f.bytes + last_page, 4096);
	record(&s, f.data, f.bytes + f.data, last_page - f.data);
	finish(&s);
	assert_int_equal(open_flat_kdump(&s, s.len, &pm, &err), ST_OK);
	assert_true(kdump_physmem_details(pm)->flattened);
	assert_false(kdump_physmem_details(pm)->flattened_truncated);
	for (uint64_t pfn = 0; pfn < 40; pfn++) {
		fake_content(pfn, expected, 4096);
		assert_int_equal(physmem_read(pm, pfn * 4096, page, 4096, NULL), ST_OK);
		assert_memory_equal(page, expected, 4096);
	}
	physmem_close(pm);
	/* 20 pages short: page 0 lies behind the zero page. */
	assert_int_equal(open_flat_kdump(&s, s.len - 16 - 20 * 4096, &pm, &err), ST_OK);
	assert_true(kdump_physmem_details(pm)->flattened_truncated);
	for (uint64_t pfn = 0; pfn < 40; pfn++)
		assert_int_equal(physmem_read(pm, pfn * 4096, page, 4096, NULL), pfn < 19 || pfn == 39 ? ST_OK : ST_IO);
	physmem_close(pm);
	done(&s);

	begin(&s);
	record(&s, 4096, f.bytes + 4096, f.len - 4096);
	record(&s, 0, f.bytes, 464);
	finish(&s);
	assert_int_equal(open_flat_kdump(&s, s.len, &pm, &err), ST_OK);
	physmem_close(pm);
	assert_int_equal(open_flat_kdump(&s, s.len - 16 - 464 - 16, &pm, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "cut off before its KDUMP header"));
	done(&s);
	free(f.bytes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),	       cmocka_unit_test(test_empty),
		cmocka_unit_test(test_overlaps),       cmocka_unit_test(test_many_and_large),
		cmocka_unit_test(test_next_data),      cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_broken_records), cmocka_unit_test(test_header),
		cmocka_unit_test(test_huge_gap),       cmocka_unit_test(test_kdump_in_stream),
	};

	return cmocka_run_group_tests_name("flattened", tests, NULL, NULL);
}
