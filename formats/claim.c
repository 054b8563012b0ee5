// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/claim.h"

#include <inttypes.h>

#include "formats/elf/elf_physmem.h"
#include "formats/kdump/kdump_physmem.h"

#define FREE_BYTES (1024 * GIB)
/* The kernel's own map of its memory, which no filter leaves out as a whole, takes a sixty-fourth of that. */
#define PER_HELD_BYTE 4096u

/* What a core has bytes of, however often it names them. */
static uint64_t held_by_elf(const struct elf_details *elf)
{
	uint64_t named = 0;

	for (size_t i = 0; i < elf->nr_loads; i++)
		named += min_u64(elf->loads[i].file_len, UINT64_MAX - named);
	return min_u64(named, elf->file_bytes);
}

enum status claim_check(const struct physmem *pm, struct err *err)
{
	const struct elf_details *elf = elf_physmem_details(pm);
	const struct kdump_details *kd = kdump_physmem_details(pm);
	uint64_t held = kd ? kd->nr_stored * pm->page_size : elf ? held_by_elf(elf) : UINT64_MAX;
	uint64_t pages = physmem_nr_present_pages(pm), free_pages = FREE_BYTES / pm->page_size;

	if (pages <= free_pages || (pages - free_pages) / PER_HELD_BYTE <= held / pm->page_size)
		return ST_OK;
	return err_set(err, ST_BAD_INPUT, "it claims %" PRIu64 " pages of memory and holds next to none of them", pages);
}
