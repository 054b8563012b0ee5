// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/exit_codes.h"
#include "common/log.h"
#include "verify/findings.h"

json_t *cli_error_json(const struct err *err)
{
	char text[4 * sizeof(err->text)];

	/* It may hold what a file is called, or says: JSON takes no bytes that are not UTF-8. */
	return json_pack("{s:s}", "error", findings_printable(err->text, text, sizeof(text)));
}

int cli_fail(const struct err *err, bool json)
{
	log_error("%s", err->text);
	if (json && !ferror(stdout)) /* which may be what failed, and one line about it is enough */
		cli_print_json(cli_error_json(err));
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
