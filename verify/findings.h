/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VERIFY_FINDINGS_H
#define VERIFY_FINDINGS_H

#include <stddef.h>

#include "verify/rules.h"

static inline struct verify_place place_none(void)
{
	return (struct verify_place){ PLACE_NONE, 0, 0 };
}

static inline struct verify_place place_pfns(uint64_t start, uint64_t end)
{
	return (struct verify_place){ PLACE_PFN, start, end };
}

static inline struct verify_place place_pfn(uint64_t pfn)
{
	return place_pfns(pfn, pfn + 1);
}

static inline struct verify_place place_offset(uint64_t off)
{
	return (struct verify_place){ PLACE_OFFSET, off, off };
}

static inline struct verify_place place_load(uint64_t number)
{
	return (struct verify_place){ PLACE_LOAD, number, number + 1 };
}

static inline struct verify_place place_note(uint64_t number)
{
	return (struct verify_place){ PLACE_NOTE, number, number + 1 };
}

/**
 * @rule is broken at @place. The first time the text is kept, later only counted: @place tells how often. The text may
 * hold what the dump says: it is made printable.
 */
void findings_add(struct verify_report *r, enum rule rule, struct verify_place place, const char *fmt, ...)
	__printf_like(4, 5);

/** As findings_add(), where it depends on the rest of the dump which readers break. */
void findings_add_for(struct verify_report *r, enum rule rule, unsigned breaks, struct verify_place place,
		      const char *fmt, ...) __printf_like(5, 6);

/** NULL where @rule was not broken. */
const struct verify_finding *findings_find(const struct verify_report *r, enum rule rule);

/** Control characters and what is no ASCII become "\xNN". Cut at @len. Returns @to. */
const char *findings_printable(const char *s, char *to, size_t len);

#endif
