// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/isolate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/units.h"

struct outcome {
	enum status status;
	uint64_t bytes;
	struct err err;
};

/* The parent's handlers reboot the machine; here a fault is only this child's. */
static void forget_handlers(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		signal(faults[i], SIG_DFL);
}

static _Noreturn void child_main(isolate_fn work, void *ctx, int fd)
{
	struct outcome o = { 0 };

	forget_handlers();
	o.status = work(ctx, &o.bytes, &o.err);
	_exit(write(fd, &o, sizeof(o)) == sizeof(o) ? 0 : 1);
}

/* True: the whole outcome is there. False: the child died, or its time is over. */
static bool wait_for_outcome(int fd, unsigned seconds, void (*tick)(void), struct outcome *o)
{
	double deadline = units_now() + seconds;

	while (units_now() < deadline) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		tick();
		if (poll(&p, 1, 500) > 0) /* the outcome is smaller than PIPE_BUF: it comes in one piece, or not at all */
			return read(fd, o, sizeof(*o)) == sizeof(*o);
	}
	return false;
}

enum status isolate_run(isolate_fn work, void *ctx, unsigned seconds, void (*tick)(void), uint64_t *bytes, struct err *err)
{
	struct outcome o = { 0 };
	int fds[2], status = 0;
	bool whole;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return work(ctx, bytes, err);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return work(ctx, bytes, err);
	}
	if (!pid)
		child_main(work, ctx, fds[1]);
	close(fds[1]);
	whole = wait_for_outcome(fds[0], seconds, tick, &o);
	close(fds[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (whole) {
		*bytes = o.bytes;
		*err = o.err;
		return o.status;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		return err_set(err, ST_INTERNAL, "died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(err, ST_INTERNAL, "not done after %u s", seconds);
}
