// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A regular file that gets its name only when it is whole: "PATH.partial", fsync, rename, fsync of the folder.
 *
 * Written data is pushed to the medium as it comes and then dropped from the page cache: in a capture kernel the cache
 * is the memory that the capture itself needs. O_DIRECT would need none of it and a quarter of the CPU time of a write
 * (measured on ext4, which is a few hundredths of what the fastest codec takes), but it waits for the medium: one
 * thread would either compress or write. This way the medium works while the codec does.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "formats/io/wsink.h"

/* Twice this lies in the cache at most. More takes as much CPU time, and no longer fits a small capture kernel. */
#define FLUSH_BYTES (4 * MIB)

struct file_sink {
	struct wsink base;
	int fd;
	char *path, *partial;
	bool force;
	bool keep; /* what is on the medium outlives close() */
	int write_back_errno; /* the first error that write-back met; 0: none */
	uint64_t dirty_start, dirty_end; /* the run of appended bytes that was not pushed yet */
	uint64_t pushed_start, pushed_end; /* pushed, not dropped yet */
};

/*
 * The kernel tells a failed write-back once to each open file: what sync_file_range() was told, fsync() will not be. A file
 * system that does not know the call is no error.
 */
static void write_back(struct file_sink *f, uint64_t start, uint64_t end, unsigned flags)
{
	if (sync_file_range(f->fd, (off_t)start, (off_t)(end - start), flags) == 0 || f->write_back_errno)
		return;
	if (errno != ENOSYS && errno != EINVAL && errno != ESPIPE)
		f->write_back_errno = errno;
}

/*
 * Start the write-back of the newest run and drop the one before it, which is on the medium by then: two runs in flight
 * keep the disk busy and the cache small.
 */
static void push_out(struct file_sink *f)
{
	if (f->dirty_end > f->dirty_start) /* a length of 0 would mean all the rest of the file */
		write_back(f, f->dirty_start, f->dirty_end, SYNC_FILE_RANGE_WRITE);
	if (f->pushed_end > f->pushed_start) {
		off_t len = (off_t)(f->pushed_end - f->pushed_start);

		write_back(f, f->pushed_start, f->pushed_end,
			   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		posix_fadvise(f->fd, (off_t)f->pushed_start, len, POSIX_FADV_DONTNEED);
	}
	f->pushed_start = f->dirty_start;
	f->pushed_end = f->dirty_end;
}

static void note_dirty(struct file_sink *f, uint64_t off, uint64_t len)
{
	if (off == f->dirty_end) {
		f->dirty_end += len;
	} else if (len >= FLUSH_BYTES / 16) {
		push_out(f);
		f->dirty_start = off;
		f->dirty_end = off + len;
	}
	if (f->dirty_end - f->dirty_start >= FLUSH_BYTES) {
		push_out(f);
		f->dirty_start = f->dirty_end;
	}
}

static enum status file_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err)
{
	struct file_sink *f = (struct file_sink *)sink;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(f->fd, (const uint8_t *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot write %s", f->partial);
		done += (size_t)n;
	}
	sink->bytes_written += len;
	note_dirty(f, off, len);
	return ST_OK;
}

static enum status file_reserve(struct wsink *sink, uint64_t off, uint64_t len, struct err *err)
{
	struct file_sink *f = (struct file_sink *)sink;

	int rc;

	do {
		rc = fallocate(f->fd, 0, (off_t)off, (off_t)len);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return ST_OK;
	return err_set_errno(err, ST_IO, errno, "cannot reserve space for %s", f->partial);
}

static enum status file_sync(struct wsink *sink, struct err *err)
{
	struct file_sink *f = (struct file_sink *)sink;

	if (fsync(f->fd) == 0 && !f->write_back_errno)
		return ST_OK;
	f->keep = true; /* most of it may be there */
	return err_set_errno(err, ST_IO, f->write_back_errno ? f->write_back_errno : errno, "cannot sync %s", f->partial);
}

static enum status sync_folder_of(const char *path, struct err *err)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_fd_ int fd = -1;

	if (!copy)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Some file systems cannot sync a folder; the file itself is safe by then. */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL && errno != EROFS))
		return err_set_errno(err, ST_IO, errno, "cannot sync the folder of %s", path);
	return ST_OK;
}

static enum status file_commit(struct wsink *sink, struct err *err)
{
	struct file_sink *f = (struct file_sink *)sink;
	enum status st = file_sync(sink, err);

	if (st != ST_OK)
		return st;
	f->keep = true;
	/* Without -f somebody may have made the name since open(): link() refuses where rename() would replace. */
	if (!f->force && link(f->partial, f->path) == 0) {
		unlink(f->partial);
	} else if (!f->force && errno == EEXIST) {
		return err_set(err, ST_USAGE, "%s has appeared meanwhile: the dump is left in %s", f->path, f->partial);
	} else if (rename(f->partial, f->path) < 0) {
		return err_set_errno(err, ST_IO, errno, "cannot rename %s", f->partial);
	}
	return sync_folder_of(f->path, err);
}

static void file_close(struct wsink *sink)
{
	struct file_sink *f = (struct file_sink *)sink;

	if (f->fd >= 0)
		close(f->fd);
	if (!f->keep && f->partial && f->fd >= 0)
		unlink(f->partial);
	free(f->path);
	free(f->partial);
	free(f);
}

static const struct wsink_ops file_ops = {
	.write_at = file_write_at,
	.reserve = file_reserve,
	.sync = file_sync,
	.commit = file_commit,
	.close = file_close,
};

static enum status open_partial(struct file_sink *f, struct err *err)
{
	struct stat st;

	if (stat(f->path, &st) == 0) {
		if (!f->force)
			return err_set(err, ST_USAGE, "%s exists: name another file, or say -f to replace it", f->path);
		if (!S_ISREG(st.st_mode))
			return err_set(err, ST_USAGE, "%s is not a regular file: use \"-\" and redirect for a stream", f->path);
	}
	/* Left over from a killed run: repair's business, and only -f says that nobody wants it. */
	if (f->force)
		unlink(f->partial);
	f->fd = open(f->partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0 && errno == EEXIST)
		return err_set(err, ST_USAGE, "%s exists, left by an interrupted capture: remove it, or say -f", f->partial);
	if (f->fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot create %s", f->partial);
	return ST_OK;
}

enum status wsink_file_open(const char *path, bool force, struct wsink **sink, struct err *err)
{
	struct file_sink *f = calloc(1, sizeof(*f));
	enum status st;

	if (!f)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	f->base.ops = &file_ops;
	f->base.rewritable = true;
	f->fd = -1;
	f->force = force;
	f->path = strdup(path);
	if (!f->path || asprintf(&f->partial, "%s.partial", path) < 0) {
		f->partial = NULL;
		file_close(&f->base);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	st = open_partial(f, err);
	if (st != ST_OK) {
		file_close(&f->base);
		return st;
	}
	*sink = &f->base;
	return ST_OK;
}
