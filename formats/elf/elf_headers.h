/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_ELF_ELF_HEADERS_H
#define FORMATS_ELF_ELF_HEADERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/err.h"
#include "formats/elf/elf_physmem.h"
#include "formats/io/rsource.h"

/** What the headers of an ELF core say; all memory is owned and released by elf_headers_deinit(). */
struct elf_headers {
	bool is_64bit;
	enum byte_order order;
	uint16_t machine;
	uint32_t flags;
	struct elf_load *loads; /**< file order, zero-length ones left out */
	size_t nr_loads;
	size_t nr_beyond;	/**< loads set aside, whole or in part: the rest of them is in @loads */
	uint64_t beyond_bytes;
	uint8_t *notes;		/**< all PT_NOTE segments, one after the other */
	size_t notes_len_bytes;
};

/**
 * Read and check the headers of @src through libelf. A load, or the part of it, that lies beyond elf_phys_end() is set
 * aside with one line of warning for all of them: no memory can be there, and the dump would be as wide as the highest
 * address.
 */
enum status elf_headers_init(struct elf_headers *h, struct rsource *src, struct err *err) __must_check;
void elf_headers_deinit(struct elf_headers *h);

#endif
