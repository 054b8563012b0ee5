// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/sandbox.h"
#include "common/exit_codes.h"
#include "repair/in_place.h"
#include "repair/repair.h"

static void print_help(void)
{
	puts("usage: innercore repair -o OUT [--from INNER] [-z CODEC] [-f] [--json] OUTER\n"
	     "       innercore repair --in-place [--from INNER] [--json] OUTER\n"
	     "       innercore repair --undo [--json] OUTER\n"
	     "\n"
	     "Give a hypervisor's dump what it lacks (VMCOREINFO, the true phys_base, utsname, the guest's own registers) and\n"
	     "write it as a KDUMP that every reader opens.\n"
	     "\n"
	     "  -o, --output OUT      the file to write\n"
	     "      --in-place        change OUTER itself, a seekable KDUMP; cut off anywhere, run it again\n"
	     "      --undo            take back what --in-place did, to the byte\n"
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

struct choice {
	struct repair_config config;
	bool in_place, undo, json;
};

static void print_in_place(const struct repair_report *r, const struct choice *c)
{
	if (c->undo)
		printf("%s: %s\n", c->config.source, r->nothing_to_do ? "nothing to undo" : "as it was before repair --in-place");
	else if (r->nothing_to_do)
		printf("%s: nothing to do\n", c->config.source);
	else
		print_report(r, c->config.source);
	if (r->resumed)
		puts("  an earlier run had been cut off");
}

/* The file is opened before anything of it is parsed; from then on no path can be. */
static enum status run_in_place(const struct choice *c, struct repair_report *report, struct err *err)
{
	struct medium *m;
	enum status st = medium_file_open(c->config.source, &m, err);

	if (st != ST_OK)
		return st;
	sandbox_for_dumps(c->config.source, c->config.from, NULL);
	st = c->undo ? repair_undo(m, report, err) : repair_in_place(m, &c->config, report, err);
	medium_close(m);
	return st;
}

static enum status run(const struct choice *c, struct repair_report *report, struct err *err)
{
	if (c->in_place || c->undo)
		return run_in_place(c, report, err);
	sandbox_for_dumps(c->config.source, c->config.from, c->config.dest);
	return repair_run(&c->config, report, err);
}

static const char *what_is_wrong(const struct choice *c, int nr_operands)
{
	if (c->in_place + c->undo + (c->config.dest != NULL) > 1)
		return "choose one of -o, --in-place and --undo";
	if (!c->in_place && !c->undo && !c->config.dest)
		return "name the output with -o, or say --in-place";
	if (c->undo && c->config.from)
		return "--undo needs no --from";
	return nr_operands == 1 ? NULL : "name one OUTER dump";
}

int cmd_repair(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "output", required_argument, NULL, 'o' }, { "from", required_argument, NULL, 'F' },
		{ "compress", required_argument, NULL, 'z' }, { "force", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'J' },	    { "help", no_argument, NULL, 'h' },
		{ "in-place", no_argument, NULL, 'I' },	    { "undo", no_argument, NULL, 'U' },
		{ NULL, 0, NULL, 0 },
	};
	struct choice choice = { .config = { .codec = "zstd" } };
	struct repair_report report;
	struct err err = { 0 };
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, ":o:z:fh", longopts, NULL)) != -1) {
		switch (c) {
		case 'o':
			choice.config.dest = optarg;
			break;
		case 'F':
			choice.config.from = optarg;
			break;
		case 'z':
			choice.config.codec = optarg;
			break;
		case 'f':
			choice.config.force = true;
			break;
		case 'J':
			choice.json = true;
			break;
		case 'I':
			choice.in_place = true;
			break;
		case 'U':
			choice.undo = true;
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
	wrong = what_is_wrong(&choice, argc - optind);
	if (wrong)
		return cli_usage_error("repair", "%s", wrong);
	choice.config.source = argv[optind];
	if (run(&choice, &report, &err) != ST_OK)
		return cli_fail(&err, choice.json);
	if (choice.json && cli_print_json(repair_report_json(&report)) != EXIT_CODE_OK)
		return EXIT_CODE_INTERNAL;
	if (!choice.json && choice.config.dest)
		print_report(&report, choice.config.dest);
	else if (!choice.json)
		print_in_place(&report, &choice);
	return repair_exit_code(&report);
}
