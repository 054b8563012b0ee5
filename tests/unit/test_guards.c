// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory that is the kernel's own beyond doubt: how it is found, and that nothing takes it out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/guards.h"
#include "kernel/classify.h"
#include "tests/unit/fake_memmap.h"
#include "tests/unit/fake_symbols.h"

#define RAM (32 * MIB)
#define NR_PFNS (RAM / 4096)
#define NR_CPUS 2u
#define AREA_BYTES 8192u
#define PER_CPU_START UINT64_C(0xffffffff81080000)

static uint64_t pfn_of(const struct fake_kernel *fk, uint64_t vaddr)
{
	return fk->pages[fake_page_index(fk, vaddr)].paddr / FAKE_PAGE;
}

/* What anchors_walk() told, by page. */
struct told {
	bool is[ANCHOR_COUNT][NR_PFNS];
};

static void take(void *ctx, enum anchor a, uint64_t start, uint64_t end)
{
	struct told *t = ctx;

	assert_true(start < end && end <= RAM);
	for (uint64_t pfn = start / FAKE_PAGE; pfn * FAKE_PAGE < end; pfn++)
		t->is[a][pfn] = true;
}

/* A kernel with symbols: an image, per-CPU areas and crash notes of two CPUs, and VMCOREINFO's own memory. */
struct fixture {
	struct fake_memmap mm;
	uint64_t text, unused, bss, areas[NR_CPUS], notes, vmcoreinfo;
};

static struct fixture new_fixture(bool has_symbols)
{
	struct fixture fx = { .mm = fake_memmap_new(RAM, FAKE_EXTREME) };
	struct fake_kernel *fk = fx.mm.fk;
	struct fake_symbols s = { .nr = 0 };
	uint64_t vars = fake_alloc_image(fk, FAKE_PAGE);

	fake_vi_6_1(fk);
	fx.text = fake_alloc_image(fk, 3 * FAKE_PAGE);
	fx.bss = fake_alloc_image(fk, 5 * FAKE_PAGE); /* of which the kernel gave back the third and the fourth */
	fx.unused = fx.bss + 2 * FAKE_PAGE;
	fx.notes = PER_CPU_START + 256;
	fx.vmcoreinfo = fake_alloc(fk, 2 * FAKE_PAGE) + FAKE_PAGE - 16; /* over the end of a page */
	for (unsigned cpu = 0; cpu < NR_CPUS; cpu++) {
		fx.areas[cpu] = fake_alloc(fk, AREA_BYTES);
		fake_put_u64(fk, vars + 8 * cpu, fx.areas[cpu] - PER_CPU_START);
	}
	fake_put_u32(fk, vars + 64, NR_CPUS);
	fake_put_u64(fk, vars + 72, fx.notes);
	fake_put_u64(fk, vars + 80, fx.vmcoreinfo);
	fake_symbol(&s, "_etext", fx.text + 3 * FAKE_PAGE);
	fake_symbol(&s, "__bss_start", fx.bss);
	fake_symbol(&s, "__bss_stop", fx.bss + 5 * FAKE_PAGE);
	fake_symbol(&s, "__start_bss_decrypted_unused", fx.unused);
	fake_symbol(&s, "__end_bss_decrypted", fx.unused + 2 * FAKE_PAGE);
	fake_symbol(&s, "__per_cpu_start", PER_CPU_START);
	fake_symbol(&s, "__per_cpu_end", PER_CPU_START + AREA_BYTES);
	fake_symbol(&s, "__per_cpu_offset", vars);
	fake_symbol(&s, "nr_cpu_ids", vars + 64);
	fake_symbol(&s, "crash_notes", vars + 72);
	fake_symbol(&s, "vmcoreinfo_note", vars + 80);
	if (has_symbols)
		fake_symbols_put(&s, fk);
	return fx;
}

static struct classifier *open_classifier(struct kmodel *km)
{
	struct classifier *c;
	struct err err = { 0 };

	if (classifier_open(km, &c, &err) != ST_OK)
		fail_msg("%s", err.text);
	return c;
}

static void anchors_are_found_by_symbols_and_tables(void **state)
{
	struct fixture fx = new_fixture(true);
	struct fake_kernel *fk = fx.mm.fk;
	struct told *t = calloc(1, sizeof(*t));
	struct kmodel *km = fake_kernel_open(fk);
	struct classifier *c = open_classifier(km);

	assert_non_null(t);
	anchors_walk(km, classifier_memmap(c), take, t);
	for (uint64_t vaddr = FAKE_STEXT; vaddr < fx.text + 3 * FAKE_PAGE; vaddr += FAKE_PAGE)
		assert_true(t->is[ANCHOR_IMAGE][pfn_of(fk, vaddr)]);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(t->is[ANCHOR_IMAGE][pfn_of(fk, fx.bss + i * FAKE_PAGE)], i < 2 || i == 4);
	for (unsigned cpu = 0; cpu < NR_CPUS; cpu++) {
		assert_true(t->is[ANCHOR_PERCPU][pfn_of(fk, fx.areas[cpu])]);
		assert_true(t->is[ANCHOR_PERCPU][pfn_of(fk, fx.areas[cpu] + FAKE_PAGE)]);
		assert_true(t->is[ANCHOR_NOTES][pfn_of(fk, fx.areas[cpu])]);
	}
	assert_true(t->is[ANCHOR_NOTES][pfn_of(fk, fx.vmcoreinfo)]);
	assert_true(t->is[ANCHOR_NOTES][pfn_of(fk, fx.vmcoreinfo + 16)]);
	for (uint64_t nr = 0; nr < fx.mm.nr_sections; nr++)
		for (uint64_t off = 0; off < FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT; off += FAKE_PAGE)
			assert_true(t->is[ANCHOR_MEMORY_MAP][pfn_of(fk, fx.mm.map_vaddr[nr] + off)]);
	assert_true(t->is[ANCHOR_PAGE_TABLE][fk->pgd_paddr / FAKE_PAGE]);
	classifier_close(c);
	kmodel_close(km);
	fake_memmap_free(&fx.mm);
	free(t);
}

/* Linux 5.10 tells of no symbols: the image's pages that VMCOREINFO names, the map, the tables. */
static void without_symbols_single_pages_are_known(void **state)
{
	struct fixture fx = new_fixture(false);
	struct told *t = calloc(1, sizeof(*t));
	struct kmodel *km = fake_kernel_open(fx.mm.fk);

	assert_non_null(t);
	anchors_walk(km, NULL, take, t);
	assert_true(t->is[ANCHOR_IMAGE][FAKE_STEXT_PADDR / FAKE_PAGE]);
	assert_false(t->is[ANCHOR_IMAGE][pfn_of(fx.mm.fk, fx.text)]);
	for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++)
		assert_false(t->is[ANCHOR_PERCPU][pfn] || t->is[ANCHOR_NOTES][pfn] || t->is[ANCHOR_MEMORY_MAP][pfn]);
	kmodel_close(km);
	fake_memmap_free(&fx.mm);
	free(t);
}

static void guarded_pages_stay_and_are_counted(void **state)
{
	struct guard_range ranges[] = { { 70, 80, ANCHOR_IMAGE }, { 80, 90, ANCHOR_PERCPU }, { 200, 201, ANCHOR_NOTES } };
	struct guards g = { .ranges = ranges, .nr = ARRAY_SIZE(ranges) };
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);
	uint64_t drop[3] = { UINT64_MAX, UINT64_MAX & ~(UINT64_C(1) << 11), UINT64_MAX }; /* 64 to 256, but for 139 */
	struct pageset keep;
	struct err err = { 0 };

	assert_int_equal(pageset_init(&keep, &mm.fk->pm, &err), ST_OK);
	pageset_clear(&keep, 72); /* the source lacks it: no guard can hold it */
	guards_spare(&g, &keep, 64, 192, drop);
	for (uint64_t pfn = 64; pfn < 256; pfn++)
		assert_int_equal(drop[(pfn - 64) / 64] >> (pfn - 64) % 64 & 1,
				 !(pfn >= 70 && pfn < 90) && pfn != 200 && pfn != 139);
	assert_int_equal(g.fired[ANCHOR_IMAGE], 9);
	assert_int_equal(g.fired[ANCHOR_PERCPU], 10);
	assert_int_equal(g.fired[ANCHOR_NOTES], 1);
	assert_int_equal(g.fired[ANCHOR_MEMORY_MAP], 0);
	/* What nobody wants to drop has nothing to guard. */
	memset(drop, 0, sizeof(drop));
	guards_spare(&g, &keep, 64, 192, drop);
	assert_int_equal(g.fired[ANCHOR_IMAGE], 9);
	pageset_deinit(&keep);
	fake_memmap_free(&mm);
}

static void ranges_are_sorted_and_disjoint(void **state)
{
	struct fixture fx = new_fixture(true);
	struct kmodel *km = fake_kernel_open(fx.mm.fk);
	struct classifier *c = open_classifier(km);
	struct guards g;
	uint64_t end = 0, pages = 0;

	guards_init(&g, km, classifier_memmap(c));
	assert_true(g.nr > 0);
	for (size_t i = 0; i < g.nr; i++) {
		assert_true(g.ranges[i].start_pfn >= end && g.ranges[i].start_pfn < g.ranges[i].end_pfn);
		end = g.ranges[i].end_pfn;
		pages += end - g.ranges[i].start_pfn;
	}
	assert_true(pages > fx.mm.nr_sections * FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT / FAKE_PAGE);
	assert_int_equal(g.nr_untold, 0);
	guards_deinit(&g);
	classifier_close(c);
	kmodel_close(km);
	fake_memmap_free(&fx.mm);
}

/* The table of leaves that @vaddr, which must be mapped, hangs on. */
static uint8_t *leaves_of(struct fake_kernel *fk, uint64_t vaddr)
{
	uint64_t table = fk->pgd_paddr;

	for (unsigned shift = 39; shift > 12; shift -= 9)
		table = get_u64(fk->ram + table + (vaddr >> shift & 511) * 8, ORDER_LITTLE) & UINT64_C(0xffffffffff000);
	return fk->ram + table;
}

/* A memory map of 131072 pages, no two of which are neighbours. */
static void what_there_is_no_room_for_is_counted(void **state)
{
	const uint64_t map = UINT64_C(0xffffea0000000000), nr = 131072, large = 2 * MIB;
	struct fake_kernel *fk = fake_kernel_new(RAM);
	struct range range = { 0, 32 * GIB };
	struct classifier *c;
	struct kmodel *km;
	struct guards g;

	fake_vi_6_1(fk);
	fake_vi_add(fk, "SIZE(page)=64\nOFFSET(page.flags)=0\nOFFSET(page.compound_head)=8\nOFFSET(page.mapping)=24");
	fake_vi_add(fk, "OFFSET(page.private)=40\nOFFSET(page._mapcount)=48\nOFFSET(page._refcount)=52");
	fake_vi_add(fk, "SYMBOL(mem_section)=%llx\nLENGTH(mem_section)=2048", (unsigned long long)fake_alloc(fk, FAKE_PAGE));
	fake_put_u64(fk, fk->next_heap_vaddr - 2 * FAKE_PAGE, map | FAKE_SECTION_FLAGS);
	fake_vi_add(fk, "SIZE(mem_section)=32\nOFFSET(mem_section.section_mem_map)=0");
	fake_vi_add(fk, "NUMBER(SECTION_SIZE_BITS)=35\nNUMBER(MAX_PHYSMEM_BITS)=46");
	for (uint64_t i = 0; i < nr; i++) {
		if (i % 512 == 0)
			fake_map(fk, map + i / 512 * large, 0);
		put_u64(leaves_of(fk, map + i / 512 * large) + i % 512 * 8, ORDER_LITTLE,
			(2 * i + 1) * FAKE_PAGE | UINT64_C(0x8000000000000163));
	}
	km = fake_kernel_open(fk);
	fk->pm.ranges = &range;
	c = open_classifier(km);
	guards_init(&g, km, classifier_memmap(c));
	assert_true(g.full && g.nr > 60000 && g.nr < nr);
	assert_true(g.nr_untold >= nr - g.nr - 1 && g.nr_untold < nr);
	guards_deinit(&g);
	classifier_close(c);
	kmodel_close(km);
	fake_kernel_free(fk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anchors_are_found_by_symbols_and_tables),
		cmocka_unit_test(without_symbols_single_pages_are_known),
		cmocka_unit_test(guarded_pages_stay_and_are_counted),
		cmocka_unit_test(ranges_are_sorted_and_disjoint),
		cmocka_unit_test(what_there_is_no_room_for_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
