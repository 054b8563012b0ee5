// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <jansson.h>

#include "cli/cli.h"
#include "cli/dump_info.h"
#include "cli/sandbox.h"
#include "common/cleanup.h"
#include "common/exit_codes.h"

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_VMCOREINFO };

struct config {
	const char *path;
	enum output output;
	bool no_classes;
};

static const char usage[] = "Usage: innercore info [--json | --vmcoreinfo] [--no-classes] DUMP\n"
			    "Say what a dump is: an ELF core, a KDUMP, or a flattened KDUMP.\n"
			    "\n"
			    "      --json        the same as one JSON object\n"
			    "      --vmcoreinfo  print the VMCOREINFO text and nothing else\n"
			    "      --no-classes  do not count what pages are: a large memory map takes a while\n"
			    "  -h, --help        this text\n";

/** False: *exit_code says how to end. */
static bool parse(int argc, char **argv, struct config *config, int *exit_code)
{
	enum { OPT_JSON = 256, OPT_VMCOREINFO, OPT_NO_CLASSES };
	static const struct option options[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "vmcoreinfo", no_argument, NULL, OPT_VMCOREINFO },
		{ "no-classes", no_argument, NULL, OPT_NO_CLASSES },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*config = (struct config){ .output = OUTPUT_TEXT };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case OPT_JSON:
			config->output = OUTPUT_JSON;
			break;
		case OPT_VMCOREINFO:
			config->output = OUTPUT_VMCOREINFO;
			break;
		case OPT_NO_CLASSES:
			config->no_classes = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*exit_code = EXIT_CODE_OK;
			return false;
		default:
			*exit_code = cli_usage_error("info", "unknown option %s", argv[optind - 1]);
			return false;
		}
	}
	if (optind + 1 != argc) {
		*exit_code = cli_usage_error("info", "expects one DUMP");
		return false;
	}
	config->path = argv[optind];
	return true;
}

static enum status print_text(const struct config *config, struct err *err)
{
	_cleanup_(dump_info_deinit) struct dump_info di;
	enum status st = dump_info_gather(config->path, !config->no_classes, &di, err);

	if (st == ST_OK)
		dump_info_print(&di, config->path, stdout);
	return st;
}

static enum status print_json(const struct config *config, int *exit_code, struct err *err)
{
	_cleanup_(dump_info_deinit) struct dump_info di;
	enum status st = dump_info_gather(config->path, !config->no_classes, &di, err);

	if (st == ST_OK)
		*exit_code = cli_print_json(dump_info_json(&di));
	return st;
}

/* Needs no more than the notes: no page is counted. */
static enum status print_vmcoreinfo(const struct config *config, struct err *err)
{
	_cleanup_(physmem_closep) struct physmem *pm = NULL;
	enum status st = physmem_open(config->path, &pm, err);

	if (st != ST_OK)
		return st;
	if (!pm->vmcoreinfo)
		return err_set(err, ST_NOT_FOUND, "%s: the dump has no VMCOREINFO", config->path);
	dump_info_escape(pm->vmcoreinfo, pm->vmcoreinfo_len_bytes, true, stdout);
	return ST_OK;
}

static enum status run(const struct config *config, int *exit_code, struct err *err)
{
	switch (config->output) {
	case OUTPUT_JSON:
		return print_json(config, exit_code, err);
	case OUTPUT_VMCOREINFO:
		return print_vmcoreinfo(config, err);
	case OUTPUT_TEXT:
		break;
	}
	return print_text(config, err);
}

int cmd_info(int argc, char **argv)
{
	struct config config;
	int exit_code = EXIT_CODE_OK;
	struct err err;
	enum status st;

	if (!parse(argc, argv, &config, &exit_code))
		return exit_code;
	sandbox_for_dumps(config.path, NULL, NULL);
	st = run(&config, &exit_code, &err);
	if (st == ST_OK && (fflush(stdout) || ferror(stdout)))
		st = err_set_errno(&err, ST_IO, errno, "cannot write to standard output");
	if (st == ST_OK)
		return exit_code;
	err_wrap(&err, st, "info");
	return cli_fail(&err, config.output == OUTPUT_JSON);
}
