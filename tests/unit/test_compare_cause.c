// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compare/audit.h"
#include "compare/cause.h"

#define PAGE 4096u

/* What /proc/iomem of a guest under OVMF looks like, with a RAM range that ends within a page. */
static struct iomem_region regions[] = {
	{ 0x0, 0x1000, 0, "Reserved" },
	{ 0x1000, 0xa0000, 0, "System RAM" },
	{ 0xa0000, 0xc0000, 0, "PCI Bus 0000:00" },
	{ 0xc0000, 0xcc000, 0, "Video ROM" },
	{ 0xf0000, 0x100000, 0, "Reserved" },
	{ 0xf0000, 0x100000, 1, "System ROM" },
	{ 0x100000, 0x2000400, 0, "System RAM" },
	{ 0x1000000, 0x1400000, 1, "Kernel code" },
	{ 0x1800000, 0x1c00000, 1, "Crash kernel" },
	{ 0x2000400, 0x2002000, 0, "ACPI Tables" },
	{ 0x2002000, 0x2003000, 0, "Reserved" },
	{ 0x2004800, 0x3000000, 0, "System RAM" },
	{ 0x4000000, 0x4800000, 0, "System RAM (virtio_mem)" },
	{ 0xc0000000, 0xfec00000, 0, "PCI Bus 0000:00" },
	{ 0xfd000000, 0xfe000000, 1, "0000:00:02.0" },
	{ 0xffc00000, 0x100000000, 0, "Reserved" },
};
static const struct iomem tree = { .regions = regions, .nr_regions = ARRAY_SIZE(regions) };

static struct place with_tree(void)
{
	return (struct place){ .iomem = &tree, .page_size = PAGE };
}

static void assert_cause(struct place *p, uint64_t paddr, enum cause want)
{
	enum cause got = cause_of_place(p, paddr / PAGE);

	if (got != want)
		fail_msg("page at 0x%llx: %s, not %s", (unsigned long long)paddr, cause_name(got), cause_name(want));
}

static const struct {
	uint64_t paddr;
	enum cause cause;
} expected[] = {
	{ 0x0, CAUSE_LOW_1MIB },	   { 0x9e000, CAUSE_LOW_1MIB },
	{ 0xa0000, CAUSE_LOW_1MIB },	   { 0xc0000, CAUSE_ROM },
	{ 0xcc000, CAUSE_LOW_1MIB },	   { 0xff000, CAUSE_ROM },
	{ 0x100000, CAUSE_NONE },	   { 0x1000000, CAUSE_NONE },
	{ 0x17ff000, CAUSE_NONE },	   { 0x1800000, CAUSE_CRASH_KERNEL },
	{ 0x1bff000, CAUSE_CRASH_KERNEL }, { 0x1c00000, CAUSE_NONE },
	{ 0x1fff000, CAUSE_NONE },	   { 0x2000000, CAUSE_PARTIAL_PAGE },
	{ 0x2001000, CAUSE_FIRMWARE },	   { 0x2002000, CAUSE_FIRMWARE },
	{ 0x2003000, CAUSE_NONE }, /* nobody owns it */
	{ 0x2004000, CAUSE_PARTIAL_PAGE }, { 0x2005000, CAUSE_NONE },
	{ 0x3000000, CAUSE_NONE },	   { 0x4000000, CAUSE_NONE },
	{ 0xc0000000, CAUSE_DEVICE },	   { 0xfd000000, CAUSE_DEVICE },
	{ 0xfdfff000, CAUSE_DEVICE },	   { 0xff000000, CAUSE_FLASH },
	{ 0xfffff000, CAUSE_FLASH },	   { 0x100000000, CAUSE_NONE },
};

static void places_of_a_guest(void **state)
{
	struct place p = with_tree();

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_cause(&p, expected[i].paddr, expected[i].cause);
}

/* The last answer is kept for its neighbours: it must not outlive the place it was for. */
static void order_of_questions_does_not_matter(void **state)
{
	struct place p = with_tree();
	unsigned seed = 4711;

	for (int i = 0; i < 20000; i++) {
		size_t k = (size_t)rand_r(&seed) % ARRAY_SIZE(expected);

		assert_cause(&p, expected[k].paddr, expected[k].cause);
	}
	for (uint64_t pfn = 0; pfn < 0x5000; pfn++) {
		struct place fresh = with_tree();

		assert_int_equal(cause_of_place(&p, pfn), cause_of_place(&fresh, pfn));
	}
}

static void without_a_tree_only_fixed_places_are_known(void **state)
{
	struct place p = { .page_size = PAGE };

	assert_cause(&p, 0x9e000, CAUSE_LOW_1MIB);
	assert_cause(&p, 0xf0000, CAUSE_LOW_1MIB);
	assert_cause(&p, 0x1800000, CAUSE_NONE);
	assert_cause(&p, 0xfeffffff, CAUSE_NONE);
	assert_cause(&p, 0xfffc0000, CAUSE_FLASH);
	assert_cause(&p, 0x100000000, CAUSE_NONE);
}

static void cma_of_the_crash_kernel(void **state)
{
	struct place p = with_tree();

	p.crash_cma[0] = (struct range){ 0x2800000, 0x2900000 };
	p.crash_cma[1] = (struct range){ 0x2a00000, 0x2a01000 };
	p.nr_crash_cma = 2;
	assert_cause(&p, 0x27ff000, CAUSE_NONE);
	assert_cause(&p, 0x2800000, CAUSE_CRASH_CMA);
	assert_cause(&p, 0x28ff000, CAUSE_CRASH_CMA);
	assert_cause(&p, 0x2900000, CAUSE_NONE);
	assert_cause(&p, 0x2a00000, CAUSE_CRASH_CMA);
	assert_cause(&p, 0x2a01000, CAUSE_NONE);
}

static void part_of_a_page_that_is_ram(void **state)
{
	struct place p = with_tree();
	uint32_t from, to;

	assert_true(cause_ram_part(&p, 0x2000, &from, &to));
	assert_int_equal(from, 0);
	assert_int_equal(to, 0x400);
	assert_true(cause_ram_part(&p, 0x2004, &from, &to));
	assert_int_equal(from, 0x800);
	assert_int_equal(to, 0x1000);
	assert_false(cause_ram_part(&p, 0x1fff, &from, &to));
	assert_false(cause_ram_part(&p, 0x2001, &from, &to));
	assert_int_equal(iomem_ram_end(&tree), 0x4800000);
}

/* Two ranges that abut within a page make a whole one; with a hole between them nobody knows what to compare. */
static void several_ranges_in_one_page(void **state)
{
	struct iomem_region in_one[] = {
		{ 0x1000000, 0x1001123, 0, "System RAM" },
		{ 0x1001123, 0x1003000, 0, "System RAM" },
		{ 0x1004000, 0x1004100, 0, "System RAM" },
		{ 0x1004200, 0x1006000, 0, "System RAM" },
	};
	struct iomem io = { .regions = in_one, .nr_regions = ARRAY_SIZE(in_one) };
	struct place p = { .iomem = &io, .page_size = PAGE };

	assert_cause(&p, 0x1001000, CAUSE_NONE);
	assert_cause(&p, 0x1004000, CAUSE_NONE);
	assert_cause(&p, 0x1005000, CAUSE_NONE);
}

/* makedumpfile(8): 1 zero, 2 cache without private, 4 cache, 8 user, 16 free. Offline and poisoned memory never. */
static void dump_levels(void **state)
{
	for (unsigned level = 0; level < 32; level++) {
		assert_int_equal(audit_level_drops(AUDIT_FREE, level), level >= 16);
		assert_int_equal(audit_level_drops(AUDIT_USER, level), level / 8 % 2 == 1);
		assert_int_equal(audit_level_drops(AUDIT_CACHE_PRIVATE, level), level / 4 % 2 == 1);
		assert_int_equal(audit_level_drops(AUDIT_CACHE, level), level / 2 % 4 != 0);
		assert_true(audit_level_drops(AUDIT_OFFLINE, level));
		assert_true(audit_level_drops(AUDIT_HWPOISON, level));
		assert_false(audit_level_drops(AUDIT_LOST, level));
		assert_false(audit_level_drops(AUDIT_ZERO, level));
		assert_false(audit_level_drops(AUDIT_COUNT, level));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_of_a_guest),
		cmocka_unit_test(order_of_questions_does_not_matter),
		cmocka_unit_test(without_a_tree_only_fixed_places_are_known),
		cmocka_unit_test(cma_of_the_crash_kernel),
		cmocka_unit_test(part_of_a_page_that_is_ram),
		cmocka_unit_test(several_ranges_in_one_page),
		cmocka_unit_test(dump_levels),
	};

	return cmocka_run_group_tests_name("compare: causes", tests, NULL, NULL);
}
