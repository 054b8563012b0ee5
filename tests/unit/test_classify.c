// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/io/rsource.h"
#include "kernel/classify.h"
#include "tests/unit/fake_memmap.h"

#define RAM (32 * MIB)
#define NR_PFNS (RAM / 4096)
#define BATCH ((uint64_t)CLASSIFY_BATCH_PAGES)
#define ANON (UINT64_C(0xffff888000001000) | 1)
#define CACHE UINT64_C(0xffff888000001000)

static const struct fake_page user_page = { .flags = FAKE_PG_LRU | FAKE_PG_SWAPBACKED, .mapping = ANON, .refcount = 1 };
static const struct fake_page slab_page = { .flags = FAKE_PG_SLAB, .mapping = ANON, .refcount = 1 };

struct fixture {
	struct fake_memmap mm;
	enum page_class class[NR_PFNS];
	uint64_t next_pfn; /* that the classifier has to tell of */
	struct classify_counts counts;
};

static struct fixture *new_fixture(void)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->mm = fake_memmap_new(RAM, FAKE_EXTREME);
	fake_vi_6_1(fx->mm.fk);
	return fx;
}

static void free_fixture(struct fixture *fx)
{
	fake_memmap_free(&fx->mm);
	free(fx);
}

/* Classify the next pages up to @end. */
static void run_to(struct fixture *fx, struct classifier *c, uint64_t end)
{
	uint8_t class[CLASSIFY_BATCH_PAGES + 1];
	size_t nr = (size_t)(end - fx->next_pfn);

	memset(class, 0xee, sizeof(class));
	classifier_run(c, fx->next_pfn, end, class);
	assert_int_equal(class[nr], 0xee);
	for (size_t i = 0; i < nr; i++)
		fx->class[fx->next_pfn + i] = class[i];
	fx->next_pfn = end;
}

/* Classify from @start on, as one would who takes up the work there. */
static void classify_from(struct fixture *fx, uint64_t start)
{
	struct kmodel *km = fake_kernel_open(fx->mm.fk);
	struct classifier *c = NULL;
	struct err err = { 0 };

	if (classifier_open(km, &c, &err) != ST_OK)
		fail_msg("%s", err.text);
	fx->next_pfn = start;
	while (fx->next_pfn < NR_PFNS)
		run_to(fx, c, min_u64(align_down(fx->next_pfn, BATCH) + BATCH, NR_PFNS));
	classifier_take_counts(c, &fx->counts);
	classifier_close(c);
	kmodel_close(km);
}

static void assert_classes(const struct fixture *fx, uint64_t start, uint64_t end, enum page_class class)
{
	for (uint64_t pfn = start; pfn < end; pfn++)
		if (fx->class[pfn] != class)
			fail_msg("page %llu is %s, not %s", (unsigned long long)pfn, page_class_name(fx->class[pfn]),
				 page_class_name(class));
}

static void tails_are_what_their_head_is(void **state)
{
	struct fixture *fx = new_fixture();

	fake_compound_put(&fx->mm, 512, 512, user_page);
	fake_compound_put(&fx->mm, 1024, 8, slab_page);
	fake_compound_put(&fx->mm, 2048, 4, (struct fake_page){ .flags = FAKE_PG_LRU, .mapping = CACHE });
	fake_compound_put(&fx->mm, 2052, 4,
			  (struct fake_page){ .flags = FAKE_PG_LRU | FAKE_PG_PRIVATE, .mapping = CACHE });
	fake_compound_put(&fx->mm, 2056, 4, (struct fake_page){ 0 });
	classify_from(fx, 0);
	assert_classes(fx, 511, 512, PAGE_CLASS_KERNEL);
	assert_classes(fx, 512, 1024, PAGE_CLASS_USER);
	assert_classes(fx, 1024, 2048, PAGE_CLASS_KERNEL);
	assert_classes(fx, 2048, 2052, PAGE_CLASS_CACHE);
	assert_classes(fx, 2052, 2056, PAGE_CLASS_CACHE_PRIVATE);
	assert_classes(fx, 2056, NR_PFNS, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

static void tails_find_a_head_in_another_batch(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_page hugetlb_tail = { .compound_head = fake_page_vaddr(&fx->mm, 4095) + 1, .dtor = 2 };

	fake_compound_put(&fx->mm, BATCH - 256, 255, user_page);
	for (uint64_t pfn = BATCH + 256; pfn < BATCH + 300; pfn++)
		fake_page_put(&fx->mm, pfn,
			      (struct fake_page){ .compound_head = fake_page_vaddr(&fx->mm, BATCH - 256) + 1 });
	/* A head that is last in its batch: what it is stands in the first struct page of the next. */
	fake_page_put(&fx->mm, 4095, (struct fake_page){ .flags = FAKE_PG_HEAD, .mapping = CACHE });
	for (uint64_t pfn = BATCH; pfn < BATCH + 10; pfn++)
		fake_page_put(&fx->mm, pfn, hugetlb_tail);
	classify_from(fx, 0);
	assert_classes(fx, BATCH - 256, BATCH + 10, PAGE_CLASS_USER);
	assert_classes(fx, BATCH + 10, BATCH + 256, PAGE_CLASS_KERNEL);
	assert_classes(fx, BATCH + 256, BATCH + 300, PAGE_CLASS_USER);
	/* And without having seen the batch before. */
	memset(fx->class, 0xff, sizeof(fx->class));
	classify_from(fx, BATCH);
	assert_classes(fx, BATCH, BATCH + 10, PAGE_CLASS_USER);
	assert_classes(fx, BATCH + 256, BATCH + 300, PAGE_CLASS_USER);
	free_fixture(fx);
}

static void tails_with_wild_links_are_unknown(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_memmap *mm = &fx->mm;
	const uint64_t wild[] = {
		1, /* nothing there */
		UINT64_MAX,
		fake_page_vaddr(mm, 0) - FAKE_PAGE_STRUCT + 1,
		fake_page_vaddr(mm, 512) + 32 + 1, /* inside of a head's struct */
		fake_page_vaddr(mm, 513) + 1,	   /* a tail */
		fake_page_vaddr(mm, 700) + 1,	   /* a user page that is no head */
		fake_page_vaddr(mm, 800) + 1,	   /* a free block */
		FAKE_STEXT + 1,
	};
	size_t nr = ARRAY_SIZE(wild);

	fake_compound_put(mm, 512, 2, user_page);
	fake_page_put(mm, 700, user_page);
	fake_page_put(mm, 800, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .flags = FAKE_PG_HEAD });
	for (size_t i = 0; i < nr; i++)
		fake_page_put(mm, 2000 + i,
			      (struct fake_page){ .compound_head = wild[i], .mapping = ANON, .flags = FAKE_PG_LRU });
	/* Two that name each other. */
	for (int i = 0; i < 2; i++)
		fake_page_put(mm, 3000 + (uint64_t)i,
			      (struct fake_page){ .flags = FAKE_PG_HEAD | FAKE_PG_LRU,
						  .mapping = ANON,
						  .compound_head = fake_page_vaddr(mm, 3001 - (uint64_t)i) + 1 });
	classify_from(fx, 0);
	assert_classes(fx, 2000, 2000 + nr, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 3000, 3002, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 512, 514, PAGE_CLASS_USER);
	free_fixture(fx);
}

static void tail_that_says_slab_is_not_dropped_with_its_head(void **state)
{
	struct fixture *fx = new_fixture();

	fake_compound_put(&fx->mm, 512, 8, user_page);
	fake_page_put(&fx->mm, 515,
		      (struct fake_page){ .compound_head = fake_page_vaddr(&fx->mm, 512) + 1, .flags = FAKE_PG_SLAB });
	classify_from(fx, 0);
	assert_classes(fx, 512, 515, PAGE_CLASS_USER);
	assert_classes(fx, 515, 516, PAGE_CLASS_KERNEL);
	assert_classes(fx, 516, 520, PAGE_CLASS_USER);
	free_fixture(fx);
}

/*
 * A hugetlb page whose map was optimised: of its eight pages of struct pages, all show the first. So every 64th tail
 * looks like the head.
 */
static void fake_heads_are_tails(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_page head = { .flags = FAKE_PG_HEAD, .mapping = CACHE, .refcount = 1 };
	struct fake_page tail = { .compound_head = fake_page_vaddr(&fx->mm, 1024) + 1, .dtor = 2 };

	for (uint64_t pfn = 1024; pfn < 1024 + 512; pfn++)
		fake_page_put(&fx->mm, pfn, pfn % 64 ? tail : head);
	/* The same for slab pages, were there such: a fake head must not turn into a head of its own kind. */
	tail.compound_head = fake_page_vaddr(&fx->mm, 2048) + 1;
	tail.dtor = 0;
	for (uint64_t pfn = 2048; pfn < 2048 + 512; pfn++)
		fake_page_put(&fx->mm, pfn, pfn % 64 ? tail : user_page);
	head = slab_page;
	head.flags |= FAKE_PG_HEAD;
	fake_page_put(&fx->mm, 2048, head);
	head = user_page;
	head.flags |= FAKE_PG_HEAD;
	fake_page_put(&fx->mm, 2048 + 64, head);
	classify_from(fx, 0);
	assert_classes(fx, 1024, 1024 + 512, PAGE_CLASS_USER);
	assert_classes(fx, 2048, 2048 + 128, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

static void free_blocks_take_their_inner_pages(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_memmap *mm = &fx->mm;

	for (uint64_t order = 0; order < FAKE_MAX_ORDER; order++)
		fake_page_put(mm, 1024 + (UINT64_C(1) << order),
			      (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = order });
	/* Over the end of a batch, aligned all the same. */
	fake_page_put(mm, BATCH - 1, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 0 });
	classify_from(fx, 0);
	assert_classes(fx, 1024, 1025, PAGE_CLASS_KERNEL);
	assert_classes(fx, 1025, 1025 + 1023, PAGE_CLASS_FREE);
	assert_classes(fx, 2048, 2048 + 1024, PAGE_CLASS_FREE);
	assert_classes(fx, 3072, BATCH - 1, PAGE_CLASS_KERNEL);
	assert_classes(fx, BATCH - 1, BATCH, PAGE_CLASS_FREE);
	assert_classes(fx, BATCH, NR_PFNS, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

static void members_that_contradict_their_free_block_are_kept(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_memmap *mm = &fx->mm;

	fake_page_put(mm, 1024, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	fake_page_put(mm, 1030, (struct fake_page){ .refcount = 1 });
	fake_page_put(mm, 1031, (struct fake_page){ .flags = FAKE_PG_SLAB });
	fake_page_put(mm, 1032, user_page);
	fake_page_put(mm, 1033, (struct fake_page){ .mapcount_plus_1 = -513 + 1 }); /* a page table */
	fake_compound_put(mm, 1040, 4, slab_page);
	fake_page_put(mm, 1050, (struct fake_page){ .flags = FAKE_PG_HWPOISON });
	fake_page_put(mm, 1060, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 2 });
	classify_from(fx, 0);
	assert_classes(fx, 1024, 1030, PAGE_CLASS_FREE);
	assert_classes(fx, 1030, 1032, PAGE_CLASS_KERNEL);
	assert_classes(fx, 1032, 1033, PAGE_CLASS_USER);
	assert_classes(fx, 1033, 1034, PAGE_CLASS_KERNEL);
	assert_classes(fx, 1034, 1040, PAGE_CLASS_FREE);
	assert_classes(fx, 1040, 1044, PAGE_CLASS_KERNEL);
	assert_classes(fx, 1050, 1051, PAGE_CLASS_HWPOISON);
	assert_classes(fx, 1051, 2048, PAGE_CLASS_FREE);
	free_fixture(fx);
}

static void free_blocks_of_absurd_order_are_unknown(void **state)
{
	static const uint64_t orders[] = { 11, 12, 63, 64, UINT64_MAX, UINT64_C(1) << 32 };
	struct fixture *fx = new_fixture();

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		fake_page_put(&fx->mm, 4096 + i * 8,
			      (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = orders[i] });
	fake_page_put(&fx->mm, 1025, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 1 });
	fake_page_put(&fx->mm, 512, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	classify_from(fx, 0);
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		assert_classes(fx, 4096 + i * 8, 4097 + i * 8, PAGE_CLASS_UNKNOWN);
		assert_classes(fx, 4097 + i * 8, 4104 + i * 8, PAGE_CLASS_KERNEL);
	}
	assert_classes(fx, 1025, 1026, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 512, 513, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 513, 1025, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

static void broken_memory_is_told_page_by_page(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_page head = user_page;

	fake_compound_put(&fx->mm, 512, 8, user_page);
	fake_page_put(
		&fx->mm, 515,
		(struct fake_page){ .compound_head = fake_page_vaddr(&fx->mm, 512) + 1, .flags = FAKE_PG_HWPOISON });
	/* A hugetlb page is marked at its head; which page of it is broken stands elsewhere. */
	head.flags |= FAKE_PG_HWPOISON;
	fake_compound_put(&fx->mm, 1024, 8, head);
	classify_from(fx, 0);
	assert_classes(fx, 512, 515, PAGE_CLASS_USER);
	assert_classes(fx, 515, 516, PAGE_CLASS_HWPOISON);
	assert_classes(fx, 516, 520, PAGE_CLASS_USER);
	assert_classes(fx, 1024, 1025, PAGE_CLASS_HWPOISON);
	assert_classes(fx, 1025, 1032, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

/* page_init_poison() fills what nobody initialised with ones, the hwpoison bit among them. */
static void structs_that_nobody_wrote_are_kept(void **state)
{
	struct fixture *fx = new_fixture();
	uint8_t ones[FAKE_PAGE_STRUCT];

	memset(ones, 0xff, sizeof(ones));
	for (uint64_t pfn = 2000; pfn < 2100; pfn++)
		fake_put(fx->mm.fk, fake_page_vaddr(&fx->mm, pfn), ones, sizeof(ones));
	classify_from(fx, 0);
	for (uint64_t pfn = 2000; pfn < 2100; pfn++)
		assert_true(fx->class[pfn] == PAGE_CLASS_KERNEL || fx->class[pfn] == PAGE_CLASS_UNKNOWN);
	free_fixture(fx);
}

static void unreadable_parts_of_the_map_are_unknown(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_memmap *mm = &fx->mm;

	fake_section_put(mm, 6, 0);
	fake_compound_put(mm, 1024, 512, user_page);
	fake_page_put(mm, 960, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 6 });
	fake_page_put(mm, 512, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 9 });
	fake_hole(mm->fk, fake_page_vaddr(mm, 1024), ST_IO);	 /* a head's struct page and 63 more */
	fake_hole(mm->fk, fake_page_vaddr(mm, 640), ST_NO_DATA); /* in the middle of a free block */
	classify_from(fx, 0);
	assert_classes(fx, 6 * 1024, 7 * 1024, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 1024, 1536, PAGE_CLASS_UNKNOWN); /* the tails' head cannot be asked */
	assert_classes(fx, 512, 640, PAGE_CLASS_FREE);
	assert_classes(fx, 640, 704, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 704, 1024, PAGE_CLASS_FREE);
	free_fixture(fx);
}

static void types_in_the_top_byte(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct fake_page head = { .mapping = ANON, .refcount = 1, .flags = FAKE_PG_LRU };

	fx->mm = fake_memmap_new(RAM, FAKE_EXTREME);
	fake_vi_add(fx->mm.fk,
		    "NUMBER(PG_lru)=4\nNUMBER(PG_swapcache)=10\nNUMBER(PG_private)=13\nNUMBER(PG_swapbacked)=19");
	fake_vi_add(fx->mm.fk, "NUMBER(PG_hwpoison)=22\nNUMBER(PG_head_mask)=65536\nLENGTH(zone.free_area)=11");
	fake_vi_add(fx->mm.fk,
		    "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-268435456\nNUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-251658240");
	fake_vi_add(fx->mm.fk,
		    "NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=-201326592\nNUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376");
	fake_page_put(&fx->mm, 1024, (struct fake_page){ .mapcount_plus_1 = -268435456 + 1, .private = 5 });
	head.mapcount_plus_1 = -184549376 + 77 + 1;
	fake_compound_put(&fx->mm, 2048, 8, head);
	head.mapcount_plus_1 = -201326592 + 1;
	head.mapping = CACHE;
	fake_compound_put(&fx->mm, 3072, 512, head);
	fake_page_put(&fx->mm, 5000, (struct fake_page){ .mapcount_plus_1 = -251658240 + 1 });
	classify_from(fx, 0);
	assert_classes(fx, 1024, 1024 + 32, PAGE_CLASS_FREE);
	assert_classes(fx, 1024 + 32, 3072, PAGE_CLASS_KERNEL);
	assert_classes(fx, 3072, 3072 + 512, PAGE_CLASS_USER);
	assert_classes(fx, 5000, 5001, PAGE_CLASS_OFFLINE);
	free_fixture(fx);
}

static void slab_pages_are_counted(void **state)
{
	struct fixture *fx = new_fixture();

	fake_page_put(&fx->mm, 100, slab_page);
	fake_compound_put(&fx->mm, 512, 8, slab_page);
	fake_compound_put(&fx->mm, 1024, 8, user_page);
	fake_compound_put(&fx->mm, BATCH - 4, 8, slab_page); /* over the end of a batch */
	classify_from(fx, 0);
	assert_int_equal(fx->counts.slab, 1 + 8 + 8);
	free_fixture(fx);
}

static void reserved_pages_are_kept_and_counted_by_what_they_seemed(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_page reserved = { .flags = FAKE_PG_LRU | UINT64_C(1) << 12, .mapping = CACHE, .refcount = 1 };

	fake_vi_add(fx->mm.fk, "NUMBER(PG_reserved)=12");
	for (uint64_t pfn = 100; pfn < 103; pfn++)
		fake_page_put(&fx->mm, pfn, reserved);
	reserved.mapping = ANON;
	fake_page_put(&fx->mm, 103, reserved);
	reserved.flags = UINT64_C(1) << 12; /* and nothing else: no rule claims it */
	reserved.mapping = 0;
	fake_page_put(&fx->mm, 104, reserved);
	classify_from(fx, 0);
	assert_classes(fx, 100, 105, PAGE_CLASS_KERNEL);
	assert_int_equal(fx->counts.reserved[PAGE_CLASS_CACHE], 3);
	assert_int_equal(fx->counts.reserved[PAGE_CLASS_USER], 1);
	assert_int_equal(fx->counts.reserved[PAGE_CLASS_KERNEL], 0);
	free_fixture(fx);
}

static uint64_t random_word(unsigned *seed)
{
	return (uint64_t)rand_r(seed) << 62 | (uint64_t)rand_r(seed) << 31 | (uint64_t)rand_r(seed);
}

/* Struct pages of random bytes, a few of them with links that lead somewhere. */
static void fill_with_nonsense(struct fixture *fx, unsigned *seed)
{
	for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
		struct fake_page p = {
			.flags = rand_r(seed) % 2 ? random_word(seed) : UINT64_C(1) << rand_r(seed) % 24,
			.compound_head = rand_r(seed) % 4 ? 0 : random_word(seed) | 1,
			.mapping = rand_r(seed) % 2 ? random_word(seed) | UINT64_C(1) << 63 : 0,
			.private = rand_r(seed) % 2 ? (uint64_t)rand_r(seed) % 12 : random_word(seed),
			.mapcount_plus_1 = rand_r(seed) % 3
						   ? 0
						   : (rand_r(seed) % 2 ? FAKE_BUDDY + 1 : rand_r(seed) - rand_r(seed)),
			.refcount = rand_r(seed) % 3 - 1,
			.dtor = (uint8_t)(rand_r(seed) % 3),
		};

		if (rand_r(seed) % 8 == 0)
			p.compound_head = fake_page_vaddr(&fx->mm, (uint64_t)rand_r(seed) % NR_PFNS) + 1;
		fake_page_put(&fx->mm, pfn, p);
	}
}

static void nonsense_never_loses_slab_or_the_unknown(void **state)
{
	for (unsigned seed = 1; seed <= 6; seed++) {
		struct fixture *fx = new_fixture();
		uint64_t nr_slab = 0;
		unsigned s = seed;

		fill_with_nonsense(fx, &s);
		for (uint64_t nr = 0; nr < 20; nr++)
			fake_hole(fx->mm.fk, fake_page_vaddr(&fx->mm, (uint64_t)rand_r(&s) % NR_PFNS), ST_IO);
		classify_from(fx, 0);
		for (uint64_t pfn = 0; pfn < NR_PFNS; pfn++) {
			enum page_class class = fx->class[pfn];
			uint64_t vaddr = fake_page_vaddr(&fx->mm, pfn);
			const struct fake_kernel *fk = fx->mm.fk;
			size_t i = fake_page_index(fk, vaddr);
			uint64_t flags = get_u64(fk->ram + fk->pages[i].paddr + vaddr % FAKE_PAGE, ORDER_LITTLE);

			if (fk->pages[i].status != ST_OK) {
				assert_int_equal(class, PAGE_CLASS_UNKNOWN);
			} else if (flags & FAKE_PG_SLAB && !(flags & FAKE_PG_HWPOISON)) {
				nr_slab++;
				assert_true(class == PAGE_CLASS_KERNEL || class == PAGE_CLASS_UNKNOWN);
			}
		}
		assert_true(nr_slab > 500);
		free_fixture(fx);
	}
}

static void kernel_that_does_not_tell_enough_is_not_classified(void **state)
{
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);
	struct kmodel *km = fake_kernel_open(mm.fk);
	struct classifier *c;
	struct err err = { 0 };

	assert_int_equal(classifier_open(km, &c, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "slab"));
	kmodel_close(km);
	fake_vi_6_1(mm.fk);
	for (uint64_t nr = 0; nr < mm.nr_sections; nr++)
		fake_section_put(&mm, nr, 0);
	km = fake_kernel_open(mm.fk);
	assert_int_equal(classifier_open(km, &c, &err), ST_NOT_FOUND);
	kmodel_close(km);
	fake_memmap_free(&mm);
	classifier_close(NULL);
}

/* Blocks larger than a batch: whoever takes up the work inside one finds its head. */
static void free_block_that_began_in_another_batch(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	fx->mm = fake_memmap_new(RAM, FAKE_EXTREME);
	fake_vi_add(fx->mm.fk, "NUMBER(PG_slab)=9\nNUMBER(PG_head_mask)=65536\nLENGTH(zone.free_area)=14");
	fake_vi_add(fx->mm.fk, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=%d", FAKE_BUDDY);
	fake_page_put(&fx->mm, 0, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 13 });
	fake_page_put(&fx->mm, BATCH + 7, slab_page);
	classify_from(fx, 0);
	assert_classes(fx, 0, BATCH + 7, PAGE_CLASS_FREE);
	memset(fx->class, 0xff, sizeof(fx->class));
	classify_from(fx, BATCH);
	assert_classes(fx, BATCH, BATCH + 7, PAGE_CLASS_FREE);
	assert_classes(fx, BATCH + 7, BATCH + 8, PAGE_CLASS_KERNEL);
	assert_classes(fx, BATCH + 8, NR_PFNS, PAGE_CLASS_FREE);
	/* A slab does not begin a free block, whatever else it says. */
	fake_page_put(&fx->mm, 0,
		      (struct fake_page){ .flags = FAKE_PG_SLAB, .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 13 });
	classify_from(fx, BATCH);
	assert_classes(fx, BATCH, NR_PFNS, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

static void free_block_goes_on_in_the_next_call(void **state)
{
	struct fixture *fx = new_fixture();
	struct kmodel *km;
	struct classifier *c;

	fake_page_put(&fx->mm, 1024, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	km = fake_kernel_open(fx->mm.fk);
	assert_int_equal(classifier_open(km, &c, NULL), ST_OK);
	fx->next_pfn = 1000;
	while (fx->next_pfn < 3000)
		run_to(fx, c, fx->next_pfn + 77);
	assert_classes(fx, 1000, 1024, PAGE_CLASS_KERNEL);
	assert_classes(fx, 1024, 2048, PAGE_CLASS_FREE);
	assert_classes(fx, 2048, 3000, PAGE_CLASS_KERNEL);
	classifier_close(c);
	kmodel_close(km);
	free_fixture(fx);
}

/* Linux 7.1 and later: the link is a mask, and says another head where the next compound page could begin. */
static void equal_masks_lead_to_different_heads(void **state)
{
	struct fixture *fx = new_fixture();
	struct fake_page tail = { .compound_head = -(uint64_t)(64 * FAKE_PAGE_STRUCT) | 1 };

	fake_vi_add(fx->mm.fk, "OFFSET(page.compound_info)=8");
	fake_compound_put(&fx->mm, 512, 64, user_page);
	for (uint64_t pfn = 513; pfn < 600; pfn++)
		fake_page_put(&fx->mm, pfn, tail);
	classify_from(fx, 0);
	assert_classes(fx, 512, 576, PAGE_CLASS_USER);
	assert_classes(fx, 576, 600, PAGE_CLASS_UNKNOWN);
	assert_classes(fx, 600, NR_PFNS, PAGE_CLASS_KERNEL);
	free_fixture(fx);
}

/* Two places by turns, so that what outlives its view is seen to be wrong. */
static uint8_t viewed[2][FAKE_PAGE];
static unsigned nr_views;
static bool views_fail, view_failed;

/* In the place of the product's, which knows nothing of these. */
bool rsource_view_end(void)
{
	bool whole = !view_failed;

	view_failed = false;
	return whole;
}

static const uint8_t *fake_view(struct physmem *pm, uint64_t paddr, size_t len)
{
	uint8_t *at = viewed[nr_views % 2];
	size_t got;

	memset(viewed, 0xee, sizeof(viewed));
	if (len > FAKE_PAGE || fake_physmem_read(pm, paddr, at, len, &got, NULL) != ST_OK)
		return NULL;
	nr_views++;
	view_failed = views_fail;
	if (view_failed)
		memset(at, 0, len / 2);
	return at;
}

static void classify_views(struct fixture *fx)
{
	static const struct physmem_ops ops = {
		.read = fake_physmem_read,
		.next_data = fake_next_data,
		.view = fake_view,
		.close = fake_physmem_close,
	};
	const uint64_t nr = FAKE_PAGE / FAKE_PAGE_STRUCT;
	struct kmodel *km;
	struct classifier *c;

	fx->mm.fk->pm.ops = &ops;
	km = fake_kernel_open(fx->mm.fk);
	assert_int_equal(classifier_open(km, &c, NULL), ST_OK);
	memset(fx->class, 0xff, sizeof(fx->class));
	nr_views = 0;
	for (fx->next_pfn = 0; fx->next_pfn < NR_PFNS;) {
		run_to(fx, c, fx->next_pfn + nr);
		memset(viewed, 0x11, sizeof(viewed)); /* ended */
		if (fx->next_pfn == 2496)
			assert_int_equal(classifier_kernel_kind(c, 2470), KERNEL_KIND_SLAB);
	}
	assert_int_equal(nr_views, NR_PFNS / nr - 1 - FAKE_SECTION_PAGES / nr);
	classifier_take_counts(c, &fx->counts);
	classifier_close(c);
	kmodel_close(km);
}

static void struct_pages_are_looked_at_where_they_lie(void **state)
{
	struct fixture *fx = new_fixture(), *read = malloc(sizeof(*read));

	assert_non_null(read);
	fake_compound_put(&fx->mm, 100, 500, user_page);
	/* A head that is last in its batch, and what it is stands behind. */
	fake_page_put(&fx->mm, 703, (struct fake_page){ .flags = FAKE_PG_HEAD, .mapping = CACHE });
	fake_page_put(&fx->mm, 704,
		      (struct fake_page){ .compound_head = fake_page_vaddr(&fx->mm, 703) + 1, .dtor = 2 });
	fake_page_put(&fx->mm, 1024, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	/* A batch that is run twice must not see twice: the end of a free block, slab pages, a head that was not there. */
	fake_page_put(&fx->mm, 2080, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 5 });
	fake_compound_put(&fx->mm, 2304, 64, user_page);
	fake_compound_put(&fx->mm, 2464, 32, slab_page);
	fake_hole(fx->mm.fk, fake_page_vaddr(&fx->mm, 320), ST_IO);
	fake_section_put(&fx->mm, 4, 0);
	classify_from(fx, 0);
	*read = *fx;
	for (int fails = 0; fails < 2; fails++) {
		views_fail = fails;
		classify_views(fx);
		assert_memory_equal(read->class, fx->class, sizeof(fx->class));
		assert_memory_equal(&read->counts, &fx->counts, sizeof(fx->counts));
	}
	assert_classes(fx, 703, 704, PAGE_CLASS_USER);
	assert_classes(fx, 2048, 2080, PAGE_CLASS_KERNEL);
	assert_classes(fx, 2080, 2112, PAGE_CLASS_FREE);
	assert_classes(fx, 2304, 2368, PAGE_CLASS_USER);
	assert_int_equal(fx->counts.slab, 32);
	free(read);
	free_fixture(fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails_are_what_their_head_is),
		cmocka_unit_test(tails_find_a_head_in_another_batch),
		cmocka_unit_test(tails_with_wild_links_are_unknown),
		cmocka_unit_test(tail_that_says_slab_is_not_dropped_with_its_head),
		cmocka_unit_test(fake_heads_are_tails),
		cmocka_unit_test(free_blocks_take_their_inner_pages),
		cmocka_unit_test(members_that_contradict_their_free_block_are_kept),
		cmocka_unit_test(free_blocks_of_absurd_order_are_unknown),
		cmocka_unit_test(broken_memory_is_told_page_by_page),
		cmocka_unit_test(structs_that_nobody_wrote_are_kept),
		cmocka_unit_test(unreadable_parts_of_the_map_are_unknown),
		cmocka_unit_test(types_in_the_top_byte),
		cmocka_unit_test(slab_pages_are_counted),
		cmocka_unit_test(reserved_pages_are_kept_and_counted_by_what_they_seemed),
		cmocka_unit_test(nonsense_never_loses_slab_or_the_unknown),
		cmocka_unit_test(kernel_that_does_not_tell_enough_is_not_classified),
		cmocka_unit_test(free_block_that_began_in_another_batch),
		cmocka_unit_test(free_block_goes_on_in_the_next_call),
		cmocka_unit_test(equal_masks_lead_to_different_heads),
		cmocka_unit_test(struct_pages_are_looked_at_where_they_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
