/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CPU_NOTES_H
#define COMPARE_CPU_NOTES_H

#include <elf.h>
#include <string.h>

#include "common/units.h"
#include "formats/elf/qemu_note.h"

/** struct elf_prstatus of x86_64: pr_reg at 112, in the order of struct user_regs_struct */
#define PRSTATUS_BYTES_X86_64 336
#define PRSTATUS_RIP (112 + 16 * 8)
#define PRSTATUS_RSP (112 + 19 * 8)

static inline bool cpu_note_is_prstatus(const struct note *n)
{
	return n->type == NT_PRSTATUS && n->name_len == 4 && !memcmp(n->name, "CORE", 4) &&
	       n->desc_len_bytes == PRSTATUS_BYTES_X86_64;
}

#endif
