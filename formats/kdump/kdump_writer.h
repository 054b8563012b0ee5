/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_WRITER_H
#define FORMATS_KDUMP_KDUMP_WRITER_H

#include "formats/io/wsink.h"
#include "formats/kdump/kdump_layout.h"

/**
 * Writes a KDUMP to any sink. The file is two append-only streams: sub header, notes, bitmaps and descriptors; and page
 * data. Each goes out in runs of 1 MiB or more, each byte once. The main header is special: a sink that can be rewritten
 * carries it from the start, marked incomplete, and gets the true one last; a stream carries only the true one, as its
 * last record.
 */
struct kdump_writer;

/** Where the bitmaps come from; @present: bitmap1 (pages that exist), else bitmap2 (pages that are stored). */
struct kdump_bitmaps {
	/** Give the bytes for the PFNs from @start_pfn on. */
	void (*fill)(void *ctx, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes);
	/** The first PFN at or after @pfn whose bit is set; UINT64_MAX where there is none. */
	uint64_t (*next)(void *ctx, bool present, uint64_t pfn);
	/** May be NULL. Asked now and then; false: stop. */
	bool (*go_on)(void *ctx);
	void *ctx;
};

/**
 * Allocate everything; writes nothing. @header: version, block_size, max_mapnr and what is known of the machine; the
 * fields that follow from the layout are filled in by the writer. @notes: ELF note bytes, borrowed until
 * kdump_writer_begin() returned; the VMCOREINFO text within them starts at @vmcoreinfo_off and has @vmcoreinfo_len bytes
 * (0: none). @nr_stored: number of descriptors. The sink is borrowed.
 */
enum status kdump_writer_open(struct wsink *sink, const struct kdump_header *header, const void *notes, size_t notes_len,
			      size_t vmcoreinfo_off, size_t vmcoreinfo_len, uint64_t nr_stored, struct kdump_writer **w,
			      struct err *err) __must_check;
void kdump_writer_close(struct kdump_writer *w);

/**
 * Make room for the bitmaps and the descriptors, and write what comes before these. Long stretches of a bitmap without a page are
 * gaps of the output. ST_NO_SPACE: before the first byte, where the output can tell that it will not hold them. *@stopped: by
 * go_on(); the bits that were not written yet are zero, so that pages are missing, and kdump_writer_finish() is all that is left.
 */
enum status kdump_writer_begin(struct kdump_writer *w, const struct kdump_bitmaps *bitmaps, bool *stopped,
			       struct err *err) __must_check;

/**
 * Store the page of descriptor @index: @size bytes of data, compressed as @flags says (a CODEC_FLAG_*, or 0 for raw: then
 * @size is the block size). Any order of @index works, ascending runs are fast.
 */
enum status kdump_writer_put(struct kdump_writer *w, uint64_t index, const void *data, uint32_t size, uint32_t flags,
			     struct err *err) __must_check;
/** Where the next kdump_writer_put() will store its data. */
uint64_t kdump_writer_data_off(const struct kdump_writer *w);
/** Descriptor @index names what an earlier kdump_writer_put() has stored at @off, with its @size and @flags. */
enum status kdump_writer_put_again(struct kdump_writer *w, uint64_t index, uint64_t off, uint32_t size, uint32_t flags,
				   struct err *err) __must_check;
/** Descriptor @index names the shared zero page, which is stored when it is first needed. */
enum status kdump_writer_put_zero(struct kdump_writer *w, uint64_t index, struct err *err) __must_check;
/** Descriptor @index is {0,0,0,0}: the page could not be read. */
enum status kdump_writer_put_hole(struct kdump_writer *w, uint64_t index, struct err *err) __must_check;

/**
 * Write out what is buffered and the final main header, whose status is the compression flags that were used, and the
 * incomplete bit where *@incomplete. After a failed put (ST_NO_SPACE, for one) this still makes the best of a rewritable
 * sink: descriptors of pages whose data was lost become holes, and
 * *@incomplete is set; *@nr_lost counts them. Does not commit the sink.
 */
enum status kdump_writer_finish(struct kdump_writer *w, bool *incomplete, uint64_t *nr_lost, struct err *err)
	__must_check;

#endif
