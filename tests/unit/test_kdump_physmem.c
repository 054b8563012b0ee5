// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "formats/kdump/kdump_physmem.h"
#include "tests/unit/fake_kdump.h"

#define PAGE 4096u
#define PAGE_SIZE_TEST_MAX 65536

/* Several blocks of bitmap and of descriptors, long runs and single pages, in every way of storing. */
#define MIXED_MAX_PFN 300000u

static enum fake_store mixed(uint64_t pfn)
{
	if (pfn < 16 || (pfn >= 0xa0 && pfn < 0x100) || (pfn >= 4096 && pfn < 280000) || pfn == 280777)
		return FAKE_ABSENT;
	if (pfn >= 281500)
		return pfn % 1000 == 7 ? FAKE_STORED : FAKE_EXCLUDED;
	if (pfn % 31 == 3)
		return FAKE_HOLE;
	if (pfn % 7 == 2)
		return FAKE_EXCLUDED;
	return pfn % 5 == 1 ? FAKE_ZERO : pfn % 11 == 4 ? FAKE_RAW : FAKE_STORED;
}

static struct fake_kdump fake(void)
{
	return (struct fake_kdump){
		.order = ORDER_LITTLE,
		.version = 6,
		.machine = "x86_64",
		.codec = "zlib",
		.page_size = PAGE,
		.max_mapnr = MIXED_MAX_PFN,
		.store = mixed,
		.content = fake_content,
		.notes = "",
	};
}

/** The fake as a physmem, which goes with physmem_close(); the bytes stay. */
static enum status try_open(const struct fake_kdump *f, struct physmem **pm, struct err *err)
{
	struct rsource *src;
	enum status st;

	assert_int_equal(rsource_mem_open(f->bytes, f->len, "fake.kdump", &src, err), ST_OK);
	st = kdump_physmem_open(src, pm, err);
	if (st != ST_OK)
		rsource_close(src);
	return st;
}

static struct physmem *must_open(const struct fake_kdump *f)
{
	struct physmem *pm;
	struct err err = { 0 };

	if (try_open(f, &pm, &err) != ST_OK)
		fail_msg("%s", err.text);
	return pm;
}

static void refused(const struct fake_kdump *f, enum status expected, const char *why)
{
	struct physmem *pm;
	struct err err = { 0 };

	assert_int_equal(try_open(f, &pm, &err), expected);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void check_page(const struct fake_kdump *f, struct physmem *pm, uint64_t pfn)
{
	static uint8_t expected[PAGE_SIZE_TEST_MAX], page[PAGE_SIZE_TEST_MAX];
	enum fake_store store = f->store(pfn);
	enum status st = physmem_read(pm, pfn * f->page_size, page, f->page_size, NULL);

	if (f->split && (pfn < f->start_pfn || pfn >= f->end_pfn))
		store = FAKE_ABSENT;
	if (store < FAKE_STORED) {
		assert_int_equal(st, ST_NO_DATA);
		return;
	}
	if (store == FAKE_HOLE) {
		assert_int_equal(st, ST_IO);
		return;
	}
	assert_int_equal(st, ST_OK);
	memset(expected, 0, f->page_size);
	if (store != FAKE_ZERO)
		f->content(pfn, expected, f->page_size);
	assert_memory_equal(page, expected, f->page_size);
}

static void check_all_pages(const struct fake_kdump *f)
{
	struct physmem *pm = must_open(f);
	uint64_t pfn = 12345;

	for (uint64_t i = 0; i < f->max_mapnr; i++)
		if (f->store(i) >= FAKE_STORED || i % 64 == 0)
			check_page(f, pm, i);
	/* In no order at all. */
	for (int i = 0; i < 3000; i++) {
		pfn = (pfn * 6364136223846793005u + 1442695040888963407u) >> 1;
		check_page(f, pm, pfn % f->max_mapnr);
	}
	assert_int_equal(physmem_read(pm, f->max_mapnr * f->page_size, &pfn, 8, NULL), ST_NO_DATA);
	assert_int_equal(physmem_read(pm, UINT64_MAX - 8, &pfn, 8, NULL), ST_NO_DATA);
	physmem_close(pm);
}

static void test_every_codec(void **state)
{
	static const char *const codecs[] = { "none", "zlib", "lzo", "snappy", "zstd" };

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		struct fake_kdump f = fake();

		f.codec = codecs[i];
		fake_kdump_build(&f);
		check_all_pages(&f);
		free(f.bytes);
	}
}

static void test_big_endian_and_large_pages(void **state)
{
	struct fake_kdump f = fake();

	f.order = ORDER_BIG;
	f.machine = "ppc64";
	f.page_size = 65536;
	f.max_mapnr = 6000;
	fake_kdump_build(&f);
	check_all_pages(&f);
	free(f.bytes);
}

static void test_versions(void **state)
{
	for (int version = 1; version <= 6; version++) {
		struct fake_kdump f = fake();
		struct physmem *pm;

		f.version = version;
		f.max_mapnr = 5000;
		fake_kdump_build(&f);
		check_all_pages(&f);
		pm = must_open(&f);
		assert_int_equal(kdump_physmem_details(pm)->header.version, version);
		assert_int_equal(pm->header_phys_base, -4096);
		assert_true(pm->has_header_phys_base);
		assert_int_equal(pm->crash_time_seconds, 1700000000);
		assert_string_equal(pm->uts.release, "6.1.0-test");
		physmem_close(pm);
		free(f.bytes);
	}
}

static void test_ranges_and_counts(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;
	const struct kdump_details *d;
	uint64_t nr_ram = 0, nr_stored = 0, next = 0;

	fake_kdump_build(&f);
	pm = must_open(&f);
	d = kdump_physmem_details(pm);
	for (uint64_t pfn = 0; pfn < f.max_mapnr; pfn++) {
		nr_ram += f.store(pfn) >= FAKE_EXCLUDED;
		nr_stored += f.store(pfn) >= FAKE_STORED;
	}
	assert_int_equal(d->nr_ram, nr_ram);
	assert_int_equal(d->nr_stored, nr_stored);
	assert_int_equal(d->nr_excluded, nr_ram - nr_stored);
	assert_int_equal(d->bitmap2_not_in_bitmap1, 0);
	assert_int_equal(physmem_nr_present_pages(pm), nr_ram);
	assert_int_equal(physmem_max_pfn(pm), MIXED_MAX_PFN);
	assert_int_equal(pm->nr_ranges, 4);
	for (size_t i = 0; i < pm->nr_ranges; i++) {
		assert_true(pm->ranges[i].start >= next && pm->ranges[i].start < pm->ranges[i].end);
		next = pm->ranges[i].end + 1; /* merged: they do not touch */
		for (uint64_t a = pm->ranges[i].start; a < pm->ranges[i].end; a += PAGE)
			assert_true(f.store(a / PAGE) != FAKE_ABSENT);
	}
	assert_int_equal(pm->ranges[3].start, 280778 * (uint64_t)PAGE);
	physmem_close(pm);
	free(f.bytes);
}

/* next_data() must give exactly the stored pages, in any pieces, and be clipped at both ends. */
static void test_next_data(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;
	struct range run = { 0, 0 };
	uint64_t pfn = 0;

	fake_kdump_build(&f);
	pm = must_open(&f);
	while (physmem_next_data(pm, run.end, UINT64_MAX, &run)) {
		assert_true(run.start < run.end && run.start % PAGE == 0 && run.end % PAGE == 0);
		for (; pfn < run.start / PAGE; pfn++)
			assert_true(f.store(pfn) < FAKE_STORED);
		for (; pfn < run.end / PAGE; pfn++)
			assert_true(f.store(pfn) >= FAKE_STORED);
	}
	for (; pfn < f.max_mapnr; pfn++)
		assert_true(f.store(pfn) < FAKE_STORED);
	/* 19, 20, 21 and 22 are stored, 23 is not. */
	assert_true(physmem_next_data(pm, 20 * PAGE + 5, 21 * PAGE + 9, &run));
	assert_int_equal(run.start, 20 * PAGE + 5);
	assert_int_equal(run.end, 21 * PAGE + 9);
	assert_true(physmem_next_data(pm, 20 * PAGE + 5, UINT64_MAX, &run));
	assert_int_equal(run.end, 23 * PAGE);
	assert_false(physmem_next_data(pm, 23 * PAGE, 24 * PAGE, &run));
	assert_false(physmem_next_data(pm, 23 * PAGE, 23 * PAGE, &run));
	physmem_close(pm);
	free(f.bytes);
}

static void test_partial_reads(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;
	uint8_t expected[4 * PAGE], got_bytes[4 * PAGE];
	size_t got;

	fake_kdump_build(&f);
	pm = must_open(&f);
	for (uint64_t pfn = 19; pfn < 23; pfn++) {
		memset(expected + (pfn - 19) * PAGE, 0, PAGE);
		if (f.store(pfn) != FAKE_ZERO)
			f.content(pfn, expected + (pfn - 19) * PAGE, PAGE);
	}
	for (size_t off = 0; off < sizeof(expected); off += 777) {
		for (size_t len = 1; len <= sizeof(expected) - off; len += 1234) {
			assert_int_equal(physmem_read(pm, 19 * PAGE + off, got_bytes, len, NULL), ST_OK);
			assert_memory_equal(got_bytes, expected + off, len);
		}
	}
	/* Up to the page that is not there. */
	assert_int_equal(physmem_read_some(pm, 21 * PAGE + 100, got_bytes, 4 * PAGE, &got, NULL), ST_NO_DATA);
	assert_int_equal(got, 2 * PAGE - 100);
	assert_memory_equal(got_bytes, expected + 2 * PAGE + 100, got);
	physmem_close(pm);
	free(f.bytes);
}

static void test_read_pages(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;
	enum page_state states[64];
	uint8_t *buf = malloc(64 * PAGE);

	fake_kdump_build(&f);
	pm = must_open(&f);
	for (uint64_t pfn = 0; pfn < 4100; pfn += 61) {
		physmem_read_pages(pm, pfn, 64, buf, states);
		for (size_t i = 0; i < 64; i++) {
			enum fake_store store = f.store(pfn + i);

			assert_int_equal(states[i], store < FAKE_STORED	 ? PAGE_ABSENT
						    : store == FAKE_HOLE ? PAGE_UNREADABLE
									 : PAGE_WHOLE);
		}
	}
	physmem_close(pm);
	free(f.bytes);
	free(buf);
}

static void test_single_bitmap(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;

	f.single_bitmap = true;
	f.version = 1;
	f.max_mapnr = 5000;
	fake_kdump_build(&f);
	check_all_pages(&f);
	pm = must_open(&f);
	assert_int_equal(kdump_physmem_details(pm)->nr_ram, kdump_physmem_details(pm)->nr_stored);
	physmem_close(pm);
	free(f.bytes);
}

/* A writer that left bitmap1 empty: drgn reads such a file, and so do we; `ranges` must cover what is there. */
static void test_empty_bitmap_1(void **state)
{
	struct fake_kdump f = fake();
	struct physmem *pm;

	fake_kdump_build(&f);
	memset(f.bytes + f.bitmap_1, 0, f.bitmap_2 - f.bitmap_1);
	check_all_pages(&f);
	pm = must_open(&f);
	assert_int_equal(kdump_physmem_details(pm)->bitmap2_not_in_bitmap1, f.nr_descs);
	assert_int_equal(physmem_nr_present_pages(pm), f.nr_descs);
	physmem_close(pm);
	free(f.bytes);
}

static void test_split(void **state)
{
	static const struct range parts[] = {
		{ 0, 1000 }, { 1000, 280641 }, { 280641, MIXED_MAX_PFN }, { 300000, 300000 }
	};
	uint64_t stored = 0, everywhere = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct fake_kdump f = fake();
		struct physmem *pm;

		f.split = true;
		f.start_pfn = parts[i].start;
		f.end_pfn = parts[i].end;
		f.version = i % 2 ? 6 : 5;
		fake_kdump_build(&f);
		check_all_pages(&f);
		pm = must_open(&f);
		assert_int_equal(kdump_physmem_details(pm)->nr_stored, f.nr_descs);
		stored += f.nr_descs;
		everywhere = f.nr_descs + kdump_physmem_details(pm)->nr_elsewhere;
		physmem_close(pm);
		fake_put_u64(&f, PAGE + (f.version == 6 ? 80 : 16), f.end_pfn + 1);
		refused(&f, ST_BAD_INPUT, "split dump claims");
		free(f.bytes);
	}
	assert_int_equal(stored, everywhere);
}

static void test_survey(void **state)
{
	struct fake_kdump f = fake();
	struct kdump_survey s;
	struct physmem *pm;
	uint64_t zero = 0, hole = 0, raw = 0, stored = 0;

	fake_kdump_build(&f);
	for (uint64_t pfn = 0; pfn < f.max_mapnr; pfn++) {
		zero += f.store(pfn) == FAKE_ZERO;
		hole += f.store(pfn) == FAKE_HOLE;
		raw += f.store(pfn) == FAKE_RAW;
		stored += f.store(pfn) == FAKE_STORED;
	}
	pm = must_open(&f);
	assert_int_equal(kdump_physmem_survey(pm, &s, NULL), ST_OK);
	assert_int_equal(s.nr_zero, zero);
	assert_int_equal(s.nr_unreadable, hole);
	assert_int_equal(s.nr_raw, raw + zero);
	assert_int_equal(s.nr_zlib, stored);
	assert_int_equal(s.nr_cut_off, 0);
	physmem_close(pm);

	/* Cut in the data, then in the descriptors. */
	f.len = f.data + PAGE * 2 + 100;
	pm = must_open(&f);
	assert_int_equal(kdump_physmem_survey(pm, &s, NULL), ST_OK);
	assert_true(s.nr_cut_off > f.nr_descs / 3);
	assert_int_equal(s.nr_unreadable, hole + s.nr_cut_off);
	assert_int_equal(s.nr_unreadable + s.nr_raw + s.nr_zlib, f.nr_descs);
	physmem_close(pm);
	f.len = f.descs + 24 * 10 + 5;
	pm = must_open(&f);
	assert_int_equal(kdump_physmem_survey(pm, &s, NULL), ST_OK);
	assert_int_equal(s.nr_unreadable, f.nr_descs);
	physmem_close(pm);
	free(f.bytes);
}

/** What reading the first stored page says after its descriptor became this. */
static void check_desc(struct fake_kdump *f, uint64_t offset, uint32_t size, uint32_t flags, enum status expected)
{
	uint8_t *saved = malloc(24), page[PAGE];
	struct physmem *pm;
	struct err err = { 0 };

	memcpy(saved, f->bytes + f->descs, 24);
	fake_put_desc(f, 0, offset, size, flags);
	pm = must_open(f);
	assert_int_equal(physmem_read(pm, 17 * PAGE, page, PAGE, &err), expected);
	if (expected != ST_OK)
		assert_non_null(strstr(err.text, "page frame 0x11"));
	check_page(f, pm, 18);
	physmem_close(pm);
	memcpy(f->bytes + f->descs, saved, 24);
	free(saved);
}

static void test_descriptors(void **state)
{
	struct fake_kdump f = fake();
	uint64_t good;
	uint32_t size;

	/* The first page stored is 17, the second 18: the first gets what the second has. */
	fake_kdump_build(&f);
	good = get_u64(f.bytes + f.descs + 24, ORDER_LITTLE);
	size = get_u32(f.bytes + f.descs + 24 + 8, ORDER_LITTLE);
	check_desc(&f, good, size, 1, ST_OK);
	check_desc(&f, 0, 0, 0, ST_IO);
	check_desc(&f, 0, PAGE, 0, ST_IO);
	check_desc(&f, 0, 100, 1, ST_IO);
	check_desc(&f, f.len, PAGE, 0, ST_IO);
	check_desc(&f, f.len - PAGE + 1, PAGE, 0, ST_IO);
	check_desc(&f, f.len - PAGE, PAGE, 0, ST_OK);
	check_desc(&f, UINT64_MAX, PAGE, 0, ST_IO);
	check_desc(&f, UINT64_MAX - PAGE + 1, PAGE, 0, ST_IO);
	check_desc(&f, UINT64_C(1) << 63, PAGE, 0, ST_IO);
	check_desc(&f, 1, PAGE, 0, ST_BAD_INPUT);
	check_desc(&f, f.data - 1, PAGE, 0, ST_BAD_INPUT);
	check_desc(&f, good, 0, 1, ST_BAD_INPUT);
	check_desc(&f, good, PAGE + 1, 1, ST_BAD_INPUT);
	check_desc(&f, good, UINT32_MAX, 1, ST_BAD_INPUT);
	check_desc(&f, good, PAGE - 1, 0, ST_BAD_INPUT);
	check_desc(&f, good, PAGE + 1, 0, ST_BAD_INPUT);
	check_desc(&f, good, size - 1, 1, ST_BAD_INPUT);
	check_desc(&f, good + 1, size - 1, 1, ST_BAD_INPUT);
	check_desc(&f, good, size, 2, ST_BAD_INPUT);
	check_desc(&f, good, size, 4, ST_BAD_INPUT);
	check_desc(&f, good, size, 0x20, ST_BAD_INPUT);
	check_desc(&f, good, size, 8, ST_BAD_INPUT);
	check_desc(&f, good, size, 3, ST_BAD_INPUT);
	check_desc(&f, good, size, UINT32_MAX, ST_BAD_INPUT);
	free(f.bytes);
}

static void test_bad_places(void **state)
{
	static const uint64_t many[] = { UINT64_C(1) << 40, (UINT64_C(1) << 40) + 1, UINT64_C(1) << 60, UINT64_MAX };
	struct fake_kdump f = fake();

	fake_kdump_build(&f);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		fake_put_u64(&f, PAGE + 96, many[i]);
		refused(&f, ST_BAD_INPUT, many[i] > (UINT64_C(1) << 40) ? "max_mapnr" : "too small");
	}
	/* Bitmaps that would be large enough, were they there. */
	fake_put_u64(&f, PAGE + 96, UINT64_C(1) << 40);
	fake_put_u32(&f, 436, UINT32_MAX);
	refused(&f, ST_BAD_INPUT, "beyond the end");
	fake_put_u64(&f, PAGE + 96, f.max_mapnr);
	fake_put_u32(&f, 436, 1);
	refused(&f, ST_BAD_INPUT, "too small");
	fake_put_u32(&f, 436, (uint32_t)(f.descs - f.bitmap_1) / PAGE);
	fake_put_u32(&f, 432, INT32_MAX);
	refused(&f, ST_BAD_INPUT, "beyond the end");
	fake_put_u32(&f, 432, 1);
	f.len = f.descs - 1;
	refused(&f, ST_BAD_INPUT, "beyond the end");
	f.len = PAGE + 103;
	refused(&f, ST_BAD_INPUT, "sub header");
	f.len = PAGE;
	refused(&f, ST_BAD_INPUT, "sub header");
	free(f.bytes);
}

static enum fake_store nothing(uint64_t pfn)
{
	return FAKE_ABSENT;
}

/* 17 million runs of one page: refused, and not by running out of memory. */
static void test_absurd_map(void **state)
{
	struct fake_kdump f = fake();

	f.max_mapnr = UINT64_C(35) * 1024 * 1024;
	f.store = nothing;
	fake_kdump_build(&f);
	memset(f.bytes + f.bitmap_1, 0xaa, f.bitmap_2 - f.bitmap_1);
	refused(&f, ST_BAD_INPUT, "runs");
	free(f.bytes);
}

/* "VMCOREINFO" and text, then one NT_PRSTATUS. */
static size_t make_notes(uint8_t *notes, const char *text)
{
	size_t len = strlen(text), at = 12 + 12 + align_up(len, 4);

	memset(notes, 0, 512);
	put_u32(notes, ORDER_LITTLE, 11);
	put_u32(notes + 4, ORDER_LITTLE, (uint32_t)len);
	memcpy(notes + 12, "VMCOREINFO", 11);
	memcpy(notes + 24, text, len);
	put_u32(notes + at, ORDER_LITTLE, 5);
	put_u32(notes + at + 4, ORDER_LITTLE, 64);
	put_u32(notes + at + 8, ORDER_LITTLE, 1);
	memcpy(notes + at + 12, "CORE", 5);
	return at + 12 + 8 + 64;
}

static void check_vmcoreinfo(const struct fake_kdump *f, const char *expected)
{
	struct physmem *pm = must_open(f);

	if (!expected) {
		assert_null(pm->vmcoreinfo);
	} else {
		assert_non_null(pm->vmcoreinfo);
		assert_int_equal(pm->vmcoreinfo_len_bytes, strlen(expected));
		assert_memory_equal(pm->vmcoreinfo, expected, strlen(expected));
	}
	physmem_close(pm);
}

static void test_vmcoreinfo(void **state)
{
	static const char in_note[] = "OSRELEASE=from-the-note\n", by_pointer[] = "OSRELEASE=by-pointer\n";
	uint8_t notes[512];
	struct fake_kdump f = fake();

	f.max_mapnr = 300;
	f.notes = notes;
	f.notes_len = make_notes(notes, in_note);
	f.vmcoreinfo = by_pointer;
	for (f.version = 2; f.version <= 6; f.version++) {
		fake_kdump_build(&f);
		check_vmcoreinfo(&f, f.version >= 4 ? in_note : f.version == 3 ? by_pointer : NULL);
		fake_put(&f, PAGE + 104 + 12, "VMCOREINF_", 10);
		check_vmcoreinfo(&f, f.version >= 3 ? by_pointer : NULL);
		free(f.bytes);
	}
}

/* Nonsense about notes costs the notes, not the dump. */
static void test_bad_notes(void **state)
{
	static const uint64_t bad[] = { 1u << 30, INT64_MAX, UINT64_MAX, UINT64_C(1) << 63 };
	uint8_t notes[512];
	struct fake_kdump f = fake();

	log_set_level(LOG_LEVEL_ERROR);
	f.max_mapnr = 300;
	f.notes = notes;
	f.notes_len = make_notes(notes, "OSRELEASE=x\n");
	fake_kdump_build(&f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (size_t field = 48; field <= 56; field += 8) {
			uint64_t good = get_u64(f.bytes + PAGE + field, ORDER_LITTLE);

			fake_put_u64(&f, PAGE + field, bad[i]);
			check_vmcoreinfo(&f, NULL);
			fake_put_u64(&f, PAGE + field, good);
			fake_put_u64(&f, PAGE + field - 16, bad[i]);
			check_vmcoreinfo(&f, "OSRELEASE=x\n");
			fake_put_u64(&f, PAGE + field - 16, 0);
		}
	}
	log_set_level(LOG_LEVEL_INFO);
	free(f.bytes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_codec),    cmocka_unit_test(test_big_endian_and_large_pages),
		cmocka_unit_test(test_versions),       cmocka_unit_test(test_ranges_and_counts),
		cmocka_unit_test(test_next_data),      cmocka_unit_test(test_partial_reads),
		cmocka_unit_test(test_read_pages),     cmocka_unit_test(test_single_bitmap),
		cmocka_unit_test(test_empty_bitmap_1), cmocka_unit_test(test_split),
		cmocka_unit_test(test_survey),	       cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_bad_places),     cmocka_unit_test(test_absurd_map),
		cmocka_unit_test(test_vmcoreinfo),     cmocka_unit_test(test_bad_notes),
	};

	return cmocka_run_group_tests_name("kdump_physmem", tests, NULL, NULL);
}
