// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "initramfs/init.h"

static const struct command commands[] = {
	{ "capture", "[SRC] DEST", "filter and compress a crashed kernel's memory into a KDUMP", cmd_capture },
	{ "dmesg", "DUMP", "print the crashed kernel's log", cmd_dmesg },
	{ "info", "DUMP", "say what a dump is", cmd_info },
	{ "compare", "INNER OUTER", "hold a guest's dump against its hypervisor's, and audit the filter", cmd_compare },
	{ "repair", "-o OUT OUTER", "give a hypervisor's dump what its readers miss", cmd_repair },
	{ "verify", "DUMP...", "say what is wrong with a dump, and for which of its readers", cmd_verify },
	{ "arm", "", "load the capture kernel", cmd_arm },
	{ "disarm", "", "unload the capture kernel", cmd_disarm },
	{ "status", "", "show whether a crash would be captured", cmd_status },
	{ "mkinitramfs", "", "write the capture initramfs", cmd_mkinitramfs },
};

static void print_usage(FILE *to)
{
	fputs("usage: innercore COMMAND [OPTIONS]\n\n", to);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-12s %-12s %s\n", commands[i].name, commands[i].args, commands[i].summary);
	fputs("\ninnercore COMMAND --help tells more; so does innercore(8).\n", to);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* The kernel starts /init as PID 1; a container starts any command as one. */
static bool is_init(const char *name)
{
	const char *slash = strrchr(name, '/');

	return getpid() == 1 && !strncmp(slash ? slash + 1 : name, "init", 4);
}

/*
 * Else the first files that are opened take the numbers 1 and 2, and messages go into the dump. The wrong way round, so
 * that using one is still an error.
 */
static bool hold_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

/* What was printed is only said when it has left: a full disk must not read as an answer. */
static int flush_output(int code)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return code;
	if (code != EXIT_CODE_OK && code != EXIT_CODE_NEGATIVE)
		return code; /* says something worse, or that a dump was saved */
	log_error("cannot write to standard output");
	return EXIT_CODE_INTERNAL;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc > 0 && is_init(argv[0]))
		return init_main();
	if (!hold_standard_fds())
		return EXIT_CODE_INTERNAL;
	/* A reader that went away and a file size limit are errors of a write, not a death. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_CODE_BAD_INPUT;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return flush_output(EXIT_CODE_OK);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("innercore " INNERCORE_VERSION);
		return flush_output(EXIT_CODE_OK);
	}
	command = find_command(argv[1]);
	if (!command) {
		log_error("there is no command \"%s\"; see innercore --help", argv[1]);
		return EXIT_CODE_BAD_INPUT;
	}
	return flush_output(command->run(argc - 1, argv + 1));
}
