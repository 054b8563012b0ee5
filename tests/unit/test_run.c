// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/run.h"
#include "temp_dir.h"

static struct run_result sh(const char *script, unsigned seconds, size_t max_out, enum status expected)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct run_result result;
	struct err err;

	assert_int_equal(run_program(argv, seconds, max_out, &result, &err), expected);
	return result;
}

static void output_error_and_code(void **state)
{
	struct run_result r = sh("echo out; echo 'two\nlines' >&2; exit 3", 60, 100, ST_OK);

	assert_int_equal(r.exit_code, 3);
	assert_string_equal(r.out, "out\n");
	assert_int_equal(r.out_len_bytes, 4);
	assert_string_equal(r.error_text, "two;lines");
	run_result_deinit(&r);
	r = sh("kill -9 $$", 60, 100, ST_OK);
	assert_int_equal(r.exit_code, 128 + 9);
	run_result_deinit(&r);
	r = sh("read x; echo \"$LC_ALL$x\"", 60, 100, ST_OK);
	assert_string_equal(r.out, "C\n");
	run_result_deinit(&r);
}

static void the_end_of_a_long_error_is_kept(void **state)
{
	struct run_result r = sh("for i in $(seq 5000); do echo line$i; done >&2; echo reason >&2", 60, 100, ST_OK);

	assert_true(strlen(r.error_text) < RUN_ERROR_TEXT_MAX);
	assert_string_equal(r.error_text + strlen(r.error_text) - 6, "reason");
	run_result_deinit(&r);
}

static void too_much_output_is_an_error(void **state)
{
	struct run_result r = sh("yes", 60, 100000, ST_BAD_INPUT);

	run_result_deinit(&r);
}

static void a_hanging_program_is_killed(void **state)
{
	struct run_result r = sh("exec sleep 1000", 1, 100, ST_INTERRUPTED);

	run_result_deinit(&r);
	r = sh("exec >&- 2>&-; exec sleep 1000", 1, 100, ST_INTERRUPTED);
	run_result_deinit(&r);
}

static void programs_are_found(void **state)
{
	char path[PATH_MAX];
	const char *const argv[] = { "/nowhere/program", NULL };
	struct run_result result;
	struct err err;

	assert_int_equal(run_find_program("sh", path, sizeof(path), &err), ST_OK);
	assert_int_equal(access(path, X_OK), 0);
	assert_int_equal(run_find_program("no-such-program", path, sizeof(path), &err), ST_NOT_FOUND);
	assert_non_null(strstr(err.text, "no-such-program"));
	assert_int_equal(run_program(argv, 5, 10, &result, &err), ST_IO);
	run_result_deinit(&result);
	run_result_deinit(NULL);
}

/* --- common/file.h --------------------------------------------------------------------------------------------------
 */

static void files_are_read_to_the_byte(void **state)
{
	static const size_t lens[] = { 0, 1, 4095, 4096, 4097, 8192, 100000 };
	struct temp_dir *t = *state;
	static uint8_t bytes[100000];
	uint8_t *proc = NULL;
	char path[PATH_MAX];
	size_t proc_len = 0;
	struct err err;

	temp_path(t, "f", path);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint8_t *data;
		size_t len;

		memset(bytes, (int)i + 1, sizeof(bytes));
		temp_write(t, "f", bytes, lens[i]);
		assert_int_equal(file_read_all(path, lens[i], &data, &len, &err), ST_OK);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(data, bytes, len);
		assert_int_equal(data[len], 0);
		free(data);
		if (lens[i])
			assert_int_equal(file_read_all(path, lens[i] - 1, &data, &len, &err), ST_BAD_INPUT);
	}
	/* stat() tells no size there. */
	assert_int_equal(file_read_all("/proc/self/status", 65536, &proc, &proc_len, &err), ST_OK);
	assert_true(proc_len > 0);
	free(proc);
}

static void first_lines(void **state)
{
	struct temp_dir *t = *state;
	char path[PATH_MAX], buf[8];

	temp_path(t, "f", path);
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "");
	temp_write_text(t, "f", "1\nx\n");
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "1");
	temp_write_text(t, "f", "12345678");
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "");
}

static void replacing_leaves_one_file(void **state)
{
	struct temp_dir *t = *state;
	int dir = open(t->path, O_RDONLY | O_DIRECTORY);
	char path[PATH_MAX], buf[16];
	struct stat st;
	struct err err;

	temp_write_text(t, "f.new", "left over from a power cut");
	assert_int_equal(file_replace_at(dir, "f", "one\n", 4, 0600, &err), ST_OK);
	assert_int_equal(file_replace_at(dir, "f", "two\n", 4, 0600, &err), ST_OK);
	assert_string_equal(file_first_line(temp_path(t, "f", path), buf, sizeof(buf)), "two");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(temp_exists(t, "f.new"));
	assert_int_equal(file_replace_at(dir, "none/f", "x", 1, 0600, &err), ST_IO);
	temp_path(t, "a/b/c/f", path);
	assert_int_equal(file_make_parents(path, 0755, &err), ST_OK);
	assert_int_equal(file_make_parents(path, 0755, &err), ST_OK);
	assert_int_equal(file_make_parents("relative", 0755, &err), ST_OK);
	assert_int_equal(file_replace_at(AT_FDCWD, path, "x", 1, 0600, &err), ST_OK);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_error_and_code),       cmocka_unit_test(the_end_of_a_long_error_is_kept),
		cmocka_unit_test(too_much_output_is_an_error), cmocka_unit_test(a_hanging_program_is_killed),
		cmocka_unit_test(programs_are_found),	       cmocka_unit_test_temp_dir(files_are_read_to_the_byte),
		cmocka_unit_test_temp_dir(first_lines),	       cmocka_unit_test_temp_dir(replacing_leaves_one_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
