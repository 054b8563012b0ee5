/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_DRIVERS_H
#define INITRAMFS_DRIVERS_H

#include <stdbool.h>

#include "common/err.h"
#include "initramfs/word_list.h"

/*
 * Which modules the running system uses for a device, as sysfs tells. @sys is "/sys" but in tests.
 */

/**
 * Append the modules of the drivers of the block device @major_nr:@minor_nr and of everything it hangs on. Drivers that
 * are built in may or may not be named. ST_NOT_FOUND: no such device. ST_UNSUPPORTED: it stands on other block devices
 * (LVM, LUKS, RAID).
 */
enum status drivers_of_block_device(const char *sys, unsigned major_nr, unsigned minor_nr, struct word_list *modules,
				    struct err *err) __must_check;

/**
 * Append the modules that the running system needs for its memory to be read truly: virtio_mem answers for memory that
 * was unplugged, and must be there before /proc/vmcore is opened.
 */
enum status drivers_of_memory(const char *sys, struct word_list *modules, struct err *err) __must_check;

/** Append the modules of the hardware watchdog if one is running; *@active says whether. */
enum status drivers_of_watchdog(const char *sys, struct word_list *modules, bool *active, struct err *err) __must_check;

#endif
