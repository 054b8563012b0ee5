// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/io/rsource.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/units.h"

enum status rsource_clone(struct rsource *src, struct rsource **clone, struct err *err)
{
	if (!src->ops->clone)
		return err_set(err, ST_UNSUPPORTED, "%s has one reader only", src->name);
	return src->ops->clone(src, clone, err);
}

void rsource_close(struct rsource *src)
{
	if (!src)
		return;
	free(src->name);
	src->name = NULL;
	src->ops->close(src);
}

enum status rsource_read_some(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	*got = 0;
	if (!len || off >= src->size_bytes)
		return ST_OK;
	return src->ops->read_at(src, off, buf, len, got, err);
}

enum status rsource_read(struct rsource *src, uint64_t off, void *buf, size_t len, struct err *err)
{
	size_t got;
	enum status st = rsource_read_some(src, off, buf, len, &got, err);

	if (st != ST_OK)
		return st;
	if (got != len)
		return err_set(err, ST_BAD_INPUT, "%s ends too early: %zu bytes wanted at offset %" PRIu64 ", the size is %" PRIu64,
			       src->name, len, off, src->size_bytes);
	return ST_OK;
}

const uint8_t *rsource_view(struct rsource *src, uint64_t off, size_t len)
{
	if (!src->ops->view || !len || !span_within(off, len, src->size_bytes))
		return NULL;
	return src->ops->view(src, off, len);
}

struct range rsource_next_data(struct rsource *src, uint64_t off)
{
	if (off < src->size_bytes && src->ops->next_data)
		return src->ops->next_data(src, off);
	return (struct range){ min_u64(off, src->size_bytes), src->size_bytes };
}
