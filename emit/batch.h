/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_BATCH_H
#define EMIT_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "emit/pageset.h"
#include "emit/repeats.h"
#include "formats/codec/codec.h"
#include "formats/physmem.h"

/** What becomes of a page. */
enum packed_kind {
	PACKED_HOLE,	   /**< it cannot be read */
	PACKED_ZERO,
	PACKED_RAW,	   /**< as it is */
	PACKED_COMPRESSED, /**< by the codec */
	PACKED_REPEAT,	   /**< as it is, for it is probably stored already */
};

struct packed_page {
	enum packed_kind kind;
	bool is_partial; /**< RAM covers a part of it */
	uint32_t size;	 /**< bytes in batch.out, one page behind the other; 0 of a hole and of zeros */
	struct page_print print; /**< of a page with size, where repeats are looked for */
};

/**
 * Kept pages that are worked on together, not always neighbours. The owner of the pool chooses them, one worker reads and packs
 * them, the owner writes them out; nobody else touches it in between.
 */
struct batch {
	uint32_t page_size;
	size_t cap;		    /**< pages */
	size_t nr;		    /**< pages in it */
	uint64_t *pfns;		    /**< ascending; the owner's, read by the worker */
	struct packed_page *packed; /**< the worker's, read by the owner afterwards */
	uint8_t *out;		    /**< the same */
};

enum status batch_init(struct batch *b, uint32_t page_size, size_t cap, struct err *err) __must_check;
void batch_deinit(struct batch *b);

/** Bytes that batch_init() allocates. */
uint64_t batch_bytes(uint32_t page_size, size_t cap);

/**
 * The next pages of @keep from @*pfn on, and move that behind them. nr is 0 at the end. Reads no page. Ends early
 * rather than begin another stretch of cap page frames that it cannot finish: a reader of windows maps each stretch
 * once.
 */
void batch_fill(struct batch *b, const struct pageset *keep, uint64_t *pfn);

/** What a thread packs with: all its own. */
struct packer {
	struct physmem *pm;	      /**< owned, where owns_pm */
	const struct codec *codec;
	void *codec_ctx;	      /**< owned */
	const struct repeats *repeats; /**< NULL: not looked for */
	uint8_t *pages;		      /**< owned: what was just read, few enough to stay in the nearest caches */
	enum page_state *states;      /**< owned, of these */
	size_t cap;		      /**< pages in it */
	bool owns_pm;
};

/**
 * @pm: the reader. @alone: borrow it, else clone it. @level: of the codec, 0 is its own choice. ST_UNSUPPORTED: the source
 * has one reader only. After a failure @p is as after packer_deinit().
 */
enum status packer_init(struct packer *p, struct physmem *pm, bool alone, const struct codec *codec, int level,
			const struct repeats *repeats, struct err *err) __must_check;
void packer_deinit(struct packer *p);

/** Compress the @page into @out, which has room for it; what does not shrink is stored as it is. */
struct packed_page packer_compress(const struct packer *p, const uint8_t *page, uint8_t *out);

/** Read, decide and compress. Each page is read once; what is stored of it is in @b->out alone. */
void batch_pack(struct batch *b, const struct packer *p);

#endif
