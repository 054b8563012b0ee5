/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_MKINITRAMFS_H
#define INITRAMFS_MKINITRAMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "initramfs/config.h"
#include "initramfs/word_list.h"

/** What to build. Strings are borrowed for the call; NULL where a default serves. */
struct mkinitramfs_options {
	const struct config *config;
	const char *release;	    /**< kernel; NULL: the running one, or as modules_folder tells */
	const char *modules_folder; /**< NULL: /lib/modules */
	const char *target_modules; /**< module names; NULL: what the running system uses for the target */
	const char *init_binary;    /**< NULL: this very program */
};

struct mkinitramfs_image {
	uint8_t *data; /**< gzip of a newc cpio */
	size_t len_bytes;
	size_t cpio_len_bytes;
	size_t init_len_bytes; /**< the program, as packed */
	size_t modules_len_bytes;
	struct word_list modules; /**< names, in load order */
	char release[128];
	char target[360]; /**< "UUID=... (/dev/vda1, ext4)" */
	char ambiguous[ERR_TEXT_MAX]; /**< that another file system has the target's label too; empty: none has */
};

/**
 * Build the capture initramfs in memory. The same inputs give the same bytes. Needs no root but to read the target's
 * device, and not even that with @target_modules.
 */
enum status mkinitramfs_build(const struct mkinitramfs_options *options, struct mkinitramfs_image *image,
			      struct err *err) __must_check;
void mkinitramfs_image_deinit(struct mkinitramfs_image *image);

/** Write @image to @path (0600), atomically; folders that are missing are made. */
enum status mkinitramfs_write(const struct mkinitramfs_image *image, const char *path, struct err *err) __must_check;

/** Is the file at @path, byte for byte, @image? */
bool mkinitramfs_is_same(const struct mkinitramfs_image *image, const char *path);

/** Where @config puts the initramfs of kernel @release, into @buf. */
const char *mkinitramfs_path(const struct config *config, const char *release, char *buf, size_t len);

#endif
