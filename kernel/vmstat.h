/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_VMSTAT_H
#define KERNEL_VMSTAT_H

#include "kernel/kmodel.h"

/**
 * The crashed kernel's own counters of its pages, to hold page classes against. Nothing is decided by them alone, and none
 * of them is exact: each CPU keeps up to 125 pages of each counter to itself (stat_threshold), and what the kernel was
 * about to do when it stopped is half done.
 */
enum vmstat_item {
	VMSTAT_MANAGED, /**< pages that the buddy allocator was given: _totalram_pages */
	VMSTAT_INACTIVE_ANON,
	VMSTAT_ACTIVE_ANON,
	VMSTAT_INACTIVE_FILE,
	VMSTAT_ACTIVE_FILE,
	VMSTAT_UNEVICTABLE,
	VMSTAT_ISOLATED_ANON,
	VMSTAT_ISOLATED_FILE,
	VMSTAT_ANON_MAPPED,
	VMSTAT_FILE_PAGES, /**< page cache, shared memory among it, and swap cache */
	VMSTAT_SHMEM,
	VMSTAT_SWAPCACHE,
	VMSTAT_SLAB_RECLAIMABLE,
	VMSTAT_SLAB_UNRECLAIMABLE, /**< large kmallocs are counted here too, and are no slab pages */
	VMSTAT_PAGETABLE,
	VMSTAT_ZSPAGES,
	VMSTAT_HUGETLB, /**< of all sizes, in use or not: hstates[].nr_huge_pages */
	VMSTAT_COUNT,
};

/** As /proc/vmstat names them, beside "managed" and "hugetlb": also the JSON keys. */
const char *vmstat_name(enum vmstat_item i);

struct vmstat {
	bool known[VMSTAT_COUNT];
	uint64_t pages[VMSTAT_COUNT]; /**< 0 where not known */
	/**
	 * The crash kernel has borrowed memory that user pages and free ones are in (crashkernel=SIZE,cma): the counters count
	 * it, and no dump that the guest takes of itself has it.
	 */
	bool is_lent;
};

/** Read what can be found. No error: what cannot is not known. Symbols and types come by facts_complete(). */
void vmstat_read(struct kmodel *km, struct vmstat *vs);

#endif
