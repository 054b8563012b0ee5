/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_IO_RSOURCE_H
#define FORMATS_IO_RSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/units.h"

/**
 * Bytes that can be read at any offset: a file, a block device, /proc/vmcore, a memory buffer, or another source seen
 * through a layer (a flattened dump). Not thread-safe unless can_share says so.
 */
struct rsource;

struct rsource_ops {
	/**
	 * Read up to @len bytes at @off. Sets *@got to what is in @buf; *@got < @len with ST_OK only at the end of the
	 * source. On an error, the bytes before the bad one are delivered and counted in *@got.
	 */
	enum status (*read_at)(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err);
	/**
	 * Optional. The first run of bytes at or after @off (which lies within the source) that is more than a gap's
	 * zeros; may end early. Empty, at size_bytes, where only a gap follows.
	 */
	struct range (*next_data)(struct rsource *src, uint64_t off);
	/** Optional. As rsource_view(). */
	const uint8_t *(*view)(struct rsource *src, uint64_t off, size_t len);
	/** Optional, for a source that threads cannot share. As rsource_clone(). */
	enum status (*clone)(struct rsource *src, struct rsource **clone, struct err *err);
	void (*close)(struct rsource *src);
};

struct rsource {
	const struct rsource_ops *ops;
	uint64_t size_bytes;
	char *name;	 /**< for messages; owned */
	bool can_share;	 /**< threads may read and ask for data at once */
};

/**
 * Open a regular file, a block device or /proc/vmcore. A directory, a FIFO, a socket or an empty file is ST_BAD_INPUT
 * with a text that says so. /proc/vmcore is read through mmap windows where the kernel grants them: small read(2) calls
 * there are 10 to 50 times slower (measured).
 */
enum status rsource_file_open(const char *path, struct rsource **src, struct err *err) __must_check;

/** A source over @data, which the caller keeps alive. */
enum status rsource_mem_open(const void *data, size_t len, const char *name, struct rsource **src, struct err *err)
	__must_check;

/**
 * Another reader of the same bytes, for another thread, with a position and caches of its own; may outlive @src. ST_UNSUPPORTED:
 * this source has one reader only (or is one that threads may share).
 */
enum status rsource_clone(struct rsource *src, struct rsource **clone, struct err *err) __must_check;

/** NULL is fine. */
void rsource_close(struct rsource *src);

/** As the operation; see struct rsource_ops. */
enum status rsource_read_some(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
	__must_check;

/** All of @len bytes or an error: ST_BAD_INPUT where the source ends too early. */
enum status rsource_read(struct rsource *src, uint64_t off, void *buf, size_t len, struct err *err) __must_check;

/**
 * As the operation. A scan skips gaps by it, since those cost a hostile file nothing. Where the source does not know its gaps, all
 * that follows @off.
 */
struct range rsource_next_data(struct rsource *src, uint64_t off);

/**
 * The @len bytes at @off where they lie, so that nobody needs to copy them. NULL: this source keeps no such place (a
 * regular file never does: it may be cut short at any time), or not for these: read them. For the calling thread, until
 * it ends it by rsource_view_end() or asks any source for another, and not beyond a clone or close; reads do no harm.
 */
const uint8_t *rsource_view(struct rsource *src, uint64_t off, size_t len);

/**
 * End this thread's view. False: memory failed under it (a machine check), and from some moment on it showed zeros:
 * what was seen in it does not count, and the bytes have to be read.
 */
bool rsource_view_end(void) __must_check;

static inline void rsource_closep(struct rsource **src)
{
	rsource_close(*src);
}

#endif
