/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_ISOLATE_H
#define INITRAMFS_ISOLATE_H

#include <stdint.h>

#include "common/err.h"

/** Work for a process of its own; *@bytes is a result that travels back. */
typedef enum status (*isolate_fn)(void *ctx, uint64_t *bytes, struct err *err);

/**
 * Run @work in a forked child, so that neither a fault nor a hang in it ends the caller. The child is killed after @seconds.
 * @tick is called at least every second. Returns what @work returned; ST_INTERNAL where the child died or was killed.
 * Where no process can be made, @work runs in this one.
 */
enum status isolate_run(isolate_fn work, void *ctx, unsigned seconds, void (*tick)(void), uint64_t *bytes, struct err *err)
	__must_check;

#endif
