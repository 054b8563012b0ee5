// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>

#include "capture/session.h"
#include "common/exit_codes.h"

int capture_report_exit_code(const struct capture_report *report)
{
	if (!report->saved)
		return EXIT_CODE_NOTHING_SAVED;
	return report->complete ? EXIT_CODE_OK : EXIT_CODE_HOLES;
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *pages_json(const struct capture_report *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "present", count(r->pages_present), "kept",
			 count(r->pages_kept), "not_in_source", count(r->pages_not_in_source), "zero", count(r->pages_zero),
			 "repeated", count(r->pages_repeated), "raw", count(r->pages_raw), "compressed",
			 count(r->pages_compressed), "partial", count(r->pages_partial), "unreadable", count(r->pages_unreadable), "unsaved",
			 count(r->pages_unsaved), "page_size", count(r->page_size));
}

/* PFN ranges [start, end). */
static json_t *holes_json(const struct capture_report *r)
{
	json_t *a = json_array();

	for (uint64_t i = 0; i < r->nr_hole_ranges && i < CAPTURE_MAX_LISTED_HOLES; i++)
		json_array_append_new(a, json_pack("[o, o]", count(r->holes[i].start), count(r->holes[i].end)));
	return a;
}

/* What VMCOREINFO did not tell the filter, and what the kernel's own tables did. */
static json_t *facts_json(const struct facts_report *f)
{
	json_t *o = json_pack("{s:b, s:i, s:i, s:i, s:s}", "asked", f->asked, "lacking", (int)f->nr_lacking, "found",
			      (int)f->nr_found, "unknown_kinds", (int)f->nr_unknown_kinds, "untold", f->lacking);

	json_object_set_new(o, "trouble", json_string(f->trouble));
	return o;
}

/* Pages that the rules would have dropped, by what proves them the kernel's own. */
static json_t *guards_json(const struct capture_report *r)
{
	json_t *o = json_object();

	for (int a = 0; a < ANCHOR_COUNT; a++)
		json_object_set_new(o, anchor_name((enum anchor)a), count(r->guards_fired[a]));
	json_object_set_new(o, "reserved", count(r->reserved_fired));
	return o;
}

static const char *why_incomplete(const struct capture_report *r)
{
	if (r->complete)
		return "";
	if (!r->saved)
		return "nothing was saved";
	if (r->stopped)
		return "stopped before the end";
	if (r->out_of_space)
		return "no space left";
	if (r->pages_unreadable)
		return "pages could not be read";
	return "the output could not be written";
}

json_t *capture_report_json(const struct capture_report *r)
{
	json_t *o = json_pack("{s:b, s:b, s:s, s:b, s:s, s:s, s:i, s:s}", "saved", r->saved, "complete", r->complete,
			      "why_incomplete", why_incomplete(r), "filtered", r->filtered, "why_unfiltered",
			      r->why_unfiltered, "compression", r->codec, "dump_level", r->dump_level, "release", r->release);

	if (!o) /* guest text that is no UTF-8 */
		o = json_pack("{s:b, s:b, s:s, s:b, s:s, s:i}", "saved", r->saved, "complete", r->complete, "why_incomplete",
			      why_incomplete(r), "filtered", r->filtered, "compression", r->codec, "dump_level",
			      r->dump_level);
	json_object_set_new(o, "pages", pages_json(r));
	json_object_set_new(o, "classes", trust_classes_json(r->pages_by_class));
	json_object_set_new(o, "facts", facts_json(&r->facts));
	json_object_set_new(o, "level_used", json_integer(r->level_used));
	json_object_set_new(o, "why_level", json_string(r->why_level));
	json_object_set_new(o, "counters", trust_counters_json(&r->trust));
	json_object_set_new(o, "checks", trust_checks_json(&r->trust));
	json_object_set_new(o, "zones_free", r->trust.has_free ? count(r->trust.free.most) : json_null());
	json_object_set_new(o, "guards", guards_json(r));
	json_object_set_new(o, "guards_untold", count(r->guards_untold));
	json_object_set_new(o, "sections", json_pack("{s:o, s:o}", "missing", count(r->sections_missing), "disagreeing",
						     count(r->sections_disagreeing)));
	json_object_set_new(o, "holes", holes_json(r));
	json_object_set_new(o, "hole_ranges", count(r->nr_hole_ranges));
	json_object_set_new(o, "bytes", json_pack("{s:o, s:o}", "read", count(r->bytes_read), "written",
						  count(r->bytes_written)));
	json_object_set_new(o, "threads", json_integer((json_int_t)r->nr_threads));
	json_object_set_new(o, "seconds", json_pack("{s:f, s:f}", "plan", r->plan_seconds, "write", r->write_seconds));
	return o;
}
