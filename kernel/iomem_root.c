// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/iomem_root.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/kallsyms.h"

#define ROOT_NAME "PCI mem" /* kernel/resource.c, in every version */
#define IORESOURCE_MEM UINT64_C(0x200)
#define IORESOURCE_TYPE_BITS UINT64_C(0x1f00)

/* From _stext on; what kernels map of theirs is half of it. */
#define SEARCH_BYTES (128 * MIB)
#define PIECE_BYTES (4 * KIB) /* a page that cannot be read is passed over alone */
#define MAX_NAMES 8u

struct search {
	struct kmodel *km;
	uint8_t *piece;		   /* what is read now, and before it the last bytes of the piece before */
	uint64_t piece_vaddr;	   /* of piece[sizeof(ROOT_NAME)] */
	uint64_t before;	   /* bytes of them that are there */
	uint64_t names[MAX_NAMES]; /* where ROOT_NAME stands */
	unsigned nr_names;
	uint64_t root;		   /* 0: not found yet */
};

static bool is_root(struct kmodel *km, uint64_t vaddr)
{
	uint8_t raw[RESOURCE_BYTES];
	uint64_t last, flags;

	if (kmodel_read(km, vaddr, raw, sizeof(raw), NULL) != ST_OK)
		return false;
	last = get_u64(raw + RESOURCE_END, km->pm->order);
	flags = get_u64(raw + RESOURCE_FLAGS, km->pm->order);
	return !get_u64(raw + RESOURCE_START, km->pm->order) && last >= UINT32_MAX && !(last & (last + 1)) &&
	       (flags & IORESOURCE_TYPE_BITS) == IORESOURCE_MEM && !get_u64(raw + RESOURCE_PARENT, km->pm->order) &&
	       !get_u64(raw + RESOURCE_SIBLING, km->pm->order) && get_u64(raw + RESOURCE_CHILD, km->pm->order);
}

static void look_for_names(struct search *s, size_t len)
{
	const uint8_t *from = s->piece + sizeof(ROOT_NAME) - s->before, *end = s->piece + sizeof(ROOT_NAME) + len;

	while (s->nr_names < MAX_NAMES) {
		const uint8_t *at = memmem(from, (size_t)(end - from), ROOT_NAME, sizeof(ROOT_NAME));

		if (!at)
			return;
		s->names[s->nr_names++] = s->piece_vaddr + (uint64_t)(at - s->piece) - sizeof(ROOT_NAME);
		from = at + sizeof(ROOT_NAME);
	}
}

static void look_for_root(struct search *s, size_t len)
{
	for (size_t i = 0; i + 8 <= len && !s->root; i += 8) {
		uint64_t word = get_u64(s->piece + sizeof(ROOT_NAME) + i, s->km->pm->order);

		for (unsigned k = 0; k < s->nr_names; k++)
			if (word == s->names[k] && is_root(s->km, s->piece_vaddr + i - RESOURCE_NAME))
				s->root = s->piece_vaddr + i - RESOURCE_NAME;
	}
}

/* [@start, @end) is mapped. The name is read-only data and comes before data, so one pass does. */
static void look_in(struct search *s, uint64_t start, uint64_t end)
{
	s->before = 0;
	for (uint64_t at = start; at < end && !s->root; at += PIECE_BYTES) {
		size_t len = (size_t)min_u64(PIECE_BYTES, end - at);

		s->piece_vaddr = at;
		if (kmodel_read(s->km, at, s->piece + sizeof(ROOT_NAME), len, NULL) != ST_OK) {
			s->before = 0;
			continue;
		}
		look_for_names(s, len);
		look_for_root(s, len);
		memcpy(s->piece, s->piece + len, sizeof(ROOT_NAME));
		s->before = sizeof(ROOT_NAME) - 1;
	}
}

static enum status search(struct kmodel *km, uint64_t *vaddr, struct err *err)
{
	struct search s = { .km = km };
	uint64_t at, end, start = 0;

	if (!vmcoreinfo_symbol(km->vi, "_stext", &at))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO does not tell where the kernel's image is");
	s.piece = malloc(sizeof(ROOT_NAME) + PIECE_BYTES);
	if (!s.piece)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	end = at > UINT64_MAX - SEARCH_BYTES ? UINT64_MAX : at + SEARCH_BYTES;
	/* Leaves that abut are one run: what is looked for may lie across their border. */
	while (at < end && !s.root) {
		uint64_t paddr, len = 0;
		enum status st = kmodel_translate(km, at, &paddr, &len, NULL);

		if ((st != ST_OK && st != ST_NO_DATA) || !len)
			len = km->pm->page_size;
		len = min_u64(len, end - at);
		if (st == ST_OK && !start)
			start = at;
		if (start && (st != ST_OK || at + len == end)) {
			look_in(&s, start, st == ST_OK ? end : at);
			start = 0;
		}
		at += len;
	}
	free(s.piece);
	if (!s.root)
		return err_set(err, ST_NOT_FOUND, "the kernel's image has no iomem_resource");
	*vaddr = s.root;
	return ST_OK;
}

enum status iomem_find_root(struct kmodel *km, uint64_t *vaddr, bool *guessed, struct err *err)
{
	struct kallsyms_symbol root = { .name = "iomem_resource" };
	enum status st = kallsyms_lookup(km, &root, 1, err);

	*guessed = st == ST_NOT_FOUND;
	if (*guessed)
		return search(km, vaddr, err);
	if (st == ST_OK && !root.found)
		st = err_set(err, ST_NOT_FOUND, "the kernel's symbol table has no iomem_resource");
	*vaddr = root.vaddr;
	return st;
}
