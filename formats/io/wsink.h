/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_IO_WSINK_H
#define FORMATS_IO_WSINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/** Where the bytes of an output go. Not thread-safe. */
struct wsink;

struct wsink_ops {
	/** Write all of @len bytes at @off. */
	enum status (*write_at)(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err);
	/** Make sure that [@off, @off + @len) cannot run out of space later; a sink that cannot promise says ST_OK. */
	enum status (*reserve)(struct wsink *sink, uint64_t off, uint64_t len, struct err *err);
	/** Everything written so far is on the medium. */
	enum status (*sync)(struct wsink *sink, struct err *err);
	/** The output is finished and gets its final name. */
	enum status (*commit)(struct wsink *sink, struct err *err);
	/** Release; an output that was not committed is discarded.  */
	void (*close)(struct wsink *sink);
};

struct wsink {
	const struct wsink_ops *ops;
	bool rewritable;	/**< an offset may be written twice (false for streams: each byte once) */
	uint64_t bytes_written; /**< sum over all writes, record headers included */
};

/**
 * A regular file: written as "@path.partial" (mode 0600) beside the target, given its name by wsink_commit() after fsync,
 * then the folder is synced. An existing @path is refused with ST_USAGE unless @force. A crash of this process, or a failed
 * wsink_sync() or wsink_commit(), leaves the ".partial" file.
 */
enum status wsink_file_open(const char *path, bool force, struct wsink **sink, struct err *err) __must_check;

/**
 * The flattened form (reference: makedumpfile -F; kdump-format 1.5) on @fd, which need not be seekable and is not closed.
 * The file header is written at once, the end marker by wsink_commit().
 */
enum status wsink_flat_open(int fd, struct wsink **sink, struct err *err) __must_check;

/** Memory, for tests and small artefacts. wsink_mem_data() stays valid until close. */
enum status wsink_mem_open(struct wsink **sink, struct err *err) __must_check;
const void *wsink_mem_data(const struct wsink *sink, size_t *len);

void wsink_close(struct wsink *sink);
enum status wsink_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err) __must_check;
enum status wsink_reserve(struct wsink *sink, uint64_t off, uint64_t len, struct err *err) __must_check;
enum status wsink_sync(struct wsink *sink, struct err *err) __must_check;
enum status wsink_commit(struct wsink *sink, struct err *err) __must_check;

static inline void wsink_closep(struct wsink **sink)
{
	wsink_close(*sink);
}

#endif
