// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/audit.h"

#include <stdlib.h>
#include <string.h>

#include "compare/vmalloc.h"
#include "kernel/classify.h"

/* makedumpfile(8), "-d": the bits of a dump level */
#define LEVEL_CACHE 2u
#define LEVEL_CACHE_ALL 4u
#define LEVEL_USER 8u
#define LEVEL_FREE 16u

/* Page flags end well below this; above it are zone, node and section. */
#define FLAGS_MASK ((UINT64_C(1) << 26) - 1)
#define TEXT_PAGES_ASKED 64u

struct auditor {
	struct kmodel *km;
	struct classifier *classifier;
	uint64_t base_pfn;
	uint8_t class[CLASSIFY_BATCH_PAGES]; /* enum page_class */
	/* For the kinds of lost pages, found when the first one turns up. */
	bool kinds_ready;
	uint64_t mask_reserved; /* 0: not known */
	struct vmalloc_frames *vmalloc;
};

enum status auditor_open(const struct side *side, struct auditor **out, struct err *err)
{
	struct auditor *a;
	enum status st;

	if (!side->km)
		return err_set(err, ST_NOT_FOUND, "the outer dump's kernel cannot be read: %.200s",
			       side->why_no_model.text);
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	a->km = side->km;
	st = classifier_open(side->km, &a->classifier, err);
	if (st != ST_OK) {
		free(a);
		return st;
	}
	*out = a;
	return ST_OK;
}

void auditor_close(struct auditor *a)
{
	if (!a)
		return;
	vmalloc_frames_free(a->vmalloc);
	classifier_close(a->classifier);
	free(a);
}

void auditor_load(struct auditor *a, uint64_t start_pfn, uint64_t end_pfn)
{
	a->base_pfn = start_pfn;
	classifier_run(a->classifier, start_pfn, end_pfn, a->class);
}

enum audit_class auditor_class(const struct auditor *a, uint64_t pfn)
{
	switch ((enum page_class)a->class[pfn - a->base_pfn]) {
	case PAGE_CLASS_FREE:
		return AUDIT_FREE;
	case PAGE_CLASS_CACHE:
		return AUDIT_CACHE;
	case PAGE_CLASS_CACHE_PRIVATE:
		return AUDIT_CACHE_PRIVATE;
	case PAGE_CLASS_USER:
		return AUDIT_USER;
	case PAGE_CLASS_OFFLINE:
		return AUDIT_OFFLINE;
	case PAGE_CLASS_HWPOISON:
		return AUDIT_HWPOISON;
	case PAGE_CLASS_KERNEL:
	case PAGE_CLASS_UNKNOWN:
	case PAGE_CLASS_COUNT:
		break;
	}
	return AUDIT_LOST;
}

bool auditor_describes(const struct auditor *a, uint64_t pfn)
{
	return a->class[pfn - a->base_pfn] != PAGE_CLASS_UNKNOWN;
}

/*
 * VMCOREINFO does not name PG_reserved, and its number has changed. The kernel's own text has that flag and no other,
 * so the pages behind _stext show which one it is.
 */
static uint64_t learn_reserved(struct auditor *a)
{
	uint64_t stext, paddr, len, common = FLAGS_MASK;

	if (!vmcoreinfo_symbol(a->km->vi, "_stext", &stext) ||
	    kmodel_translate(a->km, stext, &paddr, &len, NULL) != ST_OK)
		return 0;
	for (unsigned i = 0; i < TEXT_PAGES_ASKED; i++) {
		struct page_facts f;

		if (!classifier_facts(a->classifier, (paddr >> a->km->page_shift) + i, &f))
			return 0;
		common &= f.flags;
	}
	return is_power_of_2(common) ? common : 0;
}

static enum lost_kind kind_of_other(struct auditor *a, uint64_t pfn)
{
	struct page_facts f;

	if (!a->kinds_ready) {
		a->mask_reserved = learn_reserved(a);
		a->vmalloc = vmalloc_frames_new(a->km);
		a->kinds_ready = true;
	}
	if (classifier_facts(a->classifier, pfn, &f) && f.flags & a->mask_reserved)
		return LOST_RESERVED;
	return vmalloc_frames_has(a->vmalloc, pfn) ? LOST_VMALLOC : LOST_OTHER;
}

enum lost_kind auditor_lost_kind(struct auditor *a, uint64_t pfn)
{
	if (a->class[pfn - a->base_pfn] != PAGE_CLASS_KERNEL)
		return LOST_UNKNOWN;
	switch (classifier_kernel_kind(a->classifier, pfn)) {
	case KERNEL_KIND_SLAB:
		return LOST_SLAB;
	case KERNEL_KIND_PAGE_TABLE:
		return LOST_PAGE_TABLE;
	case KERNEL_KIND_LARGE_KMALLOC:
		return LOST_LARGE_KMALLOC;
	case KERNEL_KIND_OTHER:
		break;
	}
	return kind_of_other(a, pfn);
}

bool audit_level_drops(enum audit_class c, unsigned level)
{
	switch (c) {
	case AUDIT_FREE:
		return level & LEVEL_FREE;
	case AUDIT_CACHE:
		return level & (LEVEL_CACHE | LEVEL_CACHE_ALL);
	case AUDIT_CACHE_PRIVATE:
		return level & LEVEL_CACHE_ALL;
	case AUDIT_USER:
		return level & LEVEL_USER;
	case AUDIT_OFFLINE:
	case AUDIT_HWPOISON:
		return true;
	case AUDIT_ZERO:
	case AUDIT_LOST:
	case AUDIT_COUNT:
		break;
	}
	return false;
}
