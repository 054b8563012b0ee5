/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_BATCH_H
#define EMIT_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "emit/pageset.h"
#include "formats/codec/codec.h"
#include "formats/physmem.h"

/** What becomes of a page. */
enum packed_kind {
	PACKED_HOLE,	   /**< it cannot be read */
	PACKED_ZERO,
	PACKED_RAW,	   /**< as it is */
	PACKED_COMPRESSED, /**< by the codec */
};

struct packed_page {
	enum packed_kind kind;
	uint32_t size; /**< of PACKED_COMPRESSED: bytes in batch.out, one page behind the other */
};

/**
 * Kept pages that are worked on together, not always neighbours. The owner of the pool fills it, one worker packs it, the
 * owner writes it out; nobody else touches it in between.
 */
struct batch {
	uint32_t page_size;
	size_t cap;		    /**< pages */
	size_t nr;		    /**< pages in it */
	uint64_t *pfns;		    /**< the owner's */
	enum page_state *states;    /**< the owner's, read by the worker */
	uint8_t *pages;		    /**< the owner's, read by the worker */
	struct packed_page *packed; /**< the worker's, read by the owner afterwards */
	uint8_t *out;		    /**< the same */
};

enum status batch_init(struct batch *b, uint32_t page_size, size_t cap, struct err *err) __must_check;
void batch_deinit(struct batch *b);

/** Bytes that batch_init() allocates. */
uint64_t batch_bytes(uint32_t page_size, size_t cap);

/**
 * Read the next pages of @keep from @*pfn on, and move that behind them. nr is 0 at the end. Pages that are not kept are not
 * read.
 */
void batch_fill(struct batch *b, struct physmem *pm, const struct pageset *keep, uint64_t *pfn);

/** Decide and compress: pure, no I/O. @codec_ctx: the worker's own. */
void batch_pack(struct batch *b, const struct codec *codec, void *codec_ctx);

#endif
