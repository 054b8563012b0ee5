/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_INTERNAL_H
#define FORMATS_KDUMP_KDUMP_INTERNAL_H

#include "formats/kdump/kdump_bitmap.h"
#include "formats/kdump/kdump_pages.h"
#include "formats/kdump/kdump_physmem.h"

/* How many files of a set keep memory for reading. Two would do: the data's, and the memory map's. */
#define KDUMP_AWAKE_PARTS 4

/** One file: all of a dump, or a part of a split set. */
struct kdump_part {
	struct rsource *src;	     /**< borrowed by a clone */
	uint64_t start_pfn, end_pfn; /**< what it has descriptors for */
	uint64_t start_rank;	     /**< stored pages before start_pfn: in other files of the set */
	struct kdump_pages pages;
};

struct kdump_physmem {
	struct physmem base;
	struct kdump_details details;
	struct kdump_bitmap stored;
	struct kdump_part *parts; /**< sorted by PFN, disjoint; one where the dump is not split */
	size_t nr_parts;
	size_t last_part;		  /**< the one that served the last read */
	size_t awake[KDUMP_AWAKE_PARTS];  /**< part + 1; 0: none */
	unsigned next_awake;
	bool is_clone; /**< borrows the sources, the ranges, the notes and VMCOREINFO */
	struct range *ranges;
	void *notes;
	char *vmcoreinfo; /**< where it is not a part of the notes */
};

/** NULL unless @pm is a KDUMP. */
struct kdump_physmem *kdump_physmem_get(struct physmem *pm);

#endif
