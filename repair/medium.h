/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_MEDIUM_H
#define REPAIR_MEDIUM_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct medium;

struct medium_ops {
	/** Up to @len bytes at @off; *@got < @len with ST_OK only at the end. */
	enum status (*read_at)(struct medium *m, uint64_t off, void *buf, size_t len, size_t *got, struct err *err);
	/** All of them, beyond the end too. */
	enum status (*write_at)(struct medium *m, uint64_t off, const void *buf, size_t len, struct err *err);
	/** Everything written so far is on the medium. */
	enum status (*sync)(struct medium *m, struct err *err);
	enum status (*truncate)(struct medium *m, uint64_t size_bytes, struct err *err);
	void (*close)(struct medium *m);
};

/**
 * A file that is changed where it stands. The steps are few and each may be the last one before a power cut: tests put a
 * medium of their own here. Not thread-safe.
 */
struct medium {
	const struct medium_ops *ops;
	uint64_t size_bytes; /**< kept up to date by write_at and truncate */
};

/**
 * Open the regular file @path for reading and writing, and lock it. ST_USAGE: it is no regular file, or another process
 * repairs it.
 */
enum status medium_file_open(const char *path, struct medium **m, struct err *err) __must_check;
void medium_close(struct medium *m);

/** All of @len or an error. */
enum status medium_read(struct medium *m, uint64_t off, void *buf, size_t len, struct err *err) __must_check;

#endif
