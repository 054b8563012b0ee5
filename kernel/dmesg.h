/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_DMESG_H
#define KERNEL_DMESG_H

#include "common/err.h"
#include "kernel/kmodel.h"

/** One record of the log, as the kernel stored it. Borrowed: gone when the callback returns. */
struct dmesg_record {
	uint64_t time_ns; /**< since boot */
	bool has_seq;	  /**< the record log before 5.10 keeps no number with a record */
	uint64_t seq;
	bool has_level;	    /**< also of facility: false where their place in the record is not certain */
	uint8_t level;	    /**< 0 emergency .. 7 debug */
	uint8_t facility;   /**< 0 kernel; others come through /dev/kmsg */
	bool has_caller;    /**< the kernel was built with PRINTK_CALLER */
	uint32_t caller_id; /**< thread id, or CPU number with bit 31 set */
	const char *text;   /**< any bytes, several lines perhaps; not terminated */
	size_t text_len_bytes;
};

/** An error ends the walk. */
typedef enum status (*dmesg_record_fn)(void *ctx, const struct dmesg_record *rec, struct err *err);

/** Receives the log as text, a piece at a time; an error ends the walk. */
typedef enum status (*dmesg_sink_fn)(void *ctx, const char *text, size_t len, struct err *err);

struct dmesg_options {
	bool raw_prefix; /**< "<level>" before each record, as `dmesg --raw` */
};

/**
 * Call @fn for each record of the crashed kernel's log, oldest first. Needs neither struct pages nor the memory map.
 * Reads the printk ring buffer (Linux 5.10 and later, commit 896fbe20b4e2 ("printk: use the lockless ringbuffer")), and
 * the record log of 3.5 to 5.9. Unlike the kernel's own readers it also delivers the newest record when that is written
 * but may still grow, and records from before `dmesg --clear`. Bounded: two passes over the descriptor ring, at most 64
 * MiB of text (the newest); a broken record is skipped, counted, and mentioned in one warning. ST_NOT_FOUND: VMCOREINFO
 * names no log. ST_BAD_INPUT: the log's own header is nonsense. ST_NO_DATA, ST_IO: it cannot be read. ST_UNSUPPORTED:
 * the plain text log of kernels before 3.5.
 */
enum status dmesg_for_each(struct kmodel *km, dmesg_record_fn fn, void *ctx, struct err *err) __must_check;

/**
 * The same as dmesg(1) prints it when its output is no terminal: "[    5.123456] text", further lines of a record
 * indented by the width of that, a record without text as an empty line, "[      T1] " or "[      C0] " after the time
 * where the kernel was built with PRINTK_CALLER. Bytes that are neither printable UTF-8 nor white space come as \xNN.
 */
enum status dmesg_dump(struct kmodel *km, const struct dmesg_options *opt, dmesg_sink_fn sink, void *ctx,
		       struct err *err) __must_check;

/**
 * Where the printk ring buffer lies (Linux 5.10 and later), as virtual addresses: its header, descriptors, infos and text.
 * Errors as above; ST_UNSUPPORTED: an older kernel's log.
 */
#define DMESG_MAX_AREAS 4
enum status dmesg_areas(struct kmodel *km, struct range areas[DMESG_MAX_AREAS], size_t *nr,
			struct err *err) __must_check;

/** Only the text of @rec, escaped as above but not indented: valid UTF-8 whatever the record holds. */
enum status dmesg_record_text(const struct dmesg_record *rec, dmesg_sink_fn sink, void *ctx,
			      struct err *err) __must_check;

/** "T12" or "C0" into @buf. @rec has a caller. Returns @buf. */
#define DMESG_CALLER_MAX 16
const char *dmesg_caller_name(const struct dmesg_record *rec, char buf[DMESG_CALLER_MAX]);

#endif
