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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "common/units.h"
#include "formats/io/flattened.h"
#include "formats/io/wsink.h"

static char dir[64];
static char path[128], partial[160];

/* System calls that fail on request: the sink under test is linked against these. */
static struct {
	int sync_file_range_errno; /* of the next call that waits */
	int fallocate_errno;
	unsigned fallocate_failures;
	int link_errno, rename_errno, fsync_errno;
	size_t write_max; /* of bytes that one call writes; 0: all */
	unsigned interruptions;
} faults;

static bool interrupted(void)
{
	if (!faults.interruptions)
		return false;
	faults.interruptions--;
	errno = EINTR;
	return true;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return interrupted()
		       ? -1
		       : syscall(SYS_pwrite64, fd, buf, faults.write_max ? min_u64(len, faults.write_max) : len, off);
}

ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	size_t n = faults.write_max;

	if (interrupted())
		return -1;
	if (!n)
		return syscall(SYS_writev, fd, iov, nr);
	for (int i = 0; i < nr; i++)
		if (iov[i].iov_len)
			return i + 1 < nr && iov[i].iov_len < n
				       ? syscall(SYS_writev, fd,
						 (struct iovec[]){
							 iov[i],
							 { iov[i + 1].iov_base,
							   min_u64(iov[i + 1].iov_len, n - iov[i].iov_len) } },
						 2)
				       : syscall(SYS_write, fd, iov[i].iov_base, min_u64(iov[i].iov_len, n));
	return 0;
}

int sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	if (flags & SYNC_FILE_RANGE_WAIT_AFTER && faults.sync_file_range_errno) {
		errno = faults.sync_file_range_errno;
		faults.sync_file_range_errno = 0;
		return -1;
	}
	return (int)syscall(SYS_sync_file_range, fd, off, len, flags);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	if (faults.fallocate_failures) {
		faults.fallocate_failures--;
		errno = faults.fallocate_errno;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, off, len);
}

int link(const char *from, const char *to)
{
	if (faults.link_errno) {
		errno = faults.link_errno;
		return -1;
	}
	return (int)syscall(SYS_link, from, to);
}

int rename(const char *from, const char *to)
{
	if (faults.rename_errno) {
		errno = faults.rename_errno;
		return -1;
	}
	return (int)syscall(SYS_rename, from, to);
}

int fsync(int fd)
{
	if (faults.fsync_errno) {
		errno = faults.fsync_errno;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static int make_folder(void **state)
{
	memset(&faults, 0, sizeof(faults));
	snprintf(dir, sizeof(dir), "/tmp/innercore-wsink-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/dump", dir);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	return 0;
}

static int remove_folder(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static bool exists(const char *name)
{
	return access(name, F_OK) == 0;
}

static void put_text(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_text(const char *name, const char *text)
{
	char buf[64] = "";
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) <= sizeof(buf));
	fclose(f);
	assert_string_equal(buf, text);
}

static struct wsink *open_file(bool force)
{
	struct wsink *sink = NULL;
	struct err err = { 0 };

	if (wsink_file_open(path, force, &sink, &err) != ST_OK)
		fail_msg("%s", err.text);
	return sink;
}

static void file_gets_its_name_when_it_is_whole(void **state)
{
	struct wsink *sink = open_file(false);
	struct stat st;
	struct err err;

	assert_true(sink->rewritable);
	assert_true(exists(partial));
	assert_false(exists(path));
	assert_int_equal(wsink_write_at(sink, 6, "world", 5, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 0, "jello ", 6, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 0, "h", 1, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 1000, NULL, 0, &err), ST_OK);
	assert_int_equal(sink->bytes_written, 12);
	assert_int_equal(wsink_sync(sink, &err), ST_OK);
	assert_false(exists(path));
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	assert_false(exists(partial));
	wsink_close(sink);
	assert_text(path, "hello world");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

static void file_without_commit_leaves_nothing(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err;

	assert_int_equal(wsink_write_at(sink, 0, "x", 1, &err), ST_OK);
	wsink_close(sink);
	assert_false(exists(partial));
	assert_false(exists(path));
	wsink_close(NULL);
}

static void existing_file_is_replaced_only_by_force(void **state)
{
	struct wsink *sink;
	struct err err;

	put_text(path, "precious");
	assert_int_equal(wsink_file_open(path, false, &sink, &err), ST_USAGE);
	assert_non_null(strstr(err.text, path));
	assert_false(exists(partial));
	sink = open_file(true);
	assert_int_equal(wsink_write_at(sink, 0, "new", 3, &err), ST_OK);
	assert_text(path, "precious");
	wsink_close(sink);
	assert_text(path, "precious");
	sink = open_file(true);
	assert_int_equal(wsink_write_at(sink, 0, "new", 3, &err), ST_OK);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
	assert_text(path, "new");
}

static void partial_of_an_interrupted_run_is_repairs_business(void **state)
{
	struct wsink *sink;
	struct err err;

	put_text(partial, "half a dump");
	assert_int_equal(wsink_file_open(path, false, &sink, &err), ST_USAGE);
	assert_text(partial, "half a dump");
	sink = open_file(true);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
	assert_text(path, "");
}

static void force_does_not_replace_what_is_no_file(void **state)
{
	struct wsink *sink;
	struct err err;

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(wsink_file_open(path, true, &sink, &err), ST_USAGE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(wsink_file_open(path, true, &sink, &err), ST_USAGE);
	snprintf(path, sizeof(path), "%s/missing/dump", dir);
	assert_int_equal(wsink_file_open(path, true, &sink, &err), ST_IO);
	assert_non_null(strstr(err.text, "missing/dump"));
}

/* A link planted at the partial's name must not lead the dump, or the unlinking, elsewhere. */
static void symbolic_link_at_the_partial_name_is_not_followed(void **state)
{
	char target[160];
	struct wsink *sink;
	struct err err;

	snprintf(target, sizeof(target), "%s/target", dir);
	put_text(target, "untouched");
	assert_int_equal(symlink(target, partial), 0);
	assert_int_equal(wsink_file_open(path, false, &sink, &err), ST_USAGE);
	sink = open_file(true);
	assert_int_equal(wsink_write_at(sink, 0, "x", 1, &err), ST_OK);
	wsink_close(sink);
	assert_text(target, "untouched");
}

static void name_taken_meanwhile_costs_nobody_his_file(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err = { 0 };

	assert_int_equal(wsink_write_at(sink, 0, "dump", 4, &err), ST_OK);
	put_text(path, "somebody else's");
	assert_int_equal(wsink_commit(sink, &err), ST_USAGE);
	assert_non_null(strstr(err.text, partial));
	wsink_close(sink);
	assert_text(path, "somebody else's");
	/* The message says that the dump is left there. */
	assert_text(partial, "dump");
}

static void file_system_without_hard_links_will_do(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err = { 0 };

	faults.link_errno = EPERM;
	assert_int_equal(wsink_write_at(sink, 0, "dump", 4, &err), ST_OK);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
	assert_text(path, "dump");
	assert_false(exists(partial));
}

/* A whole dump that only lacks its name is not thrown away. */
static void dump_that_cannot_get_its_name_keeps_the_old_one(void **state)
{
	struct wsink *sink = open_file(true);
	struct err err = { 0 };

	faults.rename_errno = EIO;
	assert_int_equal(wsink_write_at(sink, 0, "dump", 4, &err), ST_OK);
	assert_int_equal(wsink_commit(sink, &err), ST_IO);
	assert_non_null(strstr(err.text, partial));
	wsink_close(sink);
	assert_text(partial, "dump");
}

static void failed_sync_keeps_what_may_be_there(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err = { 0 };

	faults.fsync_errno = EIO;
	assert_int_equal(wsink_write_at(sink, 0, "dump", 4, &err), ST_OK);
	assert_int_equal(wsink_sync(sink, &err), ST_IO);
	assert_int_equal(wsink_commit(sink, &err), ST_IO);
	wsink_close(sink);
	assert_false(exists(path));
	assert_text(partial, "dump");
}

/*
 * The kernel reports a failed write-back once to each open file: where sync_file_range() has taken the report, fsync()
 * says that all is well.
 */
static void lost_write_back_is_told(void **state)
{
	_cleanup_free_ uint8_t *chunk = calloc(1, MIB);
	struct wsink *sink = open_file(false);
	struct err err = { 0 };
	enum status st = ST_OK;

	assert_non_null(chunk);
	faults.sync_file_range_errno = ENOSPC;
	for (uint64_t off = 0; off < 32 * MIB && st == ST_OK; off += MIB)
		st = wsink_write_at(sink, off, chunk, MIB, &err);
	assert_int_equal(faults.sync_file_range_errno, 0);
	assert_int_equal(wsink_sync(sink, &err), ST_NO_SPACE);
	assert_int_equal(wsink_commit(sink, &err), ST_NO_SPACE);
	assert_false(exists(path));
	wsink_close(sink);
}

static void file_system_without_sync_file_range_will_do(void **state)
{
	_cleanup_free_ uint8_t *chunk = calloc(1, MIB);
	struct wsink *sink = open_file(false);
	struct err err = { 0 };

	for (uint64_t off = 0; off < 32 * MIB; off += MIB) {
		faults.sync_file_range_errno = ENOSYS;
		assert_int_equal(wsink_write_at(sink, off, chunk, MIB, &err), ST_OK);
	}
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
}

static void reserve_survives_signals_and_old_file_systems(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err = { 0 };
	struct stat st;

	faults.fallocate_errno = EINTR;
	faults.fallocate_failures = 3;
	assert_int_equal(wsink_reserve(sink, 4096, 8192, &err), ST_OK);
	assert_int_equal(stat(partial, &st), 0);
	assert_int_equal(st.st_size, 4096 + 8192);
	faults.fallocate_errno = EOPNOTSUPP;
	faults.fallocate_failures = 1;
	assert_int_equal(wsink_reserve(sink, 4096, 8192, &err), ST_OK);
	faults.fallocate_errno = ENOSPC;
	faults.fallocate_failures = 1;
	assert_int_equal(wsink_reserve(sink, 4096, 8192, &err), ST_NO_SPACE);
	assert_int_equal(wsink_reserve(sink, 4096, 0, &err), ST_OK);
	wsink_close(sink);
}

/* Large runs here and there, as the writer makes them: the write-back is pushed behind the sink's back. */
static void interleaved_runs_arrive_whole(void **state)
{
	_cleanup_free_ uint8_t *chunk = malloc(MIB), *back = malloc(MIB);
	struct wsink *sink = open_file(false);
	struct err err;
	FILE *f;

	for (unsigned i = 0; i < 24; i++) {
		uint64_t off = i % 4 == 3 ? i / 4 * MIB : (8 + i) * MIB;

		memset(chunk, (int)i + 1, MIB);
		assert_int_equal(wsink_write_at(sink, off, chunk, MIB, &err), ST_OK);
	}
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
	f = fopen(path, "r");
	assert_non_null(f);
	for (unsigned i = 0; i < 24; i++) {
		uint64_t off = i % 4 == 3 ? i / 4 * MIB : (8 + i) * MIB;

		memset(chunk, (int)i + 1, MIB);
		assert_int_equal(fseek(f, (long)off, SEEK_SET), 0);
		assert_int_equal(fread(back, 1, MIB, f), MIB);
		assert_memory_equal(back, chunk, MIB);
	}
	fclose(f);
}

static void memory_sink_reads_as_zeros_where_nothing_was_written(void **state)
{
	static const uint8_t zeros[4096];
	const uint8_t *data;
	struct wsink *sink;
	struct err err;
	size_t len;

	assert_int_equal(wsink_mem_open(&sink, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 5000, "abc", 3, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 4096, "z", 1, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 100000, "e", 1, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 5001, "B", 1, &err), ST_OK);
	data = wsink_mem_data(sink, &len);
	assert_int_equal(len, 100001);
	assert_memory_equal(data, zeros, 4096);
	assert_memory_equal(data + 5000, "aBc", 3);
	assert_memory_equal(data + 5003, zeros, 4096);
	assert_int_equal(wsink_write_at(sink, UINT64_MAX - 1, "xyz", 3, &err), ST_NO_SPACE);
	assert_int_equal(wsink_write_at(sink, UINT64_MAX / 2, "xyz", 3, &err), ST_NO_SPACE);
	assert_int_equal(wsink_reserve(sink, 0, UINT64_MAX, &err), ST_OK);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
}

struct reader {
	int fd;
	uint8_t *data;
	size_t len, cap;
};

/* Small reads from a pipe: the writer sees short writes. */
static void *read_all(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	while (r->len < r->cap && (n = read(r->fd, r->data + r->len, min_u64(3001, r->cap - r->len))) > 0)
		r->len += (size_t)n;
	return NULL;
}

static void short_and_interrupted_writes_are_taken_up_again(void **state)
{
	struct wsink *sink = open_file(false);
	struct err err;

	faults.write_max = 3;
	faults.interruptions = 2;
	assert_int_equal(wsink_write_at(sink, 0, "0123456789", 10, &err), ST_OK);
	assert_int_equal(sink->bytes_written, 10);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	wsink_close(sink);
	assert_text(path, "0123456789");
}

static void check_flattened_stream(void)
{
	struct reader r = { .cap = 3 * MIB };
	_cleanup_free_ uint8_t *chunk = malloc(MIB + 5);
	pthread_t thread;
	struct wsink *sink;
	struct err err;
	int fds[2];
	const uint8_t *p;

	r.data = malloc(r.cap);
	for (size_t i = 0; i < MIB + 5; i++)
		chunk[i] = (uint8_t)(i * 13 >> 3);
	assert_int_equal(pipe(fds), 0);
	r.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
	assert_int_equal(wsink_flat_open(fds[1], &sink, &err), ST_OK);
	assert_false(sink->rewritable);
	assert_int_equal(wsink_write_at(sink, UINT64_C(0x123456789a), chunk, MIB + 5, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 0, "head", 4, &err), ST_OK);
	assert_int_equal(wsink_write_at(sink, 7, "", 0, &err), ST_OK);
	assert_int_equal(wsink_sync(sink, &err), ST_OK);
	assert_int_equal(wsink_reserve(sink, 0, 10, &err), ST_OK);
	assert_int_equal(wsink_commit(sink, &err), ST_OK);
	assert_int_equal(sink->bytes_written, 4096 + 16 + MIB + 5 + 16 + 4 + 16);
	wsink_close(sink);
	close(fds[1]);
	pthread_join(thread, NULL);
	close(fds[0]);
	assert_int_equal(r.len, 4096 + 16 + MIB + 5 + 16 + 4 + 16);
	assert_memory_equal(r.data, "makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 32);
	for (size_t i = 32; i < 4096; i++)
		assert_int_equal(r.data[i], 0);
	p = r.data + 4096;
	assert_true(get_u64(p, ORDER_BIG) == UINT64_C(0x123456789a));
	assert_true(get_u64(p + 8, ORDER_BIG) == MIB + 5);
	assert_memory_equal(p + 16, chunk, MIB + 5);
	p += 16 + MIB + 5;
	assert_memory_equal(p, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4head", 20);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(p[20 + i], 0xff);
	free(r.data);
}

static void flattened_stream_is_framed_to_the_byte(void **state)
{
	static const size_t write_max[] = { 0, 1000, 15, 17, 4111 };

	for (size_t i = 0; i < ARRAY_SIZE(write_max); i++) {
		faults.write_max = write_max[i];
		faults.interruptions = (unsigned)i;
		check_flattened_stream();
	}
	faults.write_max = 0;
}

static void flattened_stream_to_a_closed_pipe_fails(void **state)
{
	struct wsink *sink;
	struct err err;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(wsink_flat_open(fds[1], &sink, &err), ST_OK);
	close(fds[0]);
	assert_int_equal(wsink_write_at(sink, 0, "x", 1, &err), ST_IO);
	assert_int_equal(wsink_commit(sink, &err), ST_IO);
	wsink_close(sink);
	assert_int_equal(wsink_flat_open(fds[1], &sink, &err), ST_IO);
	close(fds[1]);
}

int main(void)
{
#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		FILE_TEST(file_gets_its_name_when_it_is_whole),
		FILE_TEST(file_without_commit_leaves_nothing),
		FILE_TEST(existing_file_is_replaced_only_by_force),
		FILE_TEST(partial_of_an_interrupted_run_is_repairs_business),
		FILE_TEST(force_does_not_replace_what_is_no_file),
		FILE_TEST(symbolic_link_at_the_partial_name_is_not_followed),
		FILE_TEST(name_taken_meanwhile_costs_nobody_his_file),
		FILE_TEST(file_system_without_hard_links_will_do),
		FILE_TEST(dump_that_cannot_get_its_name_keeps_the_old_one),
		FILE_TEST(failed_sync_keeps_what_may_be_there),
		FILE_TEST(lost_write_back_is_told),
		FILE_TEST(file_system_without_sync_file_range_will_do),
		FILE_TEST(reserve_survives_signals_and_old_file_systems),
		FILE_TEST(interleaved_runs_arrive_whole),
		FILE_TEST(short_and_interrupted_writes_are_taken_up_again),
		cmocka_unit_test(memory_sink_reads_as_zeros_where_nothing_was_written),
		cmocka_unit_test(flattened_stream_is_framed_to_the_byte),
		cmocka_unit_test(flattened_stream_to_a_closed_pipe_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
