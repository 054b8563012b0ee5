// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <string.h>

#include "compare/summary.h"
#include "compare/text.h"

#define MAX_RANGES_SHOWN 12u
#define MAX_DIFFERENCES_SHOWN 8u
#define LINE_WIDTH 110
#define COUNT_WIDTH 31
#define FIELD_WIDTH 13

static void print_side(const char *name, const struct side_report *side, FILE *to)
{
	char path[512], text[160];

	fprintf(to, "  %-8s%s: %s\n", name, text_safe(side->path, path, sizeof(path)),
		summary_side(side, text, sizeof(text)));
}

static void print_dumps(const struct compare_report *r, FILE *to)
{
	char text[160], time[64];

	print_side("inner", &r->inner, to);
	print_side("outer", &r->outer, to);
	if (r->release[0])
		fprintf(to, "  %-8s%s", "kernel", text_safe(r->release, text, sizeof(text)));
	if (r->release[0] && r->crash_time_seconds)
		fprintf(to, ", crashed %s", text_utc(r->crash_time_seconds, time));
	if (r->release[0])
		putc('\n', to);
}

/* "  in both        25,657  all equal" */
static void print_count(const char *what, uint64_t pages, FILE *to)
{
	char n[32];

	fprintf(to, "  %-15s%14s", what, text_grouped(pages, n));
}

/* Behind a count, and under it where the line is full. */
static void print_items(const struct summary_item *items, size_t nr, FILE *to)
{
	size_t used = COUNT_WIDTH;

	for (size_t i = 0; i < nr; i++) {
		char n[32], item[128];
		size_t len = (size_t)snprintf(item, sizeof(item), "%s %s%s", items[i].label,
					      text_grouped(items[i].pages, n), i + 1 < nr ? "," : "");

		if (i && used + 1 + len > LINE_WIDTH) {
			fprintf(to, "\n%*s", COUNT_WIDTH, "");
			used = COUNT_WIDTH;
		}
		used += (size_t)fprintf(to, "%s%s", i && used > COUNT_WIDTH ? " " : "  ", item);
	}
	putc('\n', to);
}

static void print_common(const struct compare_report *r, FILE *to)
{
	char n[32];

	print_count("in both", r->common, to);
	if (r->equal == r->common) {
		fputs(r->common ? "  all equal\n" : "\n", to);
		return;
	}
	fprintf(to, "  equal %s", text_grouped(r->equal, n));
	if (r->differ_unexplained)
		fprintf(to, ", differ %s", text_grouped(r->differ_unexplained, n));
	if (r->differ_explained)
		fprintf(to, ", differ but explained %s", text_grouped(r->differ_explained, n));
	putc('\n', to);
}

/* The causes of pages that no filter took out. */
static void print_causes(const struct compare_report *r, FILE *to)
{
	struct summary_item items[SUMMARY_MAX_ITEMS];
	size_t nr = summary_causes(r, items), kept = 0;

	for (size_t i = 0; i < nr; i++)
		if (strcmp(items[i].label, cause_label(CAUSE_EXCLUDED)) != 0 && !items[i].bad)
			items[kept++] = items[i];
	print_count("only in outer", summary_outer_only(r), to);
	print_items(items, kept, to);
}

static void print_counts(const struct compare_report *r, FILE *to)
{
	struct summary_item items[SUMMARY_MAX_ITEMS];

	print_count("lost", r->audit[AUDIT_LOST], to);
	print_items(items, summary_lost(r, items), to);
	print_count("unexplained", summary_unexplained(r), to);
	putc('\n', to);
	print_common(r, to);
	print_count("left out", r->dropped, to);
	if (r->audited)
		print_items(items, summary_audit(r, items), to);
	else
		fputs(r->dropped ? "  NOT AUDITED\n" : "\n", to);
	print_causes(r, to);
	if (r->inner_only) {
		print_count("only in inner", r->inner_only, to);
		putc('\n', to);
	}
}

static void print_wrong(const struct compare_report *r, const char *name, const char *other, FILE *to)
{
	unsigned nr = 0;

	for (size_t i = 0; i < r->nr_fields; i++) {
		const struct field_report *f = &r->fields[i];

		if (!summary_is_wrong(f) || strcmp(f->right, other) != 0)
			continue;
		if (!nr++)
			fprintf(to, "  %s is wrong about ", name);
		else
			fputs(", ", to);
		fputs(f->field, to);
	}
	if (nr)
		putc('\n', to);
}

/* Whose header is wrong, and about what; that a format has no room for a field is nobody's fault. */
static void print_header_lines(const struct compare_report *r, FILE *to)
{
	print_wrong(r, "outer", "inner", to);
	print_wrong(r, "inner", "outer", to);
}

/* @kinds: of each range, or NULL */
static void print_ranges(const char *title, const struct range_list *list, const uint8_t *kinds, FILE *to)
{
	char n[32], text[160];

	if (!list->nr_pages)
		return;
	fprintf(to, "\n%s, PFN:\n", title);
	for (size_t i = 0; i < list->nr && i < MAX_RANGES_SHOWN; i++) {
		fprintf(to, "  0x%" PRIx64, list->at[i].start);
		if (list->at[i].end - list->at[i].start > 1)
			fprintf(to, "-0x%" PRIx64 " (%s)", list->at[i].end - 1,
				text_grouped(list->at[i].end - list->at[i].start, n));
		if (kinds)
			fprintf(to, "  %s", summary_kinds(kinds[i], text, sizeof(text)));
		putc('\n', to);
	}
	if (list->nr > MAX_RANGES_SHOWN || list->cut)
		fputs("  ... (--json and --html list more)\n", to);
}

static void print_difference(const struct page_difference *d, FILE *to)
{
	fprintf(to, "  0x%-10" PRIx64 " %5u %s, offsets 0x%x to 0x%x%s%s", d->pfn, d->nr_bytes,
		d->nr_bytes == 1 ? "byte" : "bytes", d->first_off, d->last_off,
		d->inner_zero ? ", all zero in inner" : "", d->outer_zero ? ", all zero in outer" : "");
	if (d->cause != CAUSE_NONE)
		fprintf(to, ": %s", cause_label(d->cause));
	putc('\n', to);
}

static void print_differences(const char *title, const struct difference_list *list, uint64_t all, FILE *to)
{
	if (!list->nr)
		return;
	fprintf(to, "\n%s:\n", title);
	for (size_t i = 0; i < list->nr && i < MAX_DIFFERENCES_SHOWN; i++)
		print_difference(&list->at[i], to);
	if (all > MAX_DIFFERENCES_SHOWN)
		fputs("  ... (--json and --html list more)\n", to);
}

static void print_notes(const struct compare_report *r, FILE *to)
{
	struct summary_item items[SUMMARY_MAX_ITEMS];
	size_t nr;
	char n[32], text[512];

	if (r->why_incomparable[0])
		fprintf(to, "\nCompared by force: %s\n", text_safe(r->why_incomparable, text, sizeof(text)));
	if (!r->audited)
		fprintf(to, "\nNo audit: %s\n", text_safe(r->why_not_audited, text, sizeof(text)));
	nr = summary_beyond_level(r, items);
	if (nr) {
		fputs("\nLeft out although the dump level does not ask for it:", to);
		print_items(items, nr, to);
	}
	nr = summary_kept(r, items);
	if (nr) {
		fputs("\nKept although the dump level asks to leave it out:", to);
		print_items(items, nr, to);
	}
	if (r->inner_unreadable)
		fprintf(to, "\nThe inner dump cannot give %s pages that it should hold.\n",
			text_grouped(r->inner_unreadable, n));
	if (r->outer_unreadable)
		fprintf(to, "\nThe outer dump cannot give %s pages that it should hold.\n",
			text_grouped(r->outer_unreadable, n));
}

static void print_value(const char *name, const char *value, FILE *to)
{
	char text[512];

	fprintf(to, "%s %s", name, value[0] ? text_safe(value, text, sizeof(text)) : "-");
}

static void print_header(const struct field_report *f, FILE *to)
{
	char why[512];

	fprintf(to, "  %-*s ", FIELD_WIDTH, f->field);
	if (f->state == FIELD_ABSENT) {
		print_value(f->inner[0] ? "only in inner:" : "only in outer:", f->inner[0] ? f->inner : f->outer, to);
		putc('\n', to);
		return;
	}
	print_value("inner", f->inner, to);
	fprintf(to, "\n  %-*s ", FIELD_WIDTH, "");
	print_value("outer", f->outer, to);
	fprintf(to, "\n  %-*s right: %s; %s\n", FIELD_WIDTH, "", f->right, text_safe(f->why, why, sizeof(why)));
}

static void print_headers(const struct compare_report *r, FILE *to)
{
	bool any = false;

	for (size_t i = 0; i < r->nr_fields; i++) {
		if (r->fields[i].state == FIELD_SAME)
			continue;
		if (!any)
			fputs("\nHeaders that are not the same in both:\n", to);
		any = true;
		print_header(&r->fields[i], to);
	}
}

void compare_report_text(const struct compare_report *r, FILE *to)
{
	char sentence[640];

	fprintf(to, "%s: %s\n\n", summary_verdict(r), summary_sentence(r, sentence, sizeof(sentence)));
	print_dumps(r, to);
	if (r->verdict == VERDICT_INCOMPARABLE)
		return;
	putc('\n', to);
	print_counts(r, to);
	print_header_lines(r, to);
	print_ranges("Lost", &r->lost, r->lost_kinds, to);
	print_ranges("Unexplained", &r->unexplained, NULL, to);
	print_differences("Differing bytes, unexplained", &r->differ_unexplained_at, r->differ_unexplained, to);
	print_differences("Differing bytes, explained", &r->differ_explained_at, r->differ_explained, to);
	print_notes(r, to);
	print_headers(r, to);
}
