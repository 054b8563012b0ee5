/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_IOMEM_H
#define KERNEL_IOMEM_H

#include "kernel/kmodel.h"

/** A node of the crashed kernel's resource tree: what /proc/iomem showed. */
struct iomem_region {
	uint64_t start, end; /**< physical bytes, half open */
	unsigned depth;	     /**< 0: directly below the root */
	char name[48];	     /**< printable; cut where longer */
};

struct iomem {
	struct iomem_region *regions; /**< in tree order: a parent before its children */
	size_t nr_regions;
	bool is_boot_map; /**< from e820.h: no memory that was plugged in later, no devices */
};

/**
 * Read the tree below iomem_resource, which kallsyms finds, or a search through the kernel's image. Bounded against loops.
 * ST_NOT_FOUND: neither leads to it.
 */
enum status iomem_init(struct iomem *io, struct kmodel *km, struct err *err) __must_check;
void iomem_deinit(struct iomem *io);

/** System RAM; hotplugged memory names its driver as well: "System RAM (virtio_mem)". */
bool iomem_region_is_ram(const struct iomem_region *r);
/** One past the last byte of System RAM; 0 where there is none. */
uint64_t iomem_ram_end(const struct iomem *io);
/** The deepest region that holds @paddr, or NULL. */
const struct iomem_region *iomem_find(const struct iomem *io, uint64_t paddr);
/** Is there a region (at any depth) of this name? */
bool iomem_has(const struct iomem *io, const char *name);
/** Is @paddr inside a region (at any depth) of this name? */
bool iomem_is_inside(const struct iomem *io, uint64_t paddr, const char *name);

#endif
