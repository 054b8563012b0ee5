// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/io/wsink.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"

void wsink_close(struct wsink *sink)
{
	if (sink)
		sink->ops->close(sink);
}

enum status wsink_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err)
{
	return len ? sink->ops->write_at(sink, off, buf, len, err) : ST_OK;
}

enum status wsink_reserve(struct wsink *sink, uint64_t off, uint64_t len, struct err *err)
{
	return len && sink->ops->reserve ? sink->ops->reserve(sink, off, len, err) : ST_OK;
}

enum status wsink_sync(struct wsink *sink, struct err *err)
{
	return sink->ops->sync ? sink->ops->sync(sink, err) : ST_OK;
}

enum status wsink_commit(struct wsink *sink, struct err *err)
{
	return sink->ops->commit ? sink->ops->commit(sink, err) : ST_OK;
}

struct mem_sink {
	struct wsink base;
	uint8_t *data;
	size_t len, cap;
};

static enum status mem_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err)
{
	struct mem_sink *m = (struct mem_sink *)sink;
	uint64_t end;

	if (__builtin_add_overflow(off, len, &end) || end > SIZE_MAX / 2)
		return err_set(err, ST_NO_SPACE, "memory sink: offset too large");
	if (end > m->cap) {
		size_t cap = (size_t)max_u64(end, m->cap * 2);
		uint8_t *data = realloc(m->data, cap);

		if (!data)
			return err_set(err, ST_NO_MEMORY, "out of memory");
		memset(data + m->cap, 0, cap - m->cap);
		m->data = data;
		m->cap = cap;
	}
	memcpy(m->data + off, buf, len);
	m->len = (size_t)max_u64(m->len, end);
	sink->bytes_written += len;
	return ST_OK;
}

static void mem_close(struct wsink *sink)
{
	free(((struct mem_sink *)sink)->data);
	free(sink);
}

static const struct wsink_ops mem_ops = {
	.write_at = mem_write_at,
	.close = mem_close,
};

enum status wsink_mem_open(struct wsink **sink, struct err *err)
{
	struct mem_sink *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	m->base.ops = &mem_ops;
	m->base.rewritable = true;
	*sink = &m->base;
	return ST_OK;
}

const void *wsink_mem_data(const struct wsink *sink, size_t *len)
{
	const struct mem_sink *m = (const struct mem_sink *)sink;

	*len = m->len;
	return m->data;
}
