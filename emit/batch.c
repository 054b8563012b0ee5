// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/batch.h"

#include <stdlib.h>
#include <string.h>

/*
 * Read at a time: a page that was just read is packed while it lies in the first or second cache, and a read of this size costs
 * a file no more than a larger one. Straight from a window of /proc/vmcore would save this copy, but the page may change under
 * the codec there (devices that nobody stopped write on), and codecs count on input that stays as it is.
 */
#define READ_BYTES (64u * 1024)

enum status batch_init(struct batch *b, uint32_t page_size, size_t cap, struct err *err)
{
	*b = (struct batch){ .page_size = page_size, .cap = cap };
	b->pfns = calloc(cap, sizeof(*b->pfns));
	b->packed = calloc(cap, sizeof(*b->packed));
	b->out = malloc(cap * page_size);
	if (b->pfns && b->packed && b->out)
		return ST_OK;
	batch_deinit(b);
	return err_set(err, ST_NO_MEMORY, "out of memory");
}

void batch_deinit(struct batch *b)
{
	free(b->pfns);
	free(b->packed);
	free(b->out);
	*b = (struct batch){ 0 };
}

uint64_t batch_bytes(uint32_t page_size, size_t cap)
{
	return (uint64_t)cap * (page_size + sizeof(uint64_t) + sizeof(struct packed_page));
}

void batch_fill(struct batch *b, const struct pageset *keep, uint64_t *pfn)
{
	uint64_t start, end;

	b->nr = 0;
	while (b->nr < b->cap && pageset_next(keep, *pfn, b->cap - b->nr, &start, &end)) {
		end = min_u64(end, (start / b->cap + 1) * b->cap);
		for (*pfn = start; *pfn < end; (*pfn)++)
			b->pfns[b->nr++] = *pfn;
		if (*pfn % b->cap == 0 && b->nr >= b->cap / 2)
			break;
	}
}

enum status packer_init(struct packer *p, struct physmem *pm, bool alone, const struct codec *codec, int level,
			const struct repeats *repeats, struct err *err)
{
	enum status st = ST_OK;

	*p = (struct packer){ .pm = pm, .codec = codec, .repeats = repeats, .owns_pm = !alone };
	p->cap = (size_t)max_u64(READ_BYTES / pm->page_size, 1);
	if (!alone) {
		st = physmem_clone(pm, &p->pm, err);
		p->owns_pm = st == ST_OK;
	}
	p->pages = malloc(p->cap * pm->page_size);
	p->states = calloc(p->cap, sizeof(*p->states));
	if (st == ST_OK && (!p->pages || !p->states))
		st = err_set(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK)
		st = level && codec->open_level ? codec->open_level(pm->page_size, level, &p->codec_ctx, err) :
						  codec->open(pm->page_size, &p->codec_ctx, err);
	if (st != ST_OK)
		packer_deinit(p);
	return st;
}

void packer_deinit(struct packer *p)
{
	if (p->codec_ctx)
		p->codec->close(p->codec_ctx);
	if (p->owns_pm)
		physmem_close(p->pm);
	free(p->pages);
	free(p->states);
	*p = (struct packer){ 0 };
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

static struct packed_page as_it_is(const struct packer *p, enum packed_kind kind, const uint8_t *page, uint8_t *out)
{
	memcpy(out, page, p->pm->page_size);
	return (struct packed_page){ .kind = kind, .size = p->pm->page_size };
}

struct packed_page packer_compress(const struct packer *p, const uint8_t *page, uint8_t *out)
{
	uint32_t page_size = p->pm->page_size;
	size_t len = p->codec->compress(p->codec_ctx, page, page_size, out, page_size - 1);

	if (!len || len >= page_size)
		return as_it_is(p, PACKED_RAW, page, out);
	return (struct packed_page){ .kind = PACKED_COMPRESSED, .size = (uint32_t)len };
}

/* @out has room for a whole page. */
static struct packed_page pack_page(const struct packer *p, const uint8_t *page, enum page_state state, uint8_t *out)
{
	struct packed_page packed = { .kind = PACKED_HOLE };
	struct page_print print = { 0 };

	if (state == PAGE_UNREADABLE || state == PAGE_ABSENT)
		return packed;
	if (is_zero_page(page, p->pm->page_size)) {
		packed.kind = PACKED_ZERO;
	} else {
		if (p->repeats)
			print = repeats_print(p->repeats, page);
		if (p->repeats && repeats_may_know(p->repeats, &print))
			packed = as_it_is(p, PACKED_REPEAT, page, out);
		else
			packed = packer_compress(p, page, out);
	}
	packed.is_partial = state == PAGE_PARTIAL;
	packed.print = print;
	return packed;
}

/* How many pages from @first on are neighbours, as far as one read goes. */
static size_t run_length(const struct batch *b, size_t first, size_t most)
{
	size_t n = 1;

	while (n < most && first + n < b->nr && b->pfns[first + n] == b->pfns[first] + n)
		n++;
	return n;
}

void batch_pack(struct batch *b, const struct packer *p)
{
	uint8_t *out = b->out; /* has room for a whole page at each turn: none grows */

	for (size_t at = 0; at < b->nr;) {
		size_t n = run_length(b, at, p->cap);

		physmem_read_pages(p->pm, b->pfns[at], n, p->pages, p->states);
		for (size_t i = 0; i < n; i++, at++) {
			b->packed[at] = pack_page(p, p->pages + i * b->page_size, p->states[i], out);
			out += b->packed[at].size;
		}
	}
}
