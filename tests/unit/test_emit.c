// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "emit/dump_header.h"
#include "emit/emit.h"
#include "tests/unit/fake_elf.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/fake_memory.h"
#include "tests/unit/fake_sink.h"

#define PAGE UINT64_C(4096)

struct seen {
	struct range holes[64];
	size_t nr_holes;
	uint64_t last_done, stop_at; /* pages; 0: never */
};

static bool step(void *ctx, uint64_t pages_done, uint64_t bytes_written)
{
	struct seen *s = ctx;

	assert_true(pages_done > s->last_done);
	s->last_done = pages_done;
	return !s->stop_at || pages_done < s->stop_at;
}

static void hole(void *ctx, uint64_t start_pfn, uint64_t end_pfn)
{
	struct seen *s = ctx;

	assert_true(start_pfn < end_pfn && s->nr_holes < ARRAY_SIZE(s->holes));
	assert_true(!s->nr_holes || s->holes[s->nr_holes - 1].end < start_pfn); /* ascending, and no two touch */
	s->holes[s->nr_holes++] = (struct range){ start_pfn, end_pfn };
}

struct job {
	struct fake_memory fm;
	struct pageset keep;
	struct emit_config config;
	struct emit_result result;
	struct seen seen;
	struct fake_sink fs;
	struct err err;
};

static struct job *new_job(uint32_t page_size, const char *codec)
{
	struct job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	j->fm = fake_memory_new(page_size);
	j->fm.pm.elf_machine = EM_X86_64;
	j->fs = fake_sink_new(true);
	j->config.codec = codec_by_name(codec);
	assert_non_null(j->config.codec);
	return j;
}

static void prepare(struct job *j)
{
	struct physmem *pm = fake_memory_pm(&j->fm);

	if (pageset_init(&j->keep, pm, &j->err) != ST_OK)
		fail_msg("%s", j->err.text);
	dump_header_fill(&j->config.header, pm, NULL);
	j->config.step = step;
	j->config.hole = hole;
	j->config.ctx = &j->seen;
}

static enum status run(struct job *j)
{
	return emit_run(&j->fm.pm, &j->keep, &j->config, &j->fs.base, &j->result, &j->err);
}

static void run_well(struct job *j)
{
	prepare(j);
	if (run(j) != ST_OK)
		fail_msg("%s", j->err.text);
}

static void free_job(struct job *j)
{
	pageset_deinit(&j->keep);
	fake_sink_free(&j->fs);
	free(j);
}

/* The dump, taken apart by what the format says. */
struct dump {
	const struct job *j;
	struct kdump_header h;
	const uint8_t *bitmap1, *bitmap2, *descs;
	void *codec_ctx;
};

static struct dump open_dump(struct job *j)
{
	struct dump d = { .j = j };

	assert_int_equal(kdump_main_header_decode(j->fs.bytes, KDUMP_MAIN_HEADER_SIZE_64, &d.h, &j->err), ST_OK);
	assert_int_equal(kdump_sub_header_decode(j->fs.bytes + d.h.block_size, KDUMP_SUB_HEADER_SIZE_64, &d.h, &j->err),
			 ST_OK);
	d.bitmap1 = j->fs.bytes + (1 + (uint64_t)d.h.sub_hdr_blocks) * d.h.block_size;
	d.bitmap2 = d.bitmap1 + (uint64_t)d.h.bitmap_blocks / 2 * d.h.block_size;
	d.descs = d.bitmap1 + (uint64_t)d.h.bitmap_blocks * d.h.block_size;
	return d;
}

static bool bit(const uint8_t *bitmap, uint64_t pfn)
{
	return bitmap[pfn / 8] >> pfn % 8 & 1;
}

static struct page_desc desc_at(const struct dump *d, uint64_t index)
{
	struct page_desc pd;

	page_desc_decode(d->descs + index * KDUMP_PAGE_DESC_SIZE, d->h.order, &pd);
	return pd;
}

/* Counts all bits in front of @pfn's: who walks through all of them counts on their own. */
static struct page_desc desc_of(const struct dump *d, uint64_t pfn)
{
	uint64_t index = 0;

	assert_true(bit(d->bitmap2, pfn));
	for (uint64_t p = 0; p < pfn; p++)
		index += bit(d->bitmap2, p);
	return desc_at(d, index);
}

static void unpack(const struct dump *d, const struct page_desc *pd, uint8_t *page)
{
	const struct codec *c = codec_by_flag(pd->flags);
	const uint8_t *data = d->j->fs.bytes + pd->offset;
	void *ctx;

	assert_true(span_within(pd->offset, pd->size, d->j->fs.len));
	if (!pd->flags) {
		assert_int_equal(pd->size, d->h.block_size);
		memcpy(page, data, pd->size);
		return;
	}
	assert_non_null(c);
	assert_true(pd->size < d->h.block_size);
	assert_int_equal(c->open(d->h.block_size, &ctx, NULL), ST_OK);
	assert_int_equal(c->decompress(ctx, data, pd->size, page, d->h.block_size, NULL), ST_OK);
	c->close(ctx);
}

/* Hold every page frame of the dump against the memory that it was made of. Returns how many pages it holds. */
static uint64_t check_dump(struct job *j, uint64_t first_unsaved_pfn)
{
	_cleanup_free_ uint8_t *want = malloc(j->fm.pm.page_size), *got = malloc(j->fm.pm.page_size);
	struct dump d = open_dump(j);
	uint64_t nr = 0, index = 0, zero_off = 0, ignored;

	assert_int_equal(d.h.block_size, j->fm.pm.page_size);
	assert_int_equal(d.h.max_mapnr, physmem_max_pfn(&j->fm.pm));
	for (uint64_t pfn = 0; pfn < d.h.max_mapnr; pfn++) {
		enum page_state state;
		struct page_desc pd;

		assert_int_equal(bit(d.bitmap1, pfn), pageset_index(&j->keep, pfn, &ignored));
		assert_int_equal(bit(d.bitmap2, pfn), pageset_test(&j->keep, pfn));
		if (!bit(d.bitmap2, pfn))
			continue;
		pd = desc_at(&d, index++);
		physmem_read_pages(&j->fm.pm, pfn, 1, want, &state);
		if (state == PAGE_UNREADABLE || state == PAGE_ABSENT || pfn >= first_unsaved_pfn) {
			assert_true(!pd.offset && !pd.size && !pd.flags);
			continue;
		}
		unpack(&d, &pd, got);
		assert_memory_equal(got, want, j->fm.pm.page_size);
		nr++;
		if (want[0] || memcmp(want, want + 1, j->fm.pm.page_size - 1))
			continue;
		assert_true(!pd.flags && (!zero_off || zero_off == pd.offset));
		zero_off = pd.offset;
	}
	return nr;
}

static void add_variety(struct job *j)
{
	uint64_t p = j->fm.pm.page_size;

	fake_memory_add(&j->fm, p + 5, p + 300, FAKE_DATA);
	fake_memory_add(&j->fm, p + 300, 4 * p, FAKE_NOISE);
	fake_memory_add(&j->fm, 4 * p, 9 * p, FAKE_ZERO);
	fake_memory_add(&j->fm, 9 * p, 11 * p, FAKE_BROKEN);
	fake_memory_add(&j->fm, 11 * p, 100 * p, FAKE_DATA);
	fake_memory_add(&j->fm, 130 * p, 131 * p + 1, FAKE_BROKEN); /* a byte of the next page too */
	fake_memory_add(&j->fm, 131 * p + 1, 132 * p - 7, FAKE_ZERO);
	fake_memory_add(&j->fm, 200 * p + 1, 200 * p + 2, FAKE_ZERO);
	fake_memory_add(&j->fm, 201 * p - 1, 230 * p, FAKE_NOISE);
}

static void every_page_comes_back_from_every_codec(void **state)
{
	static const char *const codecs[] = { "none", "zlib", "lzo", "snappy", "zstd" };

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		for (uint32_t page_size = 4096; page_size <= 65536; page_size *= 16) {
			struct job *j = new_job(page_size, codecs[i]);
			const struct emit_result *r = &j->result;

			add_variety(j);
			run_well(j);
			assert_int_equal(check_dump(j, UINT64_MAX), 99 + 30 - 2);
			assert_true(r->incomplete);
			assert_false(r->stopped || r->out_of_space);
			assert_int_equal(r->pages_done, j->keep.nr_set);
			assert_int_equal(r->pages_unreadable, 4);
			assert_int_equal(r->pages_zero, 5);
			assert_int_equal(r->pages_partial, 1 + 1); /* the unreadable one has no part */
			assert_int_equal(r->pages_zero + r->pages_raw + r->pages_compressed + r->pages_unreadable +
						 r->pages_repeated,
					 r->pages_done);
			assert_int_equal(r->pages_compressed > 0, i > 0);
			assert_int_equal(open_dump(j).h.status, KDUMP_STATUS_INCOMPLETE | j->config.codec->flag);
			assert_int_equal(j->seen.nr_holes, 2);
			assert_int_equal(j->seen.holes[0].start, 9);
			assert_int_equal(j->seen.holes[0].end, 11);
			assert_int_equal(j->seen.holes[1].start, 130);
			assert_int_equal(j->seen.holes[1].end, 132);
			free_job(j);
		}
	}
}

/* Enough for many batches, and none like its neighbour. */
static struct job *new_long_job(const char *codec, unsigned nr_threads)
{
	struct job *j = new_job(PAGE, codec);
	uint64_t at = 300 * PAGE;

	add_variety(j);
	for (unsigned i = 0; i < 40; i++) {
		fake_memory_add(&j->fm, at, at + 7 * i * PAGE + PAGE, FAKE_DATA);
		at += 7 * i * PAGE + PAGE;
		fake_memory_add(&j->fm, at, at + 3 * PAGE, i % 3 ? FAKE_ZERO : FAKE_NOISE);
		at += 3 * PAGE + (i % 2) * PAGE;
		fake_memory_add(&j->fm, at, at + 5 * PAGE, i % 2 ? FAKE_REPEATED : FAKE_DATA);
		at += 5 * PAGE;
	}
	fake_memory_add(&j->fm, at, at + PAGE, FAKE_BROKEN);
	j->config.nr_threads = nr_threads;
	return j;
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
	static const char *const codecs[] = { "none", "zlib", "lzo", "snappy", "zstd" };
	static const unsigned threads[] = { 2, 3, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		struct job *one = new_long_job(codecs[i], 1);

		run_well(one);
		assert_int_equal(one->result.nr_threads, 1);
		for (size_t t = 0; t < ARRAY_SIZE(threads); t++) {
			struct job *j = new_long_job(codecs[i], threads[t]);

			run_well(j);
			assert_int_equal(j->result.nr_threads, threads[t]);
			assert_int_equal(j->fs.len, one->fs.len);
			assert_memory_equal(j->fs.bytes, one->fs.bytes, one->fs.len);
			assert_int_equal(j->result.pages_zero, one->result.pages_zero);
			assert_int_equal(j->result.pages_unreadable, one->result.pages_unreadable);
			assert_int_equal(j->seen.nr_holes, one->seen.nr_holes);
			free_job(j);
		}
		check_dump(one, UINT64_MAX);
		free_job(one);
	}
}

static void threads_stop_at_the_first_error(void **state)
{
	struct job *j = new_long_job("lzo", 4);

	j->fs.capacity_blocks = 120;
	run_well(j);
	assert_true(j->result.out_of_space && j->result.incomplete);
	assert_true(j->result.pages_done < j->keep.nr_set);
	free_job(j);
	j = new_long_job("lzo", 4);
	j->seen.stop_at = 500;
	run_well(j);
	assert_true(j->result.stopped && j->result.incomplete);
	free_job(j);
}

static void little_memory_takes_fewer_threads(void **state)
{
	static const struct {
		uint64_t bytes;
		unsigned nr_threads;
	} cases[] = { { 0, 8 }, { 64 * MIB, 8 }, { 9 * MIB, 2 }, { 5 * MIB, 1 }, { 1, 1 } };
	struct job *one = new_long_job("zlib", 1);

	run_well(one);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct job *j = new_long_job("zlib", 8);

		j->config.memory_bytes = cases[i].bytes;
		run_well(j);
		assert_int_equal(j->result.nr_threads, cases[i].nr_threads);
		assert_int_equal(j->fs.len, one->fs.len);
		assert_memory_equal(j->fs.bytes, one->fs.bytes, one->fs.len);
		free_job(j);
	}
	free_job(one);
}

/* A source that only one thread can read is read by one. */
static void one_reader_makes_one_thread(void **state)
{
	struct physmem_ops ops = fake_memory_ops;
	struct job *one = new_long_job("lzo", 1), *j = new_long_job("lzo", 8);

	run_well(one);
	ops.clone = NULL;
	j->fm.pm.ops = &ops;
	run_well(j);
	assert_int_equal(j->result.nr_threads, 1);
	assert_int_equal(j->fs.len, one->fs.len);
	assert_memory_equal(j->fs.bytes, one->fs.bytes, one->fs.len);
	free_job(j);
	free_job(one);
}

static void repeated_pages_are_stored_once(void **state)
{
	static const char *const codecs[] = { "none", "zlib", "lzo", "snappy", "zstd" };

	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++) {
		struct job *j = new_job(PAGE, codecs[i]), *plain = new_job(PAGE, codecs[i]);
		struct dump d;

		for (uint64_t at = 0; at < 4000; at += 1000) { /* many batches */
			fake_memory_add(&j->fm, at * PAGE, (at + 800) * PAGE, FAKE_REPEATED);
			fake_memory_add(&j->fm, (at + 800) * PAGE, (at + 900) * PAGE, at % 2000 ? FAKE_NOISE : FAKE_DATA);
		}
		plain->fm = j->fm;
		plain->config.no_dedup = true;
		plain->config.nr_threads = j->config.nr_threads = 3;
		run_well(j);
		run_well(plain);
		assert_int_equal(check_dump(j, UINT64_MAX), 3600);
		assert_int_equal(check_dump(plain, UINT64_MAX), 3600);
		assert_int_equal(j->result.pages_repeated, 3200 - 8);
		assert_int_equal(j->result.pages_raw + j->result.pages_compressed, 400 + 8);
		assert_int_equal(plain->result.pages_repeated, 0);
		assert_int_equal(plain->result.pages_raw + plain->result.pages_compressed, 3600);
		assert_true(plain->fs.len - j->fs.len > 3192 / 2 * PAGE);
		d = open_dump(j);
		assert_int_equal(desc_of(&d, 0).offset, desc_of(&d, 3008).offset);
		assert_int_equal(desc_of(&d, 0).size, desc_of(&d, 3008).size);
		assert_int_equal(desc_of(&d, 0).flags, desc_of(&d, 3008).flags);
		free_job(plain);
		free_job(j);
	}
}

static void whole_dump_is_not_marked(void **state)
{
	struct job *j = new_job(PAGE, "zstd");

	fake_memory_add(&j->fm, PAGE, 300 * PAGE, FAKE_DATA);
	run_well(j);
	assert_int_equal(check_dump(j, UINT64_MAX), 299);
	assert_false(j->result.incomplete);
	assert_int_equal(open_dump(j).h.status, CODEC_FLAG_ZSTD);
	assert_int_equal(j->result.bytes_read, 299 * PAGE);
	assert_int_equal(j->result.bytes_written, j->fs.base.bytes_written);
	free_job(j);
}

static void what_is_not_kept_is_not_read(void **state)
{
	struct job *j = new_job(PAGE, "lzo");

	fake_memory_add(&j->fm, 0, 100 * PAGE, FAKE_DATA);
	fake_memory_add(&j->fm, 100 * PAGE, 400 * PAGE, FAKE_BROKEN);
	fake_memory_add(&j->fm, 400 * PAGE, 500 * PAGE, FAKE_NOISE);
	prepare(j);
	pageset_clear_range(&j->keep, 100, 400);
	pageset_clear(&j->keep, 7);
	assert_int_equal(run(j), ST_OK);
	assert_int_equal(check_dump(j, UINT64_MAX), 199);
	assert_false(j->result.incomplete);
	assert_int_equal(j->result.bytes_read, 199 * PAGE);
	free_job(j);
}

static void nothing_kept_makes_a_dump_of_nothing(void **state)
{
	struct job *j = new_job(PAGE, "zlib");

	fake_memory_add(&j->fm, 0, 100 * PAGE, FAKE_DATA);
	prepare(j);
	pageset_clear_range(&j->keep, 0, 100);
	assert_int_equal(run(j), ST_OK);
	assert_int_equal(check_dump(j, UINT64_MAX), 0);
	assert_false(j->result.incomplete);
	free_job(j);
}

static void holes_are_told_in_whole_runs(void **state)
{
	struct job *j = new_job(PAGE, "none");

	fake_memory_add(&j->fm, PAGE, 500 * PAGE, FAKE_BROKEN); /* several batches */
	fake_memory_add(&j->fm, 600 * PAGE, 601 * PAGE, FAKE_BROKEN);
	run_well(j);
	assert_int_equal(j->seen.nr_holes, 2);
	assert_int_equal(j->seen.holes[0].start, 1);
	assert_int_equal(j->seen.holes[0].end, 500);
	assert_int_equal(j->seen.holes[1].start, 600);
	assert_int_equal(check_dump(j, UINT64_MAX), 0);
	free_job(j);
}

static void stop_in_the_middle_leaves_what_was_done(void **state)
{
	struct job *j = new_job(PAGE, "lzo");

	fake_memory_add(&j->fm, 0, 1000 * PAGE, FAKE_DATA);
	j->seen.stop_at = 300;
	run_well(j);
	assert_true(j->result.stopped && j->result.incomplete);
	assert_true(j->result.pages_done >= 300 && j->result.pages_done < 1000);
	assert_int_equal(check_dump(j, j->result.pages_done), j->result.pages_done);
	assert_int_equal(open_dump(j).h.status, KDUMP_STATUS_INCOMPLETE | CODEC_FLAG_LZO);
	free_job(j);
}

/* The signal comes while the last batch is written: nothing is missing, so nothing was stopped. */
static void stop_at_the_very_end_changes_nothing(void **state)
{
	struct job *j = new_job(PAGE, "lzo");

	fake_memory_add(&j->fm, 0, 1000 * PAGE, FAKE_DATA);
	j->seen.stop_at = 1000;
	run_well(j);
	assert_false(j->result.stopped || j->result.incomplete);
	assert_int_equal(check_dump(j, UINT64_MAX), 1000);
	free_job(j);
}

static void full_disk_is_told_wherever_it_is_met(void **state)
{
	/* While pages are put, and only when the last of them are flushed. */
	for (unsigned nr_pages = 200; nr_pages <= 2000; nr_pages += 1800) {
		struct job *j = new_job(PAGE, "none");

		fake_memory_add(&j->fm, 0, nr_pages * PAGE, FAKE_NOISE);
		j->fs.capacity_blocks = 1 + 1 + 2 + div_round_up(nr_pages * 24, PAGE) + nr_pages / 2;
		run_well(j);
		assert_true(j->result.out_of_space && j->result.incomplete);
		assert_false(j->result.stopped);
		assert_true(j->result.pages_done < nr_pages);
		check_dump(j, j->result.pages_done);
		free_job(j);
	}
}

static void stream_that_fails_is_no_dump(void **state)
{
	struct job *j = new_job(PAGE, "none");

	fake_memory_add(&j->fm, 0, 2000 * PAGE, FAKE_NOISE);
	j->fs.base.rewritable = false;
	j->fs.can_reserve = false;
	j->fs.capacity_blocks = 1000;
	prepare(j);
	assert_int_equal(run(j), ST_NO_SPACE);
	assert_string_equal(j->err.text, "fake: no space");
	assert_true(j->result.out_of_space);
	free_job(j);
}

static void stream_is_the_same_dump(void **state)
{
	struct job *j = new_job(PAGE, "lzo");

	add_variety(j);
	j->fs.base.rewritable = false;
	run_well(j);
	assert_int_equal(check_dump(j, UINT64_MAX), 99 + 30 - 2);
	fake_sink_assert_no_overlap(&j->fs);
	assert_int_equal(j->fs.writes[j->fs.nr_writes - 1].off, 0);
	free_job(j);
}

static enum status broken_open(size_t page_size, void **ctx, struct err *err)
{
	return err_set(err, ST_NO_MEMORY, "fake: no memory");
}

static enum status plain_open(size_t page_size, void **ctx, struct err *err)
{
	*ctx = malloc(1);
	return ST_OK;
}

static size_t never(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	memset(out, 0xee, out_cap); /* the sanitizer sees whether that much is there */
	return 0;
}

static void codec_that_fails_costs_only_space(void **state)
{
	const struct codec failing = {
		.name = "failing", .flag = CODEC_FLAG_LZO, .open = plain_open, .close = free, .compress = never
	};
	const struct codec broken = { .name = "broken", .open = broken_open, .close = free, .compress = never };
	struct job *j = new_job(PAGE, "none");

	fake_memory_add(&j->fm, 0, 100 * PAGE, FAKE_DATA);
	j->config.codec = &failing;
	run_well(j);
	assert_int_equal(check_dump(j, UINT64_MAX), 100);
	assert_int_equal(j->result.pages_raw, 100);
	assert_int_equal(open_dump(j).h.status, 0);
	pageset_deinit(&j->keep);
	j->config.codec = &broken;
	prepare(j);
	assert_int_equal(run(j), ST_NO_MEMORY);
	free_job(j);
}

static void notes_and_vmcoreinfo_go_along(void **state)
{
	struct job *j = new_job(PAGE, "none");
	uint8_t notes[256] = { 0 };
	struct dump d;
	size_t len;

	len = fake_note(notes, 0, ORDER_LITTLE, "CORE", 5, NT_PRSTATUS, "registers", 9);
	len = fake_note(notes, len, ORDER_LITTLE, "VMCOREINFO", 11, 0, "OSRELEASE=6\n", 12);
	fake_memory_add(&j->fm, 0, 10 * PAGE, FAKE_DATA);
	j->fm.pm.notes = notes;
	j->fm.pm.notes_len_bytes = len;
	j->config.notes = notes;
	j->config.notes_len_bytes = len;
	run_well(j);
	d = open_dump(j);
	assert_int_equal(d.h.notes_len, len);
	assert_memory_equal(j->fs.bytes + d.h.notes_off, notes, len);
	assert_int_equal(d.h.vmcoreinfo_len, 12);
	assert_memory_equal(j->fs.bytes + d.h.vmcoreinfo_off, "OSRELEASE=6\n", 12);
	assert_int_equal(d.h.nr_cpus, 1);
	free_job(j);
}

static void header_without_a_model_leaves_nothing_empty_that_readers_need(void **state)
{
	struct fake_memory fm = fake_memory_new(PAGE);
	struct physmem *pm = fake_memory_pm(&fm);
	struct kdump_header h;

	pm->elf_machine = EM_X86_64;
	pm->has_kernel_text_map = true;
	pm->kernel_text_vaddr = UINT64_C(0xffffffff81000000);
	pm->kernel_text_paddr = 0x200000;
	pm->crash_time_seconds = 77;
	dump_header_fill(&h, pm, NULL);
	assert_string_equal(h.uts.sysname, "Linux");
	assert_string_equal(h.uts.release, "unknown");
	assert_string_equal(h.uts.version, "unknown");
	assert_string_equal(h.uts.machine, "x86_64");
	assert_true((int64_t)h.phys_base == 0x200000 - 0x1000000);
	assert_int_equal(h.tv_sec, 77);
	pm->has_kernel_text_map = false;
	pm->has_header_phys_base = true;
	pm->header_phys_base = -5;
	strcpy(pm->uts.release, "6.1.0");
	strcpy(pm->uts.machine, "vax");
	dump_header_fill(&h, pm, NULL);
	assert_true((int64_t)h.phys_base == -5);
	assert_string_equal(h.uts.release, "6.1.0");
	assert_string_equal(h.uts.machine, "vax");
}

static void put_uts(struct fake_kernel *fk, uint64_t vaddr, const char *const field[6])
{
	char raw[6 * 65] = { 0 };

	for (int i = 0; i < 6; i++)
		strcpy(raw + i * 65, field[i]);
	fake_put(fk, vaddr, raw, sizeof(raw));
}

/* Before Linux 5.11 a counter was in front of the name, and VMCOREINFO did not tell. */
static void utsname_is_found_behind_a_counter(void **state)
{
	static const char *const good[6] = { "Linux", "host", "5.10.0-1", "#1 SMP", "x86_64", "(none)" };
	struct fake_kernel *fk = fake_kernel_new(16 * MIB);
	uint64_t vaddr = fake_alloc_image(fk, 4096);
	struct kdump_header h;
	struct kmodel *km;

	fake_vi_add(fk, "SYMBOL(init_uts_ns)=%llx", (unsigned long long)vaddr);
	fake_put_u32(fk, vaddr, 3);
	put_uts(fk, vaddr + 4, good);
	km = fake_kernel_open(fk);
	dump_header_fill(&h, &fk->pm, km);
	assert_string_equal(h.uts.nodename, "host");
	assert_string_equal(h.uts.version, "#1 SMP");
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void header_tells_what_the_kernel_says_of_itself(void **state)
{
	static const char *const good[6] = { "Linux", "host", "6.1.0-1", "#1 SMP", "x86_64", "(none)" };
	static const char *const odd[6] = { "Linux", "host", "6.1\033[2J", "#1 SMP", "x86_64", "" };
	struct fake_kernel *fk = fake_kernel_new(16 * MIB);
	uint64_t vaddr = fake_alloc_image(fk, 4096);
	struct kdump_header h;
	struct kmodel *km;

	fake_vi_add(fk, "SYMBOL(init_uts_ns)=%llx", (unsigned long long)vaddr);
	fake_vi_add(fk, "OFFSET(uts_namespace.name)=16");
	fake_vi_add(fk, "CRASHTIME=1700000000");
	put_uts(fk, vaddr + 16, good);
	km = fake_kernel_open(fk);
	dump_header_fill(&h, &fk->pm, km);
	assert_string_equal(h.uts.nodename, "host");
	assert_string_equal(h.uts.release, "6.1.0-1");
	assert_string_equal(h.uts.domainname, "(none)");
	assert_true((int64_t)h.phys_base == FAKE_PHYS_BASE);
	assert_int_equal(h.tv_sec, 1700000000);
	assert_int_equal(h.max_mapnr, 4096);
	/* What is no utsname gives way to VMCOREINFO. */
	put_uts(fk, vaddr + 16, odd);
	dump_header_fill(&h, &fk->pm, km);
	assert_string_equal(h.uts.release, "6.1.0-fake");
	assert_string_equal(h.uts.sysname, "Linux");
	assert_string_equal(h.uts.machine, "x86_64");
	assert_string_equal(h.uts.nodename, "");
	kmodel_close(km);
	fake_kernel_free(fk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_comes_back_from_every_codec),
		cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
		cmocka_unit_test(threads_stop_at_the_first_error),
		cmocka_unit_test(little_memory_takes_fewer_threads),
		cmocka_unit_test(one_reader_makes_one_thread),
		cmocka_unit_test(repeated_pages_are_stored_once),
		cmocka_unit_test(whole_dump_is_not_marked),
		cmocka_unit_test(what_is_not_kept_is_not_read),
		cmocka_unit_test(nothing_kept_makes_a_dump_of_nothing),
		cmocka_unit_test(holes_are_told_in_whole_runs),
		cmocka_unit_test(stop_in_the_middle_leaves_what_was_done),
		cmocka_unit_test(stop_at_the_very_end_changes_nothing),
		cmocka_unit_test(full_disk_is_told_wherever_it_is_met),
		cmocka_unit_test(stream_that_fails_is_no_dump),
		cmocka_unit_test(stream_is_the_same_dump),
		cmocka_unit_test(codec_that_fails_costs_only_space),
		cmocka_unit_test(notes_and_vmcoreinfo_go_along),
		cmocka_unit_test(header_without_a_model_leaves_nothing_empty_that_readers_need),
		cmocka_unit_test(utsname_is_found_behind_a_counter),
		cmocka_unit_test(header_tells_what_the_kernel_says_of_itself),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
