// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/vmstat.h"
#include "kernel/zones.h"
#include "tests/unit/fake_kernel.h"

/* struct pglist_data: node_zones[2], nr_zones. struct zone: vm_stat[4], free_area[3]. struct free_area: 2 lists, nr_free. */
#define AREA_BYTES 40u
#define NR_ORDERS 3u
#define ZONE_VM_STAT 16u
#define ZONE_FREE_AREA 64u
#define ZONE_BYTES 256u
#define NODE_NR_ZONES 512u
#define NODE_BYTES 1024u

struct fixture {
	struct fake_kernel *fk;
	struct kmodel *km;
	uint64_t node_data, nodes[2];
};

static const char layout[] = "LENGTH(node_data)=4\nSIZE(pglist_data)=1024\nOFFSET(pglist_data.node_zones)=0\n"
			     "OFFSET(pglist_data.nr_zones)=512\nSIZE(zone)=256\nOFFSET(zone.free_area)=64\n"
			     "OFFSET(zone.vm_stat)=16\nNUMBER(NR_FREE_PAGES)=1\nLENGTH(zone.free_area)=3\n"
			     "SIZE(free_area)=40\nSIZE(list_head)=16\nLENGTH(free_area.free_list)=2";

static void put_zone(struct fixture *fx, unsigned node, unsigned zone, const uint64_t nr_free[NR_ORDERS], uint64_t counter)
{
	uint64_t at = fx->nodes[node] + zone * ZONE_BYTES;

	for (unsigned order = 0; order < NR_ORDERS; order++)
		fake_put_u64(fx->fk, at + ZONE_FREE_AREA + order * AREA_BYTES + 32, nr_free[order]);
	fake_put_u64(fx->fk, at + ZONE_VM_STAT + 8, counter);
}

/* Two nodes, of two zones and of one; two places in node_data are empty. @first: lines that come before the sane ones. */
static struct fixture new_fixture(const char *first)
{
	struct fixture fx = { .fk = fake_kernel_new(8 * MIB) };

	fx.node_data = fake_alloc(fx.fk, 4096);
	for (unsigned i = 0; i < 2; i++) {
		fx.nodes[i] = fake_alloc(fx.fk, NODE_BYTES);
		fake_put_u64(fx.fk, fx.node_data + 16 * i, fx.nodes[i]);
		fake_put_u32(fx.fk, fx.nodes[i] + NODE_NR_ZONES, 2 - i);
	}
	put_zone(&fx, 0, 0, (uint64_t[]){ 1, 2, 3 }, 17);  /* 17 */
	put_zone(&fx, 0, 1, (uint64_t[]){ 0, 0, 10 }, 35); /* 40: five isolated */
	put_zone(&fx, 1, 0, (uint64_t[]){ 5, 0, 0 }, 105); /* 5: 100 are on another list */
	put_zone(&fx, 1, 1, (uint64_t[]){ 1000, 0, 0 }, 1000); /* beyond nr_zones */
	if (first)
		fake_vi_add(fx.fk, "%s", first);
	fake_vi_add(fx.fk, "SYMBOL(node_data)=%llx\n%s", (unsigned long long)fx.node_data, layout);
	fx.km = fake_kernel_open(fx.fk);
	return fx;
}

static void free_fixture(struct fixture *fx)
{
	kmodel_close(fx->km);
	fake_kernel_free(fx->fk);
}

static void free_pages_are_summed_over_nodes_and_zones(void **state)
{
	struct fixture fx = new_fixture(NULL);
	struct zones_free f;

	assert_true(zones_free_pages(fx.km, &f));
	assert_int_equal(f.listed, 17 + 40 + 5);
	assert_int_equal(f.least, 17 + 35 + 5);
	assert_int_equal(f.most, 17 + 40 + 105);
	free_fixture(&fx);
}

static void without_a_counter_the_lists_count(void **state)
{
	static const char *const first[] = { "NUMBER(NR_FREE_PAGES)=-1", "NUMBER(NR_FREE_PAGES)=300",
					     "OFFSET(zone.vm_stat)=250", "OFFSET(zone.vm_stat)=18446744073709551615" };

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		struct fixture fx = new_fixture(first[i]);
		struct zones_free f;

		assert_true(zones_free_pages(fx.km, &f));
		assert_int_equal(f.least, 62);
		assert_int_equal(f.most, 62);
		free_fixture(&fx);
	}
}

static void assert_unknown(struct fixture *fx)
{
	struct zones_free f = { 77, 78, 79 };

	assert_false(zones_free_pages(fx->km, &f));
	assert_int_equal(f.listed, 77);
	assert_int_equal(f.least, 78);
	assert_int_equal(f.most, 79);
	free_fixture(fx);
}

static void nonsense_is_not_counted(void **state)
{
	static const char *const first[] = { "LENGTH(node_data)=4097",	      "SIZE(zone)=1025",
					     "OFFSET(zone.free_area)=200",    "LENGTH(zone.free_area)=33",
					     "LENGTH(free_area.free_list)=3", "OFFSET(pglist_data.nr_zones)=1022",
					     "SIZE(pglist_data)=100000000",   "SYMBOL(node_data)=ffff900000000000",
					     "SIZE(free_area)=18446744073709551615" };
	struct fixture fx;

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		fx = new_fixture(first[i]);
		assert_unknown(&fx);
	}
	fx = new_fixture(NULL);
	fake_put_u32(fx.fk, fx.nodes[0] + NODE_NR_ZONES, 17);
	assert_unknown(&fx);
	fx = new_fixture(NULL);
	put_zone(&fx, 0, 0, (uint64_t[]){ 0, 0, UINT64_C(1) << 47 }, 0);
	assert_unknown(&fx);
	fx = new_fixture(NULL);
	fake_hole(fx.fk, fx.nodes[1], ST_IO);
	assert_unknown(&fx);
}

/* The keys that kernel/facts.c would put there. */
static struct fixture new_counters(const char *first)
{
	struct fixture fx = { .fk = fake_kernel_new(8 * MIB) };
	uint64_t vars = fake_alloc(fx.fk, 4096);

	for (uint64_t i = 0; i < 20; i++) {
		fake_put_u64(fx.fk, vars + 8 * i, 1000 + i);	     /* vm_node_stat */
		fake_put_u64(fx.fk, vars + 1024 + 8 * i, 2000 + i); /* vm_zone_stat */
	}
	fake_put_u64(fx.fk, vars + 8 * 3, (uint64_t)-5);
	fake_put_u64(fx.fk, vars + 8 * 4, UINT64_C(1) << 60);
	fake_put_u64(fx.fk, vars + 2048, 4321);	     /* _totalram_pages */
	fake_put_u32(fx.fk, vars + 2056, 2);	     /* hugetlb_max_hstate */
	fake_put_u32(fx.fk, vars + 2560 + 8, 18);    /* hstates */
	fake_put_u64(fx.fk, vars + 2560 + 16, 1);
	fake_put_u32(fx.fk, vars + 2560 + 64 + 8, 9);
	fake_put_u64(fx.fk, vars + 2560 + 64 + 16, 3);
	fake_put_u32(fx.fk, vars + 2560 + 128 + 8, 9); /* beyond hugetlb_max_hstate */
	fake_put_u64(fx.fk, vars + 2560 + 128 + 16, 1000);
	if (first)
		fake_vi_add(fx.fk, "%s", first);
	fake_vi_add(fx.fk, "SYMBOL(vm_node_stat)=%llx\nSYMBOL(vm_zone_stat)=%llx\nSYMBOL(_totalram_pages)=%llx",
		    (unsigned long long)vars, (unsigned long long)vars + 1024, (unsigned long long)vars + 2048);
	fake_vi_add(fx.fk, "SYMBOL(hugetlb_max_hstate)=%llx\nSYMBOL(hstates)=%llx", (unsigned long long)vars + 2056,
		    (unsigned long long)vars + 2560);
	fake_vi_add(fx.fk, "SIZE(hstate)=64\nOFFSET(hstate.order)=8\nOFFSET(hstate.nr_huge_pages)=16");
	fake_vi_add(fx.fk, "NUMBER(node_stat_item.NR_INACTIVE_ANON)=0\nNUMBER(node_stat_item.NR_FILE_PAGES)=7");
	fake_vi_add(fx.fk, "NUMBER(node_stat_item.NR_SHMEM)=3\nNUMBER(node_stat_item.NR_SWAPCACHE)=4");
	fake_vi_add(fx.fk, "NUMBER(node_stat_item.NR_UNEVICTABLE)=-1\nNUMBER(node_stat_item.NR_ACTIVE_FILE)=5000");
	fake_vi_add(fx.fk, "NUMBER(zone_stat_item.NR_ZSPAGES)=9");
	fx.km = fake_kernel_open(fx.fk);
	return fx;
}

static void counters_are_read_where_the_tables_say(void **state)
{
	struct fixture fx = new_counters(NULL);
	struct vmstat vs;

	vmstat_read(fx.km, &vs);
	assert_true(vs.known[VMSTAT_MANAGED] && vs.pages[VMSTAT_MANAGED] == 4321);
	assert_true(vs.known[VMSTAT_INACTIVE_ANON] && vs.pages[VMSTAT_INACTIVE_ANON] == 1000);
	assert_true(vs.known[VMSTAT_FILE_PAGES] && vs.pages[VMSTAT_FILE_PAGES] == 1007);
	assert_true(vs.known[VMSTAT_ZSPAGES] && vs.pages[VMSTAT_ZSPAGES] == 2009);
	assert_true(vs.known[VMSTAT_HUGETLB] && vs.pages[VMSTAT_HUGETLB] == (1 << 18) + 3 * 512);
	assert_true(vs.known[VMSTAT_SHMEM] && vs.pages[VMSTAT_SHMEM] == 0); /* below zero for a while */
	assert_false(vs.known[VMSTAT_SWAPCACHE] || vs.pages[VMSTAT_SWAPCACHE]); /* more than there can be */
	assert_false(vs.known[VMSTAT_UNEVICTABLE] || vs.known[VMSTAT_ACTIVE_FILE]);
	assert_false(vs.known[VMSTAT_ANON_MAPPED]); /* nothing tells */
	for (int i = 0; i < VMSTAT_COUNT; i++)
		assert_non_null(vmstat_name((enum vmstat_item)i));
	free_fixture(&fx);
}

static void memory_lent_to_the_crash_kernel_is_told(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct fixture fx = { .fk = fake_kernel_new(8 * MIB) };
		uint64_t var = fake_alloc(fx.fk, 4096);
		struct vmstat vs;

		fake_put_u32(fx.fk, var, i == 2);
		if (i)
			fake_vi_add(fx.fk, "SYMBOL(crashk_cma_cnt)=%llx", (unsigned long long)var);
		fx.km = fake_kernel_open(fx.fk);
		vmstat_read(fx.km, &vs);
		assert_int_equal(vs.is_lent, i == 2);
		free_fixture(&fx);
	}
}

static void absurd_hstates_are_not_known(void **state)
{
	static const char *const first[] = { "SIZE(hstate)=20", "OFFSET(hstate.order)=62", "SIZE(hstate)=100000000",
					     "SYMBOL(hugetlb_max_hstate)=ffff900000000000", "OFFSET(hstate.order)=16",
					     "OFFSET(hstate.nr_huge_pages)=18446744073709551610" };

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		struct fixture fx = new_counters(first[i]);
		struct vmstat vs;

		vmstat_read(fx.km, &vs);
		/* With OFFSET(order)=16 the orders are 1 and 3: sane, and wrong, but nothing can tell. */
		assert_int_equal(vs.known[VMSTAT_HUGETLB], i == 4);
		assert_true(vs.known[VMSTAT_MANAGED]);
		free_fixture(&fx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_pages_are_summed_over_nodes_and_zones),
		cmocka_unit_test(without_a_counter_the_lists_count),
		cmocka_unit_test(nonsense_is_not_counted),
		cmocka_unit_test(counters_are_read_where_the_tables_say),
		cmocka_unit_test(memory_lent_to_the_crash_kernel_is_told),
		cmocka_unit_test(absurd_hstates_are_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
