/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_LAYOUT_H
#define FORMATS_KDUMP_KDUMP_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/err.h"
#include "formats/physmem.h"

/*
 * The KDUMP on-disk format, as makedumpfile's diskdump_mod.h and crash's diskdump.h define it (target-endian, natural C
 * ABI of the target): main header, sub header and notes, bitmap1, bitmap2, page descriptors, page data.
 */
#define KDUMP_SIGNATURE "KDUMP   "
#define KDUMP_SIGNATURE_LEN 8
#define KDUMP_HEADER_VERSION 6
#define KDUMP_MAIN_HEADER_SIZE_64 464
#define KDUMP_SUB_HEADER_SIZE_64 104
#define KDUMP_PAGE_DESC_SIZE 24

#define KDUMP_STATUS_INCOMPLETE 0x08u
#define KDUMP_STATUS_EXCLUDED_VMEMMAP 0x10u

/** Both headers, decoded; fields that the version lacks are 0. */
struct kdump_header {
	bool is_64bit;
	enum byte_order order;
	int32_t version;
	struct physmem_utsname uts;
	uint64_t tv_sec, tv_usec;
	uint32_t status;
	uint32_t block_size;	  /**< bytes */
	uint32_t sub_hdr_blocks;
	uint32_t bitmap_blocks;	  /**< both bitmaps */
	uint32_t nr_cpus;
	uint64_t max_mapnr;	  /**< PFNs; the 64-bit value where the version has it */
	/* sub header */
	uint64_t phys_base;
	int32_t dump_level;
	int32_t split;
	uint64_t start_pfn, end_pfn;
	uint64_t vmcoreinfo_off, vmcoreinfo_len;
	uint64_t notes_off, notes_len;
	uint64_t eraseinfo_off, eraseinfo_len;
};

struct page_desc {
	uint64_t offset;     /**< file offset of the data; 0 with size 0: the page could not be saved */
	uint32_t size;	     /**< bytes stored */
	uint32_t flags;	     /**< one CODEC_FLAG_* or 0 for raw */
	uint64_t page_flags; /**< always 0 */
};

static inline void page_desc_encode(const struct page_desc *d, enum byte_order o, uint8_t out[KDUMP_PAGE_DESC_SIZE])
{
	put_u64(out, o, d->offset);
	put_u32(out + 8, o, d->size);
	put_u32(out + 12, o, d->flags);
	put_u64(out + 16, o, d->page_flags);
}

static inline void page_desc_decode(const uint8_t in[KDUMP_PAGE_DESC_SIZE], enum byte_order o, struct page_desc *d)
{
	d->offset = get_u64(in, o);
	d->size = get_u32(in + 8, o);
	d->flags = get_u32(in + 12, o);
	d->page_flags = get_u64(in + 16, o);
}

/** Encode the 64-bit main header into @out, which is zeroed first. tv_usec is always written 0 (libkdumpfile trap). */
void kdump_main_header_encode(const struct kdump_header *h, uint8_t out[KDUMP_MAIN_HEADER_SIZE_64]);
/** Encode the 64-bit sub header, version 6. */
void kdump_sub_header_encode(const struct kdump_header *h, uint8_t out[KDUMP_SUB_HEADER_SIZE_64]);

/**
 * Decode and check both headers: @main_blk is the file's first bytes (at least KDUMP_MAIN_HEADER_SIZE_64), @sub the bytes
 * at block_size (as many as the file has, up to KDUMP_SUB_HEADER_SIZE_64). Byte order and word size are found by which of
 * the four layouts gives sane fields (block_size a power of two in 4 KiB..256 KiB, at its place). In two steps, since the
 * sub header's place depends on block_size.
 */
enum status kdump_main_header_decode(const uint8_t *main_blk, size_t len, struct kdump_header *h, struct err *err)
	__must_check;
enum status kdump_sub_header_decode(const uint8_t *sub, size_t len, struct kdump_header *h, struct err *err) __must_check;

#endif
