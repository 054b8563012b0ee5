/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_BITMAP_H
#define FORMATS_KDUMP_KDUMP_BITMAP_H

#include <stdbool.h>

#include "common/units.h"
#include "formats/io/rsource.h"

/* 128 Ki pages a block: 512 MiB of memory where pages have 4 KiB. */
#define KDUMP_BITMAP_BLOCK_BYTES 16384u
#define KDUMP_BITMAP_SLOTS 4

/**
 * One bitmap of a KDUMP, bit = PFN, lowest bit first, left in the file: in memory are a running count per block and a
 * few blocks. Borrows the source.
 */
struct kdump_bitmap {
	struct rsource *src;
	uint64_t off; /**< bytes, in the source */
	uint64_t nr_bits;
	uint64_t nr_blocks;
	uint64_t *counts;			 /**< nr_blocks + 1: bits set before block i */
	bool borrowed_counts;			 /**< of the bitmap that this one shares */
	uint8_t *blocks;			 /**< KDUMP_BITMAP_SLOTS of them */
	uint64_t slot_block[KDUMP_BITMAP_SLOTS]; /**< block + 1; 0: empty */
	/* The last rank asked for: of the first bit of this word. */
	uint64_t last_block; /**< block + 1; 0: none */
	size_t last_word;
	uint64_t last_rank;
};

/** What a scan over both bitmaps finds. */
struct kdump_bitmap_facts {
	uint64_t nr_in_1, nr_in_2, nr_only_in_2; /**< bits */
	struct range *ranges; /**< runs of set bits in either, PFNs; owned by the caller after success */
	size_t nr_ranges;
};

/**
 * Read bitmap1 at @off_1 and bitmap2 at @off_2 once (they may be the same), and make @bm the second. ST_BAD_INPUT: a
 * map in more pieces than any memory has. ST_IO: it cannot be read.
 */
enum status kdump_bitmap_init(struct kdump_bitmap *bm, struct rsource *src, uint64_t off_1, uint64_t off_2,
			      uint64_t nr_bits, struct kdump_bitmap_facts *facts, struct err *err) __must_check;
/** A second reader of @from's bits, with a cache of its own; borrows what @from has indexed. */
enum status kdump_bitmap_share(struct kdump_bitmap *bm, const struct kdump_bitmap *from, struct err *err) __must_check;
void kdump_bitmap_deinit(struct kdump_bitmap *bm);

/** ST_BAD_INPUT: the two do not have the same bits set. */
enum status kdump_bitmap_check_same(const struct kdump_bitmap *a, const struct kdump_bitmap *b,
				    struct err *err) __must_check;

/** *@set: is the bit set? *@rank: how many are set before it. @pfn <= nr_bits; at nr_bits no bit is set. */
enum status kdump_bitmap_rank(struct kdump_bitmap *bm, uint64_t pfn, bool *set, uint64_t *rank,
			      struct err *err) __must_check;

/** The first run of set bits at or after @pfn, below @limit; may end early. False where there is none. */
bool kdump_bitmap_next_run(struct kdump_bitmap *bm, uint64_t pfn, uint64_t limit, struct range *run);

#endif
