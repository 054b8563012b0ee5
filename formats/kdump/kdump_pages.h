/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_PAGES_H
#define FORMATS_KDUMP_KDUMP_PAGES_H

#include "formats/codec/codec.h"
#include "formats/io/rsource.h"
#include "formats/kdump/kdump_layout.h"

/* Descriptors are read in runs of this many (12 KiB). */
#define KDUMP_DESCS_PER_BLOCK 512u
#define KDUMP_DESC_SLOTS 4
/* Decoded pages that are kept: the shared zero page, and those read in pieces. */
#define KDUMP_PAGE_SLOTS 8
#define KDUMP_NR_CODECS 4

/** A stretch of the file in memory. */
struct kdump_window {
	uint8_t *buf;
	uint64_t off;
	size_t len, cap; /**< bytes */
};

/**
 * The stored pages of a KDUMP by number: descriptors, data, decompression. Borrows the source. Sequential reading goes
 * through large windows (a small one beside for what lies before it: pages may share what earlier ones stored), anything else
 * through exact reads.
 */
struct kdump_pages {
	struct rsource *src;
	enum byte_order order;
	uint32_t page_size;
	size_t ahead_bytes; /**< how much a sequential reader takes at once */
	uint64_t desc_off, nr_descs; /**< of the table */
	bool gaps_are_losses;	     /**< a cut-off flattened stream: its gaps are missing bytes, not zeros */
	uint8_t *desc_blocks; /**< NULL: asleep, as all memory below */
	uint64_t desc_slot_block[KDUMP_DESC_SLOTS]; /**< block + 1; 0: empty */
	size_t desc_slot_nr[KDUMP_DESC_SLOTS];	    /**< whole descriptors in it */
	struct kdump_window ahead;		    /**< of a sequential reader */
	struct kdump_window behind;		    /**< of the same, where pages share what earlier ones stored */
	struct kdump_window exact;		    /**< one page's data */
	uint8_t *page_slots;
	struct page_desc page_slot_desc[KDUMP_PAGE_SLOTS]; /**< size 0: empty */
	unsigned next_page_slot;
	void *codec_ctx[KDUMP_NR_CODECS]; /**< opened when the first page needs it */
};

/** Allocates; reads nothing. @desc_off + 24 * @nr_descs has been checked not to overflow. */
enum status kdump_pages_init(struct kdump_pages *p, struct rsource *src, const struct kdump_header *h,
			     uint64_t desc_off, uint64_t nr_descs, struct err *err) __must_check;
/** A second reader of @from's pages, with windows of its own, asleep. Its source must be one that can be shared. */
void kdump_pages_share(struct kdump_pages *p, const struct kdump_pages *from);
void kdump_pages_deinit(struct kdump_pages *p);
/** Give back all memory until it is read again: of the many files of a set few are in use at a time. */
void kdump_pages_sleep(struct kdump_pages *p);

/** ST_IO where the file ends before the descriptor; ST_NO_MEMORY too. */
enum status kdump_pages_desc(struct kdump_pages *p, uint64_t index, struct page_desc *desc,
			     struct err *err) __must_check;

/** Is @desc sane? What kdump_pages_read() would say of it before reading any data. */
enum status kdump_pages_check_desc(const struct kdump_pages *p, const struct page_desc *desc,
				   struct err *err) __must_check;

/** Bytes [@off, @off + @len) of the page that is stored as number @index. */
enum status kdump_pages_read(struct kdump_pages *p, uint64_t index, size_t off, void *buf, size_t len,
			     struct err *err) __must_check;

#endif
