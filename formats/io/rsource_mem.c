// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "formats/io/rsource.h"

struct mem_source {
	struct rsource base;
	const uint8_t *data;
};

static enum status mem_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct mem_source *m = (struct mem_source *)src;

	*got = (size_t)min_u64(len, src->size_bytes - off);
	memcpy(buf, m->data + off, *got);
	return ST_OK;
}

static void mem_close(struct rsource *src)
{
	free(src);
}

static const struct rsource_ops mem_ops = {
	.read_at = mem_read_at,
	.close = mem_close,
};

enum status rsource_mem_open(const void *data, size_t len, const char *name, struct rsource **src, struct err *err)
{
	struct mem_source *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	m->base.ops = &mem_ops;
	m->base.size_bytes = len;
	m->base.can_share = true;
	m->base.name = strdup(name);
	m->data = data;
	if (!m->base.name) {
		free(m);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	*src = &m->base;
	return ST_OK;
}
