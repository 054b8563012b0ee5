// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "formats/pagesize.h"
#include "tests/unit/fake_elf.h"
#include "tests/unit/fake_memory.h"

#define PAGE 4096u

/* What the page at @pfn must be, byte by byte. */
static enum page_state expected(struct fake_memory *fm, uint64_t pfn, uint8_t page[PAGE])
{
	size_t covered = 0;

	memset(page, 0, PAGE);
	for (size_t i = 0; i < PAGE; i++) {
		uint64_t paddr = pfn * PAGE + i;
		const struct fake_piece *p = fake_memory_find(fm, paddr);

		if (!p || paddr < p->start || p->kind == FAKE_CLAIMED)
			continue;
		if (p->kind == FAKE_BROKEN) {
			memset(page, 0, PAGE);
			return PAGE_UNREADABLE;
		}
		page[i] = fake_memory_byte(p->kind, paddr);
		covered++;
	}
	return covered == PAGE ? PAGE_WHOLE : covered ? PAGE_PARTIAL : PAGE_ABSENT;
}

static void check_pages(struct fake_memory *fm, uint64_t start_pfn, size_t nr)
{
	_cleanup_free_ uint8_t *buf = malloc(nr * PAGE);
	_cleanup_free_ enum page_state *state = calloc(nr, sizeof(*state));
	uint8_t want[PAGE];

	memset(buf, 0xa5, nr * PAGE);
	physmem_read_pages(fake_memory_pm(fm), start_pfn, nr, buf, state);
	for (size_t i = 0; i < nr; i++) {
		enum page_state s = expected(fm, start_pfn + i, want);

		if (state[i] != s)
			fail_msg("page %llu is %d, not %d", (unsigned long long)(start_pfn + i), state[i], s);
		assert_memory_equal(buf + i * PAGE, want, PAGE);
	}
}

static void page_of_three_pieces_is_whole(void **state)
{
	struct fake_memory fm = fake_memory_new(PAGE);

	fake_memory_add(&fm, 0x1000, 0x2100, FAKE_DATA);
	fake_memory_add(&fm, 0x2100, 0x2fff, FAKE_NOISE);
	fake_memory_add(&fm, 0x2fff, 0x4000, FAKE_DATA);
	check_pages(&fm, 1, 3);
	check_pages(&fm, 2, 1);
	check_pages(&fm, 0, 6);
}

static void page_with_gaps_is_partial_and_zero_there(void **state)
{
	struct fake_memory fm = fake_memory_new(PAGE);

	fake_memory_add(&fm, 0x1003, 0x1100, FAKE_DATA);
	fake_memory_add(&fm, 0x1100, 0x1200, FAKE_CLAIMED);
	fake_memory_add(&fm, 0x1300, 0x1301, FAKE_NOISE);
	fake_memory_add(&fm, 0x2fff, 0x3001, FAKE_NOISE);
	fake_memory_add(&fm, 0x4000, 0x5000, FAKE_CLAIMED);
	check_pages(&fm, 0, 7);
}

static void unreadable_piece_makes_the_whole_page_unreadable(void **state)
{
	struct fake_memory fm = fake_memory_new(PAGE);

	fake_memory_add(&fm, 0x1000, 0x2100, FAKE_DATA);
	fake_memory_add(&fm, 0x2100, 0x2101, FAKE_BROKEN);
	fake_memory_add(&fm, 0x2101, 0x3000, FAKE_DATA);
	fake_memory_add(&fm, 0x3000, 0x3800, FAKE_DATA);
	fake_memory_add(&fm, 0x3fff, 0x5001, FAKE_BROKEN);
	fake_memory_add(&fm, 0x5001, 0x7000, FAKE_DATA);
	check_pages(&fm, 1, 6);
}

static void random_pieces_make_the_pages_that_bytes_say(void **state)
{
	static struct fake_memory fm;
	unsigned seed = 4711;

	for (int round = 0; round < 300; round++) {
		uint64_t at = (uint64_t)rand_r(&seed) % 5000;

		fm = fake_memory_new(PAGE);
		while (at < 20 * PAGE) {
			uint64_t len = rand_r(&seed) % 3
					       ? 1 + (uint64_t)rand_r(&seed) % 3000
					       : align_up(at + 1, PAGE) - at + PAGE * ((uint64_t)rand_r(&seed) % 3);

			fake_memory_add(&fm, at, at + len, (enum fake_piece_kind)(rand_r(&seed) % 5));
			at += len + (rand_r(&seed) % 2 ? 0 : (uint64_t)rand_r(&seed) % 3000);
		}
		check_pages(&fm, (uint64_t)rand_r(&seed) % 4, 21);
		check_pages(&fm, 18, 10);
	}
}

/* A long hole costs a read or two a page, not a read of all that follows for each. */
static void unreadable_run_is_passed_in_one_sweep(void **state)
{
	static struct fake_memory fm;
	_cleanup_free_ uint8_t *buf = malloc(64 * PAGE);
	enum page_state states[64];

	fm = fake_memory_new(PAGE);
	fake_memory_add(&fm, 0, 32 * PAGE, FAKE_BROKEN);
	fake_memory_add(&fm, 32 * PAGE, 64 * PAGE, FAKE_DATA);
	physmem_read_pages(fake_memory_pm(&fm), 0, 64, buf, states);
	assert_true(fm.nr_reads <= 2 * 32 + 1);
	assert_int_equal(states[31], PAGE_UNREADABLE);
	assert_int_equal(states[32], PAGE_WHOLE);
}

static void pages_are_counted_once(void **state)
{
	static struct fake_memory fm;
	struct physmem *pm;

	fm = fake_memory_new(PAGE);
	pm = fake_memory_pm(&fm);
	assert_int_equal(physmem_nr_present_pages(pm), 0);
	assert_int_equal(physmem_max_pfn(pm), 0);
	fake_memory_add(&fm, 0x1001, 0x1002, FAKE_DATA); /* three ranges in page 1 */
	fake_memory_add(&fm, 0x1003, 0x1004, FAKE_DATA);
	fake_memory_add(&fm, 0x1fff, 0x2001, FAKE_DATA);
	fake_memory_add(&fm, 0x2002, 0x2003, FAKE_CLAIMED);
	fake_memory_add(&fm, 0x8000, 0x9000, FAKE_BROKEN);
	fake_memory_add(&fm, UINT64_C(1) << 55, UINT64_C(1) << 56, FAKE_CLAIMED);
	assert_int_equal(physmem_nr_present_pages(pm), 3 + (UINT64_C(1) << 43));
	assert_int_equal(physmem_max_pfn(pm), UINT64_C(1) << 44);
}

static void assert_page_size(const char *text, uint32_t size)
{
	assert_int_equal(pagesize_from_vmcoreinfo(text, strlen(text)), size);
}

static void page_size_is_taken_only_from_its_own_line(void **state)
{
	assert_int_equal(pagesize_from_vmcoreinfo(NULL, 0), 4096);
	assert_page_size("", 4096);
	assert_page_size("PAGESIZE=65536", 65536);
	assert_page_size("OSRELEASE=x\nPAGESIZE=16384\nX=1\n", 16384);
	assert_page_size("HUGEPAGESIZE=65536\nX=PAGESIZE=65536\n", 4096);
	assert_page_size("HUGEPAGESIZE=8192\nPAGESIZE=65536\n", 65536);
	assert_page_size("PAGESIZE=", 4096);
	assert_page_size("PAGESIZE=0\n", 4096);
	assert_page_size("PAGESIZE=2048\n", 4096);
	assert_page_size("PAGESIZE=5000\n", 4096);
	assert_page_size("PAGESIZE=524288\n", 4096);
	assert_page_size("PAGESIZE=18446744073709555712\n", 4096); /* 2^64 + 4096 */
	assert_page_size("PAGESIZE=-4096\n", 4096);
	assert_int_equal(pagesize_from_vmcoreinfo("PAGESIZE=65536", 12), 4096); /* cut to 655 */
}

static char path[64];

static enum status open_bytes(const void *bytes, size_t len, struct physmem **pm, struct err *err)
{
	FILE *f;
	enum status st;

	snprintf(path, sizeof(path), "/tmp/innercore-physmem-XXXXXX");
	f = fdopen(mkstemp(path), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	st = physmem_open(path, pm, err);
	unlink(path);
	return st;
}

static void what_is_no_dump_is_refused_in_one_clear_line(void **state)
{
	static const char text[] = "#!/bin/sh\necho this is no dump at all, but a rather long shell script\n";
	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
	struct physmem *pm;
	struct err err = { 0 };

	assert_int_equal(open_bytes("x", 1, &pm, &err), ST_BAD_INPUT);
	assert_int_equal(open_bytes(text, sizeof(text), &pm, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "not a dump"));
	assert_memory_equal(err.text, path, strlen(path));
	assert_int_equal(open_bytes(ELFMAG, SELFMAG, &pm, &err), ST_BAD_INPUT);
	assert_int_equal(open_bytes("KDUMP   ", 8, &pm, &err), ST_BAD_INPUT);
	assert_int_equal(open_bytes("makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 32, &pm, &err),
			 ST_BAD_INPUT);
	fe.type = ET_EXEC;
	fake_elf_phdr(&fe, PT_LOAD, 0x1000, 0, 0x1000, PAGE, PAGE);
	fake_elf_finish(&fe, 64, false);
	assert_int_equal(open_bytes(fe.bytes, fe.len, &pm, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "not a core"));
	fe.type = ET_CORE;
	fake_elf_finish(&fe, 64, false);
	fake_elf_grow(&fe, 0x2000);
	assert_int_equal(open_bytes(fe.bytes, fe.len, &pm, &err), ST_OK);
	assert_int_equal(physmem_max_pfn(pm), 2);
	physmem_close(pm);
	physmem_close(NULL);
	fake_elf_free(&fe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_of_three_pieces_is_whole),
		cmocka_unit_test(page_with_gaps_is_partial_and_zero_there),
		cmocka_unit_test(unreadable_piece_makes_the_whole_page_unreadable),
		cmocka_unit_test(random_pieces_make_the_pages_that_bytes_say),
		cmocka_unit_test(unreadable_run_is_passed_in_one_sweep),
		cmocka_unit_test(pages_are_counted_once),
		cmocka_unit_test(page_size_is_taken_only_from_its_own_line),
		cmocka_unit_test(what_is_no_dump_is_refused_in_one_clear_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
