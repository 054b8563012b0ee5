/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_EMIT_H
#define EMIT_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/units.h"
#include "emit/pageset.h"
#include "formats/codec/codec.h"
#include "formats/io/wsink.h"
#include "formats/kdump/kdump_layout.h"
#include "formats/physmem.h"

/**
 * Called between batches, and while bitmaps are written that are long or have wide gaps: with no page done yet. Return false to
 * stop: what is written is finished as an incomplete dump.
 */
typedef bool (*emit_step_fn)(void *ctx, uint64_t pages_done, uint64_t bytes_written);
/** Told of every run of pages that could not be read, ascending. */
typedef void (*emit_hole_fn)(void *ctx, uint64_t start_pfn, uint64_t end_pfn);

struct emit_config {
	const struct codec *codec;
	int codec_level;	    /**< of a codec that has levels; 0: its own choice */
	bool no_dedup;		    /**< store each page by itself, but for zeros */
	struct kdump_header header; /**< from dump_header_fill(), with dump_level */
	const void *notes;	    /**< ELF notes to store, borrowed; the source's own, mostly */
	size_t notes_len_bytes;
	emit_step_fn step;	    /**< may be NULL */
	emit_hole_fn hole;	    /**< may be NULL */
	void *ctx;
	unsigned nr_threads;	    /**< that work, the caller included; 0 is 1. The output is the same for any number */
	uint64_t memory_bytes;	    /**< that may be taken; less than the least that works is no error. 0: no limit */
};

struct emit_result {
	unsigned nr_threads; /**< that there were in the end: fewer where memory was short */
	uint64_t pages_done; /**< descriptors that are true; kept pages beyond were not saved */
	uint64_t pages_zero, pages_raw, pages_compressed, pages_partial, pages_unreadable;
	uint64_t pages_repeated; /**< share what an earlier page stored; not among the raw and compressed ones */
	uint64_t bytes_read, bytes_written;
	bool stopped;	     /**< by the step function */
	bool out_of_space;
	bool incomplete;     /**< what the header says */
};

/**
 * Write the pages @keep of @pm into @sink as a KDUMP: one pass over memory, zero pages found on the way share one stored
 * page, and so do pages of the same content as far as a small table remembers them. Allocates all that it needs before it writes
 * the first byte; where memory is short, first does with fewer threads, then with smaller batches. No policy: @keep says all.
 * ST_OK: a dump is in the sink, perhaps an incomplete one (see @result), not yet committed. Else the sink holds nothing of
 * use.
 */
enum status emit_run(struct physmem *pm, const struct pageset *keep, const struct emit_config *config, struct wsink *sink,
		     struct emit_result *result, struct err *err) __must_check;

#endif
