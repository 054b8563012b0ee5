// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/vmstat.h"

#include "kernel/facts.h"

#define MAX_ITEMS 1024	 /* of enum node_stat_item and the like: some fifty */
#define MAX_HSTATES 64u	 /* x86 has 2, arm64 4 */
#define MAX_ORDER 40u
#define MAX_PAGES (UINT64_C(1) << 48)

const char *vmstat_name(enum vmstat_item i)
{
	static const char *const names[] = {
		[VMSTAT_MANAGED] = "managed",
		[VMSTAT_INACTIVE_ANON] = "nr_inactive_anon",
		[VMSTAT_ACTIVE_ANON] = "nr_active_anon",
		[VMSTAT_INACTIVE_FILE] = "nr_inactive_file",
		[VMSTAT_ACTIVE_FILE] = "nr_active_file",
		[VMSTAT_UNEVICTABLE] = "nr_unevictable",
		[VMSTAT_ISOLATED_ANON] = "nr_isolated_anon",
		[VMSTAT_ISOLATED_FILE] = "nr_isolated_file",
		[VMSTAT_ANON_MAPPED] = "nr_anon_pages",
		[VMSTAT_FILE_PAGES] = "nr_file_pages",
		[VMSTAT_SHMEM] = "nr_shmem",
		[VMSTAT_SWAPCACHE] = "nr_swapcached",
		[VMSTAT_SLAB_RECLAIMABLE] = "nr_slab_reclaimable",
		[VMSTAT_SLAB_UNRECLAIMABLE] = "nr_slab_unreclaimable",
		[VMSTAT_PAGETABLE] = "nr_page_table_pages",
		[VMSTAT_ZSPAGES] = "nr_zspages",
		[VMSTAT_HUGETLB] = "hugetlb",
	};

	return names[i];
}

static void tell(struct vmstat *vs, enum vmstat_item i, uint64_t pages)
{
	/* A sum of what CPUs gave back late may be below zero for a while; the kernel shows 0 then, too. */
	if ((int64_t)pages < 0)
		pages = 0;
	if (pages > MAX_PAGES)
		return;
	vs->known[i] = true;
	vs->pages[i] = pages;
}

/* @enumerator: key of kernel/facts.c, the number of an element of the array @symbol. */
static bool read_element(struct kmodel *km, const char *symbol, const char *enumerator, uint64_t *pages)
{
	uint64_t vaddr;
	int64_t nr;

	return vmcoreinfo_symbol(km->vi, symbol, &vaddr) && vmcoreinfo_number(km->vi, enumerator, &nr) && nr >= 0 &&
	       nr < MAX_ITEMS && kmodel_read_u64(km, vaddr + 8 * (uint64_t)nr, pages, NULL) == ST_OK;
}

/* Counters of nodes and zones. Some have moved from the ones to the others and may again. */
static void read_stats(struct kmodel *km, struct vmstat *vs)
{
	static const struct {
		enum vmstat_item item;
		const char *node, *zone;
	} all[] = {
		{ VMSTAT_INACTIVE_ANON, "node_stat_item.NR_INACTIVE_ANON", NULL },
		{ VMSTAT_ACTIVE_ANON, "node_stat_item.NR_ACTIVE_ANON", NULL },
		{ VMSTAT_INACTIVE_FILE, "node_stat_item.NR_INACTIVE_FILE", NULL },
		{ VMSTAT_ACTIVE_FILE, "node_stat_item.NR_ACTIVE_FILE", NULL },
		{ VMSTAT_UNEVICTABLE, "node_stat_item.NR_UNEVICTABLE", NULL },
		{ VMSTAT_ISOLATED_ANON, "node_stat_item.NR_ISOLATED_ANON", NULL },
		{ VMSTAT_ISOLATED_FILE, "node_stat_item.NR_ISOLATED_FILE", NULL },
		{ VMSTAT_ANON_MAPPED, "node_stat_item.NR_ANON_MAPPED", NULL },
		{ VMSTAT_FILE_PAGES, "node_stat_item.NR_FILE_PAGES", NULL },
		{ VMSTAT_SHMEM, "node_stat_item.NR_SHMEM", NULL },
		{ VMSTAT_SWAPCACHE, "node_stat_item.NR_SWAPCACHE", NULL },
		{ VMSTAT_SLAB_RECLAIMABLE, "node_stat_item.NR_SLAB_RECLAIMABLE_B", NULL },
		{ VMSTAT_SLAB_UNRECLAIMABLE, "node_stat_item.NR_SLAB_UNRECLAIMABLE_B", NULL },
		{ VMSTAT_PAGETABLE, "node_stat_item.NR_PAGETABLE", NULL },
		{ VMSTAT_ZSPAGES, "node_stat_item.NR_ZSPAGES", "zone_stat_item.NR_ZSPAGES" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint64_t pages;

		if (read_element(km, "vm_node_stat", all[i].node, &pages) ||
		    (all[i].zone && read_element(km, "vm_zone_stat", all[i].zone, &pages)))
			tell(vs, all[i].item, pages);
	}
}

static bool sum_hstates(struct kmodel *km, uint64_t *sum)
{
	uint64_t hstates, max_at, size, off_order, off_nr;
	uint32_t nr_hstates;

	if (!vmcoreinfo_symbol(km->vi, "hstates", &hstates) || !vmcoreinfo_symbol(km->vi, "hugetlb_max_hstate", &max_at) ||
	    !vmcoreinfo_size(km->vi, "hstate", &size) || !vmcoreinfo_offset(km->vi, "hstate.order", &off_order) ||
	    !vmcoreinfo_offset(km->vi, "hstate.nr_huge_pages", &off_nr) || size > MIB || !span_within(off_order, 4, size) ||
	    !span_within(off_nr, 8, size) || kmodel_read_u32(km, max_at, &nr_hstates, NULL) != ST_OK || nr_hstates > MAX_HSTATES)
		return false;
	*sum = 0;
	for (uint32_t i = 0; i < nr_hstates; i++) {
		uint32_t order;
		uint64_t nr;

		if (kmodel_read_u32(km, hstates + i * size + off_order, &order, NULL) != ST_OK || order > MAX_ORDER ||
		    kmodel_read_u64(km, hstates + i * size + off_nr, &nr, NULL) != ST_OK || nr > MAX_PAGES >> order)
			return false;
		*sum += nr << order;
	}
	return true;
}

static bool is_memory_lent(struct kmodel *km)
{
	uint64_t vaddr;
	uint32_t nr_ranges;

	return vmcoreinfo_symbol(km->vi, "crashk_cma_cnt", &vaddr) &&
	       kmodel_read_u32(km, vaddr, &nr_ranges, NULL) == ST_OK && nr_ranges;
}

void vmstat_read(struct kmodel *km, struct vmstat *vs)
{
	uint64_t vaddr, pages;

	*vs = (struct vmstat){ 0 };
	if (!km->pm->is_64bit)
		return;
	facts_complete(km);
	if (vmcoreinfo_symbol(km->vi, "_totalram_pages", &vaddr) && kmodel_read_u64(km, vaddr, &pages, NULL) == ST_OK)
		tell(vs, VMSTAT_MANAGED, pages);
	read_stats(km, vs);
	vs->is_lent = is_memory_lent(km);
	if (sum_hstates(km, &pages))
		tell(vs, VMSTAT_HUGETLB, pages);
	else if (vmcoreinfo_symbol(km->vi, "vm_node_stat", &vaddr) && !vmcoreinfo_symbol(km->vi, "hstates", &vaddr))
		tell(vs, VMSTAT_HUGETLB, 0); /* other variables are known: this kernel is built without */
}
