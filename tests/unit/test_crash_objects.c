// SPDX-License-Identifier: GPL-2.0-or-later
/* What a panic writes is found by tables that the guest could have written: it must not get more explained by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare/crash_objects.h"
#include "tests/unit/fake_symbols.h"

#define NR_OFFSETS 4u
#define AREA_BYTES 0x10000u
/* Per-CPU variables, by what is added to a CPU's offset. */
#define STEAL_TIME 0x40u
#define STEAL_BYTES 64u
#define PRINTK_CONTEXT 0x100u
/* Variables of the image. */
#define AT_NR_CPU_IDS 16u
#define AT_OFFSETS 64u
#define AT_NEXT (AT_OFFSETS + 8 * NR_OFFSETS)
#define MAX_TOLD 64u

struct told {
	size_t nr;
	struct range objects[MAX_TOLD];
};

static void take_object(void *ctx, uint64_t vaddr, uint64_t len_bytes)
{
	struct told *t = ctx;

	assert_true(t->nr < MAX_TOLD);
	t->objects[t->nr++] = (struct range){ vaddr, vaddr + len_bytes };
}

static void take_stack(void *ctx, uint64_t vaddr)
{
	fail_msg("a stack at 0x%llx", (unsigned long long)vaddr);
}

static uint64_t offset_of(uint32_t cpu)
{
	return FAKE_HEAP + UINT64_C(0x40000000) + cpu * AREA_BYTES;
}

/* How often @len bytes of the per-CPU variable at @at were told as CPU @cpu's. */
static unsigned times_told(const struct told *t, uint32_t cpu, uint64_t at, uint64_t len)
{
	uint64_t start = offset_of(cpu) + at;
	unsigned nr = 0;

	for (size_t i = 0; i < t->nr; i++)
		nr += t->objects[i].start == start && t->objects[i].end == start + len;
	return nr;
}

static struct told find(uint32_t nr_cpu_ids, uint32_t panic_cpu, bool is_last)
{
	struct crash_objects_sink sink = { take_object, take_stack, NULL };
	struct fake_kernel *fk = fake_kernel_new(4 * MIB);
	uint64_t vars = fake_alloc_image(fk, FAKE_PAGE);
	struct fake_symbols s = { 0 };
	struct told t = { 0 };
	struct kmodel *km;

	/* More of them than there is room for: what the kernel keeps behind looks like offsets too. */
	for (uint32_t cpu = 0; cpu < 4 * NR_OFFSETS; cpu++)
		fake_put_u64(fk, vars + AT_OFFSETS + 8 * cpu, offset_of(cpu));
	fake_put_u32(fk, vars, panic_cpu);
	fake_put_u32(fk, vars + AT_NR_CPU_IDS, nr_cpu_ids);
	fake_symbol(&s, "steal_time", STEAL_TIME);
	fake_symbol(&s, "any", STEAL_TIME + STEAL_BYTES);
	fake_symbol(&s, "printk_context", PRINTK_CONTEXT);
	fake_symbol(&s, "panic_cpu", vars);
	fake_symbol(&s, "nr_cpu_ids", vars + AT_NR_CPU_IDS);
	fake_symbol(&s, "__per_cpu_offset", vars + AT_OFFSETS);
	if (!is_last)
		fake_symbol(&s, "what_comes_next", vars + AT_NEXT);
	fake_symbols_put(&s, fk);
	km = fake_kernel_open(fk);
	sink.ctx = &t;
	crash_objects_find(km, &sink);
	kmodel_close(km);
	fake_kernel_free(fk);
	return t;
}

static void only_cpus_with_an_offset_have_objects(void **state)
{
	static const struct {
		uint32_t nr_cpu_ids, panic_cpu;
		bool is_last;
		unsigned nr; /* CPUs */
		bool panics;
	} cases[] = {
		{ 2, 1, false, 2, true },
		{ 2, 2, false, 2, false },
		{ NR_OFFSETS, 3, false, NR_OFFSETS, true },
		/* The guest counts more than its array holds. */
		{ NR_OFFSETS + 1, NR_OFFSETS, false, NR_OFFSETS, false },
		{ UINT32_MAX, 3, false, NR_OFFSETS, true },
		{ UINT32_MAX, NR_OFFSETS, false, NR_OFFSETS, false },
		{ 0, 0, false, 0, false },
		/* Where it ends is not known. */
		{ 2, 1, true, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct told t = find(cases[i].nr_cpu_ids, cases[i].panic_cpu, cases[i].is_last);

		/* panic_cpu itself, each CPU's steal_time, and one printk_context */
		assert_int_equal(t.nr, 1 + cases[i].nr + cases[i].panics);
		for (uint32_t cpu = 0; cpu < cases[i].nr; cpu++)
			assert_int_equal(times_told(&t, cpu, STEAL_TIME, STEAL_BYTES), 1);
		if (cases[i].panics)
			assert_int_equal(times_told(&t, cases[i].panic_cpu, PRINTK_CONTEXT, 4), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_cpus_with_an_offset_have_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
