/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_DMESG_INTERNAL_H
#define KERNEL_DMESG_INTERNAL_H

#include "kernel/dmesg.h"

/** Most text that one dump of the log may hold; a record counts as its text and LOG_RECORD_COST_BYTES. */
#define LOG_TEXT_MAX (64 * MIB)
#define LOG_RECORD_COST_BYTES 16u

/** text_len is 16 bits wide in every kernel. */
#define LOG_RECORD_TEXT_MAX 65536u

/** One walk over a log, whatever its form. */
struct log_walk {
	struct kmodel *km;
	dmesg_record_fn fn;
	void *ctx;
	char *text;	     /**< LOG_RECORD_TEXT_MAX bytes */
	uint64_t nr_records; /**< handed to @fn */
	uint64_t nr_broken;  /**< skipped: not what the log says they are, or not in the dump */
	uint64_t nr_too_old; /**< skipped: beyond LOG_TEXT_MAX */
};

/** Each walker: the log is there (SYMBOL in VMCOREINFO) and goes through walk->fn. */
enum status prb_walk(struct log_walk *walk, struct err *err) __must_check;
enum status record_log_walk(struct log_walk *walk, struct err *err) __must_check;

/** Was the kernel built with PRINTK_CALLER? Looks for the format string that only such a kernel has. */
bool log_shows_caller(struct kmodel *km);

/** Trouble with one place of the dump: the record is lost, the walk goes on. Anything else ends it. */
static inline bool log_trouble_is_local(enum status st)
{
	return st == ST_NO_DATA || st == ST_IO || st == ST_BAD_INPUT;
}

#define LOG_WINDOW_BYTES 4096u

/**
 * Kernel memory through a window of one page, for the many small reads of neighbouring fields. Remembers failure as
 * well, so that an unreadable page costs one read and not one for each record on it.
 */
struct log_window {
	struct kmodel *km;
	bool filled;
	uint64_t page_vaddr;
	enum status status; /**< of the page */
	uint8_t page[LOG_WINDOW_BYTES];
};

void log_window_init(struct log_window *w, struct kmodel *km);
enum status log_window_read(struct log_window *w, uint64_t vaddr, void *buf, size_t len, struct err *err) __must_check;
enum status log_window_u16(struct log_window *w, uint64_t vaddr, uint16_t *v, struct err *err) __must_check;
enum status log_window_u32(struct log_window *w, uint64_t vaddr, uint32_t *v, struct err *err) __must_check;
enum status log_window_u64(struct log_window *w, uint64_t vaddr, uint64_t *v, struct err *err) __must_check;
/** An unsigned long or a pointer of the crashed machine. */
enum status log_window_word(struct log_window *w, uint64_t vaddr, uint64_t *v, struct err *err) __must_check;

/**
 * Facility and level from the two bytes behind a record's (last) 16-bit length: u8 facility; u8 flags:5, level:3.
 * The bit field's place follows the byte order.
 */
void log_decode_level(struct dmesg_record *rec, const uint8_t bytes[2], enum byte_order order);

#endif
