// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/findings.h"

#include <stdarg.h>
#include <string.h>

#include "common/units.h"

const char *findings_printable(const char *s, char *to, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = c >= 0x20 && c < 0x7f;

		if (at + (plain ? 1 : 4) >= len)
			break;
		if (plain) {
			to[at++] = (char)c;
			continue;
		}
		to[at++] = '\\';
		to[at++] = 'x';
		to[at++] = digits[c >> 4];
		to[at++] = digits[c & 15];
	}
	to[at] = '\0';
	return to;
}

static struct verify_finding *find(struct verify_report *r, enum rule rule)
{
	return r->by_rule[rule] ? &r->findings[r->by_rule[rule] - 1] : NULL;
}

const struct verify_finding *findings_find(const struct verify_report *r, enum rule rule)
{
	return find((struct verify_report *)r, rule);
}

static void add_place(struct verify_finding *f, struct verify_place place)
{
	struct verify_place *last = f->nr_places ? &f->places[f->nr_places - 1] : NULL;

	f->count += max_u64(1, place.end - place.start);
	if (place.kind == PLACE_NONE)
		return;
	if (last && last->kind == place.kind && last->end == place.start && place.end > place.start)
		last->end = place.end;
	else if (f->nr_places < VERIFY_MAX_PLACES)
		f->places[f->nr_places++] = place;
}

static void add(struct verify_report *r, enum rule rule, unsigned breaks, struct verify_place place, const char *fmt,
		va_list ap)
{
	const struct rule_info *info = rule_info(rule);
	struct verify_finding *f = find(r, rule);
	char text[VERIFY_TEXT_MAX];

	if (!f) {
		f = &r->findings[r->nr_findings++];
		r->by_rule[rule] = (uint8_t)r->nr_findings;
		*f = (struct verify_finding){
			.id = info->id,
			.severity = info->severity,
			.repairable = info->repairable,
		};
		vsnprintf(text, sizeof(text), fmt, ap);
		findings_printable(text, f->text, sizeof(f->text));
		r->nr[f->severity]++;
	}
	f->breaks |= breaks;
	add_place(f, place);
}

_Static_assert(RULE_COUNT <= VERIFY_MAX_FINDINGS, "a report has room for one finding of each rule");

void findings_add(struct verify_report *r, enum rule rule, struct verify_place place, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, rule, rule_info(rule)->breaks, place, fmt, ap);
	va_end(ap);
}

void findings_add_for(struct verify_report *r, enum rule rule, unsigned breaks, struct verify_place place,
		      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, rule, breaks, place, fmt, ap);
	va_end(ap);
}
