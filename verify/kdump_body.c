// SPDX-License-Identifier: GPL-2.0-or-later
/* What follows the headers of a KDUMP: bitmaps, descriptors, and every page, in the order of the page frames. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "formats/codec/codec.h"
#include "verify/checks.h"

#define BITMAP_CHUNK_BYTES (64u * 1024)
#define PROGRESS_EVERY 256u
/* Descriptors that were met before: the shared zero page, mostly. */
#define SEEN_SLOTS 64u

struct bitmaps {
	uint64_t off_1, off_2; /* equal: one only */
	uint64_t len;	       /* bytes of one */
	uint8_t *chunk_1, *chunk_2;
};

/* Bytes at @at that are a gap of both maps, so all zero. */
static uint64_t gap_bytes(struct check *c, const struct bitmaps *b, uint64_t at)
{
	uint64_t data_1 = rsource_next_data(c->src, b->off_1 + at).start, data_2 = rsource_next_data(c->src, b->off_2 + at).start;

	return min_u64(data_1 - b->off_1, data_2 - b->off_2) - at;
}

static enum status read_chunk(struct check *c, uint64_t off, size_t len, uint8_t *to, struct err *err)
{
	enum status st = rsource_read(c->src, off, to, len, err);

	return st == ST_OK ? st : err_wrap(err, st, "cannot read the page bitmaps");
}

static void check_byte(struct check *c, uint8_t b1, uint8_t b2, uint64_t pfn)
{
	uint64_t max = c->hdr.max_mapnr;

	for (unsigned bit = 0; bit < 8; bit++) {
		bool in_1 = b1 >> bit & 1, in_2 = b2 >> bit & 1;

		if (pfn + bit >= max && (in_1 || in_2))
			findings_add(c->report, RULE_BITMAP_TAIL, place_pfn(pfn + bit),
				     "a bitmap has bits beyond max_mapnr 0x%" PRIx64, max);
		else if (in_2 && !in_1)
			findings_add(c->report, RULE_BITMAP2_EXCESS, place_pfn(pfn + bit),
				     "stored by the second bitmap, but no memory by the first: crash does not read it");
	}
}

static bool has_odd_bits(uint8_t b1, uint8_t b2, uint64_t pfn, uint64_t max)
{
	return (b2 & ~b1) || (pfn + 8 > max && (b1 | b2));
}

static enum status scan_bitmaps(struct check *c, struct bitmaps *b, struct err *err)
{
	for (uint64_t at = 0, n; at < b->len; at += n) {
		uint64_t gap = gap_bytes(c, b, at);
		enum status st;

		n = gap ? gap : min_u64(BITMAP_CHUNK_BYTES, b->len - at);
		if (gap)
			continue;
		st = read_chunk(c, b->off_1 + at, (size_t)n, b->chunk_1, err);
		if (st == ST_OK)
			st = read_chunk(c, b->off_2 + at, (size_t)n, b->chunk_2, err);
		if (st != ST_OK)
			return st;
		for (size_t i = 0; i < n; i++)
			if (has_odd_bits(b->chunk_1[i], b->chunk_2[i], (at + i) * 8, c->hdr.max_mapnr))
				check_byte(c, b->chunk_1[i], b->chunk_2[i], (at + i) * 8);
	}
	return ST_OK;
}

/* A first bitmap without a bit makes each page of the second an excess: one finding says it better. */
static bool bitmap1_is_empty(struct check *c)
{
	const struct kdump_details *k = kdump_physmem_details(c->pm);

	return k->nr_ram && k->nr_ram == k->bitmap2_not_in_bitmap1;
}

enum status check_kdump_bitmaps(struct check *c, struct err *err)
{
	const struct kdump_header *h = &c->hdr;
	uint64_t bs = h->block_size, need = div_round_up(div_round_up(h->max_mapnr, 8), bs);
	bool single = h->bitmap_blocks < 2 * need;
	_cleanup_free_ uint8_t *buf = malloc(2 * BITMAP_CHUNK_BYTES);
	struct bitmaps b = {
		.off_1 = (1 + (uint64_t)h->sub_hdr_blocks) * bs,
		.len = h->bitmap_blocks * bs / (single ? 1 : 2),
		.chunk_1 = buf,
		.chunk_2 = buf + BITMAP_CHUNK_BYTES,
	};

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	b.off_2 = b.off_1 + (single ? 0 : b.len);
	if (bitmap1_is_empty(c)) {
		findings_add(c->report, RULE_BITMAP1_EMPTY, place_none(),
			     "the first bitmap is empty: by it the machine had no memory, and crash reads no page");
		return ST_OK;
	}
	return scan_bitmaps(c, &b, err);
}

/** A walk over all descriptors of the file, each with its page frame. */
struct desc_walk {
	struct check *c;
	uint64_t desc_off, data_off; /* of the table and its end */
	uint64_t nr_descs, index;
	uint64_t min_offset; /* of the sane ones */
	uint32_t flags_used;
	uint64_t nr_holes;
	struct page_desc seen[SEEN_SLOTS]; /* size 0: free */
	bool seen_good[SEEN_SLOTS];
	uint8_t *page;
};

static void add_hole(struct desc_walk *w, uint64_t pfn, uint64_t nr)
{
	w->nr_holes += nr;
	if (w->c->is_flattened)
		findings_add(w->c->report, RULE_DESC_HOLE_FLAT, place_pfns(pfn, pfn + nr),
			     "the page could not be saved: its descriptor is {0,0,0,0}; drgn and libkdumpfile report "
			     "an error, crash (of a stream that is still flattened) and makedumpfile take it for "
			     "zeros");
	else
		findings_add(w->c->report, RULE_DESC_HOLE, place_pfns(pfn, pfn + nr),
			     "the page could not be saved: its descriptor is {0,0,0,0}; crash, drgn and libkdumpfile "
			     "report an error, makedumpfile takes it for zeros");
}

/** Is @d one that readers can follow? Adds what is wrong with it. */
static bool check_desc(struct desc_walk *w, uint64_t pfn, const struct page_desc *d)
{
	struct verify_report *r = w->c->report;
	uint32_t bs = w->c->hdr.block_size;
	struct verify_place at = place_pfn(pfn);

	if (!d->offset && !d->size && !d->flags) {
		add_hole(w, pfn, 1);
		return false;
	}
	if (d->page_flags)
		findings_add(r, RULE_DESC_PAGE_FLAGS, at, "page_flags of the descriptor is 0x%" PRIx64 ", not 0",
			     d->page_flags);
	if (!d->offset) {
		findings_add(r, RULE_DESC_OFFSET_ZERO, at,
			     "descriptor {0, %" PRIu32 ", 0x%" PRIx32 "}: no page lies at offset 0", d->size, d->flags);
		return false;
	}
	if (d->flags && !codec_by_flag(d->flags)) {
		findings_add(r, RULE_DESC_FLAGS, at, "descriptor has flags 0x%" PRIx32 ": not one known compression",
			     d->flags);
		return false;
	}
	if (!d->size || d->size > bs || (!d->flags && d->size != bs)) {
		/* libkdumpfile only asks whether the result is a page. */
		findings_add_for(r, RULE_DESC_SIZE,
				 d->flags && d->size ? READER_CRASH | READER_MAKEDUMPFILE : READERS_ALL, at,
				 "descriptor of a %s page has a size of %" PRIu32 " bytes",
				 d->flags ? "compressed" : "raw", d->size);
		return false;
	}
	if (d->offset < w->data_off) {
		findings_add(r, RULE_DESC_IN_HEADERS, at,
			     "descriptor points to offset %" PRIu64
			     ", before the end of the descriptor table at %" PRIu64,
			     d->offset, w->data_off);
		return false;
	}
	if (!span_within(d->offset, d->size, w->c->src->size_bytes)) {
		findings_add(r, RULE_DESC_OUTSIDE, at,
			     "descriptor points to offset %" PRIu64 ", beyond the end of the file at %" PRIu64,
			     d->offset, w->c->src->size_bytes);
		return false;
	}
	if (d->flags && d->size == bs)
		findings_add(r, RULE_DESC_NOT_SMALLER, at, "compressed page that is not smaller than a raw one");
	return true;
}

static bool decode(struct desc_walk *w, uint64_t pfn)
{
	struct err err = { 0 };
	uint64_t bs = w->c->hdr.block_size;
	const char *why;
	enum status st = physmem_read(w->c->pm, pfn * bs, w->page, bs, &err);

	if (st == ST_OK)
		return true;
	/* The reader's own words, without the page frame in front: the place tells it. */
	why = strstr(err.text, ": ");
	findings_add(w->c->report, st == ST_BAD_INPUT ? RULE_PAGE_DAMAGED : RULE_PAGE_UNREADABLE, place_pfn(pfn), "%s",
		     why ? why + 2 : err.text);
	return false;
}

static bool same_data(const struct page_desc *a, const struct page_desc *b)
{
	return a->offset == b->offset && a->size == b->size && a->flags == b->flags;
}

/** Decode what @d names unless that was done a moment ago. */
static bool check_data(struct desc_walk *w, uint64_t pfn, const struct page_desc *d)
{
	size_t slot = (size_t)((d->offset * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % SEEN_SLOTS;

	if (w->seen[slot].size && same_data(&w->seen[slot], d) && w->seen_good[slot])
		return true;
	w->seen[slot] = *d;
	w->seen_good[slot] = decode(w, pfn);
	return w->seen_good[slot];
}

/** How many of the next @nr descriptors are a gap of the stream, so all zero: they are not worth reading. */
static uint64_t gap_descs(struct desc_walk *w, uint64_t nr)
{
	uint64_t off = w->desc_off + w->index * KDUMP_PAGE_DESC_SIZE;
	uint64_t data;

	if (!w->c->is_flattened || off >= w->c->src->size_bytes)
		return 0;
	data = rsource_next_data(w->c->src, off).start;
	return data > off ? min_u64(nr, (data - off) / KDUMP_PAGE_DESC_SIZE) : 0;
}

static void walk_page(struct desc_walk *w, uint64_t pfn)
{
	struct page_desc d;
	struct err err = { 0 };

	if (kdump_physmem_desc(w->c->pm, w->index, &d, &err) != ST_OK) {
		findings_add(w->c->report, RULE_DESC_UNREADABLE, place_pfn(pfn), "%s", err.text);
		return;
	}
	if (!check_desc(w, pfn, &d))
		return;
	w->min_offset = min_u64(w->min_offset, d.offset);
	w->flags_used |= d.flags;
	w->c->report->pages_good += check_data(w, pfn, &d);
}

/* All descriptors of the page frames @pfns, which are next in the table. */
static void walk_run(struct desc_walk *w, struct range pfns)
{
	while (pfns.start < pfns.end) {
		uint64_t nr = pfns.end - pfns.start, gap = gap_descs(w, nr);

		if (gap) {
			add_hole(w, pfns.start, gap);
		} else if (w->desc_off + (w->index + 1) * KDUMP_PAGE_DESC_SIZE > w->c->src->size_bytes) {
			/* Nothing comes behind the end of the file: a hostile one may claim very many. */
			findings_add(w->c->report, RULE_DESC_TABLE_CUT, place_pfns(pfns.start, pfns.end),
				     "the descriptor table ends beyond the end of the file: %" PRIu64
				     " descriptors, room for %" PRIu64,
				     w->nr_descs, (w->c->src->size_bytes - w->desc_off) / KDUMP_PAGE_DESC_SIZE);
			gap = nr;
		} else {
			walk_page(w, pfns.start);
			gap = 1;
		}
		w->index += gap;
		pfns.start += gap;
		if (w->index % PROGRESS_EVERY == 0)
			check_progress(w->c, w->index, w->nr_descs);
	}
}

/** Would a reader take these bytes for a descriptor? */
static bool looks_like_desc(const struct desc_walk *w, const uint8_t *raw)
{
	struct page_desc d;

	page_desc_decode(raw, w->c->hdr.order, &d);
	return d.offset >= w->min_offset && span_within(d.offset, d.size, w->c->src->size_bytes) && d.size &&
	       d.size <= w->c->hdr.block_size && (!d.flags || codec_by_flag(d.flags)) && !d.page_flags;
}

/*
 * Nothing in the file says how many descriptors there are but the second bitmap. But data follow them at once: room for
 * more, filled with what could be descriptors, means that bits are missing, and then each page is read from the next
 * one's place.
 */
static void check_desc_count(struct desc_walk *w)
{
	uint8_t raw[KDUMP_PAGE_DESC_SIZE];
	uint64_t gap;

	if (!w->nr_descs || w->min_offset == UINT64_MAX || w->min_offset <= w->data_off)
		return;
	gap = w->min_offset - w->data_off;
	if (gap < sizeof(raw) || rsource_read(w->c->src, w->data_off, raw, sizeof(raw), NULL) != ST_OK ||
	    !looks_like_desc(w, raw))
		return;
	findings_add(w->c->report, RULE_DESC_COUNT, place_offset(w->data_off),
		     "there seem to be %" PRIu64 " more descriptors than the second bitmap has bits (%" PRIu64
		     "): pages are read from the wrong places",
		     gap / KDUMP_PAGE_DESC_SIZE, w->nr_descs);
}

static void check_flags_used(struct desc_walk *w)
{
	uint32_t status = w->c->hdr.status;

	if (w->flags_used & ~status)
		findings_add(w->c->report, RULE_STATUS_CODEC, place_none(),
			     "pages are compressed in ways that status 0x%" PRIx32 " does not name (0x%" PRIx32
			     "); readers go by the descriptors",
			     status, w->flags_used & ~status);
	if (w->flags_used & (CODEC_FLAG_SNAPPY | CODEC_FLAG_ZSTD))
		findings_add(w->c->report, RULE_CODEC_RARE, place_none(),
			     "compressed with %s%s%s, which some builds of makedumpfile and crash lack",
			     w->flags_used & CODEC_FLAG_SNAPPY ? "snappy" : "",
			     (w->flags_used & CODEC_FLAG_MASK & ~CODEC_FLAG_ZLIB & ~CODEC_FLAG_LZO) ==
					     (CODEC_FLAG_SNAPPY | CODEC_FLAG_ZSTD)
				     ? " and "
				     : "",
			     w->flags_used & CODEC_FLAG_ZSTD ? "zstd" : "");
	if (w->nr_holes && !(status & KDUMP_STATUS_INCOMPLETE))
		findings_add(w->c->report, RULE_HOLES_UNMARKED, place_none(),
			     "pages are missing, but the dump is not marked incomplete");
}

static void walk_all(struct desc_walk *w)
{
	uint64_t bs = w->c->hdr.block_size;
	struct range run = { 0, 0 };

	while (w->index < w->nr_descs && physmem_next_data(w->c->pm, run.end, UINT64_MAX, &run))
		walk_run(w, (struct range){ run.start / bs, run.end / bs });
	check_desc_count(w);
	check_flags_used(w);
}

enum status check_kdump_pages(struct check *c, struct err *err)
{
	const struct kdump_header *h = &c->hdr;
	struct desc_walk *w = calloc(1, sizeof(*w));

	if (w)
		w->page = malloc(h->block_size);
	if (!w || !w->page) {
		free(w);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	w->c = c;
	w->nr_descs = kdump_physmem_details(c->pm)->nr_stored;
	w->desc_off = (1 + (uint64_t)h->sub_hdr_blocks + h->bitmap_blocks) * h->block_size;
	w->data_off = w->desc_off + w->nr_descs * KDUMP_PAGE_DESC_SIZE;
	w->min_offset = UINT64_MAX;
	c->report->pages = w->nr_descs;
	c->report->pages_read = true;
	walk_all(w);
	check_progress(c, w->nr_descs, w->nr_descs);
	free(w->page);
	free(w);
	return ST_OK;
}
