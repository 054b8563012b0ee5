// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "initramfs/digest.h"
#include "initramfs/dumpdir.h"
#include "initramfs/status_file.h"
#include "initramfs/target.h"
#include "temp_dir.h"

static const struct status_facts facts = {
	.crash_seconds = 1795485715,
	.crash_time_source = "VMCOREINFO",
	.release = "6.1.0-56-cloud-amd64",
	.target = "LABEL=crash",
	.device = "/dev/vdb",
	.fstype = "ext4",
	.uuid = "6f7e6f7c-5d3a-4a39-9c3e-0a4c5cf1f0aa",
};

static json_t *read_back(struct temp_dir *t)
{
	char path[PATH_MAX];
	json_t *doc = json_load_file(temp_path(t, DUMPDIR_STATUS, path), 0, NULL);

	assert_non_null(doc);
	return doc;
}

static void tells_what_it_was_told(void **state)
{
	struct temp_dir *t = *state;
	int dir = open(t->path, O_RDONLY | O_DIRECTORY);
	struct capture_report report = { .saved = true, .complete = true, .codec = "zstd" };
	json_t *doc = status_file_new(&facts), *back;
	char state_text[32];
	struct err err;

	assert_int_equal(status_file_read_state(dir, state_text, sizeof(state_text), &err), ST_NOT_FOUND);
	assert_int_equal(status_file_write(dir, doc, &err), ST_OK);
	assert_int_equal(status_file_read_state(dir, state_text, sizeof(state_text), &err), ST_OK);
	assert_string_equal(state_text, "started");
	status_file_set(doc, "state", "complete");
	status_file_add_file(doc, DUMPDIR_DMESG, UINT64_C(5000000000));
	status_file_add_error(doc, "it broke");
	status_file_add_error(doc, "bytes \377 that are no UTF-8");
	status_file_add_sha256(doc, DUMPDIR_DUMP, "00ff");
	status_file_add_capture(doc, &report);
	status_file_add_seconds(doc, 1.5);
	assert_int_equal(status_file_write(dir, doc, &err), ST_OK);
	status_file_free(doc);
	back = read_back(t);
	assert_string_equal(json_string_value(json_object_get(back, "state")), "complete");
	assert_string_equal(json_string_value(json_object_get(back, "crash_time")), "2026-11-24T02:01:55Z");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(back, "files"), DUMPDIR_DMESG)),
			 5000000000);
	assert_string_equal(json_string_value(json_object_get(json_object_get(back, "target"), "uuid")), facts.uuid);
	assert_int_equal(json_array_size(json_object_get(back, "errors")), 2);
	assert_true(json_is_true(json_object_get(json_object_get(back, "capture"), "complete")));
	json_decref(back);
	close(dir);
}

static void no_memory_still_leaves_a_word(void **state)
{
	struct temp_dir *t = *state;
	int dir = open(t->path, O_RDONLY | O_DIRECTORY);
	struct err err;

	status_file_set(NULL, "a", "b");
	status_file_add_error(NULL, "b");
	assert_int_equal(status_file_write(dir, NULL, &err), ST_OK);
	json_decref(read_back(t));
	close(dir);
}

static void other_files_are_not_ours(void **state)
{
	struct temp_dir *t = *state;
	int dir = open(t->path, O_RDONLY | O_DIRECTORY);
	char text[32];
	struct err err;

	temp_write_text(t, DUMPDIR_STATUS, "{\"state\": 5}");
	assert_int_equal(status_file_read_state(dir, text, sizeof(text), &err), ST_BAD_INPUT);
	temp_write_text(t, DUMPDIR_STATUS, "nothing");
	assert_int_equal(status_file_read_state(dir, text, sizeof(text), &err), ST_BAD_INPUT);
	close(dir);
}

static bool stop_at_once(void *ctx, uint64_t done)
{
	*(uint64_t *)ctx = done;
	return false;
}

/* The judge is sha256sum(1). */
static void digest_is_what_sha256sum_says(void **state)
{
	struct temp_dir *t = *state;
	static uint8_t data[1000003];
	char path[PATH_MAX], command[PATH_MAX + 32], theirs[128], ours[DIGEST_HEX_LEN + 1];
	uint64_t done = 0;
	struct err err;
	int fd;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	temp_write(t, "f", data, sizeof(data));
	fd = open(temp_path(t, "f", path), O_RDONLY);
	snprintf(command, sizeof(command), "sha256sum <%s", path);
	temp_shell(command, theirs, sizeof(theirs));
	assert_int_equal(digest_fd(fd, NULL, NULL, ours, &err), ST_OK);
	assert_int_equal(strlen(ours), DIGEST_HEX_LEN);
	assert_memory_equal(ours, theirs, DIGEST_HEX_LEN);
	assert_int_equal(digest_fd(fd, stop_at_once, &done, ours, &err), ST_INTERRUPTED);
	assert_true(done > 0 && done < sizeof(data));
	close(fd);
}

/* --- the folder on the target ---------------------------------------------------------------------------------------
 */

static void folders_are_made_and_opened(void **state)
{
	struct temp_dir *t = *state;
	struct stat st;
	struct err err;
	int fd = -1;

	assert_int_equal(target_open_folder(t->path, "/var//crash/./deep", &fd, &err), ST_OK);
	assert_true(temp_exists(t, "var/crash/deep"));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(fd);
	/* Again, now that they are there; and the top itself. */
	assert_int_equal(target_open_folder(t->path, "/var/crash/deep", &fd, &err), ST_OK);
	close(fd);
	assert_int_equal(target_open_folder(t->path, "/", &fd, &err), ST_OK);
	close(fd);
}

static void links_do_not_lead_out(void **state)
{
	struct temp_dir *t = *state;
	char inside[PATH_MAX];
	struct err err;
	int fd = -1;

	temp_mkdir(t, "mnt/data");
	temp_mkdir(t, "outside");
	temp_link(t, "/data", "mnt/absolute");
	temp_link(t, "../../../../outside", "mnt/upward");
	temp_path(t, "mnt", inside);
	assert_int_equal(target_open_folder(inside, "/absolute/crash", &fd, &err), ST_OK);
	close(fd);
	assert_true(temp_exists(t, "mnt/data/crash"));
	if (target_open_folder(inside, "/upward/crash", &fd, &err) == ST_OK)
		close(fd);
	assert_false(temp_exists(t, "outside/crash"));
	temp_write_text(t, "mnt/file", "x");
	assert_int_not_equal(target_open_folder(inside, "/file/crash", &fd, &err), ST_OK);
}

static void only_some_file_systems(void **state)
{
	assert_string_equal(target_mount_type("ext3"), "ext4");
	assert_string_equal(target_mount_type("vfat"), "vfat");
	assert_null(target_mount_type("btrfs"));
	assert_null(target_mount_type(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_temp_dir(tells_what_it_was_told),
		cmocka_unit_test_temp_dir(no_memory_still_leaves_a_word),
		cmocka_unit_test_temp_dir(other_files_are_not_ours),
		cmocka_unit_test_temp_dir(digest_is_what_sha256sum_says),
		cmocka_unit_test_temp_dir(folders_are_made_and_opened),
		cmocka_unit_test_temp_dir(links_do_not_lead_out),
		cmocka_unit_test(only_some_file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
