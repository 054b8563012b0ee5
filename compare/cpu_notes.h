/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_CPU_NOTES_H
#define COMPARE_CPU_NOTES_H

#include <elf.h>
#include <string.h>

#include "common/units.h"
#include "formats/elf/notes.h"

/** struct elf_prstatus of x86_64: pr_reg at 112, in the order of struct user_regs_struct */
#define PRSTATUS_BYTES_X86_64 336
#define PRSTATUS_RIP (112 + 16 * 8)
#define PRSTATUS_RSP (112 + 19 * 8)
/** QEMUCPUState of QEMU's target/i386/arch_dump.c, version 1: cr[5] behind 18 registers and 10 segments */
#define QEMU_NOTE_MIN_BYTES 424
#define QEMU_NOTE_RSP 56
#define QEMU_NOTE_RIP 136
#define QEMU_NOTE_CR3 416
#define CR3_ADDR_BITS (((UINT64_C(1) << 52) - 1) & ~UINT64_C(0xfff))

static inline bool cpu_note_is_prstatus(const struct note *n)
{
	return n->type == NT_PRSTATUS && n->name_len == 4 && !memcmp(n->name, "CORE", 4) &&
	       n->desc_len_bytes == PRSTATUS_BYTES_X86_64;
}

static inline bool cpu_note_is_qemu(const struct note *n)
{
	return !n->type && n->name_len == 4 && !memcmp(n->name, "QEMU", 4) && n->desc_len_bytes >= QEMU_NOTE_MIN_BYTES;
}

#endif
