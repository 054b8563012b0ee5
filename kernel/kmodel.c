// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/kmodel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"

#define TABLE_BYTES 4096u
#define NR_CACHED_TABLES 16u

/*
 * A walk touches one table a level, and neighbours share all but the lowest. Any table may take any slot: two levels of one walk
 * that had to share one would be read again for each address.
 */
struct kmodel_cache {
	uint64_t tags[NR_CACHED_TABLES]; /* physical address of the table, with bit 0 set; 0: empty */
	unsigned last, oldest;
	uint8_t tables[NR_CACHED_TABLES][TABLE_BYTES];
};

const char *kmodel_phys_base_source_name(enum phys_base_source s)
{
	static const char *const names[] = {
		[PHYS_BASE_UNKNOWN] = "unknown",
		[PHYS_BASE_VMCOREINFO] = "VMCOREINFO",
		[PHYS_BASE_KERNEL_LOAD] = "kernel PT_LOAD",
		[PHYS_BASE_HEADER] = "KDUMP sub header",
	};

	return names[s];
}

/* The slot of the table at @page, or the one to read it into. */
static unsigned find_slot(const struct kmodel_cache *c, uint64_t tag)
{
	if (c->tags[c->last] == tag)
		return c->last;
	for (unsigned i = 0; i < NR_CACHED_TABLES; i++)
		if (c->tags[i] == tag)
			return i;
	return c->oldest;
}

enum status kmodel_read_table_u64(struct kmodel *km, uint64_t paddr, uint64_t *v, struct err *err)
{
	uint64_t page = align_down(paddr, TABLE_BYTES), tag = page | 1;
	struct kmodel_cache *c = km->cache;

	c->last = find_slot(c, tag);
	if (c->tags[c->last] != tag) {
		enum status st;

		c->tags[c->last] = 0;
		st = physmem_read(km->pm, page, c->tables[c->last], TABLE_BYTES, err);
		if (st != ST_OK)
			return st;
		c->tags[c->last] = tag;
		c->oldest = (c->oldest + 1) % NR_CACHED_TABLES;
		if (km->table_fn)
			km->table_fn(km->table_ctx, page, TABLE_BYTES);
	}
	*v = get_u64(c->tables[c->last] + (paddr - page), km->pm->order);
	return ST_OK;
}

void kmodel_watch_tables(struct kmodel *km, void (*fn)(void *ctx, uint64_t paddr, uint64_t len_bytes), void *ctx)
{
	km->table_fn = fn;
	km->table_ctx = ctx;
	/* What is cached would not be read again, and so not be told. */
	memset(km->cache, 0, sizeof(*km->cache));
}

enum status kmodel_translate(struct kmodel *km, uint64_t vaddr, uint64_t *paddr, uint64_t *len, struct err *err)
{
	enum status st = km->arch->translate(km, vaddr, paddr, len, err);

	/* The image's place is known without tables: the log and the root of the memory map survive a broken one. */
	if (st != ST_OK && km->arch->image_paddr(km, vaddr, paddr, len))
		return ST_OK;
	return st;
}

enum status kmodel_read(struct kmodel *km, uint64_t vaddr, void *buf, size_t len, struct err *err)
{
	uint8_t *to = buf;

	while (len) {
		uint64_t paddr, run;
		size_t n;
		enum status st = kmodel_translate(km, vaddr, &paddr, &run, err);

		if (st == ST_OK) {
			n = (size_t)min_u64(len, run);
			st = physmem_read(km->pm, paddr, to, n, err);
		}
		if (st != ST_OK)
			return err_wrap(err, st, "kernel address 0x%" PRIx64, vaddr);
		to += n;
		len -= n;
		if (__builtin_add_overflow(vaddr, n, &vaddr) && len)
			return err_set(err, ST_NO_DATA, "kernel address runs over the end of the address space");
	}
	return ST_OK;
}

const uint8_t *kmodel_view(struct kmodel *km, uint64_t vaddr, size_t len)
{
	uint64_t paddr, run;

	if (!km->pm->ops->view || kmodel_translate(km, vaddr, &paddr, &run, NULL) != ST_OK || run < len)
		return NULL;
	return physmem_view(km->pm, paddr, len);
}

enum status kmodel_read_u64(struct kmodel *km, uint64_t vaddr, uint64_t *v, struct err *err)
{
	uint8_t raw[8];
	enum status st = kmodel_read(km, vaddr, raw, sizeof(raw), err);

	if (st == ST_OK)
		*v = get_u64(raw, km->pm->order);
	return st;
}

enum status kmodel_read_u32(struct kmodel *km, uint64_t vaddr, uint32_t *v, struct err *err)
{
	uint8_t raw[4];
	enum status st = kmodel_read(km, vaddr, raw, sizeof(raw), err);

	if (st == ST_OK)
		*v = get_u32(raw, km->pm->order);
	return st;
}

/* With a candidate in km->phys_base: do the kernel's own tables put the image where it says? */
static enum status check_phys_base(struct kmodel *km, struct err *err)
{
	uint64_t stext, by_formula, by_tables, len;
	enum status st = km->arch->find_tables(km, err);

	if (st != ST_OK)
		return st;
	if (!vmcoreinfo_symbol(km->vi, "_stext", &stext))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO has no SYMBOL(_stext)");
	if (!km->arch->image_paddr(km, stext, &by_formula, &len))
		return err_set(err, ST_BAD_INPUT, "SYMBOL(_stext) 0x%" PRIx64 " is outside the kernel image mapping", stext);
	memset(km->cache, 0, sizeof(*km->cache));
	st = km->arch->translate(km, stext, &by_tables, &len, err);
	if (st != ST_OK)
		return err_wrap(err, st, "page tables do not map the kernel image");
	if (by_tables != by_formula)
		return err_set(err, ST_BAD_INPUT,
			       "phys_base %" PRId64 " puts _stext at 0x%" PRIx64 ", the page tables at 0x%" PRIx64,
			       km->phys_base, by_formula, by_tables);
	return ST_OK;
}

static enum status find_phys_base(struct kmodel *km, struct err *err)
{
	const struct physmem *pm = km->pm;
	struct candidate {
		enum phys_base_source source;
		bool known;
		int64_t value;
	} all[] = {
		{ PHYS_BASE_VMCOREINFO, false, 0 },
		{ PHYS_BASE_KERNEL_LOAD, pm->has_kernel_text_map, 0 },
		{ PHYS_BASE_HEADER, pm->has_header_phys_base, pm->header_phys_base },
	};
	const struct candidate *first = NULL;
	enum status st = err_set(err, ST_BAD_INPUT, "nothing tells phys_base");
	struct err later;

	all[0].known = vmcoreinfo_number(km->vi, "phys_base", &all[0].value);
	if (all[1].known)
		all[1].value = km->arch->phys_base_of_load(pm->kernel_text_vaddr, pm->kernel_text_paddr);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		enum status this;

		if (!all[i].known)
			continue;
		km->phys_base = all[i].value;
		km->phys_base_source = all[i].source;
		this = check_phys_base(km, first ? &later : err);
		if (this == ST_OK)
			return ST_OK;
		if (!first) {
			first = &all[i];
			st = this;
		}
	}
	return st;
}

void kmodel_close(struct kmodel *km)
{
	if (!km)
		return;
	if (!km->is_clone)
		vmcoreinfo_free(km->vi);
	free(km->cache);
	free(km->symbols);
	free(km);
}

static enum status build(struct kmodel *km, struct err *err)
{
	enum status st = vmcoreinfo_parse(km->pm->vmcoreinfo, km->pm->vmcoreinfo_len_bytes, &km->vi, err);

	if (st != ST_OK)
		return st;
	km->arch = arch_find(km->pm, km->vi);
	if (!km->arch)
		return err_set(err, ST_UNSUPPORTED, "this build knows no page tables of machine %s (ELF machine %u)",
			       km->pm->uts.machine[0] ? km->pm->uts.machine : "?", km->pm->elf_machine);
	km->page_shift = (uint32_t)__builtin_ctz(km->pm->page_size);
	return find_phys_base(km, err);
}

enum status kmodel_open(struct physmem *pm, struct kmodel **out, struct err *err)
{
	struct kmodel *km;
	enum status st;

	if (!pm->vmcoreinfo)
		return err_set(err, ST_NOT_FOUND, "the dump has no VMCOREINFO");
	km = calloc(1, sizeof(*km));
	if (km)
		km->cache = calloc(1, sizeof(*km->cache));
	if (!km || !km->cache) {
		kmodel_close(km);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	km->pm = pm;
	st = build(km, err);
	if (st != ST_OK) {
		kmodel_close(km);
		return st;
	}
	*out = km;
	return ST_OK;
}

enum status kmodel_clone(const struct kmodel *from, struct physmem *pm, struct kmodel **out, struct err *err)
{
	struct kmodel *km = malloc(sizeof(*km));

	if (!km)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	*km = *from;
	km->pm = pm;
	km->is_clone = true;
	km->table_fn = NULL;
	km->symbols = NULL; /* each its own: a look-up may come at any time */
	km->cache = calloc(1, sizeof(*km->cache));
	if (!km->cache) {
		free(km);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	*out = km;
	return ST_OK;
}
