/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_DIGEST_H
#define INITRAMFS_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define DIGEST_HEX_LEN 64

/** Called after each piece; false ends the work with ST_INTERRUPTED. */
typedef bool (*digest_step_fn)(void *ctx, uint64_t done_bytes);

/**
 * SHA-256 of the file open on @fd, from its start, as `sha256sum` prints it, into @hex (DIGEST_HEX_LEN + 1 bytes). Read
 * from the medium as far as the kernel lets it be, so that it also shows that the bytes can be read back.
 */
enum status digest_fd(int fd, digest_step_fn step, void *ctx, char *hex, struct err *err) __must_check;

#endif
