// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/classify.h"

#include <stdlib.h>
#include <string.h>

#include "formats/io/rsource.h"
#include "kernel/facts.h"
#include "kernel/pagerun.h"

#define NO_BATCH UINT64_MAX

struct classifier {
	struct page_layout layout;
	struct page_runs runs;
	bool has_runs; /* the layout is one for short looks */
	struct memmap *mm;
	/* One batch: where it lies, only while it is run, or in the buffer. */
	const uint8_t *raw;
	uint8_t *buf;
	bool valid[CLASSIFY_BATCH_PAGES]; /* unless all are */
	bool all_valid;
	uint64_t base_pfn; /* of raw[0]; NO_BATCH */
	size_t nr;	   /* struct pages in raw */
	/* And one struct page more, read when it is asked for: the first tail behind a head that is last in its batch. */
	uint8_t behind[PAGE_STRUCT_MAX];
	bool behind_asked, behind_valid;
	/* The block of free pages that is being passed; and where the batch ended that told of it. */
	uint64_t free_end_pfn, batch_end_pfn;
	/* The head that the last tail named: neighbours mostly name the same. */
	bool head_known;
	uint64_t head_vaddr;
	enum page_class head_class;
	bool head_is_slab;
	struct classify_counts counts;
};

/* With layout and map given. */
static enum status make_room(struct classifier *c, struct err *err)
{
	c->has_runs = page_runs_init(&c->runs, &c->layout);
	c->buf = malloc(CLASSIFY_BATCH_PAGES * c->layout.size);
	return c->buf ? ST_OK : err_set(err, ST_NO_MEMORY, "out of memory");
}

static enum status finish_open(struct classifier *c, enum status st, struct classifier **out, struct err *err)
{
	if (st == ST_OK)
		st = make_room(c, err);
	if (st != ST_OK)
		classifier_close(c);
	else
		*out = c;
	return st;
}

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
	return finish_open(c, st, out, err);
}

enum status classifier_clone(const struct classifier *from, struct kmodel *km, struct classifier **out, struct err *err)
{
	struct classifier *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	c->layout = from->layout;
	return finish_open(c, memmap_clone(from->mm, km, &c->mm, err), out, err);
}

void classifier_close(struct classifier *c)
{
	if (!c)
		return;
	memmap_close(c->mm);
	free(c->buf);
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

void classifier_take_counts(struct classifier *c, struct classify_counts *counts)
{
	*counts = c->counts;
	c->counts = (struct classify_counts){ 0 };
}

static void set_batch(struct classifier *c, uint64_t start_pfn, size_t nr, const uint8_t *raw, bool all_valid)
{
	c->base_pfn = start_pfn;
	c->nr = nr;
	c->behind_asked = false;
	c->raw = raw;
	c->all_valid = all_valid;
}

static const uint8_t *struct_behind(struct classifier *c)
{
	if (!c->behind_asked)
		c->behind_valid = memmap_read(c->mm, c->base_pfn + c->nr, 1, c->behind, &c->behind_valid);
	c->behind_asked = true;
	return c->behind_valid ? c->behind : NULL;
}

/* The facts of @pfn out of the batch or right behind it; false where its struct page is not there. */
static bool facts_in_batch(struct classifier *c, uint64_t pfn, struct page_facts *f)
{
	uint64_t i = pfn - c->base_pfn;
	const uint8_t *raw = NULL;

	if (pfn < c->base_pfn || i > c->nr)
		return false;
	if (i == c->nr)
		raw = struct_behind(c);
	else if (c->all_valid || c->valid[i])
		raw = c->raw + i * c->layout.size;
	if (raw)
		page_facts_decode(&c->layout, raw, f);
	return raw;
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

/* What the kernel counts as slab. */
static bool is_slab_like(const struct classifier *c, const struct page_facts *f)
{
	enum kernel_kind kind = page_kernel_kind(&c->layout, f);

	return kind == KERNEL_KIND_SLAB || kind == KERNEL_KIND_LARGE_KMALLOC;
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
	c->head_is_slab = false;
	if (!memmap_pfn_of(c->mm, head_vaddr, &pfn) || !facts_anywhere(c, pfn, &f, &next, &has_next))
		return c->head_class;
	if (!page_is_head(&c->layout, &f) || page_has_tail_mark(&f))
		return c->head_class;
	c->head_class = page_class_of(&c->layout, &f, has_next ? &next : NULL, head_vaddr);
	c->head_is_slab = c->head_class == PAGE_CLASS_KERNEL && is_slab_like(c, &f);
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

/* The class of a free block's first page; notes where the block ends. */
static enum page_class class_of_free(struct classifier *c, uint64_t pfn, const struct page_facts *f)
{
	uint64_t block = page_free_block_pages(&c->layout, f, pfn);

	if (!block)
		return PAGE_CLASS_UNKNOWN;
	c->free_end_pfn = max_u64(c->free_end_pfn, pfn + block);
	return PAGE_CLASS_FREE;
}

static enum page_class classify_tail(struct classifier *c, uint64_t head_vaddr)
{
	enum page_class class = class_of_head(c, head_vaddr);

	c->counts.slab += c->head_is_slab;
	return class;
}

static enum page_class classify_by_rules(struct classifier *c, uint64_t pfn, uint64_t vaddr, const struct page_facts *f)
{
	struct page_facts next;
	const struct page_facts *behind = NULL;
	uint64_t head_vaddr;
	enum page_class class;

	if (pfn < c->free_end_pfn && page_may_be_inside_free_block(&c->layout, f))
		return PAGE_CLASS_FREE;
	if (page_is_hwpoison(&c->layout, f))
		return PAGE_CLASS_HWPOISON;
	/* No tail has it: where the link and this contradict each other, the page is kept. */
	if (page_is_slab(&c->layout, f)) {
		c->counts.slab++;
		return PAGE_CLASS_KERNEL;
	}
	if (page_is_tail(&c->layout, f, vaddr, &head_vaddr))
		return classify_tail(c, head_vaddr);
	if (page_is_head(&c->layout, f)) /* of no other page does it matter */
		behind = facts_in_batch(c, pfn + 1, &next) ? &next : NULL;
	if (is_fake_head(c, f, behind, vaddr, &head_vaddr))
		return classify_tail(c, head_vaddr);
	class = page_class_of(&c->layout, f, behind, vaddr);
	if (class == PAGE_CLASS_KERNEL)
		c->counts.slab += is_slab_like(c, f);
	return class == PAGE_CLASS_FREE ? class_of_free(c, pfn, f) : class;
}

/*
 * The batch before was another's, and a free block that is larger than a batch may have begun there. Linux has such blocks only
 * where somebody configured them.
 */
static void look_back(struct classifier *c, uint64_t pfn)
{
	c->free_end_pfn = 0;
	for (unsigned order = 0; order < c->layout.max_order; order++) {
		uint64_t head = align_down(pfn, UINT64_C(1) << order), vaddr, head_vaddr;
		struct page_facts f, next;
		bool has_next;

		if (UINT64_C(1) << order <= CLASSIFY_BATCH_PAGES || head == pfn || !memmap_vaddr_of(c->mm, head, &vaddr) ||
		    !facts_anywhere(c, head, &f, &next, &has_next) || page_is_hwpoison(&c->layout, &f) ||
		    page_is_tail(&c->layout, &f, vaddr, &head_vaddr) ||
		    is_fake_head(c, &f, has_next ? &next : NULL, vaddr, &head_vaddr))
			continue;
		if (page_class_of(&c->layout, &f, has_next ? &next : NULL, vaddr) == PAGE_CLASS_FREE)
			class_of_free(c, head, &f);
	}
}

/*
 * PG_reserved is the kernel's, whatever the rest says; only poison is worse. Memory that is offline may not even be there,
 * and was reserved before Linux 6.11.
 */
static enum page_class classify_one(struct classifier *c, uint64_t pfn, uint64_t vaddr)
{
	struct page_facts f;
	enum page_class class;

	if (!facts_in_batch(c, pfn, &f))
		return PAGE_CLASS_UNKNOWN;
	class = classify_by_rules(c, pfn, vaddr, &f);
	if (!(f.flags & c->layout.mask_reserved) || class == PAGE_CLASS_KERNEL || class == PAGE_CLASS_UNKNOWN ||
	    class == PAGE_CLASS_HWPOISON || class == PAGE_CLASS_OFFLINE)
		return class;
	c->counts.reserved[class]++;
	return PAGE_CLASS_KERNEL;
}

enum kernel_kind classifier_kernel_kind(struct classifier *c, uint64_t pfn)
{
	struct page_facts f, next;
	uint64_t vaddr, head_vaddr, head_pfn;
	bool has_next;

	if (!classifier_facts(c, pfn, &f) || !memmap_vaddr_of(c->mm, pfn, &vaddr))
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

/* How many of the @nr pages at @raw are tails of one head, so of its class; 0: the first is none, or one with a say of its own. */
static size_t tails_at(const struct classifier *c, const uint8_t *raw, uint64_t vaddr, size_t nr)
{
	struct page_facts f;

	page_facts_decode(&c->layout, raw, &f);
	if (!page_has_tail_mark(&f))
		return 0;
	return page_run_tails(&c->runs, raw, (size_t)min_u64(nr, page_tails_of_link(&c->layout, &f, vaddr)), f.compound_head);
}

/* By short looks as many of [@pfn, @end_pfn) as they suffice for; 0: the first needs a long one. */
static size_t run_at(struct classifier *c, uint64_t pfn, uint64_t end_pfn, uint8_t *class)
{
	const uint8_t *raw = c->raw + (pfn - c->base_pfn) * c->layout.size;
	size_t n;

	if (pfn < c->free_end_pfn) {
		n = page_run_inside_free(&c->runs, raw, (size_t)(min_u64(end_pfn, c->free_end_pfn) - pfn));
		memset(class, PAGE_CLASS_FREE, n);
		return n;
	}
	return page_run_is_single(&c->runs, raw) ? page_run_single(&c->runs, raw, (size_t)(end_pfn - pfn), class) : 0;
}

/* [@pfn, @end_pfn) of the batch, whose struct pages lie one behind the other from @vaddr on. */
static void run_section(struct classifier *c, uint64_t pfn, uint64_t end_pfn, uint64_t vaddr, uint8_t *class)
{
	bool in_runs = c->has_runs && c->all_valid;
	size_t size = c->layout.size;

	while (pfn < end_pfn) {
		size_t n = in_runs ? run_at(c, pfn, end_pfn, class) : 0;

		if (!n) {
			enum page_class first = classify_one(c, pfn, vaddr);

			if (in_runs)
				n = tails_at(c, c->raw + (pfn - c->base_pfn) * size, vaddr, (size_t)(end_pfn - pfn));
			if (n > 1 && c->head_is_slab) /* the first is counted */
				c->counts.slab += n - 1;
			n = (size_t)max_u64(n, 1);
			memset(class, first, n);
		}
		pfn += n;
		class += n;
		vaddr += n * size;
	}
}

static void run_batch(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, uint8_t *class)
{
	while (start_pfn < end_pfn) {
		uint64_t stop = min_u64(end_pfn, memmap_section_end(c->mm, start_pfn)), vaddr;

		if (memmap_vaddr_of(c->mm, start_pfn, &vaddr))
			run_section(c, start_pfn, stop, vaddr, class);
		else
			memset(class, PAGE_CLASS_UNKNOWN, (size_t)(stop - start_pfn));
		class += stop - start_pfn;
		start_pfn = stop;
	}
}

/* Where the batch lies. False: it cannot be seen there, or not all of it, and nothing is told of it. */
static bool run_view(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, uint8_t *class)
{
	const uint8_t *view = memmap_view(c->mm, start_pfn, (size_t)(end_pfn - start_pfn));
	struct classify_counts counts = c->counts;
	uint64_t free_end_pfn = c->free_end_pfn;

	if (!view)
		return false;
	set_batch(c, start_pfn, (size_t)(end_pfn - start_pfn), view, true);
	run_batch(c, start_pfn, end_pfn, class);
	c->base_pfn = NO_BATCH;
	if (rsource_view_end())
		return true;
	c->counts = counts;
	c->free_end_pfn = free_end_pfn;
	c->head_known = false;
	return false;
}

static void run_copy(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, uint8_t *class)
{
	size_t nr = (size_t)(end_pfn - start_pfn);

	set_batch(c, start_pfn, nr, c->buf, memmap_read(c->mm, start_pfn, nr, c->buf, c->valid) == nr);
	run_batch(c, start_pfn, end_pfn, class);
}

void classifier_run(struct classifier *c, uint64_t start_pfn, uint64_t end_pfn, uint8_t *class)
{
	if (start_pfn != c->batch_end_pfn)
		look_back(c, start_pfn);
	end_pfn = min_u64(end_pfn, start_pfn + CLASSIFY_BATCH_PAGES);
	c->batch_end_pfn = end_pfn;
	if (!run_view(c, start_pfn, end_pfn, class))
		run_copy(c, start_pfn, end_pfn, class);
}
