/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_KDUMP_H
#define TESTS_UNIT_FAKE_KDUMP_H

/*
 * A KDUMP in memory, put together field by field from the format's description, with no code of the product but its
 * codecs: what a test breaks is the bytes.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/endian.h"
#include "common/units.h"
#include "formats/codec/codec.h"

enum fake_store {
	FAKE_ABSENT,   /* no RAM */
	FAKE_EXCLUDED, /* RAM, left out */
	FAKE_STORED,   /* with the codec of struct fake_kdump, raw where that does not shrink it */
	FAKE_RAW,
	FAKE_ZERO, /* shares the zero page at the start of the data */
	FAKE_HOLE, /* {0,0,0,0} */
};

struct fake_kdump {
	/* To be set before fake_kdump_build(). */
	enum byte_order order;
	int version;
	const char *machine, *codec;
	uint32_t page_size;
	uint64_t max_mapnr;
	enum fake_store (*store)(uint64_t pfn);
	void (*content)(uint64_t pfn, uint8_t *page, size_t len); /* of FAKE_STORED and FAKE_RAW */
	const void *notes;
	size_t notes_len;
	const char *vmcoreinfo; /* pointer of the sub header; NULL: none */
	bool single_bitmap, split;
	uint64_t start_pfn, end_pfn; /* of @split */
	/* Set by it: */
	uint8_t *bytes;
	size_t len, cap;
	size_t bitmap_1, bitmap_2, descs, data; /* offsets */
	size_t nr_descs;
};

/* Always the same content of a page, and it compresses. @len is a multiple of 16. */
static inline void fake_content(uint64_t pfn, uint8_t *page, size_t len)
{
	uint32_t seed = (uint32_t)(pfn * 2654435761u + 1);

	for (size_t i = 0; i < len; i += 16) {
		seed = seed * 1103515245u + 12345;
		memset(page + i, (uint8_t)(pfn + i / 256), 16);
		put_u32(page + i, ORDER_LITTLE, seed);
		page[i + 3] = page[i + 4];
	}
}

static inline void fake_put(struct fake_kdump *f, size_t off, const void *data, size_t len)
{
	if (off + len > f->cap) {
		size_t cap = 2 * (off + len);

		f->bytes = realloc(f->bytes, cap);
		memset(f->bytes + f->cap, 0, cap - f->cap);
		f->cap = cap;
	}
	if (off + len > f->len)
		f->len = off + len;
	memcpy(f->bytes + off, data, len);
}

static inline void fake_put_u32(struct fake_kdump *f, size_t off, uint32_t v)
{
	uint8_t raw[4];

	put_u32(raw, f->order, v);
	fake_put(f, off, raw, sizeof(raw));
}

static inline void fake_put_u64(struct fake_kdump *f, size_t off, uint64_t v)
{
	uint8_t raw[8];

	put_u64(raw, f->order, v);
	fake_put(f, off, raw, sizeof(raw));
}

static inline void fake_put_desc(struct fake_kdump *f, size_t index, uint64_t offset, uint32_t size, uint32_t flags)
{
	fake_put_u64(f, f->descs + index * 24, offset);
	fake_put_u32(f, f->descs + index * 24 + 8, size);
	fake_put_u32(f, f->descs + index * 24 + 12, flags);
	fake_put_u64(f, f->descs + index * 24 + 16, 0);
}

static inline void fake_set_bit(struct fake_kdump *f, size_t bitmap, uint64_t pfn)
{
	f->bytes[bitmap + pfn / 8] |= (uint8_t)(1u << pfn % 8);
}

static inline void fake_headers(struct fake_kdump *f, uint32_t sub_blocks, uint32_t bitmap_blocks)
{
	size_t sub = f->page_size, notes = sub + 104;

	fake_put(f, 0, "KDUMP   ", 8);
	fake_put_u32(f, 8, (uint32_t)f->version);
	fake_put(f, 12 + 2 * 65, "6.1.0-test", 10);
	fake_put(f, 12 + 4 * 65, f->machine, strlen(f->machine));
	fake_put_u64(f, 408, 1700000000);
	fake_put_u32(f, 424, codec_by_name(f->codec)->flag);
	fake_put_u32(f, 428, f->page_size);
	fake_put_u32(f, 432, sub_blocks);
	fake_put_u32(f, 436, bitmap_blocks);
	fake_put_u32(f, 440, (uint32_t)min_u64(f->max_mapnr, UINT32_MAX));
	fake_put_u32(f, 460, 2);
	fake_put_u64(f, sub, (uint64_t)-4096);
	fake_put_u32(f, sub + 8, 31);
	fake_put_u32(f, sub + 12, f->split);
	fake_put_u64(f, sub + 16, f->split ? f->start_pfn : 0);
	fake_put_u64(f, sub + 24, f->split ? f->end_pfn : 0);
	fake_put(f, notes, f->notes, f->notes_len);
	if (f->vmcoreinfo) {
		fake_put(f, notes + f->notes_len, f->vmcoreinfo, strlen(f->vmcoreinfo));
		fake_put_u64(f, sub + 32, notes + f->notes_len);
		fake_put_u64(f, sub + 40, strlen(f->vmcoreinfo));
	}
	fake_put_u64(f, sub + 48, f->notes_len ? notes : 0);
	fake_put_u64(f, sub + 56, f->notes_len);
	if (f->version >= 6) {
		fake_put_u64(f, sub + 80, f->split ? f->start_pfn : 0);
		fake_put_u64(f, sub + 88, f->split ? f->end_pfn : 0);
		fake_put_u64(f, sub + 96, f->max_mapnr);
	}
}

static inline size_t fake_page_data(struct fake_kdump *f, uint64_t pfn, enum fake_store store, uint8_t *page,
				    uint8_t *packed, void *ctx)
{
	size_t len = 0;

	f->content(pfn, page, f->page_size);
	if (store == FAKE_STORED)
		len = codec_by_name(f->codec)->compress(ctx, page, f->page_size, packed, f->page_size - 1);
	return len;
}

static inline void fake_pages(struct fake_kdump *f)
{
	const struct codec *codec = codec_by_name(f->codec);
	uint8_t *page = calloc(1, f->page_size), *packed = malloc(f->page_size);
	size_t index = 0, next = f->data + f->page_size;
	void *ctx;

	if (codec->open(f->page_size, &ctx, NULL) != ST_OK)
		abort();
	fake_put(f, f->data, page, f->page_size);
	for (uint64_t pfn = 0; pfn < f->max_mapnr; pfn++) {
		enum fake_store store = f->store(pfn);
		size_t len;

		if (store < FAKE_STORED || (f->split && (pfn < f->start_pfn || pfn >= f->end_pfn)))
			continue;
		if (store == FAKE_ZERO || store == FAKE_HOLE) {
			fake_put_desc(f, index++, store == FAKE_ZERO ? f->data : 0,
				      store == FAKE_ZERO ? f->page_size : 0, 0);
			continue;
		}
		len = fake_page_data(f, pfn, store, page, packed, ctx);
		fake_put(f, next, len ? packed : page, len ? len : f->page_size);
		fake_put_desc(f, index++, next, (uint32_t)(len ? len : f->page_size), len ? codec->flag : 0);
		next += len ? len : f->page_size;
	}
	codec->close(ctx);
	free(page);
	free(packed);
}

/* 64-bit layouts only: what differs in the others is the headers, which have tests of their own. */
static inline void fake_kdump_build(struct fake_kdump *f)
{
	size_t map_blocks = div_round_up(div_round_up(f->max_mapnr, 8), f->page_size);
	size_t notes_end = 104 + f->notes_len + (f->vmcoreinfo ? strlen(f->vmcoreinfo) : 0);
	uint32_t sub_blocks = (uint32_t)div_round_up(notes_end, f->page_size);

	f->bytes = NULL;
	f->len = f->cap = 0;
	f->nr_descs = 0;
	f->bitmap_1 = (1 + sub_blocks) * (size_t)f->page_size;
	f->bitmap_2 = f->bitmap_1 + (f->single_bitmap ? 0 : map_blocks * f->page_size);
	f->descs = f->bitmap_2 + map_blocks * f->page_size;
	fake_put(f, f->descs, "", 0);
	fake_headers(f, sub_blocks, (uint32_t)(map_blocks * (f->single_bitmap ? 1 : 2)));
	for (uint64_t pfn = 0; pfn < f->max_mapnr; pfn++) {
		enum fake_store store = f->store(pfn);

		if (store >= FAKE_EXCLUDED && !f->single_bitmap)
			fake_set_bit(f, f->bitmap_1, pfn);
		if (store >= FAKE_STORED)
			fake_set_bit(f, f->bitmap_2, pfn);
		if (store >= FAKE_STORED && (!f->split || (pfn >= f->start_pfn && pfn < f->end_pfn)))
			f->nr_descs++;
	}
	f->data = f->descs + f->nr_descs * 24;
	fake_pages(f);
}

#endif
