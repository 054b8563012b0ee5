/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_ELF_H
#define TESTS_UNIT_FAKE_ELF_H

/*
 * ELF cores put together by hand, byte by byte: libelf, which the product uses, has no part in it. Include after
 *cmocka.h.
 *
 *	struct fake_elf fe = fake_elf_new(true, ORDER_LITTLE);
 *	fake_elf_phdr(&fe, PT_LOAD, paddr, vaddr, offset, filesz, memsz);
 *	fake_elf_finish(&fe, 64, false);		program headers at 64; then fe.bytes and fe.len
 *	fake_elf_free(&fe);
 */

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "common/endian.h"
#include "common/units.h"

struct fake_phdr {
	uint32_t type;
	uint64_t paddr, vaddr, off, filesz, memsz;
};

struct fake_elf {
	bool is_64bit;
	enum byte_order order;
	uint16_t type, machine, phentsize;
	uint32_t flags;
	struct fake_phdr *phdrs;
	size_t nr_phdrs;
	uint8_t *bytes;
	size_t len;
};

static inline struct fake_elf fake_elf_new(bool is_64bit, enum byte_order order)
{
	return (struct fake_elf){
		.is_64bit = is_64bit,
		.order = order,
		.type = ET_CORE,
		.machine = EM_X86_64,
		.phentsize = is_64bit ? 56 : 32,
	};
}

static inline void fake_elf_free(struct fake_elf *fe)
{
	free(fe->phdrs);
	free(fe->bytes);
	*fe = (struct fake_elf){ 0 };
}

static inline void fake_elf_phdr(struct fake_elf *fe, uint32_t type, uint64_t paddr, uint64_t vaddr, uint64_t off,
				 uint64_t filesz, uint64_t memsz)
{
	if (!(fe->nr_phdrs & (fe->nr_phdrs - 1)))
		fe->phdrs = realloc(fe->phdrs, (fe->nr_phdrs ? 2 * fe->nr_phdrs : 1) * sizeof(*fe->phdrs));
	assert_non_null(fe->phdrs);
	fe->phdrs[fe->nr_phdrs++] = (struct fake_phdr){ type, paddr, vaddr, off, filesz, memsz };
}

/** Grow to @len bytes, zeroed. */
static inline void fake_elf_grow(struct fake_elf *fe, size_t len)
{
	if (len <= fe->len)
		return;
	fe->bytes = realloc(fe->bytes, len);
	assert_non_null(fe->bytes);
	memset(fe->bytes + fe->len, 0, len - fe->len);
	fe->len = len;
}

static inline void fake_elf_put(struct fake_elf *fe, size_t off, const void *data, size_t len)
{
	fake_elf_grow(fe, off + len);
	memcpy(fe->bytes + off, data, len);
}

static inline void fake_elf_put_phdr(struct fake_elf *fe, uint8_t *p, const struct fake_phdr *h)
{
	put_u32(p, fe->order, h->type);
	if (fe->is_64bit) {
		put_u64(p + 8, fe->order, h->off);
		put_u64(p + 16, fe->order, h->vaddr);
		put_u64(p + 24, fe->order, h->paddr);
		put_u64(p + 32, fe->order, h->filesz);
		put_u64(p + 40, fe->order, h->memsz);
		return;
	}
	put_u32(p + 4, fe->order, (uint32_t)h->off);
	put_u32(p + 8, fe->order, (uint32_t)h->vaddr);
	put_u32(p + 12, fe->order, (uint32_t)h->paddr);
	put_u32(p + 16, fe->order, (uint32_t)h->filesz);
	put_u32(p + 20, fe->order, (uint32_t)h->memsz);
}

/**
 * Write the ELF header, and the program headers at @phoff. @xnum: e_phnum says PN_XNUM, and a section header right
 * behind the ELF header has the number.
 */
static inline void fake_elf_finish(struct fake_elf *fe, size_t phoff, bool xnum)
{
	size_t ehdr_size = fe->is_64bit ? 64 : 52, shdr_size = fe->is_64bit ? 64 : 40;
	uint16_t phnum = xnum ? PN_XNUM : (uint16_t)fe->nr_phdrs;
	enum byte_order o = fe->order;
	uint8_t *b;

	fake_elf_grow(fe,
		      max_u64(ehdr_size + (xnum ? shdr_size : 0), phoff + fe->nr_phdrs * (fe->is_64bit ? 56u : 32u)));
	b = fe->bytes;
	memcpy(b, ELFMAG, SELFMAG);
	b[EI_CLASS] = fe->is_64bit ? ELFCLASS64 : ELFCLASS32;
	b[EI_DATA] = o == ORDER_LITTLE ? ELFDATA2LSB : ELFDATA2MSB;
	b[EI_VERSION] = EV_CURRENT;
	put_u16(b + 16, o, fe->type);
	put_u16(b + 18, o, fe->machine);
	put_u32(b + 20, o, EV_CURRENT);
	if (fe->is_64bit) {
		put_u64(b + 32, o, phoff);
		put_u64(b + 40, o, xnum ? ehdr_size : 0);
		put_u32(b + 48, o, fe->flags);
		b += 52;
	} else {
		put_u32(b + 28, o, (uint32_t)phoff);
		put_u32(b + 32, o, xnum ? (uint32_t)ehdr_size : 0);
		put_u32(b + 36, o, fe->flags);
		b += 40;
	}
	put_u16(b, o, (uint16_t)ehdr_size);
	put_u16(b + 2, o, fe->phentsize);
	put_u16(b + 4, o, phnum);
	if (xnum) {
		put_u16(b + 6, o, (uint16_t)shdr_size);
		put_u16(b + 8, o, 1);
		put_u32(fe->bytes + ehdr_size + (fe->is_64bit ? 44 : 28), o, (uint32_t)fe->nr_phdrs);
	}
	for (size_t i = 0; i < fe->nr_phdrs; i++)
		fake_elf_put_phdr(fe, fe->bytes + phoff + i * (fe->is_64bit ? 56u : 32u), &fe->phdrs[i]);
}

/** Append one note, 4-byte aligned, at @at of @blob. Returns where it ends. */
static inline size_t fake_note(uint8_t *blob, size_t at, enum byte_order o, const char *name, size_t namesz,
			       uint32_t type, const void *desc, size_t descsz)
{
	put_u32(blob + at, o, (uint32_t)namesz);
	put_u32(blob + at + 4, o, (uint32_t)descsz);
	put_u32(blob + at + 8, o, type);
	memcpy(blob + at + 12, name, namesz);
	at = align_up(at + 12 + namesz, 4);
	if (descsz)
		memcpy(blob + at, desc, descsz);
	return align_up(at + descsz, 4);
}

#endif
