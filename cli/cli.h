/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "common/err.h"

/** A command: parse -> const config -> call -> exit code (common/exit_codes.h). argv[0] is the command's name. */
struct command {
	const char *name;
	const char *args;    /**< for the usage line */
	const char *summary; /**< one line */
	int (*run)(int argc, char **argv);
};

int cmd_capture(int argc, char **argv);
int cmd_dmesg(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_mkinitramfs(int argc, char **argv);
int cmd_arm(int argc, char **argv);
int cmd_disarm(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_repair(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/**
 * Print @err as one line on stderr and give the exit code that its status maps to. @json: whoever reads standard output was
 * promised JSON; it gets the object {"error": TEXT}.
 */
int cli_fail(const struct err *err, bool json);
/** "innercore CMD: <what>; see innercore CMD --help", EXIT_CODE_BAD_INPUT. */
int cli_usage_error(const char *command, const char *fmt, ...) __printf_like(2, 3);

struct json_t;
/** Print @json (and release it) to stdout with a newline; EXIT_CODE_OK, or EXIT_CODE_INTERNAL where stdout refuses. */
int cli_print_json(struct json_t *json);
int cli_print_json_to(FILE *to, struct json_t *json);
/** The object {"error": TEXT}; NULL: no memory. */
struct json_t *cli_error_json(const struct err *err);

#endif
