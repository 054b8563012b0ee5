// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "compare/compare.h"

static void print_help(void)
{
	puts("usage: innercore compare [-f] [--json] INNER OUTER\n"
	     "\n"
	     "Hold a guest's own dump (INNER) against its hypervisor's (OUTER), page by page, and audit what INNER left out.\n"
	     "\n"
	     "  -f, --force   compare although the dumps seem to be of different boots\n"
	     "      --json    the report as JSON\n"
	     "\n"
	     "Exit: 0 all explained and nothing lost; 1 something differs or is lost; 2 could not compare.");
}

/* Text from a dump must not steer the terminal. */
static void print_safe(const char *s, int width)
{
	int n = 0;

	for (; *s; s++, n++)
		putchar((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f ? '?' : *s);
	for (; n < width; n++)
		putchar(' ');
}

static void print_headers(const struct compare_report *r)
{
	for (size_t i = 0; i < r->nr_fields; i++) {
		const struct field_report *f = &r->fields[i];

		if (f->state == FIELD_SAME)
			continue;
		printf("  %-14s inner ", f->field);
		print_safe(f->inner[0] ? f->inner : "-", 0);
		printf("\n  %-14s outer ", "");
		print_safe(f->outer[0] ? f->outer : "-", 0);
		printf("\n  %-14s right: %s (", "", f->right);
		print_safe(f->why, 0);
		puts(")");
	}
}

static void print_ranges(const char *title, const struct range_list *list)
{
	if (!list->nr_pages)
		return;
	printf("%s:", title);
	for (size_t i = 0; i < list->nr && i < 12; i++)
		printf(" 0x%" PRIx64 "-0x%" PRIx64, list->at[i].start, list->at[i].end - 1);
	puts(list->nr > 12 || list->cut ? " ..." : "");
}

static void print_report(const struct compare_report *r)
{
	static const char *const verdicts[] = {
		[VERDICT_MATCH] = "MATCH: every difference is explained, no kernel page is lost",
		[VERDICT_DIFFERS] = "DIFFERS",
		[VERDICT_INCOMPARABLE] = "INCOMPARABLE",
	};

	printf("%s\n", verdicts[r->verdict]);
	if (r->verdict == VERDICT_INCOMPARABLE) {
		print_safe(r->why_incomparable, 0);
		puts("");
		return;
	}
	printf("\npages   %" PRIu64 " in both: %" PRIu64 " equal, %" PRIu64 " differ explained, %" PRIu64
	       " differ UNEXPLAINED\n        %" PRIu64 " only in inner, %" PRIu64 " only in outer, %" PRIu64
	       " of these unexplained\n",
	       r->common, r->equal, r->differ_explained, r->differ_unexplained, r->inner_only, r->outer_only,
	       r->only_unexplained);
	printf("causes ");
	for (int c = 0; c < CAUSE_COUNT; c++)
		if (r->causes[c])
			printf(" %s %" PRIu64, cause_name((enum cause)c), r->causes[c]);
	printf("\naudit   %" PRIu64 " pages left out:", r->dropped);
	for (int c = 0; r->audited && c < AUDIT_COUNT; c++)
		if (r->audit[c])
			printf(" %s %" PRIu64, audit_class_name((enum audit_class)c), r->audit[c]);
	if (!r->audited) {
		printf(" not audited: ");
		print_safe(r->why_not_audited, 0);
	}
	for (int k = 0; k < LOST_COUNT; k++)
		if (r->lost_by_kind[k])
			printf("%s%s %" PRIu64, k ? ", " : "\nlost    ", lost_kind_name((enum lost_kind)k), r->lost_by_kind[k]);
	for (int c = 0; c < AUDIT_COUNT; c++)
		if (r->kept_droppable[c])
			printf("\nkept    %" PRIu64 " %s pages that the dump level asked to leave out", r->kept_droppable[c],
			       audit_class_name((enum audit_class)c));
	puts("\n");
	print_ranges("lost PFN", &r->lost);
	print_ranges("unexplained PFN", &r->unexplained);
	puts("headers that differ");
	print_headers(r);
}

int cmd_compare(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct compare_report report; /* large: lists of ranges */
	struct compare_config config = { 0 };
	struct err err = { 0 };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":fh", longopts, NULL)) != -1) {
		switch (c) {
		case 'f':
			config.force = true;
			break;
		case 'J':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_CODE_OK;
		default:
			return cli_usage_error("compare", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc - optind != 2)
		return cli_usage_error("compare", "name an INNER and an OUTER dump");
	config.inner = argv[optind];
	config.outer = argv[optind + 1];
	if (compare_run(&config, &report, &err) != ST_OK)
		return cli_fail(&err);
	if (json && cli_print_json(compare_report_json(&report)) != EXIT_CODE_OK)
		return EXIT_CODE_INTERNAL;
	if (!json)
		print_report(&report);
	return compare_exit_code(&report);
}
