// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/arch/arch.h"
#include "kernel/dmesg_internal.h"

/* How far beyond the start of the kernel's text to look, and how much unmapped room ends the image. */
#define IMAGE_MAX_BYTES (128 * MIB)
#define IMAGE_GAP_MAX_BYTES (8 * MIB)

/*
 * struct printk_info has carried caller_id ever since 5.10, PRINTK_CALLER or not, so its presence says nothing of what
 * the crashed machine's own dmesg shows; nor does VMCOREINFO. But only a kernel with the option contains this format of
 * /dev/kmsg (info_print_ext_header() in kernel/printk/printk.c). Read-only data follows the text on every architecture.
 */
static const char needle[] = ",caller=%c%u";
#define NEEDLE_LEN (sizeof(needle) - 1)

/**
 * One page of the image. Only what the page tables map: kmodel_read() also knows the image by formula, and that leads
 * into memory which the kernel has long given to others.
 */
static bool read_mapped_page(struct kmodel *km, uint64_t vaddr, uint8_t page[LOG_WINDOW_BYTES])
{
	uint64_t paddr, len;

	return km->arch->translate(km, vaddr, &paddr, &len, NULL) == ST_OK && len >= LOG_WINDOW_BYTES &&
	       physmem_read(km->pm, paddr, page, LOG_WINDOW_BYTES, NULL) == ST_OK;
}

bool log_shows_caller(struct kmodel *km)
{
	uint8_t buf[NEEDLE_LEN - 1 + LOG_WINDOW_BYTES]; /* the end of the page before, then a page */
	uint8_t *page = buf + NEEDLE_LEN - 1;
	uint64_t start, gap = 0;

	if (!vmcoreinfo_symbol(km->vi, "_stext", &start))
		return false;
	start = align_down(start, LOG_WINDOW_BYTES);
	memset(buf, 0, sizeof(buf));
	for (uint64_t off = 0; off < IMAGE_MAX_BYTES && gap < IMAGE_GAP_MAX_BYTES; off += LOG_WINDOW_BYTES) {
		/* Holes are normal: a kernel unmaps and frees what lies between its text and its read-only data. */
		if (!read_mapped_page(km, start + off, page)) {
			memset(buf, 0, sizeof(buf));
			gap += LOG_WINDOW_BYTES;
			continue;
		}
		gap = 0;
		if (memmem(buf, sizeof(buf), needle, NEEDLE_LEN))
			return true;
		memcpy(buf, buf + LOG_WINDOW_BYTES, NEEDLE_LEN - 1);
	}
	return false;
}
