// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/exit_codes.h"
#include "common/log.h"

int cli_fail(const struct err *err)
{
	log_error("%s", err->text);
	switch (err->status) {
	case ST_OK:
	case ST_INTERNAL:
	case ST_NO_MEMORY:
		return EXIT_CODE_INTERNAL;
	case ST_USAGE:
	case ST_BAD_INPUT:
	case ST_NOT_FOUND:
	case ST_NO_DATA:
	case ST_IO:
	case ST_NO_SPACE:
	case ST_UNSUPPORTED:
	case ST_INTERRUPTED:
		break;
	}
	return EXIT_CODE_BAD_INPUT;
}

int cli_usage_error(const char *command, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	log_error("%s: %s; see innercore %s --help", command, what, command);
	return EXIT_CODE_BAD_INPUT;
}

int cli_print_json_to(FILE *to, json_t *json)
{
	bool failed = !json || json_dumpf(json, to, JSON_COMPACT) < 0 || fputc('\n', to) == EOF || fflush(to) == EOF;

	json_decref(json);
	if (!failed)
		return EXIT_CODE_OK;
	log_error("cannot write the JSON report");
	return EXIT_CODE_INTERNAL;
}

int cli_print_json(json_t *json)
{
	return cli_print_json_to(stdout, json);
}
