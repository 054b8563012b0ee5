// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/endian.h"
#include "common/units.h"

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

static enum status find_state(struct medium *m, struct undo *u, struct err *err)
{
	bool all_old = true, all_new = true;

	for (size_t i = 0; i < u->nr_patches; i++) {
		const struct patch *p = &u->patches[i];
		uint8_t *now = malloc(p->len + 1);
		enum status st;

		if (!now)
			return err_set(err, ST_NO_MEMORY, "out of memory");
		st = medium_read(m, p->off, now, p->len, err);
		if (st == ST_OK) {
			all_old = all_old && !memcmp(now, p->old_bytes, p->len);
			all_new = all_new && !memcmp(now, p->new_bytes, p->len);
		}
		free(now);
		if (st != ST_OK)
			return st;
	}
	u->state = all_new ? UNDO_DONE : all_old ? UNDO_BEFORE : UNDO_BETWEEN;
	return ST_OK;
}

/* A sane head was found at @u->record_off. */
static enum status load(struct medium *m, struct undo *u, const uint8_t *head, uint64_t len, struct err *err)
{
	enum status st;

	u->old_size = get_u64(head + 24, ORDER_LITTLE);
	u->state = UNDO_TORN;
	if (!span_within(u->record_off, len, m->size_bytes))
		return ST_OK;
	u->record = malloc((size_t)len);
	if (!u->record)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = medium_read(m, u->record_off, u->record, (size_t)len, err);
	if (st != ST_OK)
		return st;
	if (crc(u->record + UNDO_HEAD_LEN, (size_t)len - UNDO_HEAD_LEN) == get_u32(u->record + 40, ORDER_LITTLE) &&
	    parse_patches(u, len))
		return find_state(m, u, err);
	free(u->record);
	u->record = NULL;
	u->nr_patches = 0;
	return ST_OK;
}

enum status undo_find(struct medium *m, uint64_t below, struct undo *u, struct err *err)
{
	uint64_t last = align_down(m->size_bytes, UNDO_ALIGN);
	/* The record, its notes, and the end of the file rounded down. */
	uint64_t first = last > UNDO_TAIL_MAX + UNDO_ALIGN ? last - UNDO_TAIL_MAX - UNDO_ALIGN : UNDO_ALIGN;

	*u = (struct undo){ .state = UNDO_NONE };
	for (uint64_t at = last; at >= first; at -= UNDO_ALIGN) {
		uint8_t head[UNDO_HEAD_LEN];
		uint64_t len;
		size_t got;
		enum status st;

		if (at >= below)
			continue;
		st = m->ops->read_at(m, at, head, sizeof(head), &got, err);
		if (st != ST_OK)
			return st;
		if (got < sizeof(head) || !head_is_sane(head, at, &len))
			continue;
		u->record_off = at;
		return load(m, u, head, len, err);
	}
	return ST_OK;
}

void undo_deinit(struct undo *u)
{
	free(u->record);
	*u = (struct undo){ 0 };
}

struct old_source {
	struct rsource base;
	struct medium *m;
	const struct undo *u;
};

static enum status old_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct old_source *s = (struct old_source *)src;
	size_t want = (size_t)min_u64(len, src->size_bytes - off);
	enum status st = s->m->ops->read_at(s->m, off, buf, want, got, err);

	for (size_t i = 0; st == ST_OK && i < s->u->nr_patches; i++) {
		const struct patch *p = &s->u->patches[i];
		uint64_t from = max_u64(off, p->off), to = min_u64(off + *got, p->off + p->len);

		if (from < to)
			memcpy((uint8_t *)buf + (from - off), p->old_bytes + (from - p->off), (size_t)(to - from));
	}
	return st;
}

static void old_close(struct rsource *src)
{
	free(src);
}

static const struct rsource_ops old_ops = {
	.read_at = old_read_at,
	.close = old_close,
};

enum status undo_source_open(struct medium *m, const struct undo *u, struct rsource **src, struct err *err)
{
	struct old_source *s = calloc(1, sizeof(*s));

	if (s)
		s->base.name = strdup("the dump as it was");
	if (!s || !s->base.name) {
		free(s);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	s->base.ops = &old_ops;
	s->base.size_bytes = u->state == UNDO_NONE ? m->size_bytes : u->old_size;
	s->m = m;
	s->u = u;
	*src = &s->base;
	return ST_OK;
}

enum status undo_roll_back(struct medium *m, const struct undo *u, struct err *err)
{
	enum status st = ST_OK;

	if (u->state == UNDO_NONE)
		return ST_OK;
	for (size_t i = u->nr_patches; st == ST_OK && i; i--)
		st = m->ops->write_at(m, u->patches[i - 1].off, u->patches[i - 1].old_bytes, u->patches[i - 1].len, err);
	/* The copy goes only when what it is for is safe. */
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st == ST_OK)
		st = m->ops->truncate(m, u->old_size, err);
	return st == ST_OK ? m->ops->sync(m, err) : st;
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
