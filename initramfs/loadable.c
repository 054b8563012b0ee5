// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/loadable.h"

#include <elf.h>
#include <string.h>

#include "common/units.h"

enum status loadable_trim(uint8_t *image, size_t *len, struct err *err)
{
	uint64_t end = sizeof(Elf64_Ehdr);
	Elf64_Ehdr eh;

	if (*len < sizeof(eh))
		return err_set(err, ST_BAD_INPUT, "not an ELF file");
	memcpy(&eh, image, sizeof(eh)); /* our own machine's format: native order */
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return err_set(err, ST_BAD_INPUT, "not a 64-bit ELF file");
	if (eh.e_phentsize != sizeof(Elf64_Phdr) || !span_within(eh.e_phoff, eh.e_phnum * sizeof(Elf64_Phdr), *len))
		return err_set(err, ST_BAD_INPUT, "its program headers lie outside the file");
	end = max_u64(end, eh.e_phoff + eh.e_phnum * sizeof(Elf64_Phdr));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, image + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_INTERP)
			return err_set(err, ST_BAD_INPUT, "it is linked dynamically: build a static innercore");
		if (!span_within(ph.p_offset, ph.p_filesz, *len))
			return err_set(err, ST_BAD_INPUT, "a segment lies outside the file");
		if (ph.p_type == PT_LOAD)
			end = max_u64(end, ph.p_offset + ph.p_filesz);
	}
	eh.e_shoff = 0;
	eh.e_shnum = 0;
	eh.e_shstrndx = SHN_UNDEF;
	memcpy(image, &eh, sizeof(eh));
	*len = (size_t)end;
	return ST_OK;
}
