// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "common/units.h"
#include "initramfs/config.h"
#include "kexec/setup_status.h"

static void print_help(void)
{
	puts("usage: innercore status [-c CONFIG] [--json]\n"
	     "\n"
	     "Show whether a crash would be captured, with what and to where, and the last dump.\n"
	     "\n"
	     "  -c, --config FILE  configuration (default " CONFIG_PATH ")\n"
	     "      --json         as JSON on standard output\n"
	     "\n"
	     "Exit: 0 a capture kernel is loaded; 1 none is; 2 bad input or usage.");
}

struct options {
	const char *config_path;
	bool json, help;
};

/* EXIT_CODE_OK: go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, ":c:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config_path = optarg;
			break;
		case 'J':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("status", "option %s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("status", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc != optind)
		return cli_usage_error("status", "too many arguments: %s", argv[optind]);
	return EXIT_CODE_OK;
}

static const char *stale_name(enum staleness stale)
{
	switch (stale) {
	case STALE_NO:
		return "current";
	case STALE_YES:
		return "stale";
	case STALE_MISSING:
		return "missing";
	case STALE_UNKNOWN:
		break;
	}
	return "unknown";
}

static const char *age(uint64_t seconds, char *buf, size_t len)
{
	if (seconds < 120)
		snprintf(buf, len, "%" PRIu64 " s", seconds);
	else if (seconds < 7200)
		snprintf(buf, len, "%" PRIu64 " min", seconds / 60);
	else if (seconds < 172800)
		snprintf(buf, len, "%" PRIu64 " h", seconds / 3600);
	else
		snprintf(buf, len, "%" PRIu64 " days", seconds / 86400);
	return buf;
}

static void print_initramfs(const struct setup_status *s)
{
	char size[16], old[32];

	printf("initramfs    %s, ", s->initramfs);
	if (s->stale != STALE_MISSING)
		printf("%s, %s old, ", units_bytes(s->initramfs_bytes, size, sizeof(size)),
		       age(s->initramfs_age_seconds, old, sizeof(old)));
	printf("%s", stale_name(s->stale));
	if (s->stale == STALE_UNKNOWN)
		printf(" (%s)", s->why_unknown);
	if (s->stale == STALE_YES || s->stale == STALE_MISSING)
		printf(": run innercore arm");
	putchar('\n');
}

static void print_status(const struct setup_status *s)
{
	char size[16];

	printf("loaded       %s\n", !s->kernel.loaded ? "no: a crash will not be captured"
				    : !s->have_record ? "yes, but not by innercore arm"
				    : s->loaded_is_current
					    ? "yes"
					    : "yes, with an initramfs that is no longer on disk: run innercore arm");
	printf("reservation  %s\n", units_bytes(s->kernel.reserved_bytes, size, sizeof(size)));
	if (s->have_record)
		printf("kernel       %s (%s, %s)\n", s->record.kernel, s->record.release, s->record.method);
	print_initramfs(s);
	if (*s->device)
		printf("target       %s: %s, %s, %s%s\n", s->target, s->device, s->fstype,
		       *s->mounted_at ? "mounted at " : "not mounted", s->mounted_at);
	else
		printf("target       %s: %s\n", s->target, s->why_no_target);
	if (*s->ambiguous)
		printf("             not the only one: %s\n", s->ambiguous);
	if (*s->last_dump)
		printf("last dump    %s: %s\n", s->last_dump, s->last_dump_state);
	else
		printf("last dump    %s\n", *s->mounted_at ? "none" : "not to be seen: the target is not mounted");
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *status_json(const struct setup_status *s)
{
	const struct armed_record *r = &s->record;
	json_t *initramfs, *target;

	initramfs = json_pack("{s:s, s:I, s:I, s:s, s:o, s:b}", "path", s->initramfs, "bytes",
			      (json_int_t)s->initramfs_bytes, "age_seconds", (json_int_t)s->initramfs_age_seconds,
			      "state", stale_name(s->stale), "why_unknown", text_or_null(s->why_unknown), "is_loaded",
			      s->loaded_is_current);
	target = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", s->target, "device", text_or_null(s->device), "fstype",
			   text_or_null(s->fstype), "mounted_at", text_or_null(s->mounted_at), "error",
			   text_or_null(s->why_no_target), "ambiguous", text_or_null(s->ambiguous));
	return json_pack("{s:b, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "loaded", s->kernel.loaded,
			 "loaded_by_innercore", s->have_record, "reserved_bytes", (json_int_t)s->kernel.reserved_bytes,
			 "kernel", text_or_null(r->kernel), "release", text_or_null(r->release), "method",
			 text_or_null(r->method), "cmdline", text_or_null(r->cmdline), "initramfs", initramfs, "target",
			 target, "last_dump",
			 *s->last_dump ? json_pack("{s:s, s:s}", "name", s->last_dump, "state", s->last_dump_state)
				       : json_null());
}

/* What is known, and what is wrong with the configuration. */
static int print_json(const struct setup_status *status, const struct err *err)
{
	json_t *json = status_json(status);

	if (err)
		json_object_update_new(json, cli_error_json(err));
	return cli_print_json(json);
}

int cmd_status(int argc, char **argv)
{
	struct options o = { .config_path = CONFIG_PATH };
	static struct setup_status status; /* large: several paths */
	struct config config;
	struct err err;
	enum status st;
	int code = parse_options(argc, argv, &o);

	if (o.help)
		print_help();
	if (o.help || code != EXIT_CODE_OK)
		return code;
	st = config_load(o.config_path, &config, &err);
	/* Without a configuration there is still a kernel to ask. */
	if (st != ST_OK && st != ST_NOT_FOUND)
		code = cli_fail(&err, false);
	setup_status_read(&config, &status);
	if (o.json && print_json(&status, code == EXIT_CODE_OK ? NULL : &err) != EXIT_CODE_OK)
		code = EXIT_CODE_INTERNAL;
	if (!o.json)
		print_status(&status);
	return code == EXIT_CODE_OK && !status.kernel.loaded ? EXIT_CODE_NEGATIVE : code;
}
