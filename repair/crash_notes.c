// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/crash_notes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"
#include "kernel/kallsyms.h"

/* struct elf_prstatus of x86_64: pr_reg at 112, in the order of struct user_regs_struct */
#define PRSTATUS_BYTES 336u
#define PRSTATUS_RIP (112u + 16 * 8)
#define PRSTATUS_RSP (112u + 19 * 8)
#define NOTE_BYTES (12u + 8u + PRSTATUS_BYTES)
#define MAX_CPUS 8192u

static bool is_kernel_address(uint64_t v)
{
	return v >> 63;
}

static bool is_sane(const uint8_t note[NOTE_BYTES], enum byte_order order)
{
	const uint8_t *desc = note + 20;

	return get_u32(note, order) == sizeof("CORE") && get_u32(note + 4, order) == PRSTATUS_BYTES &&
	       get_u32(note + 8, order) == NT_PRSTATUS && !memcmp(note + 12, "CORE", sizeof("CORE")) &&
	       is_kernel_address(get_u64(desc + PRSTATUS_RIP, order)) && is_kernel_address(get_u64(desc + PRSTATUS_RSP, order));
}

enum status crash_notes_append(struct kmodel *km, uint8_t **blob, size_t *len, unsigned *nr_cpus, struct err *err)
{
	enum { CRASH_NOTES, PER_CPU_OFFSET, NR_CPU_IDS, NR_SYMBOLS };
	struct kallsyms_symbol syms[NR_SYMBOLS] = { { .name = "crash_notes" },
						    { .name = "__per_cpu_offset" },
						    { .name = "nr_cpu_ids" } };
	uint64_t base;
	uint32_t nr = 1;
	enum status st;

	*nr_cpus = 0;
	if (km->arch != &arch_x86_64)
		return err_set(err, ST_UNSUPPORTED, "crash notes of %s are not understood", km->arch->machine);
	st = kallsyms_lookup(km, syms, NR_SYMBOLS, err);
	if (st == ST_OK && (!syms[CRASH_NOTES].found || !syms[PER_CPU_OFFSET].found))
		st = err_set(err, ST_NOT_FOUND, "the kernel's symbol table has no crash_notes");
	if (st == ST_OK)
		st = kmodel_read_u64(km, syms[CRASH_NOTES].vaddr, &base, err);
	if (st == ST_OK && syms[NR_CPU_IDS].found)
		st = kmodel_read_u32(km, syms[NR_CPU_IDS].vaddr, &nr, err);
	for (uint32_t cpu = 0; st == ST_OK && cpu < nr && cpu < MAX_CPUS; cpu++) {
		uint8_t note[NOTE_BYTES], *grown;
		uint64_t offset;

		if (kmodel_read_u64(km, syms[PER_CPU_OFFSET].vaddr + (uint64_t)cpu * 8, &offset, NULL) != ST_OK ||
		    kmodel_read(km, base + offset, note, sizeof(note), NULL) != ST_OK || !is_sane(note, km->pm->order))
			continue;
		grown = realloc(*blob, *len + sizeof(note));
		if (!grown)
			return err_set(err, ST_NO_MEMORY, "out of memory");
		memcpy(grown + *len, note, sizeof(note));
		*blob = grown;
		*len += sizeof(note);
		(*nr_cpus)++;
	}
	return st;
}
