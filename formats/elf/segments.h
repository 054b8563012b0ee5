/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_ELF_SEGMENTS_H
#define FORMATS_ELF_SEGMENTS_H

#include "common/units.h"
#include "formats/elf/elf_physmem.h"

/** A run of physical bytes and where the file keeps them. */
struct segment {
	uint64_t start, end; /**< physical bytes, half open */
	uint64_t file_off;   /**< of @start */
	bool has_data;	     /**< false: the core says that memory was here but holds no bytes of it */
};

/** Disjoint, sorted segments; and the union of them, merged. Owned. */
struct segment_map {
	struct segment *segments;
	size_t nr_segments;
	struct range *ranges;
	size_t nr_ranges;
};

/**
 * Think in physical bytes: resolve @loads, which may be unaligned, overlap and alias (the kernel image of a /proc/vmcore
 * does), into disjoint segments. Where several loads hold a byte, the first in file order wins; a load that only claims a
 * byte (p_memsz > p_filesz) gives way to any that holds it.
 */
enum status segment_map_init(struct segment_map *map, const struct elf_load *loads, size_t nr_loads, struct err *err)
	__must_check;
void segment_map_deinit(struct segment_map *map);

/** The first segment that ends after @paddr, or nr_segments. */
size_t segment_map_find(const struct segment_map *map, uint64_t paddr);

#endif
