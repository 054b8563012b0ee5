/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_PHYSMEM_H
#define FORMATS_KDUMP_KDUMP_PHYSMEM_H

#include "formats/io/rsource.h"
#include "formats/kdump/kdump_layout.h"
#include "formats/physmem.h"

/** Does @src begin like a KDUMP file (after any flattening was undone)? */
bool kdump_physmem_probe(struct rsource *src);

/**
 * A KDUMP (v1..v6, 32- or 64-bit, either byte order) as physical memory. Takes ownership of @src on success. Memory use
 * is bounded: bitmaps are indexed (a running count per block), not decoded into lists of pages. An excluded page (bit
 * set in bitmap1 only) reads as ST_NO_DATA, a descriptor {0,0,0,0} or one that points outside the file as ST_IO, data
 * that does not decompress as ST_BAD_INPUT.
 */
enum status kdump_physmem_open(struct rsource *src, struct physmem **pm, struct err *err) __must_check;
/** The same on a flattened stream that was opened by rsource_flattened_open(); @truncated is remembered for `info`. */
enum status kdump_physmem_open_flattened(struct rsource *src, bool truncated, struct physmem **pm,
					 struct err *err) __must_check;

/**
 * Is @file, which was opened on its own, of the same split set as @first? ST_BAD_INPUT: no. If so, it gives back all memory
 * but for what join needs: a hostile set would claim a lot of it 256 times over. It can only be joined or closed then. @first
 * is matched with itself, and stays as it is.
 */
enum status kdump_physmem_match(struct physmem *first, struct physmem *file, struct err *err) __must_check;
/**
 * Make one dump of the @nr_files files of a split set, in any order but for the first one: all were matched with it. Owns all of
 * @files on success: *@pm is the first. ST_BAD_INPUT: two have the same pages, or pages are in none.
 */
enum status kdump_physmem_join(struct physmem *const *files, size_t nr_files, struct physmem **pm, struct err *err)
	__must_check;

/** What `info` says of a KDUMP beyond struct physmem. */
struct kdump_details {
	struct kdump_header header;
	unsigned nr_files; /**< of a split set; else 1 */
	bool flattened;	   /**< a file of it is */
	bool flattened_truncated;	 /**< the stream's end marker is missing */
	uint64_t nr_ram;		 /**< pages: bits set in bitmap1, or in either where a writer forgot some */
	uint64_t nr_excluded;		 /**< of nr_ram: in bitmap1 only */
	uint64_t nr_stored;		 /**< descriptors of this file: bits set in bitmap2 */
	uint64_t nr_elsewhere;		 /**< a split set: stored in its other files */
	uint64_t bitmap2_not_in_bitmap1; /**< a fault of the writer */
};
/** NULL unless @pm came from kdump_physmem_open(). */
const struct kdump_details *kdump_physmem_details(const struct physmem *pm);

/** What the descriptors say; every stored page is counted once, as unreadable or under its compression. */
struct kdump_survey {
	uint64_t nr_raw, nr_zlib, nr_lzo, nr_snappy, nr_zstd;
	uint64_t nr_unreadable; /**< holes {0,0,0,0}, and descriptors that are nonsense or point outside the file */
	uint64_t nr_cut_off;	/**< of these: beyond the end of the file */
	uint64_t nr_zero;	/**< of the readable ones: share one stored page that is all zero */
};
/** Read all descriptors, and the pages that several of them name; decodes no other page. */
enum status kdump_physmem_survey(struct physmem *pm, struct kdump_survey *survey, struct err *err) __must_check;

/** Read the descriptor of stored page number @index (0 .. nr_stored - 1). */
enum status kdump_physmem_desc(struct physmem *pm, uint64_t index, struct page_desc *desc,
			       struct err *err) __must_check;

/**
 * Bytes of the first file (of the file that a flattened stream stands for): what no other function gives, such as eraseinfo.
 */
enum status kdump_physmem_read_file(struct physmem *pm, uint64_t off, void *buf, size_t len,
				    struct err *err) __must_check;

#endif
