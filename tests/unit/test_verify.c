// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/exit_codes.h"
#include "common/log.h"
#include "tests/unit/fake_kdump.h"
#include "tests/unit/temp_dir.h"
#include "verify/findings.h"

#define PAGE 4096u
#define SUB PAGE
#define STATUS_OFF 424
#define FLAT_HEADER 4096

static const char vmcoreinfo[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n";

/* Findings: one a rule, its places joined and cut. */

static struct verify_report *new_report(void)
{
	struct verify_report *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	return r;
}

static void test_one_finding_a_rule(void **state)
{
	struct verify_report *r = new_report();
	const struct verify_finding *f;

	findings_add(r, RULE_PAGE_DAMAGED, place_pfn(5), "first %d", 1);
	findings_add(r, RULE_DESC_HOLE, place_pfns(10, 20), "hole");
	findings_add(r, RULE_PAGE_DAMAGED, place_pfn(6), "second");
	findings_add(r, RULE_PAGE_DAMAGED, place_pfn(9), "third");
	assert_int_equal(r->nr_findings, 2);
	assert_int_equal(r->nr[VERIFY_ERROR], 2);
	f = findings_find(r, RULE_PAGE_DAMAGED);
	assert_string_equal(f->text, "first 1");
	assert_int_equal(f->count, 3);
	assert_int_equal(f->nr_places, 2);
	assert_int_equal(f->places[0].start, 5);
	assert_int_equal(f->places[0].end, 7);
	assert_int_equal(f->places[1].start, 9);
	assert_int_equal(findings_find(r, RULE_DESC_HOLE)->count, 10);
	assert_null(findings_find(r, RULE_UTS_EMPTY));
	free(r);
}

static void test_places_are_bounded(void **state)
{
	struct verify_report *r = new_report();

	for (uint64_t pfn = 0; pfn < 100000; pfn++)
		findings_add(r, RULE_PAGE_DAMAGED, place_pfn(2 * pfn), "damaged");
	assert_int_equal(r->findings[0].count, 100000);
	assert_int_equal(r->findings[0].nr_places, VERIFY_MAX_PLACES);
	assert_int_equal(r->findings[0].places[VERIFY_MAX_PLACES - 1].start, 2 * (VERIFY_MAX_PLACES - 1));
	free(r);
}

static void test_readers_add_up(void **state)
{
	struct verify_report *r = new_report();

	findings_add_for(r, RULE_VMCOREINFO_MISSING, READER_DRGN, place_none(), "a");
	assert_int_equal(r->findings[0].breaks, READER_DRGN);
	findings_add_for(r, RULE_VMCOREINFO_MISSING, READER_CRASH, place_none(), "b");
	assert_int_equal(r->findings[0].breaks, READER_DRGN | READER_CRASH);
	free(r);
}

static void test_text_is_printable(void **state)
{
	struct verify_report *r = new_report();
	char small[8];

	findings_add(r, RULE_UTS_SYSNAME, place_none(), "sysname is \"%s\"", "\x1b[31m\n\xff~");
	assert_string_equal(r->findings[0].text, "sysname is \"\\x1b[31m\\x0a\\xff~\"");
	assert_string_equal(findings_printable("abcde\x01", small, sizeof(small)), "abcde");
	assert_string_equal(findings_printable("abc\x01z", small, sizeof(small)), "abc\\x01");
	free(r);
}

static void test_rules_are_complete(void **state)
{
	for (int i = 0; i < RULE_COUNT; i++) {
		const struct rule_info *info = rule_info((enum rule)i);

		assert_non_null(info->id);
		/* A note breaks nobody; an error that breaks nobody is none. */
		assert_true(info->severity != VERIFY_NOTE || !info->breaks);
		assert_true(info->severity != VERIFY_ERROR || info->breaks);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(info->id, rule_info((enum rule)k)->id);
	}
}

/* Dumps, made whole and then broken. */

static size_t add_note(uint8_t *to, enum byte_order o, const char *name, uint32_t type, const void *desc, size_t len)
{
	size_t name_len = strlen(name) + 1, name_room = align_up(name_len, 4), room = align_up(len, 4);

	memset(to, 0, 12 + name_room + room);
	put_u32(to, o, (uint32_t)name_len);
	put_u32(to + 4, o, (uint32_t)len);
	put_u32(to + 8, o, type);
	memcpy(to + 12, name, name_len);
	memcpy(to + 12 + name_room, desc, len);
	return 12 + name_room + room;
}

static enum fake_store store_some(uint64_t pfn)
{
	if (pfn < 16)
		return FAKE_ABSENT;
	if (pfn % 3 == 0)
		return FAKE_EXCLUDED;
	return pfn % 5 == 0 ? FAKE_ZERO : pfn % 7 == 0 ? FAKE_RAW : FAKE_STORED;
}

/* Of a machine whose page tables this program does not know: nothing but the format is judged. */
static struct fake_kdump fake(enum byte_order order)
{
	static uint8_t notes[2048], prstatus[336];
	size_t len = add_note(notes, order, "CORE", 1, prstatus, sizeof(prstatus));
	struct fake_kdump f = {
		.order = order,
		.version = 6,
		.machine = "s390x",
		.codec = "zlib",
		.page_size = PAGE,
		.max_mapnr = 900,
		.store = store_some,
		.content = fake_content,
		.notes = notes,
	};

	len += add_note(notes + len, order, "CORE", 1, prstatus, sizeof(prstatus));
	f.notes_len = len + add_note(notes + len, order, "VMCOREINFO", 0, vmcoreinfo, strlen(vmcoreinfo));
	fake_kdump_build(&f);
	fake_put(&f, 12, "Linux", 5);
	fake_put(&f, 12 + 3 * 65, "#1 SMP", 6);
	fake_put_u64(&f, SUB + 32, SUB + 104 + f.notes_len - align_up(strlen(vmcoreinfo), 4));
	fake_put_u64(&f, SUB + 40, strlen(vmcoreinfo));
	return f;
}

static struct verify_report *verify_bytes(const struct temp_dir *t, const void *bytes, size_t len)
{
	struct verify_report *r = new_report();
	struct verify_config config = { 0 };
	char path[PATH_MAX];
	struct err err = { 0 };
	FILE *file;

	snprintf(path, sizeof(path), "%s/dump", t->path);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	config.path = path;
	assert_int_equal(verify_run(&config, r, &err), ST_OK);
	return r;
}

static struct verify_report *verify_fake(void **state, const struct fake_kdump *f)
{
	return verify_bytes(*state, f->bytes, f->len);
}

/* These rules are broken, and no other error or warning is there. */
static void check_broken(void **state, struct fake_kdump *f, enum rule a, enum rule b)
{
	struct verify_report *r = verify_fake(state, f);

	for (unsigned i = 0; i < r->nr_findings; i++) {
		const struct verify_finding *x = &r->findings[i];

		if (x->severity != VERIFY_NOTE && x != findings_find(r, a) && x != findings_find(r, b))
			fail_msg("%s: %s, where %s is wrong", x->id, x->text, rule_info(a)->id);
	}
	if (!findings_find(r, a))
		fail_msg("%s was not found", rule_info(a)->id);
	if (!findings_find(r, b))
		fail_msg("%s was not found", rule_info(b)->id);
	assert_int_equal(verify_exit_code(r), r->nr[VERIFY_ERROR] ? EXIT_CODE_NEGATIVE : EXIT_CODE_OK);
	free(r);
	free(f->bytes);
}

static void check_one(void **state, struct fake_kdump *f, enum rule rule)
{
	check_broken(state, f, rule, rule);
}

/* This rule is broken, among others. */
static void check_found(void **state, struct fake_kdump *f, enum rule rule)
{
	struct verify_report *r = verify_fake(state, f);

	if (!findings_find(r, rule))
		fail_msg("%s was not found", rule_info(rule)->id);
	free(r);
	free(f->bytes);
}

static void test_good(void **state)
{
	for (int order = ORDER_LITTLE; order <= ORDER_BIG; order++) {
		struct fake_kdump f = fake((enum byte_order)order);
		struct verify_report *r = verify_fake(state, &f);

		assert_int_equal(r->nr[VERIFY_ERROR] + r->nr[VERIFY_WARNING], 0);
		assert_non_null(findings_find(r, RULE_KERNEL_UNCHECKED));
		assert_int_equal(r->pages, f.nr_descs);
		assert_int_equal(r->pages_good, f.nr_descs);
		assert_string_equal(r->format, "KDUMP version 6, s390x, 6.1.0-test");
		assert_int_equal(verify_exit_code(r), EXIT_CODE_OK);
		free(r);
		free(f.bytes);
	}
}

/* One 32-bit field of the file is wrong. */
static void test_fields(void **state)
{
	static const struct {
		size_t off;
		uint32_t value;
		enum rule rule;
	} cases[] = {
		{ 8, 7, RULE_VERSION_NEW },
		{ STATUS_OFF, 0x401, RULE_STATUS_UNKNOWN },
		{ STATUS_OFF, 0x9, RULE_INCOMPLETE },
		{ STATUS_OFF, 0x11, RULE_VMEMMAP_EXCLUDED },
		{ STATUS_OFF, 0, RULE_STATUS_CODEC },
		{ 436, 3, RULE_BITMAP_ODD },
		{ 436, 1u << 30, RULE_BITMAP_OUTSIDE },
		{ 440, 0, RULE_MAX_MAPNR_32 },
		{ 440, 899, RULE_MAX_MAPNR_32 },
		{ 460, 0, RULE_NR_CPUS_ZERO },
		{ 460, 3, RULE_PRSTATUS_COUNT },
		{ SUB + 8, 32, RULE_DUMP_LEVEL },
		{ SUB + 8, (uint32_t)-1, RULE_DUMP_LEVEL },
		{ SUB + 12, 1, RULE_SPLIT_EMPTY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_kdump f = fake(ORDER_BIG);

		fake_put_u32(&f, cases[i].off, cases[i].value);
		/* The descriptors are a block further on then: one fault makes many. */
		if (cases[i].rule == RULE_BITMAP_ODD)
			check_found(state, &f, cases[i].rule);
		else
			check_one(state, &f, cases[i].rule);
	}
}

static void test_max_mapnr_64(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);

	fake_put_u64(&f, SUB + 96, 0);
	check_one(state, &f, RULE_MAX_MAPNR_64);
}

static void test_utsname(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);

	fake_put(&f, 12 + 3 * 65 + 64, "x", 1);
	check_one(state, &f, RULE_UTS_UNTERMINATED);
	f = fake(ORDER_LITTLE);
	fake_put(&f, 12, "NetBSD", 6);
	check_one(state, &f, RULE_UTS_SYSNAME);
	f = fake(ORDER_LITTLE);
	memset(f.bytes + 12 + 3 * 65, 0, 65);
	check_one(state, &f, RULE_UTS_EMPTY);
}

static void test_tv_usec(void **state)
{
	for (uint64_t usec = 2048; usec < 1000000; usec *= 2) {
		struct fake_kdump f = fake(ORDER_LITTLE);
		struct verify_report *r;

		fake_put_u64(&f, 416, usec);
		r = verify_fake(state, &f);
		assert_int_equal(findings_find(r, RULE_TV_USEC) != NULL, usec >= 4096 && usec <= 262144);
		free(r);
		free(f.bytes);
	}
}

static void break_desc(struct fake_kdump *f, size_t index, uint64_t offset, uint32_t size, uint32_t flags)
{
	fake_put_desc(f, index, offset, size, flags);
}

static void test_descriptors(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	const size_t i = 7; /* of page frame 26, compressed */
	uint64_t off = get_u64(f.bytes + f.descs + i * 24, f.order);
	uint32_t size = get_u32(f.bytes + f.descs + i * 24 + 8, f.order);
	const struct {
		uint64_t offset;
		uint32_t size, flags;
		enum rule rule;
	} cases[] = {
		{ 0, 5, 0, RULE_DESC_OFFSET_ZERO },	    { 0, 0, 1, RULE_DESC_OFFSET_ZERO },
		{ off, size, 3, RULE_DESC_FLAGS },	    { off, size, 0x40, RULE_DESC_FLAGS },
		{ off, size, 0x80000000, RULE_DESC_FLAGS }, { off, 0, 1, RULE_DESC_SIZE },
		{ off, PAGE + 1, 1, RULE_DESC_SIZE },	    { off, UINT32_MAX, 1, RULE_DESC_SIZE },
		{ off, size, 0, RULE_DESC_SIZE },	    { f.data - 1, size, 1, RULE_DESC_IN_HEADERS },
		{ 1, size, 1, RULE_DESC_IN_HEADERS },	    { f.len - size + 1, size, 1, RULE_DESC_OUTSIDE },
		{ UINT64_MAX, size, 1, RULE_DESC_OUTSIDE }, { UINT64_C(1) << 63, size, 1, RULE_DESC_OUTSIDE },
		{ off, size - 1, 1, RULE_PAGE_DAMAGED },    { f.data, size, 1, RULE_PAGE_DAMAGED },
	};

	free(f.bytes);
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		f = fake(ORDER_LITTLE);
		break_desc(&f, i, cases[k].offset, cases[k].size, cases[k].flags);
		check_one(state, &f, cases[k].rule);
	}
	f = fake(ORDER_LITTLE);
	break_desc(&f, i, 0, 0, 0);
	check_broken(state, &f, RULE_DESC_HOLE, RULE_HOLES_UNMARKED);
	f = fake(ORDER_LITTLE);
	break_desc(&f, i, 0, 0, 0);
	fake_put_u32(&f, STATUS_OFF, 0x9);
	check_broken(state, &f, RULE_DESC_HOLE, RULE_INCOMPLETE);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, f.descs + i * 24 + 16, 1);
	check_one(state, &f, RULE_DESC_PAGE_FLAGS);
}

/* Which page frame a broken descriptor belongs to. */
static void test_place_of_a_page(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	struct verify_report *r;
	const struct verify_finding *x;

	/* 16, 17, 19, 20, 22, 23, 25: every third is left out. */
	break_desc(&f, 6, UINT64_MAX, 1, 1);
	break_desc(&f, 0, UINT64_MAX, 1, 1);
	break_desc(&f, 1, UINT64_MAX, 1, 1);
	r = verify_fake(state, &f);
	x = findings_find(r, RULE_DESC_OUTSIDE);
	assert_int_equal(x->count, 3);
	assert_int_equal(x->nr_places, 2);
	assert_int_equal(x->places[0].start, 16);
	assert_int_equal(x->places[0].end, 18);
	assert_int_equal(x->places[1].start, 25);
	assert_int_equal(r->pages_good, r->pages - 3);
	free(r);
	free(f.bytes);
}

static void flip_bit(struct fake_kdump *f, size_t bitmap, uint64_t pfn)
{
	f->bytes[bitmap + pfn / 8] ^= (uint8_t)(1u << pfn % 8);
}

static void test_bitmaps(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	struct verify_report *r;

	flip_bit(&f, f.bitmap_1, 25);
	check_one(state, &f, RULE_BITMAP2_EXCESS);
	f = fake(ORDER_LITTLE);
	memset(f.bytes + f.bitmap_1, 0, f.bitmap_2 - f.bitmap_1);
	check_one(state, &f, RULE_BITMAP1_EMPTY);
	f = fake(ORDER_LITTLE);
	flip_bit(&f, f.bitmap_1, 900);
	flip_bit(&f, f.bitmap_2, PAGE * 8 - 1);
	r = verify_fake(state, &f);
	assert_int_equal(findings_find(r, RULE_BITMAP_TAIL)->count, 2);
	assert_int_equal(findings_find(r, RULE_BITMAP_TAIL)->places[1].start, PAGE * 8 - 1);
	free(r);
	free(f.bytes);
	/* A bit less: all descriptors behind it move by one page. */
	f = fake(ORDER_LITTLE);
	flip_bit(&f, f.bitmap_2, 25);
	check_found(state, &f, RULE_DESC_COUNT);
	/* One more: the last descriptor is page data. */
	f = fake(ORDER_LITTLE);
	flip_bit(&f, f.bitmap_2, 27);
	check_found(state, &f, RULE_DESC_IN_HEADERS);
}

static void test_truncated(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	struct verify_report *r;
	size_t room = 100;

	f.len = f.descs + room * 24 + 7;
	r = verify_fake(state, &f);
	assert_int_equal(findings_find(r, RULE_DESC_TABLE_CUT)->count, f.nr_descs - room);
	assert_int_equal(findings_find(r, RULE_DESC_OUTSIDE)->count, room);
	assert_int_equal(r->pages_good, 0);
	free(r);
	for (f.len = f.descs - 1; f.len > 8; f.len = f.len * 3 / 4) {
		r = verify_fake(state, &f);
		assert_int_equal(verify_exit_code(r), EXIT_CODE_NEGATIVE);
		assert_false(r->pages_read);
		free(r);
	}
	free(f.bytes);
}

static void test_notes(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	uint64_t notes = SUB + 104, note = 12 + 8 + 336;

	fake_put(&f, notes + 2 * note + 12, "VMCOREINFX", 10);
	check_one(state, &f, RULE_VMCOREINFO_NO_NOTE);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 40, 0);
	check_one(state, &f, RULE_VMCOREINFO_NO_POINTER);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 32, UINT64_MAX - 3);
	check_one(state, &f, RULE_VMCOREINFO_OUTSIDE);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 40, strlen(vmcoreinfo) - 1);
	check_one(state, &f, RULE_VMCOREINFO_DIFFERS);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 56, 0);
	check_broken(state, &f, RULE_NOTES_MISSING, RULE_VMCOREINFO_NO_NOTE);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 48, UINT64_MAX);
	check_broken(state, &f, RULE_NOTES_OUTSIDE, RULE_VMCOREINFO_NO_NOTE);
	f = fake(ORDER_LITTLE);
	fake_put_u32(&f, notes + 2 * note + 4, 1u << 20);
	check_broken(state, &f, RULE_NOTES_TORN, RULE_VMCOREINFO_NO_NOTE);
	f = fake(ORDER_LITTLE);
	fake_put_u32(&f, notes + 4, 334);
	check_one(state, &f, RULE_PRSTATUS_SIZE);
	f = fake(ORDER_LITTLE);
	fake_put_u32(&f, notes + 8, 99);
	fake_put_u32(&f, notes + note + 8, 99);
	check_one(state, &f, RULE_PRSTATUS_MISSING);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 48, f.bitmap_1 - 10);
	fake_put_u64(&f, SUB + 56, 100);
	check_found(state, &f, RULE_NOTES_PLACE);
	f = fake(ORDER_LITTLE);
	fake_put_u64(&f, SUB + 64, f.len);
	fake_put_u64(&f, SUB + 72, 1);
	check_one(state, &f, RULE_ERASEINFO_OUTSIDE);
}

static void test_kernel_facts(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);

	fake_put(&f, 12 + 2 * 65, "5", 1);
	check_one(state, &f, RULE_RELEASE_DIFFERS);
}

static void test_split(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	struct verify_report *r;

	free(f.bytes);
	f.split = true;
	f.start_pfn = 128;
	f.end_pfn = 512;
	fake_kdump_build(&f);
	r = verify_fake(state, &f);
	assert_non_null(findings_find(r, RULE_SPLIT_PART));
	assert_null(findings_find(r, RULE_SPLIT_ALIGN));
	assert_int_equal(r->pages_good, f.nr_descs);
	free(r);
	free(f.bytes);
	fake_kdump_build(&f);
	fake_put_u32(&f, SUB + 12, 2);
	check_found(state, &f, RULE_SPLIT_VALUE);
	f.start_pfn = 130;
	fake_kdump_build(&f);
	r = verify_fake(state, &f);
	assert_non_null(findings_find(r, RULE_SPLIT_ALIGN));
	free(r);
	fake_put_u64(&f, SUB + 88, 901);
	r = verify_fake(state, &f);
	assert_non_null(findings_find(r, RULE_SPLIT_RANGE));
	assert_int_equal(verify_exit_code(r), EXIT_CODE_NEGATIVE);
	free(r);
	free(f.bytes);
}

/* Flattened: records one behind the other in a growing buffer. */

struct stream {
	uint8_t *bytes;
	size_t len;
};

static void stream_add(struct stream *s, const void *data, size_t len)
{
	s->bytes = realloc(s->bytes, s->len + len);
	memcpy(s->bytes + s->len, data, len);
	s->len += len;
}

static void stream_begin(struct stream *s)
{
	uint8_t head[FLAT_HEADER] = "makedumpfile";

	*s = (struct stream){ 0 };
	head[23] = head[31] = 1;
	stream_add(s, head, sizeof(head));
}

static void stream_record(struct stream *s, uint64_t off, const void *data, size_t len)
{
	uint8_t head[16];

	put_u64(head, ORDER_BIG, off);
	put_u64(head + 8, ORDER_BIG, len);
	stream_add(s, head, sizeof(head));
	stream_add(s, data, len);
}

static void stream_end(struct stream *s)
{
	uint8_t end[16];

	memset(end, 0xff, sizeof(end));
	stream_add(s, end, sizeof(end));
}

static void stream_whole(struct stream *s, const struct fake_kdump *f, size_t piece)
{
	stream_begin(s);
	for (size_t at = 0; at < f->len; at += piece)
		stream_record(s, at, f->bytes + at, min_u64(piece, f->len - at));
}

static struct verify_report *verify_stream(void **state, struct stream *s)
{
	struct verify_report *r = verify_bytes(*state, s->bytes, s->len);

	free(s->bytes);
	return r;
}

static void test_flattened(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	struct verify_report *r;
	struct stream s;

	stream_whole(&s, &f, 777);
	stream_end(&s);
	r = verify_stream(state, &s);
	assert_true(r->is_flattened);
	assert_int_equal(r->nr[VERIFY_ERROR] + r->nr[VERIFY_WARNING], 0);
	assert_int_equal(r->pages_good, f.nr_descs);
	assert_non_null(findings_find(r, RULE_FLAT_ORDER));
	free(r);

	stream_whole(&s, &f, 5000);
	r = verify_stream(state, &s);
	assert_non_null(findings_find(r, RULE_FLAT_NO_END));
	assert_int_equal(r->nr[VERIFY_ERROR], 1);
	free(r);

	stream_whole(&s, &f, 5000);
	stream_end(&s);
	stream_add(&s, "rest", 4);
	r = verify_stream(state, &s);
	assert_int_equal(r->nr[VERIFY_ERROR] + r->nr[VERIFY_WARNING], 0);
	assert_non_null(findings_find(r, RULE_FLAT_TRAILING));
	free(r);
	free(f.bytes);
}

static void test_flattened_overlaps(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	uint8_t other[104];
	struct verify_report *r;
	struct stream s;

	stream_whole(&s, &f, 5000);
	stream_record(&s, SUB, f.bytes + SUB, sizeof(other));
	stream_end(&s);
	r = verify_stream(state, &s);
	assert_non_null(findings_find(r, RULE_FLAT_OVERLAP_SAME));
	assert_null(findings_find(r, RULE_FLAT_OVERLAP));
	free(r);

	memcpy(other, f.bytes + SUB, sizeof(other));
	other[8] ^= 1; /* dump_level */
	stream_whole(&s, &f, 5000);
	stream_record(&s, SUB, other, sizeof(other));
	stream_end(&s);
	r = verify_stream(state, &s);
	assert_non_null(findings_find(r, RULE_FLAT_OVERLAP));
	assert_int_equal(findings_find(r, RULE_FLAT_OVERLAP)->places[0].start, 0); /* the record that lost bytes */
	assert_null(findings_find(r, RULE_FLAT_OVERLAP_SAME));
	free(r);
	free(f.bytes);
}

/* A gap of the stream is zeros, and a descriptor of zeros is a hole: counted without looking at each. */
static void test_flattened_gap_of_descriptors(void **state)
{
	struct fake_kdump f = fake(ORDER_LITTLE);
	size_t hole = 50;
	struct verify_report *r;
	struct stream s;

	stream_begin(&s);
	stream_record(&s, 0, f.bytes, f.descs + 10 * 24);
	stream_record(&s, f.descs + (10 + hole) * 24, f.bytes + f.descs + (10 + hole) * 24,
		      f.len - f.descs - (10 + hole) * 24);
	stream_end(&s);
	r = verify_stream(state, &s);
	assert_int_equal(findings_find(r, RULE_DESC_HOLE_FLAT)->count, hole);
	assert_null(findings_find(r, RULE_DESC_HOLE));
	assert_int_equal(r->pages_good, r->pages - hole);
	free(r);
	free(f.bytes);
}

static void test_no_dump(void **state)
{
	const struct temp_dir *t = *state;
	struct verify_report *r = new_report();
	struct verify_config config = { .path = t->path };
	struct err err = { 0 };

	assert_int_equal(verify_run(&config, r, &err), ST_BAD_INPUT);
	free(r);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, temp_dir_setup, temp_dir_teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_finding_a_rule),
		cmocka_unit_test(test_places_are_bounded),
		cmocka_unit_test(test_readers_add_up),
		cmocka_unit_test(test_text_is_printable),
		cmocka_unit_test(test_rules_are_complete),
		TEST(test_good),
		TEST(test_fields),
		TEST(test_max_mapnr_64),
		TEST(test_utsname),
		TEST(test_tv_usec),
		TEST(test_descriptors),
		TEST(test_place_of_a_page),
		TEST(test_bitmaps),
		TEST(test_truncated),
		TEST(test_notes),
		TEST(test_kernel_facts),
		TEST(test_split),
		TEST(test_flattened),
		TEST(test_flattened_overlaps),
		TEST(test_flattened_gap_of_descriptors),
		TEST(test_no_dump),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
