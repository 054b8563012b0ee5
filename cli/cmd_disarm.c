// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "kexec/arm.h"

static void print_help(void)
{
	puts("usage: innercore disarm\n"
	     "\n"
	     "Unload the capture kernel: a crash is no longer captured. The initramfs on disk stays.\n"
	     "\n"
	     "Exit: 0 nothing is loaded now; 2 it could not be unloaded.");
}

int cmd_disarm(int argc, char **argv)
{
	static const struct option longopts[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	bool was_loaded = false;
	struct err err;
	int c;

	while ((c = getopt_long(argc, argv, ":h", longopts, NULL)) != -1) {
		if (c != 'h')
			return cli_usage_error("disarm", "unknown option %s", argv[optind - 1]);
		print_help();
		return EXIT_CODE_OK;
	}
	if (argc != optind)
		return cli_usage_error("disarm", "too many arguments: %s", argv[optind]);
	if (arm_undo(&was_loaded, &err) != ST_OK)
		return cli_fail(&err, false);
	puts(was_loaded ? "disarmed: a crash will not be captured" : "nothing was loaded");
	return EXIT_CODE_OK;
}
