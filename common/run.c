// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/units.h"

#define SBIN_FOLDERS "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

struct stream {
	int fd;
	char *data;
	size_t len, max;
	bool keep_tail; /* when full, drop the oldest bytes instead of failing */
};

static bool find_in(const char *folders, const char *program, char *path, size_t len)
{
	while (folders && *folders) {
		size_t n = strcspn(folders, ":");

		if (n && folders[0] == '/' && (size_t)snprintf(path, len, "%.*s/%s", (int)n, folders, program) < len &&
		    access(path, X_OK) == 0)
			return true;
		folders += n + (folders[n] == ':');
	}
	return false;
}

enum status run_find_program(const char *program, char *path, size_t len, struct err *err)
{
	if (find_in(getenv("PATH"), program, path, len) || find_in(SBIN_FOLDERS, program, path, len))
		return ST_OK;
	return err_set(err, ST_NOT_FOUND, "the program \"%s\" is not installed", program);
}

/* False: end of the stream. */
static bool drain(struct stream *s, bool *overflow)
{
	char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));
	size_t fit;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	if (s->keep_tail) {
		size_t fresh = min_u64((uint64_t)n, s->max);
		size_t keep = min_u64(s->len, s->max - fresh);

		memmove(s->data, s->data + s->len - keep, keep);
		memcpy(s->data + keep, buf + (size_t)n - fresh, fresh);
		s->len = keep + fresh;
		return true;
	}
	fit = min_u64((uint64_t)n, s->max - s->len);
	memcpy(s->data + s->len, buf, fit);
	s->len += fit;
	*overflow |= fit < (size_t)n;
	return true;
}

/* Until both streams end; ST_INTERRUPTED at the deadline. */
static enum status collect(struct stream *streams, unsigned deadline_seconds, const char *name, struct err *err)
{
	double end = units_now() + deadline_seconds;
	bool open[2] = { true, true }, overflow = false;

	while (open[0] || open[1]) {
		struct pollfd fds[2];
		double left = end - units_now();

		if (left <= 0)
			return err_set(err, ST_INTERRUPTED, "%s did not end within %u s", name, deadline_seconds);
		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){ .fd = open[i] ? streams[i].fd : -1, .events = POLLIN };
		if (poll(fds, 2, (int)(left * 1000) + 1) < 0 && errno != EINTR)
			return err_set_errno(err, ST_IO, errno, "cannot wait for %s", name);
		for (int i = 0; i < 2; i++)
			if (open[i] && fds[i].revents)
				open[i] = drain(&streams[i], &overflow);
		if (overflow)
			return err_set(err, ST_BAD_INPUT, "%s says more than %zu bytes", name, streams[0].max);
	}
	return ST_OK;
}

/* A program that closed its streams may still run; it has what is left of its time, in steps of 10 ms. */
static enum status wait_for(pid_t pid, unsigned deadline_seconds, const char *name, int *wait_status, struct err *err)
{
	double end = units_now() + deadline_seconds;

	for (;;) {
		pid_t got = waitpid(pid, wait_status, WNOHANG);

		if (got == pid)
			return ST_OK;
		if (got < 0 && errno != EINTR)
			return err_set_errno(err, ST_INTERNAL, errno, "cannot wait for %s", name);
		if (units_now() > end)
			return err_set(err, ST_INTERRUPTED, "%s did not end within %u s", name, deadline_seconds);
		usleep(10000);
	}
}

static enum status spawn(const char *const argv[], int out_fd, int err_fd, pid_t *pid, struct err *err)
{
	static char lc_all[] = "LC_ALL=C", path[] = "PATH=" SBIN_FOLDERS;
	char *const env[] = { lc_all, path, NULL };
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc)
		return err_set_errno(err, ST_NO_MEMORY, rc, "cannot run %s", argv[0]);
	rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
	if (!rc)
		rc = posix_spawn(pid, argv[0], &actions, NULL, (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		return err_set_errno(err, ST_IO, rc, "cannot run %s", argv[0]);
	return ST_OK;
}

static void fold_to_one_line(char *text, size_t len)
{
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20)
			text[i] = text[i] == '\n' ? ';' : ' ';
}

static enum status run_with_pipes(const char *const argv[], unsigned deadline_seconds, struct stream *streams,
				  const int write_ends[2], struct run_result *result, struct err *err)
{
	int wait_status = 0;
	pid_t pid = -1;
	enum status st = spawn(argv, write_ends[0], write_ends[1], &pid, err);

	/* Our copies must go, or the streams never end. */
	close(write_ends[0]);
	close(write_ends[1]);
	if (st != ST_OK)
		return st;
	st = collect(streams, deadline_seconds, argv[0], err);
	if (st == ST_OK)
		st = wait_for(pid, deadline_seconds, argv[0], &wait_status, err);
	if (st != ST_OK) {
		kill(pid, SIGKILL);
		waitpid(pid, &wait_status, 0);
	}
	result->exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
	return st;
}

enum status run_program(const char *const argv[], unsigned deadline_seconds, size_t max_out, struct run_result *result,
			struct err *err)
{
	struct stream streams[2] = {
		{ .fd = -1, .max = max_out },
		{ .fd = -1, .data = result->error_text, .max = sizeof(result->error_text) - 1, .keep_tail = true },
	};
	int out[2], errs[2];
	enum status st;

	memset(result, 0, sizeof(*result));
	result->out = malloc(max_out + 1);
	if (!result->out)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	streams[0].data = result->out;
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set_errno(err, ST_IO, errno, "cannot make a pipe");
	if (pipe2(errs, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return err_set_errno(err, ST_IO, errno, "cannot make a pipe");
	}
	streams[0].fd = out[0];
	streams[1].fd = errs[0];
	st = run_with_pipes(argv, deadline_seconds, streams, (int[2]){ out[1], errs[1] }, result, err);
	close(out[0]);
	close(errs[0]);
	result->out[streams[0].len] = '\0';
	result->out_len_bytes = streams[0].len;
	fold_to_one_line(result->error_text, streams[1].len);
	return st;
}

void run_result_deinit(struct run_result *result)
{
	if (!result)
		return;
	free(result->out);
	result->out = NULL;
}
