// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/crash_path.h"

#include <stdlib.h>

#include "compare/cpu_notes.h"
#include "compare/crash_objects.h"
#include "kernel/arch/arch.h"
#include "kernel/dmesg.h"

/* Beyond, nothing more is proved: a log of 256 MiB in single pages. */
#define MAX_RANGES 65536u
/* Stacks are of 2 or 4 pages, twice that with KASAN (arch/x86/include/asm/page_64_types.h). */
#define STACK_MAX_PAGES 8u

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

static void see_object(void *ctx, uint64_t vaddr, uint64_t len_bytes)
{
	add_virtual(ctx, vaddr, len_bytes);
}

static void see_stack(void *ctx, uint64_t vaddr)
{
	add_stack(ctx, vaddr);
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
	struct crash_objects_sink sink = { see_object, see_stack, NULL };
	struct crash_path *cp;

	if (!outer->km || outer->km->arch != &arch_x86_64)
		return NULL;
	cp = calloc(1, sizeof(*cp));
	if (!cp)
		return NULL;
	cp->km = outer->km;
	sink.ctx = cp;
	add_log(cp);
	crash_objects_find(cp->km, &sink);
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
	unsigned nr_cpus, nr_known, nr_jumped;
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

	w->nr_cpus += cpu_note_is_prstatus(note);
	if (!qemu_note_is(note))
		return true;
	rip = get_u64(desc + QEMU_NOTE_RIP, w->outer->pm->order);
	cr3 = qemu_note_cr3(desc, w->outer->pm->order) & CR3_ADDR_BITS;
	w->nr_known++;
	/* purgatory and the tables that the jump takes lie in the reservation; rip is a physical address there */
	w->nr_jumped += is_capture_kernels(w->outer, cr3) || is_capture_kernels(w->outer, rip);
	return true;
}

bool crash_path_is_open(const struct side *outer)
{
	struct whereabouts w = { .outer = outer };

	if (!outer->has_iomem || !iomem_has(&outer->iomem, "Crash kernel"))
		return false;
	notes_for_each(outer->pm->notes, outer->pm->notes_len_bytes, outer->pm->order, look_at_cpu, &w);
	return w.nr_known && w.nr_known >= w.nr_cpus && !w.nr_jumped;
}
