/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_CPIO_H
#define INITRAMFS_CPIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/**
 * A newc cpio archive in memory, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).
 * The same calls give the same bytes: owner 0, time 0, inodes counted from 1.
 */
struct cpio {
	uint8_t *data;
	size_t len_bytes, cap_bytes;
	uint32_t nr_entries;
};

/** Names have no leading "/"; a folder must come before what is in it. */
enum status cpio_add_dir(struct cpio *cpio, const char *name, mode_t mode, struct err *err) __must_check;
enum status cpio_add_file(struct cpio *cpio, const char *name, mode_t mode, const void *data, size_t len,
			  struct err *err) __must_check;
enum status cpio_add_char_device(struct cpio *cpio, const char *name, mode_t mode, uint32_t major_nr, uint32_t minor_nr,
				 struct err *err) __must_check;
/** The trailer. Nothing may be added afterwards. */
enum status cpio_finish(struct cpio *cpio, struct err *err) __must_check;
void cpio_deinit(struct cpio *cpio);

#endif
