/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_REGISTERS_H
#define COMPARE_REGISTERS_H

#include "compare/compare.h"
#include "compare/side.h"

/** The CPUs' registers in the header table: how many, where each stood, and why the two dumps tell different places. */
void registers_compare(const struct side *inner, const struct side *outer, struct compare_report *report);

#endif
