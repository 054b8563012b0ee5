// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/crash_notes.h"

#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "formats/elf/notes.h"
#include "kernel/arch/arch.h"
#include "kernel/e820.h"
#include "kernel/iomem.h"
#include "kernel/kallsyms.h"

/* struct elf_prstatus of x86_64: pr_reg at 112, in the order of struct user_regs_struct */
#define PRSTATUS_BYTES 336u
#define PRSTATUS_RIP (112u + 16 * 8)
#define PRSTATUS_RSP (112u + 19 * 8)
#define NOTE_BYTES (12u + 8u + PRSTATUS_BYTES)
#define MAX_CPUS 8192u
#define MAX_HEADERS 256u
/* Where nobody tells where the reservation is: a core can claim far more memory than it has bytes. */
#define SEARCH_MAX_BYTES (1024 * GIB)

static bool is_kernel_address(uint64_t v)
{
	return v >> 63;
}

static bool is_sane(const uint8_t note[NOTE_BYTES], enum byte_order order)
{
	const uint8_t *desc = note + 20;

	return get_u32(note, order) == sizeof("CORE") && get_u32(note + 4, order) == PRSTATUS_BYTES &&
	       get_u32(note + 8, order) == NT_PRSTATUS && !memcmp(note + 12, "CORE", sizeof("CORE")) &&
	       is_kernel_address(get_u64(desc + PRSTATUS_RIP, order)) && is_kernel_address(get_u64(desc + PRSTATUS_RSP, order));
}

struct blob {
	uint8_t **bytes;
	size_t *len;
	size_t old_len; /* before any */
	unsigned nr;	/* of the guest's */
};

/* The notes of a source that led to none of the guest's are of no use. */
static void forget_unless_any(struct blob *b)
{
	if (!b->nr)
		*b->len = b->old_len;
}

static enum status take(struct blob *b, const uint8_t note[NOTE_BYTES], struct err *err)
{
	uint8_t *grown = realloc(*b->bytes, *b->len + NOTE_BYTES);

	if (!grown)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(grown + *b->len, note, NOTE_BYTES);
	*b->bytes = grown;
	*b->len += NOTE_BYTES;
	return ST_OK;
}

struct nth_prstatus {
	unsigned left;
	const void *desc;
};

static bool count_prstatus(const struct note *n, void *ctx)
{
	struct nth_prstatus *w = ctx;

	if (n->type != NT_PRSTATUS || n->name_len != 4 || memcmp(n->name, "CORE", 4) != 0)
		return true;
	if (w->left--)
		return true;
	w->desc = n->desc_len_bytes == PRSTATUS_BYTES ? n->desc : NULL;
	return false;
}

/*
 * Readers count notes: the n-th is CPU n's. A CPU that was stopped in user mode has no registers of the kernel's in its
 * crash note; without a note of its own, each CPU behind it would get its neighbour's.
 */
static enum status take_hypervisors(struct blob *b, const struct physmem *pm, unsigned cpu, struct err *err)
{
	struct nth_prstatus w = { cpu, NULL };
	uint8_t note[NOTE_BYTES] = { 0 };

	notes_for_each(pm->notes, pm->notes_len_bytes, pm->order, count_prstatus, &w);
	if (!w.desc)
		return ST_OK;
	put_u32(note, pm->order, sizeof("CORE"));
	put_u32(note + 4, pm->order, PRSTATUS_BYTES);
	put_u32(note + 8, pm->order, NT_PRSTATUS);
	memcpy(note + 12, "CORE", sizeof("CORE"));
	memcpy(note + 20, w.desc, PRSTATUS_BYTES);
	return take(b, note, err);
}

/* @note: of CPU @cpu; NULL: it cannot be read. */
static enum status take_cpu(struct blob *b, const struct physmem *pm, unsigned cpu, const uint8_t *note, struct err *err)
{
	if (!note || !is_sane(note, pm->order))
		return take_hypervisors(b, pm, cpu, err);
	b->nr++;
	return take(b, note, err);
}

/* What is left of the work that one search may take. */
struct bounds {
	uint64_t pages;
	unsigned headers;
};

/*
 * The header of /proc/vmcore as kexec left it in the crash reservation: one PT_NOTE for each CPU, whose p_offset is the
 * physical address of its crash note.
 */
static bool is_elfcorehdr(const uint8_t head[sizeof(Elf64_Ehdr)], enum byte_order order)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64 };

	return !memcmp(head, ident, sizeof(ident)) && get_u16(head + offsetof(Elf64_Ehdr, e_type), order) == ET_CORE &&
	       get_u16(head + offsetof(Elf64_Ehdr, e_machine), order) == EM_X86_64 &&
	       get_u64(head + offsetof(Elf64_Ehdr, e_phoff), order) == sizeof(Elf64_Ehdr) &&
	       get_u16(head + offsetof(Elf64_Ehdr, e_phentsize), order) == sizeof(Elf64_Phdr);
}

static bool is_vmcoreinfo(const uint8_t note[NOTE_BYTES], enum byte_order order)
{
	return get_u32(note, order) == sizeof("VMCOREINFO") && !memcmp(note + 12, "VMCOREINFO", sizeof("VMCOREINFO"));
}

static enum status from_elfcorehdr(struct kmodel *km, struct blob *b, uint64_t paddr, struct err *err)
{
	uint8_t raw[sizeof(Elf64_Phdr)], note[NOTE_BYTES];
	enum byte_order order = km->pm->order;
	enum status st = ST_OK;

	for (uint32_t i = 0, cpu = 0; st == ST_OK && i < MAX_CPUS; i++) {
		uint64_t at = paddr + sizeof(Elf64_Ehdr) + (uint64_t)i * sizeof(raw), where;

		/* CPUs come first, then VMCOREINFO, then memory. A file's header has offsets that are no addresses. */
		if (physmem_read(km->pm, at, raw, sizeof(raw), NULL) != ST_OK ||
		    get_u32(raw + offsetof(Elf64_Phdr, p_type), order) != PT_NOTE)
			break;
		where = get_u64(raw + offsetof(Elf64_Phdr, p_offset), order);
		if (where && where == get_u64(raw + offsetof(Elf64_Phdr, p_paddr), order) &&
		    physmem_read(km->pm, where, note, sizeof(note), NULL) == ST_OK && !is_vmcoreinfo(note, order))
			st = take_cpu(b, km->pm, cpu++, note, err);
	}
	forget_unless_any(b);
	return st;
}

/* Looked for in @where only. The header lies at the start of a page. Others may look like it: the first that leads to sane notes. */
static enum status search_range(struct kmodel *km, struct blob *b, struct range where, struct bounds *left, struct err *err)
{
	struct physmem *pm = km->pm;
	struct range run = { where.start, where.start };
	enum status st = ST_OK;

	while (physmem_next_data(pm, run.end, where.end, &run)) {
		for (uint64_t at = align_up(run.start, pm->page_size); at < run.end; at += pm->page_size) {
			uint8_t head[sizeof(Elf64_Ehdr)];

			if (!left->pages)
				return ST_OK;
			left->pages--;
			if (physmem_read(pm, at, head, sizeof(head), NULL) != ST_OK || !is_elfcorehdr(head, pm->order))
				continue;
			if (!left->headers)
				return ST_OK;
			left->headers--;
			st = from_elfcorehdr(km, b, at, err);
			if (st != ST_OK || b->nr)
				return st;
		}
	}
	return ST_OK;
}

/* The crash reservation as the kernel has it in its tree of resources. False: not known. */
static bool find_reservation(struct kmodel *km, struct iomem *io)
{
	if (iomem_init(io, km, NULL) != ST_OK && e820_init_iomem(io, km, NULL) != ST_OK)
		return false;
	if (iomem_has(io, "Crash kernel"))
		return true;
	iomem_deinit(io);
	return false;
}

static enum status search_elfcorehdr(struct kmodel *km, struct blob *b, struct err *err)
{
	struct bounds left = { .pages = SEARCH_MAX_BYTES / km->pm->page_size, .headers = MAX_HEADERS };
	struct iomem io;
	enum status st = ST_OK;

	if (!find_reservation(km, &io))
		return search_range(km, b, (struct range){ 0, physmem_max_pfn(km->pm) * km->pm->page_size }, &left, err);
	for (size_t i = 0; i < io.nr_regions && st == ST_OK && !b->nr; i++)
		if (!strcmp(io.regions[i].name, "Crash kernel"))
			st = search_range(km, b, (struct range){ io.regions[i].start, io.regions[i].end }, &left, err);
	iomem_deinit(&io);
	return st;
}

static enum status from_kallsyms(struct kmodel *km, struct blob *b, struct err *err)
{
	enum { CRASH_NOTES, PER_CPU_OFFSET, NR_CPU_IDS, NR_SYMBOLS };
	struct kallsyms_symbol syms[NR_SYMBOLS] = { { .name = "crash_notes" },
						    { .name = "__per_cpu_offset" },
						    { .name = "nr_cpu_ids" } };
	uint64_t base;
	uint32_t nr = 1;
	enum status st;

	st = kallsyms_lookup(km, syms, NR_SYMBOLS, err);
	if (st == ST_OK && (!syms[CRASH_NOTES].found || !syms[PER_CPU_OFFSET].found))
		st = err_set(err, ST_NOT_FOUND, "the kernel's symbol table has no crash_notes");
	if (st == ST_OK)
		st = kmodel_read_u64(km, syms[CRASH_NOTES].vaddr, &base, err);
	if (st == ST_OK && syms[NR_CPU_IDS].found)
		st = kmodel_read_u32(km, syms[NR_CPU_IDS].vaddr, &nr, err);
	for (uint32_t cpu = 0; st == ST_OK && cpu < nr && cpu < MAX_CPUS; cpu++) {
		uint8_t note[NOTE_BYTES];
		uint64_t offset;

		bool is_there = kmodel_read_u64(km, syms[PER_CPU_OFFSET].vaddr + (uint64_t)cpu * 8, &offset, NULL) == ST_OK &&
				kmodel_read(km, base + offset, note, sizeof(note), NULL) == ST_OK;

		st = take_cpu(b, km->pm, cpu, is_there ? note : NULL, err);
	}
	forget_unless_any(b);
	return st;
}

enum status crash_notes_append(struct kmodel *km, uint8_t **blob, size_t *len, unsigned *nr_cpus, struct err *err)
{
	struct blob b = { .bytes = blob, .len = len, .old_len = *len };
	struct err why;
	enum status st;

	*nr_cpus = 0;
	if (km->arch != &arch_x86_64)
		return err_set(err, ST_UNSUPPORTED, "crash notes of %s are not understood", km->arch->machine);
	st = from_kallsyms(km, &b, &why);
	/* Kernels before 6.0 do not tell where kallsyms is. */
	if (st != ST_OK && st != ST_NO_MEMORY) {
		st = search_elfcorehdr(km, &b, err);
		if (st == ST_OK && !b.nr)
			st = err_set(err, ST_NOT_FOUND, "%s, and no elfcorehdr leads to any", why.text);
	} else if (st != ST_OK) {
		err_set(err, st, "%s", why.text);
	}
	*nr_cpus = b.nr;
	return st;
}
