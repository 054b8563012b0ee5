// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sandbox.h"
#include "common/cleanup.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "verify/set.h"
#include "verify/verify.h"

#define PLAIN_LINE_SECONDS 5.0
#define LIVE_LINE_SECONDS 0.1

static const char usage[] =
	"Usage: innercore verify [-q] [--json] DUMP...\n"
	"Hold a dump against every rule of its format and of the programs that read it; decode every page.\n"
	"Several DUMPs, or a folder with several, are the files of one split dump.\n"
	"\n"
	"  -q, --quiet  no progress\n"
	"      --json   the report as one JSON object\n"
	"  -h, --help   this text\n"
	"\n"
	"Exit: 0 no error found; 1 errors; 2 not a dump, or it cannot be read at all.\n";

struct config {
	struct verify_config verify;
	const char *const *paths;
	size_t nr_paths;
	bool json, quiet;
};

/* One live line on a terminal, else a plain line every few seconds. */
struct live {
	bool is_terminal, line_open;
	double began, last;
};

static void show(void *ctx, uint64_t done, uint64_t total)
{
	struct live *l = ctx;
	double now = units_now();

	if (now - l->last < (l->is_terminal ? LIVE_LINE_SECONDS : PLAIN_LINE_SECONDS) || done >= total)
		return;
	l->last = now;
	l->line_open = l->is_terminal;
	fprintf(stderr, "%sverify %3.0f%%  %" PRIu64 " of %" PRIu64 " pages  %.0f pages/s%s",
		l->is_terminal ? "\r\033[K" : "innercore: ", 100.0 * (double)done / (double)total, done, total,
		(double)done / (now - l->began), l->is_terminal ? "" : "\n");
}

static void clear_live(const struct config *config)
{
	struct live *l = config->verify.progress_ctx;

	if (l && l->line_open)
		fputs("\r\033[K", stderr);
	if (l)
		l->line_open = false;
}

/** False: *exit_code says how to end. */
static bool parse(int argc, char **argv, struct config *config, int *exit_code)
{
	enum { OPT_JSON = 256 };
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*config = (struct config){ 0 };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":qh", options, NULL)) != -1) {
		switch (c) {
		case 'q':
			config->quiet = true;
			break;
		case OPT_JSON:
			config->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*exit_code = EXIT_CODE_OK;
			return false;
		default:
			*exit_code = cli_usage_error("verify", "unknown option %s", argv[optind - 1]);
			return false;
		}
	}
	if (optind >= argc) {
		*exit_code = cli_usage_error("verify", "expects a DUMP");
		return false;
	}
	config->paths = (const char *const *)argv + optind;
	config->nr_paths = (size_t)(argc - optind);
	return true;
}

static int finish_text(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_CODE_OK;
	log_error("verify: cannot write the report: %s", strerror(errno));
	return EXIT_CODE_INTERNAL;
}

static enum status verify_one(const struct config *config, int *exit_code, struct err *err)
{
	_cleanup_free_ struct verify_report *report = malloc(sizeof(*report));
	enum status st;

	if (!report)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = verify_run(&config->verify, report, err);
	if (st != ST_OK)
		return st;
	clear_live(config);
	if (config->json) {
		*exit_code = cli_print_json(verify_report_json(report));
	} else {
		verify_report_text(report, config->verify.path, stdout);
		*exit_code = finish_text();
	}
	if (*exit_code == EXIT_CODE_OK)
		*exit_code = verify_exit_code(report);
	return ST_OK;
}

static enum status verify_set(const struct config *config, const struct dump_files *files, int *exit_code, struct err *err)
{
	struct verify_set set;
	enum status st = verify_set_run(&config->verify, files, &set, err);

	if (st == ST_OK) {
		clear_live(config);
		if (config->json) {
			*exit_code = cli_print_json(verify_set_json(&set));
		} else {
			verify_set_text(&set, files->folder ? files->folder : files->at[0], stdout);
			*exit_code = finish_text();
		}
		if (*exit_code == EXIT_CODE_OK)
			*exit_code = verify_set_exit_code(&set);
	}
	verify_set_deinit(&set);
	return st;
}

static enum status run(struct config *config, int *exit_code, struct err *err)
{
	struct dump_files files;
	enum status st = dump_files_find(config->paths, config->nr_paths, &files, err);

	if (st != ST_OK)
		return st;
	config->verify.path = files.at[0];
	st = files.nr == 1 ? verify_one(config, exit_code, err) : verify_set(config, &files, exit_code, err);
	dump_files_deinit(&files);
	return st;
}

int cmd_verify(int argc, char **argv)
{
	struct live live = { .is_terminal = isatty(STDERR_FILENO), .began = units_now() };
	struct sandbox_rules rules = { 0 };
	struct sandbox_state sandbox;
	struct config config;
	struct err err = { 0 };
	enum status st;
	int exit_code;

	if (!parse(argc, argv, &config, &exit_code))
		return exit_code;
	live.last = live.began;
	if (!config.quiet) {
		config.verify.progress = show;
		config.verify.progress_ctx = &live;
	}
	/* What the readers warn of is found and reported here, too. */
	log_set_level(LOG_LEVEL_ERROR);
	rules.inputs = config.paths;
	rules.nr_inputs = config.nr_paths;
	sandbox_enter(&rules, &sandbox);
	st = run(&config, &exit_code, &err);
	if (st == ST_OK)
		return exit_code;
	clear_live(&config);
	err_wrap(&err, st, "verify");
	return cli_fail(&err, config.json);
}
