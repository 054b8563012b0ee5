/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_SIDE_H
#define COMPARE_SIDE_H

#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"
#include "kernel/iomem.h"
#include "kernel/kmodel.h"

/** One of the two dumps, opened for its metadata. */
struct side {
	const char *path;
	struct physmem *pm;
	struct kmodel *km;     /**< NULL: see @why_no_model */
	bool vmcoreinfo_borrowed; /**< its own is missing or unusable: read by the other side's words */
	struct err why_no_model;
	bool has_iomem;
	struct iomem iomem;
	char banner[512];      /**< linux_banner as memory holds it, or empty */
	struct physmem_utsname uts; /**< init_uts_ns as memory holds it, or empty */
};

/** Open @path; the kernel model may be missing. */
enum status side_init(struct side *s, const char *path, struct err *err) __must_check;
/**
 * Give @s, which has no model of its own, @other's VMCOREINFO, and see whether @s's memory agrees with it: page tables
 * reached from its symbols must map the image. Borrows the text: @other must outlive @s.
 */
void side_borrow_vmcoreinfo(struct side *s, const struct side *other);
/** Read what lies in memory: iomem tree, banner, utsname. */
void side_read_kernel(struct side *s);
void side_deinit(struct side *s);

#endif
