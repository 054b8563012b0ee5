/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_KMODEL_H
#define KERNEL_KMODEL_H

#include "common/err.h"
#include "formats/physmem.h"
#include "kernel/vmcoreinfo.h"

struct arch_ops;

/** Where phys_base was learnt, best first. */
enum phys_base_source {
	PHYS_BASE_UNKNOWN,
	PHYS_BASE_VMCOREINFO,  /**< NUMBER(phys_base), Linux 4.10 and later */
	PHYS_BASE_KERNEL_LOAD, /**< p_paddr - p_vaddr of the PT_LOAD that maps the kernel image */
	PHYS_BASE_HEADER,      /**< KDUMP sub header; QEMU writes it wrong */
};

/** What facts_complete() had to look for; see kernel/facts.h. */
struct facts_report {
	bool asked;		   /**< the kernel's own tables were looked for */
	unsigned nr_lacking;	   /**< keys that VMCOREINFO lacks and this kernel should have */
	unsigned nr_found;	   /**< of these, found in the tables */
	unsigned nr_unknown_kinds; /**< BTF of kinds that are newer than this, stepped over */
	char lacking[200];	   /**< names of keys that nothing tells, as many as fit */
	char trouble[200];	   /**< why the tables could not be read; empty where they could */
};

/**
 * The crashed kernel, as far as its own words and page tables tell: reads its memory by virtual address. Borrows the
 * physmem, which must outlive it. Not thread-safe.
 */
struct kmodel {
	struct physmem *pm;
	struct vmcoreinfo *vi;	       /**< owned */
	const struct arch_ops *arch;
	uint32_t page_shift;
	int64_t phys_base;	       /**< bytes, signed: KASLR makes it negative */
	enum phys_base_source phys_base_source;
	uint64_t pgd_paddr;	       /**< root of the kernel page tables */
	unsigned pgtable_levels;
	uint64_t pte_addr_mask;	       /**< bits of an entry that are address, encryption bits removed */
	struct kmodel_cache *cache;    /**< page-table pages */
	struct kallsyms_cache *symbols; /**< of kernel/kallsyms.c; NULL: no look-up yet */
	void (*table_fn)(void *ctx, uint64_t paddr, uint64_t len_bytes); /**< see kmodel_watch_tables() */
	void *table_ctx;
	struct facts_report facts;
	bool is_clone;		       /**< borrows vi */
};

/**
 * Build the model from @pm's VMCOREINFO. ST_NOT_FOUND: there is none. ST_BAD_INPUT: it is nonsense. ST_UNSUPPORTED: an
 * architecture that is not compiled in. Checks itself: the page tables must translate SYMBOL(_stext) to where phys_base
 * says that the image lies.
 */
enum status kmodel_open(struct physmem *pm, struct kmodel **km, struct err *err) __must_check;
/** The same kernel read through @pm, a clone of its physmem, by another thread; to be closed before @km is. */
enum status kmodel_clone(const struct kmodel *km, struct physmem *pm, struct kmodel **clone, struct err *err) __must_check;
void kmodel_close(struct kmodel *km);

/**
 * Walk the page tables. *@len is how many bytes from @vaddr on are mapped contiguously by the same leaf.
 * ST_NO_DATA: not mapped. ST_BAD_INPUT: a table entry is nonsense. Other: a table cannot be read.
 */
enum status kmodel_translate(struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len, struct err *err)
	__must_check;

/** Read @len bytes at @vaddr, across page boundaries; all or an error. */
enum status kmodel_read(struct kmodel *km, uint64_t vaddr, void *buf, size_t len, struct err *err) __must_check;
/** As physmem_view(), of the @len bytes at @vaddr; NULL also where they do not lie behind one leaf of the page tables. */
const uint8_t *kmodel_view(struct kmodel *km, uint64_t vaddr, size_t len);
enum status kmodel_read_u64(struct kmodel *km, uint64_t vaddr, uint64_t *v, struct err *err) __must_check;
enum status kmodel_read_u32(struct kmodel *km, uint64_t vaddr, uint32_t *v, struct err *err) __must_check;

/** Read 8 bytes of page table at physical @paddr through the model's small cache; for arch_ops. */
enum status kmodel_read_table_u64(struct kmodel *km, uint64_t paddr, uint64_t *v, struct err *err) __must_check;

/** From now on tell @fn of each page table that a walk reads (one that is read again may be told again); NULL: no more. */
void kmodel_watch_tables(struct kmodel *km, void (*fn)(void *ctx, uint64_t paddr, uint64_t len_bytes), void *ctx);

/** "VMCOREINFO", "kernel PT_LOAD", "KDUMP sub header", "unknown". */
const char *kmodel_phys_base_source_name(enum phys_base_source s);

static inline void kmodel_closep(struct kmodel **km)
{
	kmodel_close(*km);
}

#endif
