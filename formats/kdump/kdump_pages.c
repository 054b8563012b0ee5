// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_pages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define DESC_BLOCK_BYTES ((size_t)KDUMP_DESCS_PER_BLOCK * KDUMP_PAGE_DESC_SIZE)
#define AHEAD_BYTES ((size_t)MIB)
/* One of several readers jumps over what the others read, and throws the rest of its window away. */
#define AHEAD_BYTES_SHARED ((size_t)256 * KIB)
/* A reader that skips so little is still sequential. */
#define AHEAD_SLACK (64 * KIB)
/* Runs of shared pages are short. */
#define BEHIND_BYTES ((size_t)32 * KIB)

static const uint32_t codec_flags[KDUMP_NR_CODECS] = { CODEC_FLAG_ZLIB, CODEC_FLAG_LZO, CODEC_FLAG_SNAPPY,
						       CODEC_FLAG_ZSTD };

static enum status wake(struct kdump_pages *p, struct err *err)
{
	if (p->desc_blocks)
		return ST_OK;
	p->desc_blocks = malloc(KDUMP_DESC_SLOTS * DESC_BLOCK_BYTES);
	p->ahead.cap = p->ahead_bytes;
	p->ahead.buf = malloc(p->ahead.cap);
	p->behind.cap = max_u64(BEHIND_BYTES, p->page_size);
	p->behind.buf = malloc(p->behind.cap);
	p->exact.cap = p->page_size;
	p->exact.buf = malloc(p->exact.cap);
	p->page_slots = malloc((size_t)KDUMP_PAGE_SLOTS * p->page_size);
	if (p->desc_blocks && p->ahead.buf && p->behind.buf && p->exact.buf && p->page_slots)
		return ST_OK;
	kdump_pages_sleep(p);
	return err_set(err, ST_NO_MEMORY, "no memory for the read windows");
}

enum status kdump_pages_init(struct kdump_pages *p, struct rsource *src, const struct kdump_header *h,
			     uint64_t desc_off, uint64_t nr_descs, struct err *err)
{
	*p = (struct kdump_pages){
		.src = src,
		.order = h->order,
		.page_size = h->block_size,
		.ahead_bytes = AHEAD_BYTES,
		.desc_off = desc_off,
		.nr_descs = nr_descs,
	};
	return wake(p, err);
}

void kdump_pages_share(struct kdump_pages *p, const struct kdump_pages *from)
{
	*p = (struct kdump_pages){
		.src = from->src,
		.order = from->order,
		.page_size = from->page_size,
		.ahead_bytes = AHEAD_BYTES_SHARED,
		.desc_off = from->desc_off,
		.nr_descs = from->nr_descs,
		.gaps_are_losses = from->gaps_are_losses,
	};
}

void kdump_pages_sleep(struct kdump_pages *p)
{
	for (size_t i = 0; i < KDUMP_NR_CODECS; i++) {
		if (p->codec_ctx[i])
			codec_by_flag(codec_flags[i])->close(p->codec_ctx[i]);
		p->codec_ctx[i] = NULL;
	}
	free(p->desc_blocks);
	free(p->ahead.buf);
	free(p->behind.buf);
	free(p->exact.buf);
	free(p->page_slots);
	p->desc_blocks = NULL;
	p->page_slots = NULL;
	p->ahead = p->behind = p->exact = (struct kdump_window){ 0 };
	memset(p->desc_slot_block, 0, sizeof(p->desc_slot_block));
	memset(p->page_slot_desc, 0, sizeof(p->page_slot_desc));
}

void kdump_pages_deinit(struct kdump_pages *p)
{
	kdump_pages_sleep(p);
	*p = (struct kdump_pages){ 0 };
}

/** Fill slot of block @block as far as the file goes; what is in it is good also after an error. */
static enum status load_desc_block(struct kdump_pages *p, uint64_t block, struct err *err)
{
	size_t slot = block % KDUMP_DESC_SLOTS, got;
	uint64_t first = block * KDUMP_DESCS_PER_BLOCK;
	size_t nr = (size_t)min_u64(KDUMP_DESCS_PER_BLOCK, p->nr_descs - first);
	enum status st;

	if (p->desc_slot_block[slot] == block + 1)
		return ST_OK;
	st = rsource_read_some(p->src, p->desc_off + first * KDUMP_PAGE_DESC_SIZE,
			       p->desc_blocks + slot * DESC_BLOCK_BYTES, nr * KDUMP_PAGE_DESC_SIZE, &got, err);
	p->desc_slot_nr[slot] = got / KDUMP_PAGE_DESC_SIZE;
	p->desc_slot_block[slot] = st == ST_OK ? block + 1 : 0;
	return st;
}

enum status kdump_pages_desc(struct kdump_pages *p, uint64_t index, struct page_desc *desc, struct err *err)
{
	uint64_t block = index / KDUMP_DESCS_PER_BLOCK;
	size_t slot = block % KDUMP_DESC_SLOTS, i = index % KDUMP_DESCS_PER_BLOCK;
	uint8_t raw[KDUMP_PAGE_DESC_SIZE];

	if (index >= p->nr_descs)
		return err_set(err, ST_NOT_FOUND, "there is no descriptor %" PRIu64, index);
	if (wake(p, err) != ST_OK)
		return ST_NO_MEMORY;
	if (load_desc_block(p, block, NULL) == ST_OK && i < p->desc_slot_nr[slot]) {
		page_desc_decode(p->desc_blocks + slot * DESC_BLOCK_BYTES + i * KDUMP_PAGE_DESC_SIZE, p->order, desc);
		return ST_OK;
	}
	/* A bad sector in the block, or the end of the file: this one may still be there. */
	if (rsource_read(p->src, p->desc_off + index * KDUMP_PAGE_DESC_SIZE, raw, sizeof(raw), err) != ST_OK)
		return err_wrap(err, ST_IO, "cannot read page descriptor %" PRIu64, index);
	page_desc_decode(raw, p->order, desc);
	return ST_OK;
}

enum status kdump_pages_check_desc(const struct kdump_pages *p, const struct page_desc *desc, struct err *err)
{
	uint64_t data_off = p->desc_off + p->nr_descs * KDUMP_PAGE_DESC_SIZE;

	/* All zero: what a writer leaves for a page that it could not save. Nothing else can lie at offset 0. */
	if (!desc->offset)
		return err_set(err, ST_IO, "the page could not be saved when the dump was taken");
	if (desc->flags && !codec_by_flag(desc->flags))
		return err_set(err, ST_BAD_INPUT, "page descriptor has unknown flags 0x%" PRIx32, desc->flags);
	if (!desc->size || desc->size > p->page_size || (!desc->flags && desc->size != p->page_size))
		return err_set(err, ST_BAD_INPUT, "page descriptor has a size of %" PRIu32 " bytes", desc->size);
	if (desc->offset < data_off)
		return err_set(err, ST_BAD_INPUT, "page descriptor points to offset %" PRIu64 ", into the headers",
			       desc->offset);
	if (!span_within(desc->offset, desc->size, p->src->size_bytes))
		return err_set(err, ST_IO, "page descriptor points to offset %" PRIu64 ", beyond the end of the file",
			       desc->offset);
	return ST_OK;
}

static bool window_holds(const struct kdump_window *w, uint64_t off, size_t len)
{
	return off >= w->off && span_within(off - w->off, len, w->len);
}

static bool goes_on(const struct kdump_window *w, uint64_t off, uint64_t slack)
{
	return w->len && off >= w->off && off - w->off <= w->len + slack;
}

/** Does the stream hold all of [@off, @off + @len)? */
static bool is_backed(struct rsource *src, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;

	while (off < end) {
		struct range run = rsource_next_data(src, off);

		if (run.start != off || run.end <= off)
			return false;
		off = run.end;
	}
	return true;
}

/** The window that holds [@off, @off + @len), filled where a sequence goes on there; NULL: neither. */
static struct kdump_window *get_window(struct kdump_pages *p, uint64_t off, size_t len)
{
	/* What lies before a sequence must not make it lose its place. */
	struct kdump_window *w = off < p->ahead.off ? &p->behind : &p->ahead;

	if (window_holds(&p->ahead, off, len))
		return &p->ahead;
	if (window_holds(&p->behind, off, len))
		return &p->behind;
	/*
	 * The first read of a sequence is exact, the one behind it fills the window: a random reader never pays for
	 * that.
	 */
	if (!goes_on(w, off, w == &p->ahead ? AHEAD_SLACK : 0) && !goes_on(&p->exact, off, 0))
		return NULL;
	w->off = off;
	/* An error counts only where it meets this page, and then the exact read tells of it. */
	if (rsource_read_some(p->src, off, w->buf, w->cap, &w->len, NULL) != ST_OK && !w->len)
		return NULL;
	return window_holds(w, off, len) ? w : NULL;
}

/** The @len bytes of a page's data at @off, in memory until the next call. @len is at most a page. */
static enum status get_data(struct kdump_pages *p, uint64_t off, size_t len, const uint8_t **data, struct err *err)
{
	struct kdump_window *w;
	enum status st;

	if (p->gaps_are_losses && !is_backed(p->src, off, len))
		return err_set(err, ST_IO, "the page's data is missing: the stream was cut off");
	w = get_window(p, off, len);
	if (!w) {
		w = &p->exact;
		w->off = off;
		w->len = 0;
		st = rsource_read(p->src, off, w->buf, len, err);
		if (st != ST_OK)
			return err_wrap(err, ST_IO, "cannot read the page's data");
		w->len = len;
	}
	*data = w->buf + (off - w->off);
	return ST_OK;
}

static enum status decode(struct kdump_pages *p, const struct page_desc *desc, const uint8_t *data, void *page,
			  struct err *err)
{
	const struct codec *codec = codec_by_flag(desc->flags);
	size_t i = 0;
	enum status st;

	if (!codec) {
		memcpy(page, data, p->page_size);
		return ST_OK;
	}
	while (codec_flags[i] != desc->flags)
		i++;
	if (!p->codec_ctx[i]) {
		st = codec->open(p->page_size, &p->codec_ctx[i], err);
		if (st != ST_OK)
			return st;
	}
	return codec->decompress(p->codec_ctx[i], data, desc->size, page, p->page_size, err);
}

static bool same_data(const struct page_desc *a, const struct page_desc *b)
{
	return a->offset == b->offset && a->size == b->size && a->flags == b->flags;
}

static const uint8_t *find_decoded(const struct kdump_pages *p, const struct page_desc *desc)
{
	for (size_t i = 0; i < KDUMP_PAGE_SLOTS; i++)
		if (p->page_slot_desc[i].size && same_data(&p->page_slot_desc[i], desc))
			return p->page_slots + i * p->page_size;
	return NULL;
}

/**
 * Decode into a slot. A page that another descriptor before it may have named, or that is read in pieces, is worth it;
 * the long run of pages that are read once, in order, must not push those out.
 */
static enum status decode_to_slot(struct kdump_pages *p, const struct page_desc *desc, const uint8_t *data,
				  const uint8_t **page, struct err *err)
{
	unsigned i = p->next_page_slot;
	uint8_t *to = p->page_slots + (size_t)i * p->page_size;
	enum status st;

	p->page_slot_desc[i].size = 0;
	st = decode(p, desc, data, to, err);
	if (st != ST_OK)
		return st;
	p->page_slot_desc[i] = *desc;
	p->next_page_slot = (i + 1) % KDUMP_PAGE_SLOTS;
	*page = to;
	return ST_OK;
}

enum status kdump_pages_read(struct kdump_pages *p, uint64_t index, size_t off, void *buf, size_t len, struct err *err)
{
	struct page_desc desc;
	const uint8_t *page, *data = NULL;
	enum status st = kdump_pages_desc(p, index, &desc, err);

	if (st != ST_OK)
		return st;
	page = find_decoded(p, &desc);
	if (!page) {
		st = kdump_pages_check_desc(p, &desc, err);
		if (st == ST_OK)
			st = get_data(p, desc.offset, desc.size, &data, err);
		if (st != ST_OK)
			return st;
		/* Data in the exact window was not next in the file: a shared page, or a random reader. */
		if (len == p->page_size && data != p->exact.buf)
			return decode(p, &desc, data, buf, err);
		st = decode_to_slot(p, &desc, data, &page, err);
		if (st != ST_OK)
			return st;
	}
	memcpy(buf, page + off, len);
	return ST_OK;
}
