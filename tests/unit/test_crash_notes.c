// SPDX-License-Identifier: GPL-2.0-or-later
/* Registers that the guest saved, found by the elfcorehdr where nothing tells of kallsyms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_symbols.h"
#include "repair/crash_notes.h"

#define NOTE_BYTES 356u
#define KERNEL_ADDR UINT64_C(0xffffffff81234567)

static bool all_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	*run = (struct range){ paddr, min_u64(limit, pm->ranges[0].end) };
	return run->start < run->end;
}

static struct physmem_ops ops;

static struct fake_kernel *new_kernel(void)
{
	struct fake_kernel *fk = fake_kernel_new(0x400000);

	ops = fake_physmem_ops;
	ops.next_data = all_data;
	fk->pm.ops = &ops;
	return fk;
}

static void put_note(struct fake_kernel *fk, uint64_t paddr, uint64_t rip, uint64_t rsp)
{
	uint8_t *n = fk->ram + paddr;

	put_u32(n, ORDER_LITTLE, 5);
	put_u32(n + 4, ORDER_LITTLE, 336);
	put_u32(n + 8, ORDER_LITTLE, NT_PRSTATUS);
	memcpy(n + 12, "CORE", 5);
	put_u64(n + 20 + 112 + 16 * 8, ORDER_LITTLE, rip);
	put_u64(n + 20 + 112 + 19 * 8, ORDER_LITTLE, rsp);
}

/* Like kexec does it: p_offset is an address. */
static void put_header(struct fake_kernel *fk, uint64_t paddr, const uint64_t *notes, size_t nr)
{
	Elf64_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB }, .e_type = ET_CORE,
			  .e_machine = EM_X86_64, .e_phoff = sizeof(eh), .e_phentsize = sizeof(Elf64_Phdr) };

	memcpy(fk->ram + paddr, &eh, sizeof(eh));
	for (size_t i = 0; i < nr; i++) {
		Elf64_Phdr ph = { .p_type = PT_NOTE, .p_offset = notes[i], .p_paddr = notes[i], .p_filesz = NOTE_BYTES };

		memcpy(fk->ram + paddr + sizeof(eh) + i * sizeof(ph), &ph, sizeof(ph));
	}
}

static unsigned found(struct fake_kernel *fk, uint8_t **blob, size_t *len)
{
	struct kmodel *km = fake_kernel_open(fk);
	struct err err = { 0 };
	unsigned nr;
	enum status st = crash_notes_append(km, blob, len, &nr, &err);

	assert_true(st == ST_OK ? nr > 0 : st == ST_NOT_FOUND && !nr && strstr(err.text, "elfcorehdr"));
	assert_int_equal(*len, nr * NOTE_BYTES);
	kmodel_close(km);
	return nr;
}

static unsigned count(struct fake_kernel *fk)
{
	uint8_t *blob = NULL;
	size_t len = 0;
	unsigned nr = found(fk, &blob, &len);

	free(blob);
	return nr;
}

static void header_in_the_reservation_leads_to_them(void **state)
{
	static const uint64_t notes[] = { 0x3000, 0x5200, 0x7ff0 };
	struct fake_kernel *fk = new_kernel();
	uint8_t *blob = NULL;
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		put_note(fk, notes[i], KERNEL_ADDR + i, KERNEL_ADDR);
	put_header(fk, 0x10000, notes, ARRAY_SIZE(notes));
	assert_int_equal(found(fk, &blob, &len), 3);
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		assert_memory_equal(blob + i * NOTE_BYTES, fk->ram + notes[i], NOTE_BYTES);
	free(blob);
	fake_kernel_free(fk);
}

static void nonsense_is_not_taken(void **state)
{
	/* User space, no stack, beyond memory, the end of memory, nothing. */
	static const uint64_t notes[] = { 0x3000, 0x5000, UINT64_MAX - 8, 0x400000 - 8, 0 };
	struct fake_kernel *fk = new_kernel();

	put_note(fk, notes[0], 0x400000, KERNEL_ADDR);
	put_note(fk, notes[1], KERNEL_ADDR, 0);
	put_header(fk, 0x10000, notes, ARRAY_SIZE(notes));
	assert_int_equal(count(fk), 0);
	fake_kernel_free(fk);
}

static void files_in_page_cache_do_not_hide_it(void **state)
{
	static const uint64_t good = 0x3000, bad = 0x9000;
	struct fake_kernel *fk = new_kernel();

	put_note(fk, good, KERNEL_ADDR, KERNEL_ADDR);
	for (uint64_t at = 0x10000; at < 0x20000; at += 0x1000)
		put_header(fk, at, &bad, 1);
	put_header(fk, 0x20000, &good, 1);
	assert_int_equal(count(fk), 1);
	fake_kernel_free(fk);
}

/* CPU 1 ran a user's code: the hypervisor's registers of that CPU take its place, or CPU 2 would be taken for it. */
static void no_cpu_takes_the_place_of_another(void **state)
{
	static const uint64_t notes[] = { 0x3000, 0x5000, 0x7000 };
	struct fake_kernel *fk = new_kernel();
	struct kmodel *km;
	uint8_t hypervisors[3 * NOTE_BYTES] = { 0 }, *blob = NULL;
	size_t len = 0;
	unsigned nr;

	for (size_t i = 0; i < 3; i++) {
		put_note(fk, notes[i], i == 1 ? 0x400000 : KERNEL_ADDR + i, KERNEL_ADDR);
		memcpy(hypervisors + i * NOTE_BYTES, fk->ram + notes[i], NOTE_BYTES);
		memset(hypervisors + i * NOTE_BYTES + 20, 0x10 + (int)i, 336);
	}
	put_header(fk, 0x10000, notes, ARRAY_SIZE(notes));
	fk->pm.notes = hypervisors;
	fk->pm.notes_len_bytes = sizeof(hypervisors);
	km = fake_kernel_open(fk);
	assert_int_equal(crash_notes_append(km, &blob, &len, &nr, NULL), ST_OK);
	assert_int_equal(nr, 2);
	assert_int_equal(len, sizeof(hypervisors));
	assert_memory_equal(blob, fk->ram + notes[0], NOTE_BYTES);
	assert_memory_equal(blob + NOTE_BYTES, hypervisors + NOTE_BYTES, NOTE_BYTES);
	assert_memory_equal(blob + 2 * NOTE_BYTES, fk->ram + notes[2], NOTE_BYTES);
	free(blob);
	kmodel_close(km);
	fake_kernel_free(fk);
}

/* crashk_res has one header more than are looked at, crashk_low_res a good one: what one has used up, the other does not get. */
static void two_reservations_share_the_bounds(void **state)
{
	static const uint64_t good = 0x3000, bad = 0x9000, first = 0xf0000, low = 0x40000;

	for (unsigned nr_bad = 255; nr_bad <= 257; nr_bad++) {
		struct fake_kernel *fk = new_kernel();
		struct fake_symbols s = { 0 };
		uint64_t vars = fake_alloc(fk, 256);

		fake_put_u64(fk, vars, vars + 8);
		fake_put_u32(fk, vars + 8, 1);
		fake_put_u64(fk, vars + 12, 0);
		fake_put_u64(fk, vars + 20, 0x400000);
		fake_put_u32(fk, vars + 28, 1);
		fake_put_u64(fk, vars + 64, first);
		fake_put_u64(fk, vars + 72, first + nr_bad * 0x1000 - 1);
		fake_put_u64(fk, vars + 128, low);
		fake_put_u64(fk, vars + 136, low + 0xfff);
		fake_symbol(&s, "e820_table", vars);
		fake_symbol(&s, "crashk_res", vars + 64);
		fake_symbol(&s, "crashk_low_res", vars + 128);
		fake_symbols_put(&s, fk);
		put_note(fk, good, KERNEL_ADDR, KERNEL_ADDR);
		for (unsigned i = 0; i < nr_bad; i++)
			put_header(fk, first + i * 0x1000, &bad, 1);
		put_header(fk, low, &good, 1);
		assert_int_equal(count(fk), nr_bad == 255);
		fake_kernel_free(fk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_in_the_reservation_leads_to_them),
		cmocka_unit_test(nonsense_is_not_taken),
		cmocka_unit_test(files_in_page_cache_do_not_hide_it),
		cmocka_unit_test(no_cpu_takes_the_place_of_another),
		cmocka_unit_test(two_reservations_share_the_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
