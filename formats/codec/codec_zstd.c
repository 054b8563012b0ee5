// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec_ops.h"

/* Static contexts never allocate; their estimators live in the library's "static linking" part. */
#define ZSTD_STATIC_LINKING_ONLY
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/units.h"
#include "formats/codec/noise.h"

#define ZSTD_CODEC_LEVEL 1
/*
 * Where nobody named a level, pages of which at least half of the bytes are zero get this one. Matches shrink such a page (page
 * tables, slabs, stacks), and what is left are pointers, for which level 1 builds a Huffman tree that takes longer than all
 * the rest and saves little. Measured on a loaded guest of 4 GiB: at -d 31 a fifth less time for 1.6 % more bytes, at -d 0 a
 * twentieth less for 1 %.
 */
#define ZSTD_CODEC_LEVEL_HALF_ZERO (-1)
/* Beyond these nothing is gained on a page. */
#define ZSTD_CODEC_LEVEL_MIN (-20)
#define ZSTD_CODEC_LEVEL_MAX 19

struct zstd_ctx {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
	void *c_mem, *d_mem;
	int level; /* that c is set to */
	bool by_page; /* the level follows from the page */
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

#define COUNTED_VECTORS 128u /* as many as a lane of 8 bits can count */
#define COUNTED_BYTES (COUNTED_VECTORS * sizeof(bytes16))

static void zstd_close(void *ctx)
{
	struct zstd_ctx *z = ctx;

	if (!z)
		return;
	/* A static context is nothing but its memory. */
	free(z->c_mem);
	free(z->d_mem);
	free(z);
}

/*
 * The parameters depend on the input's length, and not monotonically: take the largest need of any length up to a page.
 */
static size_t cctx_bytes(size_t page_size, int level)
{
	size_t most = 0;

	for (size_t len = page_size; len; len /= 2) {
		size_t need = ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(level, len, 0));

		if (!ZSTD_isError(need) && need > most)
			most = need;
	}
	return most;
}

/* @half_zero_level: of pages that is_half_zero() tells; @level where there is no difference. */
static enum status open_levels(size_t page_size, int level, int half_zero_level, void **ctx, struct err *err)
{
	size_t c_len = (size_t)max_u64(cctx_bytes(page_size, level), cctx_bytes(page_size, half_zero_level));
	size_t d_len = ZSTD_estimateDCtxSize();
	struct zstd_ctx *z = calloc(1, sizeof(*z));

	if (!z)
		return err_set(err, ST_NO_MEMORY, "zstd: no memory");
	z->c_mem = malloc(c_len);
	z->d_mem = malloc(d_len);
	if (z->c_mem && z->d_mem) {
		z->c = ZSTD_initStaticCCtx(z->c_mem, c_len);
		z->d = ZSTD_initStaticDCtx(z->d_mem, d_len);
	}
	if (!z->c || !z->d) {
		zstd_close(z);
		return err_set(err, ST_NO_MEMORY, "zstd: no memory");
	}
	/* One frame with its content size; no checksum: no other KDUMP writer has one, and it is 4 bytes a page. */
	if (ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_contentSizeFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_checksumFlag, 0))) {
		zstd_close(z);
		return err_set(err, ST_INTERNAL, "zstd: the library refuses its parameters");
	}
	z->level = level;
	z->by_page = half_zero_level != level;
	*ctx = z;
	return ST_OK;
}

static enum status zstd_open_level(size_t page_size, int level, void **ctx, struct err *err)
{
	return open_levels(page_size, level, level, ctx, err);
}

static enum status zstd_open(size_t page_size, void **ctx, struct err *err)
{
	return open_levels(page_size, ZSTD_CODEC_LEVEL, ZSTD_CODEC_LEVEL_HALF_ZERO, ctx, err);
}

static bool is_half_zero(const uint8_t *page, size_t len)
{
	size_t nr_zero = 0;

	for (size_t at = 0; at + COUNTED_BYTES <= len; at += COUNTED_BYTES) {
		bytes16 counts = { 0 }, bytes;

		for (size_t i = 0; i < COUNTED_VECTORS; i++) {
			memcpy(&bytes, page + at + i * sizeof(bytes), sizeof(bytes));
			counts -= (bytes16)(bytes == 0); /* true is -1 */
		}
		for (size_t i = 0; i < sizeof(counts); i++)
			nr_zero += counts[i];
	}
	return len && nr_zero >= len / 2;
}

/* Takes effect with the next frame; costs next to nothing. */
static void set_level(struct zstd_ctx *z, int level)
{
	if (z->level != level && !ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel, level)))
		z->level = level;
}

static size_t zstd_compress(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	struct zstd_ctx *z = ctx;
	size_t len;

	if (page_is_noise(in, in_len))
		return 0;
	if (z->by_page)
		set_level(z, is_half_zero(in, in_len) ? ZSTD_CODEC_LEVEL_HALF_ZERO : ZSTD_CODEC_LEVEL);
	len = ZSTD_compress2(z->c, out, out_cap, in, in_len);
	return ZSTD_isError(len) ? 0 : len;
}

static enum status zstd_decompress(void *ctx, const void *in, size_t in_len, void *out, size_t out_len, struct err *err)
{
	struct zstd_ctx *z = ctx;
	size_t len = ZSTD_decompressDCtx(z->d, out, out_len, in, in_len);

	if (ZSTD_isError(len))
		return err_set(err, ST_BAD_INPUT, "not a zstd frame of %zu bytes: %s", out_len, ZSTD_getErrorName(len));
	if (len != out_len)
		return err_set(err, ST_BAD_INPUT, "zstd frame holds %zu bytes where %zu belong", len, out_len);
	return ST_OK;
}

const struct codec codec_zstd = {
	.name = "zstd",
	.flag = CODEC_FLAG_ZSTD,
	.level_min = ZSTD_CODEC_LEVEL_MIN,
	.level_max = ZSTD_CODEC_LEVEL_MAX,
	.open = zstd_open,
	.open_level = zstd_open_level,
	.close = zstd_close,
	.compress = zstd_compress,
	.decompress = zstd_decompress,
};
