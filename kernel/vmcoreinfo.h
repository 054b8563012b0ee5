/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_VMCOREINFO_H
#define KERNEL_VMCOREINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/**
 * VMCOREINFO: the text by which a kernel tells a dump tool about itself (kernel/vmcore_info.c, earlier
 * kernel/crash_core.c): lines "KEY=VALUE", "SYMBOL(x)=hex", "SIZE(x)=dec", "OFFSET(x.y)=dec", "LENGTH(x)=dec",
 * "NUMBER(x)=dec, or 0xhex". Pure: no I/O. Hostile text is fine: over-long and malformed lines are skipped.
 */
struct vmcoreinfo;

/** @text need not be terminated and is copied. ST_BAD_INPUT where no OSRELEASE line is found or it exceeds 1 MiB. */
enum status vmcoreinfo_parse(const char *text, size_t len, struct vmcoreinfo **vi, struct err *err) __must_check;
void vmcoreinfo_free(struct vmcoreinfo *vi);

/**
 * What @vi does not say is looked up in @more, now owned by @vi. Plain keys are not: they are the kernel's own words.
 */
void vmcoreinfo_set_fallback(struct vmcoreinfo *vi, struct vmcoreinfo *more);

/* Look-ups. False where the key is absent or its value is malformed; then *@v is untouched. */
bool vmcoreinfo_symbol(const struct vmcoreinfo *vi, const char *name, uint64_t *v);
bool vmcoreinfo_size(const struct vmcoreinfo *vi, const char *name, uint64_t *v);
bool vmcoreinfo_offset(const struct vmcoreinfo *vi, const char *name, uint64_t *v);
bool vmcoreinfo_length(const struct vmcoreinfo *vi, const char *name, uint64_t *v);
/** Signed: phys_base and PAGE_*_MAPCOUNT_VALUE are printed negative. */
bool vmcoreinfo_number(const struct vmcoreinfo *vi, const char *name, int64_t *v);
/** A plain key such as OSRELEASE, BUILD-ID, CRASHTIME, KERNELOFFSET, PAGESIZE. NULL when absent. */
const char *vmcoreinfo_string(const struct vmcoreinfo *vi, const char *key);
/** Number of well-formed lines. */
size_t vmcoreinfo_nr_lines(const struct vmcoreinfo *vi);

#endif
