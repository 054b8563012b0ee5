/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_SIDE_H
#define COMPARE_SIDE_H

#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"
#include "kernel/iomem.h"
#include "kernel/kmodel.h"

/** CRASHKERNEL_CMA_RANGES_MAX of include/linux/crash_reserve.h is 4. */
#define SIDE_MAX_CMA 4
#define SIDE_BOOT_ID_BYTES 16

/** One of the two dumps, opened for its metadata. */
struct side {
	const char *path;
	struct physmem *pm;
	struct kmodel *km;	  /**< NULL: see @why_no_model */
	bool vmcoreinfo_borrowed; /**< its own is missing or unusable: read by the other side's words */
	struct err why_no_model;
	/* What lies in the memory that the dump holds, as side_read_kernel() finds it. */
	bool has_iomem;
	struct iomem iomem;
	char banner[512];	      /**< linux_banner, or empty */
	struct physmem_utsname uts;   /**< init_uts_ns, or empty */
	struct vmcoreinfo *memory_vi; /**< the VMCOREINFO note that the guest keeps for its crash, or NULL */
	size_t memory_vi_len_bytes;
	bool has_boot_id;
	uint8_t boot_id[SIDE_BOOT_ID_BYTES];  /**< what /proc/sys/kernel/random/boot_id showed */
	struct range crash_cma[SIDE_MAX_CMA]; /**< physical bytes */
	size_t nr_crash_cma;
};

/**
 * Open one dump of all @paths; the kernel model may be missing. ST_BAD_INPUT also where they are only a part of a split
 * dump.
 */
enum status side_init(struct side *s, const char *const *paths, size_t nr_paths, struct err *err) __must_check;
/**
 * Give @s, which has no model of its own, @other's VMCOREINFO, and see whether @s's memory agrees with it: page tables
 * reached from its symbols must map the image. Borrows the text: @other must outlive @s.
 */
void side_borrow_vmcoreinfo(struct side *s, const struct side *other);
/** Read what lies in memory. What is not found stays empty. */
void side_read_kernel(struct side *s);
/** Whose map of memory both are judged by: a resource tree before an e820 map, the outer dump's before the inner's; or NULL. */
const struct iomem *side_iomem_of(const struct side *inner, const struct side *outer);
void side_deinit(struct side *s);

#endif
