// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/units.h"
#include "formats/kdump/kdump_layout.h"

/*
 * What a compiler of each target makes of the structures in makedumpfile's diskdump_mod.h, as compilers of this machine
 * can be told to: the offsets under test are judged by the ABI and not by a second copy of them.
 */
#define MAIN_HEADER(ulong_t)                                                                             \
	char signature[8];                                                                               \
	int32_t header_version;                                                                          \
	char utsname[6][65];                                                                             \
	struct {                                                                                         \
		ulong_t tv_sec, tv_usec;                                                                 \
	} timestamp;                                                                                     \
	uint32_t status;                                                                                 \
	int32_t block_size, sub_hdr_size;                                                                \
	uint32_t bitmap_blocks, max_mapnr, total_ram_blocks, device_blocks, written_blocks, current_cpu; \
	int32_t nr_cpus

#define SUB_HEADER(ulong_t, off_type) \
	ulong_t phys_base;            \
	int32_t dump_level, split;    \
	ulong_t start_pfn, end_pfn;   \
	off_type offset_vmcoreinfo;   \
	ulong_t size_vmcoreinfo;      \
	off_type offset_note;         \
	ulong_t size_note;            \
	off_type offset_eraseinfo;    \
	ulong_t size_eraseinfo;       \
	off_type start_pfn_64, end_pfn_64, max_mapnr_64

typedef uint64_t u64_packed __attribute__((aligned(4)));
typedef uint64_t u64_aligned __attribute__((aligned(8)));

struct main_64 {
	MAIN_HEADER(uint64_t);
};
struct main_32 {
	MAIN_HEADER(uint32_t);
};
struct sub_64 {
	SUB_HEADER(uint64_t, u64_aligned);
};
struct sub_i386 {
	SUB_HEADER(uint32_t, u64_packed);
};
struct sub_arm {
	SUB_HEADER(uint32_t, u64_aligned);
};

_Static_assert(sizeof(struct main_64) == 464 && sizeof(struct main_32) == 452, "main header");
_Static_assert(sizeof(struct sub_64) == 104 && sizeof(struct sub_i386) == 80 && sizeof(struct sub_arm) == 96,
	       "sub header");

static void put(uint8_t *at, size_t size, enum byte_order order, uint64_t v)
{
	if (size == 4)
		put_u32(at, order, (uint32_t)v);
	else
		put_u64(at, order, v);
}

#define PUT(buf, type, field, order, v) \
	put((buf) + offsetof(type, field), sizeof(((type *)0)->field), order, (uint64_t)(v))

#define FILL_MAIN(buf, type, order, ver)                             \
	do {                                                         \
		memset(buf, 0, 464);                                 \
		memcpy(buf, "KDUMP   ", 8);                          \
		PUT(buf, type, header_version, order, ver);          \
		PUT(buf, type, timestamp.tv_sec, order, 0x11223344); \
		PUT(buf, type, status, order, 9);                    \
		PUT(buf, type, block_size, order, 4096);             \
		PUT(buf, type, sub_hdr_size, order, 3);              \
		PUT(buf, type, bitmap_blocks, order, 14);            \
		PUT(buf, type, max_mapnr, order, 200704);            \
		PUT(buf, type, nr_cpus, order, 5);                   \
	} while (0)

#define FILL_SUB(buf, type, order)                                          \
	do {                                                                \
		memset(buf, 0, 104);                                        \
		PUT(buf, type, phys_base, order, 0x81000000);               \
		PUT(buf, type, dump_level, order, 31);                      \
		PUT(buf, type, split, order, 1);                            \
		PUT(buf, type, start_pfn, order, 101);                      \
		PUT(buf, type, end_pfn, order, 102);                        \
		PUT(buf, type, offset_vmcoreinfo, order, 103);              \
		PUT(buf, type, size_vmcoreinfo, order, 104);                \
		PUT(buf, type, offset_note, order, 105);                    \
		PUT(buf, type, size_note, order, 106);                      \
		PUT(buf, type, offset_eraseinfo, order, 107);               \
		PUT(buf, type, size_eraseinfo, order, 108);                 \
		PUT(buf, type, start_pfn_64, order, 109);                   \
		PUT(buf, type, end_pfn_64, order, 110);                     \
		PUT(buf, type, max_mapnr_64, order, UINT64_C(0x123456789)); \
	} while (0)

enum target { X86_64, I386, ARM };

static void fill(uint8_t *main_blk, uint8_t *sub, enum target target, enum byte_order order, int version,
		 const char *machine)
{
	if (target == X86_64)
		FILL_MAIN(main_blk, struct main_64, order, version);
	else
		FILL_MAIN(main_blk, struct main_32, order, version);
	memcpy(main_blk + 12 + 2 * 65, "6.1.0", 5);
	memcpy(main_blk + 12 + 4 * 65, machine, strlen(machine));
	if (target == X86_64)
		FILL_SUB(sub, struct sub_64, order);
	else if (target == I386)
		FILL_SUB(sub, struct sub_i386, order);
	else
		FILL_SUB(sub, struct sub_arm, order);
}

static void decode(const uint8_t *main_blk, const uint8_t *sub, struct kdump_header *h)
{
	struct err err = { 0 };

	if (kdump_main_header_decode(main_blk, 464, h, &err) != ST_OK ||
	    kdump_sub_header_decode(sub, 104, h, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static void check_target(enum target target, enum byte_order order, int version, const char *machine)
{
	uint8_t main_blk[464], sub[104];
	struct kdump_header h;

	fill(main_blk, sub, target, order, version, machine);
	decode(main_blk, sub, &h);
	assert_int_equal(h.is_64bit, target == X86_64);
	assert_int_equal(h.order, order);
	assert_int_equal(h.version, version);
	assert_string_equal(h.uts.release, "6.1.0");
	assert_string_equal(h.uts.machine, machine);
	assert_int_equal(h.tv_sec, 0x11223344);
	assert_int_equal(h.status, 9);
	assert_int_equal(h.block_size, 4096);
	assert_int_equal(h.sub_hdr_blocks, 3);
	assert_int_equal(h.bitmap_blocks, 14);
	assert_int_equal(h.nr_cpus, 5);
	assert_int_equal(h.max_mapnr, version >= 6 ? UINT64_C(0x123456789) : 200704);
	assert_int_equal(h.phys_base, 0x81000000);
	assert_int_equal(h.dump_level, version >= 1 ? 31 : 0);
	assert_int_equal(h.split, version >= 2);
	assert_int_equal(h.start_pfn, version >= 6 ? 109 : version >= 2 ? 101 : 0);
	assert_int_equal(h.end_pfn, version >= 6 ? 110 : version >= 2 ? 102 : 0);
	assert_int_equal(h.vmcoreinfo_off, version >= 3 ? 103 : 0);
	assert_int_equal(h.vmcoreinfo_len, version >= 3 ? 104 : 0);
	assert_int_equal(h.notes_off, version >= 4 ? 105 : 0);
	assert_int_equal(h.notes_len, version >= 4 ? 106 : 0);
	assert_int_equal(h.eraseinfo_off, version >= 5 ? 107 : 0);
	assert_int_equal(h.eraseinfo_len, version >= 5 ? 108 : 0);
}

static void test_all_layouts_and_versions(void **state)
{
	for (int version = 0; version <= 6; version++) {
		check_target(X86_64, ORDER_LITTLE, version, "x86_64");
		check_target(X86_64, ORDER_LITTLE, version, "");
		check_target(X86_64, ORDER_BIG, version, "s390x");
		check_target(X86_64, ORDER_BIG, version, "ppc64");
		check_target(I386, ORDER_LITTLE, version, "i686");
		check_target(I386, ORDER_LITTLE, version, "i386");
		check_target(I386, ORDER_LITTLE, version, "");
		check_target(ARM, ORDER_LITTLE, version, "armv7l");
		check_target(ARM, ORDER_LITTLE, version, "mips");
		check_target(ARM, ORDER_BIG, version, "mips");
		check_target(ARM, ORDER_BIG, version, "ppc");
	}
	check_target(X86_64, ORDER_LITTLE, 7, "x86_64");
}

/* libkdumpfile takes such files for 32-bit ones. */
static void test_tv_usec_does_not_fool(void **state)
{
	for (unsigned shift = 12; shift <= 18; shift++) {
		for (int order = ORDER_LITTLE; order <= ORDER_BIG; order++) {
			uint8_t main_blk[464], sub[104];
			struct kdump_header h;

			fill(main_blk, sub, X86_64, (enum byte_order)order, 6, "");
			PUT(main_blk, struct main_64, timestamp.tv_usec, (enum byte_order)order, UINT64_C(1) << shift);
			decode(main_blk, sub, &h);
			assert_true(h.is_64bit);
			assert_int_equal(h.order, order);
			assert_int_equal(h.tv_usec, 1 << shift);
			assert_int_equal(h.block_size, 4096);
		}
	}
}

/* The same the other way round: a 32-bit file whose unused fields look like a 64-bit header's. */
static void test_machine_decides_between_two(void **state)
{
	uint8_t main_blk[464], sub[104];
	struct kdump_header h;

	fill(main_blk, sub, I386, ORDER_LITTLE, 6, "i686");
	PUT(main_blk, struct main_32, max_mapnr, ORDER_LITTLE, 4096);
	PUT(main_blk, struct main_32, total_ram_blocks, ORDER_LITTLE, 1);
	PUT(main_blk, struct main_32, device_blocks, ORDER_LITTLE, 2);
	decode(main_blk, sub, &h);
	assert_false(h.is_64bit);
	assert_int_equal(h.bitmap_blocks, 14);

	/* A tv_usec beyond a second, of 64 bits, makes a whole 32-bit header. */
	fill(main_blk, sub, X86_64, ORDER_LITTLE, 6, "x86_64");
	PUT(main_blk, struct main_64, timestamp.tv_usec, ORDER_LITTLE, UINT64_C(0x100001000));
	decode(main_blk, sub, &h);
	assert_true(h.is_64bit);
	assert_int_equal(h.bitmap_blocks, 14);
}

static void refused(const uint8_t *main_blk, size_t len, enum status expected, const char *why)
{
	struct kdump_header h;
	struct err err = { 0 };
	uint8_t *tight = malloc(len ? len : 1);

	memcpy(tight, main_blk, len);
	assert_int_equal(kdump_main_header_decode(tight, len, &h, &err), expected);
	assert_non_null(strstr(err.text, why));
	free(tight);
}

static void test_refused(void **state)
{
	static const uint32_t bad_block_sizes[] = { 0,	   1,	   512,	       2048,	   4097,
						    12288, 524288, 0x7fffffff, 0x80000000, 0xffffffff };
	uint8_t main_blk[464], sub[104];

	fill(main_blk, sub, X86_64, ORDER_LITTLE, 6, "x86_64");
	for (size_t len = 0; len < 8; len++)
		refused(main_blk, len, ST_BAD_INPUT, "signature");
	for (size_t len = 8; len < 464; len += 19)
		refused(main_blk, len, ST_BAD_INPUT, "ends after");
	for (size_t i = 0; i < ARRAY_SIZE(bad_block_sizes); i++) {
		PUT(main_blk, struct main_64, block_size, ORDER_LITTLE, bad_block_sizes[i]);
		refused(main_blk, 464, ST_BAD_INPUT, "no sense");
	}
	PUT(main_blk, struct main_64, block_size, ORDER_LITTLE, 4096);
	PUT(main_blk, struct main_64, sub_hdr_size, ORDER_LITTLE, 0);
	refused(main_blk, 464, ST_BAD_INPUT, "no sense");
	PUT(main_blk, struct main_64, sub_hdr_size, ORDER_LITTLE, -1);
	refused(main_blk, 464, ST_BAD_INPUT, "no sense");
	PUT(main_blk, struct main_64, sub_hdr_size, ORDER_LITTLE, 1);
	PUT(main_blk, struct main_64, bitmap_blocks, ORDER_LITTLE, 0);
	refused(main_blk, 464, ST_BAD_INPUT, "no sense");
	PUT(main_blk, struct main_64, bitmap_blocks, ORDER_LITTLE, 2);
	PUT(main_blk, struct main_64, header_version, ORDER_LITTLE, -1);
	refused(main_blk, 464, ST_BAD_INPUT, "no sense");
	memcpy(main_blk, "DISKDUMP", 8);
	refused(main_blk, 464, ST_UNSUPPORTED, "diskdump");
	refused(main_blk, 8, ST_UNSUPPORTED, "diskdump");
}

/* A sub header has to be as long as its version needs, and no longer. */
static void test_short_sub_header(void **state)
{
	static const struct {
		enum target target;
		const char *machine;
		size_t len[7];
	} need[] = {
		{ X86_64, "x86_64", { 8, 12, 32, 48, 64, 80, 104 } },
		{ I386, "i686", { 4, 8, 20, 32, 44, 56, 80 } },
		{ ARM, "armv7l", { 4, 8, 20, 36, 52, 68, 96 } },
	};

	for (size_t t = 0; t < ARRAY_SIZE(need); t++) {
		for (int version = 0; version <= 6; version++) {
			size_t len = need[t].len[version];
			uint8_t main_blk[464], sub[104], *tight = malloc(len);
			struct kdump_header h;
			struct err err = { 0 };

			fill(main_blk, sub, need[t].target, ORDER_LITTLE, version, need[t].machine);
			memcpy(tight, sub, len);
			assert_int_equal(kdump_main_header_decode(main_blk, 464, &h, &err), ST_OK);
			assert_int_equal(kdump_sub_header_decode(tight, len, &h, &err), ST_OK);
			assert_int_equal(kdump_sub_header_decode(tight, len - 1, &h, &err), ST_BAD_INPUT);
			free(tight);
		}
	}
}

static void test_names_without_end(void **state)
{
	uint8_t main_blk[464], sub[104];
	struct kdump_header h;

	fill(main_blk, sub, X86_64, ORDER_LITTLE, 6, "x86_64");
	memset(main_blk + 12, 'x', 6 * 65);
	memcpy(main_blk + 12 + 4 * 65, "x86_64", 7);
	decode(main_blk, sub, &h);
	assert_int_equal(strlen(h.uts.sysname), 64);
	assert_int_equal(strlen(h.uts.domainname), 64);
	assert_string_equal(h.uts.machine, "x86_64");
}

static void test_encode(void **state)
{
	struct kdump_header h = {
		.is_64bit = true,
		.order = ORDER_LITTLE,
		.uts = { "Linux", "host", "6.1.0-56", "#1 SMP", "x86_64", "(none)" },
		.tv_sec = 1795482885,
		.tv_usec = 4096,
		.status = KDUMP_STATUS_INCOMPLETE | 0x20,
		.block_size = 4096,
		.sub_hdr_blocks = 2,
		.bitmap_blocks = 34,
		.nr_cpus = 8,
		.max_mapnr = UINT64_C(0x123456789),
		.phys_base = (uint64_t)-501219328,
		.dump_level = 31,
		.vmcoreinfo_off = 5000,
		.vmcoreinfo_len = 3285,
		.notes_off = 4200,
		.notes_len = 4024,
		.eraseinfo_off = 77,
		.eraseinfo_len = 78,
		.start_pfn = 64,
		.end_pfn = 128,
		.split = 1,
	};
	uint8_t main_blk[464], sub[104], main_again[464], sub_again[104];
	struct kdump_header back;

	for (int order = ORDER_LITTLE; order <= ORDER_BIG; order++) {
		h.order = (enum byte_order)order;
		memset(main_blk, 0xa5, sizeof(main_blk));
		memset(sub, 0xa5, sizeof(sub));
		kdump_main_header_encode(&h, main_blk);
		kdump_sub_header_encode(&h, sub);
		assert_memory_equal(main_blk, "KDUMP   ", 8);
		assert_string_equal((char *)main_blk + 12 + 2 * 65, "6.1.0-56");
		assert_int_equal(get_u32(main_blk + offsetof(struct main_64, max_mapnr), h.order), UINT32_MAX);
		for (size_t i = 402; i < 408; i++)
			assert_int_equal(main_blk[i], 0);
		decode(main_blk, sub, &back);
		assert_int_equal(back.version, 6);
		assert_int_equal(back.tv_usec, 0);
		kdump_main_header_encode(&back, main_again);
		kdump_sub_header_encode(&back, sub_again);
		assert_memory_equal(main_again, main_blk, sizeof(main_blk));
		assert_memory_equal(sub_again, sub, sizeof(sub));
		assert_int_equal(back.phys_base, h.phys_base);
		assert_int_equal(back.max_mapnr, h.max_mapnr);
		assert_int_equal(back.nr_cpus, 8);
		assert_int_equal(back.notes_len, 4024);
	}
}

static void test_desc(void **state)
{
	static const uint8_t little[24] = { 8, 7, 6, 5, 4, 3, 2, 1, 0, 16, 0, 0, 0x20 };
	struct page_desc d, back;
	uint8_t raw[24];

	page_desc_decode(little, ORDER_LITTLE, &d);
	assert_int_equal(d.offset, UINT64_C(0x0102030405060708));
	assert_int_equal(d.size, 4096);
	assert_int_equal(d.flags, 0x20);
	assert_int_equal(d.page_flags, 0);
	page_desc_encode(&d, ORDER_LITTLE, raw);
	assert_memory_equal(raw, little, 24);
	page_desc_encode(&d, ORDER_BIG, raw);
	page_desc_decode(raw, ORDER_BIG, &back);
	assert_int_equal(raw[0], 1);
	assert_memory_equal(&back, &d, sizeof(d));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_layouts_and_versions),
		cmocka_unit_test(test_tv_usec_does_not_fool),
		cmocka_unit_test(test_machine_decides_between_two),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_short_sub_header),
		cmocka_unit_test(test_names_without_end),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_desc),
	};

	return cmocka_run_group_tests_name("kdump_layout", tests, NULL, NULL);
}
