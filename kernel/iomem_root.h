/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_IOMEM_ROOT_H
#define KERNEL_IOMEM_ROOT_H

#include "kernel/kmodel.h"

/*
 * struct resource (include/linux/ioport.h) on a 64-bit machine: start, end (inclusive), name, flags, desc, parent,
 * sibling, child; eight words, the same since commit 43ee493bde78 ("resource: Add I/O resource descriptor") of
 * Linux 4.6.
 */
#define RESOURCE_BYTES 64
#define RESOURCE_START 0
#define RESOURCE_END 8
#define RESOURCE_NAME 16
#define RESOURCE_FLAGS 24
#define RESOURCE_PARENT 40
#define RESOURCE_SIBLING 48
#define RESOURCE_CHILD 56

/**
 * Where iomem_resource is: by the symbol table, and where VMCOREINFO does not lead to that (before Linux 6.0), by a
 * search through the kernel's image, which gives the one thing there that has the root's form. *@guessed tells which: a
 * root that was searched for is yet to be proved by what lies below it.
 */
enum status iomem_find_root(struct kmodel *km, uint64_t *vaddr, bool *guessed, struct err *err) __must_check;

#endif
