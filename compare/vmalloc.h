/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_VMALLOC_H
#define COMPARE_VMALLOC_H

#include "kernel/kmodel.h"

/** The page frames that the kernel has mapped for vmalloc(): its threads' stacks, modules, large tables. One bit a
 * frame. */
struct vmalloc_frames;

/**
 * Walk the page tables of those areas. NULL where that is not to be had: then nothing is known to be vmalloc's. A walk
 * that does not come to an end stops with what it has found.
 */
struct vmalloc_frames *vmalloc_frames_new(struct kmodel *km);
void vmalloc_frames_free(struct vmalloc_frames *v);

/** @v may be NULL. */
bool vmalloc_frames_has(const struct vmalloc_frames *v, uint64_t pfn);

#endif
