/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_PAGECLASS_H
#define KERNEL_PAGECLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/err.h"
#include "common/units.h"
#include "kernel/vmcoreinfo.h"

/** What a page frame is used for, as its struct page tells. */
enum page_class {
	PAGE_CLASS_UNKNOWN,	  /**< no struct page, or one that cannot be understood */
	PAGE_CLASS_KERNEL,	  /**< everything that no other class claims */
	PAGE_CLASS_FREE,	  /**< in the buddy allocator */
	PAGE_CLASS_CACHE,	  /**< page cache without private data */
	PAGE_CLASS_CACHE_PRIVATE, /**< page cache with private data (buffer heads and the like) */
	PAGE_CLASS_USER,	  /**< anonymous, hugetlb, or compressed swap (zsmalloc) */
	PAGE_CLASS_OFFLINE,	  /**< logically offline: ballooned, unplugged */
	PAGE_CLASS_HWPOISON,	  /**< broken memory: reading it may end the machine */
	PAGE_CLASS_COUNT,
};

/** "kernel", "free", "cache", "cache_private", "user", "offline", "hwpoison", "unknown": also the JSON keys. */
const char *page_class_name(enum page_class c);

/** Largest struct page that is understood; today's is 64 bytes, debug options make it grow. */
#define PAGE_STRUCT_MAX 256

/** How one page type or flag is recognised; absent: this kernel does not tell, so nothing matches. */
struct page_type_match {
	bool known;
	uint32_t mask, value; /**< of page._mapcount as unsigned */
};

/** Where this kernel keeps what, all from VMCOREINFO; a bit or offset that it does not name is "not known". */
struct page_layout {
	enum byte_order order;
	unsigned word_bytes;  /**< 8 or 4: unsigned long */
	size_t size;	      /**< of struct page, bytes */
	size_t off_flags, off_mapcount, off_mapping, off_private, off_refcount, off_compound_head;
	uint64_t mask_lru, mask_private, mask_swapcache, mask_swapbacked; /**< 0: not known */
	uint64_t mask_slab, mask_hwpoison, mask_head, mask_reserved;
	uint64_t mask_hugetlb_second;	/**< PG_hugetlb in the flags of the first tail (Linux 6.6 to 6.8) */
	bool has_hugetlb_dtor;		/**< hugetlb told by the destructor number in the first tail (4.4 to 6.5) */
	size_t off_compound_dtor;
	uint8_t hugetlb_dtor;
	bool has_compound_info;		/**< the tail's link may be a mask instead of a pointer (Linux 7.1 and later) */
	struct page_type_match buddy, offline, hugetlb, slab, unaccepted;
	struct page_type_match zsmalloc; /**< what zram and zswap hold: user memory, compressed */
	struct page_type_match large_kmalloc; /**< for reports and counts */
	unsigned max_order;		/**< buddy orders are below this (LENGTH(zone.free_area)) */
};

/**
 * Learn the layout from @vi. ST_BAD_INPUT where what every decision needs is missing or nonsense; the text says which key.
 */
enum status page_layout_init(struct page_layout *l, const struct vmcoreinfo *vi, enum byte_order order, bool is_64bit,
			     struct err *err) __must_check;

/** What one struct page says, by itself. */
struct page_facts {
	uint64_t flags, mapping, private, compound_head;
	uint32_t mapcount; /**< or the page type */
	int32_t refcount;
	uint8_t dtor;	   /**< compound_dtor; 0 where this kernel has none */
};

/** @raw: layout->size bytes. Pure. */
void page_facts_decode(const struct page_layout *l, const uint8_t *raw, struct page_facts *f);

/** Is this page, whose struct page lies at @vaddr, a tail, and of the head at which kernel virtual address? */
bool page_is_tail(const struct page_layout *l, const struct page_facts *f, uint64_t vaddr, uint64_t *head_vaddr);
/** The same without the address. */
static inline bool page_has_tail_mark(const struct page_facts *f)
{
	return f->compound_head & 1;
}
/** Of struct pages from a tail's at @vaddr on: how many would name the same head with the very link of @f; at least 1. */
uint64_t page_tails_of_link(const struct page_layout *l, const struct page_facts *f, uint64_t vaddr);
static inline bool page_is_head(const struct page_layout *l, const struct page_facts *f)
{
	return f->flags & l->mask_head;
}
bool page_is_hwpoison(const struct page_layout *l, const struct page_facts *f);
/** Does the struct page itself say slab? Then no other sign counts. */
bool page_is_slab(const struct page_layout *l, const struct page_facts *f);

/**
 * The class of a page that is no tail: a single page, or the head of a compound page, whose class its tails share.
 * @next: the facts of the struct page behind it (the first tail of a head), NULL where that cannot be read. @vaddr: where
 * @f itself lies. Fails towards PAGE_CLASS_KERNEL.
 */
enum page_class page_class_of(const struct page_layout *l, const struct page_facts *f, const struct page_facts *next,
			      uint64_t vaddr);

/** What kind of kernel memory a page is, for reports; decides nothing. */
enum kernel_kind {
	KERNEL_KIND_OTHER,
	KERNEL_KIND_SLAB,
	KERNEL_KIND_PAGE_TABLE,
	KERNEL_KIND_LARGE_KMALLOC,
};
/** @f: of a page of PAGE_CLASS_KERNEL that is no tail. */
enum kernel_kind page_kernel_kind(const struct page_layout *l, const struct page_facts *f);

/** Of a PAGE_CLASS_FREE page: how many pages its block has (1 << order), 0 where the order makes no sense at @pfn. */
uint64_t page_free_block_pages(const struct page_layout *l, const struct page_facts *f, uint64_t pfn);

/** May the page at @f be an inner page of a free block? Anything that speaks of use says no. */
bool page_may_be_inside_free_block(const struct page_layout *l, const struct page_facts *f);

#endif
