/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_TEMP_DIR_H
#define TESTS_UNIT_TEMP_DIR_H

/* A folder of its own for each test, gone with all that is in it when the test ends. Include after cmocka.h. */

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct temp_dir {
	char path[PATH_MAX - 512];
};

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int temp_dir_setup(void **state)
{
	struct temp_dir *t = calloc(1, sizeof(*t));
	const char *base = getenv("TMPDIR");

	if (!t)
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/innercore-test-XXXXXX", base ? base : "/tmp");
	*state = t;
	return mkdtemp(t->path) ? 0 : -1;
}

static inline int temp_dir_teardown(void **state)
{
	struct temp_dir *t = *state;
	int rc = nftw(t->path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	free(t);
	return rc;
}

#define cmocka_unit_test_temp_dir(f) cmocka_unit_test_setup_teardown(f, temp_dir_setup, temp_dir_teardown)

/* DIR/name in a buffer of the caller's. */
static inline const char *temp_path(const struct temp_dir *t, const char *name, char *buf)
{
	assert_true(snprintf(buf, PATH_MAX, "%s/%s", t->path, name) < PATH_MAX);
	return buf;
}

/* Make the folders that DIR/name needs. */
static inline void temp_parents(const struct temp_dir *t, const char *name)
{
	char path[PATH_MAX];

	temp_path(t, name, path);
	for (char *slash = strchr(path + strlen(t->path) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static inline void temp_write(const struct temp_dir *t, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];
	FILE *f;

	temp_parents(t, name);
	f = fopen(temp_path(t, name, path), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void temp_write_text(const struct temp_dir *t, const char *name, const char *text)
{
	temp_write(t, name, text, strlen(text));
}

static inline void temp_link(const struct temp_dir *t, const char *target, const char *name)
{
	char path[PATH_MAX];

	temp_parents(t, name);
	assert_int_equal(symlink(target, temp_path(t, name, path)), 0);
}

static inline void temp_mkdir(const struct temp_dir *t, const char *name)
{
	char path[PATH_MAX];

	temp_parents(t, name);
	assert_int_equal(mkdir(temp_path(t, name, path), 0755), 0);
}

static inline int temp_exists(const struct temp_dir *t, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return lstat(temp_path(t, name, path), &st) == 0;
}

/* The standard output of a shell command, at most @len - 1 bytes, into @buf. The command must succeed. */
static inline const char *temp_shell(const char *command, char *buf, size_t len)
{
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, len - 1, f);
	buf[n] = '\0';
	assert_int_equal(pclose(f), 0);
	return buf;
}

#endif
