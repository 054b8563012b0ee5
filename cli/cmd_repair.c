// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/sandbox.h"
#include "common/exit_codes.h"
#include "repair/repair.h"

static void print_help(void)
{
	puts("usage: innercore repair -o OUT [--from INNER] [-z CODEC] [-f] [--json] OUTER\n"
	     "\n"
	     "Give a hypervisor's dump what it lacks (VMCOREINFO, the true phys_base, utsname, the guest's own registers) and\n"
	     "write it as a KDUMP that every reader opens.\n"
	     "\n"
	     "  -o, --output OUT      the file to write\n"
	     "      --from INNER      take VMCOREINFO from the guest's own dump instead of searching OUTER's memory\n"
	     "  -z, --compress CODEC  zlib, lzo, snappy, zstd (default) or none\n"
	     "  -f, --force           replace OUT\n"
	     "      --json            the report as JSON\n"
	     "\n"
	     "Exit: 0 written; 2 bad input, usage, or no proof of which kernel it is; 3 written with holes; 5 internal fault.");
}

static void print_report(const struct repair_report *r, const char *dest)
{
	printf("%s: %s, %" PRIu64 " pages, VMCOREINFO from %s\n", dest, r->release, r->pages, r->vmcoreinfo_from);
	if (r->header_phys_base_known && r->header_phys_base != r->phys_base)
		printf("  phys_base %" PRId64 " (the header said %" PRId64 ")\n", r->phys_base, r->header_phys_base);
	else
		printf("  phys_base %" PRId64 "\n", r->phys_base);
	if (r->nr_guest_cpus)
		printf("  registers of %u CPUs as the guest saved them\n", r->nr_guest_cpus);
	else if (r->proved)
		printf("  registers as the hypervisor saw them: %s\n", r->why_no_guest_registers);
	if (!r->proved)
		puts("  the page tables that would prove phys_base are not in what was saved");
	if (r->trimmed)
		printf("  max_mapnr cut to System RAM: %" PRIu64 " (was %" PRIu64 ")\n", r->max_mapnr, r->old_max_mapnr);
	if (r->pages_unreadable)
		printf("  %" PRIu64 " pages could not be read\n", r->pages_unreadable);
}

int cmd_repair(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "output", required_argument, NULL, 'o' }, { "from", required_argument, NULL, 'F' },
		{ "compress", required_argument, NULL, 'z' }, { "force", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'J' },	    { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct repair_config config = { .codec = "zstd" };
	struct repair_report report;
	struct err err = { 0 };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":o:z:fh", longopts, NULL)) != -1) {
		switch (c) {
		case 'o':
			config.dest = optarg;
			break;
		case 'F':
			config.from = optarg;
			break;
		case 'z':
			config.codec = optarg;
			break;
		case 'f':
			config.force = true;
			break;
		case 'J':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("repair", "option %s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("repair", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc - optind != 1 || !config.dest)
		return cli_usage_error("repair", "%s", config.dest ? "name one OUTER dump" : "name the output with -o");
	config.source = argv[optind];
	sandbox_for_dumps(config.source, config.from, config.dest);
	if (repair_run(&config, &report, &err) != ST_OK)
		return cli_fail(&err);
	if (json && cli_print_json(repair_report_json(&report)) != EXIT_CODE_OK)
		return EXIT_CODE_INTERNAL;
	if (!json)
		print_report(&report, config.dest);
	return repair_exit_code(&report);
}
