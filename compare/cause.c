// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/cause.h"

#include <string.h>

#define LOW_BYTES MIB
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
	    starts_with(r->name, "Unusable") || starts_with(r->name, "Soft Reserved") || starts_with(r->name, "Unknown E820"))
		return CAUSE_FIRMWARE;
	if (strstr(r->name, "ROM"))
		return CAUSE_ROM;
	return CAUSE_NONE;
}

enum cause cause_of_place(const struct place *p, uint64_t pfn)
{
	uint64_t paddr = pfn * p->page_size;
	const struct iomem_region *r;
	enum cause c;
	uint32_t from, to;

	if (paddr < LOW_BYTES)
		return CAUSE_LOW_1MIB;
	if (!p->iomem)
		return paddr >= FLASH_START && paddr < FLASH_END ? CAUSE_FLASH : CAUSE_NONE;
	if (iomem_is_inside(p->iomem, paddr, "Crash kernel"))
		return CAUSE_CRASH_KERNEL;
	if (cause_ram_part(p, pfn, &from, &to))
		return CAUSE_PARTIAL_PAGE;
	if (iomem_is_inside(p->iomem, paddr, "System RAM"))
		return CAUSE_NONE;
	if (paddr >= FLASH_START && paddr < FLASH_END)
		return CAUSE_FLASH;
	r = iomem_find(p->iomem, paddr);
	if (!r)
		return CAUSE_NONE;
	c = cause_of_region(r);
	/* Not RAM to the kernel, and not the firmware's: what a device maps. */
	return c == CAUSE_NONE ? CAUSE_DEVICE : c;
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

		if (a >= b || strcmp(r->name, "System RAM") != 0)
			continue;
		covered += b - a;
		ram_start = min_u64(ram_start, a);
		ram_end = max_u64(ram_end, b);
	}
	/* Several ranges of RAM may abut inside one page; a hole between two of them is not worth a cause of its own. */
	if (!covered || ram_end - ram_start != covered || covered == p->page_size)
		return false;
	*from = (uint32_t)(ram_start - start);
	*to = (uint32_t)(ram_end - start);
	return true;
}
