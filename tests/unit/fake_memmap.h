/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_MEMMAP_H
#define TESTS_UNIT_FAKE_MEMMAP_H

/*
 * A sparse memory map in a fake kernel: mem_section, and a struct page for each page frame, laid out as Linux 6.1 has
 *them but in sections of 4 MiB. Include after cmocka.h.
 *
 *	struct fake_memmap mm = fake_memmap_new(32 * MIB, FAKE_EXTREME);
 *	fake_vi_6_1(mm.fk);				flags and types in VMCOREINFO
 *	fake_page_put(&mm, pfn, (struct fake_page){ .flags = FAKE_PG_SLAB, .refcount = 1 });
 *	struct kmodel *km = fake_kernel_open(mm.fk);
 *	...
 *	kmodel_close(km);
 *	fake_memmap_free(&mm);
 */

#include "tests/unit/fake_kernel.h"

#define FAKE_SECTION_BITS 22
#define FAKE_SECTION_PAGES (UINT64_C(1) << (FAKE_SECTION_BITS - 12))
#define FAKE_PAGE_STRUCT 64
#define FAKE_SECTION_STRUCT 32
#define FAKE_MAX_SECTIONS 64
#define FAKE_SECTION_FLAGS 0xfu /* present, has a map, online, early */

/* Linux 6.1's, less what CONFIG options may add */
#define FAKE_PG_LRU (UINT64_C(1) << 4)
#define FAKE_PG_SLAB (UINT64_C(1) << 9)
#define FAKE_PG_SWAPCACHE (UINT64_C(1) << 10)
#define FAKE_PG_PRIVATE (UINT64_C(1) << 13)
#define FAKE_PG_HEAD (UINT64_C(1) << 16)
#define FAKE_PG_SWAPBACKED (UINT64_C(1) << 19)
#define FAKE_PG_HWPOISON (UINT64_C(1) << 22)
#define FAKE_BUDDY (-129)
#define FAKE_OFFLINE (-257)
#define FAKE_MAX_ORDER 11u

enum fake_section_model {
	FAKE_EXTREME,	       /**< mem_section is the address of the array of roots */
	FAKE_EXTREME_INDIRECT, /**< of the pointer to it */
	FAKE_FLAT,	       /**< of the array of sections */
};

struct fake_page {
	uint64_t flags, compound_head, mapping, private;
	int32_t mapcount_plus_1; /**< so that zero is what an unmapped page has */
	int32_t refcount;
	uint8_t dtor;
};

struct fake_memmap {
	struct fake_kernel *fk;
	uint64_t nr_sections;
	uint64_t section_vaddr[FAKE_MAX_SECTIONS]; /**< of its struct mem_section */
	uint64_t map_vaddr[FAKE_MAX_SECTIONS];	   /**< of its first struct page */
};

static inline bool fake_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	for (size_t i = 0; i < pm->nr_ranges; i++) {
		if (pm->ranges[i].end <= paddr)
			continue;
		*run = (struct range){ max_u64(paddr, pm->ranges[i].start), min_u64(limit, pm->ranges[i].end) };
		return run->start < run->end;
	}
	return false;
}

static const struct physmem_ops fake_memmap_physmem_ops = {
	.read = fake_physmem_read,
	.next_data = fake_next_data,
	.close = fake_physmem_close,
};

/** (Re)write what mem_section says of section @nr. */
static inline void fake_section_put(struct fake_memmap *mm, uint64_t nr, uint64_t flags)
{
	fake_put_u64(mm->fk, mm->section_vaddr[nr],
		     (mm->map_vaddr[nr] - nr * FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT) | flags);
}

static inline void fake_make_sections(struct fake_memmap *mm, enum fake_section_model model)
{
	uint64_t array = fake_alloc(mm->fk, FAKE_MAX_SECTIONS * FAKE_SECTION_STRUCT);
	uint64_t symbol = array, pointer;

	if (model != FAKE_FLAT) {
		symbol = fake_alloc(mm->fk, FAKE_PAGE);
		fake_put_u64(mm->fk, symbol, array);
	}
	if (model == FAKE_EXTREME_INDIRECT) {
		pointer = fake_alloc_image(mm->fk, FAKE_PAGE);
		fake_put_u64(mm->fk, pointer, symbol);
		symbol = pointer;
	}
	for (uint64_t nr = 0; nr < mm->nr_sections; nr++) {
		mm->section_vaddr[nr] = array + nr * FAKE_SECTION_STRUCT;
		mm->map_vaddr[nr] = fake_alloc(mm->fk, FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT);
		fake_section_put(mm, nr, FAKE_SECTION_FLAGS);
	}
	fake_vi_add(mm->fk, "SYMBOL(mem_section)=%llx", (unsigned long long)symbol);
	fake_vi_add(mm->fk, "LENGTH(mem_section)=%llu",
		    model == FAKE_FLAT ? 1ull << (46 - FAKE_SECTION_BITS) : 2048ull);
}

/** RAM from 0 to @ram_bytes, all of it in sections; the struct pages are zero. */
static inline struct fake_memmap fake_memmap_new(uint64_t ram_bytes, enum fake_section_model model)
{
	struct fake_memmap mm = { .fk = fake_kernel_new(ram_bytes), .nr_sections = ram_bytes >> FAKE_SECTION_BITS };

	assert_true(mm.nr_sections && mm.nr_sections <= FAKE_MAX_SECTIONS);
	mm.fk->pm.ops = &fake_memmap_physmem_ops;
	fake_make_sections(&mm, model);
	fake_vi_add(mm.fk, "SIZE(mem_section)=%d", FAKE_SECTION_STRUCT);
	fake_vi_add(mm.fk, "OFFSET(mem_section.section_mem_map)=0");
	fake_vi_add(mm.fk, "NUMBER(SECTION_SIZE_BITS)=%d", FAKE_SECTION_BITS);
	fake_vi_add(mm.fk, "NUMBER(MAX_PHYSMEM_BITS)=46");
	fake_vi_add(mm.fk, "SIZE(page)=%d", FAKE_PAGE_STRUCT);
	fake_vi_add(mm.fk, "OFFSET(page.flags)=0\nOFFSET(page.compound_head)=8\nOFFSET(page.mapping)=24");
	fake_vi_add(mm.fk, "OFFSET(page.private)=40\nOFFSET(page._mapcount)=48\nOFFSET(page._refcount)=52");
	return mm;
}

static inline void fake_memmap_free(struct fake_memmap *mm)
{
	fake_kernel_free(mm->fk);
}

/** VMCOREINFO's numbers as Linux 6.1 has them. */
static inline void fake_vi_6_1(struct fake_kernel *fk)
{
	fake_vi_add(fk, "NUMBER(PG_lru)=4\nNUMBER(PG_slab)=9\nNUMBER(PG_swapcache)=10\nNUMBER(PG_private)=13");
	fake_vi_add(fk, "NUMBER(PG_swapbacked)=19\nNUMBER(PG_hwpoison)=22\nNUMBER(PG_head_mask)=65536");
	fake_vi_add(fk, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=%d", FAKE_BUDDY);
	fake_vi_add(fk, "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=%d", FAKE_OFFLINE);
	fake_vi_add(fk, "NUMBER(HUGETLB_PAGE_DTOR)=2\nOFFSET(page.compound_dtor)=16");
	fake_vi_add(fk, "LENGTH(zone.free_area)=%u", FAKE_MAX_ORDER);
}

static inline uint64_t fake_page_vaddr(const struct fake_memmap *mm, uint64_t pfn)
{
	assert_true(pfn / FAKE_SECTION_PAGES < mm->nr_sections);
	return mm->map_vaddr[pfn / FAKE_SECTION_PAGES] + pfn % FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT;
}

static inline void fake_page_encode(const struct fake_page *p, uint8_t raw[FAKE_PAGE_STRUCT])
{
	memset(raw, 0, FAKE_PAGE_STRUCT);
	put_u64(raw, ORDER_LITTLE, p->flags);
	put_u64(raw + 8, ORDER_LITTLE, p->compound_head);
	raw[16] = p->dtor;
	put_u64(raw + 24, ORDER_LITTLE, p->mapping);
	put_u64(raw + 40, ORDER_LITTLE, p->private);
	put_u32(raw + 48, ORDER_LITTLE, (uint32_t)(p->mapcount_plus_1 - 1));
	put_u32(raw + 52, ORDER_LITTLE, (uint32_t)p->refcount);
}

static inline void fake_page_put(struct fake_memmap *mm, uint64_t pfn, struct fake_page p)
{
	uint8_t raw[FAKE_PAGE_STRUCT];

	fake_page_encode(&p, raw);
	fake_put(mm->fk, fake_page_vaddr(mm, pfn), raw, sizeof(raw));
}

/** A compound page: @head at @pfn, and @nr - 1 tails that name it. */
static inline void fake_compound_put(struct fake_memmap *mm, uint64_t pfn, uint64_t nr, struct fake_page head)
{
	struct fake_page tail = { .compound_head = fake_page_vaddr(mm, pfn) + 1 };

	head.flags |= FAKE_PG_HEAD;
	fake_page_put(mm, pfn, head);
	for (uint64_t i = 1; i < nr; i++)
		fake_page_put(mm, pfn + i, tail);
}

#endif
