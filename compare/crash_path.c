// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/crash_path.h"

#include <stdlib.h>

#include "compare/cpu_notes.h"
#include "kernel/arch/arch.h"
#include "kernel/dmesg.h"
#include "kernel/kallsyms.h"

/* Beyond, nothing more is proved: a log of 256 MiB in single pages. */
#define MAX_RANGES 65536u
#define MAX_CPUS 8192u
/* Stacks are of 2 or 4 pages, twice that with KASAN (arch/x86/include/asm/page_64_types.h). */
#define STACK_MAX_PAGES 8u
/* irq_stack_backing_store: IRQ_STACK_ORDER is 2 where KASAN adds nothing. */
#define IRQ_STACK_PAGES 4u
/* note_buf_t: two note headers, "CORE" and its padding, struct elf_prstatus (include/linux/crash_core.h) */
#define CRASH_NOTE_BYTES (2u * 12 + 8 + PRSTATUS_BYTES_X86_64)
/* VMCOREINFO_NOTE_SIZE: two note headers, "VMCOREINFO" and its padding, a page */
#define VMCOREINFO_NOTE_BYTES(page_size) (2u * 12 + 12 + (page_size))
/* struct x86_hw_tss is packed: reserved1, sp0 to sp2, reserved2, ist[7]; IST_INDEX_NMI is 1 */
#define TSS_IST_NMI (4u + 3 * 8 + 8 + 8)

struct crash_path {
	struct kmodel *km;
	struct range *ranges; /* physical bytes; sorted and disjoint once all are found */
	size_t nr, cap;
	bool failed; /* out of memory */
};

static void add(struct crash_path *cp, uint64_t start, uint64_t len)
{
	if (cp->failed || cp->nr == MAX_RANGES || !len || start > UINT64_MAX - len)
		return;
	if (cp->nr == cp->cap) {
		size_t cap = cp->cap ? 2 * cp->cap : 64;
		struct range *v = reallocarray(cp->ranges, cap, sizeof(*v));

		cp->failed = !v;
		if (!v)
			return;
		cp->ranges = v;
		cp->cap = cap;
	}
	cp->ranges[cp->nr++] = (struct range){ start, start + len };
}

/* By the page tables alone: the image formula says yes to addresses that the kernel does not map. */
static bool translate(struct crash_path *cp, uint64_t vaddr, uint64_t *paddr, uint64_t *len)
{
	return cp->km->arch->translate(cp->km, vaddr, paddr, len, NULL) == ST_OK && *len;
}

static void add_virtual(struct crash_path *cp, uint64_t vaddr, uint64_t len)
{
	while (len && cp->nr < MAX_RANGES) {
		uint64_t paddr, run;

		if (!translate(cp, vaddr, &paddr, &run))
			return;
		run = min_u64(run, len);
		add(cp, paddr, run);
		len -= run;
		if (__builtin_add_overflow(vaddr, run, &vaddr))
			return;
	}
}

static bool is_mapped(struct crash_path *cp, uint64_t vaddr)
{
	uint64_t paddr, len;

	return translate(cp, vaddr, &paddr, &len);
}

/**
 * Is @vaddr in a stack? The kernel maps one (CONFIG_VMAP_STACK, and those for interrupts in cpu_entry_area) with a page
 * that is not mapped at either end, to catch an overflow: so a run of few pages between two such pages is a stack, or at
 * least something as small of its own that a stack pointer leads to.
 */
static void add_stack(struct crash_path *cp, uint64_t vaddr)
{
	uint64_t page_size = cp->km->pm->page_size, start = align_down(vaddr, page_size), end;
	unsigned nr = 1;

	if (!(vaddr >> 63) || !is_mapped(cp, start))
		return;
	while (nr <= STACK_MAX_PAGES && is_mapped(cp, start - page_size)) {
		start -= page_size;
		nr++;
	}
	end = start + nr * page_size;
	while (nr <= STACK_MAX_PAGES && end && is_mapped(cp, end)) {
		end += page_size;
		nr++;
	}
	if (nr <= STACK_MAX_PAGES)
		add_virtual(cp, start, nr * page_size);
}

static bool add_note_stack(const struct note *note, void *ctx)
{
	struct crash_path *cp = ctx;

	if (cpu_note_is_prstatus(note)) {
		uint64_t rsp = get_u64((const uint8_t *)note->desc + PRSTATUS_RSP, cp->km->pm->order);

		add_stack(cp, rsp);
		add_stack(cp, rsp - 1); /* an empty stack's pointer is behind its last page */
	}
	return true;
}

static void add_stacks_by_registers(struct crash_path *cp, const struct side *s)
{
	notes_for_each(s->pm->notes, s->pm->notes_len_bytes, s->pm->order, add_note_stack, cp);
}

static void add_log(struct crash_path *cp)
{
	struct range areas[DMESG_MAX_AREAS];
	size_t nr;

	if (dmesg_areas(cp->km, areas, &nr, NULL) != ST_OK)
		return;
	for (size_t i = 0; i < nr; i++)
		add_virtual(cp, areas[i].start, areas[i].end - areas[i].start);
}

enum { CRASH_NOTES, PER_CPU_OFFSET, NR_CPU_IDS, TSS, IRQ_STACK, NOTE, DATA, SIZE, NR_SYMBOLS };

/** What the variable @sym points to. */
static void add_pointed(struct crash_path *cp, const struct kallsyms_symbol *sym, uint64_t len)
{
	uint64_t vaddr;

	if (sym->found && kmodel_read_u64(cp->km, sym->vaddr, &vaddr, NULL) == ST_OK)
		add_virtual(cp, vaddr, len);
}

/** Of the CPU whose per-CPU data are @offset further on than the linker put them. */
static void add_cpu(struct crash_path *cp, const struct kallsyms_symbol *sym, uint64_t notes, uint64_t offset)
{
	uint64_t top;

	if (notes)
		add_virtual(cp, notes + offset, CRASH_NOTE_BYTES);
	if (sym[IRQ_STACK].found)
		add_virtual(cp, sym[IRQ_STACK].vaddr + offset, (uint64_t)IRQ_STACK_PAGES * cp->km->pm->page_size);
	if (sym[TSS].found && kmodel_read_u64(cp->km, sym[TSS].vaddr + offset + TSS_IST_NMI, &top, NULL) == ST_OK)
		add_stack(cp, top - 1);
}

static void add_by_symbols(struct crash_path *cp)
{
	struct kallsyms_symbol sym[NR_SYMBOLS] = {
		[CRASH_NOTES] = { .name = "crash_notes" },     [PER_CPU_OFFSET] = { .name = "__per_cpu_offset" },
		[NR_CPU_IDS] = { .name = "nr_cpu_ids" },       [TSS] = { .name = "cpu_tss_rw" },
		[NOTE] = { .name = "vmcoreinfo_note" },	       [DATA] = { .name = "vmcoreinfo_data" },
		[SIZE] = { .name = "vmcoreinfo_size" },	       [IRQ_STACK] = { .name = "irq_stack_backing_store" },
	};
	uint32_t page_size = cp->km->pm->page_size, nr_cpus = 1;
	uint64_t notes = 0, offset;

	if (kallsyms_lookup(cp->km, sym, NR_SYMBOLS, NULL) != ST_OK)
		return;
	add_pointed(cp, &sym[NOTE], VMCOREINFO_NOTE_BYTES(page_size));
	add_pointed(cp, &sym[DATA], page_size);
	if (sym[SIZE].found)
		add_virtual(cp, sym[SIZE].vaddr, 8);
	if (!sym[PER_CPU_OFFSET].found)
		return;
	if (sym[CRASH_NOTES].found && kmodel_read_u64(cp->km, sym[CRASH_NOTES].vaddr, &notes, NULL) != ST_OK)
		notes = 0;
	if (sym[NR_CPU_IDS].found && kmodel_read_u32(cp->km, sym[NR_CPU_IDS].vaddr, &nr_cpus, NULL) != ST_OK)
		nr_cpus = 1;
	for (uint32_t cpu = 0; cpu < nr_cpus && cpu < MAX_CPUS; cpu++)
		if (kmodel_read_u64(cp->km, sym[PER_CPU_OFFSET].vaddr + (uint64_t)cpu * 8, &offset, NULL) == ST_OK)
			add_cpu(cp, sym, notes, offset);
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void merge(struct crash_path *cp)
{
	size_t nr = 0;

	if (cp->nr)
		qsort(cp->ranges, cp->nr, sizeof(*cp->ranges), by_start);
	for (size_t i = 0; i < cp->nr; i++) {
		if (nr && cp->ranges[i].start <= cp->ranges[nr - 1].end)
			cp->ranges[nr - 1].end = max_u64(cp->ranges[nr - 1].end, cp->ranges[i].end);
		else
			cp->ranges[nr++] = cp->ranges[i];
	}
	cp->nr = nr;
}

struct crash_path *crash_path_new(const struct side *inner, const struct side *outer)
{
	struct crash_path *cp;

	if (!outer->km || outer->km->arch != &arch_x86_64)
		return NULL;
	cp = calloc(1, sizeof(*cp));
	if (!cp)
		return NULL;
	cp->km = outer->km;
	add_log(cp);
	add_by_symbols(cp);
	add_stacks_by_registers(cp, inner);
	add_stacks_by_registers(cp, outer);
	merge(cp);
	if (!cp->failed && cp->nr)
		return cp;
	crash_path_free(cp);
	return NULL;
}

void crash_path_free(struct crash_path *cp)
{
	if (!cp)
		return;
	free(cp->ranges);
	free(cp);
}

bool crash_path_explains(const struct crash_path *cp, uint64_t pfn, const uint8_t *a, const uint8_t *b,
			 uint32_t page_size)
{
	uint64_t base = pfn * page_size;
	size_t at;

	if (!cp)
		return false;
	at = ranges_find(cp->ranges, cp->nr, base);
	for (uint32_t i = 0; i < page_size; i++) {
		while (at < cp->nr && cp->ranges[at].end <= base + i)
			at++;
		if (a[i] != b[i] && (at == cp->nr || base + i < cp->ranges[at].start))
			return false;
	}
	return true;
}

/* Where the vCPUs run. */
struct whereabouts {
	const struct side *outer;
	unsigned nr_known, nr_jumped;
};

/* With crashkernel=,cma the capture kernel has the memory of that as well. */
static bool is_capture_kernels(const struct side *s, uint64_t paddr)
{
	for (size_t i = 0; i < s->nr_crash_cma; i++)
		if (s->crash_cma[i].start <= paddr && paddr < s->crash_cma[i].end)
			return true;
	return iomem_is_inside(&s->iomem, paddr, "Crash kernel");
}

static bool look_at_cpu(const struct note *note, void *ctx)
{
	struct whereabouts *w = ctx;
	const uint8_t *desc = note->desc;
	uint64_t rip, cr3;

	if (!cpu_note_is_qemu(note))
		return true;
	rip = get_u64(desc + QEMU_NOTE_RIP, w->outer->pm->order);
	cr3 = qemu_note_cr3(desc, w->outer->pm->order) & CR3_ADDR_BITS;
	w->nr_known++;
	/* purgatory and the tables that the jump takes lie in the reservation; rip is a physical address there */
	w->nr_jumped += is_capture_kernels(w->outer, cr3) || is_capture_kernels(w->outer, rip);
	return true;
}

static bool has_reservation(const struct iomem *io)
{
	for (size_t i = 0; i < io->nr_regions; i++)
		if (!strcmp(io->regions[i].name, "Crash kernel"))
			return true;
	return false;
}

bool crash_path_is_open(const struct side *outer)
{
	struct whereabouts w = { .outer = outer };

	if (!outer->has_iomem || !has_reservation(&outer->iomem))
		return false;
	notes_for_each(outer->pm->notes, outer->pm->notes_len_bytes, outer->pm->order, look_at_cpu, &w);
	return w.nr_known && !w.nr_jumped;
}
