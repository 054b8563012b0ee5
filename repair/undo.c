// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/endian.h"
#include "common/units.h"
#include "formats/kdump/kdump_layout.h"

#define UNDO_VERSION 1u
#define PATCH_HEAD_LEN 16u

static uint32_t crc(const uint8_t *data, size_t len)
{
	return (uint32_t)crc32_z(0, data, len);
}

uint64_t undo_record_off(uint64_t old_size)
{
	return align_up(old_size, UNDO_ALIGN);
}

static bool head_is_sane(const uint8_t head[UNDO_HEAD_LEN], uint64_t at, uint64_t *len)
{
	*len = get_u64(head + 32, ORDER_LITTLE);
	return !memcmp(head, UNDO_MAGIC, UNDO_MAGIC_LEN) && get_u32(head + 16, ORDER_LITTLE) == UNDO_VERSION &&
	       get_u32(head + 44, ORDER_LITTLE) == crc(head, 44) && get_u64(head + 24, ORDER_LITTLE) <= at &&
	       undo_record_off(get_u64(head + 24, ORDER_LITTLE)) == at && *len > UNDO_HEAD_LEN && *len <= UNDO_TAIL_MAX &&
	       get_u32(head + 20, ORDER_LITTLE) <= UNDO_PATCHES_MAX;
}

/* Fill @u's patches from its record. False: the record is not what it says. */
static bool parse_patches(struct undo *u, uint64_t len)
{
	uint32_t nr = get_u32(u->record + 20, ORDER_LITTLE);
	uint64_t at = UNDO_HEAD_LEN;

	for (u->nr_patches = 0; u->nr_patches < nr; u->nr_patches++) {
		struct patch *p = &u->patches[u->nr_patches];
		uint64_t bytes;

		if (len - at < PATCH_HEAD_LEN)
			return false;
		p->off = get_u64(u->record + at, ORDER_LITTLE);
		bytes = get_u64(u->record + at + 8, ORDER_LITTLE);
		at += PATCH_HEAD_LEN;
		if (bytes > (len - at) / 2 || !span_within(p->off, bytes, u->old_size))
			return false;
		p->len = (size_t)bytes;
		p->old_bytes = u->record + at;
		p->new_bytes = p->old_bytes + p->len;
		at += 2 * bytes;
	}
	return at == len;
}

/* CRC-32 of the main header and the sub header. */
static enum status heads_crc(struct medium *m, uint32_t block_size, uint32_t *value, struct err *err)
{
	uint8_t heads[KDUMP_MAIN_HEADER_SIZE_64 + KDUMP_SUB_HEADER_SIZE_64];
	enum status st = medium_read(m, 0, heads, KDUMP_MAIN_HEADER_SIZE_64, err);

	if (st == ST_OK)
		st = medium_read(m, block_size, heads + KDUMP_MAIN_HEADER_SIZE_64, KDUMP_SUB_HEADER_SIZE_64, err);
	if (st == ST_OK)
		*value = crc(heads, sizeof(heads));
	return st;
}

static enum status damaged(struct err *err)
{
	return err_set(err, ST_BAD_INPUT,
		       "it was changed in place, and its undo copy is damaged: nothing is touched; write another file with -o");
}

struct seen {
	bool all_old, all_new;
};

/* Each byte is the old or the new one, or this is not the file that was changed. */
static enum status look_at_patch(struct medium *m, const struct patch *p, struct seen *seen, struct err *err)
{
	uint8_t *now = malloc(p->len + 1);
	enum status st;

	if (!now)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = medium_read(m, p->off, now, p->len, err);
	for (size_t i = 0; st == ST_OK && i < p->len; i++) {
		seen->all_old = seen->all_old && now[i] == p->old_bytes[i];
		seen->all_new = seen->all_new && now[i] == p->new_bytes[i];
		if (now[i] != p->old_bytes[i] && now[i] != p->new_bytes[i])
			st = damaged(err);
	}
	free(now);
	return st;
}

static enum status find_state(struct medium *m, struct undo *u, struct err *err)
{
	struct seen seen = { true, true };

	for (size_t i = 0; i < u->nr_patches; i++) {
		enum status st = look_at_patch(m, &u->patches[i], &seen, err);

		if (st != ST_OK)
			return st;
	}
	u->state = seen.all_new ? UNDO_DONE : seen.all_old ? UNDO_BEFORE : UNDO_BETWEEN;
	return ST_OK;
}

/* Is the record that @mark tells of there, to the byte? Then @u has it. */
static enum status load(struct medium *m, struct undo *u, const uint8_t *mark, bool *whole, struct err *err)
{
	uint64_t len = get_u64(mark + 24, ORDER_LITTLE), said;
	enum status st;

	*whole = false;
	if (len <= UNDO_HEAD_LEN || len > UNDO_TAIL_MAX || !span_within(u->record_off, len, m->size_bytes))
		return ST_OK;
	u->record = malloc((size_t)len);
	if (!u->record)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = medium_read(m, u->record_off, u->record, (size_t)len, err);
	if (st != ST_OK)
		return st;
	*whole = head_is_sane(u->record, u->record_off, &said) && said == len &&
		 crc(u->record + UNDO_HEAD_LEN, (size_t)len - UNDO_HEAD_LEN) == get_u32(u->record + 40, ORDER_LITTLE) &&
		 get_u32(u->record + 40, ORDER_LITTLE) == get_u32(mark + 32, ORDER_LITTLE) && parse_patches(u, len);
	if (*whole)
		return ST_OK;
	free(u->record);
	u->record = NULL;
	u->nr_patches = 0;
	return ST_OK;
}

static enum status find_marked(struct medium *m, struct undo *u, const uint8_t *mark, struct err *err)
{
	uint32_t now;
	bool whole;
	enum status st;

	u->old_size = get_u64(mark + 16, ORDER_LITTLE);
	if (u->old_size > m->size_bytes)
		return damaged(err);
	u->record_off = undo_record_off(u->old_size);
	st = load(m, u, mark, &whole, err);
	if (st != ST_OK)
		return st;
	if (whole)
		return find_state(m, u, err);
	/* No patch begins before the copy is whole: with the old headers in place, the dump is what it was. */
	st = heads_crc(m, get_u32(mark + 40, ORDER_LITTLE), &now, err);
	if (st == ST_OK && now != get_u32(mark + 36, ORDER_LITTLE))
		st = damaged(err);
	u->state = UNDO_TORN;
	return st;
}

static void fill_mark(uint8_t mark[UNDO_MARK_LEN], uint64_t old_size, uint64_t record_len, uint32_t body_crc,
		      uint32_t heads, uint32_t block_size)
{
	memcpy(mark, UNDO_MARK_MAGIC, UNDO_MAGIC_LEN);
	put_u64(mark + 16, ORDER_LITTLE, old_size);
	put_u64(mark + 24, ORDER_LITTLE, record_len);
	put_u32(mark + 32, ORDER_LITTLE, body_crc);
	put_u32(mark + 36, ORDER_LITTLE, heads);
	put_u32(mark + 40, ORDER_LITTLE, block_size);
	put_u32(mark + 44, ORDER_LITTLE, crc(mark, 44));
}

/*
 * Is it the beginning of a mark for this very file, and zeros behind that? Nothing else can be left of one: it is written at
 * once, from its start, before anything else changes; and wiped from its end, when all else is as it was. What it said of
 * its record nobody knows any more.
 */
static enum status find_torn(struct medium *m, const uint8_t mark[UNDO_MARK_LEN], bool *torn, struct err *err)
{
	uint8_t head[KDUMP_MAIN_HEADER_SIZE_64], whole[UNDO_MARK_LEN];
	size_t len = UNDO_MARK_LEN;
	struct kdump_header hdr;
	uint32_t heads;
	enum status st = medium_read(m, 0, head, sizeof(head), err);

	if (st == ST_OK)
		st = kdump_main_header_decode(head, sizeof(head), &hdr, err);
	if (st == ST_OK)
		st = heads_crc(m, hdr.block_size, &heads, err);
	if (st != ST_OK)
		return st;
	fill_mark(whole, m->size_bytes, get_u64(mark + 24, ORDER_LITTLE), get_u32(mark + 32, ORDER_LITTLE), heads,
		  hdr.block_size);
	while (len && !mark[len - 1])
		len--;
	*torn = !memcmp(mark, whole, len) && get_u64(mark + 24, ORDER_LITTLE) <= UNDO_TAIL_MAX;
	return ST_OK;
}

enum status undo_find(struct medium *m, struct undo *u, struct err *err)
{
	static const uint8_t zeros[UNDO_MARK_LEN];
	uint8_t mark[UNDO_MARK_LEN];
	bool torn, has_magic;
	enum status st;

	*u = (struct undo){ .state = UNDO_NONE, .old_size = m->size_bytes };
	st = medium_read(m, UNDO_MARK_OFF, mark, sizeof(mark), err);
	if (st != ST_OK || !memcmp(mark, zeros, sizeof(mark)))
		return st;
	has_magic = !memcmp(mark, UNDO_MARK_MAGIC, UNDO_MAGIC_LEN);
	if (has_magic && get_u32(mark + 44, ORDER_LITTLE) == crc(mark, 44))
		return find_marked(m, u, mark, err);
	st = find_torn(m, mark, &torn, err);
	if (st != ST_OK)
		return st;
	if (!torn && has_magic)
		return damaged(err);
	if (!torn)
		return err_set(err, ST_UNSUPPORTED,
			       "the bytes behind its main header are in use, not by repair: write another file with -o");
	u->state = UNDO_TORN;
	return ST_OK;
}

enum status undo_mark_encode(struct medium *m, const uint8_t *record, uint32_t block_size, uint8_t mark[UNDO_MARK_LEN],
			     struct err *err)
{
	uint32_t heads;
	enum status st = heads_crc(m, block_size, &heads, err);

	if (st == ST_OK)
		fill_mark(mark, get_u64(record + 24, ORDER_LITTLE), get_u64(record + 32, ORDER_LITTLE),
			  get_u32(record + 40, ORDER_LITTLE), heads, block_size);
	return st;
}

void undo_deinit(struct undo *u)
{
	free(u->record);
	*u = (struct undo){ 0 };
}

struct medium_source {
	struct rsource base;
	struct medium *m;
	const struct undo *u;
};

/* Put what @p would put back over the bytes from @off on. */
static void lay_over(const struct patch *p, uint64_t off, uint8_t *buf, size_t len)
{
	uint64_t start = max_u64(off, p->off), end = min_u64(off + len, p->off + p->len);

	if (start < end)
		memcpy(buf + (start - off), p->old_bytes + (start - p->off), (size_t)(end - start));
}

static enum status source_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	const struct medium_source *s = (const struct medium_source *)src;
	enum status st = s->m->ops->read_at(s->m, off, buf, (size_t)min_u64(len, src->size_bytes - off), got, err);

	if (s->u->state == UNDO_DONE)
		return st;
	for (size_t i = s->u->nr_patches; st == ST_OK && i; i--)
		lay_over(&s->u->patches[i - 1], off, buf, *got);
	return st;
}

static void source_close(struct rsource *src)
{
	free(src);
}

static const struct rsource_ops source_ops = {
	.read_at = source_read_at,
	.close = source_close,
};

enum status undo_source_open(struct medium *m, const struct undo *u, struct rsource **src, struct err *err)
{
	struct medium_source *s = calloc(1, sizeof(*s));

	if (s)
		s->base.name = strdup("the dump as it is");
	if (!s || !s->base.name) {
		free(s);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	s->base.ops = &source_ops;
	s->base.size_bytes = u->state == UNDO_DONE ? m->size_bytes : u->old_size;
	s->m = m;
	s->u = u;
	*src = &s->base;
	return ST_OK;
}

/* Byte by byte from its end: what is left of it, wherever this is cut off, is its beginning, as find_torn() knows it. */
static enum status wipe_mark(struct medium *m, struct err *err)
{
	static const uint8_t zero;
	enum status st = ST_OK;

	for (size_t i = UNDO_MARK_LEN; st == ST_OK && i; i--)
		st = m->ops->write_at(m, UNDO_MARK_OFF + i - 1, &zero, 1, err);
	return st == ST_OK ? m->ops->sync(m, err) : st;
}

enum status undo_roll_back(struct medium *m, const struct undo *u, struct err *err)
{
	enum status st = ST_OK;

	if (u->state == UNDO_NONE)
		return ST_OK;
	for (size_t i = u->nr_patches; st == ST_OK && i; i--)
		st = m->ops->write_at(m, u->patches[i - 1].off, u->patches[i - 1].old_bytes, u->patches[i - 1].len, err);
	/* The copy goes only when what it is for is safe, and the mark when the copy is gone. */
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st == ST_OK && m->size_bytes > u->old_size)
		st = m->ops->truncate(m, u->old_size, err);
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	return st == ST_OK ? wipe_mark(m, err) : st;
}

uint64_t undo_record_len(const struct patch *patches, size_t nr)
{
	uint64_t len = UNDO_HEAD_LEN;

	for (size_t i = 0; i < nr; i++)
		len += PATCH_HEAD_LEN + 2 * (uint64_t)patches[i].len;
	return len;
}

enum status undo_encode(uint64_t old_size, const struct patch *patches, size_t nr, uint8_t **record, size_t *len,
			struct err *err)
{
	uint64_t need = undo_record_len(patches, nr);
	uint8_t *r, *at;

	if (need > UNDO_TAIL_MAX / 2)
		return err_set(err, ST_UNSUPPORTED, "too much changes to do it in place: write another file with -o");
	r = calloc(1, (size_t)need);
	if (!r)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(r, UNDO_MAGIC, UNDO_MAGIC_LEN);
	put_u32(r + 16, ORDER_LITTLE, UNDO_VERSION);
	put_u32(r + 20, ORDER_LITTLE, (uint32_t)nr);
	put_u64(r + 24, ORDER_LITTLE, old_size);
	put_u64(r + 32, ORDER_LITTLE, need);
	at = r + UNDO_HEAD_LEN;
	for (size_t i = 0; i < nr; i++) {
		put_u64(at, ORDER_LITTLE, patches[i].off);
		put_u64(at + 8, ORDER_LITTLE, patches[i].len);
		memcpy(at + PATCH_HEAD_LEN, patches[i].old_bytes, patches[i].len);
		memcpy(at + PATCH_HEAD_LEN + patches[i].len, patches[i].new_bytes, patches[i].len);
		at += PATCH_HEAD_LEN + 2 * patches[i].len;
	}
	put_u32(r + 40, ORDER_LITTLE, crc(r + UNDO_HEAD_LEN, (size_t)need - UNDO_HEAD_LEN));
	put_u32(r + 44, ORDER_LITTLE, crc(r, 44));
	*record = r;
	*len = (size_t)need;
	return ST_OK;
}
