// SPDX-License-Identifier: GPL-2.0-or-later
/* repair --in-place on a medium that remembers each step, so that each of them can be the last one, at any byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emit/dump_header.h"
#include "emit/emit.h"
#include "fake_kernel.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_physmem.h"
#include "repair/in_place.h"
#include "repair/shrink.h"
#include "repair/undo.h"

#define STEPS_MAX 64
#define RAM_BYTES UINT64_C(0x380000)

struct step {
	enum { STEP_WRITE, STEP_SYNC, STEP_TRUNCATE } kind;
	uint64_t off; /* or the new size */
	uint8_t *data;
	size_t len;
};

struct tape {
	struct medium base;
	uint8_t *bytes;
	struct step steps[STEPS_MAX];
	size_t nr_steps;
};

static enum status tape_read_at(struct medium *m, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct tape *t = (struct tape *)m;

	*got = off < m->size_bytes ? (size_t)min_u64(len, m->size_bytes - off) : 0;
	if (*got)
		memcpy(buf, t->bytes + off, *got);
	return ST_OK;
}

static void tape_put(struct tape *t, uint64_t off, const void *buf, size_t len)
{
	if (off + len > t->base.size_bytes) {
		t->bytes = realloc(t->bytes, off + len);
		assert_non_null(t->bytes);
		memset(t->bytes + t->base.size_bytes, 0, off + len - t->base.size_bytes);
		t->base.size_bytes = off + len;
	}
	if (len)
		memcpy(t->bytes + off, buf, len);
}

static void tape_step(struct tape *t, struct step s)
{
	assert_true(t->nr_steps < STEPS_MAX);
	t->steps[t->nr_steps++] = s;
}

static enum status tape_write_at(struct medium *m, uint64_t off, const void *buf, size_t len, struct err *err)
{
	uint8_t *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, buf, len);
	tape_step((struct tape *)m, (struct step){ STEP_WRITE, off, copy, len });
	tape_put((struct tape *)m, off, buf, len);
	return ST_OK;
}

static enum status tape_sync(struct medium *m, struct err *err)
{
	tape_step((struct tape *)m, (struct step){ .kind = STEP_SYNC });
	return ST_OK;
}

static enum status tape_truncate(struct medium *m, uint64_t size, struct err *err)
{
	tape_step((struct tape *)m, (struct step){ .kind = STEP_TRUNCATE, .off = size });
	m->size_bytes = size;
	return ST_OK;
}

static const struct medium_ops tape_ops = {
	.read_at = tape_read_at,
	.write_at = tape_write_at,
	.sync = tape_sync,
	.truncate = tape_truncate,
};

static struct tape tape_new(const void *bytes, size_t len)
{
	struct tape t = { .base = { .ops = &tape_ops } };

	tape_put(&t, 0, bytes, len);
	return t;
}

static void tape_free(struct tape *t)
{
	for (size_t i = 0; i < t->nr_steps; i++)
		free(t->steps[i].data);
	free(t->bytes);
	memset(t, 0, sizeof(*t));
}

/* What is on the medium of @from, run through @steps, when the @nr-th was cut off after @part bytes. */
static struct tape cut_off(const struct tape *from, const struct step *steps, size_t nr, size_t part)
{
	struct tape t = tape_new(from->bytes, from->base.size_bytes);

	for (size_t i = 0; i < nr; i++) {
		if (steps[i].kind == STEP_WRITE)
			tape_put(&t, steps[i].off, steps[i].data, steps[i].len);
		else if (steps[i].kind == STEP_TRUNCATE)
			t.base.size_bytes = steps[i].off;
	}
	if (part)
		tape_put(&t, steps[nr].off, steps[nr].data, part);
	return t;
}

/* A hypervisor's dump: no VMCOREINFO but in memory, phys_base 0, no utsname. */
static struct tape hypervisors_dump(void)
{
	struct fake_kernel *fk = fake_kernel_new(RAM_BYTES);
	uint64_t vaddr = fake_alloc(fk, FAKE_PAGE);
	struct emit_config ec = { .codec = codec_by_name("zlib"), .notes = "", .notes_len_bytes = 0 };
	struct emit_result er;
	struct pageset pages;
	struct wsink *sink;
	struct tape t;
	size_t len;

	fake_put(fk, vaddr, fk->vi, fk->vi_len);
	assert_int_equal(pageset_init(&pages, &fk->pm, NULL), ST_OK);
	assert_int_equal(wsink_mem_open(&sink, NULL), ST_OK);
	dump_header_fill(&ec.header, &fk->pm, NULL);
	memset(&ec.header.uts, 0, sizeof(ec.header.uts));
	strcpy(ec.header.uts.machine, "x86_64");
	assert_int_equal(emit_run(&fk->pm, &pages, &ec, sink, &er, NULL), ST_OK);
	t = tape_new(wsink_mem_data(sink, &len), 0);
	tape_put(&t, 0, wsink_mem_data(sink, &len), len);
	/* No multiple of anything. */
	tape_put(&t, len, "end", 3);
	wsink_close(sink);
	pageset_deinit(&pages);
	fake_kernel_free(fk);
	return t;
}

static struct repair_report repaired(struct tape *t)
{
	const struct repair_config config = { .source = "tape", .codec = "zlib" };
	struct repair_report r;
	struct err err = { 0 };

	if (repair_in_place(&t->base, &config, &r, &err) != ST_OK)
		fail_msg("repair: %s", err.text);
	return r;
}

static struct repair_report undone(struct tape *t)
{
	struct repair_report r;
	struct err err = { 0 };

	if (repair_undo(&t->base, &r, &err) != ST_OK)
		fail_msg("undo: %s", err.text);
	return r;
}

static void assert_same(const struct tape *a, const struct tape *b)
{
	assert_int_equal(a->base.size_bytes, b->base.size_bytes);
	assert_memory_equal(a->bytes, b->bytes, a->base.size_bytes);
}

static struct physmem *opened(const struct tape *t)
{
	struct physmem *pm;
	struct rsource *src;

	assert_int_equal(rsource_mem_open(t->bytes, t->base.size_bytes, "tape", &src, NULL), ST_OK);
	assert_int_equal(kdump_physmem_open(src, &pm, NULL), ST_OK);
	return pm;
}

static void assert_good(const struct tape *t)
{
	struct physmem *pm = opened(t);
	struct kmodel *km;

	assert_int_equal(pm->header_phys_base, FAKE_PHYS_BASE);
	assert_string_equal(pm->uts.release, "6.1.0-fake");
	assert_int_equal(kmodel_open(pm, &km, NULL), ST_OK);
	kmodel_close(km);
	physmem_close(pm);
}

static void says_what_the_kernel_says(void **state)
{
	struct tape before = hypervisors_dump(), t = tape_new(before.bytes, before.base.size_bytes);
	struct repair_report r = repaired(&t);

	assert_true(r.complete && !r.nothing_to_do && !r.resumed && r.proved);
	assert_string_equal(r.vmcoreinfo_from, "guest memory");
	assert_good(&t);
	/* The mark, a sync; the undo copy, the notes, a sync; the two headers, a sync. */
	assert_int_equal(t.nr_steps, 8);
	assert_int_equal(t.steps[0].off, UNDO_MARK_OFF);
	assert_int_equal(t.steps[1].kind, STEP_SYNC);
	assert_int_equal(t.steps[4].kind, STEP_SYNC);
	assert_int_equal(t.steps[7].kind, STEP_SYNC);
	for (size_t i = 2; i < 4; i++)
		assert_true(t.steps[i].off >= before.base.size_bytes);
	tape_free(&t);
	tape_free(&before);
}

static void second_run_has_nothing_to_do(void **state)
{
	struct tape t = hypervisors_dump(), copy;
	size_t nr;

	repaired(&t);
	nr = t.nr_steps;
	copy = tape_new(t.bytes, t.base.size_bytes);
	assert_true(repaired(&t).nothing_to_do);
	assert_int_equal(t.nr_steps, nr);
	assert_same(&t, &copy);
	tape_free(&copy);
	tape_free(&t);
}

static void second_run_still_says_that_pages_are_missing(void **state)
{
	struct tape t = hypervisors_dump();
	struct repair_report r;

	t.bytes[424] |= 8; /* status: incomplete */
	r = repaired(&t);
	assert_int_equal(repair_exit_code(&r), 3);
	r = repaired(&t);
	assert_true(r.nothing_to_do);
	assert_int_equal(repair_exit_code(&r), 3);
	r = undone(&t);
	assert_int_equal(repair_exit_code(&r), 0);
	tape_free(&t);
}

static void undo_restores_every_byte(void **state)
{
	struct tape before = hypervisors_dump(), t = tape_new(before.bytes, before.base.size_bytes);

	repaired(&t);
	assert_false(undone(&t).nothing_to_do);
	assert_same(&t, &before);
	assert_true(undone(&t).nothing_to_do);
	assert_same(&t, &before);
	tape_free(&t);
	tape_free(&before);
}

/* From @cut on: doing it again gives @good, taking it back gives @before. */
static void check_cut(const struct tape *cut, const struct tape *before, const struct tape *good)
{
	struct tape again = tape_new(cut->bytes, cut->base.size_bytes), back = tape_new(cut->bytes, cut->base.size_bytes);

	repaired(&again);
	undone(&back);
	assert_same(&again, good);
	assert_same(&back, before);
	tape_free(&again);
	tape_free(&back);
}

static void cut_anywhere_is_resumed_or_undone(void **state)
{
	struct tape before = hypervisors_dump(), good = tape_new(before.bytes, before.base.size_bytes);

	repaired(&good);
	for (size_t i = 0; i < good.nr_steps; i++) {
		size_t stride = good.steps[i].off < before.base.size_bytes ? 1 : 7;

		for (size_t part = 0; !part || part < good.steps[i].len; part += part < 64 ? 1 : stride) {
			struct tape cut = cut_off(&before, good.steps, i, part);

			check_cut(&cut, &before, &good);
			tape_free(&cut);
		}
	}
	tape_free(&good);
	tape_free(&before);
}

/* Between two syncs a disk may write in any order. */
static void headers_may_reach_the_disk_in_any_order(void **state)
{
	struct tape before = hypervisors_dump(), good = tape_new(before.bytes, before.base.size_bytes);

	repaired(&good);
	for (unsigned set = 0; set < 4; set++) {
		struct tape cut = cut_off(&before, good.steps, 5, 0);

		for (unsigned i = 0; i < 2; i++)
			if (set & 1u << i)
				tape_put(&cut, good.steps[5 + i].off, good.steps[5 + i].data, good.steps[5 + i].len);
		check_cut(&cut, &before, &good);
		tape_free(&cut);
	}
	tape_free(&good);
	tape_free(&before);
}

static void undo_itself_may_be_cut_off(void **state)
{
	struct tape before = hypervisors_dump(), good = tape_new(before.bytes, before.base.size_bytes), back;

	repaired(&good);
	back = tape_new(good.bytes, good.base.size_bytes);
	undone(&back);
	for (size_t i = 0; i < back.nr_steps; i++)
		for (size_t part = 0; !part || part < back.steps[i].len; part++) {
			struct tape cut = cut_off(&good, back.steps, i, part);

			check_cut(&cut, &before, &good);
			tape_free(&cut);
		}
	tape_free(&back);
	tape_free(&good);
	tape_free(&before);
}

/* The guest can write what it likes into its memory, a raw page may lie at the very place. */
static void page_that_looks_like_an_undo_copy_is_a_page(void **state)
{
	struct tape before = hypervisors_dump(), t;
	uint8_t *record, old[464] = "KDUMP   ", new[464] = "KDUMP   ";
	const struct patch patch = { 0, sizeof(old), old, new };
	uint64_t at = undo_record_off(before.base.size_bytes);
	struct physmem *pm = opened(&before);
	size_t len;
	uint64_t desc_off = (1 + (uint64_t)kdump_physmem_details(pm)->header.sub_hdr_blocks +
			     kdump_physmem_details(pm)->header.bitmap_blocks) * 4096;

	physmem_close(pm);
	assert_int_equal(undo_encode(at, &patch, 1, &record, &len, NULL), ST_OK);
	tape_put(&before, at, record, len);
	tape_put(&before, at + 4096 - 1, "", 1);
	/* PFN 5 has its data there. */
	{
		uint8_t desc[24] = { 0 };

		put_u64(desc, ORDER_LITTLE, at);
		put_u32(desc + 8, ORDER_LITTLE, 4096);
		tape_put(&before, desc_off + 5 * 24, desc, sizeof(desc));
	}
	t = tape_new(before.bytes, before.base.size_bytes);
	assert_true(undone(&t).nothing_to_do);
	assert_same(&t, &before);
	assert_false(repaired(&t).resumed);
	assert_good(&t);
	undone(&t);
	assert_same(&t, &before);
	free(record);
	tape_free(&t);
	tape_free(&before);
}

static struct tape kept_as_it_is(struct tape t, const char *why)
{
	const struct repair_config config = { .source = "tape", .codec = "zlib" };
	struct tape copy = tape_new(t.bytes, t.base.size_bytes);
	struct repair_report r;
	struct err err = { 0 };

	assert_int_not_equal(repair_in_place(&t.base, &config, &r, &err), ST_OK);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
	assert_int_not_equal(repair_undo(&t.base, &r, &err), ST_OK);
	assert_same(&t, &copy);
	tape_free(&copy);
	return t;
}

/* Patches that make of any file a whole dump of a few pages prove nothing: without the mark there is no undo copy. */
static void forged_copy_that_reads_as_a_small_dump_is_a_page(void **state)
{
	struct tape before = hypervisors_dump(), t;
	uint8_t *record, small[8] = { 8 }, any[8] = { 1 };
	const struct patch patch = { 4096 + 96, sizeof(small), small, any };
	uint64_t at = undo_record_off(before.base.size_bytes);
	size_t len;

	assert_int_equal(undo_encode(at, &patch, 1, &record, &len, NULL), ST_OK);
	tape_put(&before, at, record, len);
	t = tape_new(before.bytes, before.base.size_bytes);
	assert_true(undone(&t).nothing_to_do);
	assert_same(&t, &before);
	assert_false(repaired(&t).resumed);
	assert_good(&t);
	free(record);
	tape_free(&t);
	tape_free(&before);
}

static void mark_without_its_copy_stops_everything(void **state)
{
	struct tape before = hypervisors_dump(), t = tape_new(before.bytes, before.base.size_bytes);
	uint64_t record_off = undo_record_off(before.base.size_bytes);

	repaired(&t);
	t.bytes[record_off + UNDO_HEAD_LEN + 20] ^= 1;
	t = kept_as_it_is(t, "undo copy is damaged");
	t.bytes[record_off + UNDO_HEAD_LEN + 20] ^= 1;
	/* Neither the old byte nor the new one: not the file that was changed. */
	t.bytes[4096 + 32] ^= 0x5a;
	t = kept_as_it_is(t, "undo copy is damaged");
	t.bytes[4096 + 32] ^= 0x5a;
	t.base.size_bytes = record_off;
	t = kept_as_it_is(t, "undo copy is damaged");
	tape_free(&t);
	tape_free(&before);
}

static void bytes_of_somebody_else_behind_the_header_are_left_alone(void **state)
{
	struct tape t = hypervisors_dump();

	t.bytes[UNDO_MARK_OFF + 3] = 0xff;
	t = kept_as_it_is(t, "write another file with -o");
	tape_free(&t);
}

/* What begins as a mark, but is not the beginning of one for this file, is not what was left of one. */
static void what_tearing_cannot_leave_is_no_torn_mark(void **state)
{
	struct tape before = hypervisors_dump(), good = tape_new(before.bytes, before.base.size_bytes);
	static const struct {
		size_t zero_from, zero_to, flip; /* of the mark; UNDO_MARK_LEN: nothing */
		const char *why;
	} cases[] = {
		{ 0, 16, 48, "in use" },    { 0, 44, 48, "in use" },	{ 0, 47, 48, "in use" },
		{ 3, 4, 48, "in use" },	    { 0, 1, 48, "in use" },	{ 16, 17, 48, "damaged" },
		{ 16, 47, 48, "damaged" },  { 24, 25, 48, "damaged" },	{ 32, 48, 31, "damaged" },
		{ 47, 48, 16, "damaged" },  { 47, 48, 37, "damaged" },	{ 47, 48, 41, "damaged" },
		{ 47, 48, 45, "damaged" },  { 48, 48, 20, "damaged" },	{ 48, 48, 47, "damaged" },
	};

	repaired(&good);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tape t = cut_off(&before, good.steps, 1, 0), done = tape_new(good.bytes, good.base.size_bytes);
		uint8_t *mark = t.bytes + UNDO_MARK_OFF;

		memset(mark + cases[i].zero_from, 0, cases[i].zero_to - cases[i].zero_from);
		if (cases[i].flip < UNDO_MARK_LEN)
			mark[cases[i].flip] ^= 0x10;
		t = kept_as_it_is(t, cases[i].why);
		/* Nor is it where the whole change is in: its undo copy is not thrown away. */
		memcpy(done.bytes + UNDO_MARK_OFF, mark, UNDO_MARK_LEN);
		done = kept_as_it_is(done, cases[i].why);
		tape_free(&done);
		tape_free(&t);
	}
	tape_free(&good);
	tape_free(&before);
}

/* Whatever an earlier run left, a run that is refused writes nothing; the next one settles it. */
static void refused_run_writes_nothing_after_a_cut(void **state)
{
	struct repair_config config = { .source = "tape", .codec = "zlib", .from = "/nonexistent/inner" };
	struct tape before = hypervisors_dump(), good = tape_new(before.bytes, before.base.size_bytes);

	repaired(&good);
	for (size_t i = 0; i < good.nr_steps; i++)
		for (size_t part = 0; !part || part < good.steps[i].len; part += 1 + part / 8) {
			struct tape cut = cut_off(&before, good.steps, i, part), t = tape_new(cut.bytes, cut.base.size_bytes);
			struct repair_report r;

			/* Where the whole change is in already, there is nothing to refuse. */
			assert_true(repair_in_place(&t.base, &config, &r, NULL) != ST_OK || r.nothing_to_do);
			assert_int_equal(t.nr_steps, 0);
			assert_same(&t, &cut);
			check_cut(&t, &before, &good);
			tape_free(&t);
			tape_free(&cut);
		}
	tape_free(&good);
	tape_free(&before);
}

static void refused(const void *bytes, size_t len, const char *why)
{
	const struct repair_config config = { .source = "tape", .codec = "zlib" };
	struct tape t = tape_new(bytes, len);
	struct repair_report r;
	struct err err = { 0 };

	assert_int_not_equal(repair_in_place(&t.base, &config, &r, &err), ST_OK);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
	assert_int_equal(t.nr_steps, 0);
	assert_memory_equal(t.bytes, bytes, len);
	tape_free(&t);
}

static void other_containers_are_refused(void **state)
{
	static const char elf[4096] = "\177ELF\2\1\1", flat[4096] = "makedumpfile", none[4096] = "none";
	struct tape t = hypervisors_dump();

	refused(elf, sizeof(elf), "-o");
	refused(flat, sizeof(flat), "-o");
	refused(none, sizeof(none), "not a KDUMP");
	/* Cut off: its end is not where the undo copy could go. */
	refused(t.bytes, t.base.size_bytes - 200, "-o");
	put_u32(t.bytes + 4096 + 12, ORDER_LITTLE, 1); /* split */
	refused(t.bytes, t.base.size_bytes, "-o");
	tape_free(&t);
}

/* A dump whose bitmaps were made for pages up to 4 GiB: 32 blocks each, and 3 pages of flash at the top. */
static struct tape with_flash(const struct tape *t, uint64_t old_max)
{
	struct tape out = tape_new(t->bytes, 3 * 4096);
	uint64_t map_off = 3 * 4096, half = 32 * 4096, nr = old_max + 3, desc_off = map_off + 2 * half;
	uint8_t raw[24];

	put_u32(out.bytes + 432, ORDER_LITTLE, 2);
	put_u32(out.bytes + 436, ORDER_LITTLE, 64);
	put_u32(out.bytes + 440, ORDER_LITTLE, 0x100000);
	put_u64(out.bytes + 4096 + 96, ORDER_LITTLE, 0x100000);
	put_u64(out.bytes + 4096 + 56, ORDER_LITTLE, 0); /* no notes */
	put_u64(out.bytes + 4096 + 40, ORDER_LITTLE, 0);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t pfn = i < old_max ? i : 0x100000 - 3 + (i - old_max);
		uint8_t page[4096];

		for (unsigned map = 0; map < 2; map++) {
			uint64_t at = map_off + map * half + pfn / 8;
			uint8_t bit = (uint8_t)(1u << pfn % 8);

			if (at < out.base.size_bytes)
				bit |= out.bytes[at];
			tape_put(&out, at, &bit, 1);
		}
		memset(page, (int)(pfn * 37 + 1), sizeof(page));
		put_u64(raw, ORDER_LITTLE, desc_off + nr * 24 + i * 4096);
		put_u32(raw + 8, ORDER_LITTLE, 4096);
		put_u32(raw + 12, ORDER_LITTLE, 0);
		put_u64(raw + 16, ORDER_LITTLE, 0);
		tape_put(&out, desc_off + i * 24, raw, sizeof(raw));
		tape_put(&out, desc_off + nr * 24 + i * 4096, page, sizeof(page));
	}
	return out;
}

static void smaller_bitmaps_move_up_to_the_descriptors(void **state)
{
	struct tape from = hypervisors_dump(), t = with_flash(&from, 700);
	struct physmem *pm = opened(&t);
	struct kdump_header hdr = kdump_physmem_details(pm)->header;
	uint32_t all_blocks = hdr.sub_hdr_blocks + hdr.bitmap_blocks;
	uint8_t page[4096], head[464], sub[104];
	struct shrink s = { 0 };

	hdr.max_mapnr = 650;
	assert_int_equal(shrink_plan(pm, &hdr, &s, NULL), ST_OK);
	assert_int_equal(hdr.bitmap_blocks, 2);
	assert_int_equal(hdr.sub_hdr_blocks + hdr.bitmap_blocks, all_blocks);
	kdump_main_header_encode(&hdr, head);
	kdump_sub_header_encode(&hdr, sub);
	physmem_close(pm);
	for (size_t i = 0; i < s.nr_patches; i++) {
		assert_memory_equal(t.bytes + s.patches[i].off, s.patches[i].old_bytes, s.patches[i].len);
		tape_put(&t, s.patches[i].off, s.patches[i].new_bytes, s.patches[i].len);
	}
	tape_put(&t, 0, head, sizeof(head));
	tape_put(&t, 4096, sub, sizeof(sub));
	pm = opened(&t);
	assert_int_equal(kdump_physmem_details(pm)->nr_stored, 650);
	assert_int_equal(kdump_physmem_details(pm)->nr_ram, 650);
	for (uint64_t pfn = 0; pfn < 650; pfn++) {
		assert_int_equal(physmem_read(pm, pfn * 4096, page, sizeof(page), NULL), ST_OK);
		assert_int_equal(page[4095], (uint8_t)(pfn * 37 + 1));
	}
	assert_int_equal(physmem_read(pm, 650 * 4096, page, sizeof(page), NULL), ST_NO_DATA);
	physmem_close(pm);
	shrink_deinit(&s);
	tape_free(&t);
	tape_free(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_the_kernel_says),
		cmocka_unit_test(second_run_has_nothing_to_do),
		cmocka_unit_test(second_run_still_says_that_pages_are_missing),
		cmocka_unit_test(undo_restores_every_byte),
		cmocka_unit_test(cut_anywhere_is_resumed_or_undone),
		cmocka_unit_test(headers_may_reach_the_disk_in_any_order),
		cmocka_unit_test(undo_itself_may_be_cut_off),
		cmocka_unit_test(page_that_looks_like_an_undo_copy_is_a_page),
		cmocka_unit_test(forged_copy_that_reads_as_a_small_dump_is_a_page),
		cmocka_unit_test(mark_without_its_copy_stops_everything),
		cmocka_unit_test(bytes_of_somebody_else_behind_the_header_are_left_alone),
		cmocka_unit_test(what_tearing_cannot_leave_is_no_torn_mark),
		cmocka_unit_test(refused_run_writes_nothing_after_a_cut),
		cmocka_unit_test(other_containers_are_refused),
		cmocka_unit_test(smaller_bitmaps_move_up_to_the_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
