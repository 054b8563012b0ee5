// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_layout.h"

#include <string.h>

#include "common/units.h"
#include "formats/pagesize.h"

#define UTSNAME_FIELD 65

/* The ancestor of KDUMP; its page headers are not ours. */
#define DISKDUMP_SIGNATURE "DISKDUMP"

/*
 * Where the main header keeps what depends on sizeof(long); everything before OFF_UTSNAME's end is the same everywhere.
 */
#define OFF_VERSION 8
#define OFF_UTSNAME 12
struct main_layout {
	unsigned long_bytes;
	unsigned tv_sec, tv_usec, status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr, nr_cpus;
};

static const struct main_layout main_64 = { 8, 408, 416, 424, 428, 432, 436, 440, 460 };
static const struct main_layout main_32 = { 4, 404, 408, 412, 416, 420, 424, 428, 448 };

/*
 * The sub header has three: i386 aligns an 8-byte member of a struct to 4 bytes, where ARM, MIPS and PowerPC in 32 bits
 * align it to 8, as all 64-bit ABIs do.
 */
struct sub_layout {
	unsigned phys_base, dump_level, split, start_pfn, end_pfn;
	unsigned vmcoreinfo_off, vmcoreinfo_len, notes_off, notes_len, eraseinfo_off, eraseinfo_len;
	unsigned start_pfn_64, end_pfn_64, max_mapnr_64;
};

static const struct sub_layout sub_64 = { 0, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96 };
static const struct sub_layout sub_32_packed = { 0, 4, 8, 12, 16, 20, 28, 32, 40, 44, 52, 56, 64, 72 };
static const struct sub_layout sub_32_aligned = { 0, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88 };

/* The last version of each group of fields, and how many bytes of sub header it has in each layout. */
static const struct {
	int version;
	unsigned len_64, len_32_packed, len_32_aligned;
} sub_sizes[] = {
	{ 0, 8, 4, 4 },	   { 1, 12, 8, 8 },   { 2, 32, 20, 20 },  { 3, 48, 32, 36 },
	{ 4, 64, 44, 52 }, { 5, 80, 56, 68 }, { 6, 104, 80, 96 },
};

static void put_uts(uint8_t *out, const struct physmem_utsname *uts)
{
	const char *field[] = {
		uts->sysname, uts->nodename, uts->release, uts->version, uts->machine, uts->domainname
	};

	/* The last byte stays NUL: libkdumpfile takes nothing else for a utsname. */
	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		memcpy(out + i * UTSNAME_FIELD, field[i], strnlen(field[i], UTSNAME_FIELD - 1));
}

static void get_uts(const uint8_t *in, struct physmem_utsname *uts)
{
	char *field[] = { uts->sysname, uts->nodename, uts->release, uts->version, uts->machine, uts->domainname };

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		memcpy(field[i], in + i * UTSNAME_FIELD, UTSNAME_FIELD - 1);
		field[i][UTSNAME_FIELD - 1] = '\0';
	}
}

void kdump_main_header_encode(const struct kdump_header *h, uint8_t out[KDUMP_MAIN_HEADER_SIZE_64])
{
	const struct main_layout *l = &main_64;

	memset(out, 0, KDUMP_MAIN_HEADER_SIZE_64);
	memcpy(out, KDUMP_SIGNATURE, KDUMP_SIGNATURE_LEN);
	put_u32(out + OFF_VERSION, h->order, KDUMP_HEADER_VERSION);
	put_uts(out + OFF_UTSNAME, &h->uts);
	put_u64(out + l->tv_sec, h->order, h->tv_sec);
	put_u32(out + l->status, h->order, h->status);
	put_u32(out + l->block_size, h->order, h->block_size);
	put_u32(out + l->sub_hdr_size, h->order, h->sub_hdr_blocks);
	put_u32(out + l->bitmap_blocks, h->order, h->bitmap_blocks);
	put_u32(out + l->max_mapnr, h->order, (uint32_t)min_u64(h->max_mapnr, UINT32_MAX));
	put_u32(out + l->nr_cpus, h->order, h->nr_cpus);
}

void kdump_sub_header_encode(const struct kdump_header *h, uint8_t out[KDUMP_SUB_HEADER_SIZE_64])
{
	const struct sub_layout *l = &sub_64;

	memset(out, 0, KDUMP_SUB_HEADER_SIZE_64);
	put_u64(out + l->phys_base, h->order, h->phys_base);
	put_u32(out + l->dump_level, h->order, (uint32_t)h->dump_level);
	put_u32(out + l->split, h->order, (uint32_t)h->split);
	put_u64(out + l->start_pfn, h->order, h->start_pfn);
	put_u64(out + l->end_pfn, h->order, h->end_pfn);
	put_u64(out + l->vmcoreinfo_off, h->order, h->vmcoreinfo_off);
	put_u64(out + l->vmcoreinfo_len, h->order, h->vmcoreinfo_len);
	put_u64(out + l->notes_off, h->order, h->notes_off);
	put_u64(out + l->notes_len, h->order, h->notes_len);
	put_u64(out + l->eraseinfo_off, h->order, h->eraseinfo_off);
	put_u64(out + l->eraseinfo_len, h->order, h->eraseinfo_len);
	put_u64(out + l->start_pfn_64, h->order, h->start_pfn);
	put_u64(out + l->end_pfn_64, h->order, h->end_pfn);
	put_u64(out + l->max_mapnr_64, h->order, h->max_mapnr);
}

static uint64_t get_long(const uint8_t *p, enum byte_order order, bool is_64bit)
{
	return is_64bit ? get_u64(p, order) : get_u32(p, order);
}

/*
 * Newer versions only append, so a number beyond today's 6 is read as 6; anything large is the other byte order's view.
 */
#define VERSION_SANE_MAX 0xffff

/*
 * Is @blk a header in this layout? block_size alone does not tell: a 64-bit header has tv_usec where a 32-bit one has
 * block_size, and tv_usec may be a power of two (libkdumpfile falls for it). But then sub_hdr_size is the upper half of
 * tv_usec, zero, and no file has a sub header of no blocks. The other way round a 32-bit header has total_ram_blocks
 * and device_blocks, zero with every writer, where a 64-bit one has sub_hdr_size and bitmap_blocks.
 */
static bool layout_fits(const uint8_t *blk, const struct main_layout *l, enum byte_order order)
{
	uint32_t bitmap_blocks = get_u32(blk + l->bitmap_blocks, order);

	return get_u32(blk + OFF_VERSION, order) <= VERSION_SANE_MAX &&
	       pagesize_is_sane(get_u32(blk + l->block_size, order)) &&
	       get_u32(blk + l->sub_hdr_size, order) - 1u < INT32_MAX && bitmap_blocks;
}

/* The names that uname(2) has for 64-bit machines. */
static bool machine_is_64bit(const char *machine)
{
	return strstr(machine, "64") || !strcmp(machine, "s390x") || !strcmp(machine, "alpha");
}

static const struct main_layout *find_layout(const uint8_t *blk, const char *machine, enum byte_order *order)
{
	static const struct {
		const struct main_layout *layout;
		enum byte_order order;
	} candidate[] = {
		{ &main_64, ORDER_LITTLE }, { &main_64, ORDER_BIG }, { &main_32, ORDER_LITTLE }, { &main_32, ORDER_BIG }
	};
	const struct main_layout *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(candidate); i++) {
		const struct main_layout *l = candidate[i].layout;
		bool named = *machine && (l == &main_64) == machine_is_64bit(machine);

		if (!layout_fits(blk, l, candidate[i].order) || (found && !named))
			continue;
		/* Two that fit: crafted, or an odd writer. The machine's name decides, else the first in the list. */
		found = l;
		*order = candidate[i].order;
		if (named)
			break;
	}
	return found;
}

enum status kdump_main_header_decode(const uint8_t *blk, size_t len, struct kdump_header *h, struct err *err)
{
	const struct main_layout *l;

	memset(h, 0, sizeof(*h));
	if (len >= KDUMP_SIGNATURE_LEN && !memcmp(blk, DISKDUMP_SIGNATURE, KDUMP_SIGNATURE_LEN))
		return err_set(err, ST_UNSUPPORTED, "a diskdump file, which predates KDUMP, is not supported");
	if (len < KDUMP_SIGNATURE_LEN || memcmp(blk, KDUMP_SIGNATURE, KDUMP_SIGNATURE_LEN))
		return err_set(err, ST_BAD_INPUT, "no KDUMP signature");
	if (len < KDUMP_MAIN_HEADER_SIZE_64)
		return err_set(err, ST_BAD_INPUT, "KDUMP header ends after %zu of %d bytes", len,
			       KDUMP_MAIN_HEADER_SIZE_64);
	get_uts(blk + OFF_UTSNAME, &h->uts);
	l = find_layout(blk, h->uts.machine, &h->order);
	if (!l)
		return err_set(err, ST_BAD_INPUT, "KDUMP header makes no sense in any word size and byte order");
	h->is_64bit = l == &main_64;
	h->version = (int32_t)get_u32(blk + OFF_VERSION, h->order);
	h->tv_sec = get_long(blk + l->tv_sec, h->order, h->is_64bit);
	h->tv_usec = get_long(blk + l->tv_usec, h->order, h->is_64bit);
	h->status = get_u32(blk + l->status, h->order);
	h->block_size = get_u32(blk + l->block_size, h->order);
	h->sub_hdr_blocks = get_u32(blk + l->sub_hdr_size, h->order);
	h->bitmap_blocks = get_u32(blk + l->bitmap_blocks, h->order);
	h->max_mapnr = get_u32(blk + l->max_mapnr, h->order);
	h->nr_cpus = get_u32(blk + l->nr_cpus, h->order);
	return ST_OK;
}

/*
 * Nothing in the file says which 32-bit ABI wrote it but the machine's name: i386 (i386 .. i686) is the only packed
 * one. No name: i386 too, since those are the 32-bit dumps with an empty utsname that exist (QEMU's of x86 guests).
 */
static bool is_packed_machine(const char *machine)
{
	return !*machine || (machine[0] == 'i' && machine[1] >= '3' && machine[1] <= '6' && !strcmp(machine + 2, "86"));
}

static unsigned sub_header_len(const struct sub_layout *l, int version)
{
	size_t i = ARRAY_SIZE(sub_sizes) - 1;

	while (i && version < sub_sizes[i].version)
		i--;
	if (l == &sub_64)
		return sub_sizes[i].len_64;
	return l == &sub_32_packed ? sub_sizes[i].len_32_packed : sub_sizes[i].len_32_aligned;
}

static void decode_fields(const uint8_t *sub, const struct sub_layout *l, struct kdump_header *h)
{
	bool w = h->is_64bit;

	h->phys_base = get_long(sub + l->phys_base, h->order, w);
	if (h->version >= 1)
		h->dump_level = (int32_t)get_u32(sub + l->dump_level, h->order);
	if (h->version >= 2) {
		h->split = (int32_t)get_u32(sub + l->split, h->order);
		h->start_pfn = get_long(sub + l->start_pfn, h->order, w);
		h->end_pfn = get_long(sub + l->end_pfn, h->order, w);
	}
	if (h->version >= 3) {
		h->vmcoreinfo_off = get_u64(sub + l->vmcoreinfo_off, h->order);
		h->vmcoreinfo_len = get_long(sub + l->vmcoreinfo_len, h->order, w);
	}
	if (h->version >= 4) {
		h->notes_off = get_u64(sub + l->notes_off, h->order);
		h->notes_len = get_long(sub + l->notes_len, h->order, w);
	}
	if (h->version >= 5) {
		h->eraseinfo_off = get_u64(sub + l->eraseinfo_off, h->order);
		h->eraseinfo_len = get_long(sub + l->eraseinfo_len, h->order, w);
	}
	if (h->version >= 6) {
		uint64_t max_mapnr_64 = get_u64(sub + l->max_mapnr_64, h->order);

		h->start_pfn = get_u64(sub + l->start_pfn_64, h->order);
		h->end_pfn = get_u64(sub + l->end_pfn_64, h->order);
		/* The 32-bit field is cut at UINT_MAX. A writer that filled only that one is taken at its word. */
		if (max_mapnr_64)
			h->max_mapnr = max_mapnr_64;
	}
}

enum status kdump_sub_header_decode(const uint8_t *sub, size_t len, struct kdump_header *h, struct err *err)
{
	const struct sub_layout *l = &sub_64;
	unsigned need;

	if (!h->is_64bit)
		l = is_packed_machine(h->uts.machine) ? &sub_32_packed : &sub_32_aligned;
	need = sub_header_len(l, h->version);
	if (len < need)
		return err_set(err, ST_BAD_INPUT, "KDUMP sub header ends after %zu of %u bytes", len, need);
	decode_fields(sub, l, h);
	return ST_OK;
}
