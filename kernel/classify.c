// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/classify.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/facts.h"

struct classifier {
	struct page_layout layout;
	struct memmap *mm;
	/* One batch, and one struct page more: the first tail behind a head that is last in its batch. */
	uint8_t *raw;
	bool valid[CLASSIFY_BATCH_PAGES + 1];
	uint64_t base_pfn; /* of raw[0] */
	size_t nr;	   /* struct pages in raw */
	/* The block of free pages that is being passed. */
	uint64_t free_end_pfn;
	/* The head that the last tail named: neighbours mostly name the same. */
	bool head_known;
	uint64_t head_vaddr;
	enum page_class head_class;
	uint64_t nr_reserved_guarded;
};

enum status classifier_open(struct kmodel *km, struct classifier **out, struct err *err)
{
	struct classifier *c = calloc(1, sizeof(*c));
	enum status st;

	if (!c)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	facts_complete(km);
	st = page_layout_init(&c->layout, km->vi, km->pm->order, km->pm->is_64bit, err);
	if (st == ST_OK)
		st = memmap_open(km, c->layout.size, &c->mm, err);
	if (st == ST_OK) {
		c->raw = malloc((CLASSIFY_BATCH_PAGES + 1) * c->layout.size);
		if (!c->raw)
			st = err_set(err, ST_NO_MEMORY, "out of memory");
	}
	if (st != ST_OK) {
		classifier_close(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

void classifier_close(struct classifier *c)
{
	if (!c)
		return;
	memmap_close(c->mm);
	free(c->raw);
	free(c);
}

uint64_t classifier_sections_missing(const struct classifier *c)
{
	uint64_t wanted, found;

	memmap_section_counts(c->mm, &wanted, &found);
	return wanted - found;
}

const struct memmap *classifier_memmap(const struct classifier *c)
{
	return c->mm;
}

uint64_t classifier_reserved_guarded(const struct classifier *c)
{
	return c->nr_reserved_guarded;
}

/* The facts of @pfn out of the batch; false where its struct page is not there. */
static bool facts_in_batch(const struct classifier *c, uint64_t pfn, struct page_facts *f)
{
	if (pfn < c->base_pfn || pfn - c->base_pfn >= c->nr || !c->valid[pfn - c->base_pfn])
		return false;
	page_facts_decode(&c->layout, c->raw + (pfn - c->base_pfn) * c->layout.size, f);
	return true;
}

/* The same for any page: out of the batch, else read for the purpose, with the struct page behind it. */
static bool facts_anywhere(struct classifier *c, uint64_t pfn, struct page_facts *f, struct page_facts *next, bool *has_next)
{
	uint8_t raw[2 * PAGE_STRUCT_MAX];
	bool valid[2];

	*has_next = facts_in_batch(c, pfn + 1, next);
	if (facts_in_batch(c, pfn, f) && *has_next)
		return true;
	memmap_read(c->mm, pfn, 2, raw, valid);
	if (valid[0])
		page_facts_decode(&c->layout, raw, f);
	if (valid[1])
		page_facts_decode(&c->layout, raw + c->layout.size, next);
	*has_next = valid[1];
	return valid[0];
}

/* The class of the compound page whose head is said to lie at @head_vaddr. A link to anything but a head is nonsense. */
static enum page_class class_of_head(struct classifier *c, uint64_t head_vaddr)
{
	struct page_facts f, next;
	uint64_t pfn;
	bool has_next;

	if (c->head_known && c->head_vaddr == head_vaddr)
		return c->head_class;
	c->head_known = true;
	c->head_vaddr = head_vaddr;
	c->head_class = PAGE_CLASS_UNKNOWN;
	if (!memmap_pfn_of(c->mm, head_vaddr, &pfn) || !facts_anywhere(c, pfn, &f, &next, &has_next))
		return c->head_class;
	if (!page_is_head(&c->layout, &f) || page_has_tail_mark(&f))
		return c->head_class;
	c->head_class = page_class_of(&c->layout, &f, has_next ? &next : NULL, head_vaddr);
	/* A free block is no compound page, and poison is the head's own. */
	if (c->head_class == PAGE_CLASS_FREE)
		c->head_class = PAGE_CLASS_UNKNOWN;
	else if (c->head_class == PAGE_CLASS_HWPOISON)
		c->head_class = PAGE_CLASS_KERNEL;
	return c->head_class;
}

/*
 * Optimized hugetlb vmemmap maps one page of struct pages several times: a "head" whose first tail names another page is
 * a tail that shows the shared copy of the head (page_fixed_fake_head() in include/linux/page-flags.h).
 */
static bool is_fake_head(const struct classifier *c, const struct page_facts *f, const struct page_facts *next,
			 uint64_t vaddr, uint64_t *head_vaddr)
{
	return page_is_head(&c->layout, f) && next &&
	       page_is_tail(&c->layout, next, vaddr + c->layout.size, head_vaddr) && *head_vaddr != vaddr;
}

static enum page_class classify_by_rules(struct classifier *c, uint64_t pfn)
{
	struct page_facts f, next;
	const struct page_facts *behind;
	uint64_t vaddr, head_vaddr, block;
	enum page_class class;

	if (!facts_in_batch(c, pfn, &f) || !memmap_vaddr_of(c->mm, pfn, &vaddr))
		return PAGE_CLASS_UNKNOWN;
	if (pfn < c->free_end_pfn && page_may_be_inside_free_block(&c->layout, &f))
		return PAGE_CLASS_FREE;
	if (page_is_hwpoison(&c->layout, &f))
		return PAGE_CLASS_HWPOISON;
	/* No tail has it: where the link and this contradict each other, the page is kept. */
	if (page_is_slab(&c->layout, &f))
		return PAGE_CLASS_KERNEL;
	if (page_is_tail(&c->layout, &f, vaddr, &head_vaddr))
		return class_of_head(c, head_vaddr);
	behind = facts_in_batch(c, pfn + 1, &next) ? &next : NULL;
	if (is_fake_head(c, &f, behind, vaddr, &head_vaddr))
		return class_of_head(c, head_vaddr);
	class = page_class_of(&c->layout, &f, behind, vaddr);
	if (class != PAGE_CLASS_FREE)
		return class;
	block = page_free_block_pages(&c->layout, &f, pfn);
	if (!block)
		return PAGE_CLASS_UNKNOWN;
	c->free_end_pfn = max_u64(c->free_end_pfn, pfn + block);
	return PAGE_CLASS_FREE;
}

/*
 * PG_reserved is the kernel's, whatever the rest says; only poison is worse. Memory that is offline may not even be there,
 * and was reserved before Linux 6.11.
 */
static enum page_class classify_one(struct classifier *c, uint64_t pfn)
{
	enum page_class class = classify_by_rules(c, pfn);
	struct page_facts f;

	if (!c->layout.mask_reserved || class == PAGE_CLASS_KERNEL || class == PAGE_CLASS_UNKNOWN ||
	    class == PAGE_CLASS_HWPOISON || class == PAGE_CLASS_OFFLINE || !facts_in_batch(c, pfn, &f) || !(f.flags & c->layout.mask_reserved))
		return class;
	c->nr_reserved_guarded++;
	return PAGE_CLASS_KERNEL;
}

enum kernel_kind classifier_kernel_kind(struct classifier *c, uint64_t pfn)
{
	struct page_facts f, next;
	uint64_t vaddr, head_vaddr, head_pfn;
	bool has_next;

	if (!facts_in_batch(c, pfn, &f) || !memmap_vaddr_of(c->mm, pfn, &vaddr))
		return KERNEL_KIND_OTHER;
	if (page_is_tail(&c->layout, &f, vaddr, &head_vaddr) &&
	    !(memmap_pfn_of(c->mm, head_vaddr, &head_pfn) && facts_anywhere(c, head_pfn, &f, &next, &has_next)))
		return KERNEL_KIND_OTHER;
	return page_kernel_kind(&c->layout, &f);
}

bool classifier_facts(struct classifier *c, uint64_t pfn, struct page_facts *f)
{
	struct page_facts next;
	bool has_next;

	return facts_anywhere(c, pfn, f, &next, &has_next);
}

void classifier_run(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, classify_fn fn, void *ctx)
{
	uint64_t run_start = start_pfn;
	enum page_class run_class = PAGE_CLASS_UNKNOWN;

	c->base_pfn = start_pfn;
	c->nr = (size_t)min_u64(end_pfn - start_pfn, CLASSIFY_BATCH_PAGES) + 1;
	end_pfn = start_pfn + c->nr - 1;
	memmap_read(c->mm, start_pfn, c->nr, c->raw, c->valid);
	for (uint64_t pfn = start_pfn; pfn < end_pfn; pfn++) {
		enum page_class class = classify_one(c, pfn);

		if (class != run_class && pfn > run_start) {
			fn(ctx, run_start, pfn, run_class);
			run_start = pfn;
		}
		run_class = class;
	}
	if (end_pfn > run_start)
		fn(ctx, run_start, end_pfn, run_class);
}
