/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_FIELD_H
#define COMPARE_FIELD_H

#include "compare/compare.h"

/**
 * Add one line to the header table. NULL or an empty text: the dump does not say. A field that neither dump has is left
 * out of the table. @truth: what the evidence @why says, or NULL or empty where nobody knows. Returns the line, which
 * the caller may correct, never NULL: where it was left out, it is a scratch one.
 */
struct field_report *field_add(struct compare_report *r, const char *field, const char *inner, const char *outer,
			       const char *truth, const char *why);

#endif
