// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of a split set joined, readers cloned, and both read by threads; the comparison that is built on that. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare/pages.h"
#include "fake_kdump.h"
#include "formats/kdump/kdump_physmem.h"

#define PAGE 4096u
#define MAX_PFN 3000u
#define NR_PARTS 7
#define NR_READERS 4

static const uint64_t cuts[NR_PARTS + 1] = { 0, 64, 1000, 1000, 1001, 2048, 2500, MAX_PFN };

static enum fake_store mixed(uint64_t pfn)
{
	return pfn % 7 == 2 ? FAKE_EXCLUDED : pfn % 5 == 1 ? FAKE_ZERO : pfn % 11 == 4 ? FAKE_RAW : FAKE_STORED;
}

static enum fake_store mixed_less(uint64_t pfn)
{
	return pfn == 700 ? FAKE_EXCLUDED : mixed(pfn);
}

static struct fake_kdump fake_part(size_t i)
{
	struct fake_kdump f = {
		.order = ORDER_LITTLE,
		.version = 6,
		.machine = "x86_64",
		.codec = i % 2 ? "zstd" : "lzo",
		.page_size = PAGE,
		.max_mapnr = MAX_PFN,
		.store = mixed,
		.content = fake_content,
		.notes = "",
		.split = true,
		.start_pfn = cuts[i],
		.end_pfn = cuts[i + 1],
	};

	return f;
}

struct set {
	struct fake_kdump files[NR_PARTS];
	struct physmem *pms[NR_PARTS];
};

static struct physmem *open_fake(struct fake_kdump *f)
{
	struct rsource *src;
	struct physmem *pm;

	fake_kdump_build(f);
	assert_int_equal(rsource_mem_open(f->bytes, f->len, "part", &src, NULL), ST_OK);
	assert_int_equal(kdump_physmem_open(src, &pm, NULL), ST_OK);
	return pm;
}

static void set_open(struct set *s)
{
	for (size_t i = 0; i < NR_PARTS; i++) {
		s->files[i] = fake_part(i);
		s->pms[i] = open_fake(&s->files[i]);
	}
}

static enum status match_and_join(struct physmem *const *pms, size_t nr, struct physmem **pm, struct err *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < nr && st == ST_OK; i++)
		st = kdump_physmem_match(pms[0], pms[i], err);
	return st == ST_OK ? kdump_physmem_join(pms, nr, pm, err) : st;
}

/* In an order that is none. */
static struct physmem *set_join(struct set *s)
{
	struct physmem *pm, *swap = s->pms[0];

	s->pms[0] = s->pms[4];
	s->pms[4] = swap;
	assert_int_equal(match_and_join(s->pms, NR_PARTS, &pm, NULL), ST_OK);
	return pm;
}

static void set_free(struct set *s)
{
	for (size_t i = 0; i < NR_PARTS; i++)
		free(s->files[i].bytes);
}

/* 0: every page from @first on, every @step-th, is what it should be. Not cmocka's: it may run on any thread. */
static uint64_t count_wrong(struct physmem *pm, uint64_t first, uint64_t step)
{
	uint8_t expected[PAGE], page[PAGE];
	uint64_t wrong = 0;

	for (uint64_t pfn = first; pfn < MAX_PFN; pfn += step) {
		enum status st = physmem_read(pm, pfn * PAGE, page, PAGE, NULL);

		memset(expected, 0, sizeof(expected));
		if (mixed(pfn) != FAKE_ZERO)
			fake_content(pfn, expected, PAGE);
		if (mixed(pfn) == FAKE_EXCLUDED)
			wrong += st != ST_NO_DATA;
		else
			wrong += st != ST_OK || memcmp(page, expected, PAGE) != 0;
	}
	return wrong;
}

static void a_set_reads_as_one(void **state)
{
	struct set s;
	struct physmem *pm;
	uint64_t pfn = 1, nr = 0;
	struct range run = { 0, 0 };

	set_open(&s);
	pm = set_join(&s);
	assert_int_equal(count_wrong(pm, 0, 1), 0);
	for (int i = 0; i < 2000; i++, pfn = (pfn * 1103515245 + 12345) % MAX_PFN)
		assert_int_equal(count_wrong(pm, pfn, MAX_PFN), 0);
	while (physmem_next_data(pm, run.end, UINT64_MAX, &run))
		nr += (run.end - run.start) / PAGE;
	assert_int_equal(nr, kdump_physmem_details(pm)->nr_stored);
	assert_int_equal(kdump_physmem_details(pm)->nr_elsewhere, 0);
	assert_int_equal(kdump_physmem_details(pm)->nr_files, NR_PARTS);
	physmem_close(pm);
	set_free(&s);
}

static void assert_refused(struct physmem *const *pms, size_t nr, const char *why)
{
	struct physmem *pm;
	struct err err = { 0 };

	assert_int_equal(match_and_join(pms, nr, &pm, &err), ST_BAD_INPUT);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void a_set_that_is_none(void **state)
{
	struct fake_kdump other = fake_part(1), alone = fake_part(0);
	struct set s;
	struct physmem *again[2];

	other.store = mixed_less;
	alone.split = false;
	for (size_t first = 0; first < 2; first++) { /* the last file is missing, the first one is */
		set_open(&s);
		assert_refused(s.pms + first, NR_PARTS - 1, "missing");
		again[0] = again[1] = s.pms[0];
		if (!first)
			assert_refused(again, 2, "both claim page frame");
		for (size_t i = 0; i < NR_PARTS; i++)
			physmem_close(s.pms[i]);
		set_free(&s);
	}
	set_open(&s);
	again[0] = s.pms[0];
	again[1] = open_fake(&other);
	assert_refused(again, 2, "not of one split dump");
	physmem_close(again[1]);
	again[1] = open_fake(&alone);
	assert_refused(again, 2, "a dump of its own");
	physmem_close(again[1]);
	for (size_t i = 0; i < NR_PARTS; i++)
		physmem_close(s.pms[i]);
	set_free(&s);
	free(other.bytes);
	free(alone.bytes);
}

struct reader {
	struct physmem *pm;
	uint64_t first, wrong;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;

	r->wrong = count_wrong(r->pm, r->first, 1) + count_wrong(r->pm, r->first, 3);
	return NULL;
}

static void clones_read_at_once(void **state)
{
	struct reader readers[NR_READERS];
	pthread_t threads[NR_READERS];
	struct set s;
	struct physmem *pm;

	set_open(&s);
	pm = set_join(&s);
	for (size_t i = 0; i < NR_READERS; i++) {
		readers[i].first = i * 100;
		assert_int_equal(physmem_clone(pm, &readers[i].pm, NULL), ST_OK);
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	}
	assert_int_equal(count_wrong(pm, 0, 1), 0);
	for (size_t i = 0; i < NR_READERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].wrong, 0);
		physmem_close(readers[i].pm);
	}
	physmem_close(pm);
	set_free(&s);
}

static void wrong_at_some(uint64_t pfn, uint8_t *page, size_t len)
{
	fake_content(pfn, page, len);
	if (pfn % 300 == 5)
		page[pfn % len] ^= 1;
}

static void every_number_of_threads_reports_the_same(void **state)
{
	static struct compare_report alone, report;
	struct fake_kdump other = fake_part(0);
	struct pages_job job = { .inner_is_kdump = true, .outer_is_kdump = true };
	struct set s;

	other.split = false;
	other.content = wrong_at_some;
	set_open(&s);
	job.inner = set_join(&s);
	job.outer = open_fake(&other);
	job.place.page_size = PAGE;
	assert_int_equal(pages_compare(&job, &alone, NULL), ST_OK);
	assert_true(alone.differ_unexplained >= 4);
	for (job.nr_threads = 2; job.nr_threads <= 8; job.nr_threads++) {
		memset(&report, 0, sizeof(report));
		assert_int_equal(pages_compare(&job, &report, NULL), ST_OK);
		assert_memory_equal(&report, &alone, sizeof(report));
	}
	physmem_close(job.inner);
	physmem_close(job.outer);
	set_free(&s);
	free(other.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_reads_as_one),
		cmocka_unit_test(a_set_that_is_none),
		cmocka_unit_test(clones_read_at_once),
		cmocka_unit_test(every_number_of_threads_reports_the_same),
	};

	return cmocka_run_group_tests_name("kdump_set", tests, NULL, NULL);
}
