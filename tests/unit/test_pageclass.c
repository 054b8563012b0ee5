// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/pageclass.h"

#define COMMON_KEYS                                                                                              \
	"OSRELEASE=x\nSIZE(page)=64\nOFFSET(page.flags)=0\nOFFSET(page._refcount)=52\nOFFSET(page.mapping)=24\n" \
	"OFFSET(page._mapcount)=48\nOFFSET(page.private)=40\nOFFSET(page.compound_head)=8\nNUMBER(PG_lru)=4\n"   \
	"NUMBER(PG_private)=13\nNUMBER(PG_swapcache)=10\nNUMBER(PG_swapbacked)=19\nNUMBER(PG_hwpoison)=22\n"     \
	"NUMBER(PG_head_mask)=65536\nLENGTH(zone.free_area)=11\n"

/* What the kernels of the time export. */
#define KEYS_4_9                                                                  \
	COMMON_KEYS "NUMBER(PG_slab)=7\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-128\n" \
		    "NUMBER(HUGETLB_PAGE_DTOR)=2\nOFFSET(page.compound_dtor)=16\n"
#define KEYS_6_1                                                                                                   \
	COMMON_KEYS "NUMBER(PG_slab)=9\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"                                  \
		    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\nNUMBER(HUGETLB_PAGE_DTOR)=2\nOFFSET(page.compound_" \
		    "dtor)=16\n"
#define KEYS_6_4                                                                                                       \
	COMMON_KEYS "NUMBER(PG_slab)=9\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"                                      \
		    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\nNUMBER(HUGETLB_PAGE_DTOR)=2\nOFFSET(folio._folio_dtor)" \
		    "=80\n"
#define KEYS_6_6                                                                   \
	COMMON_KEYS "NUMBER(PG_slab)=11\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n" \
		    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\nNUMBER(PG_hugetlb)=8\n"
#define KEYS_6_9                                                                   \
	COMMON_KEYS "NUMBER(PG_slab)=11\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n" \
		    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\nNUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=-2049\n"
#define KEYS_6_12                                                                                                      \
	COMMON_KEYS "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-268435456\n"                                                   \
		    "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=4043309056\nNUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=-201326592\n" \
		    "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376\nNUMBER(PAGE_UNACCEPTED_MAPCOUNT_VALUE)=-150994944\n"

#define SLAB_4_9 (UINT64_C(1) << 7)
#define SLAB_6_1 (UINT64_C(1) << 9)
#define LRU (UINT64_C(1) << 4)
#define SWAPCACHE (UINT64_C(1) << 10)
#define PRIVATE (UINT64_C(1) << 13)
#define HEAD (UINT64_C(1) << 16)
#define SWAPBACKED (UINT64_C(1) << 19)
#define HWPOISON (UINT64_C(1) << 22)
#define POINTER UINT64_C(0xffff888012345600)
#define VADDR UINT64_C(0xffffea0000100000)
#define UNMAPPED UINT32_MAX

static enum status try_layout(const char *text, struct page_layout *l, struct err *err)
{
	struct vmcoreinfo *vi;
	enum status st;

	assert_int_equal(vmcoreinfo_parse(text, strlen(text), &vi, err), ST_OK);
	st = page_layout_init(l, vi, ORDER_LITTLE, true, err);
	vmcoreinfo_free(vi);
	return st;
}

static struct page_layout layout(const char *text)
{
	struct page_layout l;
	struct err err = { 0 };

	if (try_layout(text, &l, &err) != ST_OK)
		fail_msg("%s", err.text);
	return l;
}

static struct page_facts page(uint64_t flags, uint64_t mapping)
{
	return (struct page_facts){ .flags = flags, .mapping = mapping, .mapcount = UNMAPPED, .refcount = 1 };
}

static struct page_facts typed(uint32_t type)
{
	return (struct page_facts){ .mapcount = type };
}

static enum page_class class_of(const struct page_layout *l, struct page_facts f)
{
	return page_class_of(l, &f, NULL, VADDR);
}

static void what_nothing_claims_is_kernel(void **state)
{
	struct page_layout l = layout(KEYS_6_1);

	assert_int_equal(class_of(&l, page(0, 0)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&l, page(HEAD, 0)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&l, page(PRIVATE, POINTER)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&l, page(SWAPCACHE, 0)), PAGE_CLASS_KERNEL); /* PG_owner_priv_1 */
	assert_int_equal(class_of(&l, page(SWAPBACKED, 0)), PAGE_CLASS_KERNEL);
}

static void slab_is_kernel_whatever_aliases_the_mapping(void **state)
{
	struct page_layout old = layout(KEYS_6_1), new = layout(KEYS_6_12);
	struct page_facts f = typed(0xf5000000);

	assert_int_equal(class_of(&old, page(SLAB_6_1, POINTER | 1)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&old, page(SLAB_6_1 | LRU | HEAD, POINTER | 1)), PAGE_CLASS_KERNEL);
	f.mapping = POINTER | 1;
	f.flags = LRU | HEAD;
	assert_int_equal(class_of(&new, f), PAGE_CLASS_KERNEL);
	f.mapcount = 0xf5000123; /* the low bits are free for other use */
	assert_int_equal(class_of(&new, f), PAGE_CLASS_KERNEL);
}

static void anonymous_is_user_with_or_without_ksm(void **state)
{
	struct page_layout l = layout(KEYS_6_1);

	assert_int_equal(class_of(&l, page(LRU | SWAPBACKED, POINTER | 1)), PAGE_CLASS_USER);
	assert_int_equal(class_of(&l, page(0, POINTER | 1)), PAGE_CLASS_USER);
	assert_int_equal(class_of(&l, page(0, POINTER | 3)), PAGE_CLASS_USER);
	assert_int_equal(class_of(&l, page(0, POINTER | 2)), PAGE_CLASS_KERNEL); /* movable: balloon, zsmalloc */
	assert_int_equal(class_of(&l, page(0, 1)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&l, page(0, 3)), PAGE_CLASS_KERNEL);
	assert_int_equal(class_of(&l, page(0, UINT64_C(0x00007f0012345601))), PAGE_CLASS_KERNEL);
}

static void cache_is_told_by_lru_or_swap_cache(void **state)
{
	struct page_layout l = layout(KEYS_6_1);

	assert_int_equal(class_of(&l, page(LRU, POINTER)), PAGE_CLASS_CACHE);
	assert_int_equal(class_of(&l, page(LRU | PRIVATE, POINTER)), PAGE_CLASS_CACHE_PRIVATE);
	assert_int_equal(class_of(&l, page(SWAPBACKED | SWAPCACHE, POINTER)), PAGE_CLASS_CACHE);
	assert_int_equal(class_of(&l, page(SWAPBACKED | SWAPCACHE | PRIVATE, POINTER)), PAGE_CLASS_CACHE_PRIVATE);
}

/* A kernel that does not tell which cache pages have private data: all of them may. */
static void unknown_private_flag_fails_towards_keeping(void **state)
{
	struct page_layout l = layout("NUMBER(PG_private)=99\n" KEYS_6_1);

	assert_int_equal(class_of(&l, page(LRU, POINTER)), PAGE_CLASS_CACHE_PRIVATE);
}

static void check_types(const char *keys, uint32_t buddy, uint32_t offline, uint32_t unknown)
{
	struct page_layout l = layout(keys);
	struct page_facts f = typed(unknown);

	assert_int_equal(class_of(&l, typed(buddy)), PAGE_CLASS_FREE);
	if (offline)
		assert_int_equal(class_of(&l, typed(offline)), PAGE_CLASS_OFFLINE);
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
	/* A type overrides what else the struct seems to say. */
	f.flags = LRU;
	f.mapping = POINTER | 1;
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
}

static void page_types_of_all_ages(void **state)
{
	struct page_layout l = layout(KEYS_6_12);

	check_types(KEYS_4_9, 0xffffff80, 0, 0xfffffe00);
	check_types(KEYS_6_1, 0xffffff7f, 0xfffffeff, 0xfffffdff);
	check_types(KEYS_6_9, 0xffffff7f, 0xfffffeff, 0xfffffdff);
	check_types(KEYS_6_12, 0xf0000000, 0xf1000000, 0xf2000000);
	check_types(KEYS_6_12, 0xf0345678, 0xf1ffffff, 0xfa000000);
	assert_int_equal(class_of(&l, typed(0xf7000000)), PAGE_CLASS_FREE); /* unaccepted */
	assert_int_equal(class_of(&l, typed(0xf4000000)), PAGE_CLASS_USER);
	l = layout(KEYS_6_1);
	assert_int_equal(class_of(&l, typed(0xffffff7e)), PAGE_CLASS_KERNEL); /* old style: the whole word counts */
	assert_int_equal(class_of(&l, typed(0xf0000000)), PAGE_CLASS_KERNEL);
}

/* Mapped pages count up from 0; what other kernels mean by -128 must not make them free. */
static void mapcounts_are_no_types(void **state)
{
	struct page_layout l = layout(KEYS_6_1);
	struct page_facts f = page(LRU, POINTER | 1);

	for (uint32_t n = 0; n < 200; n++) {
		f.mapcount = n;
		assert_int_equal(class_of(&l, f), PAGE_CLASS_USER);
	}
	f.mapcount = (uint32_t)-127;
	assert_int_equal(class_of(&l, f), PAGE_CLASS_USER);
}

static void check_hugetlb(const char *keys, struct page_facts head, struct page_facts tail)
{
	struct page_layout l = layout(keys);

	tail.compound_head = VADDR + 1;
	tail.mapcount = UNMAPPED;
	assert_int_equal(page_class_of(&l, &head, &tail, VADDR), PAGE_CLASS_USER);
}

static void check_not_hugetlb(const char *keys, struct page_facts head, struct page_facts tail)
{
	struct page_layout l = layout(keys);

	tail.mapcount = UNMAPPED;
	assert_int_equal(page_class_of(&l, &head, &tail, VADDR), PAGE_CLASS_KERNEL);
	assert_int_equal(page_class_of(&l, &head, NULL, VADDR), PAGE_CLASS_KERNEL);
}

static void hugetlb_in_all_its_forms(void **state)
{
	struct page_facts head = page(HEAD, POINTER);
	const struct page_facts by_dtor = { .dtor = 2 }, by_flag = { .flags = 1 << 8 };

	check_hugetlb(KEYS_4_9, head, by_dtor);
	check_hugetlb(KEYS_6_1, head, by_dtor);
	check_hugetlb(KEYS_6_4, head, by_dtor);
	check_hugetlb(KEYS_6_6, head, by_flag);
	head.mapcount = 0xfffff7ff;
	check_hugetlb(KEYS_6_9, head, (struct page_facts){ 0 });
	head.mapcount = 0xf4000000;
	check_hugetlb(KEYS_6_12, head, (struct page_facts){ 0 });
	head.mapcount = UNMAPPED;
	/* Another destructor; no link to this head; a page that is no head. */
	check_not_hugetlb(KEYS_6_1, head, (struct page_facts){ .dtor = 1, .compound_head = VADDR + 1 });
	check_not_hugetlb(KEYS_6_1, head, (struct page_facts){ .dtor = 2, .compound_head = VADDR + 65 });
	check_not_hugetlb(KEYS_6_1, head, (struct page_facts){ .dtor = 2, .compound_head = VADDR });
	check_not_hugetlb(KEYS_6_6, head, (struct page_facts){ .dtor = 2, .compound_head = VADDR + 1 });
	check_not_hugetlb(KEYS_6_12, head,
			  (struct page_facts){ .dtor = 2, .flags = 1 << 8, .compound_head = VADDR + 1 });
	check_not_hugetlb(KEYS_6_1, page(0, POINTER), (struct page_facts){ .dtor = 2, .compound_head = VADDR + 1 });
}

static void destructor_lies_in_the_first_tail(void **state)
{
	struct page_layout l = layout(KEYS_6_4);
	struct page_facts f;
	uint8_t raw[64] = { 0 };

	assert_true(l.has_hugetlb_dtor);
	raw[80 - 64] = 2;
	page_facts_decode(&l, raw, &f);
	assert_int_equal(f.dtor, 2);
	l = layout("OFFSET(folio._folio_dtor)=128\n" KEYS_6_4);
	assert_false(l.has_hugetlb_dtor);
	l = layout("OFFSET(folio._folio_dtor)=63\n" KEYS_6_4);
	assert_false(l.has_hugetlb_dtor);
	l = layout("OFFSET(page.compound_dtor)=18446744073709551615\n" KEYS_6_1);
	assert_false(l.has_hugetlb_dtor);
}

static void broken_memory_is_told_apart_from_unwritten_structs(void **state)
{
	struct page_layout l = layout(KEYS_6_1);
	struct page_facts f = page(HWPOISON | LRU, POINTER | 1);

	assert_true(page_is_hwpoison(&l, &f));
	assert_int_equal(class_of(&l, f), PAGE_CLASS_HWPOISON);
	memset(&f, 0xff, sizeof(f)); /* page_init_poison() */
	assert_false(page_is_hwpoison(&l, &f));
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
	f.compound_head = 0;
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
	assert_false(page_may_be_inside_free_block(&l, &f));
	l = layout("NUMBER(PG_hwpoison)=x\n" KEYS_6_1);
	f = page(HWPOISON, 0);
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
}

static void free_blocks_have_sane_orders(void **state)
{
	struct page_layout l = layout(KEYS_6_12);
	struct page_facts f = typed(0xf0000000);

	for (unsigned order = 0; order < 11; order++) {
		f.private = order;
		assert_int_equal(page_free_block_pages(&l, &f, 0), UINT64_C(1) << order);
		assert_int_equal(page_free_block_pages(&l, &f, UINT64_C(3) << order), UINT64_C(1) << order);
		if (order)
			assert_int_equal(page_free_block_pages(&l, &f, UINT64_C(1) << (order - 1)), 0);
	}
	f.private = 11;
	assert_int_equal(page_free_block_pages(&l, &f, 0), 0);
	f.private = 64;
	assert_int_equal(page_free_block_pages(&l, &f, 0), 0);
	f.private = UINT64_MAX;
	assert_int_equal(page_free_block_pages(&l, &f, 0), 0);
	f = typed(0xf7000000);
	f.private = 3;
	assert_int_equal(page_free_block_pages(&l, &f, 1024), 1024);
	assert_int_equal(page_free_block_pages(&l, &f, 512), 0);
	l = layout("LENGTH(zone.free_area)=4000000000\n" KEYS_6_12);
	f = typed(0xf0000000);
	assert_int_equal(page_free_block_pages(&l, &f, 0), 0);
}

static void inner_pages_of_free_blocks_speak_of_no_use(void **state)
{
	struct page_layout l = layout(KEYS_6_1);
	struct page_facts idle = { .mapcount = UNMAPPED }, f;
	static const uint64_t flags[] = { SLAB_6_1, LRU, HWPOISON, HEAD };

	assert_true(page_may_be_inside_free_block(&l, &idle));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		f = idle;
		f.flags = flags[i];
		assert_false(page_may_be_inside_free_block(&l, &f));
	}
	f = idle;
	f.refcount = 1;
	assert_false(page_may_be_inside_free_block(&l, &f));
	f.refcount = -1;
	assert_false(page_may_be_inside_free_block(&l, &f));
	f = idle;
	f.compound_head = VADDR + 1;
	assert_false(page_may_be_inside_free_block(&l, &f));
	f = idle;
	f.mapcount = 0xfffffdff;
	assert_false(page_may_be_inside_free_block(&l, &f));
	l = layout(KEYS_4_9);
	f.mapcount = 0xffffff80;
	assert_false(page_may_be_inside_free_block(&l, &f)); /* a block of its own */
}

static void assert_unknown(const char *keys, const char *text)
{
	struct page_layout l;
	struct err err = { 0 };

	assert_int_equal(try_layout(keys, &l, &err), ST_BAD_INPUT);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void layouts_that_cannot_be_decided_by_are_refused(void **state)
{
	struct page_layout l;
	struct err err = { 0 };

	assert_unknown("OSRELEASE=x\n", "SIZE(page)");
	assert_unknown("SIZE(page)=16\n" KEYS_6_1, "SIZE(page)");
	assert_unknown("SIZE(page)=257\n" KEYS_6_1, "SIZE(page)");
	assert_unknown("OFFSET(page.flags)=57\n" KEYS_6_1, "page.flags");
	assert_unknown("OFFSET(page._mapcount)=61\n" KEYS_6_1, "page._mapcount");
	assert_unknown("OFFSET(page.private)=18446744073709551615\n" KEYS_6_1, "page.private");
	assert_unknown("OFFSET(page.mapping)=x\n" KEYS_6_1, "page.mapping");
	assert_unknown(COMMON_KEYS, "slab");
	assert_unknown("NUMBER(PG_slab)=64\n" KEYS_6_1, "slab");
	assert_unknown("NUMBER(PG_slab)=-1\n" KEYS_6_1, "slab");
	assert_unknown("NUMBER(PG_head_mask)=x\n" KEYS_6_1, "PG_head_mask");
	/* Linux up to 4.6 */
	assert_int_equal(try_layout("OFFSET(page._refcount)=x\nOFFSET(page._count)=28\n" KEYS_6_1, &l, &err), ST_OK);
	assert_int_equal(l.off_refcount, 28);
	assert_unknown("OFFSET(page.compound_info)=57\n" KEYS_6_12, "page.compound_info");
	assert_unknown("OFFSET(page.compound_head)=x\n" KEYS_6_12, "page.compound_head");
}

/* Linux 7.1 and later: a pointer as before, or a mask that turns the tail's address into the head's. */
static void tails_name_their_head_by_pointer_or_mask(void **state)
{
	struct page_layout old = layout(KEYS_6_12);
	struct page_layout new = layout("OFFSET(page.compound_info)=8\nOFFSET(page.compound_head)=x\n" KEYS_6_12);
	struct page_facts f = page(0, 0);
	uint64_t head;

	assert_false(page_is_tail(&new, &f, VADDR + 64, &head));
	f.compound_head = VADDR + 1;
	assert_true(page_is_tail(&new, &f, VADDR + 64, &head));
	assert_int_equal(head, VADDR);
	for (unsigned order = 1; order <= 18; order++) {
		uint64_t span = UINT64_C(64) << order;
		uint64_t at = align_down(VADDR, span);

		f.compound_head = -span | 1;
		assert_true(page_is_tail(&new, &f, at + 64, &head));
		assert_int_equal(head, at);
		assert_true(page_is_tail(&new, &f, at + span - 64, &head));
		assert_int_equal(head, at);
		/* An older kernel knows no mask. */
		assert_true(page_is_tail(&old, &f, at + 64, &head));
		assert_int_equal(head, -span);
	}
	/* No mask of a compound page: less than two struct pages, more than there can be, a hole in it. */
	f.compound_head = (uint64_t)-64 | 1;
	assert_true(page_is_tail(&new, &f, VADDR + 64, &head));
	assert_int_equal(head, (uint64_t)-64);
	f.compound_head = (uint64_t)-(INT64_C(1) << 44) | 1;
	assert_true(page_is_tail(&new, &f, VADDR + 64, &head));
	assert_int_equal(head, (uint64_t)-(INT64_C(1) << 44));
	f.compound_head = ((uint64_t)-4096 ^ 1 << 13) | 1;
	assert_true(page_is_tail(&new, &f, VADDR + 64, &head));
	assert_int_equal(head, (uint64_t)-4096 ^ 1 << 13);
}

/* Compressed swap is the user's, whatever its lower bits hold; only a kernel that names the type has it. */
static void zsmalloc_is_user_where_it_is_named(void **state)
{
	struct page_layout l = layout("NUMBER(PAGE_ZSMALLOC_MAPCOUNT_VALUE)=4127195136\n" KEYS_6_12);
	struct page_facts f = page(0, POINTER | 2);

	f.mapcount = 0xf6000040;
	assert_int_equal(class_of(&l, f), PAGE_CLASS_USER);
	f.mapcount = 0xf9000000; /* network buffers */
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
	f.mapcount = 0xf2000000; /* page tables */
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
	l = layout(KEYS_6_12);
	f.mapcount = 0xf6000040;
	assert_int_equal(class_of(&l, f), PAGE_CLASS_KERNEL);
}

static void facts_of_32_bit_big_endian_structs(void **state)
{
	static const char keys[] =
		"SIZE(page)=32\nOFFSET(page.flags)=0\nOFFSET(page._refcount)=16\nOFFSET(page.mapping)=4\n"
		"OFFSET(page._mapcount)=12\nOFFSET(page.private)=20\nOFFSET(page.compound_head)=24\n" KEYS_6_1;
	uint8_t raw[32] = { 0 };
	struct vmcoreinfo *vi;
	struct page_layout l;
	struct page_facts f;

	assert_int_equal(vmcoreinfo_parse(keys, sizeof(keys) - 1, &vi, NULL), ST_OK);
	assert_int_equal(page_layout_init(&l, vi, ORDER_BIG, false, NULL), ST_OK);
	vmcoreinfo_free(vi);
	put_u32(raw, ORDER_BIG, LRU);
	put_u32(raw + 4, ORDER_BIG, 0xc1234501);
	put_u32(raw + 12, ORDER_BIG, 3);
	put_u32(raw + 16, ORDER_BIG, 0xffffffff);
	put_u32(raw + 20, ORDER_BIG, 77);
	put_u32(raw + 24, ORDER_BIG, 0xc0000001);
	page_facts_decode(&l, raw, &f);
	assert_int_equal(f.flags, LRU);
	assert_int_equal(f.mapping, 0xc1234501);
	assert_int_equal(f.mapcount, 3);
	assert_int_equal(f.refcount, -1);
	assert_int_equal(f.private, 77);
	assert_int_equal(f.compound_head, 0xc0000001);
	assert_int_equal(class_of(&l, f), PAGE_CLASS_USER);
	f.flags = UINT32_MAX;
	assert_false(page_is_hwpoison(&l, &f));
}

static void every_class_has_a_name(void **state)
{
	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		for (int d = 0; d < c; d++)
			assert_string_not_equal(page_class_name((enum page_class)c),
						page_class_name((enum page_class)d));
}

static uint64_t random_word(unsigned *seed)
{
	uint64_t w = 0;

	for (int i = 0; i < 8; i++)
		w = w << 8 | ((uint64_t)rand_r(seed) & 0xff);
	switch (rand_r(seed) % 4) {
	case 0:
		return 0;
	case 1:
		return w & (uint64_t)1 << rand_r(seed) % 64;
	case 2:
		return w | UINT64_C(0xffff800000000000);
	default:
		return w;
	}
}

/* Whatever a struct page holds: slab and unknown types are kernel memory, and so is a struct that nobody wrote. */
static void random_structs_never_lose_slab(void **state)
{
	static const char *const keys[] = { KEYS_4_9, KEYS_6_1, KEYS_6_4, KEYS_6_6, KEYS_6_9, KEYS_6_12 };
	unsigned seed = 1;

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		struct page_layout l = layout(keys[k]);

		for (int round = 0; round < 20000; round++) {
			struct page_facts f = {
				.flags = random_word(&seed),
				.mapping = random_word(&seed),
				.private = random_word(&seed),
				.compound_head = random_word(&seed),
				.mapcount = (uint32_t)random_word(&seed),
				.refcount = (int32_t)random_word(&seed),
				.dtor = (uint8_t)(rand_r(&seed) % 4),
			};
			struct page_facts next = f;
			enum page_class class;

			next.compound_head = rand_r(&seed) % 2 ? VADDR + 1 : f.private;
			class = page_class_of(&l, &f, rand_r(&seed) % 3 ? &next : NULL, VADDR);
			if (f.flags & l.mask_slab || (l.slab.known && f.mapcount >> 24 == 0xf5))
				assert_true(class == PAGE_CLASS_KERNEL || f.flags & HWPOISON);
			if (class == PAGE_CLASS_FREE)
				assert_true(page_free_block_pages(&l, &f, f.private) <= 1024);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nothing_claims_is_kernel),
		cmocka_unit_test(slab_is_kernel_whatever_aliases_the_mapping),
		cmocka_unit_test(anonymous_is_user_with_or_without_ksm),
		cmocka_unit_test(cache_is_told_by_lru_or_swap_cache),
		cmocka_unit_test(unknown_private_flag_fails_towards_keeping),
		cmocka_unit_test(page_types_of_all_ages),
		cmocka_unit_test(mapcounts_are_no_types),
		cmocka_unit_test(hugetlb_in_all_its_forms),
		cmocka_unit_test(destructor_lies_in_the_first_tail),
		cmocka_unit_test(broken_memory_is_told_apart_from_unwritten_structs),
		cmocka_unit_test(free_blocks_have_sane_orders),
		cmocka_unit_test(inner_pages_of_free_blocks_speak_of_no_use),
		cmocka_unit_test(layouts_that_cannot_be_decided_by_are_refused),
		cmocka_unit_test(tails_name_their_head_by_pointer_or_mask),
		cmocka_unit_test(zsmalloc_is_user_where_it_is_named),
		cmocka_unit_test(facts_of_32_bit_big_endian_structs),
		cmocka_unit_test(every_class_has_a_name),
		cmocka_unit_test(random_structs_never_lose_slab),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
