// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/sandbox.h"
#include "common/cleanup.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/pool.h"
#include "compare/compare.h"

static void print_help(void)
{
	puts("usage: innercore compare [-f] [-j N] [--json] [--html FILE] INNER... OUTER\n"
	     "\n"
	     "Hold a guest's own dump (INNER) against its hypervisor's (OUTER), page by page, and audit what INNER "
	     "left out. Each is a file, or a folder with the files of a split dump; those of INNER may be named one by "
	     "one.\n"
	     "\n"
	     "  -f, --force      compare although the dumps seem to be of different boots\n"
	     "  -j, --threads N  read and decode on N threads (default: all CPUs); the report is the same\n"
	     "      --json       the report as JSON\n"
	     "      --html FILE  also write the report as one page of HTML, with a picture of physical memory\n"
	     "\n"
	     "Exit: 0 all explained and nothing lost; 1 something differs or is lost; 2 could not compare.");
}

/* An option forgotten, and a dump stands where the report was meant: the only copy of a crash. */
static bool may_overwrite(int fd)
{
	static const char start[] = "<!DOCTYPE html>";
	char buf[sizeof(start) - 1];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size)
		return true;
	return pread(fd, buf, sizeof(buf), 0) == sizeof(buf) && !memcmp(buf, start, sizeof(buf));
}

/* Opened before any dump is read: what a dump says must not come before the program's last open(). */
static FILE *open_html(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	FILE *f;

	if (fd >= 0 && !may_overwrite(fd)) {
		log_error("compare: %s is there and is no HTML page: it is not overwritten", path);
		return NULL;
	}
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		log_error("compare: cannot write %s: %s", path, strerror(errno));
		return NULL;
	}
	fd = -1; /* the stream's now */
	return f;
}

/* What the file held before is cut off only now: a comparison that failed leaves an old report alone. */
static int write_html(const struct compare_report *report, FILE *to, const char *path)
{
	struct stat st;

	if (fstat(fileno(to), &st) == 0 && (!S_ISREG(st.st_mode) || ftruncate(fileno(to), 0) == 0)) {
		compare_report_html(report, to);
		if (!ferror(to) && fflush(to) == 0)
			return EXIT_CODE_OK;
	}
	log_error("compare: cannot write %s: %s", path, strerror(errno));
	return EXIT_CODE_INTERNAL;
}

static int print_text(const struct compare_report *report)
{
	compare_report_text(report, stdout);
	if (!ferror(stdout) && fflush(stdout) == 0)
		return EXIT_CODE_OK;
	log_error("compare: cannot write the report: %s", strerror(errno));
	return EXIT_CODE_INTERNAL;
}

static int run(const struct compare_config *config, bool json, const char *html_path, FILE *html)
{
	static struct compare_report report; /* large: lists of ranges */
	struct err err = { 0 };
	int written = EXIT_CODE_OK, shown;

	if (compare_run(config, &report, &err) != ST_OK) {
		compare_report_deinit(&report);
		return cli_fail(&err, json);
	}
	if (html)
		written = write_html(&report, html, html_path);
	shown = json ? cli_print_json(compare_report_json(&report)) : print_text(&report);
	compare_report_deinit(&report);
	if (written != EXIT_CODE_OK || shown != EXIT_CODE_OK)
		return EXIT_CODE_INTERNAL;
	return compare_exit_code(&report);
}

static bool parse_threads(const char *text, unsigned *nr)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end || v < 1 || v > (long)POOL_MAX_THREADS)
		return false;
	*nr = (unsigned)v;
	return true;
}

int cmd_compare(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "threads", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, 'J' },
		{ "html", required_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_file_ FILE *html = NULL;
	const char *html_path = NULL;
	struct compare_config config = { 0 };
	struct sandbox_rules rules = { 0 };
	struct sandbox_state sandbox;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":fj:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'f':
			config.force = true;
			break;
		case 'j':
			if (!parse_threads(optarg, &config.nr_threads))
				return cli_usage_error("compare", "\"%s\" is no number of threads from 1 to %u", optarg,
						       POOL_MAX_THREADS);
			break;
		case 'J':
			json = true;
			break;
		case 'H':
			html_path = optarg;
			break;
		case 'h':
			print_help();
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("compare", "%s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("compare", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc - optind < 2)
		return cli_usage_error("compare", "name an INNER and an OUTER dump");
	config.inner = (const char *const *)argv + optind;
	config.nr_inner = (size_t)(argc - 1 - optind);
	config.outer = argv[argc - 1];
	if (!config.nr_threads)
		config.nr_threads = pool_nr_cpus();
	config.want_picture = html_path != NULL;
	if (html_path) {
		html = open_html(html_path);
		if (!html)
			return EXIT_CODE_BAD_INPUT;
	}
	rules.inputs = (const char *const *)argv + optind;
	rules.nr_inputs = (size_t)(argc - optind);
	sandbox_enter(&rules, &sandbox);
	return run(&config, json, html_path, html);
}
