/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_MEMMAP_H
#define KERNEL_MEMMAP_H

#include "kernel/kmodel.h"

/**
 * The memory map: where the struct page of each page frame lies. SPARSEMEM, with EXTREME or a flat mem_section array, with
 * or without VMEMMAP. Borrows the kmodel.
 */
struct memmap;

/**
 * Find the sections of all RAM in the dump. Sections that are absent or cannot be read are left out: their pages are
 * unknown. ST_NOT_FOUND: VMCOREINFO does not tell of a memory model that is understood, or no section could be resolved.
 * ST_BAD_INPUT: what it tells is nonsense, or contradicts vmemmap throughout.
 */
enum status memmap_open(struct kmodel *km, size_t page_struct_size, struct memmap **mm, struct err *err) __must_check;
/** The same map read through @km, a clone of its kmodel, by another thread; to be closed before @mm is. */
enum status memmap_clone(const struct memmap *mm, struct kmodel *km, struct memmap **clone, struct err *err) __must_check;
void memmap_close(struct memmap *mm);

/** Kernel virtual address of @pfn's struct page; false where there is none. */
bool memmap_vaddr_of(const struct memmap *mm, uint64_t pfn, uint64_t *vaddr);
/** The first page frame behind @pfn's section: up to there, struct pages lie one behind the other. */
uint64_t memmap_section_end(const struct memmap *mm, uint64_t pfn);
/** The page frame whose struct page lies exactly at @vaddr; false where none does. */
bool memmap_pfn_of(const struct memmap *mm, uint64_t vaddr, uint64_t *pfn);

/**
 * Read the struct pages of [@start_pfn, @start_pfn + @nr) into @buf (nr * page_struct_size bytes) and say for each in
 * @valid whether it is there. Never fails as a whole. Returns how many are valid.
 */
size_t memmap_read(struct memmap *mm, uint64_t start_pfn, size_t nr, uint8_t *buf, bool *valid);

/**
 * The same struct pages where they lie, without a copy: all of them are there. NULL: read them. As rsource_view(), and
 * to be ended by rsource_view_end().
 */
const uint8_t *memmap_view(struct memmap *mm, uint64_t start_pfn, size_t nr);

/** Kernel addresses of the struct pages of the @i-th section that was found; false where there are no more. */
bool memmap_section_range(const struct memmap *mm, size_t i, struct range *map);

/** Sections that RAM of the dump lies in; and of these, the ones that were found. */
void memmap_section_counts(const struct memmap *mm, uint64_t *wanted, uint64_t *found);
/** Sections, not found therefore, whose map mem_section puts elsewhere than the kernel's vmemmap does: one of them is wrong. */
uint64_t memmap_sections_disagreeing(const struct memmap *mm);

#endif
