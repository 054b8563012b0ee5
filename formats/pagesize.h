/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_PAGESIZE_H
#define FORMATS_PAGESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE_DEFAULT 4096u
#define PAGE_SIZE_MAX (256u * 1024)

static inline bool pagesize_is_sane(uint64_t v)
{
	return v >= 4096 && v <= PAGE_SIZE_MAX && !(v & (v - 1));
}

/**
 * The PAGESIZE= line of a VMCOREINFO text (NULL and nonsense are fine): the one fact that a format without a page size of
 * its own, ELF, has to take from there. PAGE_SIZE_DEFAULT where it does not say.
 */
uint32_t pagesize_from_vmcoreinfo(const char *text, size_t len);

#endif
