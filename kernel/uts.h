/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_UTS_H
#define KERNEL_UTS_H

#include "kernel/kmodel.h"

/** struct new_utsname: six fields of so many bytes (include/uapi/linux/utsname.h). */
#define UTS_FIELD_BYTES 65

/**
 * The address of the crashed kernel's own struct new_utsname. VMCOREINFO tells where it is in init_uts_ns since Linux 5.11
 * (commit ca4a9241cc5e ("kdump: append uts_namespace.name offset to VMCOREINFO")); before, it is where the name of the
 * system stands. False: not to be found. What lies there is for the caller to check.
 */
bool uts_find(struct kmodel *km, uint64_t *vaddr) __must_check;

#endif
