/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/**
 * Read a whole file, also one of /proc or /sys whose size stat() does not tell. *@data is allocated, followed by a NUL
 * that
 * *@len does not count, and freed by the caller. ST_NOT_FOUND: no such file. ST_BAD_INPUT: more than @max_bytes.
 */
enum status file_read_all(const char *path, size_t max_bytes, uint8_t **data, size_t *len,
			  struct err *err) __must_check;

/** As file_read_all() from an open descriptor; @name is for messages. */
enum status file_read_fd(int fd, const char *name, size_t max_bytes, uint8_t **data, size_t *len,
			 struct err *err) __must_check;

/** The first line of a small file, without its newline, in @buf; "" where the file cannot be read or does not fit. */
const char *file_first_line(const char *path, char *buf, size_t len);

/** write(2) until all is written. */
enum status file_write_fd(int fd, const char *name, const void *data, size_t len, struct err *err) __must_check;

/**
 * Create or replace @name in the folder @dirfd (AT_FDCWD allowed) so that a reader, or a power cut, finds the old
 * content or the new one and nothing between: temporary file, fsync, rename, fsync of the folder.
 */
enum status file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
			    struct err *err) __must_check;

/** Make the folder that @path will lie in, and its parents where they are missing. */
enum status file_make_parents(const char *path, mode_t mode, struct err *err) __must_check;

/** fsync of a folder; file systems that cannot do it are no error. */
enum status file_sync_dir(int dirfd, struct err *err) __must_check;

#endif
