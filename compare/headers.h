/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_HEADERS_H
#define COMPARE_HEADERS_H

#include "compare/compare.h"
#include "compare/side.h"

/** Do the two dumps show the same boot of the same kernel? False: @why says what differs. */
bool headers_same_boot(const struct side *inner, const struct side *outer, char *why, size_t why_len);

/** Fill the header table of @report: what each dump says of itself, and which of them is right. */
void headers_compare(const struct side *inner, const struct side *outer, struct compare_report *report);

#endif
