// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/field.h"

#include <stdio.h>
#include <string.h>

static void judge(struct field_report *f, const char *truth)
{
	bool a = f->inner[0], b = f->outer[0];
	bool a_right = a && truth && !strcmp(f->inner, truth), b_right = b && truth && !strcmp(f->outer, truth);

	f->state = !a || !b ? FIELD_ABSENT : !strcmp(f->inner, f->outer) ? FIELD_SAME : FIELD_DIFFERS;
	if (truth)
		f->right = a_right && b_right ? "both" : a_right ? "inner" : b_right ? "outer" : "neither";
	else
		f->right = f->state == FIELD_SAME ? "both" : "unknown";
}

struct field_report *field_add(struct compare_report *r, const char *field, const char *inner, const char *outer,
			       const char *truth, const char *why)
{
	/* The last slot is for what does not count. */
	struct field_report *f = &r->fields[r->nr_fields];

	*f = (struct field_report){ .field = field };
	snprintf(f->inner, sizeof(f->inner), "%s", inner ? inner : "");
	snprintf(f->outer, sizeof(f->outer), "%s", outer ? outer : "");
	snprintf(f->why, sizeof(f->why), "%s", why);
	judge(f, truth && truth[0] ? truth : NULL);
	if ((f->inner[0] || f->outer[0]) && r->nr_fields < COMPARE_MAX_FIELDS - 1)
		r->nr_fields++;
	return f;
}
