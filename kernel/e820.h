/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_E820_H
#define KERNEL_E820_H

#include "kernel/iomem.h"

/**
 * The firmware's memory map as an x86 kernel keeps it (e820_table, else e820_table_firmware), and the crash kernel's reservation
 * (crashk_res), as a tree of resources: what iomem_init() would say of memory that was there at boot. Memory that was
 * plugged in later, and devices, are not in it: see is_boot_map. kallsyms finds the symbols. Bounded. ST_NOT_FOUND: no
 * symbol table, no such symbol, or no map behind it that makes sense.
 */
enum status e820_init_iomem(struct iomem *io, struct kmodel *km, struct err *err) __must_check;

#endif
