// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/batch.h"

#include <stdlib.h>
#include <string.h>

enum status batch_init(struct batch *b, uint32_t page_size, size_t cap, struct err *err)
{
	*b = (struct batch){ .page_size = page_size, .cap = cap };
	b->pfns = calloc(cap, sizeof(*b->pfns));
	b->states = calloc(cap, sizeof(*b->states));
	b->packed = calloc(cap, sizeof(*b->packed));
	b->pages = malloc(cap * page_size);
	b->out = malloc(cap * page_size);
	if (b->pfns && b->states && b->packed && b->pages && b->out)
		return ST_OK;
	batch_deinit(b);
	return err_set(err, ST_NO_MEMORY, "out of memory");
}

void batch_deinit(struct batch *b)
{
	free(b->pfns);
	free(b->states);
	free(b->packed);
	free(b->pages);
	free(b->out);
	*b = (struct batch){ 0 };
}

uint64_t batch_bytes(uint32_t page_size, size_t cap)
{
	return (uint64_t)cap * (2 * (uint64_t)page_size + sizeof(uint64_t) + sizeof(enum page_state) +
				sizeof(struct packed_page));
}

void batch_fill(struct batch *b, struct physmem *pm, const struct pageset *keep, uint64_t *pfn)
{
	uint64_t start, end;

	b->nr = 0;
	while (b->nr < b->cap && pageset_next(keep, *pfn, b->cap - b->nr, &start, &end)) {
		size_t n = (size_t)(end - start);

		physmem_read_pages(pm, start, n, b->pages + b->nr * b->page_size, b->states + b->nr);
		for (size_t i = 0; i < n; i++)
			b->pfns[b->nr + i] = start + i;
		b->nr += n;
		*pfn = end;
	}
}

/* A cache line at a time; most pages that are not zero show it in the first one. */
static bool is_zero_page(const uint8_t *page, size_t len)
{
	for (size_t i = 0; i < len; i += 64) {
		uint64_t w[8];

		memcpy(w, page + i, sizeof(w));
		if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])
			return false;
	}
	return true;
}

void batch_pack(struct batch *b, const struct codec *codec, void *codec_ctx)
{
	uint8_t *out = b->out; /* has room for a whole page at each turn: none grows */

	for (size_t i = 0; i < b->nr; i++) {
		const uint8_t *page = b->pages + i * b->page_size;
		struct packed_page *p = &b->packed[i];
		size_t len;

		*p = (struct packed_page){ .kind = PACKED_RAW };
		if (b->states[i] == PAGE_UNREADABLE || b->states[i] == PAGE_ABSENT) {
			p->kind = PACKED_HOLE;
			continue;
		}
		if (is_zero_page(page, b->page_size)) {
			p->kind = PACKED_ZERO;
			continue;
		}
		len = codec->compress(codec_ctx, page, b->page_size, out, b->page_size - 1);
		if (!len || len >= b->page_size)
			continue;
		p->kind = PACKED_COMPRESSED;
		p->size = (uint32_t)len;
		out += len;
	}
}
