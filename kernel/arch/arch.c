// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/arch/arch.h"

#include <string.h>

static const struct arch_ops *const all[] = { &arch_x86_64 };

const struct arch_ops *arch_find(const struct physmem *pm, const struct vmcoreinfo *vi)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (pm->elf_machine == all[i]->elf_machine || !strcmp(pm->uts.machine, all[i]->machine))
			return all[i];
	if (pm->elf_machine || pm->uts.machine[0])
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->recognise(vi))
			return all[i];
	return NULL;
}
