// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "kernel/memmap.h"
#include "tests/unit/fake_memmap.h"

#define RAM (16 * MIB)
#define NR_PFNS (RAM / 4096)

static struct memmap *open_map(struct kmodel *km)
{
	struct memmap *mm = NULL;
	struct err err = { 0 };

	if (memmap_open(km, FAKE_PAGE_STRUCT, &mm, &err) != ST_OK)
		fail_msg("%s", err.text);
	return mm;
}

/* Every struct page gets its PFN into its private field. */
static void number_pages(struct fake_memmap *fm)
{
	for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++)
		fake_put_u64(fm->fk, fake_page_vaddr(fm, pfn) + 40, pfn + 1);
}

static void check_numbers(struct memmap *mm, uint64_t start, size_t nr, uint64_t gap_start, uint64_t gap_end)
{
	_cleanup_free_ uint8_t *buf = malloc(nr * FAKE_PAGE_STRUCT);
	_cleanup_free_ bool *valid = malloc(nr);
	size_t found = memmap_read(mm, start, nr, buf, valid), expected = 0;

	for (size_t i = 0; i < nr; i++) {
		uint64_t pfn = start + i;
		bool want = pfn < NR_PFNS && (pfn < gap_start || pfn >= gap_end);

		if (valid[i] != want)
			fail_msg("page %llu is %s", (unsigned long long)pfn, want ? "missing" : "there");
		expected += want;
		if (want)
			assert_true(get_u64(buf + i * FAKE_PAGE_STRUCT + 40, ORDER_LITTLE) == pfn + 1);
	}
	assert_int_equal(found, expected);
}

static void check_model(enum fake_section_model model)
{
	struct fake_memmap fm = fake_memmap_new(RAM, model);
	uint64_t wanted, found;
	struct memmap *mm;
	struct kmodel *km;

	number_pages(&fm);
	km = fake_kernel_open(fm.fk);
	mm = open_map(km);
	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted, 4);
	assert_int_equal(found, 4);
	check_numbers(mm, 0, NR_PFNS, 0, 0);
	check_numbers(mm, 1000, 100, 0, 0); /* over a section's end */
	check_numbers(mm, NR_PFNS - 10, 50, 0, 0);
	check_numbers(mm, UINT64_C(1) << 50, 10, 0, 0);
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

static void sections_behind_an_array_of_roots(void **state)
{
	check_model(FAKE_EXTREME);
}

static void sections_behind_a_pointer_to_the_roots(void **state)
{
	check_model(FAKE_EXTREME_INDIRECT);
}

static void sections_in_a_flat_array(void **state)
{
	check_model(FAKE_FLAT);
}

static void all_flag_bits_are_masked(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct memmap *mm;
	struct kmodel *km;

	number_pages(&fm);
	for (uint64_t nr = 0; nr < 4; nr++)
		fake_section_put(&fm, nr, nr == 3 ? 0xfff : 0x3 | 0x10u << (nr * 3));
	km = fake_kernel_open(fm.fk);
	mm = open_map(km);
	check_numbers(mm, 0, NR_PFNS, 0, 0);
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

static void check_missing(struct fake_memmap *fm, uint64_t nr_missing, uint64_t gap_start, uint64_t gap_end)
{
	uint64_t wanted, found;
	struct kmodel *km = fake_kernel_open(fm->fk);
	struct memmap *mm = open_map(km);
	uint64_t vaddr, pfn;

	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted - found, nr_missing);
	check_numbers(mm, 0, NR_PFNS, gap_start, gap_end);
	if (nr_missing) {
		assert_false(memmap_vaddr_of(mm, gap_start, &vaddr));
		assert_false(memmap_pfn_of(mm, fake_page_vaddr(fm, gap_start), &pfn));
	}
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(fm);
}

static void absent_section_leaves_a_gap(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);

	number_pages(&fm);
	fake_section_put(&fm, 1, 0xc); /* online and early, but neither present nor mapped */
	check_missing(&fm, 1, 1024, 2048);
	fm = fake_memmap_new(RAM, FAKE_FLAT);
	number_pages(&fm);
	fake_section_put(&fm, 2, 0x1); /* present, without a map */
	check_missing(&fm, 1, 2048, 3072);
}

static void unreadable_page_of_the_map_costs_only_its_struct_pages(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);

	number_pages(&fm);
	fake_hole(fm.fk, fake_page_vaddr(&fm, 1024 + 2 * 64), ST_IO);
	check_missing(&fm, 0, 1024 + 2 * 64, 1024 + 3 * 64);
}

static void nothing_readable_is_no_map(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_FLAT);
	struct kmodel *km;
	struct memmap *mm;
	struct err err = { 0 };

	fake_hole(fm.fk, fm.section_vaddr[0], ST_IO);
	km = fake_kernel_open(fm.fk);
	assert_int_equal(memmap_open(km, FAKE_PAGE_STRUCT, &mm, &err), ST_NOT_FOUND);
	assert_non_null(strstr(err.text, "4 memory sections"));
	kmodel_close(km);
	fake_memmap_free(&fm);
	memmap_close(NULL);
}

static void addresses_and_frames_are_each_others_inverse(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct kmodel *km = fake_kernel_open(fm.fk);
	struct memmap *mm = open_map(km);
	uint64_t vaddr, pfn;

	for (uint64_t p = 0; p < NR_PFNS; p += 31) {
		assert_true(memmap_vaddr_of(mm, p, &vaddr));
		assert_true(vaddr == fake_page_vaddr(&fm, p));
		assert_true(memmap_pfn_of(mm, vaddr, &pfn));
		assert_int_equal(pfn, p);
		assert_false(memmap_pfn_of(mm, vaddr + 1, &pfn));
		assert_false(memmap_pfn_of(mm, vaddr + 32, &pfn));
	}
	assert_false(memmap_pfn_of(mm, fm.map_vaddr[3] + 1024 * FAKE_PAGE_STRUCT, &pfn));
	assert_false(memmap_pfn_of(mm, fm.map_vaddr[0] - FAKE_PAGE_STRUCT, &pfn));
	assert_false(memmap_pfn_of(mm, 0, &pfn));
	assert_false(memmap_pfn_of(mm, UINT64_MAX, &pfn));
	assert_false(memmap_vaddr_of(mm, NR_PFNS, &vaddr));
	assert_false(memmap_vaddr_of(mm, UINT64_MAX, &vaddr));
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

/* RAM in pieces smaller than a section, and only there. */
static void only_sections_with_ram_are_looked_for(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct range ranges[] = {
		{ 0, 5 * MIB }, { 5 * MIB + 4096, 6 * MIB }, { 7 * MIB, 7 * MIB + 1 }, { 13 * MIB, 16 * MIB }
	};
	uint64_t wanted, found, vaddr;
	struct kmodel *km = fake_kernel_open(fm.fk);
	struct memmap *mm;

	fm.fk->pm.ranges = ranges;
	fm.fk->pm.nr_ranges = ARRAY_SIZE(ranges);
	mm = open_map(km);
	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted, 3);
	assert_int_equal(found, 3);
	assert_false(memmap_vaddr_of(mm, 2048, &vaddr));
	assert_true(memmap_vaddr_of(mm, 3072, &vaddr));
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

/* A header claims the whole address space: bounded work, and what was not looked at counts as missing. */
static void absurd_claims_of_ram_are_bounded_and_counted(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct range range = { 0, UINT64_C(1) << 46 };
	uint64_t wanted, found;
	struct kmodel *km = fake_kernel_open(fm.fk);
	struct memmap *mm;

	fm.fk->pm.ranges = &range;
	mm = open_map(km);
	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted, UINT64_C(1) << (46 - FAKE_SECTION_BITS));
	assert_int_equal(found, 4);
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

/* 16 TiB of RAM in sections of 128 MiB, each of which has the same map: a large machine is not a lie. */
static void sixteen_tebibytes_have_a_map(void **state)
{
	struct fake_kernel *fk = fake_kernel_new(RAM);
	struct range range = { 0, 16 * 1024 * GIB };
	const uint64_t nr_sections = UINT64_C(1) << 17, per_root = 128;
	uint64_t roots = fake_alloc(fk, nr_sections / per_root * 8), root = fake_alloc(fk, 4096);
	uint64_t wanted, found, vaddr;
	struct kmodel *km;
	struct memmap *mm;

	for (uint64_t i = 0; i < nr_sections / per_root; i++)
		fake_put_u64(fk, roots + i * 8, root);
	for (uint64_t i = 0; i < per_root; i++)
		fake_put_u64(fk, root + i * FAKE_SECTION_STRUCT, UINT64_C(0xffffea0000000003));
	fake_vi_add(fk, "SYMBOL(mem_section)=%llx", (unsigned long long)roots);
	fake_vi_add(fk, "LENGTH(mem_section)=%llu", (unsigned long long)(nr_sections / per_root));
	fake_vi_add(fk, "SIZE(mem_section)=%d\nOFFSET(mem_section.section_mem_map)=0", FAKE_SECTION_STRUCT);
	fake_vi_add(fk, "NUMBER(SECTION_SIZE_BITS)=27\nNUMBER(MAX_PHYSMEM_BITS)=46");
	km = fake_kernel_open(fk);
	fk->pm.ranges = &range;
	mm = open_map(km);
	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted, nr_sections);
	assert_int_equal(found, nr_sections);
	assert_true(memmap_vaddr_of(mm, UINT64_C(0xffffffff), &vaddr));
	assert_true(vaddr == UINT64_C(0xffffea0000000000) + UINT64_C(0xffffffff) * FAKE_PAGE_STRUCT);
	memmap_close(mm);
	kmodel_close(km);
	fake_kernel_free(fk);
}

/* What lies behind the array of roots may look like a root. */
static void roots_end_where_their_number_says(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	const uint64_t per_root = 4096 / FAKE_SECTION_STRUCT;
	struct range range = { 0, 2 * per_root << FAKE_SECTION_BITS };
	uint64_t roots = fake_alloc(fm.fk, 4096), wanted, found;
	struct kmodel *km;
	struct memmap *mm;
	char *lines;

	fake_put_u64(fm.fk, roots, fm.section_vaddr[0]);
	fake_put_u64(fm.fk, roots + 8, fm.section_vaddr[0]);
	/* The first line of a key counts: these have to come first. */
	lines = strdup(fm.fk->vi);
	fm.fk->vi_len = 0;
	fake_vi_add(fm.fk, "SYMBOL(mem_section)=%llx\nLENGTH(mem_section)=1", (unsigned long long)roots);
	fake_vi_add(fm.fk, "%s", lines);
	free(lines);
	km = fake_kernel_open(fm.fk);
	fm.fk->pm.ranges = &range;
	mm = open_map(km);
	memmap_section_counts(mm, &wanted, &found);
	assert_int_equal(wanted, 2 * per_root);
	assert_int_equal(found, 4);
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

/* A map that is one array, as with SPARSEMEM_VMEMMAP. Returns where. */
static uint64_t make_vmemmap(struct fake_memmap *fm)
{
	const uint64_t bytes = FAKE_SECTION_PAGES * FAKE_PAGE_STRUCT;
	uint64_t base = fake_alloc(fm->fk, fm->nr_sections * bytes);

	for (uint64_t nr = 0; nr < fm->nr_sections; nr++) {
		fm->map_vaddr[nr] = base + nr * bytes;
		fake_section_put(fm, nr, FAKE_SECTION_FLAGS);
	}
	number_pages(fm);
	return base;
}

/* Tell of vmemmap as newer kernels do in VMCOREINFO, or as the symbol table does of x86's variable. */
static void tell_vmemmap(struct fake_memmap *fm, uint64_t base, bool by_variable)
{
	uint64_t at = fake_alloc(fm->fk, FAKE_PAGE);

	fake_put_u64(fm->fk, at, base);
	fake_vi_add(fm->fk, "SYMBOL(%s)=%llx", by_variable ? "vmemmap_base" : "vmemmap",
		    (unsigned long long)(by_variable ? at : base));
}

static void section_that_vmemmap_contradicts_is_missing(void **state)
{
	for (int by_variable = 0; by_variable < 2; by_variable++)
		for (int damaged = 0; damaged < 2; damaged++) {
			struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
			struct memmap *mm;
			struct kmodel *km;

			tell_vmemmap(&fm, make_vmemmap(&fm), by_variable);
			if (damaged) { /* it reads well, and is another section's */
				fm.map_vaddr[2] = fm.map_vaddr[1];
				fake_section_put(&fm, 2, FAKE_SECTION_FLAGS);
			}
			km = fake_kernel_open(fm.fk);
			mm = open_map(km);
			check_numbers(mm, 0, NR_PFNS, damaged ? 2048 : 0, damaged ? 3072 : 0);
			assert_int_equal(memmap_sections_disagreeing(mm), damaged);
			memmap_close(mm);
			kmodel_close(km);
			fake_memmap_free(&fm);
		}
}

/* x86 has the variable also where the sections have maps of their own. */
static void maps_without_vmemmap_are_no_contradiction(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct memmap *mm;
	struct kmodel *km;

	number_pages(&fm);
	tell_vmemmap(&fm, UINT64_C(0xffffea0000000000), true);
	km = fake_kernel_open(fm.fk);
	mm = open_map(km);
	check_numbers(mm, 0, NR_PFNS, 0, 0);
	assert_int_equal(memmap_sections_disagreeing(mm), 0);
	memmap_close(mm);
	kmodel_close(km);
	fake_memmap_free(&fm);
}

static void contradiction_throughout_is_no_map(void **state)
{
	struct fake_memmap fm = fake_memmap_new(RAM, FAKE_EXTREME_INDIRECT);
	struct memmap *mm;
	struct kmodel *km;
	struct err err = { 0 };

	tell_vmemmap(&fm, make_vmemmap(&fm) + FAKE_PAGE_STRUCT, false);
	km = fake_kernel_open(fm.fk);
	assert_int_equal(memmap_open(km, FAKE_PAGE_STRUCT, &mm, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "disagree"));
	kmodel_close(km);
	fake_memmap_free(&fm);
}

static void assert_refused(const char *lines, enum status st)
{
	struct fake_kernel *fk = fake_kernel_new(RAM);
	struct kmodel *km;
	struct memmap *mm;
	struct err err = { 0 };

	/* The first line of a key counts, so these come before the sane ones. */
	fake_vi_add(fk, "%s", lines);
	fake_vi_add(fk, "SYMBOL(mem_section)=ffffffff81000000\nLENGTH(mem_section)=2048\nSIZE(mem_section)=32");
	fake_vi_add(fk,
		    "OFFSET(mem_section.section_mem_map)=0\nNUMBER(SECTION_SIZE_BITS)=27\nNUMBER(MAX_PHYSMEM_BITS)=46");
	km = fake_kernel_open(fk);
	assert_int_equal(memmap_open(km, FAKE_PAGE_STRUCT, &mm, &err), st);
	assert_true(err.text[0]);
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void nonsense_in_vmcoreinfo_is_refused(void **state)
{
	assert_refused("SYMBOL(mem_section)=nonsense", ST_NOT_FOUND);
	assert_refused("SIZE(mem_section)=-1", ST_NOT_FOUND);
	assert_refused("NUMBER(SECTION_SIZE_BITS)=x", ST_NOT_FOUND);
	assert_refused("NUMBER(SECTION_SIZE_BITS)=12", ST_BAD_INPUT);
	assert_refused("NUMBER(SECTION_SIZE_BITS)=-27", ST_BAD_INPUT);
	assert_refused("NUMBER(SECTION_SIZE_BITS)=64", ST_BAD_INPUT);
	assert_refused("NUMBER(MAX_PHYSMEM_BITS)=26", ST_BAD_INPUT);
	assert_refused("NUMBER(MAX_PHYSMEM_BITS)=9223372036854775807", ST_BAD_INPUT);
	assert_refused("SIZE(mem_section)=0", ST_BAD_INPUT);
	assert_refused("SIZE(mem_section)=7", ST_BAD_INPUT);
	assert_refused("SIZE(mem_section)=4097", ST_BAD_INPUT);
	assert_refused("OFFSET(mem_section.section_mem_map)=25", ST_BAD_INPUT);
	assert_refused("OFFSET(mem_section.section_mem_map)=18446744073709551615", ST_BAD_INPUT);
	assert_refused("LENGTH(mem_section)=0", ST_BAD_INPUT);
	assert_refused("LENGTH(mem_section)=18446744073709551615", ST_NOT_FOUND);
	assert_refused("SYMBOL(mem_section)=fffffffffffffff8", ST_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_behind_an_array_of_roots),
		cmocka_unit_test(sections_behind_a_pointer_to_the_roots),
		cmocka_unit_test(sections_in_a_flat_array),
		cmocka_unit_test(all_flag_bits_are_masked),
		cmocka_unit_test(absent_section_leaves_a_gap),
		cmocka_unit_test(unreadable_page_of_the_map_costs_only_its_struct_pages),
		cmocka_unit_test(nothing_readable_is_no_map),
		cmocka_unit_test(addresses_and_frames_are_each_others_inverse),
		cmocka_unit_test(only_sections_with_ram_are_looked_for),
		cmocka_unit_test(absurd_claims_of_ram_are_bounded_and_counted),
		cmocka_unit_test(sixteen_tebibytes_have_a_map),
		cmocka_unit_test(roots_end_where_their_number_says),
		cmocka_unit_test(section_that_vmemmap_contradicts_is_missing),
		cmocka_unit_test(maps_without_vmemmap_are_no_contradiction),
		cmocka_unit_test(contradiction_throughout_is_no_map),
		cmocka_unit_test(nonsense_in_vmcoreinfo_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
