// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/dump_info.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "capture/plan.h"
#include "common/pool.h"
#include "common/units.h"
#include "kernel/arch/arch.h"

#define ERASEINFO_MAX MIB

static void gather_vmcoreinfo(struct dump_info *di)
{
	struct err err = { 0 };

	if (di->pm->vmcoreinfo &&
	    vmcoreinfo_parse(di->pm->vmcoreinfo, di->pm->vmcoreinfo_len_bytes, &di->vi, &err) != ST_OK) {
		di->vi = NULL;
		memcpy(di->vmcoreinfo_trouble, err.text, sizeof(di->vmcoreinfo_trouble));
	}
}

/* uname -m's word for what an ELF header says. */
static const char *machine_name(uint16_t elf_machine, bool is_64bit, char buf[16])
{
	static const struct {
		uint16_t machine;
		bool is_64bit;
		const char *name;
	} names[] = {
		{ EM_X86_64, true, "x86_64" }, { EM_386, false, "i686" },     { EM_AARCH64, true, "aarch64" },
		{ EM_ARM, false, "arm" },      { EM_PPC64, true, "ppc64" },   { EM_PPC, false, "ppc" },
		{ EM_S390, true, "s390x" },    { EM_RISCV, true, "riscv64" }, { EM_RISCV, false, "riscv32" },
		{ EM_MIPS, true, "mips64" },   { EM_MIPS, false, "mips" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].machine == elf_machine && names[i].is_64bit == is_64bit)
			return names[i].name;
	if (!elf_machine)
		return NULL;
	snprintf(buf, 16, "ELF %u", elf_machine);
	return buf;
}

static void gather_names(struct dump_info *di)
{
	const struct physmem *pm = di->pm;
	const char *crashtime = di->vi ? vmcoreinfo_string(di->vi, "CRASHTIME") : NULL;

	if (pm->uts.release[0])
		di->release = pm->uts.release;
	else if (di->vi)
		di->release = vmcoreinfo_string(di->vi, "OSRELEASE");
	if (pm->uts.machine[0])
		di->machine = pm->uts.machine;
	else
		di->machine = machine_name(pm->elf_machine, pm->is_64bit, di->machine_buf);
	di->crash_time = crashtime ? strtoull(crashtime, NULL, 10) : pm->crash_time_seconds;
	notes_count(pm->notes, pm->notes_len_bytes, pm->order, &di->notes);
	di->nr_cpus = di->kdump && di->kdump->header.nr_cpus ? di->kdump->header.nr_cpus : di->notes.nr_prstatus;
}

/** The best guess where the kernel's page tables could not confirm any. */
static void guess_phys_base(struct dump_info *di)
{
	const struct physmem *pm = di->pm;
	const struct arch_ops *arch = di->vi || pm->elf_machine || pm->uts.machine[0] ? arch_find(pm, di->vi) : NULL;

	di->has_phys_base = true;
	if (di->vi && vmcoreinfo_number(di->vi, "phys_base", &di->phys_base)) {
		di->phys_base_source = PHYS_BASE_VMCOREINFO;
	} else if (pm->has_kernel_text_map && arch) {
		di->phys_base = arch->phys_base_of_load(pm->kernel_text_vaddr, pm->kernel_text_paddr);
		di->phys_base_source = PHYS_BASE_KERNEL_LOAD;
	} else if (pm->has_header_phys_base) {
		di->phys_base = pm->header_phys_base;
		di->phys_base_source = PHYS_BASE_HEADER;
	} else {
		di->has_phys_base = false;
		di->phys_base_source = PHYS_BASE_UNKNOWN;
	}
}

/* Trouble with the memory map is no reason to say nothing of the dump. */
static void gather_classes(struct dump_info *di, struct kmodel *km)
{
	struct plan_config config = { .nr_threads = pool_nr_cpus() };
	struct plan plan;
	struct err err = { 0 };

	if (plan_init(&plan, di->pm, km, &config, &err) != ST_OK) {
		memcpy(di->classes_trouble, err.text, sizeof(di->classes_trouble));
		return;
	}
	di->has_classes = plan.filtered;
	snprintf(di->classes_trouble, sizeof(di->classes_trouble), "%s", plan.why_unfiltered);
	di->seen = plan_seen(&plan);
	if (di->has_classes)
		trust_weigh(&di->trust, km, &di->seen);
	plan_deinit(&plan);
}

static void gather_model(struct dump_info *di, bool with_classes)
{
	struct kmodel *km = NULL;
	struct err err = { 0 };

	if (kmodel_open(di->pm, &km, &err) != ST_OK) {
		memcpy(di->phys_base_trouble, err.text, sizeof(di->phys_base_trouble));
		if (with_classes)
			memcpy(di->classes_trouble, err.text, sizeof(di->classes_trouble));
		guess_phys_base(di);
		return;
	}
	di->has_phys_base = true;
	di->phys_base = km->phys_base;
	di->phys_base_source = km->phys_base_source;
	di->phys_base_checked = true;
	if (with_classes)
		gather_classes(di, km);
	kmodel_close(km);
}

static enum status gather_kdump_pages(struct dump_info *di, struct err *err)
{
	const struct kdump_details *k = di->kdump;
	enum status st = kdump_physmem_survey(di->pm, &di->survey, err);

	if (st != ST_OK)
		return st;
	di->pages_ram = k->nr_ram;
	di->pages_stored = k->nr_stored;
	di->pages_excluded = k->nr_excluded;
	di->pages_unreadable = di->survey.nr_unreadable;
	di->pages_zero = di->survey.nr_zero;
	di->has_pages_zero = true;
	if (k->flattened_truncated)
		di->why_incomplete = "the stream was cut off";
	else if (di->survey.nr_cut_off)
		di->why_incomplete = "the file was cut off";
	else if (k->header.status & KDUMP_STATUS_INCOMPLETE)
		di->why_incomplete = "its writer ran out of space or was stopped";
	return ST_OK;
}

/** Page frames of which the core holds a byte. */
static uint64_t count_held_pages(struct physmem *pm)
{
	uint64_t n = 0, next_pfn = 0;
	struct range run = { 0, 0 };

	while (physmem_next_data(pm, run.end, UINT64_MAX, &run)) {
		uint64_t start = max_u64(run.start / pm->page_size, next_pfn);
		uint64_t end = div_round_up(run.end, pm->page_size);

		n += end > start ? end - start : 0;
		next_pfn = max_u64(next_pfn, end);
	}
	return n;
}

static void gather_elf_pages(struct dump_info *di)
{
	const struct elf_details *e = di->elf;
	uint64_t mask = di->pm->page_size - 1;

	for (size_t i = 0; i < e->nr_loads; i++)
		di->elf_unaligned_loads += ((e->loads[i].paddr | e->loads[i].mem_len) & mask) != 0;
	di->pages_ram = physmem_nr_present_pages(di->pm);
	di->pages_stored = count_held_pages(di->pm);
	di->pages_excluded = di->pages_ram - di->pages_stored;
	di->pages_unreadable = min_u64(di->pages_stored, div_round_up(e->truncated_bytes, di->pm->page_size));
	if (e->truncated_bytes)
		di->why_incomplete = "the file was cut off";
	else if (e->marked_incomplete)
		di->why_incomplete = "its writer ran out of space";
}

/* Trouble with this text is no reason to say nothing of the dump. */
static void gather_eraseinfo(struct dump_info *di)
{
	const struct kdump_header *h = di->kdump ? &di->kdump->header : NULL;

	if (!h || !h->eraseinfo_len || h->eraseinfo_len > ERASEINFO_MAX)
		return;
	di->eraseinfo = malloc(h->eraseinfo_len);
	if (!di->eraseinfo)
		return;
	if (kdump_physmem_read_file(di->pm, h->eraseinfo_off, di->eraseinfo, h->eraseinfo_len, NULL) == ST_OK) {
		di->eraseinfo_len = h->eraseinfo_len;
		return;
	}
	free(di->eraseinfo);
	di->eraseinfo = NULL;
}

enum status dump_info_gather(const char *path, bool with_classes, struct dump_info *di, struct err *err)
{
	enum status st;

	memset(di, 0, sizeof(*di));
	st = physmem_open(path, &di->pm, err);
	if (st != ST_OK) {
		di->pm = NULL;
		return st;
	}
	di->kdump = kdump_physmem_details(di->pm);
	di->elf = elf_physmem_details(di->pm);
	gather_vmcoreinfo(di);
	gather_names(di);
	gather_model(di, with_classes);
	gather_eraseinfo(di);
	if (di->kdump)
		st = gather_kdump_pages(di, err);
	else if (di->elf)
		gather_elf_pages(di);
	di->complete = !di->why_incomplete;
	return st;
}

void dump_info_deinit(struct dump_info *di)
{
	vmcoreinfo_free(di->vi);
	free(di->eraseinfo);
	physmem_close(di->pm);
	memset(di, 0, sizeof(*di));
}

const char *dump_info_format(const struct dump_info *di)
{
	if (!di->kdump)
		return "ELF core";
	return di->kdump->flattened ? "flattened KDUMP" : "KDUMP";
}

void dump_info_escape(const char *text, size_t len, bool keep_newlines, FILE *to)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c >= 0x20 && c < 0x7f && c != '\\') || (c == '\n' && keep_newlines))
			putc(c, to);
		else
			fprintf(to, "\\x%02x", c);
	}
}
