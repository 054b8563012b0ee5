/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_ELF_NOTES_H
#define FORMATS_ELF_NOTES_H

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/err.h"

/** One ELF note. Pointers reach into the blob that was parsed. */
struct note {
	uint32_t type;
	const char *name;   /**< not necessarily terminated */
	size_t name_len;    /**< without a trailing NUL */
	const void *desc;
	size_t desc_len_bytes;
	size_t desc_off;    /**< of the descriptor within the blob */
};

/** Return true to go on. */
typedef bool (*note_fn)(const struct note *note, void *ctx);

/**
 * Call @fn for each note of @blob (4-byte aligned layout), through libelf. Stops silently at the first note that does not
 * fit: a crash writes notes, and a torn tail must not hide the whole ones before it.
 */
void notes_for_each(const void *blob, size_t len, enum byte_order order, note_fn fn, void *ctx);

/** Find the text of the first note named "VMCOREINFO"; *@text is NULL where there is none. */
void notes_find_vmcoreinfo(const void *blob, size_t len, enum byte_order order, const char **text, size_t *text_len);

struct note_counts {
	unsigned nr_prstatus; /**< NT_PRSTATUS: one per CPU that saved its registers */
	unsigned nr_qemu;     /**< notes of name "QEMU": one per vCPU */
	unsigned nr_vmcoreinfo;
	unsigned nr_other;
};
void notes_count(const void *blob, size_t len, enum byte_order order, struct note_counts *counts);

#endif
