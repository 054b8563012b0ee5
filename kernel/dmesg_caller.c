// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/arch/arch.h"
#include "kernel/dmesg_internal.h"
#include "kernel/kallsyms.h"

/* How far beyond the start of the kernel's text to look, and how much unmapped room ends the image. */
#define IMAGE_MAX_BYTES (128 * MIB)
#define IMAGE_GAP_MAX_BYTES (8 * MIB)

/*
 * struct printk_info has carried caller_id ever since 5.10, PRINTK_CALLER or not, so its presence says nothing of what
 * the crashed machine's own dmesg shows; nor does VMCOREINFO. But only a kernel with the option contains the format
 * ",caller=%c%u" of /dev/kmsg (info_print_ext_header() in kernel/printk/printk.c). Here each character is one higher: the
 * kernel frees parts of its image after boot and leaves them mapped, and what lies there may be the page cache of this
 * very program.
 */
static const char needle_plus_1[] = "-dbmmfs>&d&v";
#define NEEDLE_LEN (sizeof(needle_plus_1) - 1)

struct needle {
	char text[NEEDLE_LEN];
};

static void needle_init(struct needle *n)
{
	for (size_t i = 0; i < NEEDLE_LEN; i++)
		n->text[i] = (char)(needle_plus_1[i] - 1);
}

/* The read-only data, which stays what it was; where no symbol table tells, all of the image. */
static bool find_range(struct kmodel *km, struct range *vaddrs)
{
	struct kallsyms_symbol rodata[] = { { .name = "__start_rodata" }, { .name = "__end_rodata" } };
	uint64_t start;

	if (kallsyms_lookup(km, rodata, ARRAY_SIZE(rodata), NULL) == ST_OK && rodata[0].found && rodata[1].found &&
	    rodata[1].vaddr > rodata[0].vaddr && rodata[1].vaddr - rodata[0].vaddr <= IMAGE_MAX_BYTES) {
		*vaddrs = (struct range){ align_down(rodata[0].vaddr, LOG_WINDOW_BYTES), rodata[1].vaddr };
		return true;
	}
	if (!vmcoreinfo_symbol(km->vi, "_stext", &start))
		return false;
	start = align_down(start, LOG_WINDOW_BYTES);
	*vaddrs = (struct range){ start, start + IMAGE_MAX_BYTES };
	return true;
}

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
	struct needle needle;
	struct range image;
	uint64_t gap = 0;

	if (!find_range(km, &image))
		return false;
	needle_init(&needle);
	memset(buf, 0, sizeof(buf));
	for (uint64_t at = image.start; at < image.end && gap < IMAGE_GAP_MAX_BYTES; at += LOG_WINDOW_BYTES) {
		/* Holes are normal: a kernel unmaps and frees what lies between its text and its read-only data. */
		if (!read_mapped_page(km, at, page)) {
			memset(buf, 0, sizeof(buf));
			gap += LOG_WINDOW_BYTES;
			continue;
		}
		gap = 0;
		if (memmem(buf, sizeof(buf), needle.text, NEEDLE_LEN))
			return true;
		memcpy(buf, buf + LOG_WINDOW_BYTES, NEEDLE_LEN - 1);
	}
	return false;
}
