// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <string.h>

#include "compare/html.h"
#include "compare/summary.h"
#include "compare/text.h"

#define MAX_RANGES_SHOWN 60u

static const char *header_class(const struct compare_report *r)
{
	return r->verdict == VERDICT_MATCH ? "match" : r->verdict == VERDICT_DIFFERS ? "differs" : "incomparable";
}

static void write_head(const struct compare_report *r, FILE *to)
{
	fprintf(to,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" "
		"content=\"light\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
		"script-src 'unsafe-inline'\">\n<meta name=\"generator\" content=\"innercore %s\">\n<title>innercore "
		"compare: %s</title>\n"
		"<style>\n%.*s</style>\n</head>\n<body>\n<main>\n",
		INNERCORE_VERSION, summary_verdict(r), (int)(html_style_end - html_style), html_style);
}

static void write_verdict(const struct compare_report *r, FILE *to)
{
	char sentence[640];

	fprintf(to, "<header class=\"%s\">\n<div class=\"tool\">innercore compare %s</div>\n<h1>%s</h1>\n<p>",
		header_class(r), INNERCORE_VERSION, summary_verdict(r));
	text_html(to, summary_sentence(r, sentence, sizeof(sentence)));
	fputs("</p>\n</header>\n", to);
}

static void write_side(const char *name, const struct side_report *side, FILE *to)
{
	char text[160];

	fprintf(to, "<dt>%s</dt><dd><code>", name);
	text_html(to, side->path);
	fprintf(to, "</code> <span class=\"dim\">%s</span></dd>\n", summary_side(side, text, sizeof(text)));
}

static void write_dumps(const struct compare_report *r, FILE *to)
{
	char text[64];

	fputs("<dl class=\"dumps\">\n", to);
	write_side("inner dump", &r->inner, to);
	write_side("outer dump", &r->outer, to);
	if (r->release[0]) {
		fputs("<dt>kernel</dt><dd>", to);
		text_html(to, r->release);
		fputs("</dd>\n", to);
	}
	if (r->crash_time_seconds)
		fprintf(to, "<dt>crashed</dt><dd>%s</dd>\n", text_utc(r->crash_time_seconds, text));
	if (r->verdict != VERDICT_INCOMPARABLE && r->why_incomparable[0]) {
		fputs("<dt>compared by force, although</dt><dd>", to);
		text_html(to, r->why_incomparable);
		fputs("</dd>\n", to);
	}
	fputs("</dl>\n", to);
}

static void write_figure(uint64_t pages, const char *label, bool bad, FILE *to)
{
	char n[32];

	fprintf(to, "<div%s><b>%s</b><span>%s</span></div>\n", bad ? " class=\"bad\"" : "", text_grouped(pages, n),
		label);
}

static void write_figures(const struct compare_report *r, FILE *to)
{
	bool unaudited = r->dropped && !r->audited;

	fputs("<div class=\"figures\">\n", to);
	write_figure(r->audit[AUDIT_LOST], "kernel pages lost", r->audit[AUDIT_LOST], to);
	write_figure(summary_unexplained(r), "pages unexplained", summary_unexplained(r), to);
	write_figure(r->equal, "equal in both", false, to);
	if (r->differ_explained)
		write_figure(r->differ_explained, "differ, explained", false, to);
	write_figure(r->dropped, unaudited ? "left out, not audited" : "left out by the filter", unaudited, to);
	write_figure(summary_outer_only(r), "otherwise only in outer", false, to);
	if (r->inner_only)
		write_figure(r->inner_only, "only in inner", false, to);
	fputs("</div>\n", to);
}

static void write_items(const char *title, const struct summary_item *items, size_t nr, const char *none, FILE *to)
{
	char n[32];

	fprintf(to, "<h3>%s</h3>\n", title);
	if (!nr) {
		fprintf(to, "<p class=\"note\">%s</p>\n", none);
		return;
	}
	fputs("<table class=\"narrow\">\n", to);
	for (size_t i = 0; i < nr; i++)
		fprintf(to, "<tr%s><td>%s</td><td class=\"n\">%s</td></tr>\n", items[i].bad ? " class=\"bad\"" : "",
			items[i].label, text_grouped(items[i].pages, n));
	fputs("</table>\n", to);
}

static void write_audit(const struct compare_report *r, FILE *to)
{
	struct summary_item items[SUMMARY_MAX_ITEMS];
	size_t nr;

	fputs("<section>\n<h2>Filter audit</h2>\n<p class=\"note\">What the pages are that the inner dump left out, by "
	      "the memory "
	      "map that the outer dump holds. Kernel pages may never be left out.</p>\n",
	      to);
	if (!r->audited) {
		fputs("<p class=\"note\">Not possible: ", to);
		text_html(to, r->why_not_audited);
		fputs("</p>\n</section>\n", to);
		return;
	}
	write_items("Left out", items, summary_audit(r, items), "The inner dump left nothing out.", to);
	if (r->audit[AUDIT_LOST])
		write_items("Lost, by kind", items, summary_lost(r, items), "", to);
	nr = summary_beyond_level(r, items);
	if (nr)
		write_items("Left out although the dump level does not ask for it", items, nr, "", to);
	nr = summary_kept(r, items);
	if (nr)
		write_items("Kept although the dump level asks to leave it out", items, nr, "", to);
	fputs("</section>\n", to);
}

static void write_pfn(uint64_t pfn, FILE *to)
{
	fprintf(to, "<a class=\"pfn\" href=\"#map\" data-pfn=\"%" PRIu64 "\">0x%" PRIx64 "</a>", pfn, pfn);
}

static void write_ranges(const char *title, const struct range_list *list, const uint8_t *kinds, FILE *to)
{
	char n[32], text[160];
	size_t shown = list->nr < MAX_RANGES_SHOWN ? list->nr : MAX_RANGES_SHOWN;

	if (!list->nr_pages)
		return;
	fprintf(to, "<h3>%s: %s %s</h3>\n<ul class=\"ranges m\">\n", title, text_grouped(list->nr_pages, n),
		list->nr_pages == 1 ? "page" : "pages");
	for (size_t i = 0; i < list->nr; i++) {
		const struct range *at = &list->at[i];

		if (i == shown)
			fprintf(to, "</ul>\n<details><summary>%zu more ranges</summary>\n<ul class=\"ranges m\">\n",
				list->nr - shown);
		fputs("<li>", to);
		write_pfn(at->start, to);
		if (at->end - at->start > 1)
			fprintf(to, " to 0x%" PRIx64 " (%s)", at->end - 1, text_grouped(at->end - at->start, n));
		if (kinds)
			fprintf(to, " <span class=\"dim\">%s</span>", summary_kinds(kinds[i], text, sizeof(text)));
		fputs("</li>\n", to);
	}
	fputs(list->nr > shown ? "</ul>\n</details>\n" : "</ul>\n", to);
	if (list->cut)
		fprintf(to, "<p class=\"note\">The list ends after %u ranges; the count above is complete.</p>\n",
			COMPARE_MAX_RANGES);
}

static const char *zero_side(const struct page_difference *d)
{
	return d->inner_zero && d->outer_zero ? "both" : d->inner_zero ? "inner" : d->outer_zero ? "outer" : "";
}

static void write_differences(const struct difference_list *list, uint32_t page_size, FILE *to)
{
	for (size_t i = 0; i < list->nr; i++) {
		const struct page_difference *d = &list->at[i];

		fprintf(to, "<tr%s><td class=\"m\">", d->cause == CAUSE_NONE ? " class=\"bad\"" : "");
		write_pfn(d->pfn, to);
		fprintf(to,
			"</td><td class=\"m\">0x%" PRIx64
			"</td><td class=\"n\">%u</td><td class=\"m\">0x%x to 0x%x</td><td>%s</td>"
			"<td>%s</td></tr>\n",
			d->pfn * page_size, d->nr_bytes, d->first_off, d->last_off, zero_side(d),
			cause_label(d->cause));
	}
}

static void write_findings(const struct compare_report *r, FILE *to)
{
	uint64_t differ = r->differ_explained + r->differ_unexplained;
	size_t shown = r->differ_unexplained_at.nr + r->differ_explained_at.nr;
	char n[32];

	if (!r->lost.nr_pages && !r->unexplained.nr_pages && !differ)
		return;
	fputs("<section>\n<h2>Pages to look at</h2>\n<p class=\"note\">Page frame numbers, first to last. A click "
	      "shows the place in "
	      "the picture.</p>\n",
	      to);
	write_ranges("Lost", &r->lost, r->lost_kinds, to);
	write_ranges("Unexplained", &r->unexplained, NULL, to);
	if (differ) {
		fprintf(to,
			"<h3>Bytes that differ: %s %s</h3>\n<table "
			"class=\"differences\">\n<tr><th>PFN</th><th>physical address</th>"
			"<th class=\"n\">bytes</th><th>first to last offset</th><th>all zero "
			"in</th><th>cause</th></tr>\n",
			text_grouped(differ, n), differ == 1 ? "page" : "pages");
		write_differences(&r->differ_unexplained_at, r->page_size, to);
		write_differences(&r->differ_explained_at, r->page_size, to);
		fputs("</table>\n", to);
		if (shown < differ)
			fprintf(to, "<p class=\"note\">The first %zu of them.</p>\n", shown);
	}
	fputs("</section>\n", to);
}

static void write_causes(const struct compare_report *r, FILE *to)
{
	struct summary_item items[SUMMARY_MAX_ITEMS];

	fputs("<section>\n<h2>Causes</h2>\n<p class=\"note\">Why pages differ, or are in one dump only. The causes "
	      "come from the "
	      "guest's own resource tree.</p>\n",
	      to);
	write_items("Pages by cause", items, summary_causes(r, items), "Every page is in both dumps, and equal.", to);
	if (r->inner_unreadable || r->outer_unreadable)
		fprintf(to,
			"<p class=\"note\">Pages that a dump should hold and cannot give: inner %" PRIu64
			", outer %" PRIu64 ".</p>\n",
			r->inner_unreadable, r->outer_unreadable);
	fputs("</section>\n", to);
}

static void write_value(const char *s, FILE *to)
{
	if (!s[0]) {
		fputs("<td class=\"dim\">(absent)</td>", to);
		return;
	}
	fputs("<td class=\"m\">", to);
	text_html(to, s);
	fputs("</td>", to);
}

static void write_headers(const struct compare_report *r, FILE *to)
{
	if (!r->nr_fields)
		return;
	fputs("<section>\n<h2>Headers</h2>\n<table "
	      "class=\"fields\">\n<tr><th>field</th><th>inner</th><th>outer</th><th></th><th>right</th>"
	      "<th>evidence</th></tr>\n",
	      to);
	for (size_t i = 0; i < r->nr_fields; i++) {
		const struct field_report *f = &r->fields[i];
		const char *state = summary_field_state(f->state);

		fprintf(to, "<tr%s><td>%s</td>", summary_is_wrong(f) ? " class=\"off\"" : "", f->field);
		write_value(f->inner, to);
		write_value(f->outer, to);
		fprintf(to, "<td class=\"state %s\">%s</td><td class=\"right\">%s</td><td class=\"why\">", state, state,
			f->right);
		text_html(to, f->why);
		fputs("</td></tr>\n", to);
	}
	fputs("</table>\n</section>\n", to);
}

static void write_foot(const struct compare_report *r, FILE *to)
{
	fprintf(to,
		"<footer>The inner dump was taken within the guest, the outer one by its hypervisor, of the same "
		"frozen memory. "
		"Written by innercore %s; compared in %.1f s. This page needs nothing but itself.</footer>\n</main>\n",
		INNERCORE_VERSION, r->seconds);
	if (r->picture)
		fprintf(to, "<script>\n%.*s</script>\n", (int)(html_script_end - html_script), html_script);
	fputs("</body>\n</html>\n", to);
}

void compare_report_html(const struct compare_report *r, FILE *to)
{
	write_head(r, to);
	write_verdict(r, to);
	write_dumps(r, to);
	if (r->verdict != VERDICT_INCOMPARABLE) {
		write_figures(r, to);
		if (r->picture)
			html_picture(r, to);
		write_findings(r, to);
		fputs("<div class=\"two\">\n", to);
		write_audit(r, to);
		write_causes(r, to);
		fputs("</div>\n", to);
	}
	write_headers(r, to);
	write_foot(r, to);
}
