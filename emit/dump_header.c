// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/dump_header.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "formats/elf/notes.h"
#include "kernel/arch/arch.h"
#include "kernel/uts.h"

static bool is_sane_uts_field(const char *s, bool may_be_empty)
{
	size_t len = strnlen(s, UTS_FIELD_BYTES);

	if (len == UTS_FIELD_BYTES || (!len && !may_be_empty))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20)
			return false;
	return true;
}

static bool read_init_uts_ns(struct kmodel *km, struct physmem_utsname *uts)
{
	char raw[6 * UTS_FIELD_BYTES];
	uint64_t vaddr;

	if (!uts_find(km, &vaddr) || kmodel_read(km, vaddr, raw, sizeof(raw), NULL) != ST_OK)
		return false;
	for (size_t i = 0; i < 6; i++)
		if (!is_sane_uts_field(raw + i * UTS_FIELD_BYTES, i == 1 || i == 5))
			return false;
	if (strcmp(raw, "Linux") != 0)
		return false;
	memcpy(uts->sysname, raw, UTS_FIELD_BYTES);
	memcpy(uts->nodename, raw + UTS_FIELD_BYTES, UTS_FIELD_BYTES);
	memcpy(uts->release, raw + 2 * UTS_FIELD_BYTES, UTS_FIELD_BYTES);
	memcpy(uts->version, raw + 3 * UTS_FIELD_BYTES, UTS_FIELD_BYTES);
	memcpy(uts->machine, raw + 4 * UTS_FIELD_BYTES, UTS_FIELD_BYTES);
	memcpy(uts->domainname, raw + 5 * UTS_FIELD_BYTES, UTS_FIELD_BYTES);
	return true;
}

static void default_field(char field[UTS_FIELD_BYTES], const char *value)
{
	if (!field[0] && value)
		strncpy(field, value, UTS_FIELD_BYTES - 1);
}

static const char *machine_of_elf(uint16_t elf_machine)
{
	switch (elf_machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_AARCH64:
		return "aarch64";
	case EM_RISCV:
		return "riscv64";
	case EM_S390:
		return "s390x";
	case EM_PPC64:
		return "ppc64";
	default:
		return NULL;
	}
}

/* libkdumpfile takes a dump's architecture only from a utsname without empty fields. */
static void fill_uts(struct kdump_header *h, const struct physmem *pm, struct kmodel *km)
{
	h->uts = pm->uts;
	if (!km || !read_init_uts_ns(km, &h->uts)) {
		default_field(h->uts.sysname, "Linux");
		default_field(h->uts.release, km ? vmcoreinfo_string(km->vi, "OSRELEASE") : NULL);
		default_field(h->uts.release, "unknown");
		default_field(h->uts.version, "unknown");
		default_field(h->uts.machine, km ? km->arch->machine : machine_of_elf(pm->elf_machine));
	}
}

static void fill_phys_base(struct kdump_header *h, const struct physmem *pm, const struct kmodel *km)
{
	if (km)
		h->phys_base = (uint64_t)km->phys_base;
	else if (pm->has_kernel_text_map && pm->elf_machine == arch_x86_64.elf_machine)
		h->phys_base = (uint64_t)arch_x86_64.phys_base_of_load(pm->kernel_text_vaddr, pm->kernel_text_paddr);
	else if (pm->has_header_phys_base)
		h->phys_base = (uint64_t)pm->header_phys_base;
}

void dump_header_fill(struct kdump_header *h, struct physmem *pm, struct kmodel *km)
{
	const char *crash_time = km ? vmcoreinfo_string(km->vi, "CRASHTIME") : NULL;
	struct note_counts counts;

	*h = (struct kdump_header){
		.is_64bit = pm->is_64bit,
		.order = pm->order,
		.version = KDUMP_HEADER_VERSION,
		.block_size = pm->page_size,
		.max_mapnr = physmem_max_pfn(pm),
	};
	fill_uts(h, pm, km);
	fill_phys_base(h, pm, km);
	h->tv_sec = crash_time ? strtoull(crash_time, NULL, 10) : pm->crash_time_seconds;
	notes_count(pm->notes, pm->notes_len_bytes, pm->order, &counts);
	h->nr_cpus = counts.nr_prstatus;
}
