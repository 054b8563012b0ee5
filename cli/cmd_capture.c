// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/session.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "common/exit_codes.h"
#include "common/pool.h"

#define DEFAULT_SOURCE "/proc/vmcore"
#define DEFAULT_CODEC "zstd"

static volatile sig_atomic_t stop_requested;

static void request_stop(int sig)
{
	stop_requested = 1;
}

static void catch_signals(void)
{
	/* The first one finishes the dump as incomplete; the second one, when even that hangs on the output, kills. */
	struct sigaction sa = { .sa_handler = request_stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static void print_help(void)
{
	puts("usage: innercore capture [-z CODEC] [-d LEVEL] [-j THREADS] [-f] [--json] [SRC] DEST\n"
	     "\n"
	     "Filter and compress SRC (default /proc/vmcore; any ELF core or KDUMP) into the KDUMP file DEST.\n"
	     "DEST \"-\" writes the flattened form to standard output.\n"
	     "\n"
	     "  -z, --compress CODEC  zlib, lzo, snappy, zstd (default) or none; zstd:LEVEL, -20 (fast) to 19 (small)\n"
	     "  -d, --level LEVEL     leave out: 1 zero pages (they always share one), 2 cache, 4 cache with private\n"
	     "                        data, 8 user, 16 free; the sum of what you want, 0 to 31\n"
	     "                        (default 31 on /proc/vmcore, 0 elsewhere)\n"
	     "  -j, --threads THREADS default: as many as there are CPUs to run on; the dump is the same for any number\n"
	     "      --no-dedup        store each page by itself, also where an equal one is stored already\n"
	     "  -f, --force           replace DEST\n"
	     "      --json            report as JSON on standard output (standard error with DEST \"-\")\n"
	     "  -q, --quiet           no progress\n"
	     "\n"
	     "Exit: 0 saved; 2 bad input or usage; 3 saved with holes or incomplete; 4 nothing saved; 5 internal fault.");
}

struct options {
	struct capture_config config;
	bool json, quiet, help;
};

static bool parse_level(const char *text, int *level)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end || v < 0 || v > CAPTURE_DUMP_LEVEL_MAX)
		return false;
	*level = (int)v;
	return true;
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

/* EXIT_CODE_OK: go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longopts[] = {
		{ "compress", required_argument, NULL, 'z' }, { "level", required_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },	      { "json", no_argument, NULL, 'J' },
		{ "quiet", no_argument, NULL, 'q' },	      { "help", no_argument, NULL, 'h' },
		{ "threads", required_argument, NULL, 'j' }, { "no-dedup", no_argument, NULL, 'D' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, ":z:d:j:fqh", longopts, NULL)) != -1) {
		switch (c) {
		case 'z':
			o->config.codec = optarg;
			break;
		case 'd':
			if (!parse_level(optarg, &o->config.dump_level))
				return cli_usage_error("capture", "\"%s\" is no dump level from 0 to 31", optarg);
			break;
		case 'j':
			if (!parse_threads(optarg, &o->config.nr_threads))
				return cli_usage_error("capture", "\"%s\" is no number of threads from 1 to %u", optarg,
						       POOL_MAX_THREADS);
			break;
		case 'f':
			o->config.force = true;
			break;
		case 'D':
			o->config.no_dedup = true;
			break;
		case 'J':
			o->json = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			o->help = true;
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("capture", "option %s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("capture", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage_error("capture", "%s", argc == optind ? "name a DEST" : "too many arguments");
	o->config.dest = argv[argc - 1];
	if (argc - optind == 2)
		o->config.source = argv[optind];
	return EXIT_CODE_OK;
}

static void print_holes(const struct capture_report *r)
{
	uint64_t listed = min_u64(r->nr_hole_ranges, 8);

	fprintf(stderr, "innercore: %" PRIu64 " pages could not be read, PFN", r->pages_unreadable);
	for (uint64_t i = 0; i < listed; i++)
		fprintf(stderr, " 0x%" PRIx64 "-0x%" PRIx64, r->holes[i].start, r->holes[i].end - 1);
	fprintf(stderr, "%s\n", r->nr_hole_ranges > listed ? " ..." : "");
}

static void print_report(const struct capture_report *r, const char *dest)
{
	const uint64_t *by = r->pages_by_class;
	char written[16];

	fprintf(stderr,
		"innercore: %s %s: %" PRIu64 " of %" PRIu64 " pages kept (%" PRIu64 " of them zero, %" PRIu64
		" repeated), %s, %.1f s\n",
		strcmp(dest, "-") ? dest : "stream", r->complete ? "complete" : "INCOMPLETE", r->pages_kept,
		r->pages_present, r->pages_zero, r->pages_repeated, units_bytes(r->bytes_written, written, sizeof(written)),
		r->plan_seconds + r->write_seconds);
	if (r->filtered)
		fprintf(stderr,
			"innercore: kernel %" PRIu64 ", free %" PRIu64 ", cache %" PRIu64 ", cache private %" PRIu64
			", user %" PRIu64 ", offline %" PRIu64 ", hwpoison %" PRIu64 ", unknown %" PRIu64 "\n",
			by[PAGE_CLASS_KERNEL], by[PAGE_CLASS_FREE], by[PAGE_CLASS_CACHE], by[PAGE_CLASS_CACHE_PRIVATE],
			by[PAGE_CLASS_USER], by[PAGE_CLASS_OFFLINE], by[PAGE_CLASS_HWPOISON], by[PAGE_CLASS_UNKNOWN]);
	if (r->pages_unsaved)
		fprintf(stderr, "innercore: %" PRIu64 " pages were not saved: %s\n", r->pages_unsaved,
			r->out_of_space ? "no space left" : r->stopped ? "stopped before the end" : "the output failed");
	if (r->pages_unreadable)
		print_holes(r);
}

static int fail(const struct err *err)
{
	int code = cli_fail(err, false);

	/* The input was fine and the output was not: say that nothing was saved. */
	if (err->status == ST_IO || err->status == ST_NO_SPACE || err->status == ST_NO_MEMORY)
		code = EXIT_CODE_NOTHING_SAVED;
	return code;
}

/* What is known of the capture, and the error, where there is one. */
static int print_json(const struct capture_report *report, const struct err *err, FILE *to)
{
	json_t *json = capture_report_json(report);

	if (err)
		json_object_update_new(json, cli_error_json(err));
	return cli_print_json_to(to, json);
}

int cmd_capture(int argc, char **argv)
{
	static struct capture_report report; /* large: the list of holes */
	struct options o = {
		.config = {
			.source = DEFAULT_SOURCE,
			.dest_fd = STDOUT_FILENO,
			.codec = DEFAULT_CODEC,
			.dump_level = -1,
			.stop = &stop_requested,
		},
	};
	struct progress progress;
	struct err err = { 0 };
	enum status st;
	int code = parse_options(argc, argv, &o);

	if (o.help)
		print_help();
	if (o.help || code != EXIT_CODE_OK)
		return code;
	if (!strcmp(o.config.dest, "-") && isatty(STDOUT_FILENO))
		return cli_usage_error("capture", "a dump on a terminal helps nobody: redirect standard output");
	progress_init(&progress);
	if (!o.quiet) {
		o.config.progress = progress_show;
		o.config.progress_ctx = &progress;
	}
	catch_signals();
	st = capture_session_run(&o.config, &report, &err);
	progress_end(&progress);
	code = st == ST_OK ? capture_report_exit_code(&report) : fail(&err);
	if (st == ST_OK && !o.quiet && !o.json)
		print_report(&report, o.config.dest);
	if (o.json && print_json(&report, st == ST_OK ? NULL : &err, !strcmp(o.config.dest, "-") ? stderr : stdout) &&
	    code == EXIT_CODE_OK)
		code = EXIT_CODE_INTERNAL;
	return code;
}
