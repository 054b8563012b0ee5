// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_bitmap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/endian.h"

#define BLOCK_BITS ((uint64_t)KDUMP_BITMAP_BLOCK_BYTES * 8)
#define BLOCK_WORDS (KDUMP_BITMAP_BLOCK_BYTES / 8)

/*
 * Runs are stored, so a map of every other page must not take all memory. Real ones have a few hundred at most; only
 * the single bitmap of old dumps, which is that of the pages kept, has many.
 */
#define RANGES_MAX (16u * 1024 * 1024)

/*
 * A sparse file or a far record may claim petabytes of bitmap that are one gap; only for maps of more than 8 TiB of
 * memory is it worth asking where gaps are, and relying on the answer.
 */
#define ASK_FOR_GAPS_BLOCKS (UINT64_C(1) << 14)

/** State of a scan over both maps. */
struct scan {
	struct kdump_bitmap_facts *facts;
	size_t ranges_cap;
	bool in_run;
	uint64_t run_start; /**< PFN */
	uint8_t block_1[KDUMP_BITMAP_BLOCK_BYTES], block_2[KDUMP_BITMAP_BLOCK_BYTES];
};

/* A byte holds the lower PFNs in its lower bits: in little-endian words that goes on across bytes. */
static uint64_t get_word(const uint8_t *block, size_t i)
{
	return get_u64(block + i * 8, ORDER_LITTLE);
}

/* The baseline x86_64 has no instruction for this, and the compiler's substitute is a function call a word. */
static unsigned popcount(uint64_t v)
{
	v -= v >> 1 & UINT64_C(0x5555555555555555);
	v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
	v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)(v * UINT64_C(0x0101010101010101) >> 56);
}

/** Bits set in the words [@start, @end) of @block. */
static uint64_t popcount_words(const uint8_t *block, size_t start, size_t end)
{
	uint64_t n = 0;

	for (size_t i = start; i < end; i++)
		n += popcount(get_word(block, i));
	return n;
}

/** Read block @block of the map at @map_off into @out, zeroed beyond the last bit. */
static enum status read_block(struct rsource *src, uint64_t map_off, uint64_t nr_bits, uint64_t block, uint8_t *out,
			      struct err *err)
{
	uint64_t off = map_off + block * KDUMP_BITMAP_BLOCK_BYTES;
	uint64_t bits = min_u64(BLOCK_BITS, nr_bits - block * BLOCK_BITS);
	size_t len = (size_t)div_round_up(bits, 8);
	enum status st;

	st = rsource_read(src, off, out, len, err);
	if (st != ST_OK)
		return err_wrap(err, st, "cannot read the page bitmap");
	if (bits % 8)
		out[len - 1] &= (uint8_t)((1u << (bits % 8)) - 1);
	memset(out + len, 0, KDUMP_BITMAP_BLOCK_BYTES - len);
	return ST_OK;
}

static enum status add_range(struct scan *s, uint64_t start, uint64_t end, struct err *err)
{
	struct kdump_bitmap_facts *f = s->facts;

	if (f->nr_ranges == RANGES_MAX)
		return err_set(err, ST_BAD_INPUT, "page bitmap has more than %u runs: no memory is laid out so",
			       RANGES_MAX);
	if (f->nr_ranges == s->ranges_cap) {
		size_t cap = s->ranges_cap ? s->ranges_cap * 2 : 64;
		struct range *v = reallocarray(f->ranges, cap, sizeof(*v));

		if (!v)
			return err_set(err, ST_NO_MEMORY, "no memory for %zu memory ranges", cap);
		f->ranges = v;
		s->ranges_cap = cap;
	}
	f->ranges[f->nr_ranges++] = (struct range){ start, end };
	return ST_OK;
}

/** Go on with the runs of set bits: @word has those from @pfn on. */
static enum status scan_word(struct scan *s, uint64_t word, uint64_t pfn, struct err *err)
{
	unsigned at = 0;

	while (at < 64) {
		uint64_t rest = (s->in_run ? ~word : word) >> at;

		if (!rest)
			return ST_OK;
		at += (unsigned)__builtin_ctzll(rest);
		if (s->in_run) {
			enum status st = add_range(s, s->run_start, pfn + at, err);

			if (st != ST_OK)
				return st;
		}
		s->run_start = pfn + at;
		s->in_run = !s->in_run;
	}
	return ST_OK;
}

static enum status scan_block(struct scan *s, uint64_t start_pfn, struct err *err)
{
	for (size_t i = 0; i < BLOCK_WORDS; i++) {
		uint64_t w1 = get_word(s->block_1, i), w2 = get_word(s->block_2, i);
		enum status st;

		if (w2 & ~w1)
			s->facts->nr_only_in_2 += popcount(w2 & ~w1);
		st = scan_word(s, w1 | w2, start_pfn + i * 64, err);
		if (st != ST_OK)
			return st;
	}
	s->facts->nr_in_1 += popcount_words(s->block_1, 0, BLOCK_WORDS);
	s->facts->nr_in_2 += popcount_words(s->block_2, 0, BLOCK_WORDS);
	return ST_OK;
}

/** How many blocks from @block on lie in a gap of the map at @map_off. */
static uint64_t gap_blocks(const struct kdump_bitmap *bm, uint64_t map_off, uint64_t block)
{
	uint64_t off = map_off + block * KDUMP_BITMAP_BLOCK_BYTES;

	return (rsource_next_data(bm->src, off).start - off) / KDUMP_BITMAP_BLOCK_BYTES;
}

/** The first block from @block on that has to be read; those before it are of zeros in both maps. */
static uint64_t skip_gaps(struct kdump_bitmap *bm, uint64_t off_1, uint64_t block, const struct scan *s)
{
	uint64_t end = block;

	if (block < bm->nr_blocks && bm->nr_blocks > ASK_FOR_GAPS_BLOCKS && !s->in_run)
		end = min_u64(bm->nr_blocks,
			      block + min_u64(gap_blocks(bm, off_1, block), gap_blocks(bm, bm->off, block)));
	for (; block < end; block++)
		bm->counts[block] = s->facts->nr_in_2;
	return end;
}

static enum status scan_maps(struct kdump_bitmap *bm, uint64_t off_1, struct scan *s, struct err *err)
{
	for (uint64_t b = skip_gaps(bm, off_1, 0, s); b < bm->nr_blocks; b = skip_gaps(bm, off_1, b + 1, s)) {
		enum status st = read_block(bm->src, bm->off, bm->nr_bits, b, s->block_2, err);

		bm->counts[b] = s->facts->nr_in_2;
		if (st == ST_OK)
			st = read_block(bm->src, off_1, bm->nr_bits, b, s->block_1, err);
		if (st == ST_OK)
			st = scan_block(s, b * BLOCK_BITS, err);
		if (st != ST_OK)
			return st;
	}
	bm->counts[bm->nr_blocks] = s->facts->nr_in_2;
	return s->in_run ? add_range(s, s->run_start, bm->nr_bits, err) : ST_OK;
}

enum status kdump_bitmap_init(struct kdump_bitmap *bm, struct rsource *src, uint64_t off_1, uint64_t off_2,
			      uint64_t nr_bits, struct kdump_bitmap_facts *facts, struct err *err)
{
	struct scan *s = calloc(1, sizeof(*s));
	enum status st;

	memset(facts, 0, sizeof(*facts));
	*bm = (struct kdump_bitmap){ .src = src, .off = off_2, .nr_bits = nr_bits };
	bm->nr_blocks = div_round_up(nr_bits, BLOCK_BITS);
	bm->counts = calloc(bm->nr_blocks + 1, sizeof(*bm->counts));
	bm->blocks = malloc((size_t)KDUMP_BITMAP_SLOTS * KDUMP_BITMAP_BLOCK_BYTES);
	if (s && bm->counts && bm->blocks) {
		s->facts = facts;
		st = scan_maps(bm, off_1, s, err);
	} else {
		st = err_set(err, ST_NO_MEMORY, "no memory for the index of a bitmap of %" PRIu64 " pages", nr_bits);
	}
	free(s);
	if (st != ST_OK) {
		free(facts->ranges);
		memset(facts, 0, sizeof(*facts));
		kdump_bitmap_deinit(bm);
	}
	return st;
}

enum status kdump_bitmap_share(struct kdump_bitmap *bm, const struct kdump_bitmap *from, struct err *err)
{
	*bm = (struct kdump_bitmap){
		.src = from->src,
		.off = from->off,
		.nr_bits = from->nr_bits,
		.nr_blocks = from->nr_blocks,
		.counts = from->counts,
		.borrowed_counts = true,
		.blocks = malloc((size_t)KDUMP_BITMAP_SLOTS * KDUMP_BITMAP_BLOCK_BYTES),
	};
	return bm->blocks ? ST_OK : err_set(err, ST_NO_MEMORY, "out of memory");
}

void kdump_bitmap_deinit(struct kdump_bitmap *bm)
{
	if (!bm->borrowed_counts)
		free(bm->counts);
	free(bm->blocks);
	bm->counts = NULL;
	bm->blocks = NULL;
}

static enum status check_same_block(const struct kdump_bitmap *a, const struct kdump_bitmap *b, uint64_t block,
				    uint8_t *x, uint8_t *y, struct err *err)
{
	enum status st = read_block(a->src, a->off, a->nr_bits, block, x, err);

	if (st == ST_OK)
		st = read_block(b->src, b->off, b->nr_bits, block, y, err);
	if (st == ST_OK && memcmp(x, y, KDUMP_BITMAP_BLOCK_BYTES) != 0)
		st = err_set(err, ST_BAD_INPUT, "their page bitmaps differ between page frames %" PRIu64 " and %" PRIu64,
			     block * BLOCK_BITS, min_u64(a->nr_bits, (block + 1) * BLOCK_BITS));
	return st;
}

enum status kdump_bitmap_check_same(const struct kdump_bitmap *a, const struct kdump_bitmap *b, struct err *err)
{
	uint8_t *x, *y;
	enum status st = ST_OK;

	if (a->nr_bits != b->nr_bits || memcmp(a->counts, b->counts, (a->nr_blocks + 1) * sizeof(*a->counts)) != 0)
		return err_set(err, ST_BAD_INPUT, "their page bitmaps differ");
	x = malloc(2 * (size_t)KDUMP_BITMAP_BLOCK_BYTES);
	if (!x)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	y = x + KDUMP_BITMAP_BLOCK_BYTES;
	for (uint64_t i = 0; i < a->nr_blocks && st == ST_OK; i++)
		/* Blocks of no page are equal already, and a hostile file may claim very many. */
		if (a->counts[i + 1] != a->counts[i])
			st = check_same_block(a, b, i, x, y, err);
	free(x);
	return st;
}

static enum status load_block(struct kdump_bitmap *bm, uint64_t block, const uint8_t **bits, struct err *err)
{
	size_t slot = block % KDUMP_BITMAP_SLOTS;
	uint8_t *to = bm->blocks + slot * KDUMP_BITMAP_BLOCK_BYTES;
	enum status st;

	*bits = to;
	if (bm->slot_block[slot] == block + 1)
		return ST_OK;
	bm->slot_block[slot] = 0;
	st = read_block(bm->src, bm->off, bm->nr_bits, block, to, err);
	if (st == ST_OK)
		bm->slot_block[slot] = block + 1;
	return st;
}

enum status kdump_bitmap_rank(struct kdump_bitmap *bm, uint64_t pfn, bool *set, uint64_t *rank, struct err *err)
{
	uint64_t block = pfn / BLOCK_BITS, bit = pfn % BLOCK_BITS;
	const uint8_t *bits;
	enum status st;
	uint64_t word;

	*set = false;
	if (block >= bm->nr_blocks) {
		*rank = bm->counts[bm->nr_blocks];
		return ST_OK;
	}
	st = load_block(bm, block, &bits, err);
	if (st != ST_OK)
		return st;
	/* Sequential readers: count on from the last word. */
	if (bm->last_block != block + 1 || bm->last_word > bit / 64) {
		bm->last_block = block + 1;
		bm->last_word = 0;
		bm->last_rank = bm->counts[block];
	}
	bm->last_rank += popcount_words(bits, bm->last_word, bit / 64);
	bm->last_word = bit / 64;
	word = get_word(bits, bit / 64);
	*set = word >> bit % 64 & 1;
	*rank = bm->last_rank + popcount(word & ((UINT64_C(1) << bit % 64) - 1));
	return ST_OK;
}

/** The first bit at or after @bit of a block that is @set; BLOCK_BITS where there is none. */
static uint64_t find_bit(const uint8_t *bits, uint64_t bit, bool set)
{
	for (uint64_t i = bit / 64; i < BLOCK_WORDS; i++) {
		uint64_t word = get_word(bits, i);

		if (!set)
			word = ~word;
		if (i == bit / 64)
			word &= ~UINT64_C(0) << bit % 64;
		if (word)
			return i * 64 + (unsigned)__builtin_ctzll(word);
	}
	return BLOCK_BITS;
}

bool kdump_bitmap_next_run(struct kdump_bitmap *bm, uint64_t pfn, uint64_t limit, struct range *run)
{
	limit = min_u64(limit, bm->nr_bits);
	while (pfn < limit) {
		uint64_t block = pfn / BLOCK_BITS, base = block * BLOCK_BITS, start;
		const uint8_t *bits;

		if (bm->counts[block + 1] != bm->counts[block]) {
			if (load_block(bm, block, &bits, NULL) != ST_OK) {
				/* It was readable a moment ago. Claim all of it: reading will say what is wrong. */
				*run = (struct range){ pfn, min_u64(limit, base + BLOCK_BITS) };
				return true;
			}
			start = find_bit(bits, pfn - base, true);
			if (start < BLOCK_BITS) {
				run->start = base + start;
				run->end = min_u64(limit, base + find_bit(bits, start, false));
				return run->start < limit;
			}
		}
		pfn = base + BLOCK_BITS;
	}
	return false;
}
