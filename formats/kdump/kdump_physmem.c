// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_physmem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_internal.h"
#include "formats/kdump/kdump_survey.h"

/* What the kernel and QEMU write is a few hundred bytes a CPU, and device dumps. */
#define NOTES_MAX (64 * MIB)
#define VMCOREINFO_MAX MIB
/* No architecture has wider physical addresses; bounds the index of a file that claims more. */
#define PHYS_ADDR_BITS_MAX 52

/** Places that follow from the main header. */
struct kdump_places {
	uint64_t bitmap_1_off, bitmap_2_off, desc_off;
};

/** The part that @pfn belongs to; NULL where there is none. */
static struct kdump_part *find_part(struct kdump_physmem *k, uint64_t pfn)
{
	size_t lo = 0, hi = k->nr_parts;

	if (pfn >= k->parts[k->last_part].start_pfn && pfn < k->parts[k->last_part].end_pfn)
		return &k->parts[k->last_part];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->parts[mid].end_pfn <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == k->nr_parts || pfn < k->parts[lo].start_pfn)
		return NULL;
	k->last_part = lo;
	return &k->parts[lo];
}

/** Parts that have not been read for long give their memory back. */
static void keep_few_awake(struct kdump_physmem *k, const struct kdump_part *part)
{
	size_t nr = (size_t)(part - k->parts) + 1;

	if (k->nr_parts <= KDUMP_AWAKE_PARTS)
		return;
	for (size_t i = 0; i < KDUMP_AWAKE_PARTS; i++)
		if (k->awake[i] == nr)
			return;
	if (k->awake[k->next_awake])
		kdump_pages_sleep(&k->parts[k->awake[k->next_awake] - 1].pages);
	k->awake[k->next_awake] = nr;
	k->next_awake = (k->next_awake + 1) % KDUMP_AWAKE_PARTS;
}

static enum status read_page_part(struct kdump_physmem *k, uint64_t pfn, size_t off, void *buf, size_t len,
				  struct err *err)
{
	struct kdump_part *part = find_part(k, pfn);
	uint64_t rank;
	bool stored = false;
	enum status st;

	if (!part)
		return err_set(err, ST_NO_DATA, "page frame 0x%" PRIx64 " is not in this dump", pfn);
	st = kdump_bitmap_rank(&k->stored, pfn, &stored, &rank, err);
	if (st != ST_OK)
		return err_wrap(err, ST_IO, "page frame 0x%" PRIx64, pfn);
	if (!stored)
		return err_set(err, ST_NO_DATA, "page frame 0x%" PRIx64 " was left out of this dump", pfn);
	keep_few_awake(k, part);
	st = kdump_pages_read(&part->pages, rank - part->start_rank, off, buf, len, err);
	return st == ST_OK ? st : err_wrap(err, st, "page frame 0x%" PRIx64, pfn);
}

static enum status kdump_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got, struct err *err)
{
	struct kdump_physmem *k = (struct kdump_physmem *)pm;

	while (*got < len) {
		uint64_t at = paddr + *got;
		size_t off = (size_t)(at % pm->page_size);
		size_t n = (size_t)min_u64(len - *got, pm->page_size - off);
		enum status st = read_page_part(k, at / pm->page_size, off, (uint8_t *)buf + *got, n, err);

		if (st != ST_OK)
			return st;
		*got += n;
	}
	return ST_OK;
}

/* Between two parts of a set no bit is set, so only its ends bound the search. */
static bool kdump_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	struct kdump_physmem *k = (struct kdump_physmem *)pm;
	uint64_t limit_pfn = min_u64(div_round_up(limit, pm->page_size), k->parts[k->nr_parts - 1].end_pfn);
	struct range pfns;

	if (!kdump_bitmap_next_run(&k->stored, max_u64(paddr / pm->page_size, k->parts[0].start_pfn), limit_pfn, &pfns))
		return false;
	run->start = max_u64(paddr, pfns.start * pm->page_size);
	run->end = min_u64(limit, pfns.end * pm->page_size);
	return true;
}

static void kdump_close(struct physmem *pm)
{
	struct kdump_physmem *k = (struct kdump_physmem *)pm;

	kdump_bitmap_deinit(&k->stored);
	for (size_t i = 0; i < k->nr_parts; i++) {
		kdump_pages_deinit(&k->parts[i].pages);
		if (!k->is_clone)
			rsource_close(k->parts[i].src);
	}
	free(k->parts);
	if (!k->is_clone) {
		free(k->ranges);
		free(k->notes);
		free(k->vmcoreinfo);
	}
	free(k);
}

static enum status kdump_clone(struct physmem *pm, struct physmem **clone, struct err *err)
{
	struct kdump_physmem *from = (struct kdump_physmem *)pm, *k;
	enum status st;

	for (size_t i = 0; i < from->nr_parts; i++)
		if (!from->parts[i].src->can_share)
			return err_set(err, ST_UNSUPPORTED, "%s has one reader only", from->parts[i].src->name);
	k = malloc(sizeof(*k));
	if (!k)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	*k = *from;
	k->is_clone = true;
	k->last_part = 0;
	k->next_awake = 0;
	memset(k->awake, 0, sizeof(k->awake));
	k->parts = calloc(from->nr_parts, sizeof(*k->parts));
	st = kdump_bitmap_share(&k->stored, &from->stored, err);
	if (!k->parts) {
		k->nr_parts = 0;
		st = err_set(err, ST_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < k->nr_parts; i++) {
		k->parts[i] = from->parts[i];
		kdump_pages_share(&k->parts[i].pages, &from->parts[i].pages);
	}
	if (st == ST_OK)
		*clone = &k->base;
	else
		kdump_close(&k->base);
	return st;
}

static const struct physmem_ops kdump_ops = {
	.read = kdump_read,
	.next_data = kdump_next_data,
	.clone = kdump_clone,
	.close = kdump_close,
};

bool kdump_physmem_probe(struct rsource *src)
{
	char magic[KDUMP_SIGNATURE_LEN];

	/* The ancestor too: the decoder has a better message for it than "not a dump". */
	return rsource_read(src, 0, magic, sizeof(magic), NULL) == ST_OK &&
	       (!memcmp(magic, KDUMP_SIGNATURE, sizeof(magic)) || !memcmp(magic, "DISKDUMP", sizeof(magic)));
}

static enum status read_headers(struct kdump_physmem *k, struct err *err)
{
	struct kdump_header *h = &k->details.header;
	uint8_t main_blk[KDUMP_MAIN_HEADER_SIZE_64], sub[KDUMP_SUB_HEADER_SIZE_64];
	size_t got;
	enum status st = rsource_read_some(k->parts[0].src, 0, main_blk, sizeof(main_blk), &got, err);

	if (st != ST_OK)
		return st;
	st = kdump_main_header_decode(main_blk, got, h, err);
	if (st != ST_OK)
		return st;
	st = rsource_read_some(k->parts[0].src, h->block_size, sub, sizeof(sub), &got, err);
	if (st != ST_OK)
		return st;
	return kdump_sub_header_decode(sub, got, h, err);
}

/** Check the main header's numbers against each other and the file. */
static enum status find_places(const struct kdump_physmem *k, struct kdump_places *pl, struct err *err)
{
	const struct kdump_header *h = &k->details.header;
	/* At most 2^32 blocks of 2^18 bytes each: no overflow. */
	uint64_t bs = h->block_size, all = h->bitmap_blocks * bs;
	uint64_t need_blocks;

	if (h->max_mapnr > (UINT64_C(1) << PHYS_ADDR_BITS_MAX) / bs)
		return err_set(err, ST_BAD_INPUT, "max_mapnr is %" PRIu64 " pages: beyond any physical address",
			       h->max_mapnr);
	need_blocks = div_round_up(div_round_up(h->max_mapnr, 8), bs);
	if (h->bitmap_blocks < need_blocks)
		return err_set(err, ST_BAD_INPUT, "bitmaps of %" PRIu32 " blocks are too small for %" PRIu64 " pages",
			       h->bitmap_blocks, h->max_mapnr);
	pl->bitmap_1_off = (1 + (uint64_t)h->sub_hdr_blocks) * bs;
	pl->desc_off = pl->bitmap_1_off + all;
	/* Dumps of the first versions have one bitmap only, told apart by the room that it has. */
	pl->bitmap_2_off = pl->bitmap_1_off + (h->bitmap_blocks >= 2 * need_blocks ? all / 2 : 0);
	if (pl->desc_off > k->parts[0].src->size_bytes)
		return err_set(err, ST_BAD_INPUT,
			       "bitmaps end at offset %" PRIu64 ", beyond the end of the file at %" PRIu64,
			       pl->desc_off, k->parts[0].src->size_bytes);
	return ST_OK;
}

/** Which page frames this file of a split set is about. */
static enum status find_split(struct kdump_physmem *k, struct err *err)
{
	const struct kdump_header *h = &k->details.header;
	struct kdump_part *part = &k->parts[0];
	uint64_t end_rank;
	bool set;
	enum status st;

	part->start_pfn = 0;
	part->end_pfn = h->max_mapnr;
	k->details.nr_stored = k->stored.counts[k->stored.nr_blocks];
	if (!h->split)
		return ST_OK;
	if (h->start_pfn > h->end_pfn || h->end_pfn > h->max_mapnr)
		return err_set(err, ST_BAD_INPUT,
			       "split dump claims page frames %" PRIu64 " to %" PRIu64 " of %" PRIu64, h->start_pfn,
			       h->end_pfn, h->max_mapnr);
	part->start_pfn = h->start_pfn;
	part->end_pfn = h->end_pfn;
	st = kdump_bitmap_rank(&k->stored, part->start_pfn, &set, &part->start_rank, err);
	if (st == ST_OK)
		st = kdump_bitmap_rank(&k->stored, part->end_pfn, &set, &end_rank, err);
	if (st == ST_OK)
		k->details.nr_stored = end_rank - part->start_rank;
	k->details.nr_elsewhere = k->stored.counts[k->stored.nr_blocks] - k->details.nr_stored;
	return st;
}

static enum status read_bitmaps(struct kdump_physmem *k, const struct kdump_places *pl, struct err *err)
{
	const struct kdump_header *h = &k->details.header;
	struct kdump_bitmap_facts facts;
	enum status st =
		kdump_bitmap_init(&k->stored, k->parts[0].src, pl->bitmap_1_off, pl->bitmap_2_off, h->max_mapnr, &facts, err);

	if (st != ST_OK)
		return st;
	k->ranges = facts.ranges;
	for (size_t i = 0; i < facts.nr_ranges; i++) {
		k->ranges[i].start *= h->block_size;
		k->ranges[i].end *= h->block_size;
	}
	k->base.ranges = k->ranges;
	k->base.nr_ranges = facts.nr_ranges;
	k->details.nr_ram = facts.nr_in_1 + facts.nr_only_in_2;
	k->details.nr_excluded = k->details.nr_ram - facts.nr_in_2;
	k->details.bitmap2_not_in_bitmap1 = facts.nr_only_in_2;
	return ST_OK;
}

/**
 * Bytes of the file into memory of their own; NULL in @data, and a warning, where the header's place for them is
 * nonsense.
 */
static enum status read_blob(struct kdump_physmem *k, const char *what, uint64_t off, uint64_t len, uint64_t len_max,
			     void **data, struct err *err)
{
	enum status st;
	void *buf;

	*data = NULL;
	if (!len)
		return ST_OK;
	/* A dump without these is still memory that can be read. */
	if (!off || len > len_max || !span_within(off, len, k->parts[0].src->size_bytes)) {
		log_warn("%s: ignoring %s of %" PRIu64 " bytes at offset %" PRIu64 ": not within the file",
			 k->parts[0].src->name, what, len, off);
		return ST_OK;
	}
	buf = malloc(len);
	if (!buf)
		return err_set(err, ST_NO_MEMORY, "no memory for %s of %" PRIu64 " bytes", what, len);
	st = rsource_read(k->parts[0].src, off, buf, len, err);
	if (st != ST_OK) {
		free(buf);
		return err_wrap(err, st, "cannot read %s", what);
	}
	*data = buf;
	return ST_OK;
}

static enum status read_notes(struct kdump_physmem *k, struct err *err)
{
	const struct kdump_header *h = &k->details.header;
	struct physmem *pm = &k->base;
	void *text;
	enum status st = read_blob(k, "notes", h->notes_off, h->notes_len, NOTES_MAX, &k->notes, err);

	if (st != ST_OK)
		return st;
	if (k->notes) {
		pm->notes = k->notes;
		pm->notes_len_bytes = h->notes_len;
		notes_find_vmcoreinfo(k->notes, h->notes_len, h->order, &pm->vmcoreinfo, &pm->vmcoreinfo_len_bytes);
	}
	if (pm->vmcoreinfo)
		return ST_OK;
	/* Version 3 has nothing but the pointer; a later writer may have left the note out. */
	st = read_blob(k, "VMCOREINFO", h->vmcoreinfo_off, h->vmcoreinfo_len, VMCOREINFO_MAX, &text, err);
	if (st == ST_OK && text) {
		k->vmcoreinfo = text;
		pm->vmcoreinfo = text;
		pm->vmcoreinfo_len_bytes = h->vmcoreinfo_len;
	}
	return st;
}

static void fill_base(struct kdump_physmem *k)
{
	const struct kdump_header *h = &k->details.header;
	struct physmem *pm = &k->base;

	pm->ops = &kdump_ops;
	pm->page_size = h->block_size;
	pm->order = h->order;
	pm->is_64bit = h->is_64bit;
	pm->uts = h->uts;
	pm->has_header_phys_base = true;
	pm->header_phys_base = (int64_t)h->phys_base;
	pm->crash_time_seconds = h->tv_sec;
	pm->dump_level = h->dump_level;
}

static enum status open_parts(struct kdump_physmem *k, struct err *err)
{
	struct kdump_places pl = { 0 };
	enum status st = read_headers(k, err);

	if (st == ST_OK)
		st = find_places(k, &pl, err);
	if (st == ST_OK)
		st = read_bitmaps(k, &pl, err);
	if (st == ST_OK)
		st = find_split(k, err);
	if (st == ST_OK)
		st = kdump_pages_init(&k->parts[0].pages, k->parts[0].src, &k->details.header, pl.desc_off,
				      k->details.nr_stored, err);
	if (st == ST_OK)
		st = read_notes(k, err);
	if (st != ST_OK)
		return st;
	k->parts[0].pages.gaps_are_losses = k->details.flattened_truncated;
	fill_base(k);
	return ST_OK;
}

static enum status open_kdump(struct rsource *src, bool flattened, bool truncated, struct physmem **pm, struct err *err)
{
	struct kdump_physmem *k = calloc(1, sizeof(*k));
	enum status st;

	if (k)
		k->parts = calloc(1, sizeof(*k->parts));
	if (!k || !k->parts) {
		free(k);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	k->nr_parts = 1;
	k->parts[0].src = src;
	k->details.nr_files = 1;
	k->details.flattened = flattened;
	k->details.flattened_truncated = truncated;
	st = open_parts(k, err);
	if (st != ST_OK) {
		k->parts[0].src = NULL; /* stays the caller's */
		kdump_close(&k->base);
		return st;
	}
	*pm = &k->base;
	return ST_OK;
}

enum status kdump_physmem_open(struct rsource *src, struct physmem **pm, struct err *err)
{
	return open_kdump(src, false, false, pm, err);
}

enum status kdump_physmem_open_flattened(struct rsource *src, bool truncated, struct physmem **pm, struct err *err)
{
	/* This program's own streams have the main header as their last record. */
	if (truncated && !kdump_physmem_probe(src))
		return err_set(err, ST_BAD_INPUT, "the flattened stream was cut off before its KDUMP header");
	return open_kdump(src, true, truncated, pm, err);
}

struct kdump_physmem *kdump_physmem_get(struct physmem *pm)
{
	return pm->ops == &kdump_ops ? (struct kdump_physmem *)pm : NULL;
}

const struct kdump_details *kdump_physmem_details(const struct physmem *pm)
{
	return pm->ops == &kdump_ops ? &((const struct kdump_physmem *)pm)->details : NULL;
}

enum status kdump_physmem_survey(struct physmem *pm, struct kdump_survey *survey, struct err *err)
{
	struct kdump_physmem *k = (struct kdump_physmem *)pm;

	memset(survey, 0, sizeof(*survey));
	for (size_t i = 0; i < k->nr_parts; i++) {
		enum status st;

		keep_few_awake(k, &k->parts[i]);
		st = kdump_pages_survey(&k->parts[i].pages, survey, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

enum status kdump_physmem_desc(struct physmem *pm, uint64_t index, struct page_desc *desc, struct err *err)
{
	struct kdump_physmem *k = (struct kdump_physmem *)pm;
	size_t i = 0;

	/* Ranks go on from part to part: between two of them nothing is stored. */
	while (i + 1 < k->nr_parts && index >= k->parts[i].pages.nr_descs)
		index -= k->parts[i++].pages.nr_descs;
	keep_few_awake(k, &k->parts[i]);
	return kdump_pages_desc(&k->parts[i].pages, index, desc, err);
}

enum status kdump_physmem_read_file(struct physmem *pm, uint64_t off, void *buf, size_t len, struct err *err)
{
	return rsource_read(((struct kdump_physmem *)pm)->parts[0].src, off, buf, len, err);
}
