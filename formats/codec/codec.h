/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_CODEC_CODEC_H
#define FORMATS_CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/** Compression bits of page_desc.flags and of the header's status (kdump-format 1.3). */
#define CODEC_FLAG_ZLIB 0x01u
#define CODEC_FLAG_LZO 0x02u
#define CODEC_FLAG_SNAPPY 0x04u
#define CODEC_FLAG_ZSTD 0x20u
#define CODEC_FLAG_MASK (CODEC_FLAG_ZLIB | CODEC_FLAG_LZO | CODEC_FLAG_SNAPPY | CODEC_FLAG_ZSTD)

/**
 * One page codec. A context serves one thread; all its memory is allocated by open(), none by compress() and decompress().
 */
struct codec {
	const char *name;
	uint32_t flag; /**< CODEC_FLAG_*, 0 for "none" */
	/** @page_size: the largest input, bytes. */
	enum status (*open)(size_t page_size, void **ctx, struct err *err);
	/** As open(), with a level between level_min and level_max, which is not 0. NULL: this codec has no levels. */
	enum status (*open_level)(size_t page_size, int level, void **ctx, struct err *err);
	int level_min, level_max;
	void (*close)(void *ctx);
	/**
	 * Compress @in_len bytes into at most @out_cap. Returns the compressed length, or 0 where it does not fit or the
	 * library refuses: the caller then stores the page raw.
	 */
	size_t (*compress)(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap);
	/** Decompress to exactly @out_len bytes, else ST_BAD_INPUT. */
	enum status (*decompress)(void *ctx, const void *in, size_t in_len, void *out, size_t out_len, struct err *err);
};

/** By the name that `-z` takes: none zlib lzo snappy zstd. NULL when unknown. */
const struct codec *codec_by_name(const char *name);
/**
 * What `-z` takes: a name, or a name and a level, "zstd:-3". @level: 0 where none was given. NULL: unknown, or the codec has no
 * such level.
 */
const struct codec *codec_parse(const char *text, int *level);
/** By exactly one CODEC_FLAG_* bit. NULL when unknown. */
const struct codec *codec_by_flag(uint32_t flag);

#endif
