// SPDX-License-Identifier: GPL-2.0-or-later
/* What the dump's headers say of the kernel, against VMCOREINFO, and VMCOREINFO against the kernel's own page tables.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kmodel.h"
#include "kernel/memmap.h"
#include "verify/checks.h"

/* Of sections that are asked for: as many as 128 TiB has. */
#define MAX_SECTIONS_TRIED (UINT64_C(1) << 20)

/**
 * What QEMU makes of "NUMBER(phys_base)=@decimal" (dump.c, vmcoreinfo_update_phys_base()): it reads the digits as
 * hexadecimal.
 */
static uint64_t qemu_misread(int64_t decimal)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, decimal);
	return strtoull(digits, NULL, 16);
}

static void check_header_phys_base(struct check *c)
{
	uint64_t header = c->hdr.phys_base;
	int64_t told;

	if (!vmcoreinfo_number(c->vi, "phys_base", &told) || header == (uint64_t)told)
		return;
	if (!c->hdr.is_64bit && header == (uint32_t)told)
		return;
	if (header == qemu_misread(told))
		findings_add(c->report, RULE_PHYS_BASE_HEX, place_none(),
			     "the header's phys_base 0x%" PRIx64 " is the decimal %" PRId64
			     " of VMCOREINFO read as hexadecimal, as QEMU does",
			     header, told);
	else
		findings_add(c->report, RULE_PHYS_BASE, place_none(),
			     "the header's phys_base is 0x%" PRIx64 ", VMCOREINFO's is 0x%" PRIx64, header,
			     (uint64_t)told);
}

static void check_header(struct check *c)
{
	const char *release = vmcoreinfo_string(c->vi, "OSRELEASE"), *page_size = vmcoreinfo_string(c->vi, "PAGESIZE");

	if (release && c->hdr.uts.release[0] && strcmp(release, c->hdr.uts.release) != 0)
		findings_add(c->report, RULE_RELEASE_DIFFERS, place_none(),
			     "release is \"%s\" in the header, \"%.80s\" in VMCOREINFO", c->hdr.uts.release, release);
	if (page_size && strtoull(page_size, NULL, 10) != c->hdr.block_size)
		findings_add(c->report, RULE_PAGE_SIZE_DIFFERS, place_none(),
			     "blocks of %" PRIu32 " bytes, but VMCOREINFO says PAGESIZE=%.20s", c->hdr.block_size,
			     page_size);
	check_header_phys_base(c);
}

/** The PFN behind the last section of RAM that the kernel has struct pages for; 0: none found. */
static uint64_t memmap_end(const struct check *c, const struct memmap *mm, uint64_t section_pfns)
{
	const struct physmem *pm = c->pm;
	uint64_t tried = 0;

	for (size_t i = pm->nr_ranges; i--;) {
		uint64_t first = pm->ranges[i].start / pm->page_size / section_pfns;
		uint64_t nr = (pm->ranges[i].end - 1) / pm->page_size / section_pfns + 1;

		for (; nr > first && tried < MAX_SECTIONS_TRIED; nr--, tried++) {
			uint64_t vaddr;

			if (memmap_vaddr_of(mm, (nr - 1) * section_pfns, &vaddr))
				return nr * section_pfns;
		}
	}
	return 0;
}

/*
 * makedumpfile lowers max_mapnr to the end of the kernel's memory map, and then looks for the second bitmap where one
 * of that many pages would begin.
 */
static void check_memmap(struct check *c, struct kmodel *km)
{
	const struct kdump_header *h = &c->hdr;
	uint64_t page_struct_size, end, bits_per_block = (uint64_t)h->block_size * 8;
	struct memmap *mm;
	int64_t section_bits;

	if (!vmcoreinfo_size(c->vi, "page", &page_struct_size) || !page_struct_size ||
	    page_struct_size > h->block_size || !vmcoreinfo_number(c->vi, "SECTION_SIZE_BITS", &section_bits))
		return;
	if (memmap_open(km, (size_t)page_struct_size, &mm, NULL) != ST_OK)
		return;
	/* memmap_open() has found section_bits sane. */
	end = memmap_end(c, mm, UINT64_C(1) << (section_bits - km->page_shift));
	memmap_close(mm);
	if (end && end < h->max_mapnr && div_round_up(end, bits_per_block) < div_round_up(h->max_mapnr, bits_per_block))
		findings_add(
			c->report, RULE_MAX_MAPNR_MEMMAP, place_none(),
			"max_mapnr 0x%" PRIx64 " reaches beyond the kernel's memory map, which ends at 0x%" PRIx64
			" (firmware or devices counted as memory): makedumpfile looks for the second bitmap too early",
			h->max_mapnr, end);
}

static void report_unproved(struct check *c, enum status st, const struct err *why)
{
	if (st == ST_UNSUPPORTED)
		findings_add(c->report, RULE_KERNEL_UNCHECKED, place_none(), "phys_base was not checked: %s",
			     why->text);
	else if (findings_find(c->report, RULE_SPLIT_PART))
		findings_add(c->report, RULE_KERNEL_UNCHECKED, place_none(),
			     "phys_base was not checked, other parts of the dump may have what it takes: %s",
			     why->text);
	else
		findings_add(c->report, RULE_KERNEL_UNPROVED, place_none(),
			     "the kernel cannot be found in the dump: %s", why->text);
}

static void check_model(struct check *c)
{
	struct kmodel *km;
	struct err why = { 0 };
	int64_t told;
	enum status st = kmodel_open(c->pm, &km, &why);

	if (st != ST_OK) {
		report_unproved(c, st, &why);
		return;
	}
	c->report->kernel_proved = true;
	if (km->phys_base_source != PHYS_BASE_VMCOREINFO && vmcoreinfo_number(c->vi, "phys_base", &told))
		findings_add(c->report, RULE_PHYS_BASE_VMCOREINFO, place_none(),
			     "VMCOREINFO's phys_base %" PRId64 " is wrong: the page tables agree with %" PRId64 " (%s)",
			     told, km->phys_base, kmodel_phys_base_source_name(km->phys_base_source));
	if (!c->report->is_elf)
		check_memmap(c, km);
	kmodel_close(km);
}

enum status check_kernel(struct check *c, struct err *err)
{
	struct err why = { 0 };
	enum status st;

	if (!c->pm->vmcoreinfo)
		return ST_OK;
	st = vmcoreinfo_parse(c->pm->vmcoreinfo, c->pm->vmcoreinfo_len_bytes, &c->vi, &why);
	if (st == ST_NO_MEMORY)
		return err_set(err, st, "%s", why.text);
	if (st != ST_OK) {
		c->vi = NULL;
		findings_add(c->report, RULE_VMCOREINFO_BAD, place_none(), "VMCOREINFO makes no sense: %s", why.text);
		return ST_OK;
	}
	if (!c->report->is_elf)
		check_header(c);
	if (!c->config->is_of_set)
		check_model(c);
	return ST_OK;
}

enum status check_kernel_of_set(struct check *c, struct err *err)
{
	enum status st;

	if (!c->pm->vmcoreinfo)
		return ST_OK;
	st = vmcoreinfo_parse(c->pm->vmcoreinfo, c->pm->vmcoreinfo_len_bytes, &c->vi, NULL);
	if (st == ST_OK)
		check_model(c);
	else
		c->vi = NULL; /* the report of each file says why */
	return st == ST_NO_MEMORY ? err_set(err, st, "out of memory") : ST_OK;
}
