// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/cause.h"

#include <string.h>

#define LOW_END MIB
#define ROM_START (768 * KIB)
/* x86 firmware maps its flash to end at 4 GiB; 16 MiB is what chipsets decode. */
#define FLASH_START (4 * GIB - 16 * MIB)
#define FLASH_END (4 * GIB)

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* The names are those of arch/x86/kernel/e820.c and setup.c, drivers/acpi, and of the generic resource code. */
static enum cause cause_of_region(const struct iomem_region *r)
{
	if (starts_with(r->name, "ACPI") || starts_with(r->name, "Reserved") || starts_with(r->name, "reserved") ||
	    starts_with(r->name, "Unusable") || starts_with(r->name, "Soft Reserved") ||
	    starts_with(r->name, "Unknown E820"))
		return CAUSE_FIRMWARE;
	if (strstr(r->name, "ROM"))
		return CAUSE_ROM;
	/* Not RAM to the kernel, and not the firmware's: what a device maps. */
	return CAUSE_DEVICE;
}

/* Is @paddr in [@start, @end)? Cuts @valid down to where the answer stays the same. */
static bool inside(uint64_t start, uint64_t end, uint64_t paddr, struct range *valid)
{
	if (paddr < start) {
		valid->end = min_u64(valid->end, start);
		return false;
	}
	if (paddr >= end) {
		valid->start = max_u64(valid->start, end);
		return false;
	}
	valid->start = max_u64(valid->start, start);
	valid->end = min_u64(valid->end, end);
	return true;
}

/* What the resource tree says of one byte. */
struct tree_answer {
	bool crash_kernel, ram;
	const struct iomem_region *deepest;
};

static struct tree_answer ask_tree(const struct iomem *io, uint64_t paddr, struct range *valid)
{
	struct tree_answer a = { 0 };

	for (size_t i = 0; i < io->nr_regions; i++) {
		const struct iomem_region *r = &io->regions[i];

		if (!inside(r->start, r->end, paddr, valid))
			continue;
		a.crash_kernel |= !strcmp(r->name, "Crash kernel");
		a.ram |= iomem_region_is_ram(r);
		if (!a.deepest || r->depth >= a.deepest->depth)
			a.deepest = r;
	}
	return a;
}

static enum cause cause_of_byte(const struct place *p, uint64_t paddr, struct range *valid)
{
	struct tree_answer a = { 0 };
	bool low, rom, flash;

	*valid = (struct range){ 0, UINT64_MAX };
	low = inside(0, LOW_END, paddr, valid);
	rom = inside(ROM_START, LOW_END, paddr, valid);
	flash = inside(FLASH_START, FLASH_END, paddr, valid);
	if (p->iomem)
		a = ask_tree(p->iomem, paddr, valid);
	for (size_t i = 0; i < p->nr_crash_cma; i++)
		if (inside(p->crash_cma[i].start, p->crash_cma[i].end, paddr, valid))
			return CAUSE_CRASH_CMA;
	if (low)
		return rom && a.deepest && strstr(a.deepest->name, "ROM") ? CAUSE_ROM : CAUSE_LOW_1MIB;
	if (a.crash_kernel)
		return CAUSE_CRASH_KERNEL;
	if (a.ram)
		return CAUSE_NONE;
	if (flash)
		return CAUSE_FLASH;
	return a.deepest ? cause_of_region(a.deepest) : CAUSE_NONE;
}

enum cause cause_of_place(struct place *p, uint64_t pfn)
{
	uint64_t start = pfn * p->page_size, end = start + p->page_size;
	uint32_t from, to;

	if (start >= p->known.start && end <= p->known.end)
		return p->known_cause;
	p->known_cause = cause_of_byte(p, start, &p->known);
	if (end <= p->known.end)
		return p->known_cause;
	/* A boundary lies in this page: what was learnt holds for its first bytes only. */
	if (p->known_cause != CAUSE_LOW_1MIB && p->known_cause != CAUSE_CRASH_KERNEL &&
	    cause_ram_part(p, pfn, &from, &to))
		return CAUSE_PARTIAL_PAGE;
	return p->known_cause;
}

bool cause_ram_part(const struct place *p, uint64_t pfn, uint32_t *from, uint32_t *to)
{
	uint64_t start = pfn * p->page_size, end = start + p->page_size;
	uint64_t ram_start = end, ram_end = start, covered = 0;

	if (!p->iomem)
		return false;
	for (size_t i = 0; i < p->iomem->nr_regions; i++) {
		const struct iomem_region *r = &p->iomem->regions[i];
		uint64_t a = max_u64(start, r->start), b = min_u64(end, r->end);

		if (a >= b || !iomem_region_is_ram(r))
			continue;
		covered += b - a;
		ram_start = min_u64(ram_start, a);
		ram_end = max_u64(ram_end, b);
	}
	/* Several ranges of RAM may abut inside one page; a hole between two of them is not worth a cause of its own.
	 */
	if (!covered || ram_end - ram_start != covered || covered == p->page_size)
		return false;
	*from = (uint32_t)(ram_start - start);
	*to = (uint32_t)(ram_end - start);
	return true;
}
