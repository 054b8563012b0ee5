// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/units.h"
#include "initramfs/dumpdir.h"
#include "initramfs/retention.h"
#include "temp_dir.h"

static void only_our_names(void **state)
{
	static const char *const ours[] = { "20261124T020155Z-668beca4", "00000000T000000Z-00000000" };
	static const char *const others[] = {
		"",
		".",
		"..",
		"20261124T020155Z",
		"20261124T020155Z-668beca",
		"20261124T020155Z-668beca4x",
		"20261124T020155Z-668BECA4",
		"20261124t020155Z-668beca4",
		"2026112aT020155Z-668beca4",
		"20261124T020155Z-668beca4.partial",
		"../../../../../../../x/..",
		"2026-11-24-02:01",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		assert_true(dumpdir_is_name(ours[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (dumpdir_is_name(others[i]))
			fail_msg("\"%s\" passed", others[i]);
}

static void names_tell_the_time(void **state)
{
	char name[DUMPDIR_NAME_LEN + 1];

	dumpdir_format_name(1795485715, 0x668beca4, name);
	assert_string_equal(name, "20261124T020155Z-668beca4");
	dumpdir_format_name(0, 1, name);
	assert_string_equal(name, "19700101T000000Z-00000001");
	/* A crashed kernel may say anything. */
	dumpdir_format_name(UINT64_MAX, 0, name);
	assert_true(dumpdir_is_name(name));
}

static void new_folders_are_private_and_new(void **state)
{
	struct temp_dir *t = *state;
	char a[DUMPDIR_NAME_LEN + 1], b[DUMPDIR_NAME_LEN + 1], newest[DUMPDIR_NAME_LEN + 1];
	int parent = open(t->path, O_RDONLY | O_DIRECTORY), fda = -1, fdb = -1;
	struct stat st;
	struct err err;

	assert_int_equal(dumpdir_newest(parent, newest, &err), ST_NOT_FOUND);
	assert_int_equal(dumpdir_make(parent, 1000, a, &fda, &err), ST_OK);
	assert_int_equal(dumpdir_make(parent, 2000, b, &fdb, &err), ST_OK);
	assert_string_not_equal(a, b);
	assert_int_equal(fstat(fda, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(dumpdir_newest(parent, newest, &err), ST_OK);
	assert_string_equal(newest, b);
	close(fda);
	close(fdb);
	close(parent);
}

static void room_is_kept_and_given_back(void **state)
{
	struct temp_dir *t = *state;
	int dir = open(t->path, O_RDONLY | O_DIRECTORY);
	char path[PATH_MAX];
	struct stat st;

	dumpdir_reserve(dir);
	assert_int_equal(stat(temp_path(t, DUMPDIR_RESERVE, path), &st), 0);
	assert_true(st.st_blocks * 512 >= 16384); /* real blocks, no hole */
	dumpdir_release(dir);
	assert_false(temp_exists(t, DUMPDIR_RESERVE));
	dumpdir_release(dir);
	close(dir);
}

/* Dump number @n, the higher the younger. */
static const char *name_of(unsigned n, char *buf)
{
	dumpdir_format_name(1700000000 + n, n, buf);
	return buf;
}

static void put_dump(struct temp_dir *t, unsigned n, const char *file)
{
	char name[DUMPDIR_NAME_LEN + 1], path[64];

	snprintf(path, sizeof(path), "%s/%s", name_of(n, name), file);
	temp_write_text(t, path, "x");
}

static int is_there(struct temp_dir *t, unsigned n)
{
	char name[DUMPDIR_NAME_LEN + 1];

	return temp_exists(t, name_of(n, name));
}

static struct retention_report prune(struct temp_dir *t, unsigned newest, unsigned keep)
{
	int parent = open(t->path, O_RDONLY | O_DIRECTORY);
	struct retention_report report;
	char name[DUMPDIR_NAME_LEN + 1];
	struct err err;

	assert_int_equal(retention_prune(parent, name_of(newest, name), keep, &report, &err), ST_OK);
	close(parent);
	return report;
}

static void the_oldest_go(void **state)
{
	struct temp_dir *t = *state;
	struct retention_report r;

	for (unsigned n = 1; n <= 6; n++) {
		put_dump(t, n, DUMPDIR_DUMP);
		put_dump(t, n, DUMPDIR_STATUS);
	}
	r = prune(t, 6, 3);
	assert_int_equal(r.nr_removed, 3);
	assert_int_equal(r.nr_skipped, 0);
	for (unsigned n = 1; n <= 6; n++)
		assert_int_equal(is_there(t, n), n >= 4);
	/* Nothing more to do. */
	assert_int_equal(prune(t, 6, 3).nr_removed, 0);
}

static void zero_keeps_all(void **state)
{
	struct temp_dir *t = *state;

	for (unsigned n = 1; n <= 6; n++)
		put_dump(t, n, DUMPDIR_DUMP);
	assert_int_equal(prune(t, 6, 0).nr_removed, 0);
	assert_true(is_there(t, 1));
}

/* The clock went back: the new dump is the oldest by name, and still stays. */
static void the_new_one_always_stays(void **state)
{
	struct temp_dir *t = *state;

	for (unsigned n = 1; n <= 4; n++)
		put_dump(t, n, DUMPDIR_DUMP);
	assert_int_equal(prune(t, 1, 2).nr_removed, 2);
	assert_true(is_there(t, 1));
	assert_true(is_there(t, 4));
	assert_false(is_there(t, 2));
	assert_false(is_there(t, 3));
}

/* Failures that only left a log must not push out the last good dump. */
static void failures_do_not_count_as_dumps(void **state)
{
	struct temp_dir *t = *state;

	put_dump(t, 1, DUMPDIR_DUMP);
	for (unsigned n = 2; n <= 5; n++)
		put_dump(t, n, DUMPDIR_DMESG);
	put_dump(t, 6, DUMPDIR_DUMP);
	assert_int_equal(prune(t, 6, 2).nr_removed, 2);
	assert_true(is_there(t, 1));
	assert_false(is_there(t, 2));
	assert_false(is_there(t, 3));
	assert_true(is_there(t, 4));
}

static void foreign_things_stay(void **state)
{
	struct temp_dir *t = *state;
	char name[DUMPDIR_NAME_LEN + 1], path[96];
	struct retention_report r;

	log_set_level(LOG_LEVEL_ERROR);
	temp_write_text(t, "outside/precious", "x");
	put_dump(t, 1, DUMPDIR_DUMP);
	snprintf(path, sizeof(path), "%s/analysis/notes", name_of(1, name));
	temp_write_text(t, path, "x");
	put_dump(t, 2, DUMPDIR_DUMP);
	snprintf(path, sizeof(path), "%s/link", name_of(2, name));
	temp_link(t, "../outside/precious", path);
	temp_link(t, "outside", name_of(3, name)); /* a link that is named like a dump */
	temp_write_text(t, name_of(4, name), "a file that is named like a dump");
	temp_write_text(t, "20200101/inner.kdump", "x");
	put_dump(t, 9, DUMPDIR_DUMP);
	r = prune(t, 9, 1);
	assert_int_equal(r.nr_removed, 0);
	assert_true(r.nr_skipped >= 2);
	assert_true(temp_exists(t, "outside/precious"));
	assert_true(temp_exists(t, "20200101/inner.kdump"));
	for (unsigned n = 1; n <= 4; n++)
		assert_true(is_there(t, n));
	snprintf(path, sizeof(path), "%s/%s", name_of(1, name), DUMPDIR_DUMP);
	assert_true(temp_exists(t, path)); /* not even emptied */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_our_names),
		cmocka_unit_test(names_tell_the_time),
		cmocka_unit_test_temp_dir(new_folders_are_private_and_new),
		cmocka_unit_test_temp_dir(room_is_kept_and_given_back),
		cmocka_unit_test_temp_dir(the_oldest_go),
		cmocka_unit_test_temp_dir(zero_keeps_all),
		cmocka_unit_test_temp_dir(the_new_one_always_stays),
		cmocka_unit_test_temp_dir(failures_do_not_count_as_dumps),
		cmocka_unit_test_temp_dir(foreign_things_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
