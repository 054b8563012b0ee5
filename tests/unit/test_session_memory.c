// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A capture whose filter the kernel's own counters contradict, and which then lacks memory: each allocation between the
 * first plan and the write fails once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/session.h"
#include "common/log.h"
#include "emit/dump_header.h"
#include "emit/emit.h"
#include "fake_memmap.h"
#include "formats/kdump/kdump_physmem.h"
#include "temp_dir.h"

#define RAM (16 * MIB)
#define NR_PFNS (RAM / 4096)
#define NR_FREE 1024u
#define NR_USER 100u
#define ANON (UINT64_C(0xffff888000001000) | 1)
#define NODE_BYTES 1024u

/* Allocations of the code under test, by number; that number @fail fails, once. */
static unsigned nr_allocations, fail;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* have their own, which cannot be made to fail */
#define CAN_FAIL false
#else
#define CAN_FAIL true

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t nr, size_t len);
void *__libc_realloc(void *p, size_t len);

static bool must_fail(void)
{
	return ++nr_allocations == fail;
}

void *malloc(size_t len)
{
	return must_fail() ? NULL : __libc_malloc(len);
}

void *calloc(size_t nr, size_t len)
{
	return must_fail() ? NULL : __libc_calloc(nr, len);
}

void *realloc(void *p, size_t len)
{
	return must_fail() ? NULL : __libc_realloc(p, len);
}
#endif

/* User memory, and free pages, of which the only zone counts none. */
static struct fake_memmap new_memory(void)
{
	struct fake_memmap mm = fake_memmap_new(RAM, FAKE_EXTREME);
	uint64_t node_data = fake_alloc(mm.fk, FAKE_PAGE), node = fake_alloc(mm.fk, NODE_BYTES);

	fake_vi_6_1(mm.fk);
	fake_page_put(&mm, NR_FREE, (struct fake_page){ .mapcount_plus_1 = FAKE_BUDDY + 1, .private = 10 });
	for (unsigned i = 0; i < NR_USER; i++)
		fake_page_put(&mm, 2 * NR_FREE + i,
			      (struct fake_page){ .flags = FAKE_PG_LRU | FAKE_PG_SWAPBACKED, .mapping = ANON, .refcount = 1 });
	fake_put_u64(mm.fk, node_data, node);
	fake_put_u32(mm.fk, node + 512, 1);
	fake_vi_add(mm.fk, "SYMBOL(node_data)=%llx\nLENGTH(node_data)=1\nSIZE(pglist_data)=%u",
		    (unsigned long long)node_data, NODE_BYTES);
	fake_vi_add(mm.fk, "OFFSET(pglist_data.node_zones)=0\nOFFSET(pglist_data.nr_zones)=512\nSIZE(zone)=512");
	fake_vi_add(mm.fk, "OFFSET(zone.free_area)=0\nSIZE(free_area)=40\nSIZE(list_head)=16");
	fake_vi_add(mm.fk, "LENGTH(free_area.free_list)=2");
	return mm;
}

static void write_source(const char *path)
{
	struct fake_memmap mm = new_memory();
	struct kmodel *km = fake_kernel_open(mm.fk);
	struct emit_config ec = { .codec = codec_by_name("none") };
	struct emit_result er;
	struct pageset pages;
	struct wsink *sink;
	uint8_t notes[12 + 12 + sizeof(mm.fk->vi)] = { 0 };

	put_u32(notes, ORDER_LITTLE, sizeof("VMCOREINFO"));
	put_u32(notes + 4, ORDER_LITTLE, (uint32_t)mm.fk->vi_len);
	strcpy((char *)notes + 12, "VMCOREINFO");
	memcpy(notes + 24, mm.fk->vi, mm.fk->vi_len);
	ec.notes = notes;
	ec.notes_len_bytes = align_up(24 + mm.fk->vi_len, 4);
	dump_header_fill(&ec.header, &mm.fk->pm, km);
	assert_int_equal(pageset_init(&pages, &mm.fk->pm, NULL), ST_OK);
	assert_int_equal(wsink_file_open(path, false, &sink, NULL), ST_OK);
	assert_int_equal(emit_run(&mm.fk->pm, &pages, &ec, sink, &er, NULL), ST_OK);
	assert_int_equal(wsink_commit(sink, NULL), ST_OK);
	wsink_close(sink);
	pageset_deinit(&pages);
	kmodel_close(km);
	fake_memmap_free(&mm);
}

struct plans {
	unsigned nr, ends[4]; /* allocations at the end of each */
};

static void note_plan(void *ctx, const struct capture_progress *p)
{
	struct plans *plans = ctx;

	if (!strcmp(p->stage, "plan") && p->done == p->total && plans->nr < ARRAY_SIZE(plans->ends))
		plans->ends[plans->nr++] = nr_allocations;
}

static struct capture_report captured(const struct capture_config *c, unsigned failing)
{
	struct capture_report r;
	struct err err = { 0 };
	enum status st;

	nr_allocations = 0;
	fail = failing;
	st = capture_session_run(c, &r, &err);
	fail = 0;
	if (st != ST_OK)
		fail_msg("allocation %u: %s", failing, err.text);
	return r;
}

static int32_t level_in_header(const char *path)
{
	struct physmem *pm;
	int32_t level;

	assert_int_equal(physmem_open(path, &pm, NULL), ST_OK);
	level = pm->dump_level;
	physmem_close(pm);
	return level;
}

static void second_plan_without_memory_keeps_everything(void **state)
{
	char source[PATH_MAX], dest[PATH_MAX];
	struct plans plans = { 0 };
	struct capture_config c = {
		.source = temp_path(*state, "source", source),
		.dest = temp_path(*state, "dest", dest),
		.codec = "none",
		.dump_level = 31,
		.nr_threads = 1,
		.force = true,
		.progress = note_plan,
		.progress_ctx = &plans,
	};
	struct capture_report r;
	unsigned nr_unfiltered = 0;

	log_set_level(LOG_LEVEL_ERROR);
	write_source(source);
	r = captured(&c, 0);
	assert_true(r.complete && r.filtered && r.trust.rows[TRUST_FREE].far_apart);
	assert_int_equal(r.level_used, 15);
	assert_int_equal(r.pages_kept, NR_PFNS - NR_USER);
	assert_int_equal(plans.nr, 2);
	c.progress = NULL;
	for (unsigned i = plans.ends[0] + 1; i <= plans.ends[1]; i++) {
		r = captured(&c, i);
		assert_true(r.complete);
		assert_int_equal(r.pages_kept, NR_PFNS - (r.filtered ? NR_USER : 0));
		assert_int_equal(level_in_header(dest), r.level_used);
		/* The header names no filter that did not run. */
		assert_int_equal(r.level_used, r.filtered ? 15 : 1);
		assert_int_equal(r.why_unfiltered[0] != '\0', !r.filtered);
		nr_unfiltered += !r.filtered;
	}
	assert_int_equal(nr_unfiltered > 0, CAN_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_temp_dir(second_plan_without_memory_keeps_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
