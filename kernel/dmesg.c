// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/dmesg.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "kernel/dmesg_internal.h"

void log_decode_level(struct dmesg_record *rec, const uint8_t bytes[2], enum byte_order order)
{
	rec->has_level = true;
	rec->facility = bytes[0];
	rec->level = order == ORDER_LITTLE ? bytes[1] >> 5 : bytes[1] & 7;
}

static void report(const struct log_walk *walk)
{
	if (walk->nr_broken)
		log_warn("kernel log: %" PRIu64 " record%s could not be read", walk->nr_broken,
			 walk->nr_broken == 1 ? "" : "s");
	if (walk->nr_too_old)
		log_warn("kernel log: only the newest 64 MiB; %" PRIu64 " older records are left out",
			 walk->nr_too_old);
}

enum status dmesg_for_each(struct kmodel *km, dmesg_record_fn fn, void *ctx, struct err *err)
{
	struct log_walk walk = { .km = km, .fn = fn, .ctx = ctx };
	uint64_t vaddr;
	enum status st;

	walk.text = malloc(LOG_RECORD_TEXT_MAX);
	if (!walk.text)
		return err_set(err, ST_NO_MEMORY, "no memory for a record of the kernel log");
	/* Both kinds of kernel export log_buf; only the newer one has prb. */
	if (vmcoreinfo_symbol(km->vi, "prb", &vaddr))
		st = prb_walk(&walk, err);
	else if (vmcoreinfo_symbol(km->vi, "log_buf", &vaddr))
		st = record_log_walk(&walk, err);
	else
		st = err_set(err, ST_NOT_FOUND, "VMCOREINFO names no kernel log");
	report(&walk);
	free(walk.text);
	return st;
}
