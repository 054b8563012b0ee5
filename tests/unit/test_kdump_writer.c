// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/codec/codec.h"
#include "formats/kdump/kdump_writer.h"
#include "tests/unit/fake_sink.h"

/* What is written: a dump of which every part follows from these numbers. */
struct plan {
	uint32_t block_size;
	enum byte_order order;
	uint64_t max_mapnr, nr_stored;
	size_t notes_len, vmcoreinfo_off, vmcoreinfo_len;
	uint8_t *notes;
	uint64_t gap_start, gap_end; /**< PFNs; no page of these exists */
	unsigned stop_after;	     /**< the bitmaps, so many questions on; 0: not at all */
	unsigned nr_asked;
};

enum kind { COMPRESSED, RAW, ZERO, HOLE };

static enum kind kind_of(uint64_t index)
{
	return index % 97 == 5 ? HOLE : index % 7 == 3 ? ZERO : index % 50 == 1 ? RAW : COMPRESSED;
}

static uint32_t size_of(const struct plan *p, uint64_t index)
{
	return kind_of(index) == RAW || kind_of(index) == ZERO ? p->block_size : (uint32_t)(20 + index * 31 % 150);
}

static void data_of(const struct plan *p, uint64_t index, uint8_t *out)
{
	const uint32_t len = size_of(p, index);

	if (kind_of(index) == ZERO) {
		memset(out, 0, len);
		return;
	}
	for (uint32_t i = 0; i < len; i++)
		out[i] = (uint8_t)(index * 5 + i * 3 + (index >> 7) + 1);
}

/* Every third page frame exists, every ninth is stored. */
static bool is_in_bitmap(const struct plan *p, bool present, uint64_t pfn)
{
	return pfn < p->max_mapnr && pfn >= 1000 && pfn % (present ? 3 : 9) == 0 && (pfn < p->gap_start || pfn >= p->gap_end);
}

static uint8_t bitmap_byte(const struct plan *p, bool present, uint64_t pfn)
{
	uint8_t b = 0;

	for (unsigned i = 0; i < 8; i++)
		if (is_in_bitmap(p, present, pfn + i))
			b |= (uint8_t)(1u << i);
	return b;
}

static void fill_bitmap(void *ctx, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes)
{
	const struct plan *p = ctx;

	assert_int_equal(start_pfn % 8, 0);
	for (size_t i = 0; i < len_bytes; i++)
		out[i] = bitmap_byte(p, present, start_pfn + i * 8);
}

static uint64_t next_in_bitmap(void *ctx, bool present, uint64_t pfn)
{
	const struct plan *p = ctx;

	for (; pfn < p->max_mapnr; pfn++) {
		if (pfn >= p->gap_start && pfn < p->gap_end)
			pfn = p->gap_end;
		if (is_in_bitmap(p, present, pfn))
			return pfn;
	}
	return UINT64_MAX;
}

static bool bitmap_goes_on(void *ctx)
{
	struct plan *p = ctx;

	return ++p->nr_asked != p->stop_after;
}

static enum status begin(struct kdump_writer *w, const struct plan *p, struct err *err)
{
	const struct kdump_bitmaps bitmaps = { fill_bitmap, next_in_bitmap, bitmap_goes_on, (void *)p };
	bool stopped;
	enum status st = kdump_writer_begin(w, &bitmaps, &stopped, err);

	assert_int_equal(stopped, p->stop_after && p->nr_asked >= p->stop_after);
	return st;
}

static struct plan new_plan(uint32_t block_size, size_t notes_len, uint64_t nr_stored)
{
	struct plan p = {
		.block_size = block_size,
		.max_mapnr = 3000001,
		.nr_stored = nr_stored,
		.notes_len = notes_len,
		.vmcoreinfo_off = notes_len / 2,
		.vmcoreinfo_len = notes_len / 4,
		.notes = malloc(notes_len + 1),
	};

	for (size_t i = 0; i < notes_len; i++)
		p.notes[i] = (uint8_t)(i * 11 + 3);
	return p;
}

static struct kdump_writer *open_writer(const struct plan *p, struct fake_sink *fs)
{
	struct kdump_header h = {
		.is_64bit = true,
		.order = p->order,
		.block_size = p->block_size,
		.max_mapnr = p->max_mapnr,
		.uts = { .sysname = "Linux", .release = "6.1.0", .version = "#1", .machine = "x86_64" },
		.tv_sec = 1234567890,
		.nr_cpus = 2,
		.phys_base = (uint64_t)-14680064,
		.dump_level = 31,
	};
	struct kdump_writer *w = NULL;
	struct err err = { 0 };

	if (kdump_writer_open(&fs->base, &h, p->notes, p->notes_len, p->vmcoreinfo_off, p->vmcoreinfo_len, p->nr_stored,
			      &w, &err) != ST_OK)
		fail_msg("%s", err.text);
	return w;
}

static enum status put(struct kdump_writer *w, const struct plan *p, uint64_t index, struct err *err)
{
	static uint8_t data[262144];

	data_of(p, index, data);
	switch (kind_of(index)) {
	case HOLE:
		return kdump_writer_put_hole(w, index, err);
	case ZERO:
		return kdump_writer_put_zero(w, index, err);
	case RAW:
		return kdump_writer_put(w, index, data, p->block_size, 0, err);
	case COMPRESSED:
		break;
	}
	return kdump_writer_put(w, index, data, size_of(p, index), CODEC_FLAG_LZO, err);
}

static void assert_ok(enum status st, const struct err *err)
{
	if (st != ST_OK)
		fail_msg("%s", err->text);
}

static struct kdump_header read_headers(const struct plan *p, const struct fake_sink *fs)
{
	struct kdump_header h;
	struct err err = { 0 };

	assert_ok(kdump_main_header_decode(fs->bytes, KDUMP_MAIN_HEADER_SIZE_64, &h, &err), &err);
	assert_ok(kdump_sub_header_decode(fs->bytes + p->block_size, KDUMP_SUB_HEADER_SIZE_64, &h, &err), &err);
	return h;
}

static void check_front(const struct plan *p, const struct fake_sink *fs, uint32_t status)
{
	struct kdump_header h = read_headers(p, fs);
	uint64_t bitmap_len = div_round_up(div_round_up(p->max_mapnr, 8), p->block_size) * p->block_size;
	const uint8_t *bitmap = fs->bytes + (1 + h.sub_hdr_blocks) * (uint64_t)p->block_size;

	assert_true(h.is_64bit);
	assert_int_equal(h.order, p->order);
	assert_int_equal(h.version, 6);
	assert_int_equal(h.status, status);
	assert_int_equal(h.block_size, p->block_size);
	assert_int_equal(h.max_mapnr, p->max_mapnr);
	assert_int_equal(h.nr_cpus, 2);
	assert_true((int64_t)h.phys_base == -14680064);
	assert_int_equal(h.dump_level, 31);
	assert_int_equal(h.tv_sec, 1234567890);
	assert_string_equal(h.uts.release, "6.1.0");
	assert_int_equal(h.split, 0);
	assert_int_equal(h.sub_hdr_blocks, div_round_up(104 + p->notes_len, p->block_size));
	assert_int_equal(h.bitmap_blocks, 2 * bitmap_len / p->block_size);
	assert_int_equal(h.notes_len, p->notes_len);
	if (p->notes_len) {
		assert_int_equal(h.notes_off, p->block_size + 104);
		assert_memory_equal(fs->bytes + h.notes_off, p->notes, p->notes_len);
		assert_int_equal(h.vmcoreinfo_off, p->vmcoreinfo_len ? h.notes_off + p->vmcoreinfo_off : 0);
		assert_int_equal(h.vmcoreinfo_len, p->vmcoreinfo_len);
	}
	for (uint64_t i = 0; i < bitmap_len; i++) {
		assert_int_equal(bitmap[i], bitmap_byte(p, true, i * 8));
		assert_int_equal(bitmap[bitmap_len + i], bitmap_byte(p, false, i * 8));
	}
}

/* By arithmetic, not by the header, which check_front() holds against the same. */
static uint64_t desc_offset(const struct plan *p)
{
	uint64_t bitmap_blocks = div_round_up(div_round_up(p->max_mapnr, 8), p->block_size);

	return (1 + div_round_up(104 + p->notes_len, p->block_size) + 2 * bitmap_blocks) * p->block_size;
}

static struct page_desc read_desc(const struct plan *p, const struct fake_sink *fs, uint64_t index)
{
	struct page_desc d;

	page_desc_decode(fs->bytes + desc_offset(p) + index * KDUMP_PAGE_DESC_SIZE, p->order, &d);
	return d;
}

/* Is descriptor @index what it was told to be? A hole in its place returns false; anything else fails the test. */
static bool check_desc(const struct plan *p, const struct fake_sink *fs, uint64_t index, uint64_t *zero_off)
{
	static uint8_t want[262144];
	struct page_desc d = read_desc(p, fs, index);

	assert_int_equal(d.page_flags, 0);
	if (!d.offset) {
		assert_int_equal(d.size, 0);
		assert_int_equal(d.flags, 0);
		return false;
	}
	if (kind_of(index) == HOLE || index >= p->nr_stored)
		fail_msg("descriptor %llu names something", (unsigned long long)index);
	assert_int_equal(d.size, size_of(p, index));
	assert_int_equal(d.flags, kind_of(index) == COMPRESSED ? CODEC_FLAG_LZO : 0);
	if (!span_within(d.offset, d.size, fs->len))
		fail_msg("descriptor %llu points behind the end", (unsigned long long)index);
	data_of(p, index, want);
	assert_memory_equal(fs->bytes + d.offset, want, d.size);
	if (kind_of(index) == ZERO) {
		assert_true(!*zero_off || *zero_off == d.offset);
		*zero_off = d.offset;
	}
	return true;
}

static void check_all(const struct plan *p, const struct fake_sink *fs)
{
	uint64_t zero_off = 0;

	for (uint64_t i = 0; i < p->nr_stored; i++)
		assert_int_equal(check_desc(p, fs, i, &zero_off), kind_of(i) != HOLE);
}

/* Write all in the order that @step makes: index i comes at place i * @step modulo the number, which @step does not
 * divide. */
static void write_dump(const struct plan *p, struct fake_sink *fs, uint64_t step)
{
	struct kdump_writer *w = open_writer(p, fs);
	bool incomplete = false;
	uint64_t nr_lost = 99;
	struct err err = { 0 };

	assert_int_equal(fs->nr_writes, 0);
	assert_ok(begin(w, p, &err), &err);
	for (uint64_t i = 0; i < p->nr_stored; i++)
		assert_ok(put(w, p, i * step % p->nr_stored, &err), &err);
	assert_ok(kdump_writer_finish(w, &incomplete, &nr_lost, &err), &err);
	assert_false(incomplete);
	assert_int_equal(nr_lost, 0);
	kdump_writer_close(w);
}

static void ascending_indexes_make_a_whole_dump(void **state)
{
	static const uint32_t block_sizes[] = { 4096, 65536, 262144 };

	for (size_t i = 0; i < ARRAY_SIZE(block_sizes); i++) {
		struct plan p = new_plan(block_sizes[i], 5000, 4096000 / block_sizes[i] * 30);
		struct fake_sink fs = fake_sink_new(true);

		p.order = i == 1 ? ORDER_BIG : ORDER_LITTLE;
		write_dump(&p, &fs, 1);
		check_front(&p, &fs, CODEC_FLAG_LZO);
		check_all(&p, &fs);
		assert_int_equal(fs.nr_commits, 0);
		assert_true(fs.nr_syncs >= 1);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

static void any_order_of_indexes_works(void **state)
{
	static const uint64_t steps[] = { 7919, 2, 20000 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct plan p = new_plan(4096, 500, 20001);
		struct fake_sink fs = fake_sink_new(i != 1);

		write_dump(&p, &fs, steps[i]);
		check_front(&p, &fs, CODEC_FLAG_LZO);
		check_all(&p, &fs);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

static void sizes_around_a_block_are_laid_out(void **state)
{
	static const size_t notes[] = { 0, 1, 4096 - 104 - 1, 4096 - 104, 4096 - 103, 2 * MIB + 17 };
	static const uint64_t max_mapnr[] = { 1, 8, 9, 4096 * 8, 4096 * 8 + 1, 24 * MIB };

	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		struct plan p = new_plan(4096, notes[i], 3);
		struct fake_sink fs = fake_sink_new(true);

		p.max_mapnr = max_mapnr[i];
		write_dump(&p, &fs, 1);
		check_front(&p, &fs, CODEC_FLAG_LZO);
		check_all(&p, &fs);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

static void zero_pages_share_one_stored_page(void **state)
{
	struct plan p = new_plan(4096, 0, 30000);
	struct fake_sink fs = fake_sink_new(true);
	struct kdump_writer *w = open_writer(&p, &fs);
	bool incomplete = false;
	struct page_desc d, first;
	uint64_t nr_lost;
	struct err err = { 0 };

	assert_ok(begin(w, &p, &err), &err);
	for (uint64_t i = 0; i < p.nr_stored; i++)
		assert_ok(kdump_writer_put_zero(w, i, &err), &err);
	assert_ok(kdump_writer_finish(w, &incomplete, &nr_lost, &err), &err);
	kdump_writer_close(w);
	first = read_desc(&p, &fs, 0);
	assert_int_equal(first.size, 4096);
	assert_int_equal(first.flags, 0);
	assert_int_equal(fs.len, first.offset + 4096);
	for (uint64_t i = 0; i < p.nr_stored; i++) {
		d = read_desc(&p, &fs, i);
		assert_memory_equal(&d, &first, sizeof(d));
	}
	check_front(&p, &fs, 0);
	fake_sink_free(&fs);
	free(p.notes);
}

static void file_is_marked_incomplete_until_the_last_write(void **state)
{
	struct plan p = new_plan(4096, 5000, 60000);
	struct fake_sink fs = fake_sink_new(true);
	struct kdump_writer *w = open_writer(&p, &fs);
	bool incomplete = false;
	uint64_t nr_lost;
	struct err err = { 0 };

	assert_ok(begin(w, &p, &err), &err);
	assert_int_equal(fs.writes[0].off, 0);
	/* A cut at any time from here on leaves a dump whose bitmaps are whole. */
	check_front(&p, &fs, KDUMP_STATUS_INCOMPLETE);
	for (uint64_t i = 0; i < p.nr_stored; i++) {
		uint64_t zero_off = 0;

		assert_ok(put(w, &p, i, &err), &err);
		/* And whose descriptors, where there are any, name data that is there. */
		if (i % 5000 == 0)
			for (uint64_t j = 0; j < p.nr_stored; j++)
				check_desc(&p, &fs, j, &zero_off);
	}
	assert_int_equal(read_headers(&p, &fs).status, KDUMP_STATUS_INCOMPLETE);
	assert_ok(kdump_writer_finish(w, &incomplete, &nr_lost, &err), &err);
	assert_int_equal(fs.writes[fs.nr_writes - 1].off, 0);
	assert_int_equal(fs.writes[fs.nr_writes - 1].len, KDUMP_MAIN_HEADER_SIZE_64);
	for (size_t i = 1; i + 1 < fs.nr_writes; i++)
		assert_true(fs.writes[i].off >= 4096);
	kdump_writer_close(w);
	fake_sink_free(&fs);
	free(p.notes);
}

static void stream_gets_each_byte_once_in_large_records(void **state)
{
	struct plan p = new_plan(4096, 5000, 150000);
	struct fake_sink fs = fake_sink_new(false);
	size_t nr_small = 0, nr_unaligned = 0;

	p.max_mapnr = 24 * MIB; /* bitmaps of 3 MiB each */
	write_dump(&p, &fs, 1);
	fake_sink_assert_no_overlap(&fs);
	check_front(&p, &fs, CODEC_FLAG_LZO);
	check_all(&p, &fs);
	assert_int_equal(fs.writes[fs.nr_writes - 1].off, 0);
	for (size_t i = 0; i + 1 < fs.nr_writes; i++) {
		nr_small += fs.writes[i].len < MIB;
		/* The descriptors end where the data begins. */
		nr_unaligned += fs.writes[i].len >= MIB && (fs.writes[i].off + fs.writes[i].len) % 4096;
	}
	assert_true(nr_small <= 2); /* the last descriptors and the last data */
	assert_true(nr_unaligned <= 1);
	fake_sink_free(&fs);
	free(p.notes);
}

/* Pages in the first MiB or so of a bitmap of 8, and in its last bytes. */
static struct plan new_wide_plan(uint64_t nr_stored)
{
	struct plan p = new_plan(4096, 100, nr_stored);

	p.max_mapnr = 64 * MIB;
	p.gap_start = 12 * MIB;
	p.gap_end = p.max_mapnr - 100;
	return p;
}

static void wide_gaps_of_a_bitmap_are_not_written(void **state)
{
	for (int stream = 0; stream < 2; stream++) {
		struct plan p = new_wide_plan(10);
		struct fake_sink fs = fake_sink_new(!stream);

		write_dump(&p, &fs, 1);
		assert_true(fs.base.bytes_written < 5 * MIB);
		assert_true(fs.used_blocks * FAKE_BLOCK < 5 * MIB);
		check_front(&p, &fs, CODEC_FLAG_LZO);
		check_all(&p, &fs);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

static void output_that_cannot_hold_the_bitmaps_is_refused_at_once(void **state)
{
	static const uint64_t capacity[] = { 0, 1, 300, 800 };

	for (size_t i = 0; i < ARRAY_SIZE(capacity); i++) {
		struct plan p = new_wide_plan(10);
		struct fake_sink fs = fake_sink_new(true);
		struct kdump_writer *w = open_writer(&p, &fs);
		struct err err = { 0 };

		fs.capacity_blocks = capacity[i];
		assert_int_equal(begin(w, &p, &err), ST_NO_SPACE);
		assert_non_null(strstr(err.text, "no room for the bitmaps of 256.0 GiB of addresses"));
		assert_int_equal(fs.nr_writes, 0);
		kdump_writer_close(w);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

/* Whatever was written of the bitmaps, no descriptor names a page, and the file is as long as it says. */
static void stop_within_the_bitmaps_leaves_a_dump_without_pages(void **state)
{
	for (int stream = 0; stream < 2; stream++) {
		unsigned nr_stops = 0;

		for (bool stopped = true; stopped; nr_stops += stopped) {
			struct plan p = new_wide_plan(200);
			struct fake_sink fs = fake_sink_new(!stream);
			struct kdump_writer *w = open_writer(&p, &fs);
			bool incomplete = true;
			uint64_t nr_lost, zero_off = 0;
			struct err err = { 0 };

			p.stop_after = nr_stops + 1;
			assert_ok(begin(w, &p, &err), &err);
			stopped = p.nr_asked >= p.stop_after;
			assert_ok(kdump_writer_finish(w, &incomplete, &nr_lost, &err), &err);
			assert_true(incomplete);
			assert_int_equal(nr_lost, 0);
			assert_int_equal(read_headers(&p, &fs).status, KDUMP_STATUS_INCOMPLETE);
			for (uint64_t i = 0; i < p.nr_stored; i++)
				assert_false(check_desc(&p, &fs, i, &zero_off));
			assert_int_equal(fs.len, kdump_writer_data_off(w));
			kdump_writer_close(w);
			fake_sink_free(&fs);
			free(p.notes);
		}
		assert_true(nr_stops >= 2);
	}
}

static void dump_of_no_page_is_as_long_as_it_says(void **state)
{
	for (int stream = 0; stream < 2; stream++) {
		struct plan p = new_wide_plan(0);
		struct fake_sink fs = fake_sink_new(!stream);

		p.gap_start = 0;
		p.gap_end = p.max_mapnr;
		write_dump(&p, &fs, 1);
		assert_true(fs.base.bytes_written < MIB);
		check_front(&p, &fs, 0);
		assert_true(fs.len >= 16 * MIB);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

static void wrong_index_is_our_own_fault(void **state)
{
	struct plan p = new_plan(4096, 100, 10);
	struct fake_sink fs = fake_sink_new(true);
	struct kdump_writer *w = open_writer(&p, &fs);
	struct err err = { 0 };

	assert_ok(begin(w, &p, &err), &err);
	assert_int_equal(kdump_writer_put_hole(w, 10, &err), ST_INTERNAL);
	assert_int_equal(kdump_writer_put_zero(w, UINT64_MAX, &err), ST_INTERNAL);
	kdump_writer_close(w);
	kdump_writer_close(NULL);
	fake_sink_free(&fs);
	free(p.notes);
}

static void address_space_beyond_the_format_is_refused(void **state)
{
	struct fake_sink fs = fake_sink_new(true);
	struct kdump_header h = { .block_size = 4096, .max_mapnr = UINT64_C(1) << 45 };
	struct kdump_writer *w;
	struct err err = { 0 };

	assert_int_equal(kdump_writer_open(&fs.base, &h, NULL, 0, 0, 0, 0, &w, &err), ST_OK);
	kdump_writer_close(w);
	h.max_mapnr = UINT64_C(1) << 46;
	assert_int_equal(kdump_writer_open(&fs.base, &h, NULL, 0, 0, 0, 0, &w, &err), ST_UNSUPPORTED);
	h.max_mapnr = UINT64_MAX;
	assert_int_equal(kdump_writer_open(&fs.base, &h, NULL, 0, 0, 0, 0, &w, &err), ST_UNSUPPORTED);
	fake_sink_free(&fs);
}

static void dump_that_is_stopped_has_holes_for_the_rest(void **state)
{
	for (int stream = 0; stream < 2; stream++) {
		struct plan p = new_plan(4096, 5000, 60000);
		struct fake_sink fs = fake_sink_new(!stream);
		struct kdump_writer *w = open_writer(&p, &fs);
		bool incomplete = true;
		uint64_t nr_lost, zero_off = 0;
		struct err err = { 0 };

		assert_ok(begin(w, &p, &err), &err);
		for (uint64_t i = 0; i < 50000; i++)
			assert_ok(put(w, &p, i, &err), &err);
		assert_ok(kdump_writer_finish(w, &incomplete, &nr_lost, &err), &err);
		assert_int_equal(nr_lost, 0);
		check_front(&p, &fs, CODEC_FLAG_LZO | KDUMP_STATUS_INCOMPLETE);
		for (uint64_t i = 0; i < p.nr_stored; i++)
			assert_int_equal(check_desc(&p, &fs, i, &zero_off), i < 50000 && kind_of(i) != HOLE);
		kdump_writer_close(w);
		fake_sink_free(&fs);
		free(p.notes);
	}
}

/* Put until the sink fails, finish, and hold every descriptor against what it names. Returns how many pages survived.
 */
static uint64_t fill_up(const struct plan *p, struct fake_sink *fs, uint64_t step)
{
	struct kdump_writer *w = open_writer(p, fs);
	uint64_t done = 0, nr_lost = 0, zero_off = 0, survivors = 0, holes = 0;
	bool incomplete = false;
	enum status st;
	struct err err = { 0 };

	assert_ok(begin(w, p, &err), &err);
	while (done < p->nr_stored && put(w, p, done * step % p->nr_stored, &err) == ST_OK)
		done++;
	incomplete = done < p->nr_stored;
	st = kdump_writer_finish(w, &incomplete, &nr_lost, &err);
	if (st != ST_OK)
		fail_msg("after %llu pages: %s", (unsigned long long)done, err.text);
	for (uint64_t i = 0; i < p->nr_stored; i++)
		survivors += check_desc(p, fs, i, &zero_off);
	for (uint64_t i = 0; i < done; i++)
		holes += kind_of(i * step % p->nr_stored) == HOLE;
	if (survivors + holes + nr_lost != done)
		fail_msg("%llu survive, %llu holes, %llu lost of %llu", (unsigned long long)survivors,
			 (unsigned long long)holes, (unsigned long long)nr_lost, (unsigned long long)done);
	check_front(p, fs, incomplete ? KDUMP_STATUS_INCOMPLETE | CODEC_FLAG_LZO : CODEC_FLAG_LZO);
	assert_int_equal(incomplete, done < p->nr_stored || nr_lost);
	kdump_writer_close(w);
	return survivors;
}

static uint64_t fill_disk(uint64_t blocks, bool can_reserve, uint64_t step, bool *full)
{
	struct plan p = new_plan(4096, 5000, 100003);
	struct fake_sink fs = fake_sink_new(true);
	uint64_t survivors;

	p.max_mapnr = 100000;
	fs.capacity_blocks = blocks;
	fs.can_reserve = can_reserve;
	survivors = fill_up(&p, &fs, step);
	*full = fs.used_blocks == blocks;
	fake_sink_free(&fs);
	free(p.notes);
	return survivors;
}

/* 100,003 descriptors of 24 bytes are 586 blocks, in front of them 11. */
static void full_disk_leaves_a_true_dump(void **state)
{
	uint64_t before = 0, survivors;
	bool full = true;

	for (uint64_t blocks = 600; full; blocks += 419) {
		survivors = fill_disk(blocks, true, 1, &full);
		assert_true(survivors >= before);
		before = survivors;
	}
	assert_true(before > 98000);
}

/* No file system promises space for ever: then it is the descriptors that may meet the end. */
static void full_disk_without_reservation_leaves_a_true_dump(void **state)
{
	bool full = true;

	for (uint64_t blocks = 20; full; blocks += blocks < 1000 ? 97 : 411)
		fill_disk(blocks, false, 1, &full);
}

static void full_disk_under_scattered_writes_leaves_a_true_dump(void **state)
{
	bool full;

	fill_disk(700, true, 40009, &full);
	fill_disk(300, false, 40009, &full);
	fill_disk(2000, false, 40009, &full);
}

static void medium_that_fails_leaves_a_true_dump(void **state)
{
	struct plan p = new_plan(4096, 5000, 100003);
	const uint64_t desc_off = (1 + 2 + 8) * 4096, data_off = desc_off + 100003 * 24;
	/* Failing places: in the data, in the descriptors; once and for ever. */
	const struct {
		uint64_t from, to;
		unsigned times;
	} bad[] = {
		{ data_off, data_off + 1, 1 },
		{ data_off + 5 * MIB, data_off + 5 * MIB + 1, 1 },
		{ data_off + 5 * MIB, UINT64_MAX, 1000 },
		{ desc_off, desc_off + 1, 1 },
		{ desc_off, desc_off + 1, 1000 },
		{ desc_off + 1500000, desc_off + 1500001, 1 },
		{ desc_off + 1500000, desc_off + 1500001, 1000 },
		{ desc_off + 2400000, desc_off + 2400001, 1000 },
	};

	p.max_mapnr = 100000;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_sink fs = fake_sink_new(true);
		uint64_t survivors;

		fs.fail_from = bad[i].from;
		fs.fail_to = bad[i].to;
		fs.nr_failures = bad[i].times;
		survivors = fill_up(&p, &fs, 1);
		assert_true(survivors < 98972); /* all but the holes */
		assert_true(bad[i].from < data_off + 5 * MIB || survivors > 20000);
		fake_sink_free(&fs);
	}
	free(p.notes);
}

static void sync_that_fails_leaves_the_incomplete_mark(void **state)
{
	struct plan p = new_plan(4096, 100, 10);
	struct fake_sink fs = fake_sink_new(true);
	struct kdump_writer *w = open_writer(&p, &fs);
	bool incomplete = false;
	uint64_t nr_lost;
	struct err err = { 0 };

	assert_ok(begin(w, &p, &err), &err);
	fs.fail_sync = true;
	for (uint64_t i = 0; i < 10; i++)
		assert_ok(put(w, &p, i, &err), &err);
	assert_int_equal(kdump_writer_finish(w, &incomplete, &nr_lost, &err), ST_IO);
	assert_int_equal(read_headers(&p, &fs).status, KDUMP_STATUS_INCOMPLETE);
	kdump_writer_close(w);
	fake_sink_free(&fs);
	free(p.notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ascending_indexes_make_a_whole_dump),
		cmocka_unit_test(any_order_of_indexes_works),
		cmocka_unit_test(sizes_around_a_block_are_laid_out),
		cmocka_unit_test(zero_pages_share_one_stored_page),
		cmocka_unit_test(file_is_marked_incomplete_until_the_last_write),
		cmocka_unit_test(stream_gets_each_byte_once_in_large_records),
		cmocka_unit_test(wide_gaps_of_a_bitmap_are_not_written),
		cmocka_unit_test(output_that_cannot_hold_the_bitmaps_is_refused_at_once),
		cmocka_unit_test(stop_within_the_bitmaps_leaves_a_dump_without_pages),
		cmocka_unit_test(dump_of_no_page_is_as_long_as_it_says),
		cmocka_unit_test(wrong_index_is_our_own_fault),
		cmocka_unit_test(address_space_beyond_the_format_is_refused),
		cmocka_unit_test(dump_that_is_stopped_has_holes_for_the_rest),
		cmocka_unit_test(full_disk_leaves_a_true_dump),
		cmocka_unit_test(full_disk_without_reservation_leaves_a_true_dump),
		cmocka_unit_test(full_disk_under_scattered_writes_leaves_a_true_dump),
		cmocka_unit_test(medium_that_fails_leaves_a_true_dump),
		cmocka_unit_test(sync_that_fails_leaves_the_incomplete_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
