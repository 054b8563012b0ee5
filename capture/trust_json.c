// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>

#include "capture/trust.h"

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *trust_classes_json(const uint64_t by_class[PAGE_CLASS_COUNT])
{
	json_t *o = json_object();

	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		json_object_set_new(o, page_class_name((enum page_class)c), count(by_class[c]));
	return o;
}

json_t *trust_counters_json(const struct trust *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "nr_free_pages", t->has_free ? count(t->free.listed) : json_null());
	for (int i = 0; i < VMSTAT_COUNT; i++)
		json_object_set_new(o, vmstat_name((enum vmstat_item)i),
				    t->counters.known[i] ? count(t->counters.pages[i]) : json_null());
	return o;
}

json_t *trust_checks_json(const struct trust *t)
{
	json_t *o = json_object();

	for (int c = 0; c < TRUST_COUNT; c++) {
		const struct trust_row *r = &t->rows[c];
		json_t *row = json_null();

		if (r->known)
			row = json_pack("{s:o, s:o, s:o, s:o, s:b}", "seen", count(r->seen), "least", count(r->least), "most",
					count(r->most), "distance", count(trust_distance(r)), "far_apart", r->far_apart);
		json_object_set_new(o, trust_name((enum trust_check)c), row);
	}
	return o;
}
