// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "verify/findings.h"
#include "verify/set.h"

#define PLACES_SHOWN 4u

static const enum verify_reader readers[VERIFY_NR_READERS] = { READER_CRASH, READER_DRGN, READER_LIBKDUMPFILE,
							       READER_MAKEDUMPFILE };

/* "1,234,567" */
static const char *grouped(uint64_t n, char buf[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

/* "crash, drgn and makedumpfile" */
static void print_readers(unsigned set, FILE *to)
{
	unsigned left = (unsigned)__builtin_popcount(set);

	for (size_t i = 0; i < VERIFY_NR_READERS; i++) {
		if (!(set & readers[i]))
			continue;
		fputs(verify_reader_name(readers[i]), to);
		left--;
		if (left)
			fputs(left == 1 ? " and " : ", ", to);
	}
}

static const char *place_word(enum verify_place_kind kind)
{
	switch (kind) {
	case PLACE_PFN:
		return "PFN";
	case PLACE_OFFSET:
		return "offset";
	case PLACE_LOAD:
		return "program header";
	case PLACE_NOTE:
		return "note";
	case PLACE_NONE:
		break;
	}
	return "";
}

static const char *count_word(enum verify_place_kind kind)
{
	switch (kind) {
	case PLACE_PFN:
		return "pages";
	case PLACE_LOAD:
		return "program headers";
	case PLACE_NOTE:
		return "notes";
	case PLACE_OFFSET:
	case PLACE_NONE:
		break;
	}
	return "times";
}

static void print_place(const struct verify_place *p, FILE *to)
{
	bool hex = p->kind == PLACE_PFN;

	fprintf(to, hex ? "0x%" PRIx64 : "%" PRIu64, p->start);
	if (p->end > p->start + 1)
		fprintf(to, hex ? "-0x%" PRIx64 : "-%" PRIu64, p->end - 1);
}

/* " (2,345 pages: PFN 0x10-0x1f, 0x40, ...)" */
static void print_places(const struct verify_finding *f, FILE *to)
{
	enum verify_place_kind kind = f->nr_places ? f->places[0].kind : PLACE_NONE;
	unsigned shown = f->nr_places < PLACES_SHOWN ? f->nr_places : PLACES_SHOWN;
	uint64_t told = 0;
	char n[32];

	if (!shown && f->count == 1)
		return;
	fputs(" (", to);
	if (f->count > 1)
		fprintf(to, "%s %s%s", grouped(f->count, n), count_word(kind), shown ? ": " : "");
	if (shown)
		fprintf(to, "%s ", place_word(kind));
	for (unsigned i = 0; i < shown; i++) {
		if (i)
			fputs(", ", to);
		print_place(&f->places[i], to);
		told += f->places[i].end > f->places[i].start ? f->places[i].end - f->places[i].start : 1;
	}
	fputs(told < f->count && shown ? ", ...)" : ")", to);
}

/* @file: of several; NULL: there is one, or it is about all of them. */
static void print_finding(const struct verify_finding *f, const char *file, FILE *to)
{
	char name[512];

	fprintf(to, "%-8s %-21s ", verify_severity_name(f->severity), f->id);
	if (file)
		fprintf(to, "%s: ", findings_printable(file, name, sizeof(name)));
	fputs(f->text, to);
	print_places(f, to);
	if (f->breaks == READERS_ALL) {
		fputs(" [breaks every reader]", to);
	} else if (f->breaks) {
		fputs(" [breaks ", to);
		print_readers(f->breaks, to);
		putc(']', to);
	}
	putc('\n', to);
}

static void print_pages(const struct verify_report *r, FILE *to)
{
	char n[32], m[32];

	if (!r->pages_read) {
		fputs("its pages could not be looked at", to);
	} else if (r->pages_good == r->pages) {
		fprintf(to, "%s pages, all of them %s", grouped(r->pages, n), r->is_elf ? "readable" : "decode");
	} else {
		fprintf(to, "%s of %s pages are lost", grouped(r->pages - r->pages_good, n), grouped(r->pages, m));
	}
}

static unsigned broken_readers(const struct verify_report *r, enum verify_severity least)
{
	unsigned set = 0;

	for (unsigned i = 0; i < r->nr_findings; i++)
		if (r->findings[i].severity >= least)
			set |= r->findings[i].breaks;
	return set;
}

static bool repair_helps(const struct verify_report *r)
{
	bool any = false;

	for (unsigned i = 0; i < r->nr_findings; i++) {
		if (r->findings[i].severity < VERIFY_ERROR)
			continue;
		if (!r->findings[i].repairable)
			return false;
		any = true;
	}
	return any;
}

static void print_number(unsigned n, const char *what, FILE *to)
{
	fprintf(to, "%u %s%s", n, what, n == 1 ? "" : "s");
}

/* The line for people. */
static void print_verdict(const struct verify_report *r, FILE *to)
{
	unsigned broken = broken_readers(r, VERIFY_ERROR);

	if (!r->nr[VERIFY_ERROR]) {
		fputs(r->nr[VERIFY_WARNING] ? "good, with " : "good: ", to);
		if (r->nr[VERIFY_WARNING]) {
			print_number(r->nr[VERIFY_WARNING], "warning", to);
			fputs(": ", to);
		}
		print_pages(r, to);
		fputs(r->kernel_proved ? "; the kernel's page tables prove phys_base; every reader should open it\n"
				       : "; every reader should open it\n",
		      to);
		return;
	}
	fputs("faulty, ", to);
	print_number(r->nr[VERIFY_ERROR], "error", to);
	if (r->nr[VERIFY_WARNING]) {
		fputs(" and ", to);
		print_number(r->nr[VERIFY_WARNING], "warning", to);
	}
	fputs(": ", to);
	print_pages(r, to);
	if (broken == READERS_ALL) {
		fputs("; every reader stumbles", to);
	} else if (broken) {
		fputs("; ", to);
		print_readers(broken, to);
		fputs(__builtin_popcount(broken) == 1 ? " stumbles, " : " stumble, ", to);
		print_readers(READERS_ALL & ~broken, to);
		fputs(__builtin_popcount(READERS_ALL & ~broken) == 1 ? " takes it" : " take it", to);
	}
	fputs(repair_helps(r) ? "; innercore repair mends it\n" : "\n", to);
}

static void print_findings(const struct verify_report *r, enum verify_severity severity, const char *file, FILE *to)
{
	for (unsigned i = 0; i < r->nr_findings; i++)
		if (r->findings[i].severity == severity)
			print_finding(&r->findings[i], file, to);
}

void verify_report_text(const struct verify_report *r, const char *path, FILE *to)
{
	char name[512];

	fprintf(to, "%s: %s\n", findings_printable(path, name, sizeof(name)), r->format);
	for (int severity = VERIFY_ERROR; severity >= VERIFY_NOTE; severity--)
		print_findings(r, (enum verify_severity)severity, NULL, to);
	print_verdict(r, to);
}

/* All findings of the set in one report, those of a kind as one; counted as often as they are listed. NULL: no memory. */
static struct verify_report *merged(const struct verify_set *set)
{
	struct verify_report *all = malloc(sizeof(*all));

	if (!all)
		return NULL;
	*all = set->whole;
	for (size_t i = 0; i < set->nr_files; i++) {
		const struct verify_report *r = &set->files[i].report;

		for (unsigned rule = 0; rule < RULE_COUNT; rule++) {
			const struct verify_finding *f = findings_find(r, (enum rule)rule);

			if (!f)
				continue;
			all->nr[f->severity]++;
			if (!all->by_rule[rule]) {
				all->findings[all->nr_findings++] = *f;
				all->by_rule[rule] = (uint8_t)all->nr_findings;
			}
			all->findings[all->by_rule[rule] - 1].breaks |= f->breaks;
		}
	}
	return all;
}

void verify_set_text(const struct verify_set *set, const char *path, FILE *to)
{
	struct verify_report *all = merged(set);
	char name[512];

	fprintf(to, "%s: a split dump of %zu files: %s\n", findings_printable(path, name, sizeof(name)), set->nr_files,
		set->whole.format);
	for (int severity = VERIFY_ERROR; severity >= VERIFY_NOTE; severity--) {
		print_findings(&set->whole, (enum verify_severity)severity, NULL, to);
		for (size_t i = 0; i < set->nr_files; i++)
			print_findings(&set->files[i].report, (enum verify_severity)severity, set->files[i].path, to);
	}
	if (all)
		print_verdict(all, to);
	free(all);
}

static json_t *readers_json(unsigned set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < VERIFY_NR_READERS; i++)
		if (set & readers[i])
			json_array_append_new(list, json_string(verify_reader_name(readers[i])));
	return list;
}

/* JSON's integers are signed; what a hostile file claims beyond is cut. */
static json_int_t number(uint64_t n)
{
	return (json_int_t)min_u64(n, INT64_MAX);
}

static json_t *place_json(const struct verify_place *p)
{
	switch (p->kind) {
	case PLACE_PFN:
		return json_pack("{s:[I, I]}", "pfns", number(p->start), number(p->end));
	case PLACE_OFFSET:
		return json_pack("{s:I}", "offset", number(p->start));
	case PLACE_LOAD:
		return json_pack("{s:[I, I]}", "program_headers", number(p->start), number(p->end));
	case PLACE_NOTE:
		return json_pack("{s:[I, I]}", "notes", number(p->start), number(p->end));
	case PLACE_NONE:
		break;
	}
	return json_null();
}

static json_t *finding_json(const struct verify_finding *f)
{
	json_t *places = json_array();

	for (unsigned i = 0; i < f->nr_places; i++)
		json_array_append_new(places, place_json(&f->places[i]));
	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:b}", "id", f->id, "severity",
			 verify_severity_name(f->severity), "text", f->text, "count", number(f->count), "places",
			 places, "breaks", readers_json(f->breaks), "repairable", f->repairable);
}

static void list_findings(json_t *list, const struct verify_report *r, enum verify_severity severity, const char *file)
{
	for (unsigned i = 0; i < r->nr_findings; i++) {
		json_t *json;

		if (r->findings[i].severity != severity)
			continue;
		json = finding_json(&r->findings[i]);
		if (file)
			json_object_set_new(json, "file", json_string(file));
		json_array_append_new(list, json);
	}
}

/* Takes @findings over. */
static json_t *report_json(const struct verify_report *r, json_t *findings)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:b, s:i, s:i, s:i, s:{s:b, s:I, s:I}, s:o, s:o}", "verdict",
			 r->nr[VERIFY_ERROR] ? "faulty" : "good", "format", r->is_elf ? "elf" : "kdump", "flattened",
			 r->is_flattened, "description", r->format, "phys_base_proved", r->kernel_proved, "errors",
			 (int)r->nr[VERIFY_ERROR], "warnings", (int)r->nr[VERIFY_WARNING], "notes",
			 (int)r->nr[VERIFY_NOTE], "pages", "looked_at", r->pages_read, "stored", number(r->pages),
			 "good", number(r->pages_good), "breaks", readers_json(broken_readers(r, VERIFY_ERROR)),
			 "findings", findings);
}

json_t *verify_report_json(const struct verify_report *r)
{
	json_t *findings = json_array();

	for (int severity = VERIFY_ERROR; severity >= VERIFY_NOTE; severity--)
		list_findings(findings, r, (enum verify_severity)severity, NULL);
	return report_json(r, findings);
}

static json_t *file_json(const struct verify_file *f, const char *name)
{
	json_t *pfns = f->is_part ? json_pack("[I, I]", number(f->start_pfn), number(f->end_pfn)) : json_null();

	return json_pack("{s:s, s:s, s:s, s:o}", "file", name, "verdict", f->report.nr[VERIFY_ERROR] ? "faulty" : "good",
			 "description", f->report.format, "pfns", pfns);
}

json_t *verify_set_json(const struct verify_set *set)
{
	struct verify_report *all = merged(set);
	json_t *findings = json_array(), *files = json_array(), *json = NULL;
	char name[512];

	for (int severity = VERIFY_ERROR; severity >= VERIFY_NOTE; severity--) {
		list_findings(findings, &set->whole, (enum verify_severity)severity, NULL);
		for (size_t i = 0; i < set->nr_files; i++)
			list_findings(findings, &set->files[i].report, (enum verify_severity)severity,
				      findings_printable(set->files[i].path, name, sizeof(name)));
	}
	for (size_t i = 0; i < set->nr_files; i++) {
		findings_printable(set->files[i].path, name, sizeof(name));
		json_array_append_new(files, file_json(&set->files[i], name));
	}
	if (all)
		json = report_json(all, findings);
	else
		json_decref(findings);
	free(all);
	if (json_object_set_new(json, "files", files) == 0)
		return json;
	json_decref(json);
	return NULL;
}
