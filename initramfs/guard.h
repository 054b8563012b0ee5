/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_GUARD_H
#define INITRAMFS_GUARD_H

#include <stdbool.h>

#include "common/err.h"

/**
 * The guard: one small thread that ends the machine (reboot_hard()) when the capture makes no progress, even where the
 * main thread hangs in the kernel, and that keeps a hardware watchdog fed as long as there is progress.
 */
enum status guard_start(struct err *err) __must_check;

/** A new stage begins; it has @limit_seconds until the next guard_stage() or guard_touch(). @name is a literal. */
void guard_stage(const char *name, unsigned limit_seconds);

/** Progress: the stage has its full limit again. Cheap; any thread. */
void guard_touch(void);

/** Feed the hardware watchdog of the first kernel, if there is one. Returns false where none could be opened. */
bool guard_feed_watchdog(void);

#endif
