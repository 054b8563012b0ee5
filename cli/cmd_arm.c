// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "common/units.h"
#include "initramfs/config.h"
#include "kexec/arm.h"

struct options {
	struct arm_options arm;
	const char *config_path;
	bool json, help;
};

static void print_help(void)
{
	puts("usage: innercore arm [-c CONFIG] [--initramfs FILE] [--kernel FILE] [-n]\n"
	     "\n"
	     "Load the capture kernel, so that a crash is captured. Builds its initramfs where that is missing or "
	     "stale.\n"
	     "Also sets kernel.panic_on_oops.\n"
	     "\n"
	     "  -c, --config FILE     configuration (default " CONFIG_PATH ")\n"
	     "      --initramfs FILE  use this one as it is\n"
	     "      --kernel FILE     capture kernel's image (default: as configured, else the running kernel's)\n"
	     "  -n, --dry-run         check everything, show what would be loaded, change nothing\n"
	     "      --json            report as JSON on standard output\n"
	     "\n"
	     "Exit: 0 loaded; 2 not loaded, the message says why; 5 internal fault.");
}

/* EXIT_CODE_OK: go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "initramfs", required_argument, NULL, 'i' },
		{ "kernel", required_argument, NULL, 'k' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, ":c:nh", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config_path = optarg;
			break;
		case 'i':
			o->arm.initramfs = optarg;
			break;
		case 'k':
			o->arm.kernel = optarg;
			break;
		case 'n':
			o->arm.dry_run = true;
			break;
		case 'J':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("arm", "option %s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("arm", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc != optind)
		return cli_usage_error("arm", "too many arguments: %s", argv[optind]);
	return EXIT_CODE_OK;
}

static void print_report(const struct arm_report *r, bool dry_run)
{
	char reserved[16], size[16];

	puts(dry_run ? "would load:" : "armed: a crash will be captured");
	printf("  kernel       %s\n", r->record.kernel);
	printf("  initramfs    %s, %s%s\n", r->record.initramfs, units_bytes(r->initramfs_bytes, size, sizeof(size)),
	       !r->initramfs_built ? ""
	       : dry_run	   ? ", to be built anew"
				   : ", built anew");
	printf("  target       %s\n", r->record.target);
	printf("  reservation  %s\n", units_bytes(r->reserved_bytes, reserved, sizeof(reserved)));
	if (r->cpus.nr)
		printf("  CPUs         %u: %s\n", r->cpus.nr, r->cpus.why);
	else
		printf("  CPUs         %s\n", r->cpus.why);
	if (!dry_run)
		printf("  method       %s\n", r->record.method);
	printf("  cmdline      %s\n", r->record.cmdline);
	if (r->set_panic_on_oops)
		puts("  kernel.panic_on_oops was 0 and is 1 now");
}

static json_t *report_json(const struct arm_report *r, bool dry_run)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:b, s:s, s:s, s:s, s:I, s:b, s:o, s:s}", "loaded", !dry_run,
			 "kernel", r->record.kernel, "release", r->record.release, "initramfs", r->record.initramfs,
			 "initramfs_bytes", (json_int_t)r->initramfs_bytes, "initramfs_built", r->initramfs_built,
			 "target", r->record.target, "method", r->record.method, "cmdline", r->record.cmdline,
			 "reserved_bytes", (json_int_t)r->reserved_bytes, "set_panic_on_oops", r->set_panic_on_oops,
			 "cpus", r->cpus.nr ? json_integer(r->cpus.nr) : json_null(), "why_cpus",
			 r->cpus.why);
}

int cmd_arm(int argc, char **argv)
{
	struct options o = { .config_path = CONFIG_PATH };
	struct arm_report report;
	struct config config;
	struct err err;
	int code = parse_options(argc, argv, &o);

	if (o.help)
		print_help();
	if (o.help || code != EXIT_CODE_OK)
		return code;
	if (config_load(o.config_path, &config, &err) != ST_OK)
		return cli_fail(&err, o.json);
	o.arm.config = &config;
	if (arm_run(&o.arm, &report, &err) != ST_OK)
		return cli_fail(&err, o.json);
	if (o.json)
		return cli_print_json(report_json(&report, o.arm.dry_run));
	print_report(&report, o.arm.dry_run);
	return EXIT_CODE_OK;
}
