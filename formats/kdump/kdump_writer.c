// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_writer.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"

/*
 * A run is written when it has reached RUN_BYTES and ends where a page of the cache and a block of the medium do, so
 * that neither is ever touched by two writes. For descriptors it also ends between two of them: a torn one names
 * nonsense.
 */
#define RUN_BYTES MIB
#define RUN_ALIGN (4 * KIB)
#define DESC_RUN_ALIGN (RUN_ALIGN / 8 * KDUMP_PAGE_DESC_SIZE) /* 3 pages, 512 descriptors */
#define RUN_CAP (RUN_BYTES + DESC_RUN_ALIGN)
/* Bitmaps are written by the cell, 8 GiB of small pages, and cells without a page are not: a page far up costs one. */
#define CELL_BYTES (256 * KIB)
/* What is saved, or lost, at a time when the disk is full. */
#define RESCUE_BYTES (128 * KDUMP_PAGE_DESC_SIZE)

/* Bytes that follow each other at the sink, collected until a large write is worth it. */
struct run {
	uint8_t *bytes;
	size_t len;
	uint64_t off; /* in the file, of bytes[0] */
};

struct kdump_writer {
	struct wsink *sink;
	struct kdump_header header;
	const uint8_t *notes;
	size_t notes_len;
	struct run meta; /* notes and bitmaps, later descriptors */
	struct run data;
	uint64_t desc_off; /* in the file, of descriptor 0 */
	uint64_t nr_stored;
	uint64_t zero_page_off; /* 0: not stored yet */
	uint8_t *zero_page;
	uint32_t flags_used;
	bool failed; /* a write failed: only finish makes sense */
};

static enum status run_flush(struct kdump_writer *w, struct run *r, struct err *err)
{
	enum status st;

	if (!r->len)
		return ST_OK;
	st = wsink_write_at(w->sink, r->off, r->bytes, r->len, err);
	if (st != ST_OK) {
		w->failed = true;
		return st;
	}
	r->off += r->len;
	r->len = 0;
	return ST_OK;
}

static enum status run_append(struct kdump_writer *w, struct run *r, const void *bytes, size_t len, struct err *err)
{
	while (len) {
		size_t full = (size_t)(align_up(r->off + RUN_BYTES, RUN_ALIGN) - r->off);
		size_t n = (size_t)min_u64(len, full - r->len);

		memcpy(r->bytes + r->len, bytes, n);
		r->len += n;
		bytes = (const uint8_t *)bytes + n;
		len -= n;
		if (r->len == full) {
			enum status st = run_flush(w, r, err);

			if (st != ST_OK)
				return st;
		}
	}
	return ST_OK;
}

/* Fill in what follows from the layout: sizes of the parts, and where notes and descriptors lie. */
static enum status lay_out(struct kdump_writer *w, size_t vmcoreinfo_off, size_t vmcoreinfo_len, struct err *err)
{
	struct kdump_header *h = &w->header;
	uint64_t notes_off = (uint64_t)h->block_size + KDUMP_SUB_HEADER_SIZE_64;
	uint64_t one_bitmap = div_round_up(div_round_up(h->max_mapnr, 8), h->block_size);

	if (one_bitmap * 2 > UINT32_MAX)
		return err_set(err, ST_UNSUPPORTED, "the physical address space is too large for the KDUMP format");
	h->version = KDUMP_HEADER_VERSION;
	h->sub_hdr_blocks = (uint32_t)div_round_up(KDUMP_SUB_HEADER_SIZE_64 + w->notes_len, h->block_size);
	h->bitmap_blocks = (uint32_t)(one_bitmap * 2);
	h->start_pfn = 0;
	h->end_pfn = 0;
	h->notes_off = w->notes_len ? notes_off : 0;
	h->notes_len = w->notes_len;
	h->vmcoreinfo_off = vmcoreinfo_len ? notes_off + vmcoreinfo_off : 0;
	h->vmcoreinfo_len = vmcoreinfo_len;
	w->desc_off = (1 + (uint64_t)h->sub_hdr_blocks + h->bitmap_blocks) * h->block_size;
	w->meta.off = h->block_size;
	w->data.off = w->desc_off + w->nr_stored * KDUMP_PAGE_DESC_SIZE;
	return ST_OK;
}

enum status kdump_writer_open(struct wsink *sink, const struct kdump_header *header, const void *notes, size_t notes_len,
			      size_t vmcoreinfo_off, size_t vmcoreinfo_len, uint64_t nr_stored, struct kdump_writer **out,
			      struct err *err)
{
	struct kdump_writer *w = calloc(1, sizeof(*w));
	enum status st = ST_OK;

	if (!w)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	w->sink = sink;
	w->header = *header;
	w->notes = notes;
	w->notes_len = notes_len;
	w->nr_stored = nr_stored;
	w->meta.bytes = malloc(RUN_CAP);
	w->data.bytes = malloc(RUN_CAP);
	w->zero_page = calloc(1, header->block_size);
	if (!w->meta.bytes || !w->data.bytes || !w->zero_page)
		st = err_set(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK)
		st = lay_out(w, vmcoreinfo_off, vmcoreinfo_len, err);
	if (st != ST_OK) {
		kdump_writer_close(w);
		return st;
	}
	*out = w;
	return ST_OK;
}

void kdump_writer_close(struct kdump_writer *w)
{
	if (!w)
		return;
	free(w->meta.bytes);
	free(w->data.bytes);
	free(w->zero_page);
	free(w);
}

static enum status write_main_header(struct kdump_writer *w, uint32_t status, struct err *err)
{
	uint8_t raw[KDUMP_MAIN_HEADER_SIZE_64];

	w->header.status = status;
	kdump_main_header_encode(&w->header, raw);
	return wsink_write_at(w->sink, 0, raw, sizeof(raw), err);
}

/* The first bytes of a bitmap at or after @at that have to be written: whole cells, @bytes where there are no more. */
static uint64_t next_cell(const struct kdump_bitmaps *b, bool present, uint64_t at, uint64_t bytes)
{
	return min_u64(bytes, b->next(b->ctx, present, at * 8) / 8 / CELL_BYTES * CELL_BYTES);
}

static uint64_t bitmap_bytes(const struct kdump_writer *w)
{
	return (uint64_t)w->header.bitmap_blocks / 2 * w->header.block_size;
}

static uint64_t bitmap_off(const struct kdump_writer *w, bool present)
{
	return w->desc_off - (present ? 2 : 1) * bitmap_bytes(w);
}

static bool goes_on(const struct kdump_bitmaps *b, bool *stopped)
{
	*stopped = *stopped || (b->go_on && !b->go_on(b->ctx));
	return !*stopped;
}

static enum status reserve_bitmap(struct kdump_writer *w, bool present, const struct kdump_bitmaps *b, bool *stopped,
				  struct err *err)
{
	uint64_t bytes = bitmap_bytes(w), off = bitmap_off(w, present), end;

	for (uint64_t at = next_cell(b, present, 0, bytes); at < bytes; at = next_cell(b, present, end, bytes)) {
		enum status st;

		end = at;
		do
			end = min_u64(bytes, end + CELL_BYTES);
		while (end < bytes && next_cell(b, present, end, bytes) == end);
		st = wsink_reserve(w->sink, off + at, end - at, err);
		if (st != ST_OK)
			return st;
		if (end == bytes || !goes_on(b, stopped))
			return ST_OK;
	}
	return ST_OK;
}

/* The descriptors first: they lie farthest, and tell an output that cannot be so long. */
static enum status reserve(struct kdump_writer *w, const struct kdump_bitmaps *b, bool *stopped, struct err *err)
{
	enum status st = wsink_reserve(w->sink, w->desc_off, w->nr_stored * KDUMP_PAGE_DESC_SIZE, err);
	char span[16];

	if (st == ST_OK && w->sink->rewritable)
		st = reserve_bitmap(w, true, b, stopped, err);
	if (st == ST_OK && w->sink->rewritable && !*stopped)
		st = reserve_bitmap(w, false, b, stopped, err);
	if (st == ST_OK)
		return ST_OK;
	units_bytes(w->header.max_mapnr * w->header.block_size, span, sizeof(span));
	return err_wrap(err, st, "no room for the bitmaps of %s of addresses and for the page descriptors", span);
}

/* Bitmap bytes [@at, @at + @len) behind those that are in the run already. */
static enum status append_cell(struct kdump_writer *w, bool present, const struct kdump_bitmaps *b, uint64_t at, uint64_t len,
			       bool *stopped, struct err *err)
{
	while (len) {
		size_t n = (size_t)min_u64(len, RUN_BYTES - w->meta.len);
		enum status st;

		b->fill(b->ctx, present, at * 8, w->meta.bytes + w->meta.len, n);
		w->meta.len += n;
		at += n;
		len -= n;
		if (w->meta.len < RUN_BYTES)
			continue;
		st = run_flush(w, &w->meta, err);
		if (st != ST_OK || !goes_on(b, stopped))
			return st;
	}
	return ST_OK;
}

/* What is in between reads as zeros, and a sparse physical map is mostly that. */
static enum status jump(struct kdump_writer *w, uint64_t off, struct err *err)
{
	enum status st;

	if (w->meta.off + w->meta.len == off)
		return ST_OK;
	st = run_flush(w, &w->meta, err);
	w->meta.off = off;
	return st;
}

static enum status write_bitmap(struct kdump_writer *w, bool present, const struct kdump_bitmaps *b, bool *stopped,
				struct err *err)
{
	uint64_t bytes = bitmap_bytes(w), off = bitmap_off(w, present), next;
	enum status st = ST_OK;

	for (uint64_t at = next_cell(b, present, 0, bytes); st == ST_OK && at < bytes && !*stopped; at = next) {
		uint64_t end = min_u64(bytes, at + CELL_BYTES);

		st = jump(w, off + at, err);
		if (st == ST_OK)
			st = append_cell(w, present, b, at, end - at, stopped, err);
		next = next_cell(b, present, end, bytes);
		if (next > end && next < bytes)
			goes_on(b, stopped);
	}
	return st == ST_OK && !*stopped ? jump(w, off + bytes, err) : st;
}

static enum status write_sub_header(struct kdump_writer *w, struct err *err)
{
	uint8_t raw[KDUMP_SUB_HEADER_SIZE_64];
	uint64_t padding = (uint64_t)w->header.sub_hdr_blocks * w->header.block_size - sizeof(raw) - w->notes_len;
	enum status st;

	kdump_sub_header_encode(&w->header, raw);
	st = run_append(w, &w->meta, raw, sizeof(raw), err);
	if (st == ST_OK)
		st = run_append(w, &w->meta, w->notes, w->notes_len, err);
	if (st == ST_OK)
		st = run_append(w, &w->meta, w->zero_page, (size_t)padding, err);
	w->notes = NULL;
	return st;
}

enum status kdump_writer_begin(struct kdump_writer *w, const struct kdump_bitmaps *bitmaps, bool *stopped, struct err *err)
{
	enum status st;

	*stopped = false;
	st = reserve(w, bitmaps, stopped, err);
	if (st == ST_OK && w->sink->rewritable)
		st = write_main_header(w, KDUMP_STATUS_INCOMPLETE, err);
	if (st == ST_OK)
		st = write_sub_header(w, err);
	if (st == ST_OK)
		st = write_bitmap(w, true, bitmaps, stopped, err);
	if (st == ST_OK)
		st = write_bitmap(w, false, bitmaps, stopped, err);
	/* In a file the bitmaps are safe before the first page is written; a stream runs on. */
	if (st == ST_OK && w->sink->rewritable)
		st = run_flush(w, &w->meta, err);
	/* From here on a power cut leaves a dump that can be finished later: it says what it holds, and holds what it says. */
	return st == ST_OK ? wsink_sync(w->sink, err) : st;
}

/*
 * Descriptors go out after the data that they name, so that whatever a cut leaves behind is true. A stream has no such
 * worry, and keeps its records large.
 */
static enum status flush_descs(struct kdump_writer *w, struct err *err)
{
	enum status st = ST_OK;

	if (w->sink->rewritable)
		st = run_flush(w, &w->data, err);
	return st == ST_OK ? run_flush(w, &w->meta, err) : st;
}

static enum status put_desc(struct kdump_writer *w, uint64_t index, const struct page_desc *d, struct err *err)
{
	uint64_t off = w->desc_off + index * KDUMP_PAGE_DESC_SIZE;
	enum status st = ST_OK;

	if (index >= w->nr_stored)
		return err_set(err, ST_INTERNAL, "page descriptor out of range");
	if (w->meta.off + w->meta.len != off ||
	    (w->meta.len >= RUN_BYTES && index * KDUMP_PAGE_DESC_SIZE % DESC_RUN_ALIGN == 0))
		st = flush_descs(w, err);
	if (st != ST_OK)
		return st;
	if (!w->meta.len)
		w->meta.off = off;
	page_desc_encode(d, w->header.order, w->meta.bytes + w->meta.len);
	w->meta.len += KDUMP_PAGE_DESC_SIZE;
	return ST_OK;
}

enum status kdump_writer_put(struct kdump_writer *w, uint64_t index, const void *data, uint32_t size, uint32_t flags,
			     struct err *err)
{
	struct page_desc d = { .offset = kdump_writer_data_off(w), .size = size, .flags = flags };
	enum status st = run_append(w, &w->data, data, size, err);

	w->flags_used |= flags;
	return st == ST_OK ? put_desc(w, index, &d, err) : st;
}

uint64_t kdump_writer_data_off(const struct kdump_writer *w)
{
	return w->data.off + w->data.len;
}

enum status kdump_writer_put_again(struct kdump_writer *w, uint64_t index, uint64_t off, uint32_t size, uint32_t flags,
				   struct err *err)
{
	struct page_desc d = { .offset = off, .size = size, .flags = flags };

	if (off < w->desc_off + w->nr_stored * KDUMP_PAGE_DESC_SIZE || off + size > kdump_writer_data_off(w))
		return err_set(err, ST_INTERNAL, "a page that was never stored cannot be named again");
	return put_desc(w, index, &d, err);
}

enum status kdump_writer_put_zero(struct kdump_writer *w, uint64_t index, struct err *err)
{
	struct page_desc d = { .size = w->header.block_size };

	if (!w->zero_page_off) {
		uint64_t off = kdump_writer_data_off(w);
		enum status st = run_append(w, &w->data, w->zero_page, w->header.block_size, err);

		if (st != ST_OK)
			return st;
		w->zero_page_off = off;
	}
	d.offset = w->zero_page_off;
	return put_desc(w, index, &d, err);
}

enum status kdump_writer_put_hole(struct kdump_writer *w, uint64_t index, struct err *err)
{
	struct page_desc d = { 0 };

	return put_desc(w, index, &d, err);
}

/* The data stream could not grow: descriptors that are still buffered and name lost data become holes. */
static uint64_t forget_lost_data(struct kdump_writer *w)
{
	uint64_t nr_lost = 0;

	for (size_t at = 0; at + KDUMP_PAGE_DESC_SIZE <= w->meta.len; at += KDUMP_PAGE_DESC_SIZE) {
		struct page_desc d;

		page_desc_decode(w->meta.bytes + at, w->header.order, &d);
		if (d.offset + d.size <= w->data.off)
			continue;
		memset(w->meta.bytes + at, 0, KDUMP_PAGE_DESC_SIZE);
		nr_lost++;
	}
	w->data.len = 0;
	return nr_lost;
}

static uint64_t count_pages(const struct kdump_writer *w, const uint8_t *descs, size_t len)
{
	uint64_t nr = 0;

	for (size_t at = 0; at < len; at += KDUMP_PAGE_DESC_SIZE) {
		struct page_desc d;

		page_desc_decode(descs + at, w->header.order, &d);
		nr += d.offset != 0;
	}
	return nr;
}

/*
 * A disk may be too full even for descriptors, where the file system could not reserve their place. Save the buffered ones as
 * far as it goes, in small pieces. The piece that fails may have landed in part and end in a torn descriptor: blank it, which
 * takes no new space. Returns how many pages are lost.
 */
static uint64_t rescue_descs(struct kdump_writer *w)
{
	struct run *r = &w->meta;
	uint64_t nr_lost;
	size_t at, n = 0;

	for (at = 0; at < r->len; at += n) {
		n = (size_t)min_u64(r->len - at, RESCUE_BYTES);
		if (wsink_write_at(w->sink, r->off + at, r->bytes + at, n, NULL) != ST_OK)
			break;
	}
	nr_lost = count_pages(w, r->bytes + at, r->len - at);
	if (at < r->len) {
		memset(r->bytes + at, 0, n);
		/* It may give up at the same place again: by then the front is blank. */
		if (wsink_write_at(w->sink, r->off + at, r->bytes + at, n, NULL) != ST_OK)
			w->failed = true;
	}
	r->len = 0;
	return nr_lost;
}

/* Where nothing is stored, the zero page still makes the file as long as its headers say. */
static enum status end_file(struct kdump_writer *w, struct err *err)
{
	if (kdump_writer_data_off(w) > w->desc_off + w->nr_stored * KDUMP_PAGE_DESC_SIZE)
		return ST_OK;
	return run_append(w, &w->data, w->zero_page, w->header.block_size, err);
}

enum status kdump_writer_finish(struct kdump_writer *w, bool *incomplete, uint64_t *nr_lost, struct err *err)
{
	enum status st = ST_OK;

	*nr_lost = 0;
	if (!w->failed)
		st = end_file(w, err);
	if (!w->failed && st == ST_OK)
		st = flush_descs(w, err);
	if (w->failed && w->sink->rewritable) {
		*incomplete = true;
		*nr_lost = forget_lost_data(w);
		*nr_lost += rescue_descs(w);
		st = ST_OK;
	} else if (st == ST_OK) {
		st = run_flush(w, &w->data, err);
	}
	/* The pages are on the medium before the header says so. */
	if (st == ST_OK)
		st = wsink_sync(w->sink, err);
	if (st != ST_OK)
		return st;
	return write_main_header(w, w->flags_used | (*incomplete ? KDUMP_STATUS_INCOMPLETE : 0), err);
}
