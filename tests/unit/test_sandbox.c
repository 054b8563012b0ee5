// SPDX-License-Identifier: GPL-2.0-or-later
/* After sandbox_enter() a process can do its work and nothing else. Each case runs in a child: the way in is one-way. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/sandbox.h"

struct outcome {
	struct sandbox_state state;
	bool input_opens, other_opens, output_opens, output_renames, socket_opens, exec_works;
};

static char folder[64], input[96], output[96], renamed[96], other[64];

static bool can_open(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void try_everything(struct outcome *o)
{
	const char *const inputs[] = { input };
	const struct sandbox_rules rules = { .inputs = inputs, .nr_inputs = 1, .output = output };
	int fd;

	sandbox_enter(&rules, &o->state);
	o->input_opens = can_open(input, O_RDONLY);
	o->other_opens = can_open(other, O_RDONLY);
	o->output_opens = can_open(output, O_RDWR | O_CREAT);
	o->output_renames = rename(output, renamed) == 0;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	o->socket_opens = fd >= 0;
	execl("/bin/true", "true", (char *)NULL);
	o->exec_works = errno != EPERM && errno != EACCES;
}

static void run_in_child(struct outcome *o)
{
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct outcome mine = { .exec_works = true };

		try_everything(&mine);
		_exit(write(fds[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], o, sizeof(*o)), sizeof(*o));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_files(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/innercore-sandbox-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(input, sizeof(input), "%s/in", folder);
	snprintf(output, sizeof(output), "%s/out.partial", folder);
	snprintf(renamed, sizeof(renamed), "%s/out", folder);
	snprintf(other, sizeof(other), "/etc/passwd");
	return can_open(input, O_RDWR | O_CREAT) ? 0 : -1;
}

static int remove_files(void **state)
{
	unlink(input);
	unlink(output);
	unlink(renamed);
	return rmdir(folder);
}

static void the_work_goes_on(void **state)
{
	struct outcome o;

	run_in_child(&o);
	assert_true(o.input_opens);
	assert_true(o.output_opens);
	assert_true(o.output_renames);
}

static void another_path_does_not_open(void **state)
{
	struct outcome o;

	run_in_child(&o);
	if (!o.state.landlock) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	assert_false(o.other_opens);
}

static void no_socket_and_no_program(void **state)
{
	struct outcome o;

	run_in_child(&o);
	if (!o.state.seccomp) {
		print_message("this kernel has no seccomp filters\n");
		skip();
	}
	assert_false(o.socket_opens);
	assert_false(o.exec_works);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_work_goes_on, make_files, remove_files),
		cmocka_unit_test_setup_teardown(another_path_does_not_open, make_files, remove_files),
		cmocka_unit_test_setup_teardown(no_socket_and_no_program, make_files, remove_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
