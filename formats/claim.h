/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_CLAIM_H
#define FORMATS_CLAIM_H

#include "formats/physmem.h"

/**
 * ST_BAD_INPUT: the dump @pm claims far more memory than it holds, more than any filter would leave out. A few bytes of a file can
 * claim any amount; whoever allocates or loops by the page asks here first. Up to 1 TiB is always fine.
 */
enum status claim_check(const struct physmem *pm, struct err *err) __must_check;

#endif
