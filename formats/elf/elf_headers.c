// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libelf trusts the size that fstat gives and allocates what a file claims, and it cannot look into /proc/vmcore. So it is
 * fed a bounded image that we compose in memory: ELF header, section header 0 (it holds the real number of program headers
 * where there are more than 65534) and the program headers, wherever the file keeps them.
 */
#include "formats/elf/elf_headers.h"

#include <elf.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/units.h"

#define MAX_PROGRAM_HEADERS (1u << 20) /* 56 MiB of them; real dumps have tens, memory hotplug makes thousands */
#define MAX_NOTES_BYTES (64 * MIB)
/*
 * MAXPHYADDR can be no more: the page table entries have no room for it. The C-bit of encrypted memory is one of these bits, and
 * no part of p_paddr. RISC-V and arm64 (with D128) have 56, POWER decodes 56, s390 and the others as Linux runs on them less.
 */
#define X86_PHYS_BITS 52
#define MAX_PHYS_BITS 56

#define EHDR_FIELD(is_64, field) ((is_64) ? offsetof(Elf64_Ehdr, field) : offsetof(Elf32_Ehdr, field))

struct image {
	uint8_t *bytes;
	size_t len;
	size_t ehdr_size, shdr_size, phdr_size;
	bool is_64bit;
	enum byte_order order;
};

static void put_word(const struct image *im, size_t off, uint64_t v)
{
	if (im->is_64bit)
		put_u64(im->bytes + off, im->order, v);
	else
		put_u32(im->bytes + off, im->order, (uint32_t)v);
}

static uint64_t get_word(const struct image *im, size_t off)
{
	return im->is_64bit ? get_u64(im->bytes + off, im->order) : get_u32(im->bytes + off, im->order);
}

/* The ELF header and section header 0, put right behind it. */
static enum status read_front(struct rsource *src, struct image *im, struct err *err)
{
	uint8_t ident[EI_NIDENT];
	enum status st = rsource_read(src, 0, ident, sizeof(ident), err);
	uint64_t shoff;

	if (st != ST_OK)
		return st;
	if (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)
		return err_set(err, ST_BAD_INPUT, "ELF class %u is unknown", ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB && ident[EI_DATA] != ELFDATA2MSB)
		return err_set(err, ST_BAD_INPUT, "ELF byte order %u is unknown", ident[EI_DATA]);
	im->is_64bit = ident[EI_CLASS] == ELFCLASS64;
	im->order = ident[EI_DATA] == ELFDATA2LSB ? ORDER_LITTLE : ORDER_BIG;
	im->ehdr_size = im->is_64bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	im->shdr_size = im->is_64bit ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	im->phdr_size = im->is_64bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	im->len = im->ehdr_size + im->shdr_size;
	im->bytes = calloc(1, im->len);
	if (!im->bytes)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = rsource_read(src, 0, im->bytes, im->ehdr_size, err);
	if (st != ST_OK)
		return st;
	shoff = get_word(im, EHDR_FIELD(im->is_64bit, e_shoff));
	if (shoff && span_within(shoff, im->shdr_size, src->size_bytes)) {
		st = rsource_read(src, shoff, im->bytes + im->ehdr_size, im->shdr_size, err);
		if (st != ST_OK)
			return st;
	}
	put_word(im, EHDR_FIELD(im->is_64bit, e_shoff), im->ehdr_size);
	put_u16(im->bytes + EHDR_FIELD(im->is_64bit, e_shentsize), im->order, (uint16_t)im->shdr_size);
	put_u16(im->bytes + EHDR_FIELD(im->is_64bit, e_shnum), im->order, 1);
	put_u16(im->bytes + EHDR_FIELD(im->is_64bit, e_shstrndx), im->order, 0);
	return ST_OK;
}

/* How many program headers: in e_phnum, or in section header 0 where that says PN_XNUM. */
static enum status count_phdrs(const struct image *im, size_t *nr, struct err *err)
{
	uint16_t e_phnum = get_u16(im->bytes + EHDR_FIELD(im->is_64bit, e_phnum), im->order);
	uint16_t e_phentsize = get_u16(im->bytes + EHDR_FIELD(im->is_64bit, e_phentsize), im->order);

	*nr = e_phnum;
	if (e_phnum == PN_XNUM) {
		Elf *elf = elf_memory((char *)im->bytes, im->len);
		GElf_Shdr shdr;

		if (!elf || !gelf_getshdr(elf_getscn(elf, 0), &shdr)) {
			elf_end(elf);
			return err_set(err, ST_BAD_INPUT, "ELF section header 0, which counts the program headers, is missing");
		}
		*nr = shdr.sh_info;
		elf_end(elf);
	}
	if (!*nr)
		return err_set(err, ST_BAD_INPUT, "ELF file has no program headers");
	if (*nr > MAX_PROGRAM_HEADERS)
		return err_set(err, ST_BAD_INPUT, "ELF file claims %zu program headers, more than %u", *nr,
			       MAX_PROGRAM_HEADERS);
	if (e_phentsize != im->phdr_size)
		return err_set(err, ST_BAD_INPUT, "ELF program header size is %u, not %zu", e_phentsize, im->phdr_size);
	return ST_OK;
}

/* Append the program headers to the image, wherever the file has them (QEMU since 7.2: not right after the header). */
static enum status read_phdrs(struct rsource *src, struct image *im, size_t nr, struct err *err)
{
	uint64_t phoff = get_word(im, EHDR_FIELD(im->is_64bit, e_phoff));
	size_t bytes = nr * im->phdr_size;
	uint8_t *grown;

	if (!span_within(phoff, bytes, src->size_bytes))
		return err_set(err, ST_BAD_INPUT, "ELF program headers (%zu bytes at %" PRIu64 ") lie beyond the end of the file",
			       bytes, phoff);
	grown = realloc(im->bytes, im->len + bytes);
	if (!grown)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	im->bytes = grown;
	put_word(im, EHDR_FIELD(im->is_64bit, e_phoff), im->len);
	im->len += bytes;
	return rsource_read(src, phoff, im->bytes + im->len - bytes, bytes, err);
}

static enum status append_notes(struct elf_headers *h, struct rsource *src, const GElf_Phdr *ph, struct err *err)
{
	size_t at = (size_t)align_up(h->notes_len_bytes, 4);
	uint8_t *grown;
	size_t got;
	enum status st;

	if (!ph->p_filesz)
		return ST_OK;
	if (!span_within(ph->p_offset, ph->p_filesz, src->size_bytes) || ph->p_filesz > MAX_NOTES_BYTES - at)
		return err_set(err, ST_BAD_INPUT, "ELF notes (%" PRIu64 " bytes at %" PRIu64 ") do not fit into the file",
			       (uint64_t)ph->p_filesz, (uint64_t)ph->p_offset);
	grown = realloc(h->notes, at + ph->p_filesz);
	if (!grown)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memset(grown + h->notes_len_bytes, 0, at - h->notes_len_bytes);
	h->notes = grown;
	st = rsource_read_some(src, ph->p_offset, grown + at, ph->p_filesz, &got, err);
	h->notes_len_bytes = at + got;
	return st;
}

uint64_t elf_phys_end(uint16_t machine)
{
	return UINT64_C(1) << (machine == EM_X86_64 || machine == EM_386 ? X86_PHYS_BITS : MAX_PHYS_BITS);
}

/* The part of @load that can be memory; nothing may be left of it. */
static void clip_load(struct elf_headers *h, struct elf_load *load)
{
	uint64_t end = elf_phys_end(h->machine), room = end - min_u64(load->paddr, end);

	if (load->mem_len <= room)
		return;
	h->nr_beyond++;
	h->beyond_bytes += min_u64(load->mem_len - room, UINT64_MAX - h->beyond_bytes);
	load->mem_len = room;
	load->file_len = min_u64(load->file_len, room);
}

static enum status add_load(struct elf_headers *h, const GElf_Phdr *ph, struct err *err)
{
	struct elf_load load = {
		.paddr = ph->p_paddr,
		.vaddr = ph->p_vaddr,
		.file_off = ph->p_offset,
		.file_len = ph->p_filesz,
		.mem_len = ph->p_memsz,
	};
	uint64_t end;

	if (ph->p_filesz > ph->p_memsz)
		return err_set(err, ST_BAD_INPUT, "ELF PT_LOAD at 0x%" PRIx64 " has more bytes in the file than in memory",
			       (uint64_t)ph->p_paddr);
	clip_load(h, &load);
	if (!load.mem_len)
		return ST_OK;
	if (__builtin_add_overflow(load.file_off, load.file_len, &end))
		return err_set(err, ST_BAD_INPUT, "ELF PT_LOAD at 0x%" PRIx64 " runs over the end of any file", load.paddr);
	h->loads[h->nr_loads++] = load;
	return ST_OK;
}

static void tell_beyond(const struct elf_headers *h, const char *name)
{
	char size[16];

	if (h->nr_beyond)
		log_warn("%s: what PT_LOADs claim from 0x%" PRIx64 " on, where the machine can have no memory, is set aside: %s in "
			 "%zu of them", name, elf_phys_end(h->machine), units_bytes(h->beyond_bytes, size, sizeof(size)),
			 h->nr_beyond);
}

static enum status take_phdrs(struct elf_headers *h, struct rsource *src, Elf *elf, struct err *err)
{
	size_t nr;
	GElf_Phdr ph;

	if (!elf || elf_getphdrnum(elf, &nr) < 0)
		return err_set(err, ST_BAD_INPUT, "ELF program headers: %s", elf_errmsg(-1));
	h->loads = calloc(nr, sizeof(*h->loads));
	if (!h->loads)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		enum status st = ST_OK;

		if (!gelf_getphdr(elf, (int)i, &ph))
			return err_set(err, ST_BAD_INPUT, "ELF program header %zu: %s", i, elf_errmsg(-1));
		if (ph.p_type == PT_NOTE)
			st = append_notes(h, src, &ph, err);
		else if (ph.p_type == PT_LOAD)
			st = add_load(h, &ph, err);
		if (st != ST_OK)
			return st;
	}
	tell_beyond(h, src->name);
	if (!h->nr_loads)
		return err_set(err, ST_BAD_INPUT, "ELF file has no PT_LOAD%s: it holds no memory",
			       h->nr_beyond ? " that the machine could address" : "");
	return ST_OK;
}

static enum status parse_image(struct elf_headers *h, struct rsource *src, struct image *im, struct err *err)
{
	GElf_Ehdr ehdr;
	enum status st;
	Elf *elf = elf_memory((char *)im->bytes, im->len);

	if (!elf || !gelf_getehdr(elf, &ehdr)) {
		elf_end(elf);
		return err_set(err, ST_BAD_INPUT, "ELF header: %s", elf_errmsg(-1));
	}
	h->is_64bit = im->is_64bit;
	h->order = im->order;
	h->machine = ehdr.e_machine;
	h->flags = ehdr.e_flags;
	if (ehdr.e_type != ET_CORE)
		st = err_set(err, ST_BAD_INPUT, "ELF file is not a core (type %u): a vmlinux or program?", ehdr.e_type);
	else
		st = take_phdrs(h, src, elf, err);
	elf_end(elf);
	return st;
}

enum status elf_headers_init(struct elf_headers *h, struct rsource *src, struct err *err)
{
	struct image im = { 0 };
	enum status st;
	size_t nr;

	*h = (struct elf_headers){ 0 };
	if (elf_version(EV_CURRENT) == EV_NONE)
		return err_set(err, ST_INTERNAL, "libelf is of another age");
	st = read_front(src, &im, err);
	if (st == ST_OK)
		st = count_phdrs(&im, &nr, err);
	if (st == ST_OK)
		st = read_phdrs(src, &im, nr, err);
	if (st == ST_OK)
		st = parse_image(h, src, &im, err);
	free(im.bytes);
	if (st != ST_OK)
		elf_headers_deinit(h);
	return st;
}

void elf_headers_deinit(struct elf_headers *h)
{
	free(h->loads);
	free(h->notes);
	*h = (struct elf_headers){ 0 };
}
