// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"

#define FIRST_CHUNK 4096

static enum status grow(uint8_t **data, size_t *cap, size_t max_bytes, struct err *err)
{
	size_t wanted = *cap ? *cap * 2 : FIRST_CHUNK;
	uint8_t *p;

	if (wanted > max_bytes)
		wanted = max_bytes;
	p = realloc(*data, wanted + 2); /* one for the NUL, one to see that there is more than allowed */
	if (!p)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	*data = p;
	*cap = wanted;
	return ST_OK;
}

enum status file_read_fd(int fd, const char *name, size_t max_bytes, uint8_t **data, size_t *len, struct err *err)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t cap = 0, used = 0;
	enum status st = grow(&buf, &cap, max_bytes, err);

	while (st == ST_OK) {
		ssize_t n = read(fd, buf + used, cap + 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot read %s", name);
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max_bytes)
			return err_set(err, ST_BAD_INPUT, "%s is larger than %zu bytes", name, max_bytes);
		if (used > cap)
			st = grow(&buf, &cap, max_bytes, err);
	}
	if (st != ST_OK)
		return st;
	buf[used] = '\0';
	*len = used;
	*data = steal_ptr(buf);
	return ST_OK;
}

enum status file_read_all(const char *path, size_t max_bytes, uint8_t **data, size_t *len, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set_errno(err, errno == ENOENT ? ST_NOT_FOUND : ST_IO, errno, "cannot open %s", path);
	return file_read_fd(fd, path, max_bytes, data, len, err);
}

const char *file_first_line(const char *path, char *buf, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len);

	if (n < 0 || (size_t)n >= len)
		n = 0;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

enum status file_write_fd(int fd, const char *name, const void *data, size_t len, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const uint8_t *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot write %s", name);
		done += (size_t)n;
	}
	return ST_OK;
}

enum status file_sync_dir(int dirfd, struct err *err)
{
	if (fsync(dirfd) < 0 && errno != EINVAL && errno != EROFS)
		return err_set_errno(err, ST_IO, errno, "cannot sync the folder");
	return ST_OK;
}

enum status file_make_parents(const char *path, mode_t mode, struct err *err)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (char *slash = *copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_set_errno(err, ST_IO, errno, "cannot make the folder %s", copy);
		*slash = '/';
	}
	return ST_OK;
}

static enum status sync_folder_of(int dirfd, const char *name, struct err *err)
{
	_cleanup_free_ char *copy = strdup(name);
	_cleanup_fd_ int fd = -1;

	if (!copy)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	fd = openat(dirfd, dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open the folder of %s", name);
	return file_sync_dir(fd, err);
}

enum status file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *err)
{
	char temp[PATH_MAX];
	enum status st;
	int fd;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", name) >= sizeof(temp))
		return err_set(err, ST_USAGE, "%s: the name is too long", name);
	if (unlinkat(dirfd, temp, 0) < 0 && errno != ENOENT)
		return err_set_errno(err, ST_IO, errno, "cannot remove the old %s", temp);
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot create %s", temp);
	st = file_write_fd(fd, temp, data, len, err);
	if (st == ST_OK && fsync(fd) < 0)
		st = err_set_errno(err, ST_IO, errno, "cannot sync %s", temp);
	if (close(fd) < 0 && st == ST_OK)
		st = err_set_errno(err, ST_IO, errno, "cannot close %s", temp);
	if (st == ST_OK && renameat(dirfd, temp, dirfd, name) < 0)
		st = err_set_errno(err, ST_IO, errno, "cannot rename %s", temp);
	if (st == ST_OK)
		return sync_folder_of(dirfd, name, err);
	unlinkat(dirfd, temp, 0);
	return st;
}
