// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "formats/elf/elf_headers.h"
#include "formats/elf/elf_physmem.h"
#include "formats/elf/notes.h"
#include "tests/unit/fake_elf.h"

/* A source of zeros behind a few bytes: a hostile file may be as large as it likes. */
struct padded_source {
	struct rsource base;
	const uint8_t *bytes;
	size_t len;
};

static enum status padded_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got,
				  struct err *err)
{
	struct padded_source *p = (struct padded_source *)src;

	len = (size_t)min_u64(len, src->size_bytes - off);
	memset(buf, 0, len);
	if (off < p->len)
		memcpy(buf, p->bytes + off, (size_t)min_u64(len, p->len - off));
	*got = len;
	return ST_OK;
}

static void padded_close(struct rsource *src)
{
}

static const struct rsource_ops padded_ops = { .read_at = padded_read_at, .close = padded_close };

static enum status parse(const struct fake_elf *fe, size_t len, struct elf_headers *h, struct err *err)
{
	/* A copy of exactly that size: the sanitizer sees a read behind it. */
	_cleanup_free_ uint8_t *copy = malloc(len + !len);
	struct rsource *src;
	enum status st;

	memcpy(copy, fe->bytes, len);
	assert_int_equal(rsource_mem_open(copy, len, "core", &src, err), ST_OK);
	st = elf_headers_init(h, src, err);
	rsource_close(src);
	return st;
}

static void assert_parses(const struct fake_elf *fe, struct elf_headers *h)
{
	struct err err = { 0 };

	if (parse(fe, fe->len, h, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static void assert_refused(const struct fake_elf *fe, const char *text)
{
	struct elf_headers h;
	struct err err = { 0 };

	assert_int_equal(parse(fe, fe->len, &h, &err), ST_BAD_INPUT);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_null(h.loads);
	assert_null(h.notes);
}

static void headers_of_both_classes_and_byte_orders(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct fake_elf fe = fake_elf_new(i & 1, i & 2 ? ORDER_BIG : ORDER_LITTLE);
		struct elf_headers h;

		fe.machine = EM_S390;
		fe.flags = 0x12345678;
		fake_elf_phdr(&fe, PT_NULL, 9, 9, 9, 9, 9);
		fake_elf_phdr(&fe, PT_LOAD, 0x1003, 0x80001003, 0x777, 0x333, 0x444);
		fake_elf_phdr(&fe, PT_LOAD, 0x5000, 0, 0, 0, 0); /* empty */
		fake_elf_phdr(&fe, PT_LOAD, 0x9000, 0, 0, 0, 0x1000);
		fake_elf_finish(&fe, fe.is_64bit ? 64 : 52, false);
		assert_parses(&fe, &h);
		assert_int_equal(h.is_64bit, fe.is_64bit);
		assert_int_equal(h.order, fe.order);
		assert_int_equal(h.machine, EM_S390);
		assert_int_equal(h.flags, 0x12345678);
		assert_int_equal(h.nr_loads, 2);
		assert_int_equal(h.loads[0].paddr, 0x1003);
		assert_int_equal(h.loads[0].vaddr, 0x80001003);
		assert_int_equal(h.loads[0].file_off, 0x777);
		assert_int_equal(h.loads[0].file_len, 0x333);
		assert_int_equal(h.loads[0].mem_len, 0x444);
		assert_int_equal(h.loads[1].paddr, 0x9000);
		assert_int_equal(h.loads[1].file_len, 0);
		elf_headers_deinit(&h);
		fake_elf_free(&fe);
	}
}

/* QEMU since 7.2 has section headers between; and nothing forbids the very end, or an odd place. */
static void program_headers_lie_anywhere(void **state)
{
	static const size_t places[] = { 64, 192, 4097, 100001 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
		struct elf_headers h;

		fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
		fake_elf_finish(&fe, places[i], false);
		assert_parses(&fe, &h);
		assert_int_equal(h.nr_loads, 1);
		assert_int_equal(h.loads[0].file_off, 0x100);
		elf_headers_deinit(&h);
		fake_elf_free(&fe);
	}
}

static void seventy_thousand_loads_are_counted_in_section_0(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct fake_elf fe = fake_elf_new(i & 1, i & 2 ? ORDER_BIG : ORDER_LITTLE);
		struct elf_headers h;

		for (uint64_t n = 0; n < 70000; n++)
			fake_elf_phdr(&fe, PT_LOAD, n * 0x2000, 0, n, 0x1000, 0x1000);
		fake_elf_finish(&fe, fe.is_64bit ? 128 : 92, true);
		assert_parses(&fe, &h);
		assert_int_equal(h.nr_loads, 70000);
		assert_int_equal(h.loads[69999].paddr, 69999 * 0x2000);
		assert_int_equal(h.loads[69999].file_off, 69999);
		elf_headers_deinit(&h);
		fake_elf_free(&fe);
	}
}

static void wrong_counts_are_refused(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);

	fake_elf_phdr(&fe, PT_LOAD, 0, 0, 0, 1, 1);
	fake_elf_finish(&fe, 128, true);
	put_u64(fe.bytes + 40, ORDER_LITTLE, 0); /* e_shoff: no section header to ask */
	assert_refused(&fe, "program headers");
	put_u64(fe.bytes + 40, ORDER_LITTLE, UINT64_MAX - 5);
	assert_refused(&fe, "program headers");
	put_u64(fe.bytes + 40, ORDER_LITTLE, 64);
	put_u32(fe.bytes + 64 + 44, ORDER_LITTLE, UINT32_MAX);
	assert_refused(&fe, "more than");
	put_u32(fe.bytes + 64 + 44, ORDER_LITTLE, 1u << 20);
	assert_refused(&fe, "beyond the end of the file");
	put_u16(fe.bytes + 56, ORDER_LITTLE, 0);
	assert_refused(&fe, "no program headers");
	put_u16(fe.bytes + 56, ORDER_LITTLE, 2);
	assert_refused(&fe, "beyond the end of the file");
	put_u16(fe.bytes + 56, ORDER_LITTLE, 1);
	put_u64(fe.bytes + 32, ORDER_LITTLE, UINT64_MAX - 10); /* e_phoff */
	assert_refused(&fe, "beyond the end of the file");
	fake_elf_free(&fe);
}

static void what_is_no_core_is_refused_by_name(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);

	fe.type = ET_EXEC;
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0, 1, 1);
	fake_elf_finish(&fe, 64, false);
	assert_refused(&fe, "not a core");
	fe.type = ET_CORE;
	fe.phentsize = 57;
	fake_elf_finish(&fe, 64, false);
	assert_refused(&fe, "program header size");
	fe.phentsize = 56;
	fake_elf_finish(&fe, 64, false);
	fe.bytes[EI_CLASS] = 3;
	assert_refused(&fe, "class");
	fe.bytes[EI_CLASS] = ELFCLASS64;
	fe.bytes[EI_DATA] = 0;
	assert_refused(&fe, "byte order");
	fe.bytes[EI_DATA] = ELFDATA2LSB;
	put_u32(fe.bytes + 64, ORDER_LITTLE, PT_NOTE);
	put_u64(fe.bytes + 64 + 32, ORDER_LITTLE, 0);
	assert_refused(&fe, "no PT_LOAD");
	fake_elf_free(&fe);
}

static void assert_load_refused(uint64_t paddr, uint64_t off, uint64_t filesz, uint64_t memsz, const char *text)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);

	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
	fake_elf_phdr(&fe, PT_LOAD, paddr, 0, off, filesz, memsz);
	fake_elf_finish(&fe, 64, false);
	assert_refused(&fe, text);
	fake_elf_free(&fe);
}

static void loads_that_overflow_are_refused(void **state)
{
	assert_load_refused(0, 0, 2, 1, "more bytes in the file");
	assert_load_refused(0, 0, 1, 0, "more bytes in the file");
	assert_load_refused(0, UINT64_MAX, 2, 2, "end of any file");
}

/* One load at @paddr with as many bytes in the file as in memory: @left of them are taken. */
static void assert_left(uint16_t machine, uint64_t paddr, uint64_t len, uint64_t left)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct elf_headers h;

	fe.machine = machine;
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
	fake_elf_phdr(&fe, PT_LOAD, paddr, 0, 0x110, len, len);
	fake_elf_phdr(&fe, PT_LOAD, 0x2000, 0, 0x100, 0x10, 0x10);
	fake_elf_finish(&fe, 64, false);
	assert_parses(&fe, &h);
	assert_int_equal(h.nr_loads, 2 + (left != 0));
	assert_int_equal(h.loads[1 + (left != 0)].paddr, 0x2000);
	if (left) {
		assert_int_equal(h.loads[1].paddr, paddr);
		assert_int_equal(h.loads[1].mem_len, left);
		assert_int_equal(h.loads[1].file_len, left);
		assert_int_equal(h.loads[1].file_off, 0x110);
	}
	assert_int_equal(h.nr_beyond, left != len);
	assert_int_equal(h.beyond_bytes, len - left);
	elf_headers_deinit(&h);
	fake_elf_free(&fe);
}

static void loads_where_no_memory_can_be_are_set_aside(void **state)
{
	static const struct {
		uint16_t machine;
		unsigned bits;
	} of[] = { { EM_X86_64, 52 }, { EM_386, 52 }, { EM_AARCH64, 56 }, { EM_RISCV, 56 }, { EM_PPC64, 56 }, { EM_S390, 56 } };

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		uint64_t end = UINT64_C(1) << of[i].bits;

		assert_int_equal(elf_phys_end(of[i].machine), end);
		assert_left(of[i].machine, end - 0x1000, 0x1000, 0x1000);
		assert_left(of[i].machine, end - 0x1000, 0x1001, 0x1000);
		assert_left(of[i].machine, end - 1, 0x5000, 1);
		assert_left(of[i].machine, end, 1, 0);
		assert_left(of[i].machine, UINT64_C(0xe1) << 56, 0x5000, 0);
		assert_left(of[i].machine, UINT64_MAX, 2, 0);
		assert_left(of[i].machine, 1, UINT64_MAX, end - 1);
	}
}

static void core_of_nothing_but_such_loads_is_refused(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);

	fake_elf_phdr(&fe, PT_LOAD, UINT64_C(0xe1) << 48, 0, 0x100, 0x10, 0x10);
	fake_elf_phdr(&fe, PT_LOAD, UINT64_MAX, 0, 0x100, 0, UINT64_MAX);
	fake_elf_finish(&fe, 64, false);
	assert_refused(&fe, "no PT_LOAD that the machine could address");
	fake_elf_free(&fe);
}

static void every_truncation_is_survived(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct elf_headers h;
	uint8_t note[64] = { 0 };
	size_t note_len = fake_note(note, 0, ORDER_LITTLE, "X", 2, 5, "desc", 4);
	struct err err;

	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 64 + 2 * 56 + 64, note_len, 0);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 400, 100, 100);
	fake_elf_finish(&fe, 128, true);
	fake_elf_put(&fe, 64 + 2 * 56 + 64, note, note_len);
	fake_elf_grow(&fe, 500);
	for (size_t len = 0; len < fe.len; len++) {
		enum status st = parse(&fe, len, &h, &err);

		/* Behind headers and notes only memory is cut off: that is for the reader of the memory to see. */
		assert_int_equal(st, len < 64 + 2 * 56 + 64 + note_len ? ST_BAD_INPUT : ST_OK);
		elf_headers_deinit(&h);
	}
	fake_elf_free(&fe);
}

static void random_damage_is_survived(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 20000; round++) {
		struct fake_elf fe = fake_elf_new(round & 1, round & 2 ? ORDER_BIG : ORDER_LITTLE);
		struct elf_headers h;
		struct err err;
		size_t hits = 1 + (size_t)rand_r(&seed) % 6;

		fake_elf_phdr(&fe, PT_NOTE, 0, 0, 0x110, 0x40, 0);
		fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x20);
		fake_elf_phdr(&fe, PT_LOAD, 0x1008, 0, 0x100, 0x10, 0x10);
		fake_elf_finish(&fe, 128, round & 4);
		fake_elf_grow(&fe, 0x150);
		while (hits--)
			fe.bytes[(size_t)rand_r(&seed) % fe.len] = (uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed) : 0xff);
		if (parse(&fe, fe.len, &h, &err) == ST_OK) {
			assert_true(h.nr_loads > 0);
			elf_headers_deinit(&h);
		}
		fake_elf_free(&fe);
	}
}

static void note_segments_follow_each_other_aligned(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	uint8_t blob[256] = { 0 };
	struct note_counts counts;
	struct elf_headers h;
	size_t len = fake_note(blob, 0, ORDER_LITTLE, "CORE", 5, NT_PRSTATUS, "12345", 5);

	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 1000, len - 3, 0); /* without the padding at its end */
	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 2000, len, 0);
	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 1, 0, 0);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
	fake_elf_finish(&fe, 64, false);
	fake_elf_put(&fe, 1000, blob, len);
	fake_elf_put(&fe, 2000, blob, len);
	assert_parses(&fe, &h);
	assert_int_equal(h.notes_len_bytes, 2 * len);
	notes_count(h.notes, h.notes_len_bytes, h.order, &counts);
	assert_int_equal(counts.nr_prstatus, 2);
	elf_headers_deinit(&h);
	fake_elf_free(&fe);
}

static void notes_of_absurd_size_are_refused(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct padded_source src = { .base = { .ops = &padded_ops, .name = (char *)"padded", .size_bytes = GIB } };
	struct elf_headers h;
	struct err err;

	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 4096, 65 * MIB, 0);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
	fake_elf_finish(&fe, 64, false);
	src.bytes = fe.bytes;
	src.len = fe.len;
	assert_int_equal(elf_headers_init(&h, &src.base, &err), ST_BAD_INPUT);
	/* Nor may many small ones add up. */
	fe.nr_phdrs = 0;
	for (int i = 0; i < 200; i++)
		fake_elf_phdr(&fe, PT_NOTE, 0, 0, 4096, MIB - 1, 0);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x100, 0x10, 0x10);
	fake_elf_finish(&fe, 64, false);
	src.bytes = fe.bytes;
	src.len = fe.len;
	assert_int_equal(elf_headers_init(&h, &src.base, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "notes"));
	fake_elf_free(&fe);
}

struct seen {
	unsigned nr;
	struct note last;
};

static bool see(const struct note *note, void *ctx)
{
	struct seen *s = ctx;

	s->nr++;
	s->last = *note;
	return true;
}

static bool see_one(const struct note *note, void *ctx)
{
	see(note, ctx);
	return false;
}

static void notes_are_seen_in_either_byte_order(void **state)
{
	for (int i = 0; i < 2; i++) {
		enum byte_order o = i ? ORDER_BIG : ORDER_LITTLE;
		uint8_t blob[512] = { 0 };
		struct note_counts counts;
		const char *text;
		size_t text_len, len = 0;
		struct seen s = { 0 };

		len = fake_note(blob, len, o, "CORE", 5, NT_PRSTATUS, "abcdefg", 7);
		len = fake_note(blob, len, o, "QEMU", 5, 0, "1234", 4);
		len = fake_note(blob, len, o, "VMCOREINFO", 11, 0, "OSRELEASE=1\n", 12);
		len = fake_note(blob, len, o, "LINUX", 6, 0x700, "dd", 2);
		notes_count(blob, len, o, &counts);
		assert_int_equal(counts.nr_prstatus, 1);
		assert_int_equal(counts.nr_qemu, 1);
		assert_int_equal(counts.nr_vmcoreinfo, 1);
		assert_int_equal(counts.nr_other, 1);
		notes_find_vmcoreinfo(blob, len, o, &text, &text_len);
		assert_int_equal(text_len, 12);
		assert_memory_equal(text, "OSRELEASE=1\n", 12);
		assert_true(text >= (char *)blob && text < (char *)blob + len);
		notes_for_each(blob, len, o, see, &s);
		assert_int_equal(s.nr, 4);
		assert_int_equal(s.last.type, 0x700);
		assert_int_equal(s.last.name_len, 5);
		assert_memory_equal((uint8_t *)blob + s.last.desc_off, "dd", 2);
		s.nr = 0;
		notes_for_each(blob, len, o, see_one, &s);
		assert_int_equal(s.nr, 1);
		/* In the wrong order nothing fits. */
		s.nr = 0;
		notes_for_each(blob, len, i ? ORDER_LITTLE : ORDER_BIG, see, &s);
		assert_int_equal(s.nr, 0);
	}
}

static void name_without_its_nul_and_name_of_more_are_told_apart(void **state)
{
	uint8_t blob[256] = { 0 };
	const char *text;
	size_t text_len, len;

	len = fake_note(blob, 0, ORDER_LITTLE, "VMCOREINFOX", 12, 0, "wrong", 5);
	len = fake_note(blob, len, ORDER_LITTLE, "VMCOREINF", 9, 0, "wrong", 5);
	len = fake_note(blob, len, ORDER_LITTLE, "", 0, 0, "", 0);
	notes_find_vmcoreinfo(blob, len, ORDER_LITTLE, &text, &text_len);
	assert_null(text);
	assert_int_equal(text_len, 0);
	len = fake_note(blob, len, ORDER_LITTLE, "VMCOREINFO", 10, 0, "right", 5);
	notes_find_vmcoreinfo(blob, len, ORDER_LITTLE, &text, &text_len);
	assert_int_equal(text_len, 5);
	assert_memory_equal(text, "right", 5);
	notes_find_vmcoreinfo(NULL, 0, ORDER_LITTLE, &text, &text_len);
	assert_null(text);
}

static void torn_tail_hides_nothing_before_it(void **state)
{
	uint8_t blob[256] = { 0 };
	size_t first = fake_note(blob, 0, ORDER_LITTLE, "CORE", 5, NT_PRSTATUS, "abcdefgh", 8);
	size_t all = fake_note(blob, first, ORDER_LITTLE, "CORE", 5, NT_PRSTATUS, "abcdefgh", 8);

	for (size_t len = 0; len <= all; len++) {
		_cleanup_free_ uint8_t *copy = malloc(len + !len);
		struct note_counts counts;

		memcpy(copy, blob, len);
		notes_count(copy, len, ORDER_LITTLE, &counts);
		assert_int_equal(counts.nr_prstatus, (len >= first) + (len >= all));
	}
	put_u32(blob + first, ORDER_LITTLE, UINT32_MAX); /* n_namesz */
	{
		struct note_counts counts;

		notes_count(blob, all, ORDER_LITTLE, &counts);
		assert_int_equal(counts.nr_prstatus, 1);
		put_u32(blob + first, ORDER_LITTLE, 5);
		put_u32(blob + first + 4, ORDER_LITTLE, UINT32_MAX); /* n_descsz */
		notes_count(blob, all, ORDER_LITTLE, &counts);
		assert_int_equal(counts.nr_prstatus, 1);
		put_u32(blob + first, ORDER_LITTLE, UINT32_MAX - 11);
		put_u32(blob + first + 4, ORDER_LITTLE, 12);
		notes_count(blob, all, ORDER_LITTLE, &counts);
		assert_int_equal(counts.nr_prstatus, 1);
	}
}

static bool stay_inside(const struct note *note, void *ctx)
{
	const struct fake_elf *blob = ctx;
	const uint8_t *start = blob->bytes, *end = start + blob->len;

	assert_true((const uint8_t *)note->name >= start && (const uint8_t *)note->name + note->name_len <= end);
	assert_true((const uint8_t *)note->desc >= start && (const uint8_t *)note->desc + note->desc_len_bytes <= end);
	assert_ptr_equal(note->desc, start + note->desc_off);
	return true;
}

static void random_notes_stay_inside_their_blob(void **state)
{
	unsigned seed = 99;

	for (int round = 0; round < 20000; round++) {
		struct fake_elf blob = { .len = (size_t)rand_r(&seed) % 120 };

		blob.bytes = malloc(blob.len + !blob.len);
		for (size_t i = 0; i < blob.len; i++)
			blob.bytes[i] = (uint8_t)(rand_r(&seed) % 4 ? 0 : rand_r(&seed) % 32);
		notes_for_each(blob.bytes, blob.len, round & 1 ? ORDER_BIG : ORDER_LITTLE, stay_inside, &blob);
		free(blob.bytes);
	}
}

/* A core whose memory bytes tell where in the file they lie. */
static struct physmem *open_core(struct fake_elf *fe, size_t file_len)
{
	struct rsource *src;
	struct physmem *pm = NULL;
	struct err err = { 0 };

	assert_int_equal(rsource_mem_open(fe->bytes, file_len, "core", &src, &err), ST_OK);
	assert_true(elf_physmem_probe(src));
	if (elf_physmem_open(src, &pm, &err) != ST_OK)
		fail_msg("%s", err.text);
	return pm;
}

static void fill(struct fake_elf *fe, size_t off, size_t len)
{
	fake_elf_grow(fe, off + len);
	for (size_t i = 0; i < len; i++)
		fe->bytes[off + i] = (uint8_t)((off + i) * 5 + ((off + i) >> 8));
}

static void reads_run_across_segments(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct physmem *pm;
	uint8_t buf[0x4000];
	struct err err;
	size_t got;

	fake_elf_phdr(&fe, PT_LOAD, 0x3001, 0, 0x8000, 0x1fff, 0x1fff); /* file order is not address order */
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x3000, 0x1800, 0x1800);
	fake_elf_phdr(&fe, PT_LOAD, 0x2700, 0, 0x5000, 0x0901, 0x0901); /* overlaps the one before */
	fake_elf_finish(&fe, 64, false);
	fill(&fe, 0x3000, 0x7fff);
	pm = open_core(&fe, fe.len);
	assert_int_equal(pm->nr_ranges, 1);
	assert_int_equal(pm->ranges[0].start, 0x1000);
	assert_int_equal(pm->ranges[0].end, 0x5000);
	assert_int_equal(physmem_read(pm, 0x1000, buf, 0x4000, &err), ST_OK);
	assert_memory_equal(buf, fe.bytes + 0x3000, 0x1800);
	assert_memory_equal(buf + 0x1800, fe.bytes + 0x5100, 0x0801);
	assert_memory_equal(buf + 0x2001, fe.bytes + 0x8000, 0x1fff);
	assert_int_equal(physmem_read_some(pm, 0x4fff, buf, 2, &got, &err), ST_NO_DATA);
	assert_int_equal(got, 1);
	assert_int_equal(physmem_read_some(pm, 0x0fff, buf, 2, &got, &err), ST_NO_DATA);
	assert_int_equal(got, 0);
	assert_int_equal(physmem_read_some(pm, UINT64_MAX, buf, 2, &got, &err), ST_NO_DATA);
	assert_int_equal(physmem_read(pm, UINT64_MAX - 1, buf, 1, &err), ST_NO_DATA);
	physmem_close(pm);
	fake_elf_free(&fe);
}

static void claims_are_no_data_and_truncation_is_an_error(void **state)
{
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	const struct elf_details *d;
	struct range run;
	struct physmem *pm;
	uint8_t buf[0x4000];
	struct err err;
	size_t got;

	fe.flags = 1;
	fake_elf_phdr(&fe, PT_LOAD, 0x10000, 0, 0x1000, 0x800, 0x3000);
	fake_elf_phdr(&fe, PT_LOAD, 0x13000, 0, 0x2000, 0x2000, 0x2000);
	fake_elf_phdr(&fe, PT_LOAD, 0x20000, 0, 0x9000, 0x1000, 0x1000);
	fake_elf_finish(&fe, 64, false);
	fill(&fe, 0x1000, 0x2000);
	pm = open_core(&fe, 0x3000);
	d = elf_physmem_details(pm);
	assert_int_equal(d->nr_loads, 3);
	assert_true(d->marked_incomplete);
	assert_int_equal(d->filtered_bytes, 0x2800);
	assert_int_equal(d->truncated_bytes, 0x1000 + 0x1000);
	assert_int_equal(physmem_read_some(pm, 0x10400, buf, 0x1000, &got, &err), ST_NO_DATA);
	assert_int_equal(got, 0x400);
	assert_int_equal(physmem_read_some(pm, 0x13400, buf, 0x1000, &got, &err), ST_IO);
	assert_int_equal(got, 0xc00);
	assert_non_null(strstr(err.text, "truncated"));
	assert_int_equal(physmem_read_some(pm, 0x20000, buf, 1, &got, &err), ST_IO);
	assert_true(physmem_next_data(pm, 0, UINT64_MAX, &run));
	assert_int_equal(run.start, 0x10000);
	assert_int_equal(run.end, 0x10800);
	assert_true(physmem_next_data(pm, run.end, UINT64_MAX, &run));
	assert_int_equal(run.start, 0x13000);
	assert_int_equal(run.end, 0x15000); /* the dump claims to hold it */
	assert_true(physmem_next_data(pm, 0x13800, 0x14000, &run));
	assert_int_equal(run.start, 0x13800);
	assert_int_equal(run.end, 0x14000);
	assert_false(physmem_next_data(pm, 0x10800, 0x13000, &run));
	assert_false(physmem_next_data(pm, 0x14000, 0x14000, &run));
	assert_true(physmem_next_data(pm, 0x15000, UINT64_MAX, &run));
	assert_false(physmem_next_data(pm, 0x21000, UINT64_MAX, &run));
	physmem_close(pm);
	fake_elf_free(&fe);
}

static void vmcoreinfo_and_the_kernel_text_load_are_found(void **state)
{
	static const char text[] = "OSRELEASE=6.1.0\nPAGESIZE=65536\n";
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct physmem *pm;
	uint8_t blob[256] = { 0 };
	size_t len = fake_note(blob, 0, ORDER_LITTLE, "VMCOREINFO", 11, 0, text, sizeof(text) - 1);

	fake_elf_phdr(&fe, PT_NOTE, 0, 0, 0x1000, len, 0);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000000, UINT64_C(0xffffffff81000000), 0x2000, 0x1000, 0x1000);
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, UINT64_C(0xffff888000001000), 0x3000, 0x1000, 0x1000);
	fake_elf_finish(&fe, 64, false);
	fake_elf_put(&fe, 0x1000, blob, len);
	pm = open_core(&fe, fe.len);
	assert_int_equal(pm->vmcoreinfo_len_bytes, sizeof(text) - 1);
	assert_memory_equal(pm->vmcoreinfo, text, sizeof(text) - 1);
	assert_int_equal(pm->page_size, 65536);
	assert_int_equal(pm->elf_machine, EM_X86_64);
	assert_true(pm->has_kernel_text_map);
	assert_true(pm->kernel_text_vaddr == UINT64_C(0xffffffff81000000));
	assert_int_equal(pm->kernel_text_paddr, 0x1000000);
	assert_null(pm->uts.machine[0] ? "x" : NULL);
	physmem_close(pm);
	/* A virtual address of which the length runs over the top is no mapping of anything. */
	put_u64(fe.bytes + 64 + 56 + 16, ORDER_LITTLE, UINT64_MAX - 5);
	pm = open_core(&fe, fe.len);
	assert_false(pm->has_kernel_text_map);
	physmem_close(pm);
	fake_elf_free(&fe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_both_classes_and_byte_orders),
		cmocka_unit_test(program_headers_lie_anywhere),
		cmocka_unit_test(seventy_thousand_loads_are_counted_in_section_0),
		cmocka_unit_test(wrong_counts_are_refused),
		cmocka_unit_test(what_is_no_core_is_refused_by_name),
		cmocka_unit_test(loads_that_overflow_are_refused),
		cmocka_unit_test(loads_where_no_memory_can_be_are_set_aside),
		cmocka_unit_test(core_of_nothing_but_such_loads_is_refused),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test(random_damage_is_survived),
		cmocka_unit_test(note_segments_follow_each_other_aligned),
		cmocka_unit_test(notes_of_absurd_size_are_refused),
		cmocka_unit_test(notes_are_seen_in_either_byte_order),
		cmocka_unit_test(name_without_its_nul_and_name_of_more_are_told_apart),
		cmocka_unit_test(torn_tail_hides_nothing_before_it),
		cmocka_unit_test(random_notes_stay_inside_their_blob),
		cmocka_unit_test(reads_run_across_segments),
		cmocka_unit_test(claims_are_no_data_and_truncation_is_an_error),
		cmocka_unit_test(vmcoreinfo_and_the_kernel_text_load_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
