// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec_ops.h"

#define ZLIB_CONST
#include <libdeflate.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#include "formats/codec/noise.h"

/*
 * Readers take any RFC 1950 stream; level 1 is what every KDUMP writer uses: a dump is written once, against the clock.
 */
#define ZLIB_LEVEL 1

/* inflate's state (7 KiB) and its window (32 KiB), which it asks for late; with room for a library that grew. */
#define INFLATE_ARENA_BYTES (64u * 1024u)

struct zlib_ctx {
	struct libdeflate_compressor *c;
	struct libdeflate_decompressor *d;
	z_stream inflate;
	bool inflate_ready;
	size_t arena_used;
	_Alignas(16) unsigned char arena[INFLATE_ARENA_BYTES];
};

/*
 * inflate allocates its window during the first stream that needs one: serve that from memory which open() already
 * holds.
 */
static voidpf arena_alloc(voidpf opaque, uInt items, uInt size)
{
	struct zlib_ctx *z = opaque;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow((size_t)items, (size_t)size, &bytes) || bytes > sizeof(z->arena) - z->arena_used)
		return Z_NULL;
	p = z->arena + z->arena_used;
	z->arena_used += (bytes + 15) & ~(size_t)15;
	if (z->arena_used > sizeof(z->arena))
		z->arena_used = sizeof(z->arena);
	return p;
}

static void arena_free(voidpf opaque, voidpf p)
{
}

static void zlib_close(void *ctx)
{
	struct zlib_ctx *z = ctx;

	if (!z)
		return;
	libdeflate_free_compressor(z->c);
	libdeflate_free_decompressor(z->d);
	if (z->inflate_ready)
		inflateEnd(&z->inflate);
	free(z);
}

static enum status zlib_open(size_t page_size, void **ctx, struct err *err)
{
	struct zlib_ctx *z = calloc(1, sizeof(*z));

	if (!z)
		return err_set(err, ST_NO_MEMORY, "zlib: no memory");
	z->c = libdeflate_alloc_compressor(ZLIB_LEVEL);
	z->d = libdeflate_alloc_decompressor();
	z->inflate.zalloc = arena_alloc;
	z->inflate.zfree = arena_free;
	z->inflate.opaque = z;
	z->inflate_ready = inflateInit(&z->inflate) == Z_OK;
	if (!z->c || !z->d || !z->inflate_ready) {
		zlib_close(z);
		return err_set(err, ST_NO_MEMORY, "zlib: no memory");
	}
	*ctx = z;
	return ST_OK;
}

static size_t zlib_compress(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	struct zlib_ctx *z = ctx;

	if (page_is_noise(in, in_len))
		return 0;
	return libdeflate_zlib_compress(z->c, in, in_len, out, out_cap);
}

static bool second_opinion(struct zlib_ctx *z, const void *in, size_t in_len, void *out, size_t out_len)
{
	if (in_len > UINT_MAX || out_len > UINT_MAX || inflateReset(&z->inflate) != Z_OK)
		return false;
	z->inflate.next_in = in;
	z->inflate.avail_in = (uInt)in_len;
	z->inflate.next_out = out;
	z->inflate.avail_out = (uInt)out_len;
	return inflate(&z->inflate, Z_FINISH) == Z_STREAM_END && !z->inflate.avail_out;
}

static enum status zlib_decompress(void *ctx, const void *in, size_t in_len, void *out, size_t out_len, struct err *err)
{
	struct zlib_ctx *z = ctx;

	/* Without a place for the actual length libdeflate insists on out_len exactly. */
	if (libdeflate_zlib_decompress(z->d, in, in_len, out, out_len, NULL) == LIBDEFLATE_SUCCESS)
		return ST_OK;
	if (second_opinion(z, in, in_len, out, out_len))
		return ST_OK;
	return err_set(err, ST_BAD_INPUT, "not a zlib stream of %zu bytes", out_len);
}

const struct codec codec_zlib = {
	.name = "zlib",
	.flag = CODEC_FLAG_ZLIB,
	.open = zlib_open,
	.close = zlib_close,
	.compress = zlib_compress,
	.decompress = zlib_decompress,
};
