/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_ELF_ELF_PHYSMEM_H
#define FORMATS_ELF_ELF_PHYSMEM_H

#include "formats/io/rsource.h"
#include "formats/physmem.h"

/** Does @src begin like an ELF file? */
bool elf_physmem_probe(struct rsource *src);

/** A PT_LOAD as the file gives it, for `info`. */
struct elf_load {
	uint64_t paddr, vaddr, file_off, file_len, mem_len; /**< bytes */
};

/** One past the highest physical address that a machine (EM_*) can have: what lies from there on is no memory. */
uint64_t elf_phys_end(uint16_t machine);

/** What `info` says of an ELF core beyond struct physmem. */
struct elf_details {
	size_t nr_loads;
	const struct elf_load *loads; /**< file order */
	uint64_t file_bytes;
	uint32_t e_flags;
	bool marked_incomplete;	      /**< makedumpfile -E sets bit 0 of e_flags */
	uint64_t filtered_bytes;      /**< sum of p_memsz - p_filesz: excluded, or zero */
	uint64_t truncated_bytes;     /**< PT_LOAD bytes beyond the end of the file */
	uint64_t beyond_bytes;	      /**< p_memsz from elf_phys_end() on, set aside: in none of the other fields */
};

/**
 * An ELF core as physical memory. Takes ownership of @src on success. PT_LOADs may be unaligned, overlap or alias; where
 * several cover one byte the first in file order wins; what no machine can address is set aside, with a warning. p_memsz
 * beyond p_filesz is ST_NO_DATA; bytes beyond the end of a truncated file are ST_IO.
 */
enum status elf_physmem_open(struct rsource *src, struct physmem **pm, struct err *err) __must_check;
/** NULL unless @pm came from elf_physmem_open(). */
const struct elf_details *elf_physmem_details(const struct physmem *pm);

#endif
