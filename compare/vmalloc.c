// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/vmalloc.h"

#include <stdlib.h>

#include "kernel/arch/arch.h"
#include "kernel/kallsyms.h"

/* A bit a frame of 2 TiB of memory; beyond, the label is not worth the memory. */
#define MAX_BYTES (64 * MIB)
/* Frames and gaps that are looked at: tables that lead back into themselves have no end. */
#define MAX_STEPS (16 * UINT64_C(1048576))

struct vmalloc_frames {
	uint64_t nr_frames;
	uint8_t bits[];
};

static void mark(struct vmalloc_frames *v, uint64_t start_pfn, uint64_t nr, uint64_t *steps_left)
{
	for (uint64_t pfn = start_pfn; pfn < v->nr_frames && pfn - start_pfn < nr && *steps_left; pfn++, --*steps_left)
		v->bits[pfn / 8] |= (uint8_t)(1u << pfn % 8);
}

static void walk(struct vmalloc_frames *v, struct kmodel *km, const struct range *area, uint64_t *steps_left)
{
	uint64_t vaddr = area->start;

	while (vaddr < area->end && *steps_left) {
		uint64_t paddr, len;
		enum status st = km->arch->translate(km, vaddr, &paddr, &len, NULL);

		*steps_left -= 1;
		if (st == ST_OK)
			mark(v, paddr >> km->page_shift, len >> km->page_shift, steps_left);
		else if (st != ST_NO_DATA || !len)
			len = km->pm->page_size; /* a broken table: on to the next page */
		if (__builtin_add_overflow(vaddr, len, &vaddr))
			return;
	}
}

static uint64_t find_vmalloc_base(struct kmodel *km)
{
	struct kallsyms_symbol base = { .name = "vmalloc_base" };
	uint64_t vaddr;

	if (kallsyms_lookup(km, &base, 1, NULL) != ST_OK || !base.found ||
	    kmodel_read_u64(km, base.vaddr, &vaddr, NULL) != ST_OK)
		return 0;
	return vaddr;
}

struct vmalloc_frames *vmalloc_frames_new(struct kmodel *km)
{
	uint64_t nr_frames = physmem_max_pfn(km->pm);
	struct range areas[ARCH_VMALLOC_AREAS];
	uint64_t steps_left = MAX_STEPS;
	struct vmalloc_frames *v;
	size_t nr;

	if (!km->arch->vmalloc_areas || nr_frames / 8 >= MAX_BYTES)
		return NULL;
	v = calloc(1, sizeof(*v) + (size_t)(nr_frames / 8 + 1));
	if (!v)
		return NULL;
	v->nr_frames = nr_frames;
	nr = km->arch->vmalloc_areas(km, find_vmalloc_base(km), areas);
	for (size_t i = 0; i < nr; i++)
		walk(v, km, &areas[i], &steps_left);
	return v;
}

void vmalloc_frames_free(struct vmalloc_frames *v)
{
	free(v);
}

bool vmalloc_frames_has(const struct vmalloc_frames *v, uint64_t pfn)
{
	return v && pfn < v->nr_frames && v->bits[pfn / 8] & 1u << pfn % 8;
}
