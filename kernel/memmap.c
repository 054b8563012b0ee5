// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/memmap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * include/linux/mmzone.h: section_mem_map is the address of the section's struct pages, less the section's first PFN, with
 * flags in the low bits: present, has a map, and by now five more. New flags were added in 4.13, 5.3, 5.12 and 6.15, so
 * everything below the page size is masked: the map is always that aligned.
 */
#define SECTION_PRESENT UINT64_C(1)
#define SECTION_HAS_MEM_MAP UINT64_C(2)
#define SECTION_FLAG_BITS UINT64_C(0xfff)

/* How many are looked for: 128 TiB of RAM in sections of 128 MiB. What lies beyond counts as missing. */
#define MAX_SECTIONS (UINT64_C(1) << 20)

struct section {
	uint64_t nr;
	uint64_t map_vaddr; /* of the section's first struct page */
};

struct memmap {
	struct kmodel *km;
	size_t page_struct_size;
	unsigned pfn_section_shift;  /* PFNs to section number */
	uint64_t mem_section;	     /* the array of roots, or of sections */
	bool is_extreme;	     /* roots that point to pages full of sections */
	uint64_t sections_per_root;
	uint64_t nr_roots;	     /* LENGTH(mem_section) */
	size_t section_size, off_section_mem_map;
	struct section *sections;    /* ascending by nr */
	size_t nr_sections;
	size_t *last_found;	     /* index into sections, which a look-up notes: neighbours follow each other */
	struct section *by_vaddr;    /* the same, ascending by map_vaddr */
	uint64_t nr_wanted, nr_disagreeing;
	bool is_clone;		     /* borrows the sections */
};

static enum status learn_model(struct memmap *mm, struct err *err)
{
	const struct vmcoreinfo *vi = mm->km->vi;
	uint64_t size, off, length;
	int64_t section_bits, physmem_bits;

	if (!vmcoreinfo_symbol(vi, "mem_section", &mm->mem_section) || !vmcoreinfo_size(vi, "mem_section", &size) ||
	    !vmcoreinfo_offset(vi, "mem_section.section_mem_map", &off) || !vmcoreinfo_length(vi, "mem_section", &length))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO describes no sparse memory map (mem_section)");
	if (!vmcoreinfo_number(vi, "SECTION_SIZE_BITS", &section_bits) ||
	    !vmcoreinfo_number(vi, "MAX_PHYSMEM_BITS", &physmem_bits))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO has no SECTION_SIZE_BITS or MAX_PHYSMEM_BITS");
	if (section_bits <= mm->km->page_shift || section_bits > 40 || physmem_bits < section_bits || physmem_bits > 60)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO's SECTION_SIZE_BITS %" PRId64 " of MAX_PHYSMEM_BITS %" PRId64
			       " make no sense", section_bits, physmem_bits);
	if (size < 8 || size > mm->km->pm->page_size || !span_within(off, 8, size) || !length)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO's mem_section makes no sense");
	mm->pfn_section_shift = (unsigned)section_bits - mm->km->page_shift;
	mm->section_size = (size_t)size;
	mm->off_section_mem_map = (size_t)off;
	mm->nr_roots = length;
	mm->sections_per_root = mm->km->pm->page_size / size;
	mm->is_extreme = length < UINT64_C(1) << (physmem_bits - section_bits);
	return ST_OK;
}

/* Virtual address of struct mem_section number @nr, with the roots at @roots. */
static enum status section_vaddr(struct memmap *mm, uint64_t roots, uint64_t nr, uint64_t *vaddr, struct err *err)
{
	uint64_t index = mm->is_extreme ? nr / mm->sections_per_root : nr;
	enum status st;

	if (index >= mm->nr_roots)
		return err_set(err, ST_NO_DATA, "section %" PRIu64 " lies beyond mem_section", nr);
	if (!mm->is_extreme) {
		*vaddr = roots + index * mm->section_size;
		return ST_OK;
	}
	st = kmodel_read_u64(mm->km, roots + index * 8, vaddr, err);
	if (st != ST_OK)
		return st;
	if (!*vaddr)
		return err_set(err, ST_NO_DATA, "section %" PRIu64 " has no root", nr);
	*vaddr += nr % mm->sections_per_root * mm->section_size;
	return ST_OK;
}

static enum status resolve_section(struct memmap *mm, uint64_t roots, uint64_t nr, struct section *s, struct err *err)
{
	uint64_t vaddr, coded;
	enum status st = section_vaddr(mm, roots, nr, &vaddr, err);

	if (st == ST_OK)
		st = kmodel_read_u64(mm->km, vaddr + mm->off_section_mem_map, &coded, err);
	if (st != ST_OK)
		return st;
	if ((coded & (SECTION_PRESENT | SECTION_HAS_MEM_MAP)) != (SECTION_PRESENT | SECTION_HAS_MEM_MAP))
		return err_set(err, ST_NO_DATA, "section %" PRIu64 " is not present", nr);
	s->nr = nr;
	s->map_vaddr = (coded & ~SECTION_FLAG_BITS) + (nr << mm->pfn_section_shift) * mm->page_struct_size;
	return ST_OK;
}

/* Resolve the section of every range of RAM, counting from scratch. */
static void resolve_all(struct memmap *mm, uint64_t roots)
{
	const struct physmem *pm = mm->km->pm;
	uint64_t next = 0; /* the lowest section that was not tried yet */
	uint64_t nr_tried = 0;

	mm->nr_sections = 0;
	for (size_t i = 0; i < pm->nr_ranges; i++) {
		uint64_t first = pm->ranges[i].start >> mm->km->page_shift >> mm->pfn_section_shift;
		uint64_t last = (pm->ranges[i].end - 1) >> mm->km->page_shift >> mm->pfn_section_shift;

		for (uint64_t nr = max_u64(first, next); nr <= last && nr_tried < MAX_SECTIONS; nr++) {
			struct section *s = &mm->sections[mm->nr_sections];

			nr_tried++;
			next = nr + 1;
			if (resolve_section(mm, roots, nr, s, NULL) == ST_OK)
				mm->nr_sections++;
		}
	}
}

static uint64_t count_wanted(const struct memmap *mm)
{
	const struct physmem *pm = mm->km->pm;
	uint64_t next = 0, n = 0;

	for (size_t i = 0; i < pm->nr_ranges; i++) {
		uint64_t first = max_u64(next, pm->ranges[i].start >> mm->km->page_shift >> mm->pfn_section_shift);
		uint64_t end = ((pm->ranges[i].end - 1) >> mm->km->page_shift >> mm->pfn_section_shift) + 1;

		if (end > first)
			n += end - first;
		next = max_u64(next, end);
	}
	return n;
}

/*
 * With SPARSEMEM_VMEMMAP the struct pages of all sections are one array. Newer kernels tell where in VMCOREINFO; x86 has a
 * variable, too, also where the kernel is built without that model: then no section agrees, and nothing is wrong.
 */
static bool find_vmemmap(const struct memmap *mm, uint64_t *base, bool *is_sure)
{
	uint64_t at;

	*is_sure = vmcoreinfo_symbol(mm->km->vi, "vmemmap", base);
	return *is_sure || (vmcoreinfo_symbol(mm->km->vi, "vmemmap_base", &at) &&
			    kmodel_read_u64(mm->km, at, base, NULL) == ST_OK);
}

/* What mem_section says against what vmemmap says. A section about which they do not agree counts as missing. */
static void drop_disagreeing(struct memmap *mm)
{
	size_t nr = 0;
	uint64_t base;
	bool is_sure;

	if (!find_vmemmap(mm, &base, &is_sure))
		return;
	mm->nr_disagreeing = 0;
	for (size_t i = 0; i < mm->nr_sections; i++)
		if (mm->sections[i].map_vaddr == base + (mm->sections[i].nr << mm->pfn_section_shift) * mm->page_struct_size)
			mm->sections[nr++] = mm->sections[i];
	if (!nr && !is_sure)
		return;
	mm->nr_disagreeing = mm->nr_sections - nr;
	mm->nr_sections = nr;
}

static int section_by_vaddr(const void *a, const void *b)
{
	const struct section *x = a, *y = b;

	return x->map_vaddr < y->map_vaddr ? -1 : x->map_vaddr > y->map_vaddr;
}

static enum status find_sections(struct memmap *mm, struct err *err)
{
	uint64_t behind;

	mm->nr_wanted = count_wanted(mm);
	mm->sections = calloc((size_t)min_u64(mm->nr_wanted, MAX_SECTIONS) + 1, sizeof(*mm->sections));
	if (!mm->sections)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	resolve_all(mm, mm->mem_section);
	drop_disagreeing(mm);
	/*
	 * With SPARSEMEM_EXTREME mem_section is a pointer since commit 83e3c48729d9 ("mm/sparsemem: Allocate mem_section at
	 * runtime for CONFIG_SPARSEMEM_EXTREME=y"), and some kernels export the pointer's own address.
	 */
	if (!mm->nr_sections && kmodel_read_u64(mm->km, mm->mem_section, &behind, NULL) == ST_OK) {
		uint64_t nr_before = mm->nr_disagreeing;

		resolve_all(mm, behind);
		drop_disagreeing(mm);
		mm->nr_disagreeing = max_u64(mm->nr_disagreeing, mm->nr_sections ? 0 : nr_before);
	}
	if (!mm->nr_sections && mm->nr_disagreeing)
		return err_set(err, ST_BAD_INPUT, "mem_section and vmemmap disagree about all of %" PRIu64 " memory sections",
			       mm->nr_disagreeing);
	if (!mm->nr_sections)
		return err_set(err, ST_NOT_FOUND, "none of %" PRIu64 " memory sections has a readable map", mm->nr_wanted);
	mm->by_vaddr = calloc(mm->nr_sections, sizeof(*mm->by_vaddr));
	mm->last_found = calloc(1, sizeof(*mm->last_found));
	if (!mm->by_vaddr || !mm->last_found)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(mm->by_vaddr, mm->sections, mm->nr_sections * sizeof(*mm->by_vaddr));
	qsort(mm->by_vaddr, mm->nr_sections, sizeof(*mm->by_vaddr), section_by_vaddr);
	return ST_OK;
}

enum status memmap_open(struct kmodel *km, size_t page_struct_size, struct memmap **out, struct err *err)
{
	struct memmap *mm = calloc(1, sizeof(*mm));
	enum status st;

	if (!mm)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	mm->km = km;
	mm->page_struct_size = page_struct_size;
	st = learn_model(mm, err);
	if (st == ST_OK)
		st = find_sections(mm, err);
	if (st != ST_OK) {
		memmap_close(mm);
		return st;
	}
	*out = mm;
	return ST_OK;
}

enum status memmap_clone(const struct memmap *from, struct kmodel *km, struct memmap **out, struct err *err)
{
	struct memmap *mm = malloc(sizeof(*mm));

	if (!mm)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	*mm = *from;
	mm->km = km;
	mm->is_clone = true;
	mm->last_found = calloc(1, sizeof(*mm->last_found));
	if (!mm->last_found) {
		free(mm);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	*out = mm;
	return ST_OK;
}

void memmap_close(struct memmap *mm)
{
	if (!mm)
		return;
	if (!mm->is_clone) {
		free(mm->sections);
		free(mm->by_vaddr);
	}
	free(mm->last_found);
	free(mm);
}

static const struct section *find_section(const struct memmap *mm, uint64_t nr)
{
	size_t lo = 0, hi = mm->nr_sections;

	if (mm->sections[*mm->last_found].nr == nr) /* [0] at first; a map without sections is never opened */
		return &mm->sections[*mm->last_found];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (mm->sections[mid].nr < nr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == mm->nr_sections || mm->sections[lo].nr != nr)
		return NULL;
	*mm->last_found = lo;
	return &mm->sections[lo];
}

bool memmap_vaddr_of(const struct memmap *mm, uint64_t pfn, uint64_t *vaddr)
{
	const struct section *s = find_section(mm, pfn >> mm->pfn_section_shift);

	if (!s)
		return false;
	*vaddr = s->map_vaddr + (pfn & ((UINT64_C(1) << mm->pfn_section_shift) - 1)) * mm->page_struct_size;
	return true;
}

uint64_t memmap_section_end(const struct memmap *mm, uint64_t pfn)
{
	return ((pfn >> mm->pfn_section_shift) + 1) << mm->pfn_section_shift;
}

bool memmap_pfn_of(const struct memmap *mm, uint64_t vaddr, uint64_t *pfn)
{
	uint64_t bytes = (UINT64_C(1) << mm->pfn_section_shift) * mm->page_struct_size;
	size_t lo = 0, hi = mm->nr_sections;
	const struct section *s;

	/* The last map that starts at or below the address. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (mm->by_vaddr[mid].map_vaddr <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	s = &mm->by_vaddr[lo - 1];
	if (vaddr - s->map_vaddr >= bytes || (vaddr - s->map_vaddr) % mm->page_struct_size)
		return false;
	*pfn = (s->nr << mm->pfn_section_shift) + (vaddr - s->map_vaddr) / mm->page_struct_size;
	return true;
}

/* Within one section. A whole run in one go; where that fails, page by page. */
static size_t read_in_section(struct memmap *mm, uint64_t vaddr, size_t nr, uint8_t *buf, bool *valid)
{
	size_t found = 0;

	if (kmodel_read(mm->km, vaddr, buf, nr * mm->page_struct_size, NULL) == ST_OK) {
		memset(valid, true, nr);
		return nr;
	}
	for (size_t i = 0; i < nr; i++) {
		size_t off = i * mm->page_struct_size;

		valid[i] = kmodel_read(mm->km, vaddr + off, buf + off, mm->page_struct_size, NULL) == ST_OK;
		found += valid[i];
	}
	return found;
}

size_t memmap_read(struct memmap *mm, uint64_t start_pfn, size_t nr, uint8_t *buf, bool *valid)
{
	size_t done = 0, found = 0;

	while (done < nr) {
		uint64_t pfn = start_pfn + done;
		size_t n = (size_t)min_u64(nr - done, memmap_section_end(mm, pfn) - pfn);
		uint64_t vaddr;

		if (memmap_vaddr_of(mm, pfn, &vaddr))
			found += read_in_section(mm, vaddr, n, buf + done * mm->page_struct_size, valid + done);
		else
			memset(valid + done, false, n);
		done += n;
	}
	return found;
}

const uint8_t *memmap_view(struct memmap *mm, uint64_t start_pfn, size_t nr)
{
	uint64_t vaddr;

	if (nr > memmap_section_end(mm, start_pfn) - start_pfn || !memmap_vaddr_of(mm, start_pfn, &vaddr))
		return NULL;
	return kmodel_view(mm->km, vaddr, nr * mm->page_struct_size);
}

void memmap_section_counts(const struct memmap *mm, uint64_t *wanted, uint64_t *found)
{
	*wanted = mm->nr_wanted;
	*found = mm->nr_sections;
}

uint64_t memmap_sections_disagreeing(const struct memmap *mm)
{
	return mm->nr_disagreeing;
}

bool memmap_section_range(const struct memmap *mm, size_t i, struct range *map)
{
	if (i >= mm->nr_sections)
		return false;
	map->start = mm->sections[i].map_vaddr;
	map->end = map->start + (UINT64_C(1) << mm->pfn_section_shift) * mm->page_struct_size;
	return map->end > map->start;
}
