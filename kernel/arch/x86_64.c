// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <inttypes.h>

#include "kernel/arch/arch.h"

/* Documentation/x86/x86_64/mm.rst: the kernel image mapping, the same with 4 and 5 levels, KASLR moves within it. */
#define START_KERNEL_MAP UINT64_C(0xffffffff80000000)
#define KERNEL_IMAGE_SIZE_DEFAULT GIB

#define ENTRY_PRESENT UINT64_C(1)
#define ENTRY_LARGE (UINT64_C(1) << 7)
/* PROT_NONE entries of user memory are not present; kernel tables have none, so only the present bit counts here. */
#define ENTRY_ADDR_BITS (((UINT64_C(1) << 52) - 1) & ~UINT64_C(0xfff))
#define BITS_PER_LEVEL 9

static bool x86_64_recognise(const struct vmcoreinfo *vi)
{
	int64_t n;
	uint64_t s;

	return vmcoreinfo_number(vi, "pgtable_l5_enabled", &n) || vmcoreinfo_symbol(vi, "init_top_pgt", &s) ||
	       vmcoreinfo_symbol(vi, "init_level4_pgt", &s);
}

static int64_t x86_64_phys_base_of_load(uint64_t vaddr, uint64_t paddr)
{
	return (int64_t)(paddr - (vaddr - START_KERNEL_MAP));
}

static bool x86_64_image_paddr(const struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len)
{
	int64_t size;

	if (!vmcoreinfo_number(km->vi, "KERNEL_IMAGE_SIZE", &size) || size <= 0 || size > (int64_t)(2 * GIB))
		size = KERNEL_IMAGE_SIZE_DEFAULT;
	if (vaddr < START_KERNEL_MAP || vaddr - START_KERNEL_MAP >= (uint64_t)size)
		return false;
	*paddr = vaddr - START_KERNEL_MAP + (uint64_t)km->phys_base;
	*len = (uint64_t)size - (vaddr - START_KERNEL_MAP);
	return true;
}

static enum status x86_64_find_tables(struct kmodel *km, struct err *err)
{
	uint64_t root, len;
	int64_t n;

	if (!vmcoreinfo_symbol(km->vi, "init_top_pgt", &root) && !vmcoreinfo_symbol(km->vi, "init_level4_pgt", &root) &&
	    !vmcoreinfo_symbol(km->vi, "swapper_pg_dir", &root))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO names no root page table (init_top_pgt)");
	if (!x86_64_image_paddr(km, root, &km->pgd_paddr, &len) || km->pgd_paddr & 0xfff)
		return err_set(err, ST_BAD_INPUT, "the root page table 0x%" PRIx64 " is no page of the kernel image", root);
	km->pgtable_levels = vmcoreinfo_number(km->vi, "pgtable_l5_enabled", &n) && n == 1 ? 5 : 4;
	/* AMD's memory encryption sets a bit in each entry that is no part of the address. */
	km->pte_addr_mask = ENTRY_ADDR_BITS;
	if (vmcoreinfo_number(km->vi, "sme_mask", &n))
		km->pte_addr_mask &= ~(uint64_t)n;
	return ST_OK;
}

static bool is_canonical(uint64_t vaddr, unsigned levels)
{
	unsigned sign = 12 + BITS_PER_LEVEL * levels - 1;
	uint64_t top = vaddr >> sign;

	return top == 0 || top == UINT64_MAX >> sign;
}

static enum status x86_64_translate(struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len, struct err *err)
{
	uint64_t table = km->pgd_paddr;

	*len = 0;
	if (!is_canonical(vaddr, km->pgtable_levels))
		return err_set(err, ST_NO_DATA, "virtual address 0x%" PRIx64 " is not canonical", vaddr);
	for (unsigned level = km->pgtable_levels; level; level--) {
		unsigned shift = 12 + BITS_PER_LEVEL * (level - 1);
		uint64_t index = (vaddr >> shift) & ((1u << BITS_PER_LEVEL) - 1);
		uint64_t entry, span = UINT64_C(1) << shift;
		enum status st = kmodel_read_table_u64(km, table + index * 8, &entry, err);

		if (st != ST_OK)
			return err_wrap(err, st, "level %u page table at 0x%" PRIx64, level, table);
		if (!(entry & ENTRY_PRESENT)) {
			*len = span - (vaddr & (span - 1));
			return err_set(err, ST_NO_DATA, "virtual address 0x%" PRIx64 " is not mapped (level %u)", vaddr, level);
		}
		if (level == 1 || (entry & ENTRY_LARGE && level <= 3)) {
			/* Large leaves keep PAT in bit 12: mask to the leaf's own alignment. */
			*paddr = (align_down(entry & km->pte_addr_mask, span)) + (vaddr & (span - 1));
			*len = span - (vaddr & (span - 1));
			return ST_OK;
		}
		if (entry & ENTRY_LARGE)
			return err_set(err, ST_BAD_INPUT, "page table entry 0x%" PRIx64 " claims a leaf at level %u", entry,
				       level);
		table = entry & km->pte_addr_mask;
	}
	return err_set(err, ST_INTERNAL, "page table walk fell through");
}

/* Documentation/x86/x86_64/mm.rst: vmalloc/ioremap space, which KASLR moves, and the modules above the kernel image. */
static size_t x86_64_vmalloc_areas(const struct kmodel *km, uint64_t vmalloc_base, struct range areas[ARCH_VMALLOC_AREAS])
{
	uint64_t size = (km->pgtable_levels == 5 ? 12800 : 32) * 1024 * GIB;
	int64_t image;
	size_t nr = 0;

	if (!vmalloc_base)
		vmalloc_base = km->pgtable_levels == 5 ? UINT64_C(0xffa0000000000000) : UINT64_C(0xffffc90000000000);
	if (vmalloc_base <= UINT64_MAX - size && vmalloc_base >> 63)
		areas[nr++] = (struct range){ vmalloc_base, vmalloc_base + size };
	if (!vmcoreinfo_number(km->vi, "KERNEL_IMAGE_SIZE", &image) || image < (int64_t)MIB || image > (int64_t)GIB)
		image = (int64_t)KERNEL_IMAGE_SIZE_DEFAULT;
	areas[nr++] = (struct range){ START_KERNEL_MAP + (uint64_t)image, UINT64_C(0xffffffffff000000) };
	return nr;
}

const struct arch_ops arch_x86_64 = {
	.machine = "x86_64",
	.elf_machine = EM_X86_64,
	.recognise = x86_64_recognise,
	.phys_base_of_load = x86_64_phys_base_of_load,
	.find_tables = x86_64_find_tables,
	.image_paddr = x86_64_image_paddr,
	.translate = x86_64_translate,
	.vmalloc_areas = x86_64_vmalloc_areas,
};
