// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The windows are for /proc/vmcore only: the tests switch them on behind the back of a second copy of the module. */
#define rsource_file_open windowed_open
#define rsource_view_end windowed_view_end
#include "formats/io/rsource_file.c"
#undef rsource_file_open
enum status rsource_file_open(const char *path, struct rsource **src, struct err *err);

#define PAGE 4096u

static char dir[64];
static char path[128];

static int make_folder(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/innercore-rsource-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int remove_folder(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static uint8_t byte_at(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 12) * 13 + (off >> 20));
}

static void make_file(uint64_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (uint64_t i = 0; i < len; i++)
		putc(byte_at(i), f);
	assert_int_equal(fclose(f), 0);
}

static void assert_bytes(const uint8_t *buf, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_at(off + i))
			fail_msg("byte %llu is 0x%02x, not 0x%02x", (unsigned long long)(off + i), buf[i],
				 byte_at(off + i));
}

static void file_is_read_up_to_its_end(void **state)
{
	struct rsource *src;
	struct err err = { 0 };
	uint8_t buf[300];
	size_t got;

	make_file(1000);
	assert_int_equal(rsource_file_open(path, &src, &err), ST_OK);
	assert_int_equal(src->size_bytes, 1000);
	assert_int_equal(rsource_read(src, 17, buf, 300, &err), ST_OK);
	assert_bytes(buf, 17, 300);
	assert_int_equal(rsource_read_some(src, 900, buf, 300, &got, &err), ST_OK);
	assert_int_equal(got, 100);
	assert_bytes(buf, 900, 100);
	assert_int_equal(rsource_read_some(src, 1000, buf, 300, &got, &err), ST_OK);
	assert_int_equal(got, 0);
	assert_int_equal(rsource_read_some(src, UINT64_MAX, buf, 300, &got, &err), ST_OK);
	assert_int_equal(got, 0);
	assert_int_equal(rsource_read(src, 900, buf, 101, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "ends too early"));
	assert_int_equal(rsource_read(src, UINT64_MAX - 3, buf, 4, &err), ST_BAD_INPUT);
	rsource_close(src);
}

static void file_that_shrinks_ends_early(void **state)
{
	struct rsource *src;
	struct err err;
	uint8_t buf[300];
	size_t got;

	make_file(1000);
	assert_int_equal(rsource_file_open(path, &src, &err), ST_OK);
	assert_int_equal(truncate(path, 500), 0);
	assert_int_equal(rsource_read_some(src, 400, buf, 300, &got, &err), ST_OK);
	assert_int_equal(got, 100);
	assert_int_equal(rsource_read(src, 400, buf, 300, &err), ST_BAD_INPUT);
	rsource_close(src);
}

static void what_is_no_dump_file_is_named(void **state)
{
	struct rsource *src;
	struct err err;

	assert_int_equal(rsource_file_open(path, &src, &err), ST_NOT_FOUND);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(rsource_file_open(dir, &src, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "is a directory"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(rsource_file_open(path, &src, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "not a regular file"));
	unlink(path);
	make_file(0);
	assert_int_equal(rsource_file_open(path, &src, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "is empty"));
	assert_int_equal(rsource_file_open("/dev/null", &src, &err), ST_BAD_INPUT);
}

static void memory_is_a_source(void **state)
{
	static const char text[] = "0123456789";
	struct rsource *src;
	struct err err;
	struct range run;
	char buf[16];
	size_t got;

	assert_int_equal(rsource_mem_open(text, 10, "text", &src, &err), ST_OK);
	assert_int_equal(rsource_read_some(src, 8, buf, sizeof(buf), &got, &err), ST_OK);
	assert_int_equal(got, 2);
	assert_memory_equal(buf, "89", 2);
	assert_int_equal(rsource_read_some(src, 11, buf, sizeof(buf), &got, &err), ST_OK);
	assert_int_equal(got, 0);
	run = rsource_next_data(src, 3);
	assert_int_equal(run.start, 3);
	assert_int_equal(run.end, 10);
	run = rsource_next_data(src, 30);
	assert_true(run.start == run.end);
	rsource_close(src);
	rsource_close(NULL);
}

static struct rsource *open_windowed(void)
{
	struct rsource *src;
	struct err err = { 0 };

	if (windowed_open(path, &src, &err) != ST_OK)
		fail_msg("%s", err.text);
	((struct file_source *)src)->use_windows = true;
	signal(SIGBUS, SIG_DFL); /* a sanitizer may have one */
	catch_sigbus();
	return src;
}

static void windows_show_what_the_file_holds(void **state)
{
	static const uint64_t places[] = { 0,	4 * MIB - 5, 9 * MIB - 1, 8 * MIB - PAGE,
					   100, 4 * MIB,     8 * MIB - 1, 3 * MIB };
	_cleanup_free_ uint8_t *buf = malloc(2 * MIB);
	struct rsource *src;
	struct err err = { 0 };
	size_t got;

	make_file(9 * MIB + 77);
	src = open_windowed();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t left = 9 * MIB + 77 - places[i];

		assert_int_equal(rsource_read_some(src, places[i], buf, 2 * MIB, &got, &err), ST_OK);
		assert_int_equal(got, min_u64(left, 2 * MIB));
		assert_bytes(buf, places[i], got);
	}
	rsource_close(src);
}

/* What a machine check does in /proc/vmcore: the mapping is there and a page of it faults. */
static void fault_in_a_window_delivers_what_lies_before_it(void **state)
{
	uint8_t buf[8 * PAGE];
	struct rsource *src;
	struct err err = { 0 };
	size_t got;

	make_file(8 * PAGE);
	src = open_windowed();
	assert_int_equal(rsource_read(src, 0, buf, sizeof(buf), &err), ST_OK);
	assert_int_equal(truncate(path, 3 * PAGE), 0);
	assert_int_equal(rsource_read_some(src, 100, buf, sizeof(buf) - 100, &got, &err), ST_IO);
	assert_int_equal(got, 3 * PAGE - 100);
	assert_bytes(buf, 100, got);
	assert_non_null(strstr(err.text, "memory error"));
	/* And the process lives on. */
	assert_int_equal(rsource_read(src, PAGE, buf, PAGE, &err), ST_OK);
	assert_bytes(buf, PAGE, PAGE);
	assert_int_equal(rsource_read_some(src, 5 * PAGE, buf, PAGE, &got, &err), ST_IO);
	assert_int_equal(got, 0);
	rsource_close(src);
}

struct reading {
	struct rsource *src;
	uint64_t start, end;
	bool good;
};

static void *read_a_part(void *arg)
{
	struct reading *r = arg;
	uint8_t buf[3 * PAGE];

	r->good = true;
	for (uint64_t at = r->start; at < r->end && r->good; at += sizeof(buf)) {
		size_t n = (size_t)min_u64(sizeof(buf), r->end - at);

		r->good = rsource_read(r->src, at, buf, n, NULL) == ST_OK;
		for (size_t i = 0; i < n && r->good; i++)
			r->good = buf[i] == byte_at(at + i);
	}
	return NULL;
}

static void clones_of_a_windowed_source_serve_a_thread_each(void **state)
{
	struct reading parts[3];
	pthread_t threads[3];
	struct rsource *src;
	struct err err = { 0 };

	make_file(9 * MIB);
	src = open_windowed();
	src->can_share = false;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		parts[i] = (struct reading){ .start = i * 2 * MIB, .end = i * 2 * MIB + 5 * MIB };
		if (rsource_clone(src, &parts[i].src, &err) != ST_OK)
			fail_msg("%s", err.text);
		assert_false(parts[i].src->can_share);
	}
	rsource_close(src); /* they live on */
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_a_part, &parts[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(parts[i].good);
		rsource_close(parts[i].src);
	}
}

static void views_show_what_the_file_holds_and_stay(void **state)
{
	static uint8_t buf[MIB];
	struct rsource *src, *clone;
	const uint8_t *view;

	make_file(9 * MIB);
	src = open_windowed();
	assert_int_equal(rsource_clone(src, &clone, NULL), ST_OK);
	for (uint64_t off = 0; off < 9 * MIB - MIB; off += 700001) {
		view = rsource_view(src, off, MIB);
		assert_non_null(view);
		/* Reads that need more windows than are left. */
		for (uint64_t at = 0; at < 9 * MIB; at += 3 * MIB) {
			assert_int_equal(rsource_read(src, at, buf, MIB, NULL), ST_OK);
			assert_bytes(buf, at, MIB);
		}
		assert_bytes(view, off, MIB);
		assert_true(rsource_view_end());
		view = rsource_view(clone, off, 300000);
		assert_non_null(view);
		assert_bytes(view, off, 300000);
		assert_true(rsource_view_end());
	}
	assert_true(rsource_view_end()); /* of none */
	assert_null(rsource_view(src, 9 * MIB - 10, 11));
	assert_null(rsource_view(src, 9 * MIB, 1));
	assert_null(rsource_view(src, UINT64_MAX, 2));
	assert_null(rsource_view(src, 0, 0));
	assert_null(rsource_view(src, 0, 2 * MIB)); /* more than a window is for */
	rsource_close(clone);
	rsource_close(src);
	assert_int_equal(rsource_file_open(path, &src, NULL), ST_OK);
	assert_null(rsource_view(src, 0, PAGE)); /* is read with an error, not a signal */
	rsource_close(src);
}

static void view_that_fails_shows_zeros_and_says_so(void **state)
{
	static const uint8_t zeros[5 * PAGE];
	uint8_t buf[PAGE];
	struct rsource *src;
	const uint8_t *view;
	size_t got;

	make_file(8 * PAGE);
	src = open_windowed();
	for (int i = 0; i < 3; i++) {
		view = rsource_view(src, 0, 8 * PAGE);
		assert_non_null(view);
		if (!i)
			assert_int_equal(truncate(path, 3 * PAGE), 0);
		assert_bytes(view, 0, 3 * PAGE);
		errno = 77;
		assert_memory_equal(view + 3 * PAGE, zeros, sizeof(zeros));
		assert_int_equal(errno, 77);
		/* Nobody else takes them for what the file holds. */
		assert_int_equal(rsource_read(src, PAGE, buf, PAGE, NULL), ST_OK);
		assert_bytes(buf, PAGE, PAGE);
		assert_int_equal(rsource_read_some(src, 4 * PAGE, buf, PAGE, &got, NULL), ST_IO);
		assert_false(rsource_view_end());
		assert_true(rsource_view_end());
	}
	view = rsource_view(src, 2 * PAGE + 10, PAGE - 10); /* up to the fault */
	assert_bytes(view, 2 * PAGE + 10, PAGE - 10);
	assert_true(rsource_view_end());
	rsource_close(src);
}

/* A fault that is no view's goes where it went before; the child ends by it. */
static void fault_beside_a_view_is_not_hidden(void **state)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			struct rsource *src;
			const volatile uint8_t *other;
			struct rlimit none = { 0 };
			int fd;

			setrlimit(RLIMIT_CORE, &none);
			make_file(8 * PAGE);
			src = open_windowed();
			fd = open(path, O_RDONLY);
			other = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
			if (i && !rsource_view(src, 0, 8 * PAGE))
				_exit(1);
			if (i == 2 && !rsource_view_end())
				_exit(2);
			if (truncate(path, PAGE))
				_exit(3);
			_exit(4 + other[2 * PAGE]);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(file_is_read_up_to_its_end, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(file_that_shrinks_ends_early, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_no_dump_file_is_named, make_folder, remove_folder),
		cmocka_unit_test(memory_is_a_source),
		cmocka_unit_test_setup_teardown(windows_show_what_the_file_holds, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(fault_in_a_window_delivers_what_lies_before_it, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(views_show_what_the_file_holds_and_stay, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(view_that_fails_shows_zeros_and_says_so, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(fault_beside_a_view_is_not_hidden, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(clones_of_a_windowed_source_serve_a_thread_each, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
