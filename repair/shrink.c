// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/shrink.h"

#include <stdlib.h>
#include <string.h>

#include "formats/kdump/kdump_physmem.h"

/* Twice that goes into the undo copy. */
#define PATCH_MAX (48 * MIB)

static void clear_from(uint8_t *map, size_t len, uint64_t end_pfn)
{
	size_t at = (size_t)min_u64(len, end_pfn / 8);

	if (at == len)
		return;
	map[at] &= (uint8_t)((1u << end_pfn % 8) - 1);
	memset(map + at + 1, 0, len - at - 1);
}

static uint64_t count_bits(const uint8_t *map, size_t len)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < len; i++)
		nr += (uint64_t)__builtin_popcount(map[i]);
	return nr;
}

static enum status add_patch(struct shrink *s, struct physmem *pm, uint64_t off, uint64_t len, struct err *err)
{
	uint8_t **bytes = &s->bytes[2 * s->nr_patches];

	if (len > PATCH_MAX)
		return err_set(err, ST_UNSUPPORTED, "too much changes to do it in place: write another file with -o");
	bytes[0] = malloc((size_t)len);
	bytes[1] = calloc(1, (size_t)len);
	if (!bytes[0] || !bytes[1])
		return err_set(err, ST_NO_MEMORY, "out of memory");
	s->patches[s->nr_patches++] = (struct patch){ off, (size_t)len, bytes[0], bytes[1] };
	return kdump_physmem_read_file(pm, off, bytes[0], (size_t)len, err);
}

enum status shrink_plan(struct physmem *pm, struct kdump_header *hdr, struct shrink *s, struct err *err)
{
	const struct kdump_details *details = kdump_physmem_details(pm);
	const struct kdump_header *old = &details->header;
	uint64_t bs = old->block_size, half = div_round_up(div_round_up(hdr->max_mapnr, 8), bs) * bs;
	uint64_t old_off = (1 + (uint64_t)old->sub_hdr_blocks) * bs, old_half = old->bitmap_blocks / 2 * bs;
	uint64_t new_off = old_off + 2 * (old_half - half), nr_left;
	enum status st = add_patch(s, pm, new_off, 2 * half, err);

	if (st == ST_OK)
		st = kdump_physmem_read_file(pm, old_off, s->bytes[1], (size_t)half, err);
	if (st == ST_OK)
		st = kdump_physmem_read_file(pm, old_off + old_half, s->bytes[1] + half, (size_t)half, err);
	if (st != ST_OK)
		return st;
	clear_from(s->bytes[1], (size_t)half, hdr->max_mapnr);
	clear_from(s->bytes[1] + half, (size_t)half, hdr->max_mapnr);
	hdr->bitmap_blocks = (uint32_t)(2 * half / bs);
	hdr->sub_hdr_blocks = (uint32_t)(new_off / bs - 1);
	nr_left = count_bits(s->bytes[1] + half, (size_t)half);
	if (nr_left >= details->nr_stored)
		return ST_OK;
	s->nr_dropped = details->nr_stored - nr_left;
	return add_patch(s, pm, old_off + 2 * old_half + nr_left * KDUMP_PAGE_DESC_SIZE,
			 s->nr_dropped * KDUMP_PAGE_DESC_SIZE, err);
}

void shrink_deinit(struct shrink *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->bytes); i++)
		free(s->bytes[i]);
	*s = (struct shrink){ 0 };
}
