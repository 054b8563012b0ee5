// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/e820.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "kernel/arch/arch.h"
#include "kernel/kallsyms.h"

/*
 * struct e820_table (arch/x86/include/asm/e820/types.h): a count of 32 bits, and packed entries of address, size and type. The
 * tables are pointed to: before the kernel lets its boot memory go it copies them to where they fit. Names and layout are
 * those since Linux 4.12; an older kernel lacks the symbols.
 */
#define TABLE_ENTRIES 4
#define ENTRY_BYTES 20
#define ENTRY_SIZE 8
#define ENTRY_TYPE 16
/* E820_MAX_ENTRIES is 128, and three for each NUMA node that there can be (1024). */
#define MAX_ENTRIES 3200u
/* Reservations beside: crashk_res and crashk_low_res. */
#define MAX_RESERVATIONS 2u

enum { SYM_TABLE, SYM_FIRMWARE, SYM_CRASHK, SYM_CRASHK_LOW, NR_SYMBOLS };

/* As e820_type_to_string() has it, which names the resources. */
static const char *type_name(uint32_t type)
{
	switch (type) {
	case 1:	  /* RAM */
	case 128: /* RESERVED_KERN: setup_data, which lies in RAM */
		return "System RAM";
	case 2:
		return "Reserved";
	case 3:
		return "ACPI Tables";
	case 4:
		return "ACPI Non-volatile Storage";
	case 5:
		return "Unusable memory";
	case 7:
		return "Persistent Memory";
	case 12:
		return "Persistent Memory (legacy)";
	case 0xefffffff:
		return "Soft Reserved";
	default:
		return "Unknown E820 type";
	}
}

static void add_region(struct iomem *io, uint64_t start, uint64_t end, unsigned depth, const char *name)
{
	struct iomem_region *r = &io->regions[io->nr_regions++];

	*r = (struct iomem_region){ .start = start, .end = end, .depth = depth };
	snprintf(r->name, sizeof(r->name), "%s", name);
}

/* Sorted and without overlaps, as the kernel leaves it; with some RAM. */
static bool decode(struct iomem *io, const uint8_t *raw, uint32_t nr, enum byte_order order)
{
	uint64_t at = 0;

	io->nr_regions = 0;
	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *entry = raw + (size_t)i * ENTRY_BYTES;
		uint64_t start = get_u64(entry, order), size = get_u64(entry + ENTRY_SIZE, order), end;

		if (start < at || __builtin_add_overflow(start, size, &end))
			return false;
		at = end;
		if (size)
			add_region(io, start, end, 0, type_name(get_u32(entry + ENTRY_TYPE, order)));
	}
	return iomem_ram_end(io) != 0;
}

/* The table that the pointer at @vaddr leads to. */
static bool read_table(struct iomem *io, struct kmodel *km, uint64_t vaddr)
{
	_cleanup_free_ uint8_t *raw = NULL;
	uint64_t table;
	uint32_t nr;

	if (kmodel_read_u64(km, vaddr, &table, NULL) != ST_OK || kmodel_read_u32(km, table, &nr, NULL) != ST_OK || !nr ||
	    nr > MAX_ENTRIES)
		return false;
	raw = malloc((size_t)nr * ENTRY_BYTES);
	return raw && kmodel_read(km, table + TABLE_ENTRIES, raw, (size_t)nr * ENTRY_BYTES, NULL) == ST_OK &&
	       decode(io, raw, nr, km->pm->order);
}

/* struct resource: start and inclusive end; both 0 where nothing is reserved. */
static void add_reservation(struct iomem *io, struct kmodel *km, uint64_t vaddr)
{
	uint64_t start, last;

	if (kmodel_read_u64(km, vaddr, &start, NULL) == ST_OK && kmodel_read_u64(km, vaddr + 8, &last, NULL) == ST_OK &&
	    last > start && last < UINT64_MAX)
		add_region(io, start, last + 1, 1, "Crash kernel");
}

enum status e820_init_iomem(struct iomem *io, struct kmodel *km, struct err *err)
{
	struct kallsyms_symbol sym[NR_SYMBOLS] = { { .name = "e820_table" },
						   { .name = "e820_table_firmware" },
						   { .name = "crashk_res" },
						   { .name = "crashk_low_res" } };
	bool found = false;
	enum status st;

	*io = (struct iomem){ 0 };
	if (km->arch != &arch_x86_64)
		return err_set(err, ST_UNSUPPORTED, "only x86 has an e820 map");
	st = kallsyms_lookup(km, sym, NR_SYMBOLS, err);
	if (st != ST_OK)
		return st;
	io->regions = calloc(MAX_ENTRIES + MAX_RESERVATIONS, sizeof(*io->regions));
	if (!io->regions)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (unsigned i = SYM_TABLE; i <= SYM_FIRMWARE && !found; i++)
		found = sym[i].found && read_table(io, km, sym[i].vaddr);
	if (!found) {
		iomem_deinit(io);
		return err_set(err, ST_NOT_FOUND, "the kernel's e820 map cannot be read");
	}
	for (unsigned i = SYM_CRASHK; i <= SYM_CRASHK_LOW; i++)
		if (sym[i].found)
			add_reservation(io, km, sym[i].vaddr);
	io->is_boot_map = true;
	return ST_OK;
}
