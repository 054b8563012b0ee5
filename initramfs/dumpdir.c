// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/dumpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"

#define TRIES 64
#define RESERVE_BYTES 65536
/* "99991231T235959Z": a year of five digits would break the form and the order. */
#define MAX_SECONDS UINT64_C(253402300799)

bool dumpdir_is_name(const char *name)
{
	static const char form[] = "ddddddddTddddddZ-hhhhhhhh";

	_Static_assert(sizeof(form) == DUMPDIR_NAME_LEN + 1, "the form and its length");
	for (size_t i = 0; i < sizeof(form); i++) {
		bool digit = name[i] >= '0' && name[i] <= '9';

		if (form[i] == 'd'   ? !digit
		    : form[i] == 'h' ? !digit && !(name[i] >= 'a' && name[i] <= 'f')
				     : name[i] != form[i])
			return false;
	}
	return true;
}

void dumpdir_format_name(uint64_t unix_seconds, uint32_t tag, char *buf)
{
	time_t t = (time_t)(unix_seconds > MAX_SECONDS ? MAX_SECONDS : unix_seconds);
	struct tm tm;

	gmtime_r(&t, &tm);
	/* The moduli change nothing; they show the compiler that the text fits. */
	snprintf(buf, DUMPDIR_NAME_LEN + 1, "%04u%02u%02uT%02u%02u%02uZ-%08" PRIx32,
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
		 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, tag);
}

static uint32_t random_tag(void)
{
	struct timespec ts;
	uint32_t tag;

	/* A young kernel may have no randomness yet; then the clock does. Uniqueness comes from mkdir, not from here.
	 */
	if (getrandom(&tag, sizeof(tag), GRND_NONBLOCK) == (ssize_t)sizeof(tag))
		return tag;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint32_t)ts.tv_nsec * 2654435761u ^ (uint32_t)ts.tv_sec;
}

enum status dumpdir_make(int parentfd, uint64_t unix_seconds, char *name, int *dirfd, struct err *err)
{
	uint32_t tag = random_tag();
	enum status st;
	int fd;

	for (unsigned i = 0;; i++) {
		dumpdir_format_name(unix_seconds, tag + i, name);
		if (mkdirat(parentfd, name, 0700) == 0)
			break;
		if (errno != EEXIST || i >= TRIES)
			return err_set_errno(err, ST_IO, errno, "cannot make the folder %s", name);
	}
	fd = openat(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open the folder %s", name);
	st = file_sync_dir(parentfd, err);
	if (st != ST_OK) {
		close(fd);
		return st;
	}
	*dirfd = fd;
	return ST_OK;
}

void dumpdir_reserve(int dirfd)
{
	static const char zeros[RESERVE_BYTES];
	int fd = openat(dirfd, DUMPDIR_RESERVE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct err err;

	if (fd < 0)
		return;
	/* Written, not only allocated: vfat has no other way, and delayed allocation must not promise it to two. */
	if (file_write_fd(fd, DUMPDIR_RESERVE, zeros, sizeof(zeros), &err) != ST_OK || fsync(fd) < 0)
		unlinkat(dirfd, DUMPDIR_RESERVE, 0);
	close(fd);
}

void dumpdir_release(int dirfd)
{
	struct err err;

	/* A journal gives the blocks back only once the removal is committed. */
	if (unlinkat(dirfd, DUMPDIR_RESERVE, 0) == 0 && file_sync_dir(dirfd, &err) != ST_OK)
		sync();
}

enum status dumpdir_newest(int parentfd, char *name, struct err *err)
{
	int fd = openat(parentfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_set_errno(err, ST_IO, errno, "cannot list the dumps");
	}
	name[0] = '\0';
	while ((e = readdir(dir)))
		if (dumpdir_is_name(e->d_name) && strcmp(e->d_name, name) > 0)
			memcpy(name, e->d_name, DUMPDIR_NAME_LEN + 1);
	closedir(dir);
	return *name ? ST_OK : err_set(err, ST_NOT_FOUND, "there is no dump yet");
}
