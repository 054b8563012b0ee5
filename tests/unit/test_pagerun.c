// SPDX-License-Identifier: GPL-2.0-or-later
/* A short look must say what page by page is said: each run is held against kernel/pageclass.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/pagerun.h"

#define NR 3000u
#define SIZE 64u
#define VADDR UINT64_C(0xffffea0000000000)
#define OFFSETS                                                                                                          \
	"OSRELEASE=1\nSIZE(page)=64\nOFFSET(page.flags)=0\nOFFSET(page.mapping)=24\nOFFSET(page.private)=40\n"          \
	"OFFSET(page._mapcount)=48\nOFFSET(page._refcount)=52\nLENGTH(zone.free_area)=11\n"
#define FLAGS_6_1                                                                                                        \
	"NUMBER(PG_lru)=4\nNUMBER(PG_slab)=9\nNUMBER(PG_swapcache)=10\nNUMBER(PG_private)=13\nNUMBER(PG_swapbacked)=19\n" \
	"NUMBER(PG_hwpoison)=22\nNUMBER(PG_head_mask)=65536\nNUMBER(PG_reserved)=12\n"
#define LINK_6_1 "OFFSET(page.compound_head)=8\n"
#define TYPES_6_1                                                                                                        \
	"NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\nNUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\n"                             \
	"NUMBER(HUGETLB_PAGE_DTOR)=2\nOFFSET(page.compound_dtor)=16\n"
#define TYPES_7_1                                                                                                        \
	"NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=4026531840\nNUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=4110417920\n"                   \
	"NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=4093640704\nOFFSET(page.compound_info)=8\n"

static struct page_layout layout(const char *text)
{
	struct vmcoreinfo *vi;
	struct page_layout l;
	struct err err = { 0 };

	assert_int_equal(vmcoreinfo_parse(text, strlen(text), &vi, &err), ST_OK);
	if (page_layout_init(&l, vi, ORDER_LITTLE, true, &err) != ST_OK)
		fail_msg("%s", err.text);
	vmcoreinfo_free(vi);
	return l;
}

struct pages {
	struct page_layout l;
	struct page_runs r;
	uint8_t raw[NR * SIZE];
};

/* Few values a field, so that runs come about and so do all mixtures. */
static void fill(struct pages *p)
{
	static const unsigned bits[] = { 4, 9, 10, 12, 13, 16, 19, 22, 40 };
	static const uint64_t mappings[] = { 0, 0xffff888000001000, 0xffff888000001001, 0xffff888000001003, 1 };
	static const uint64_t links[] = { 0, 0xffff888000001000, VADDR | 1, VADDR + 512 * SIZE + 1,
					  -(uint64_t)(512 * SIZE) | 1, -(uint64_t)(2 * SIZE) | 1, UINT64_MAX };
	static const uint32_t mapcounts[] = { 0, 7, UINT32_MAX, (uint32_t)-127, (uint32_t)-128, (uint32_t)-129,
					      (uint32_t)-257, 0xf0000000, 0xf5000123, 0xf4ffffff, 0xff000000 };
	uint8_t *raw = p->raw;

	for (unsigned i = 0; i < NR; i++, raw += SIZE) {
		uint64_t flags = 0;

		if (i && random() % 4) {
			memcpy(raw, raw - SIZE, SIZE);
			continue;
		}
		memset(raw, 0, SIZE);
		for (size_t b = 0; b < ARRAY_SIZE(bits); b++)
			flags |= random() % 8 ? 0 : UINT64_C(1) << bits[b];
		put_u64(raw, ORDER_LITTLE, random() % 50 ? flags : random() % 2 ? UINT64_MAX : UINT32_MAX);
		put_u64(raw + 8, ORDER_LITTLE, links[random() % 2 ? 0 : (size_t)random() % ARRAY_SIZE(links)]);
		put_u64(raw + 24, ORDER_LITTLE, mappings[(size_t)random() % ARRAY_SIZE(mappings)]);
		put_u32(raw + 48, ORDER_LITTLE, mapcounts[random() % 2 ? 2 : (size_t)random() % ARRAY_SIZE(mapcounts)]);
		put_u32(raw + 52, ORDER_LITTLE, (uint32_t)(random() % 2));
	}
}

static struct page_facts facts(const struct pages *p, size_t i)
{
	struct page_facts f;

	page_facts_decode(&p->l, p->raw + i * SIZE, &f);
	return f;
}

/* PG_reserved has the last word, so it is never for a short look. */
static bool has_a_say(const struct pages *p, const struct page_facts *f)
{
	return page_is_hwpoison(&p->l, f) || page_is_slab(&p->l, f) || f->flags & p->l.mask_reserved;
}

static bool is_single(const struct pages *p, const struct page_facts *f)
{
	return !has_a_say(p, f) && !page_has_tail_mark(f) && !page_is_head(&p->l, f) && (int32_t)f->mapcount >= -127 &&
	       f->flags != UINT64_MAX && f->flags != UINT32_MAX;
}

static void check_single(const struct pages *p, size_t at)
{
	uint8_t class[NR];
	size_t n = page_run_single(&p->r, p->raw + at * SIZE, NR - at, class);

	for (size_t i = 0; i < n; i++) {
		struct page_facts f = facts(p, at + i);

		assert_true(is_single(p, &f));
		assert_int_equal(class[i], page_class_of(&p->l, &f, NULL, VADDR + (at + i) * SIZE));
	}
	if (at + n < NR) {
		struct page_facts f = facts(p, at + n);

		assert_false(is_single(p, &f));
		assert_false(page_run_is_single(&p->r, p->raw + (at + n) * SIZE));
	}
}

static void check_inside_free(const struct pages *p, size_t at)
{
	size_t n = page_run_inside_free(&p->r, p->raw + at * SIZE, NR - at);

	for (size_t i = at; i <= at + n && i < NR; i++) {
		struct page_facts f = facts(p, i);

		assert_int_equal(page_may_be_inside_free_block(&p->l, &f) && !(f.flags & p->l.mask_reserved), i < at + n);
	}
}

static void check_tails(const struct pages *p, size_t at)
{
	struct page_facts f = facts(p, at);
	uint64_t head, most = page_tails_of_link(&p->l, &f, VADDR + at * SIZE), link = f.compound_head;
	size_t n = page_run_tails(&p->r, p->raw + at * SIZE, (size_t)min_u64(NR - at, most), link);

	assert_true(most >= 1);
	if (!page_is_tail(&p->l, &f, VADDR + at * SIZE, &head))
		return;
	for (size_t i = at; i < at + n; i++) {
		uint64_t this_head;

		f = facts(p, i);
		assert_true(page_is_tail(&p->l, &f, VADDR + i * SIZE, &this_head) && this_head == head);
		assert_false(has_a_say(p, &f));
	}
	if (at + n == NR)
		return;
	/* What ends a run: another head, a say of its own, or a type, which a short look does not tell apart. */
	f = facts(p, at + n);
	assert_true(n == most || f.compound_head != link || has_a_say(p, &f) || (int32_t)f.mapcount < -127);
}

static void check_layout(const char *text)
{
	static struct pages p;

	p.l = layout(text);
	assert_true(page_runs_init(&p.r, &p.l));
	for (unsigned seed = 1; seed <= 20; seed++) {
		srandom(seed);
		fill(&p);
		for (size_t at = 0; at < NR; at++) {
			check_single(&p, at);
			check_inside_free(&p, at);
			check_tails(&p, at);
		}
	}
}

static void short_looks_agree_with_long_ones(void **state)
{
	check_layout(OFFSETS FLAGS_6_1 LINK_6_1 TYPES_6_1);
	check_layout(OFFSETS FLAGS_6_1 TYPES_7_1);
	/* Not all of it is told. */
	check_layout(OFFSETS LINK_6_1 "NUMBER(PG_slab)=9\nNUMBER(PG_head_mask)=65536\n");
	check_layout(OFFSETS LINK_6_1 "NUMBER(PG_lru)=4\nNUMBER(PG_slab)=9\nNUMBER(PG_swapcache)=10\nNUMBER(PG_head_mask)=65536\n");
}

static void layouts_that_are_none_for_short_looks(void **state)
{
	struct page_runs r;
	struct page_layout l = layout(OFFSETS FLAGS_6_1 LINK_6_1 TYPES_6_1);

	assert_true(page_runs_init(&r, &l));
	l.word_bytes = 4;
	assert_false(page_runs_init(&r, &l));
	l.word_bytes = 8;
	l.order = ORDER_BIG;
	assert_false(page_runs_init(&r, &l));
	/* A type that a count of mappings could pass for. */
	l = layout(OFFSETS FLAGS_6_1 LINK_6_1 "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-1\n");
	assert_false(page_runs_init(&r, &l));
	l = layout(OFFSETS FLAGS_6_1 LINK_6_1 "NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=4278190080\n");
	assert_false(page_runs_init(&r, &l));
	/* Poisoned struct pages could not be told. */
	l = layout(OFFSETS LINK_6_1 "NUMBER(PG_slab)=9\nNUMBER(PG_head_mask)=1099511627776\n");
	assert_false(page_runs_init(&r, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_looks_agree_with_long_ones),
		cmocka_unit_test(layouts_that_are_none_for_short_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
