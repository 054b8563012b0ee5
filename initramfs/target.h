/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_TARGET_H
#define INITRAMFS_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "initramfs/config.h"

/** Where dumps go: a block device with a file system that can be written. */
struct target_device {
	char node[280];	 /**< "/dev/vda1" */
	char fstype[32]; /**< as probed: "ext4", "xfs", "vfat" */
	char uuid[64];	 /**< of the file system; empty where it has none */
	unsigned major_nr, minor_nr;
};

/**
 * Look once through /sys/class/block for @config's target and probe it. No udev is needed; the right to read the
 * devices is. ST_NOT_FOUND: no such device now. ST_UNSUPPORTED: it is there, but holds no file system that can be used.
 */
enum status target_find(const struct config *config, struct target_device *dev, struct err *err) __must_check;

/** Where block devices are listed, and where their nodes are. */
struct target_places {
	const char *sys_block, *dev;
};
/** Those of the running system, where target_find() looks. */
extern const struct target_places target_places;

/**
 * Is there another file system with the label by which @config names its target, so that it is chance which one
 * target_find() takes? Then @text says so, and how to name @dev, the one that it took. Probes every device.
 */
bool target_is_ambiguous(const struct target_places *places, const struct config *config, const struct target_device *dev,
			 char *text, size_t len);

/** target_find() again and again until the device is there or config->target_wait_seconds have passed. */
enum status target_wait(const struct config *config, struct target_device *dev, struct err *err) __must_check;

/** Mount @dev read-write on the folder @where; a journal is replayed. */
enum status target_mount(const struct target_device *dev, const char *where, struct err *err) __must_check;

/** Unmount, lazily if something still holds it. Data was synced before. */
void target_unmount(const char *where);

/**
 * Open, and make where missing (0700), the folder @path below the file system mounted on @where. Symbolic links cannot
 * lead out of it: an absolute one starts at @where, as it does in the running system.
 */
enum status target_open_folder(const char *where, const char *path, int *dirfd, struct err *err) __must_check;

/** What mount(2) calls @fstype, as libblkid names it; NULL for what cannot be a target. */
const char *target_mount_type(const char *fstype);

#endif
