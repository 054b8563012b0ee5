/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_KERNEL_H
#define TESTS_UNIT_FAKE_KERNEL_H

/*
 * A crashed x86_64 kernel in memory: RAM, hand-made page tables (4 levels, 4 KiB leaves), VMCOREINFO text.
 *kmodel_open() and everything above it run on it as on a dump. Include after cmocka.h.
 *
 *	struct fake_kernel *fk = fake_kernel_new(16 * MIB);
 *	uint64_t vaddr = fake_alloc(fk, bytes);		scattered page by page over RAM
 *	fake_put(fk, vaddr, data, len);
 *	fake_vi_add(fk, "SYMBOL(prb)=%llx", vaddr);
 *	struct kmodel *km = fake_kernel_open(fk);	asserts that it opens
 *	...
 *	kmodel_close(km);
 *	fake_kernel_free(fk);
 */

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/physmem.h"
#include "kernel/kmodel.h"

#define FAKE_PAGE UINT64_C(4096)
#define FAKE_STEXT UINT64_C(0xffffffff81000000)
/* The image lies lower in RAM than an unmoved kernel would: phys_base is negative, as under OVMF. */
#define FAKE_STEXT_PADDR UINT64_C(0x200000)
#define FAKE_PHYS_BASE ((int64_t)FAKE_STEXT_PADDR - 0x1000000)
#define FAKE_IMAGE_BYTES UINT64_C(0x100000)
#define FAKE_HEAP UINT64_C(0xffff888000000000)
#define FAKE_MAX_MAPPED 65536u

struct fake_kernel {
	struct physmem pm;
	struct range range;
	uint8_t *ram;
	uint64_t ram_bytes;
	uint64_t image_used_bytes; /**< of FAKE_IMAGE_BYTES */
	uint64_t next_frame_paddr; /**< frames are given out downwards */
	uint64_t next_heap_vaddr;
	uint64_t pgd_paddr;
	struct {
		uint64_t vaddr, paddr;
		enum status status; /**< of a read; ST_OK normally */
	} pages[FAKE_MAX_MAPPED];   /**< the test's own record of what is mapped: it does not walk tables to find out */
	size_t nr_pages;
	char vi[65536];
	size_t vi_len;
};

static inline enum status fake_physmem_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got,
					    struct err *err)
{
	struct fake_kernel *fk = (struct fake_kernel *)((char *)pm - offsetof(struct fake_kernel, pm));
	uint8_t *to = buf;

	*got = 0;
	while (*got < len) {
		uint64_t at = paddr + *got;
		size_t part = (size_t)min_u64(len - *got, FAKE_PAGE - at % FAKE_PAGE);

		if (at >= fk->ram_bytes)
			return err_set(err, ST_NO_DATA, "no RAM at 0x%llx", (unsigned long long)at);
		for (size_t i = 0; i < fk->nr_pages; i++)
			if (fk->pages[i].status != ST_OK && fk->pages[i].paddr == align_down(at, FAKE_PAGE))
				return err_set(err, fk->pages[i].status, "hole at 0x%llx", (unsigned long long)at);
		memcpy(to + *got, fk->ram + at, part);
		*got += part;
	}
	return ST_OK;
}

static inline void fake_physmem_close(struct physmem *pm)
{
}

static const struct physmem_ops fake_physmem_ops = { .read = fake_physmem_read, .close = fake_physmem_close };

static inline uint64_t fake_alloc_frame(struct fake_kernel *fk)
{
	fk->next_frame_paddr -= FAKE_PAGE;
	assert_true(fk->next_frame_paddr >= FAKE_STEXT_PADDR + FAKE_IMAGE_BYTES);
	memset(fk->ram + fk->next_frame_paddr, 0, FAKE_PAGE);
	return fk->next_frame_paddr;
}

/** Enter one page into the page tables. */
static inline void fake_map(struct fake_kernel *fk, uint64_t vaddr, uint64_t paddr)
{
	uint64_t table = fk->pgd_paddr;

	assert_true(fk->nr_pages < FAKE_MAX_MAPPED);
	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint8_t *entry = fk->ram + table + (vaddr >> shift & 511) * 8;
		uint64_t value = get_u64(entry, ORDER_LITTLE);

		if (!value) {
			value = fake_alloc_frame(fk) | 0x63;
			put_u64(entry, ORDER_LITTLE, value);
		}
		table = align_down(value, FAKE_PAGE);
	}
	put_u64(fk->ram + table + (vaddr >> 12 & 511) * 8, ORDER_LITTLE, paddr | UINT64_C(0x8000000000000163));
	fk->pages[fk->nr_pages].vaddr = vaddr;
	fk->pages[fk->nr_pages].paddr = paddr;
	fk->pages[fk->nr_pages].status = ST_OK;
	fk->nr_pages++;
}

static inline size_t fake_page_index(const struct fake_kernel *fk, uint64_t vaddr)
{
	for (size_t i = 0; i < fk->nr_pages; i++)
		if (fk->pages[i].vaddr == align_down(vaddr, FAKE_PAGE))
			return i;
	fail_msg("0x%llx is not mapped in the fake kernel", (unsigned long long)vaddr);
	return 0;
}

/** Zeroed kernel memory, page aligned; neighbours in virtual memory are no neighbours in RAM. */
static inline uint64_t fake_alloc(struct fake_kernel *fk, uint64_t bytes)
{
	uint64_t vaddr = fk->next_heap_vaddr;

	for (uint64_t off = 0; off < bytes; off += FAKE_PAGE)
		fake_map(fk, vaddr + off, fake_alloc_frame(fk));
	/* A guard page between two allocations. */
	fk->next_heap_vaddr += align_up(bytes, FAKE_PAGE) + FAKE_PAGE;
	return vaddr;
}

/** Zeroed memory within the kernel image, page aligned; adjacent to what was allocated before. */
static inline uint64_t fake_alloc_image(struct fake_kernel *fk, uint64_t bytes)
{
	uint64_t off = fk->image_used_bytes;

	fk->image_used_bytes += align_up(bytes, FAKE_PAGE);
	assert_true(fk->image_used_bytes <= FAKE_IMAGE_BYTES);
	for (uint64_t i = off; i < fk->image_used_bytes; i += FAKE_PAGE)
		fake_map(fk, FAKE_STEXT + i, FAKE_STEXT_PADDR + i);
	return FAKE_STEXT + off;
}

static inline void fake_put(struct fake_kernel *fk, uint64_t vaddr, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len) {
		size_t part = (size_t)min_u64(len, FAKE_PAGE - vaddr % FAKE_PAGE);

		memcpy(fk->ram + fk->pages[fake_page_index(fk, vaddr)].paddr + vaddr % FAKE_PAGE, from, part);
		vaddr += part;
		from += part;
		len -= part;
	}
}

static inline void fake_put_u16(struct fake_kernel *fk, uint64_t vaddr, uint16_t v)
{
	uint8_t raw[2];

	put_u16(raw, ORDER_LITTLE, v);
	fake_put(fk, vaddr, raw, sizeof(raw));
}

static inline void fake_put_u32(struct fake_kernel *fk, uint64_t vaddr, uint32_t v)
{
	uint8_t raw[4];

	put_u32(raw, ORDER_LITTLE, v);
	fake_put(fk, vaddr, raw, sizeof(raw));
}

static inline void fake_put_u64(struct fake_kernel *fk, uint64_t vaddr, uint64_t v)
{
	uint8_t raw[8];

	put_u64(raw, ORDER_LITTLE, v);
	fake_put(fk, vaddr, raw, sizeof(raw));
}

/** Reads of the page of @vaddr fail with @status from now on. */
static inline void fake_hole(struct fake_kernel *fk, uint64_t vaddr, enum status status)
{
	fk->pages[fake_page_index(fk, vaddr)].status = status;
}

/** Append a line to VMCOREINFO. The first line of a key counts. */
static inline void __attribute__((format(printf, 2, 3))) fake_vi_add(struct fake_kernel *fk, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(fk->vi + fk->vi_len, sizeof(fk->vi) - fk->vi_len - 1, fmt, ap);
	va_end(ap);
	assert_true(len >= 0 && (size_t)len < sizeof(fk->vi) - fk->vi_len - 1);
	fk->vi_len += (size_t)len;
	fk->vi[fk->vi_len++] = '\n';
}

static inline struct fake_kernel *fake_kernel_new(uint64_t ram_bytes)
{
	struct fake_kernel *fk = calloc(1, sizeof(*fk));

	assert_non_null(fk);
	fk->ram = calloc(1, ram_bytes);
	assert_non_null(fk->ram);
	fk->ram_bytes = ram_bytes;
	fk->next_frame_paddr = ram_bytes;
	fk->next_heap_vaddr = FAKE_HEAP;
	fk->range = (struct range){ 0, ram_bytes };
	fk->pm = (struct physmem){
		.ops = &fake_physmem_ops,
		.page_size = FAKE_PAGE,
		.order = ORDER_LITTLE,
		.is_64bit = true,
		.elf_machine = EM_X86_64,
		.ranges = &fk->range,
		.nr_ranges = 1,
	};
	/* The image's first two pages: text, and the root table, which must lie in the image. */
	fk->pgd_paddr = FAKE_STEXT_PADDR + FAKE_PAGE;
	fake_alloc_image(fk, 2 * FAKE_PAGE);
	fake_vi_add(fk, "OSRELEASE=6.1.0-fake");
	fake_vi_add(fk, "PAGESIZE=4096");
	fake_vi_add(fk, "SYMBOL(_stext)=%llx", (unsigned long long)FAKE_STEXT);
	fake_vi_add(fk, "SYMBOL(init_top_pgt)=%llx", (unsigned long long)(FAKE_STEXT + FAKE_PAGE));
	fake_vi_add(fk, "SYMBOL(swapper_pg_dir)=%llx", (unsigned long long)(FAKE_STEXT + FAKE_PAGE));
	fake_vi_add(fk, "NUMBER(phys_base)=%lld", (long long)FAKE_PHYS_BASE);
	fake_vi_add(fk, "NUMBER(pgtable_l5_enabled)=0");
	fake_vi_add(fk, "NUMBER(KERNEL_IMAGE_SIZE)=1073741824");
	fake_vi_add(fk, "NUMBER(sme_mask)=0");
	return fk;
}

static inline struct kmodel *fake_kernel_open(struct fake_kernel *fk)
{
	struct kmodel *km = NULL;
	struct err err = { 0 };

	fk->pm.vmcoreinfo = fk->vi;
	fk->pm.vmcoreinfo_len_bytes = fk->vi_len;
	if (kmodel_open(&fk->pm, &km, &err) != ST_OK)
		fail_msg("kmodel_open: %s", err.text);
	return km;
}

static inline void fake_kernel_free(struct fake_kernel *fk)
{
	if (!fk)
		return;
	free(fk->ram);
	free(fk);
}

#endif
