/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_ARCH_ARCH_H
#define KERNEL_ARCH_ARCH_H

#include "kernel/kmodel.h"

#define ARCH_VMALLOC_AREAS 2

/** What differs between architectures; one const table each, all compiled in, picked at run time. */
struct arch_ops {
	const char *machine;  /**< as uname -m says it */
	uint16_t elf_machine; /**< EM_* */
	/** Does @vi, of a dump that does not name its machine, belong to this architecture? */
	bool (*recognise)(const struct vmcoreinfo *vi);
	/** The phys_base that the PT_LOAD of the kernel image implies. */
	int64_t (*phys_base_of_load)(uint64_t vaddr, uint64_t paddr);
	/** With km->phys_base set: find the root table, its depth and the address bits of an entry. */
	enum status (*find_tables)(struct kmodel *km, struct err *err);
	/** Where the image formula (no tables) puts @vaddr; false where @vaddr is outside the kernel image mapping. */
	bool (*image_paddr)(const struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len);
	/** Walk; as kmodel_translate(). ST_NO_DATA: *@len bytes from @vaddr on are not mapped; 0: not canonical. */
	enum status (*translate)(struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len, struct err *err);
	/**
	 * Where vmalloc() and modules live, as virtual addresses; how many areas. @vmalloc_base: the kernel's variable of
	 * that name, 0 where it was not found.
	 */
	size_t (*vmalloc_areas)(const struct kmodel *km, uint64_t vmalloc_base, struct range areas[ARCH_VMALLOC_AREAS]);
};

extern const struct arch_ops arch_x86_64;

/** NULL where no architecture that is compiled in fits. */
const struct arch_ops *arch_find(const struct physmem *pm, const struct vmcoreinfo *vi);

#endif
