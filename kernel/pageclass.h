/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_PAGECLASS_H
#define KERNEL_PAGECLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/units.h"
#include "kernel/vmcoreinfo.h"

/** What a page frame is used for, as its struct page tells. */
enum page_class {
	PAGE_CLASS_UNKNOWN,	  /**< no struct page, or one that cannot be understood */
	PAGE_CLASS_KERNEL,	  /**< everything that no other class claims */
	PAGE_CLASS_FREE,	  /**< in the buddy allocator */
	PAGE_CLASS_CACHE,	  /**< page cache without private data */
	PAGE_CLASS_CACHE_PRIVATE, /**< page cache with private data (buffer heads and the like) */
	PAGE_CLASS_USER,	  /**< anonymous or hugetlb */
	PAGE_CLASS_OFFLINE,	  /**< logically offline: ballooned, unplugged */
	PAGE_CLASS_HWPOISON,	  /**< broken memory: reading it may end the machine */
	PAGE_CLASS_COUNT,
};

/** "kernel", "free", "cache", "cache_private", "user", "offline", "hwpoison", "unknown": also the JSON keys. */
const char *page_class_name(enum page_class c);

/*
 * The declarations of struct page_layout and the decoders follow in this header as the model grows; they are pure: bytes
 * of struct page in, meaning out.
 */

#endif
