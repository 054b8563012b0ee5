// SPDX-License-Identifier: GPL-2.0-or-later
/* The two headers of a KDUMP, from the bytes: the reader below takes much that others do not. */
#include <inttypes.h>
#include <string.h>

#include "formats/codec/codec.h"
#include "formats/pagesize.h"
#include "verify/checks.h"

/* kdump-format 1.1: the same in every layout. */
#define OFF_UTSNAME 12
#define UTSNAME_FIELD 65
/* Where a 32-bit header keeps block_size, and a 64-bit one tv_usec. */
#define OFF_BLOCK_SIZE_32 416

#define STATUS_KNOWN (CODEC_FLAG_MASK | KDUMP_STATUS_INCOMPLETE | KDUMP_STATUS_EXCLUDED_VMEMMAP)
#define DUMP_LEVEL_MAX 31
/* crash reads its bitmap in words of that many bits from start_pfn on (diskdump.c). */
#define SPLIT_ALIGN_PFNS 64

struct headers {
	uint8_t main_blk[KDUMP_MAIN_HEADER_SIZE_64];
	uint8_t sub[KDUMP_SUB_HEADER_SIZE_64];
	size_t sub_len;
	uint32_t max_mapnr_32;
	uint64_t max_mapnr_64; /* 0: the version has none, or it is 0 */
	uint64_t start_pfn_old, end_pfn_old;
};

static enum status refuse(struct check *c, enum rule rule, const struct err *why)
{
	findings_add(c->report, rule, place_none(), "%s", why->text);
	return ST_OK;
}

/* The decoder merges what is there twice. Decoding as an older version, or into a header without the other value, parts
 * it. */
static enum status decode_sub(struct headers *hs, struct kdump_header *h, struct err *err)
{
	struct kdump_header old = *h, new = *h;
	enum status st;

	old.version = h->version < 5 ? h->version : 5;
	new.max_mapnr = 0;
	hs->max_mapnr_32 = (uint32_t)h->max_mapnr;
	st = kdump_sub_header_decode(hs->sub, hs->sub_len, &old, err);
	if (st == ST_OK)
		st = kdump_sub_header_decode(hs->sub, hs->sub_len, &new, err);
	if (st == ST_OK)
		st = kdump_sub_header_decode(hs->sub, hs->sub_len, h, err);
	hs->max_mapnr_64 = new.max_mapnr;
	hs->start_pfn_old = old.start_pfn;
	hs->end_pfn_old = old.end_pfn;
	return st;
}

static enum status read_headers(struct check *c, struct headers *hs, bool *usable, struct err *err)
{
	size_t got;
	struct err why;
	enum status st = rsource_read_some(c->src, 0, hs->main_blk, sizeof(hs->main_blk), &got, err);

	*usable = false;
	if (st != ST_OK)
		return st;
	st = kdump_main_header_decode(hs->main_blk, got, &c->hdr, &why);
	if (st == ST_UNSUPPORTED)
		return err_set(err, st, "%s", why.text);
	if (st != ST_OK)
		return refuse(c, RULE_HEADER_REFUSED, &why);
	st = rsource_read_some(c->src, c->hdr.block_size, hs->sub, sizeof(hs->sub), &hs->sub_len, err);
	if (st != ST_OK)
		return st;
	if (decode_sub(hs, &c->hdr, &why) != ST_OK)
		return refuse(c, RULE_HEADER_REFUSED, &why);
	*usable = true;
	return ST_OK;
}

static void check_version(struct check *c)
{
	int32_t v = c->hdr.version;

	if (v < 1)
		findings_add(c->report, RULE_VERSION_ZERO, place_none(),
			     "header version %" PRId32 ": makedumpfile takes 1 and later, libkdumpfile finds no page",
			     v);
	else if (v < 4)
		findings_add(c->report, RULE_VERSION_OLD, place_none(),
			     "header version %" PRId32 " has no place for CPU registers%s", v,
			     v < 3 ? ", nor for VMCOREINFO" : "");
	else if (v > KDUMP_HEADER_VERSION)
		findings_add(c->report, RULE_VERSION_NEW, place_none(),
			     "header version %" PRId32 " is newer than any that is known (%d)", v,
			     KDUMP_HEADER_VERSION);
}

static void check_uts(struct check *c, const struct headers *hs)
{
	static const char *const names[] = { "sysname", "nodename", "release", "version", "machine", "domainname" };
	const struct physmem_utsname *u = &c->hdr.uts;
	const char *const values[] = { u->sysname, u->nodename, u->release, u->version, u->machine, u->domainname };
	/* What libkdumpfile wants; a host may well have no domain. */
	static const bool required[] = { true, false, true, true, true, false };
	char empty[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t last = OFF_UTSNAME + i * UTSNAME_FIELD + UTSNAME_FIELD - 1;

		if (required[i] && !values[i][0]) {
			if (empty[0])
				strcat(empty, ", ");
			strcat(empty, names[i]);
		}
		if (hs->main_blk[last])
			findings_add(c->report, required[i] ? RULE_UTS_UNTERMINATED : RULE_UTS_UNTERMINATED_HOST,
				     place_offset(last), "utsname: %s is not terminated: its last byte must be 0",
				     names[i]);
	}
	if (empty[0])
		findings_add(c->report, RULE_UTS_EMPTY, place_none(),
			     "utsname lacks %s: libkdumpfile cannot tell the architecture, drgn refuses the dump",
			     empty);
	if (u->sysname[0] && strcmp(u->sysname, "Linux") != 0)
		findings_add(c->report, RULE_UTS_SYSNAME, place_none(), "utsname: sysname is \"%s\", not \"Linux\"",
			     u->sysname);
}

static void check_time(struct check *c, const struct headers *hs)
{
	const struct kdump_header *h = &c->hdr;
	uint32_t seen = get_u32(hs->main_blk + OFF_BLOCK_SIZE_32, h->order);

	/* libkdumpfile tries the 32-bit header first, and this is all that it looks at. */
	if (h->is_64bit && pagesize_is_sane(seen))
		findings_add(c->report, RULE_TV_USEC, place_none(),
			     "tv_usec is %" PRIu32 ": libkdumpfile takes it for the block size of a 32-bit dump", seen);
	if (!h->tv_sec)
		findings_add(c->report, RULE_NO_CRASH_TIME, place_none(), "the header has no crash time");
}

static void check_status(struct check *c)
{
	uint32_t status = c->hdr.status;

	if (status & ~STATUS_KNOWN)
		findings_add(c->report, RULE_STATUS_UNKNOWN, place_none(), "status has unknown bits 0x%" PRIx32,
			     status & ~STATUS_KNOWN);
	if (status & KDUMP_STATUS_INCOMPLETE)
		findings_add(
			c->report, RULE_INCOMPLETE, place_none(),
			"marked incomplete: its writer ran out of space, was stopped, or could not read all pages");
	if (status & KDUMP_STATUS_EXCLUDED_VMEMMAP)
		findings_add(c->report, RULE_VMEMMAP_EXCLUDED, place_none(),
			     "struct pages that nobody needs are left out (vmemmap)");
	if (!c->hdr.nr_cpus)
		findings_add(c->report, RULE_NR_CPUS_ZERO, place_none(), "nr_cpus is 0");
	if (c->hdr.dump_level < 0 || c->hdr.dump_level > DUMP_LEVEL_MAX)
		findings_add(c->report, RULE_DUMP_LEVEL, place_none(), "dump_level %" PRId32 " is none of 0 to %d",
			     c->hdr.dump_level, DUMP_LEVEL_MAX);
}

static void check_max_mapnr(struct check *c, const struct headers *hs)
{
	if (c->hdr.version < 6)
		return;
	if (!hs->max_mapnr_64)
		findings_add(c->report, RULE_MAX_MAPNR_64, place_none(),
			     "max_mapnr_64 of the sub header is 0, the main header's max_mapnr is %" PRIu32,
			     hs->max_mapnr_32);
	else if (hs->max_mapnr_32 != min_u64(hs->max_mapnr_64, UINT32_MAX))
		findings_add(c->report, RULE_MAX_MAPNR_32, place_none(),
			     "max_mapnr is %" PRIu32 " in the main header, %" PRIu64 " in the sub header",
			     hs->max_mapnr_32, hs->max_mapnr_64);
}

static void check_split(struct check *c, const struct headers *hs)
{
	const struct kdump_header *h = &c->hdr;

	if (h->split != 0 && h->split != 1)
		findings_add(c->report, RULE_SPLIT_VALUE, place_none(), "split is %" PRId32 ", neither 0 nor 1",
			     h->split);
	if (!h->split)
		return;
	if (h->start_pfn > h->end_pfn || h->end_pfn > h->max_mapnr) {
		findings_add(c->report, RULE_SPLIT_RANGE, place_none(),
			     "a part of a split dump with page frames 0x%" PRIx64 " to 0x%" PRIx64 " of 0x%" PRIx64,
			     h->start_pfn, h->end_pfn, h->max_mapnr);
		return;
	}
	/* A part without pages has both at max_mapnr. */
	if (!h->end_pfn && h->max_mapnr)
		findings_add(c->report, RULE_SPLIT_EMPTY, place_none(),
			     "marked as a part of a split dump, but with no page frames: readers find no page in it");
	if (h->start_pfn % SPLIT_ALIGN_PFNS)
		findings_add(
			c->report, RULE_SPLIT_ALIGN, place_pfn(h->start_pfn),
			"this part of a split dump starts at no multiple of %d page frames: crash reads wrong pages",
			SPLIT_ALIGN_PFNS);
	if (h->version >= 6 && (hs->start_pfn_old != h->start_pfn || hs->end_pfn_old != h->end_pfn))
		findings_add(c->report, RULE_SPLIT_VALUE, place_none(),
			     "start_pfn and end_pfn differ from start_pfn_64 and end_pfn_64");
	if (c->config->is_of_set)
		return;
	findings_add(c->report, RULE_SPLIT_PART, place_none(),
		     "one part of a split dump, page frames 0x%" PRIx64 " to 0x%" PRIx64 " of 0x%" PRIx64
		     "; whether others complete it was not looked at",
		     h->start_pfn, h->end_pfn, h->max_mapnr);
}

/** Where the bitmaps and the descriptors must be. False: nowhere in this file. */
static bool check_places(struct check *c, uint64_t *bitmap_off, uint64_t *desc_off)
{
	const struct kdump_header *h = &c->hdr;
	uint64_t bs = h->block_size, need = div_round_up(div_round_up(h->max_mapnr, 8), bs);

	*bitmap_off = (1 + (uint64_t)h->sub_hdr_blocks) * bs;
	*desc_off = *bitmap_off + h->bitmap_blocks * bs;
	if (h->bitmap_blocks < need) {
		findings_add(c->report, RULE_BITMAP_SMALL, place_none(),
			     "bitmaps of %" PRIu32 " blocks are too small for %" PRIu64 " pages", h->bitmap_blocks,
			     h->max_mapnr);
		return false;
	}
	if (*desc_off > c->src->size_bytes) {
		findings_add(c->report, RULE_BITMAP_OUTSIDE, place_offset(*bitmap_off),
			     "bitmaps end at offset %" PRIu64 ", beyond the end of the file at %" PRIu64, *desc_off,
			     c->src->size_bytes);
		return false;
	}
	if (h->bitmap_blocks < 2 * need)
		findings_add(c->report, RULE_BITMAP_SINGLE, place_none(),
			     "one bitmap only, as in dumps of the first versions: what was RAM is not known");
	else if (h->bitmap_blocks % 2)
		findings_add(c->report, RULE_BITMAP_ODD, place_none(),
			     "bitmap_blocks is %" PRIu32 ", an odd number: two bitmaps cannot be of equal size",
			     h->bitmap_blocks);
	else if (h->bitmap_blocks / 2 > need)
		findings_add(c->report, RULE_BITMAP_LARGE, place_none(),
			     "bitmaps of %" PRIu32 " blocks each where %" PRIu64
			     " would do: makedumpfile looks for the second one where the first needs to end",
			     h->bitmap_blocks / 2, need);
	return true;
}

/* Notes and VMCOREINFO live behind the sub header, or behind all page data: what lies between would overwrite them. */
static void check_blob_place(struct check *c, const char *what, uint64_t off, uint64_t len, uint64_t bitmap_off,
			     uint64_t desc_off)
{
	if (!len || !span_within(off, len, c->src->size_bytes))
		return;
	if (off < c->hdr.block_size || (off < desc_off && off + len > bitmap_off))
		findings_add(c->report, RULE_NOTES_PLACE, place_offset(off), "%s of %" PRIu64 " bytes lie over the %s",
			     what, len, off < c->hdr.block_size ? "main header" : "bitmaps");
}

static void check_blobs(struct check *c, uint64_t bitmap_off, uint64_t desc_off)
{
	const struct kdump_header *h = &c->hdr;

	check_blob_place(c, "notes", h->notes_off, h->notes_len, bitmap_off, desc_off);
	check_blob_place(c, "VMCOREINFO", h->vmcoreinfo_off, h->vmcoreinfo_len, bitmap_off, desc_off);
	if (h->eraseinfo_len &&
	    (!h->eraseinfo_off || !span_within(h->eraseinfo_off, h->eraseinfo_len, c->src->size_bytes)))
		findings_add(c->report, RULE_ERASEINFO_OUTSIDE, place_offset(h->eraseinfo_off),
			     "eraseinfo of %" PRIu64 " bytes does not lie within the file", h->eraseinfo_len);
}

enum status check_kdump_headers(struct check *c, bool *usable, struct err *err)
{
	struct headers hs = { 0 };
	uint64_t bitmap_off, desc_off;
	enum status st = read_headers(c, &hs, usable, err);

	if (st != ST_OK || !*usable)
		return st;
	check_version(c);
	check_uts(c, &hs);
	check_time(c, &hs);
	check_status(c);
	check_max_mapnr(c, &hs);
	check_split(c, &hs);
	if (check_places(c, &bitmap_off, &desc_off))
		check_blobs(c, bitmap_off, desc_off);
	return ST_OK;
}
