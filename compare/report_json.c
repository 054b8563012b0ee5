// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>

#include "compare/compare.h"
#include "compare/summary.h"
#include "compare/text.h"

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Text of a guest may be anything; JSON takes UTF-8 only. */
static json_t *text(const char *s)
{
	char safe[1024];

	return json_string(text_safe(s, safe, sizeof(safe)));
}

static json_t *ranges_json(const struct range_list *list)
{
	json_t *a = json_array();

	for (size_t i = 0; i < list->nr; i++)
		json_array_append_new(a, json_pack("[o, o]", count(list->at[i].start), count(list->at[i].end)));
	return a;
}

static json_t *pages_json(const struct compare_report *r)
{
	json_t *causes = json_object();

	for (int c = CAUSE_NONE + 1; c < CAUSE_COUNT; c++)
		if (r->causes[c])
			json_object_set_new(causes, cause_name((enum cause)c), count(r->causes[c]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "common", count(r->common),
			 "equal", count(r->equal), "differ_explained", count(r->differ_explained), "differ_unexplained",
			 count(r->differ_unexplained), "inner_only", count(r->inner_only), "outer_only",
			 count(r->outer_only), "only_unexplained", count(r->only_unexplained), "neither",
			 count(r->neither), "inner_unreadable", count(r->inner_unreadable), "outer_unreadable",
			 count(r->outer_unreadable), "causes", causes, "unexplained_ranges",
			 ranges_json(&r->unexplained));
}

static json_t *classes_json(const uint64_t counts[AUDIT_COUNT])
{
	json_t *o = json_object();

	for (int c = 0; c < AUDIT_COUNT; c++)
		if (counts[c])
			json_object_set_new(o, audit_class_name((enum audit_class)c), count(counts[c]));
	return o;
}

static json_t *audit_json(const struct compare_report *r)
{
	json_t *o = json_pack("{s:b, s:o}", "done", r->audited, "dropped", count(r->dropped));
	json_t *kinds = json_object();

	for (int c = 0; c < AUDIT_COUNT; c++)
		json_object_set_new(o, audit_class_name((enum audit_class)c), count(r->audit[c]));
	/* "cache" is all of it, "cache_private" a part of that. */
	json_object_set_new(o, "cache", count(r->audit[AUDIT_CACHE] + r->audit[AUDIT_CACHE_PRIVATE]));
	for (int k = 0; k < LOST_COUNT; k++)
		if (r->lost_by_kind[k])
			json_object_set_new(kinds, lost_kind_name((enum lost_kind)k), count(r->lost_by_kind[k]));
	json_object_set_new(o, "lost_by_kind", kinds);
	json_object_set_new(o, "lost_ranges", ranges_json(&r->lost));
	json_object_set_new(o, "dropped_beyond_level", classes_json(r->dropped_beyond_level));
	json_object_set_new(o, "kept_droppable", classes_json(r->kept_droppable));
	if (!r->audited)
		json_object_set_new(o, "why_not_done", text(r->why_not_audited));
	return o;
}

static json_t *headers_json(const struct compare_report *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->nr_fields; i++) {
		const struct field_report *f = &r->fields[i];

		json_array_append_new(a,
				      json_pack("{s:s, s:o, s:o, s:s, s:s, s:o}", "field", f->field, "inner",
						f->inner[0] ? text(f->inner) : json_null(), "outer",
						f->outer[0] ? text(f->outer) : json_null(), "state",
						summary_field_state(f->state), "right", f->right, "why", text(f->why)));
	}
	return a;
}

static void add_differences(json_t *a, const struct difference_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		const struct page_difference *d = &list->at[i];

		json_array_append_new(a, json_pack("{s:o, s:i, s:i, s:i, s:b, s:b, s:s}", "pfn", count(d->pfn), "bytes",
						   (int)d->nr_bytes, "first_offset", (int)d->first_off, "last_offset",
						   (int)d->last_off, "inner_zero", d->inner_zero, "outer_zero",
						   d->outer_zero, "cause", cause_name(d->cause)));
	}
}

static json_t *differences_json(const struct compare_report *r)
{
	json_t *a = json_array();

	add_differences(a, &r->differ_unexplained_at);
	add_differences(a, &r->differ_explained_at);
	return a;
}

static json_t *side_json(const struct side_report *s)
{
	return json_pack("{s:o, s:s, s:o, s:b}", "path", text(s->path), "format", s->format, "dump_level",
			 s->level_known ? count(s->level) : json_null(), "vmcoreinfo_borrowed", s->vmcoreinfo_borrowed);
}

json_t *compare_report_json(const struct compare_report *r)
{
	static const char *const verdicts[] = {
		[VERDICT_MATCH] = "match",
		[VERDICT_DIFFERS] = "differs",
		[VERDICT_INCOMPARABLE] = "incomparable",
	};

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f}", "verdict", verdicts[r->verdict], "why",
			 text(r->why_incomparable), "inner", side_json(&r->inner), "outer", side_json(&r->outer),
			 "pages", pages_json(r), "audit", audit_json(r), "headers", headers_json(r), "differences",
			 differences_json(r), "seconds", r->seconds);
}
