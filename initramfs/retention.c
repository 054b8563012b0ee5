// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "initramfs/dumpdir.h"

#define DUMPS_MAX 65536
#define REMOVE_TRIES 4

typedef char dump_name[DUMPDIR_NAME_LEN + 1];

struct names {
	dump_name *list;
	size_t nr;
};

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* A second handle, so that the caller's position in the folder stays. */
static DIR *open_dir_at(int parentfd, const char *name)
{
	int fd = openat(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static enum status add_name(struct names *names, const char *name, struct err *err)
{
	dump_name *list;

	if (names->nr >= DUMPS_MAX)
		return err_set(err, ST_BAD_INPUT, "more than %d dumps", DUMPS_MAX);
	list = realloc(names->list, (names->nr + 1) * sizeof(*list));
	if (!list)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	names->list = list;
	memcpy(list[names->nr++], name, sizeof(dump_name));
	return ST_OK;
}

static enum status list_others(int parentfd, const char *newest, struct names *names, struct err *err)
{
	_cleanup_(cleanup_dir) DIR *dir = open_dir_at(parentfd, ".");
	enum status st = ST_OK;
	struct dirent *e;

	if (!dir)
		return err_set_errno(err, ST_IO, errno, "cannot list the dumps");
	while (st == ST_OK && (e = readdir(dir)))
		if (dumpdir_is_name(e->d_name) && strcmp(e->d_name, newest) != 0)
			st = add_name(names, e->d_name, err);
	return st;
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(b, a);
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* A folder, a device or a link in there was put by someone who may want it back. */
static bool holds_only_files(DIR *dir)
{
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir))) {
		struct stat st;

		if (is_dot(e->d_name))
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			return false;
	}
	return true;
}

static bool remove_dump(int parentfd, const char *name)
{
	_cleanup_(cleanup_dir) DIR *dir = open_dir_at(parentfd, name);
	struct dirent *e;

	if (!dir || !holds_only_files(dir))
		return false;
	/* A list read while entries go may skip some (POSIX leaves it open): read it anew until the folder is empty. */
	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		rewinddir(dir);
		while ((e = readdir(dir)))
			if (!is_dot(e->d_name) && unlinkat(dirfd(dir), e->d_name, 0) < 0)
				return false;
		if (unlinkat(parentfd, name, AT_REMOVEDIR) == 0)
			return true;
	}
	return false;
}

static bool has_dump(int parentfd, const char *name)
{
	char path[sizeof(dump_name) + sizeof(DUMPDIR_DUMP)];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", name, DUMPDIR_DUMP);
	return fstatat(parentfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void prune_sorted(int parentfd, const struct names *names, unsigned keep, struct retention_report *report)
{
	unsigned nr_dumps = 1, nr_others = 0; /* one dump: the newest */

	for (size_t i = 0; i < names->nr; i++) {
		unsigned *seen = has_dump(parentfd, names->list[i]) ? &nr_dumps : &nr_others;

		if (++*seen <= keep)
			continue;
		if (remove_dump(parentfd, names->list[i])) {
			report->nr_removed++;
			continue;
		}
		report->nr_skipped++;
		log_warn("the old dump %s was not removed", names->list[i]);
	}
}

enum status retention_prune(int parentfd, const char *newest, unsigned keep, struct retention_report *report,
			    struct err *err)
{
	struct names names = { 0 };
	enum status st;

	*report = (struct retention_report){ 0 };
	if (keep == 0)
		return ST_OK;
	st = list_others(parentfd, newest, &names, err);
	if (st == ST_OK && names.nr) {
		qsort(names.list, names.nr, sizeof(dump_name), newest_first);
		prune_sorted(parentfd, &names, keep, report);
	}
	free(names.list);
	if (st == ST_OK && report->nr_removed)
		st = file_sync_dir(parentfd, err);
	return st;
}
