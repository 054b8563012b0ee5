// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec_ops.h"

/* Static contexts never allocate; their estimators live in the library's "static linking" part. */
#define ZSTD_STATIC_LINKING_ONLY
#include <stdlib.h>
#include <zstd.h>

#include "common/units.h"
#include "formats/codec/noise.h"

#define ZSTD_CODEC_LEVEL 1
/* Beyond these nothing is gained on a page. */
#define ZSTD_CODEC_LEVEL_MIN (-20)
#define ZSTD_CODEC_LEVEL_MAX 19

struct zstd_ctx {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
	void *c_mem, *d_mem;
};

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

static enum status zstd_open_level(size_t page_size, int level, void **ctx, struct err *err)
{
	size_t c_len = cctx_bytes(page_size, level), d_len = ZSTD_estimateDCtxSize();
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
	*ctx = z;
	return ST_OK;
}

static enum status zstd_open(size_t page_size, void **ctx, struct err *err)
{
	return zstd_open_level(page_size, ZSTD_CODEC_LEVEL, ctx, err);
}

static size_t zstd_compress(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	struct zstd_ctx *z = ctx;
	size_t len;

	if (page_is_noise(in, in_len))
		return 0;
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
