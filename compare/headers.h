/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_HEADERS_H
#define COMPARE_HEADERS_H

#include "compare/compare.h"
#include "compare/side.h"

/** Fill in what each dump is, for the head of the report. Kernels may be missing. */
void headers_describe(const struct side *inner, const struct side *outer, struct compare_report *report);

/** Do the two dumps show the same boot of the same kernel? False: @why says what differs. */
bool headers_same_boot(const struct side *inner, const struct side *outer, char *why, size_t why_len);

/** Fill the header table of @report: what each dump says of itself, and which of them is right. Kernels may be missing.
 */
void headers_compare(const struct side *inner, const struct side *outer, struct compare_report *report);

#endif
