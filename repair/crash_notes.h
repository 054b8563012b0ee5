/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_CRASH_NOTES_H
#define REPAIR_CRASH_NOTES_H

#include "kernel/kmodel.h"

/**
 * The registers that the guest itself saved at the crash: one ELF note per CPU in its memory (crash_notes, a per-CPU
 * pointer that kallsyms finds; where VMCOREINFO does not lead to kallsyms, the elfcorehdr in the crash reservation).
 * Appends each note that is sane (NT_PRSTATUS, name, size, instruction and stack pointer in the kernel) to *@blob, which is
 * grown with realloc(), and the hypervisor's own NT_PRSTATUS of the same number for a CPU that has none, so that the n-th
 * note stays CPU n's. *@nr_cpus counts the guest's; 0 where it saved none, and nothing is appended: it never came to
 * crash_save_cpu(). Only x86_64.
 */
enum status crash_notes_append(struct kmodel *km, uint8_t **blob, size_t *len, unsigned *nr_cpus, struct err *err)
	__must_check;

#endif
