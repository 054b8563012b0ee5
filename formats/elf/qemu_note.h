/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_ELF_QEMU_NOTE_H
#define FORMATS_ELF_QEMU_NOTE_H

#include <string.h>

#include "common/endian.h"
#include "formats/elf/notes.h"

/** QEMUCPUState of QEMU's target/i386/arch_dump.c, version 1: cr[5] behind 18 registers and 10 segments */
#define QEMU_NOTE_MIN_BYTES 424
#define QEMU_NOTE_RSP 56
#define QEMU_NOTE_RIP 136
#define QEMU_NOTE_CR1 400
#define QEMU_NOTE_CR3 416
#define CR3_ADDR_BITS (((UINT64_C(1) << 52) - 1) & ~UINT64_C(0xfff))

static inline bool qemu_note_is(const struct note *n)
{
	return !n->type && n->name_len == 4 && !memcmp(n->name, "QEMU", 4) && n->desc_len_bytes >= QEMU_NOTE_MIN_BYTES;
}

/**
 * The CPU's CR3 when the hypervisor stopped it. A repaired dump has it in the place of CR1, which no CPU has, where its own
 * place leads to the crashed kernel instead.
 */
static inline uint64_t qemu_note_cr3(const uint8_t *desc, enum byte_order order)
{
	uint64_t moved = get_u64(desc + QEMU_NOTE_CR1, order);

	return moved ? moved : get_u64(desc + QEMU_NOTE_CR3, order);
}

#endif
