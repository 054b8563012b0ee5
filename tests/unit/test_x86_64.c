// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/kmodel.h"
#include "tests/unit/fake_kernel.h"

#define PRESENT UINT64_C(0x63)
#define LARGE UINT64_C(0x80)
#define PAT_LARGE UINT64_C(0x1000)
#define NX (UINT64_C(1) << 63)
#define C_BIT (UINT64_C(1) << 47)
#define RAM (16 * MIB)

/* VMCOREINFO anew: of two equal keys the first counts, so lines cannot be corrected afterwards. */
static void set_vmcoreinfo(struct fake_kernel *fk, const char *phys_base, int l5, const char *sme_mask)
{
	fk->vi_len = 0;
	fake_vi_add(fk, "OSRELEASE=6.1.0-fake");
	fake_vi_add(fk, "SYMBOL(_stext)=%llx", (unsigned long long)FAKE_STEXT);
	fake_vi_add(fk, "SYMBOL(init_top_pgt)=%llx", (unsigned long long)(FAKE_STEXT + FAKE_PAGE));
	if (phys_base)
		fake_vi_add(fk, "NUMBER(phys_base)=%s", phys_base);
	fake_vi_add(fk, "NUMBER(pgtable_l5_enabled)=%d", l5);
	fake_vi_add(fk, "NUMBER(KERNEL_IMAGE_SIZE)=1073741824");
	if (sme_mask)
		fake_vi_add(fk, "NUMBER(sme_mask)=%s", sme_mask);
	fk->pm.vmcoreinfo = fk->vi;
	fk->pm.vmcoreinfo_len_bytes = fk->vi_len;
}

struct text {
	char s[32];
};

static struct text decimal(int64_t v)
{
	struct text t;

	snprintf(t.s, sizeof(t.s), "%lld", (long long)v);
	return t;
}

static uint8_t *entry_at(struct fake_kernel *fk, uint64_t table, uint64_t index)
{
	assert_true(table + 4096 <= fk->ram_bytes && index < 512);
	return fk->ram + table + index * 8;
}

/*
 * Enter @leaf for @vaddr at @leaf_level, making tables on the way; @extra goes into every entry that is made. Returns
 * where the leaf's entry is.
 */
static uint8_t *enter(struct fake_kernel *fk, unsigned levels, uint64_t vaddr, unsigned leaf_level, uint64_t leaf,
		      uint64_t extra)
{
	uint64_t table = fk->pgd_paddr;

	for (unsigned level = levels; level > leaf_level; level--) {
		uint8_t *e = entry_at(fk, table, vaddr >> (12 + 9 * (level - 1)) & 511);

		if (!get_u64(e, ORDER_LITTLE))
			put_u64(e, ORDER_LITTLE, fake_alloc_frame(fk) | PRESENT | extra);
		table = get_u64(e, ORDER_LITTLE) & UINT64_C(0x7ffffffff000);
	}
	put_u64(entry_at(fk, table, vaddr >> (12 + 9 * (leaf_level - 1)) & 511), ORDER_LITTLE, leaf | extra);
	return entry_at(fk, table, vaddr >> (12 + 9 * (leaf_level - 1)) & 511);
}

/* A kernel whose tables are the test's own: its image is mapped by one 2 MiB leaf. */
static struct fake_kernel *new_kernel(unsigned levels, uint64_t extra)
{
	struct fake_kernel *fk = fake_kernel_new(RAM);

	memset(fk->ram + fk->pgd_paddr, 0, 4096);
	enter(fk, levels, FAKE_STEXT, 2, FAKE_STEXT_PADDR | PRESENT | LARGE, extra);
	set_vmcoreinfo(fk, decimal(FAKE_PHYS_BASE).s, levels == 5, extra ? decimal((int64_t)extra).s : NULL);
	return fk;
}

static struct kmodel *open_model(struct fake_kernel *fk)
{
	struct kmodel *km = NULL;
	struct err err = { 0 };

	if (kmodel_open(&fk->pm, &km, &err) != ST_OK)
		fail_msg("%s", err.text);
	return km;
}

static void assert_translates(struct kmodel *km, uint64_t vaddr, uint64_t paddr, uint64_t len)
{
	uint64_t got_paddr, got_len;
	struct err err = { 0 };

	if (kmodel_translate(km, vaddr, &got_paddr, &got_len, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_true(got_paddr == paddr);
	assert_true(got_len == len);
}

static void assert_fails(struct kmodel *km, uint64_t vaddr, enum status st, const char *text)
{
	uint64_t paddr, len;
	struct err err = { 0 };

	assert_int_equal(kmodel_translate(km, vaddr, &paddr, &len, &err), st);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

#define V4 UINT64_C(0xffffc90000000000)
#define V5 UINT64_C(0xffa0000000000000)

static void check_leaves(unsigned levels, uint64_t v, uint64_t extra)
{
	struct fake_kernel *fk = new_kernel(levels, extra);
	struct kmodel *km;

	enter(fk, levels, v + 5 * 4096, 1, 0x345000 | PRESENT | NX, extra);
	enter(fk, levels, v + 64 * MIB, 2, 0x1234400000 | PRESENT | LARGE | PAT_LARGE | NX, extra);
	enter(fk, levels, v + 8 * GIB, 3, 0x7c0000000 | PRESENT | LARGE | PAT_LARGE, extra);
	km = open_model(fk);
	assert_int_equal(km->pgtable_levels, levels);
	assert_true(km->phys_base == FAKE_PHYS_BASE && km->phys_base < 0);
	assert_translates(km, v + 5 * 4096, 0x345000, 4096);
	assert_translates(km, v + 5 * 4096 + 4095, 0x345fff, 1);
	assert_translates(km, v + 64 * MIB, 0x1234400000, 2 * MIB);
	assert_translates(km, v + 64 * MIB + 0x1fffff, 0x12345fffff, 1);
	assert_translates(km, v + 64 * MIB + 0x1234, 0x1234401234, 2 * MIB - 0x1234);
	assert_translates(km, v + 8 * GIB + 0x3fffffff, 0x7ffffffff, 1);
	assert_translates(km, v + 8 * GIB, 0x7c0000000, GIB);
	assert_translates(km, FAKE_STEXT + 0x123, FAKE_STEXT_PADDR + 0x123, 2 * MIB - 0x123);
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void leaves_of_three_sizes_with_four_levels(void **state)
{
	check_leaves(4, V4, 0);
}

static void leaves_of_three_sizes_with_five_levels(void **state)
{
	check_leaves(5, V5, 0);
}

static void memory_encryption_bit_is_no_address(void **state)
{
	check_leaves(4, V4, C_BIT);
	check_leaves(5, V5, C_BIT);
}

static void addresses_that_are_not_canonical(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	struct kmodel *km = open_model(fk);

	assert_fails(km, UINT64_C(0x0000800000000000), ST_NO_DATA, "not canonical");
	assert_fails(km, UINT64_C(0xffff7fffffffffff), ST_NO_DATA, "not canonical");
	assert_fails(km, V5, ST_NO_DATA, "not canonical");
	assert_fails(km, UINT64_C(0x00007fffffffffff), ST_NO_DATA, "not mapped");
	assert_fails(km, UINT64_C(0xffff800000000000), ST_NO_DATA, "not mapped");
	kmodel_close(km);
	fake_kernel_free(fk);
	fk = new_kernel(5, 0);
	km = open_model(fk);
	assert_fails(km, UINT64_C(0x0100000000000000), ST_NO_DATA, "not canonical");
	assert_fails(km, UINT64_C(0xfeffffffffffffff), ST_NO_DATA, "not canonical");
	assert_fails(km, UINT64_C(0x0000800000000000), ST_NO_DATA, "not mapped");
	assert_fails(km, UINT64_C(0xff00000000000000), ST_NO_DATA, "not mapped");
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void entries_that_lead_nowhere(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	uint8_t *leaf = enter(fk, 4, V4, 1, 0x345000 | PRESENT, 0);
	uint64_t pgd_index = V4 >> 39 & 511;
	uint64_t pud = get_u64(entry_at(fk, fk->pgd_paddr, pgd_index), ORDER_LITTLE) & ~UINT64_C(0xfff);
	struct kmodel *km;

	put_u64(leaf, ORDER_LITTLE, (0x345000 | PRESENT) & ~UINT64_C(1));
	/* A table outside of RAM, a large bit where no leaf can be, and a leaf to memory that the dump lacks. */
	put_u64(entry_at(fk, pud, 1), ORDER_LITTLE, UINT64_C(0xffffffffff000) | PRESENT);
	put_u64(entry_at(fk, fk->pgd_paddr, 300), ORDER_LITTLE, 0x1000 | PRESENT | LARGE);
	put_u64(entry_at(fk, pud, 2), ORDER_LITTLE, UINT64_C(0x7ffffc0000000) | PRESENT | LARGE);
	km = open_model(fk);
	assert_fails(km, V4, ST_NO_DATA, "level 1");
	assert_fails(km, V4 + 2 * MIB, ST_NO_DATA, "level 2");
	assert_fails(km, V4 + GIB, ST_NO_DATA, "level 2 page table");
	assert_fails(km, V4 + 3 * GIB, ST_NO_DATA, "level 3");
	assert_fails(km, UINT64_C(0xffff000000000000) | UINT64_C(300) << 39, ST_BAD_INPUT, "level 4");
	{
		struct err err = { 0 };
		uint8_t b[8];

		assert_int_equal(kmodel_read(km, V4 + 2 * GIB, b, 8, &err), ST_NO_DATA);
		assert_non_null(strstr(err.text, "kernel address 0xffffc90080000000"));
	}
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void tables_that_name_themselves_end(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	uint64_t self = UINT64_C(0xffff000000000000) | UINT64_C(400) << 39;
	struct kmodel *km;

	put_u64(entry_at(fk, fk->pgd_paddr, 400), ORDER_LITTLE, fk->pgd_paddr | PRESENT);
	km = open_model(fk);
	self |= UINT64_C(400) << 30 | UINT64_C(400) << 21 | UINT64_C(400) << 12;
	assert_translates(km, self, fk->pgd_paddr, 4096);
	kmodel_close(km);
	fake_kernel_free(fk);
}

/* More tables than the cache holds, whose numbers collide in it. */
static void table_cache_never_answers_for_another_table(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	struct kmodel *km;

	for (uint64_t i = 0; i < 100; i++)
		enter(fk, 4, V4 + i * 2 * MIB, 1, (0x1000000 + i * 4096) | PRESENT, 0);
	km = open_model(fk);
	for (uint64_t round = 0; round < 3; round++)
		for (uint64_t i = 0; i < 100; i++)
			assert_translates(km, V4 + (i * 37 % 100) * 2 * MIB, 0x1000000 + (i * 37 % 100) * 4096, 4096);
	kmodel_close(km);
	fake_kernel_free(fk);
}

/* The image's place is known without tables: the log survives a broken one. */
static void count_table(void *ctx, uint64_t paddr, uint64_t len_bytes)
{
	++*(unsigned *)ctx;
}

/* Else two levels of one walk read each other's tables away, address by address. */
static void any_tables_fit_in_the_cache_together(void **state)
{
	struct fake_kernel *fk = fake_kernel_new(4 * MIB);
	struct kmodel *km = fake_kernel_open(fk);
	unsigned nr_read = 0;
	uint64_t v;

	kmodel_watch_tables(km, count_table, &nr_read);
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < 8; i++)
			assert_int_equal(kmodel_read_table_u64(km, i * 0x10000, &v, NULL), ST_OK);
	assert_int_equal(nr_read, 8);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(kmodel_read_table_u64(km, i * 0x1000, &v, NULL), ST_OK);
	assert_int_equal(kmodel_read_table_u64(km, 99 * 0x1000, &v, NULL), ST_OK);
	assert_true(nr_read <= 8 + 100);
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void image_is_read_without_tables(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	struct kmodel *km = open_model(fk);
	uint8_t b[4];

	memcpy(fk->ram + FAKE_STEXT_PADDR + 4 * MIB, "here", 4);
	assert_int_equal(kmodel_read(km, FAKE_STEXT + 4 * MIB, b, 4, NULL), ST_OK);
	assert_memory_equal(b, "here", 4);
	/* But not beyond the image. */
	assert_fails(km, UINT64_C(0xffffffffc0000000), ST_NO_DATA, "not mapped");
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void reads_cross_pages_and_stop_at_holes(void **state)
{
	struct fake_kernel *fk = fake_kernel_new(RAM);
	uint64_t v = fake_alloc(fk, 3 * 4096);
	struct kmodel *km = fake_kernel_open(fk);
	uint8_t data[3 * 4096], back[3 * 4096];
	struct err err = { 0 };
	uint64_t u64;
	uint32_t u32;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11 + (i >> 12));
	fake_put(fk, v, data, sizeof(data));
	assert_int_equal(kmodel_read(km, v + 1, back, sizeof(data) - 1, &err), ST_OK);
	assert_memory_equal(back, data + 1, sizeof(data) - 1);
	assert_int_equal(kmodel_read_u64(km, v + 4092, &u64, &err), ST_OK);
	assert_true(u64 == get_u64(data + 4092, ORDER_LITTLE));
	assert_int_equal(kmodel_read_u32(km, v + 4095, &u32, &err), ST_OK);
	assert_int_equal(u32, get_u32(data + 4095, ORDER_LITTLE));
	assert_int_equal(kmodel_read(km, v, back, 0, &err), ST_OK);
	assert_int_equal(kmodel_read(km, v + 1, back, sizeof(data), &err), ST_NO_DATA);
	fake_hole(fk, v + 4096, ST_IO);
	assert_int_equal(kmodel_read(km, v + 4000, back, 200, &err), ST_IO);
	kmodel_close(km);
	fake_kernel_free(fk);
}

static void reads_do_not_wrap_around_the_address_space(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	uint8_t b[32];
	struct err err = { 0 };
	struct kmodel *km;

	enter(fk, 4, UINT64_C(0xfffffffffffff000), 1, 0x345000 | PRESENT, 0);
	enter(fk, 4, 0, 1, 0x346000 | PRESENT, 0);
	km = open_model(fk);
	assert_int_equal(kmodel_read(km, UINT64_MAX - 15, b, 16, &err), ST_OK);
	assert_int_equal(kmodel_read(km, UINT64_MAX - 15, b, 17, &err), ST_NO_DATA);
	kmodel_close(km);
	fake_kernel_free(fk);
}

static enum status try_open(struct fake_kernel *fk, enum phys_base_source *source, struct err *err)
{
	struct kmodel *km = NULL;
	enum status st = kmodel_open(&fk->pm, &km, err);

	if (st == ST_OK) {
		assert_true(km->phys_base == FAKE_PHYS_BASE);
		*source = km->phys_base_source;
	}
	kmodel_close(km);
	return st;
}

static void wrong_phys_base_gives_way_to_the_next_source(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	enum phys_base_source source = PHYS_BASE_UNKNOWN;
	struct err err = { 0 };

	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	assert_int_equal(source, PHYS_BASE_VMCOREINFO);
	set_vmcoreinfo(fk, "0", 0, NULL); /* QEMU's, of a guest that moved */
	assert_int_equal(try_open(fk, &source, &err), ST_NO_DATA);
	assert_non_null(strstr(err.text, "page table"));
	fk->pm.has_header_phys_base = true;
	fk->pm.header_phys_base = FAKE_PHYS_BASE;
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	assert_int_equal(source, PHYS_BASE_HEADER);
	fk->pm.has_kernel_text_map = true;
	fk->pm.kernel_text_vaddr = FAKE_STEXT + 0x1000;
	fk->pm.kernel_text_paddr = FAKE_STEXT_PADDR + 0x1000;
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	assert_int_equal(source, PHYS_BASE_KERNEL_LOAD);
	fk->pm.kernel_text_paddr += 0x1000;
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	assert_int_equal(source, PHYS_BASE_HEADER);
	set_vmcoreinfo(fk, NULL, 0, NULL);
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	set_vmcoreinfo(fk, "nonsense", 0, NULL);
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	fk->pm.has_header_phys_base = false;
	fk->pm.has_kernel_text_map = false;
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "phys_base"));
	fake_kernel_free(fk);
}

/* What the page tables say of the image has to be what phys_base says, not only something. */
static void tables_of_another_kernel_do_not_pass(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	enum phys_base_source source;
	struct err err = { 0 };

	enter(fk, 4, FAKE_STEXT, 2, (FAKE_STEXT_PADDR + 2 * MIB) | PRESENT | LARGE, 0);
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "phys_base -"));
	/* All of the candidates fail: the first one's trouble is told. */
	fk->pm.has_header_phys_base = true;
	fk->pm.header_phys_base = 12345;
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "phys_base -"));
	fake_kernel_free(fk);
}

static void hostile_vmcoreinfo_is_refused(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	enum phys_base_source source;
	struct err err = { 0 };

	fk->pm.vmcoreinfo = NULL;
	assert_int_equal(try_open(fk, &source, &err), ST_NOT_FOUND);
	set_vmcoreinfo(fk, "-9223372036854775808", 0, NULL);
	assert_int_not_equal(try_open(fk, &source, &err), ST_OK);
	set_vmcoreinfo(fk, "9223372036854775807", 0, NULL); /* not even page aligned */
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	fk->vi_len = 0;
	fake_vi_add(fk, "OSRELEASE=x");
	fake_vi_add(fk, "NUMBER(phys_base)=%s", decimal(FAKE_PHYS_BASE).s);
	fk->pm.vmcoreinfo_len_bytes = fk->vi_len;
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "init_top_pgt"));
	fake_vi_add(fk, "SYMBOL(init_top_pgt)=%llx", (unsigned long long)(FAKE_STEXT + FAKE_PAGE));
	fk->pm.vmcoreinfo_len_bytes = fk->vi_len;
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "_stext"));
	fake_vi_add(fk, "SYMBOL(_stext)=1000");
	fk->pm.vmcoreinfo_len_bytes = fk->vi_len;
	assert_int_equal(try_open(fk, &source, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "outside the kernel image"));
	fake_kernel_free(fk);
}

static void machines_are_known_by_number_or_name_or_tables(void **state)
{
	struct fake_kernel *fk = new_kernel(4, 0);
	enum phys_base_source source;
	struct err err = { 0 };

	fk->pm.elf_machine = 0; /* a KDUMP */
	strcpy(fk->pm.uts.machine, "x86_64");
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	strcpy(fk->pm.uts.machine, ""); /* QEMU's, of a crashed guest */
	assert_int_equal(try_open(fk, &source, &err), ST_OK);
	strcpy(fk->pm.uts.machine, "vax");
	assert_int_equal(try_open(fk, &source, &err), ST_UNSUPPORTED);
	assert_non_null(strstr(err.text, "vax"));
	strcpy(fk->pm.uts.machine, "");
	fk->pm.elf_machine = EM_S390;
	assert_int_equal(try_open(fk, &source, &err), ST_UNSUPPORTED);
	fake_kernel_free(fk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_of_three_sizes_with_four_levels),
		cmocka_unit_test(leaves_of_three_sizes_with_five_levels),
		cmocka_unit_test(memory_encryption_bit_is_no_address),
		cmocka_unit_test(addresses_that_are_not_canonical),
		cmocka_unit_test(entries_that_lead_nowhere),
		cmocka_unit_test(tables_that_name_themselves_end),
		cmocka_unit_test(table_cache_never_answers_for_another_table),
		cmocka_unit_test(any_tables_fit_in_the_cache_together),
		cmocka_unit_test(image_is_read_without_tables),
		cmocka_unit_test(reads_cross_pages_and_stop_at_holes),
		cmocka_unit_test(reads_do_not_wrap_around_the_address_space),
		cmocka_unit_test(wrong_phys_base_gives_way_to_the_next_source),
		cmocka_unit_test(tables_of_another_kernel_do_not_pass),
		cmocka_unit_test(hostile_vmcoreinfo_is_refused),
		cmocka_unit_test(machines_are_known_by_number_or_name_or_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
