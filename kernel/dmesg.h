/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_DMESG_H
#define KERNEL_DMESG_H

#include "common/err.h"
#include "kernel/kmodel.h"

/** Receives the log as text, a piece at a time; an error ends the walk. */
typedef enum status (*dmesg_sink_fn)(void *ctx, const char *text, size_t len, struct err *err);

struct dmesg_options {
	bool raw_prefix; /**< "<level>" before each line, as `dmesg --raw` */
};

/**
 * The crashed kernel's log, oldest record first, as dmesg(1) prints it: "[    5.123456] text", with "[ T12]" or "[ C0]"
 * after the time where the kernel was built with PRINTK_CALLER, one line for each line of a record. Needs neither struct
 * pages nor the memory map. Reads the printk ring buffer (Linux 5.10 and later, commit 896fbe20b4e2 ("printk: use the
 * lockless ringbuffer")), and the record log of 3.5 to 5.9. Bytes that are no printable UTF-8 come as \xNN, as the kernel
 * itself writes them. Bounded: at most one pass over the descriptor ring, at most 64 MiB of text; a broken record is
 * skipped and counted.
 * ST_NOT_FOUND: VMCOREINFO names no log. ST_BAD_INPUT: the log's own header is nonsense.
 */
enum status dmesg_dump(struct kmodel *km, const struct dmesg_options *opt, dmesg_sink_fn sink, void *ctx, struct err *err)
	__must_check;

#endif
