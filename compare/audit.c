// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/audit.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/classify.h"

/* makedumpfile(8), "-d": the bits of a dump level */
#define LEVEL_CACHE 2u
#define LEVEL_CACHE_ALL 4u
#define LEVEL_USER 8u
#define LEVEL_FREE 16u

struct auditor {
	struct classifier *classifier;
	uint64_t base_pfn;
	uint8_t class[CLASSIFY_BATCH_PAGES]; /* enum page_class */
};

enum status auditor_open(const struct side *side, struct auditor **out, struct err *err)
{
	struct auditor *a;
	enum status st;

	if (!side->km)
		return err_set(err, ST_NOT_FOUND, "the outer dump's kernel cannot be read: %.200s", side->why_no_model.text);
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(err, ST_NO_MEMORY, "out of memory");
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
	classifier_close(a->classifier);
	free(a);
}

static void take_run(void *ctx, uint64_t start_pfn, uint64_t end_pfn, enum page_class class)
{
	struct auditor *a = ctx;

	memset(a->class + (start_pfn - a->base_pfn), class, (size_t)(end_pfn - start_pfn));
}

void auditor_load(struct auditor *a, uint64_t start_pfn, uint64_t end_pfn)
{
	a->base_pfn = start_pfn;
	classifier_run(a->classifier, start_pfn, end_pfn, take_run, a);
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
	return LOST_OTHER;
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
