// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/text.h"

const char *summary_verdict(const struct compare_report *r)
{
	static const char *const verdicts[] = {
		[VERDICT_MATCH] = "MATCH",
		[VERDICT_DIFFERS] = "DIFFERS",
		[VERDICT_INCOMPARABLE] = "INCOMPARABLE",
	};

	return verdicts[r->verdict];
}

static const char *pages(uint64_t n)
{
	return n == 1 ? "page" : "pages";
}

static void describe_trouble(const struct compare_report *r, char *buf, size_t len)
{
	uint64_t lost = r->audit[AUDIT_LOST], unexplained = summary_unexplained(r);
	char a[32], b[32], lost_text[120] = "", unexplained_text[120] = "";

	if (lost)
		snprintf(lost_text, sizeof(lost_text), "%s kernel %s lost from the inner dump%s", text_grouped(lost, a),
			 pages(lost), unexplained ? "; " : "");
	if (unexplained)
		snprintf(unexplained_text, sizeof(unexplained_text), "%s %s without any explanation",
			 text_grouped(unexplained, b),
			 unexplained == 1 ? "page differs or is missing" : "pages differ or are missing");
	if (lost || unexplained)
		snprintf(buf, len, "%s%s.", lost_text, unexplained_text);
	else
		snprintf(buf, len, "%s %s left out of the inner dump, and nothing tells whether rightly.",
			 text_grouped(r->dropped, a), pages(r->dropped));
}

const char *summary_sentence(const struct compare_report *r, char *buf, size_t len)
{
	char a[32], b[32];

	switch (r->verdict) {
	case VERDICT_INCOMPARABLE:
		return text_safe(r->why_incomparable, buf, len);
	case VERDICT_DIFFERS:
		describe_trouble(r, buf, len);
		return buf;
	case VERDICT_MATCH:
		break;
	}
	if (r->differ_explained)
		snprintf(buf, len, "%s of %s common %s are equal, the others are explained; nothing is lost.",
			 text_grouped(r->equal, a), text_grouped(r->common, b), pages(r->common));
	else
		snprintf(buf, len, "All %s common %s are equal, every other page is explained, nothing is lost.",
			 text_grouped(r->common, a), pages(r->common));
	return buf;
}

static int by_pages(const void *a, const void *b)
{
	const struct summary_item *x = a, *y = b;

	if (x->bad != y->bad)
		return y->bad - x->bad;
	return (x->pages < y->pages) - (x->pages > y->pages);
}

static size_t sorted(struct summary_item *items, size_t nr)
{
	qsort(items, nr, sizeof(*items), by_pages);
	return nr;
}

size_t summary_causes(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS])
{
	size_t nr = 0;

	_Static_assert(CAUSE_COUNT <= SUMMARY_MAX_ITEMS, "a report has room for every cause");
	for (unsigned c = 0; c < CAUSE_COUNT; c++)
		if (r->causes[c])
			items[nr++] = (struct summary_item){ cause_label(c), r->causes[c], c == CAUSE_NONE };
	return sorted(items, nr);
}

static size_t of_classes(const uint64_t counts[AUDIT_COUNT], struct summary_item items[SUMMARY_MAX_ITEMS])
{
	size_t nr = 0;

	_Static_assert(AUDIT_COUNT <= SUMMARY_MAX_ITEMS, "a report has room for every class");
	for (unsigned c = 0; c < AUDIT_COUNT; c++)
		if (counts[c])
			items[nr++] = (struct summary_item){ audit_class_label(c), counts[c], c == AUDIT_LOST };
	return sorted(items, nr);
}

size_t summary_audit(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS])
{
	return of_classes(r->audit, items);
}

size_t summary_kept(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS])
{
	return of_classes(r->kept_droppable, items);
}

size_t summary_beyond_level(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS])
{
	return of_classes(r->dropped_beyond_level, items);
}

size_t summary_lost(const struct compare_report *r, struct summary_item items[SUMMARY_MAX_ITEMS])
{
	size_t nr = 0;

	_Static_assert(LOST_COUNT <= 8, "a byte has a bit for every kind");
	for (unsigned k = 0; k < LOST_COUNT; k++)
		if (r->lost_by_kind[k])
			items[nr++] = (struct summary_item){ lost_kind_label(k), r->lost_by_kind[k], true };
	return sorted(items, nr);
}

const char *summary_side(const struct side_report *side, char *buf, size_t len)
{
	char level[32] = "";

	if (side->level_known)
		snprintf(level, sizeof(level), ", dump level %u", side->level);
	snprintf(buf, len, "%s%s%s", side->format, level,
		 side->vmcoreinfo_borrowed ? ", no VMCOREINFO (read by the other's)" : "");
	return buf;
}

const char *summary_kinds(uint8_t mask, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned k = 0; k < LOST_COUNT; k++)
		if (mask & 1u << k && used < len)
			used += (size_t)snprintf(buf + used, len - used, "%s%s", used ? ", " : "", lost_kind_label(k));
	return buf;
}

bool summary_is_wrong(const struct field_report *f)
{
	return f->state == FIELD_DIFFERS && strcmp(f->right, "both") != 0 && strncmp(f->field, "cpu", 3) != 0;
}

const char *summary_field_state(enum field_state s)
{
	static const char *const states[] = {
		[FIELD_SAME] = "same",
		[FIELD_DIFFERS] = "differs",
		[FIELD_ABSENT] = "absent",
	};

	return states[s];
}
