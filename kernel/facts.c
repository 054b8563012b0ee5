// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/facts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "kernel/btf.h"
#include "kernel/kallsyms.h"

#define TEXT_BYTES 8192u

/* How a key of VMCOREINFO is made from BTF. */
enum maker {
	MAKE_SIZE,	/* SIZE(a): of struct a */
	MAKE_OFFSET,	/* OFFSET(a.b) */
	MAKE_LENGTH,	/* LENGTH(a.b) */
	MAKE_NUMBER,	/* NUMBER(key): enumerator b of enum a */
	MAKE_BIT_MASK,	/* the same, as 1 << value */
	MAKE_TYPE,	/* the page type that enumerator b of enum pagetype stands for */
};

/* Is a kernel that lacks the key in need of help, or was the thing never there? */
enum need {
	NEED_ALWAYS,   /* every kernel since 5.10 has it */
	NEED_ONE_OF,   /* it or its successor */
	NEED_WITH_DTOR, /* one of these, where hugetlb is told by a destructor's number */
	NEED_NOT,      /* good to know, but many a kernel is built without the thing */
};

struct fact {
	enum maker make;
	enum need need;
	unsigned group; /* of things that took each other's place; 0: none */
	const char *key, *a, *b;
};

#define OFFSET_OF(need, group, a, b) { MAKE_OFFSET, need, group, a "." b, a, b }
#define NODE_STAT(b) { MAKE_NUMBER, NEED_NOT, 0, "node_stat_item." b, "node_stat_item", b }
#define ZONE_STAT(b) { MAKE_NUMBER, NEED_NOT, 0, "zone_stat_item." b, "zone_stat_item", b }

static const struct fact facts[] = {
	{ MAKE_SIZE, NEED_ALWAYS, 0, "page", "page", NULL },
	OFFSET_OF(NEED_ALWAYS, 0, "page", "flags"),
	OFFSET_OF(NEED_ALWAYS, 0, "page", "_mapcount"),
	OFFSET_OF(NEED_ALWAYS, 0, "page", "mapping"),
	OFFSET_OF(NEED_ALWAYS, 0, "page", "private"),
	OFFSET_OF(NEED_ONE_OF, 1, "page", "_refcount"),
	OFFSET_OF(NEED_ONE_OF, 1, "page", "_count"),
	OFFSET_OF(NEED_ONE_OF, 2, "page", "compound_info"),
	OFFSET_OF(NEED_ONE_OF, 2, "page", "compound_head"),
	{ MAKE_SIZE, NEED_ALWAYS, 0, "mem_section", "mem_section", NULL },
	OFFSET_OF(NEED_ALWAYS, 0, "mem_section", "section_mem_map"),
	{ MAKE_LENGTH, NEED_ALWAYS, 0, "zone.free_area", "zone", "free_area" },
	{ MAKE_NUMBER, NEED_ALWAYS, 0, "PG_lru", "pageflags", "PG_lru" },
	{ MAKE_NUMBER, NEED_ALWAYS, 0, "PG_private", "pageflags", "PG_private" },
	{ MAKE_NUMBER, NEED_ALWAYS, 0, "PG_swapcache", "pageflags", "PG_swapcache" },
	{ MAKE_NUMBER, NEED_ALWAYS, 0, "PG_swapbacked", "pageflags", "PG_swapbacked" },
	{ MAKE_NUMBER, NEED_NOT, 0, "PG_hwpoison", "pageflags", "PG_hwpoison" },
	{ MAKE_BIT_MASK, NEED_ALWAYS, 0, "PG_head_mask", "pageflags", "PG_head" },
	/* Slab and hugetlb were told by a flag, a number, and by now a page type. */
	{ MAKE_NUMBER, NEED_ONE_OF, 3, "PG_slab", "pageflags", "PG_slab" },
	{ MAKE_TYPE, NEED_ONE_OF, 3, "PAGE_SLAB_MAPCOUNT_VALUE", "pagetype", "slab" },
	{ MAKE_NUMBER, NEED_ONE_OF, 4, "HUGETLB_PAGE_DTOR", "compound_dtor_id", "HUGETLB_PAGE_DTOR" },
	{ MAKE_NUMBER, NEED_ONE_OF, 4, "PG_hugetlb", "pageflags", "PG_hugetlb" },
	{ MAKE_TYPE, NEED_ONE_OF, 4, "PAGE_HUGETLB_MAPCOUNT_VALUE", "pagetype", "hugetlb" },
	OFFSET_OF(NEED_WITH_DTOR, 5, "page", "compound_dtor"),
	OFFSET_OF(NEED_WITH_DTOR, 5, "folio", "_folio_dtor"),
	{ MAKE_TYPE, NEED_ALWAYS, 0, "PAGE_BUDDY_MAPCOUNT_VALUE", "pagetype", "buddy" },
	{ MAKE_TYPE, NEED_ALWAYS, 0, "PAGE_OFFLINE_MAPCOUNT_VALUE", "pagetype", "offline" },
	{ MAKE_TYPE, NEED_NOT, 0, "PAGE_UNACCEPTED_MAPCOUNT_VALUE", "pagetype", "unaccepted" },
	/* No kernel exports these: zsmalloc may be dropped, the others are named in reports. */
	{ MAKE_TYPE, NEED_NOT, 0, "PAGE_ZSMALLOC_MAPCOUNT_VALUE", "pagetype", "zsmalloc" },
	{ MAKE_TYPE, NEED_NOT, 0, "PAGE_LARGE_KMALLOC_MAPCOUNT_VALUE", "pagetype", "large_kmalloc" },
	{ MAKE_NUMBER, NEED_NOT, 0, "PG_reserved", "pageflags", "PG_reserved" },
	/* Where kernel/vmstat.c finds the kernel's own counters. Keys of our own: no kernel exports these. */
	NODE_STAT("NR_INACTIVE_ANON"), NODE_STAT("NR_ACTIVE_ANON"), NODE_STAT("NR_INACTIVE_FILE"),
	NODE_STAT("NR_ACTIVE_FILE"), NODE_STAT("NR_UNEVICTABLE"), NODE_STAT("NR_ISOLATED_ANON"),
	NODE_STAT("NR_ISOLATED_FILE"), NODE_STAT("NR_ANON_MAPPED"), NODE_STAT("NR_FILE_PAGES"), NODE_STAT("NR_SHMEM"),
	NODE_STAT("NR_SWAPCACHE"), NODE_STAT("NR_SLAB_RECLAIMABLE_B"), NODE_STAT("NR_SLAB_UNRECLAIMABLE_B"),
	NODE_STAT("NR_PAGETABLE"), NODE_STAT("NR_ZSPAGES"), ZONE_STAT("NR_ZSPAGES"),
	{ MAKE_SIZE, NEED_NOT, 0, "hstate", "hstate", NULL },
	OFFSET_OF(NEED_NOT, 0, "hstate", "order"),
	OFFSET_OF(NEED_NOT, 0, "hstate", "nr_huge_pages"),
};

static const char *const btf_names[] = { "page", "folio", "mem_section", "zone", "pageflags", "pagetype",
					 "compound_dtor_id", "node_stat_item", "zone_stat_item", "hstate" };

/* Symbols that VMCOREINFO may lack; their values stand behind it too. */
static const char *const symbol_names[] = { "mem_section", "vmemmap_base", "vm_node_stat", "vm_zone_stat",
					    "_totalram_pages", "hstates", "hugetlb_max_hstate", "crashk_cma_cnt" };

static const char *kind_of(const struct fact *f)
{
	switch (f->make) {
	case MAKE_SIZE:
		return "SIZE";
	case MAKE_OFFSET:
		return "OFFSET";
	case MAKE_LENGTH:
		return "LENGTH";
	case MAKE_NUMBER:
	case MAKE_BIT_MASK:
	case MAKE_TYPE:
		break;
	}
	return "NUMBER";
}

static bool is_told(const struct vmcoreinfo *vi, const struct fact *f)
{
	uint64_t u;
	int64_t n;

	switch (f->make) {
	case MAKE_SIZE:
		return vmcoreinfo_size(vi, f->key, &u);
	case MAKE_OFFSET:
		return vmcoreinfo_offset(vi, f->key, &u);
	case MAKE_LENGTH:
		return vmcoreinfo_length(vi, f->key, &u);
	case MAKE_NUMBER:
	case MAKE_BIT_MASK:
	case MAKE_TYPE:
		break;
	}
	return vmcoreinfo_number(vi, f->key, &n);
}

static bool is_group_told(const struct vmcoreinfo *vi, unsigned group)
{
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (facts[i].group == group && is_told(vi, &facts[i]))
			return true;
	return false;
}

static bool is_lacking(const struct vmcoreinfo *vi, const struct fact *f)
{
	int64_t ignored;

	if (f->need == NEED_NOT || is_told(vi, f))
		return false;
	if (f->need == NEED_WITH_DTOR && !vmcoreinfo_number(vi, "HUGETLB_PAGE_DTOR", &ignored))
		return false;
	return f->need == NEED_ALWAYS || !is_group_told(vi, f->group);
}

static unsigned count_lacking(const struct vmcoreinfo *vi, char *names, size_t len)
{
	unsigned nr = 0;

	names[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		size_t used = strlen(names);

		if (!is_lacking(vi, &facts[i]))
			continue;
		nr++;
		if (used + strlen(facts[i].key) + 12 < len)
			snprintf(names + used, len - used, "%s%s(%s)", used ? ", " : "", kind_of(&facts[i]), facts[i].key);
	}
	return nr;
}

/*
 * enum pagetype since commit 4ffca5a96678 ("mm: support only one page_type per page"): PGTY_x is the top byte. Before, in
 * Linux 6.11, PG_x is the one bit that is cleared.
 */
static bool page_type_value(struct btf *b, const char *name, int64_t *v)
{
	char enumerator[32];
	int64_t n;

	snprintf(enumerator, sizeof(enumerator), "PGTY_%s", name);
	if (btf_enumerator(b, "pagetype", enumerator, &n) && n >= 0x80 && n < 0xff) {
		*v = n << 24;
		return true;
	}
	snprintf(enumerator, sizeof(enumerator), "PG_%s", name);
	if (!btf_enumerator(b, "pagetype", enumerator, &n) || !is_power_of_2((uint64_t)n) || n > 0x40000000)
		return false;
	*v = (int64_t)(~(uint32_t)n);
	return true;
}

static bool value_from_btf(struct btf *b, const struct fact *f, int64_t *v)
{
	uint64_t u;
	bool found = false;

	switch (f->make) {
	case MAKE_SIZE:
		found = btf_struct_size(b, f->a, &u);
		break;
	case MAKE_OFFSET:
		found = btf_offset(b, f->a, f->b, &u);
		break;
	case MAKE_LENGTH:
		found = btf_array_length(b, f->a, f->b, &u);
		break;
	case MAKE_NUMBER:
		return btf_enumerator(b, f->a, f->b, v);
	case MAKE_BIT_MASK:
		if (!btf_enumerator(b, f->a, f->b, v) || *v < 0 || *v > 62)
			return false;
		*v = INT64_C(1) << *v;
		return true;
	case MAKE_TYPE:
		return page_type_value(b, f->b, v);
	}
	if (found)
		*v = (int64_t)u;
	return found;
}

struct text {
	char bytes[TEXT_BYTES];
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) add_line(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(t->bytes) - t->len)
		t->len += (size_t)len;
}

static void add_facts(const struct vmcoreinfo *vi, struct btf *b, struct text *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		int64_t v;

		/* Of things that took each other's place only one is told, by whichever source. */
		if (is_told(vi, &facts[i]) || (facts[i].group && is_group_told(vi, facts[i].group)))
			continue;
		if (value_from_btf(b, &facts[i], &v))
			add_line(t, "%s(%s)=%" PRId64 "\n", kind_of(&facts[i]), facts[i].key, v);
	}
}

static void add_symbols(const struct vmcoreinfo *vi, const struct kallsyms_symbol *syms, struct text *t)
{
	uint64_t known;

	for (size_t i = 0; i < ARRAY_SIZE(symbol_names); i++)
		if (syms[i].found && !vmcoreinfo_symbol(vi, syms[i].name, &known))
			add_line(t, "SYMBOL(%s)=%" PRIx64 "\n", syms[i].name, syms[i].vaddr);
}

static enum status read_tables(struct kmodel *km, struct text *t, struct err *err)
{
	_cleanup_(btf_closep) struct btf *b = NULL;
	struct kallsyms_symbol syms[ARRAY_SIZE(symbol_names) + 2] = { 0 };
	struct kallsyms_symbol *start = &syms[ARRAY_SIZE(symbol_names)], *stop = start + 1;
	enum status st;

	for (size_t i = 0; i < ARRAY_SIZE(symbol_names); i++)
		syms[i].name = symbol_names[i];
	start->name = "__start_BTF";
	stop->name = "__stop_BTF";
	st = kallsyms_lookup(km, syms, ARRAY_SIZE(syms), err);
	if (st != ST_OK)
		return st;
	add_line(t, "OSRELEASE=?\n");
	add_symbols(km->vi, syms, t);
	if (!start->found || !stop->found)
		return err_set(err, ST_NOT_FOUND, "the kernel carries no type information (BTF)");
	st = btf_open(km, start->vaddr, stop->vaddr, btf_names, ARRAY_SIZE(btf_names), &b, err);
	if (st != ST_OK)
		return st;
	km->facts.nr_unknown_kinds = btf_nr_unknown(b);
	add_facts(km->vi, b, t);
	return ST_OK;
}

void facts_complete(struct kmodel *km)
{
	struct facts_report *r = &km->facts;
	struct vmcoreinfo *more = NULL;
	struct text t = { .len = 0 };
	struct err err = { 0 };
	unsigned left;

	if (r->asked)
		return;
	r->asked = true;
	r->nr_lacking = count_lacking(km->vi, r->lacking, sizeof(r->lacking));
	if (read_tables(km, &t, &err) != ST_OK)
		snprintf(r->trouble, sizeof(r->trouble), "%.190s", err.text);
	if (t.len && vmcoreinfo_parse(t.bytes, t.len, &more, NULL) == ST_OK)
		vmcoreinfo_set_fallback(km->vi, more);
	left = count_lacking(km->vi, r->lacking, sizeof(r->lacking));
	r->nr_found = r->nr_lacking - left;
}
