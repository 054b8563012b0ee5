// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/medium.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/units.h"

struct file_medium {
	struct medium base;
	int fd;
	char *path;
};

static enum status file_read_at(struct medium *m, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct file_medium *f = (struct file_medium *)m;

	*got = 0;
	while (*got < len) {
		ssize_t n = pread(f->fd, (uint8_t *)buf + *got, len - *got, (off_t)(off + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot read %s", f->path);
		if (!n)
			break;
		*got += (size_t)n;
	}
	return ST_OK;
}

static enum status file_write_at(struct medium *m, uint64_t off, const void *buf, size_t len, struct err *err)
{
	struct file_medium *f = (struct file_medium *)m;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(f->fd, (const uint8_t *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot write %s", f->path);
		done += (size_t)n;
	}
	m->size_bytes = max_u64(m->size_bytes, off + len);
	return ST_OK;
}

static enum status file_sync(struct medium *m, struct err *err)
{
	struct file_medium *f = (struct file_medium *)m;

	return fsync(f->fd) == 0 ? ST_OK : err_set_errno(err, ST_IO, errno, "cannot sync %s", f->path);
}

static enum status file_truncate(struct medium *m, uint64_t size_bytes, struct err *err)
{
	struct file_medium *f = (struct file_medium *)m;

	if (ftruncate(f->fd, (off_t)size_bytes) < 0)
		return err_set_errno(err, ST_IO, errno, "cannot cut %s", f->path);
	m->size_bytes = size_bytes;
	return ST_OK;
}

static void file_close(struct medium *m)
{
	struct file_medium *f = (struct file_medium *)m;

	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

static const struct medium_ops file_ops = {
	.read_at = file_read_at,
	.write_at = file_write_at,
	.sync = file_sync,
	.truncate = file_truncate,
	.close = file_close,
};

static enum status open_file(struct file_medium *f, struct err *err)
{
	struct stat st;

	f->fd = open(f->path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot change %s", f->path);
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ST_USAGE, "%s is not a regular file: write another one with -o", f->path);
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, ST_USAGE, "%s is being changed by another process", f->path);
	f->base.size_bytes = (uint64_t)st.st_size;
	return ST_OK;
}

enum status medium_file_open(const char *path, struct medium **m, struct err *err)
{
	struct file_medium *f = calloc(1, sizeof(*f));
	enum status st;

	if (!f)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	f->base.ops = &file_ops;
	f->fd = -1;
	f->path = strdup(path);
	st = f->path ? open_file(f, err) : err_set(err, ST_NO_MEMORY, "out of memory");
	if (st != ST_OK) {
		file_close(&f->base);
		return st;
	}
	*m = &f->base;
	return ST_OK;
}

void medium_close(struct medium *m)
{
	if (m)
		m->ops->close(m);
}

enum status medium_read(struct medium *m, uint64_t off, void *buf, size_t len, struct err *err)
{
	size_t got;
	enum status st = m->ops->read_at(m, off, buf, len, &got, err);

	if (st == ST_OK && got != len)
		st = err_set(err, ST_BAD_INPUT, "the file ends within %zu bytes at offset %" PRIu64, len, off);
	return st;
}
