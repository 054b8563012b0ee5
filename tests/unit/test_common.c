// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/units.h"

static void err_reads_from_the_user_down_to_the_cause(void **state)
{
	struct err err;

	assert_int_equal(err_set(&err, ST_BAD_INPUT, "byte %d is wrong", 7), ST_BAD_INPUT);
	assert_int_equal(err_wrap(&err, ST_IO, "cannot open %s", "core"), ST_IO);
	assert_string_equal(err.text, "cannot open core: byte 7 is wrong");
	assert_int_equal(err.status, ST_IO);
}

static void err_may_be_null(void **state)
{
	assert_int_equal(err_set(NULL, ST_IO, "x"), ST_IO);
	assert_int_equal(err_wrap(NULL, ST_IO, "x"), ST_IO);
	assert_int_equal(err_set_errno(NULL, ST_IO, EIO, "x"), ST_IO);
	assert_int_equal(err_set_errno(NULL, ST_IO, ENOSPC, "x"), ST_NO_SPACE);
}

static void err_knows_a_full_disk_and_full_memory(void **state)
{
	struct err err;

	assert_int_equal(err_set_errno(&err, ST_IO, ENOSPC, "write"), ST_NO_SPACE);
	assert_int_equal(err.status, ST_NO_SPACE);
	assert_string_equal(err.text, "write: No space left on device");
	assert_int_equal(err_set_errno(&err, ST_IO, EDQUOT, "write"), ST_NO_SPACE);
	assert_int_equal(err_set_errno(&err, ST_IO, EFBIG, "write"), ST_NO_SPACE);
	assert_int_equal(err_set_errno(&err, ST_IO, ENOMEM, "write"), ST_NO_MEMORY);
	assert_int_equal(err_set_errno(&err, ST_NOT_FOUND, ENOENT, "open"), ST_NOT_FOUND);
}

static void err_cuts_the_tail_of_what_is_too_long(void **state)
{
	struct {
		struct err err;
		char guard[16];
	} s;
	char name[2 * ERR_TEXT_MAX];

	memset(s.guard, 'g', sizeof(s.guard));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_set_errno(&s.err, ST_IO, EIO, "%s", name);
	assert_int_equal(strlen(s.err.text), ERR_TEXT_MAX - 1);
	err_set(&s.err, ST_IO, "%.*s", ERR_TEXT_MAX - 3, name);
	for (int i = 0; i < 3; i++)
		err_wrap(&s.err, ST_IO, "layer %d", i);
	assert_int_equal(strlen(s.err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(s.err.text, "layer 2: layer 1: layer 0: nnn", 30);
	for (size_t i = 0; i < sizeof(s.guard); i++)
		assert_int_equal(s.guard[i], 'g');
}

static void units_are_rounded_for_people(void **state)
{
	char buf[16];

	assert_string_equal(units_bytes(0, buf, sizeof(buf)), "0 B");
	assert_string_equal(units_bytes(1023, buf, sizeof(buf)), "1023 B");
	assert_string_equal(units_bytes(1024, buf, sizeof(buf)), "1.0 KiB");
	assert_string_equal(units_bytes(MIB - 1, buf, sizeof(buf)), "1.0 MiB");
	assert_string_equal(units_bytes(MIB - 100, buf, sizeof(buf)), "1023.9 KiB");
	assert_string_equal(units_bytes(1536 * MIB, buf, sizeof(buf)), "1.5 GiB");
	assert_string_equal(units_bytes(UINT64_MAX, buf, sizeof(buf)), "16.0 EiB");
}

static void span_within_does_not_overflow(void **state)
{
	assert_true(span_within(0, 0, 0));
	assert_true(span_within(10, 0, 10));
	assert_true(span_within(4, 6, 10));
	assert_false(span_within(4, 7, 10));
	assert_false(span_within(11, 0, 10));
	assert_false(span_within(UINT64_MAX, 2, 10));
	assert_false(span_within(2, UINT64_MAX, 10));
	assert_true(span_within(0, UINT64_MAX, UINT64_MAX));
}

static void rounding_holds_at_the_ends_of_the_number_range(void **state)
{
	assert_int_equal(div_round_up(0, 8), 0);
	assert_int_equal(div_round_up(1, 8), 1);
	assert_int_equal(div_round_up(8, 8), 1);
	assert_true(div_round_up(UINT64_MAX, 2) == (UINT64_C(1) << 63));
	assert_int_equal(align_up(1, 4096), 4096);
	assert_int_equal(align_up(4096, 4096), 4096);
	assert_int_equal(align_down(4095, 4096), 0);
	assert_true(is_power_of_2(UINT64_C(1) << 63));
	assert_false(is_power_of_2(0));
	assert_false(is_power_of_2(6));
}

static void byte_orders_are_each_others_mirror(void **state)
{
	uint8_t b[9] = { 0 };

	put_u64(b + 1, ORDER_BIG, UINT64_C(0x0102030405060708));
	for (int i = 1; i <= 8; i++)
		assert_int_equal(b[i], i);
	assert_true(get_u64(b + 1, ORDER_LITTLE) == UINT64_C(0x0807060504030201));
	assert_int_equal(get_u32(b + 1, ORDER_BIG), 0x01020304);
	assert_int_equal(get_u16(b + 1, ORDER_LITTLE), 0x0201);
}

/* A folder of its own under the build's temporary folder. */
struct folder {
	char path[64];
};

static int make_folder(void **state)
{
	static struct folder f;

	snprintf(f.path, sizeof(f.path), "/tmp/innercore-common-XXXXXX");
	*state = &f;
	return mkdtemp(f.path) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char cmd[128];
	struct folder *f = *state;

	snprintf(cmd, sizeof(cmd), "rm -rf %s", f->path);
	return system(cmd);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void file_read_all_keeps_the_limit(void **state)
{
	static const size_t lens[] = { 0, 1, 4095, 4096, 4097, 8192, 8193, 100000 };
	struct folder *dir = *state;
	_cleanup_free_ uint8_t *content = malloc(100001);
	char path[128];

	snprintf(path, sizeof(path), "%s/f", dir->path);
	for (size_t i = 0; i < 100001; i++)
		content[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		uint8_t *data = NULL;
		size_t len = 0;
		struct err err;

		write_file(path, content, lens[i]);
		assert_int_equal(file_read_all(path, lens[i], &data, &len, &err), ST_OK);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(data, content, len);
		assert_int_equal(data[len], 0);
		free(data);
		if (lens[i])
			assert_int_equal(file_read_all(path, lens[i] - 1, &data, &len, &err), ST_BAD_INPUT);
	}
}

static void file_read_all_takes_proc_files_and_names_what_fails(void **state)
{
	struct folder *dir = *state;
	char path[128];
	uint8_t *data;
	size_t len;
	struct err err;

	assert_int_equal(file_read_all("/proc/self/status", 65536, &data, &len, &err), ST_OK);
	assert_true(len > 100);
	free(data);
	snprintf(path, sizeof(path), "%s/missing", dir->path);
	assert_int_equal(file_read_all(path, 10, &data, &len, &err), ST_NOT_FOUND);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(file_read_all(dir->path, 10, &data, &len, &err), ST_IO);
}

static void file_first_line_is_empty_where_there_is_none(void **state)
{
	struct folder *dir = *state;
	char path[128], buf[16];

	snprintf(path, sizeof(path), "%s/f", dir->path);
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "");
	write_file(path, "one\ntwo\n", 8);
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "one");
	write_file(path, "0123456789abcdef", 16);
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "");
}

static void file_replace_at_replaces_and_leaves_nothing_beside(void **state)
{
	struct folder *dir = *state;
	_cleanup_fd_ int fd = open(dir->path, O_RDONLY | O_DIRECTORY);
	char path[128], buf[16];
	struct stat st;
	struct err err;

	assert_int_equal(file_replace_at(fd, "name", "old\n", 4, 0600, &err), ST_OK);
	assert_int_equal(file_replace_at(fd, "name", "new\n", 4, 0640, &err), ST_OK);
	snprintf(path, sizeof(path), "%s/name", dir->path);
	assert_string_equal(file_first_line(path, buf, sizeof(buf)), "new");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(faccessat(fd, "name.new", F_OK, 0), -1);
	/* Over a folder it cannot go: the old state stays and the temporary file goes. */
	assert_int_equal(mkdirat(fd, "folder", 0700), 0);
	assert_int_not_equal(file_replace_at(fd, "folder", "x", 1, 0600, &err), ST_OK);
	assert_int_equal(faccessat(fd, "folder.new", F_OK, 0), -1);
}

/* What one call of log_warn() puts on standard error. */
static size_t logged(const char *text, char *out, size_t size)
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_warn("%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], out, size - 1);
	close(fds[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void log_is_one_line_that_cannot_steer_a_terminal(void **state)
{
	char out[4096], text[3000];
	size_t len;

	logged("plain", out, sizeof(out));
	assert_string_equal(out, "innercore: warning: plain\n");
	logged("a\033[2Jb\nc\x7f", out, sizeof(out));
	assert_string_equal(out, "innercore: warning: a?[2Jb?c?\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = logged(text, out, sizeof(out));
	assert_int_equal(out[len - 1], '\n');
	assert_ptr_equal(strchr(out, '\n'), out + len - 1);
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(logged("quiet", out, sizeof(out)), 0);
	log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_reads_from_the_user_down_to_the_cause),
		cmocka_unit_test(err_may_be_null),
		cmocka_unit_test(err_knows_a_full_disk_and_full_memory),
		cmocka_unit_test(err_cuts_the_tail_of_what_is_too_long),
		cmocka_unit_test(units_are_rounded_for_people),
		cmocka_unit_test(span_within_does_not_overflow),
		cmocka_unit_test(rounding_holds_at_the_ends_of_the_number_range),
		cmocka_unit_test(byte_orders_are_each_others_mirror),
		cmocka_unit_test_setup_teardown(file_read_all_keeps_the_limit, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(file_read_all_takes_proc_files_and_names_what_fails, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(file_first_line_is_empty_where_there_is_none, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(file_replace_at_replaces_and_leaves_nothing_beside, make_folder,
						remove_folder),
		cmocka_unit_test(log_is_one_line_that_cannot_steer_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
