// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "common/units.h"
#include "formats/codec/codec.h"
#include "formats/codec/noise.h"

#define PAGE 4096u
#define PAGE_64K 65536u

/*
 * Counting allocations, those inside of shared libraries too: this program's malloc() comes before libc's. The address
 * sanitizer has its own, and hooks.
 */
static unsigned nr_allocations;

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

static void count_malloc(const volatile void *p, size_t len)
{
	nr_allocations++;
}

static void ignore_free(const volatile void *p)
{
}
#else
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t nr, size_t len);
void *__libc_realloc(void *p, size_t len);

void *malloc(size_t len)
{
	nr_allocations++;
	return __libc_malloc(len);
}

void *calloc(size_t nr, size_t len)
{
	nr_allocations++;
	return __libc_calloc(nr, len);
}

void *realloc(void *p, size_t len)
{
	nr_allocations++;
	return __libc_realloc(p, len);
}
#endif

static int count_allocations(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_install_malloc_and_free_hooks(count_malloc, ignore_free) ? 0 : 1;
#else
	return 0;
#endif
}

static const char *const compressing[] = { "zlib", "lzo", "snappy", "zstd" };

/* The same numbers everywhere and always. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

enum page_kind { KIND_ZERO, KIND_TEXT, KIND_POINTERS, KIND_MIXED, KIND_RANDOM, NR_KINDS };

static void fill_page(uint8_t *page, size_t len, enum page_kind kind, uint32_t seed)
{
	static const char words[] = "the quick brown fox jumps over the lazy kernel page while a crash dump is taken ";

	seed = seed * 2654435761u + 12345;
	memset(page, 0, len);
	for (size_t i = 0; i < len && kind != KIND_ZERO; i++) {
		if (kind == KIND_TEXT)
			page[i] = (uint8_t)words[(i + i / 97 * 5 + seed % 64) % (sizeof(words) - 1)];
		else if (kind == KIND_POINTERS)
			page[i] = i % 16 < 3 ? (uint8_t)next_random(&seed) : 0xff;
		else if (kind == KIND_RANDOM || i % 512 < 200)
			page[i] = (uint8_t)next_random(&seed);
	}
}

static const struct codec *get(const char *name, size_t page_size, void **ctx)
{
	const struct codec *codec = codec_by_name(name);
	struct err err = { 0 };

	assert_non_null(codec);
	*ctx = NULL;
	if (codec->open(page_size, ctx, &err) != ST_OK)
		fail_msg("%s", err.text);
	return codec;
}

/** A copy in a block of exactly its length, so that the sanitizer sees a read beyond it. */
static uint8_t *tight_copy(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return copy;
}

static void test_tables(void **state)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} expected[] = { { "none", 0 }, { "zlib", 1 }, { "lzo", 2 }, { "snappy", 4 }, { "zstd", 0x20 } };

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct codec *codec = codec_by_name(expected[i].name);

		assert_non_null(codec);
		assert_int_equal(codec->flag, expected[i].flag);
		assert_ptr_equal(codec_by_flag(expected[i].flag), expected[i].flag ? codec : NULL);
	}
	assert_null(codec_by_name("gzip"));
	assert_null(codec_by_name(""));
	assert_null(codec_by_flag(8));
	assert_null(codec_by_flag(3));
	assert_null(codec_by_flag(0x40));
	assert_null(codec_by_flag(UINT32_MAX));
}

static void check_round_trip(const char *name, size_t page_size)
{
	void *ctx;
	const struct codec *codec = get(name, page_size, &ctx);
	uint8_t *page = malloc(page_size), *packed = malloc(page_size), *back = malloc(page_size);

	for (int kind = KIND_ZERO; kind < NR_KINDS; kind++) {
		for (uint32_t seed = 1; seed < 20; seed++) {
			size_t len;

			fill_page(page, page_size, (enum page_kind)kind, seed);
			len = codec->compress(ctx, page, page_size, packed, page_size - 1);
			assert_true(len < page_size);
			if (kind == KIND_RANDOM) {
				assert_int_equal(len, 0);
				continue;
			}
			assert_true(len > 0);
			memset(back, 0xa5, page_size);
			assert_int_equal(codec->decompress(ctx, packed, len, back, page_size, NULL), ST_OK);
			assert_memory_equal(back, page, page_size);
		}
	}
	codec->close(ctx);
	free(page);
	free(packed);
	free(back);
}

static void test_round_trip(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		check_round_trip(compressing[i], PAGE);
		check_round_trip(compressing[i], PAGE_64K);
	}
}

static void test_none(void **state)
{
	uint8_t page[64] = { 1, 2, 3 }, back[64];
	void *ctx;
	const struct codec *codec = get("none", sizeof(page), &ctx);

	assert_int_equal(codec->compress(ctx, page, sizeof(page), back, sizeof(back)), 0);
	assert_int_equal(codec->decompress(ctx, page, sizeof(page), back, sizeof(back), NULL), ST_OK);
	assert_memory_equal(page, back, sizeof(page));
	assert_int_equal(codec->decompress(ctx, page, 63, back, sizeof(back), NULL), ST_BAD_INPUT);
	codec->close(ctx);
}

/* Never a byte beyond out_cap, whatever it is; and either the whole result or nothing. */
static void test_out_cap(void **state)
{
	uint8_t page[PAGE];

	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		void *ctx;
		const struct codec *codec = get(compressing[i], PAGE, &ctx);

		for (int kind = KIND_ZERO; kind < NR_KINDS; kind++) {
			fill_page(page, PAGE, (enum page_kind)kind, 7);
			for (size_t cap = 0; cap < PAGE; cap += cap < 64 ? 1 : 61) {
				uint8_t *out = malloc(cap ? cap : 1);
				size_t len = codec->compress(ctx, page, PAGE, out, cap);
				uint8_t back[PAGE];

				assert_true(len <= cap);
				if (len) {
					assert_int_equal(codec->decompress(ctx, out, len, back, PAGE, NULL), ST_OK);
					assert_memory_equal(back, page, PAGE);
				}
				free(out);
			}
		}
		codec->close(ctx);
	}
}

/* Which pages a context has seen must not show: every number of threads gives the same file. */
static void test_history_does_not_show(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		void *used;
		const struct codec *codec = get(compressing[i], PAGE, &used);

		for (uint32_t seed = 1; seed < 300; seed++) {
			uint8_t page[PAGE], a[PAGE], b[PAGE];
			size_t len_a, len_b;
			void *fresh;

			fill_page(page, PAGE, (enum page_kind)(seed % NR_KINDS), seed);
			get(compressing[i], PAGE, &fresh);
			len_a = codec->compress(used, page, PAGE, a, PAGE - 1);
			len_b = codec->compress(fresh, page, PAGE, b, PAGE - 1);
			assert_int_equal(len_a, len_b);
			assert_memory_equal(a, b, len_a);
			codec->close(fresh);
		}
		codec->close(used);
	}
}

static void test_wrong_length(void **state)
{
	uint8_t page[PAGE], packed[PAGE];

	fill_page(page, PAGE, KIND_TEXT, 3);
	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		static const size_t wrong[] = { 0, 1, PAGE - 1, PAGE + 1, 2 * PAGE, PAGE_64K };
		void *ctx;
		const struct codec *codec = get(compressing[i], PAGE, &ctx);
		size_t len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);

		for (size_t j = 0; j < ARRAY_SIZE(wrong); j++) {
			uint8_t *out = malloc(wrong[j] ? wrong[j] : 1);
			struct err err = { 0 };

			assert_int_equal(codec->decompress(ctx, packed, len, out, wrong[j], &err), ST_BAD_INPUT);
			assert_int_not_equal(err.text[0], 0);
			free(out);
		}
		codec->close(ctx);
	}
}

/* Whatever comes in, the outcome is a page or ST_BAD_INPUT, within the buffers; and the context still works. */
static void test_hostile(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		void *ctx;
		const struct codec *codec = get(compressing[i], PAGE, &ctx);
		uint8_t page[PAGE], packed[PAGE];
		uint32_t seed = 99;
		size_t len;

		fill_page(page, PAGE, KIND_MIXED, 5);
		len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);
		assert_true(len > 100);
		for (size_t round = 0; round < 6000; round++) {
			size_t cut = round < len ? round : len;
			uint8_t *in = tight_copy(packed, cut), *out = malloc(PAGE);
			enum status st;

			for (size_t flips = round < len ? 0 : 1 + round % 4; flips; flips--)
				in[next_random(&seed) % cut] ^= (uint8_t)(1u << next_random(&seed) % 8);
			if (round % 7 == 6)
				for (size_t j = 0; j < cut; j++)
					in[j] = (uint8_t)next_random(&seed);
			st = codec->decompress(ctx, in, cut, out, PAGE, NULL);
			assert_true(st == ST_BAD_INPUT || (st == ST_OK && round >= len));
			free(in);
			free(out);
		}
		assert_int_equal(codec->decompress(ctx, packed, len, packed, 0, NULL), ST_BAD_INPUT);
		{
			uint8_t back[PAGE];

			assert_int_equal(codec->decompress(ctx, packed, len, back, PAGE, NULL), ST_OK);
			assert_memory_equal(back, page, PAGE);
		}
		codec->close(ctx);
	}
}

static void test_no_allocation(void **state)
{
	uint8_t pages[NR_KINDS][PAGE], packed[NR_KINDS][PAGE], back[PAGE], broken[PAGE];

	for (int kind = KIND_ZERO; kind < NR_KINDS; kind++)
		fill_page(pages[kind], PAGE, (enum page_kind)kind, 11);
	for (size_t i = 0; i < ARRAY_SIZE(compressing); i++) {
		void *ctx;
		const struct codec *codec;
		size_t len[NR_KINDS];
		unsigned before = nr_allocations;
		enum status st = ST_OK;

		codec = get(compressing[i], PAGE, &ctx);
		assert_true(nr_allocations > before); /* the counter counts */
		before = nr_allocations;
		for (int kind = KIND_ZERO; kind < NR_KINDS; kind++) {
			len[kind] = codec->compress(ctx, pages[kind], PAGE, packed[kind], PAGE - 1);
			codec->compress(ctx, pages[kind], PAGE, broken, 20);
			codec->compress(ctx, pages[kind], 100, broken, PAGE - 1);
		}
		for (int kind = KIND_ZERO; kind < NR_KINDS; kind++) {
			if (!len[kind])
				continue;
			if (codec->decompress(ctx, packed[kind], len[kind], back, PAGE, NULL) != ST_OK)
				st = ST_INTERNAL;
			/* Trouble half way through: a second opinion is asked for, and must not allocate either. */
			memcpy(broken, packed[kind], len[kind]);
			broken[len[kind] / 2] ^= 0xff;
			if (codec->decompress(ctx, broken, len[kind], back, PAGE, NULL) == ST_INTERNAL ||
			    codec->decompress(ctx, packed[kind], len[kind], back, PAGE / 2, NULL) == ST_OK)
				st = ST_INTERNAL;
		}
		assert_int_equal(nr_allocations, before);
		assert_int_equal(st, ST_OK);
		codec->close(ctx);
	}
}

/* The libraries' own functions read what was written, and we read what they write at other settings. */
static void test_foreign_zlib(void **state)
{
	uint8_t page[PAGE], packed[2 * PAGE], back[PAGE];
	uLongf back_len = PAGE;
	void *ctx;
	const struct codec *codec = get("zlib", PAGE, &ctx);
	size_t len;

	fill_page(page, PAGE, KIND_MIXED, 21);
	len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);
	assert_int_equal(uncompress(back, &back_len, packed, len), Z_OK);
	assert_int_equal(back_len, PAGE);
	assert_memory_equal(back, page, PAGE);
	for (int level = 0; level <= 9; level++) {
		uLongf packed_len = sizeof(packed);

		assert_int_equal(compress2(packed, &packed_len, page, PAGE, level), Z_OK);
		memset(back, 0, PAGE);
		assert_int_equal(codec->decompress(ctx, packed, packed_len, back, PAGE, NULL), ST_OK);
		assert_memory_equal(back, page, PAGE);
	}
	codec->close(ctx);
}

static void test_foreign_lzo_snappy(void **state)
{
	uint8_t page[PAGE], packed[PAGE], back[PAGE];
	lzo_uint lzo_len = PAGE;
	size_t snappy_len = PAGE, len;
	void *ctx;
	const struct codec *codec = get("lzo", PAGE, &ctx);

	fill_page(page, PAGE, KIND_MIXED, 22);
	len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);
	assert_int_equal(lzo1x_decompress_safe(packed, len, back, &lzo_len, NULL), LZO_E_OK);
	assert_memory_equal(back, page, PAGE);
	codec->close(ctx);

	codec = get("snappy", PAGE, &ctx);
	len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);
	assert_int_equal(snappy_validate_compressed_buffer((char *)packed, len), SNAPPY_OK);
	assert_int_equal(snappy_uncompress((char *)packed, len, (char *)back, &snappy_len), SNAPPY_OK);
	assert_int_equal(snappy_len, PAGE);
	assert_memory_equal(back, page, PAGE);
	codec->close(ctx);
}

static void test_foreign_zstd(void **state)
{
	uint8_t page[PAGE], packed[2 * PAGE], back[PAGE];
	ZSTD_frameHeader header;
	void *ctx;
	const struct codec *codec = get("zstd", PAGE, &ctx);
	size_t len;

	fill_page(page, PAGE, KIND_MIXED, 23);
	len = codec->compress(ctx, page, PAGE, packed, PAGE - 1);
	assert_int_equal(ZSTD_getFrameHeader(&header, packed, len), 0);
	assert_int_equal(header.frameContentSize, PAGE);
	assert_int_equal(header.checksumFlag, 0);
	assert_int_equal(ZSTD_findFrameCompressedSize(packed, len), len);
	assert_int_equal(ZSTD_decompress(back, PAGE, packed, len), PAGE);
	assert_memory_equal(back, page, PAGE);
	for (int level = -5; level <= 19; level += 4) {
		len = ZSTD_compress(packed, sizeof(packed), page, PAGE, level);
		assert_int_equal(codec->decompress(ctx, packed, len, back, PAGE, NULL), ST_OK);
		assert_memory_equal(back, page, PAGE);
	}
	codec->close(ctx);
}

static void noise_is_told_from_what_shrinks(void **state)
{
	static uint8_t page[65536];
	uint64_t x = 88172645463325252u;

	for (size_t size = 4096; size <= sizeof(page); size *= 16) {
		for (size_t i = 0; i < size; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			page[i] = (uint8_t)(x >> 32);
		}
		assert_true(page_is_noise(page, size));
		memcpy(page + size / 2, page, size / 2); /* shrinks to a half */
		assert_false(page_is_noise(page, size));
		for (size_t i = 0; i < size; i++)
			page[i] = (uint8_t)(page[i] & 0x7f);
		assert_false(page_is_noise(page, size));
		memset(page, 0, size);
		assert_false(page_is_noise(page, size));
	}
	assert_false(page_is_noise(page, 8));
	assert_false(page_is_noise(page, 0));
}

static void levels_are_parsed(void **state)
{
	static const char *const wrong[] = { "",	"zst",	  "zstd:",   "zstd:0",	"zstd:20", "zstd:-21", "zstd:1x",
					     "zstd:99999999999999999999", "lzo:1", "none:1", ":1",	"zstd :1" };
	int level;

	assert_ptr_equal(codec_parse("zstd:-7", &level), codec_by_name("zstd"));
	assert_int_equal(level, -7);
	assert_ptr_equal(codec_parse("zstd:19", &level), codec_by_name("zstd"));
	assert_int_equal(level, 19);
	assert_ptr_equal(codec_parse("lzo", &level), codec_by_name("lzo"));
	assert_int_equal(level, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (codec_parse(wrong[i], &level))
			fail_msg("\"%s\" passed", wrong[i]);
}

/* @nr_pointers words of the page, far apart; bytes of so few values that a Huffman tree makes them shorter. The rest is zero. */
static void fill_with_pointers(uint8_t page[PAGE], size_t nr_pointers)
{
	uint64_t x = 88172645463325252u;

	memset(page, 0, PAGE);
	for (size_t i = 0; i < nr_pointers; i++) {
		uint64_t pointer;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pointer = 0xffff888000000000u | (x & 0x0f0f0fc0);
		memcpy(page + i * PAGE / nr_pointers / 8 * 8, &pointer, sizeof(pointer));
	}
}

static size_t zstd_length(const char *text, const uint8_t page[PAGE])
{
	int level;
	const struct codec *c = codec_parse(text, &level);
	uint8_t packed[PAGE], back[PAGE];
	void *ctx = NULL;
	size_t len;

	assert_int_equal(level ? c->open_level(PAGE, level, &ctx, NULL) : c->open(PAGE, &ctx, NULL), ST_OK);
	/* What the page before asked for must not stay. */
	for (size_t nr_pointers = 16; nr_pointers <= 496; nr_pointers += 480) {
		uint8_t other[PAGE];

		fill_with_pointers(other, nr_pointers);
		assert_int_not_equal(c->compress(ctx, other, PAGE, packed, PAGE), 0);
		len = c->compress(ctx, page, PAGE, packed, PAGE);
		assert_int_not_equal(len, 0);
		assert_int_equal(c->decompress(ctx, packed, len, back, PAGE, NULL), ST_OK);
		assert_memory_equal(back, page, PAGE);
	}
	c->close(ctx);
	return len;
}

static void zstd_goes_by_the_page_where_no_level_is_named(void **state)
{
	uint8_t page[PAGE];

	fill_with_pointers(page, 128);
	assert_int_equal(zstd_length("zstd", page), zstd_length("zstd:-1", page));
	assert_int_not_equal(zstd_length("zstd", page), zstd_length("zstd:1", page));
	fill_with_pointers(page, 500);
	assert_int_equal(zstd_length("zstd", page), zstd_length("zstd:1", page));
	assert_int_not_equal(zstd_length("zstd", page), zstd_length("zstd:-1", page));
}

/* At every level: memory that open() took is enough, and the page comes back. */
static void every_level_of_zstd_works(void **state)
{
	const struct codec *c = codec_by_name("zstd");

	for (size_t size = 4096; size <= 65536; size *= 16) {
		uint8_t *page = calloc(1, size), *packed = malloc(size), *back = malloc(size);

		for (size_t i = 0; i < size; i++)
			page[i] = (uint8_t)(i % 61 * (i / 256));
		for (int level = c->level_min; level <= c->level_max; level++) {
			void *ctx;
			size_t len;

			if (!level)
				continue;
			assert_int_equal(c->open_level(size, level, &ctx, NULL), ST_OK);
			len = c->compress(ctx, page, size, packed, size - 1);
			assert_true(len > 0 && len < size);
			assert_int_equal(c->decompress(ctx, packed, len, back, size, NULL), ST_OK);
			assert_memory_equal(page, back, size);
			c->close(ctx);
		}
		free(page);
		free(packed);
		free(back);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_out_cap),
		cmocka_unit_test(test_history_does_not_show),
		cmocka_unit_test(test_wrong_length),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_no_allocation),
		cmocka_unit_test(test_foreign_zlib),
		cmocka_unit_test(test_foreign_lzo_snappy),
		cmocka_unit_test(test_foreign_zstd),
		cmocka_unit_test(noise_is_told_from_what_shrinks),
		cmocka_unit_test(levels_are_parsed),
		cmocka_unit_test(zstd_goes_by_the_page_where_no_level_is_named),
		cmocka_unit_test(every_level_of_zstd_works),
	};

	return cmocka_run_group_tests_name("codec", tests, count_allocations, NULL);
}
