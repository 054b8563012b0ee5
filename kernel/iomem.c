// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/iomem.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/iomem_root.h"

#define MAX_REGIONS 16384u
#define MAX_DEPTH 16u

static void read_name(struct kmodel *km, uint64_t vaddr, char *name, size_t len)
{
	size_t n = 0;

	while (n + 1 < len && kmodel_read(km, vaddr + n, &name[n], 1, NULL) == ST_OK && name[n]) {
		if ((unsigned char)name[n] < 0x20 || (unsigned char)name[n] > 0x7e)
			name[n] = '?';
		n++;
	}
	name[n] = '\0';
}

/* @vaddr and its siblings, each followed by what lies below it. */
static enum status read_siblings(struct iomem *io, struct kmodel *km, uint64_t vaddr, unsigned depth, struct err *err)
{
	while (vaddr) {
		uint8_t raw[RESOURCE_BYTES];
		struct iomem_region *r;
		uint64_t child, last;
		enum status st;

		if (io->nr_regions == MAX_REGIONS || depth == MAX_DEPTH)
			return err_set(err, ST_BAD_INPUT, "the resource tree has no end");
		st = kmodel_read(km, vaddr, raw, sizeof(raw), err);
		if (st != ST_OK)
			return st;
		r = &io->regions[io->nr_regions++];
		r->start = get_u64(raw + RESOURCE_START, km->pm->order);
		last = get_u64(raw + RESOURCE_END, km->pm->order);
		r->end = last == UINT64_MAX ? last : last + 1;
		r->depth = depth;
		read_name(km, get_u64(raw + RESOURCE_NAME, km->pm->order), r->name, sizeof(r->name));
		child = get_u64(raw + RESOURCE_CHILD, km->pm->order);
		vaddr = get_u64(raw + RESOURCE_SIBLING, km->pm->order);
		st = child ? read_siblings(io, km, child, depth + 1, err) : ST_OK;
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* The kernel has put its own text there, and knows where that is. */
static bool has_own_text(const struct iomem *io, struct kmodel *km)
{
	uint64_t stext, paddr, len;

	return vmcoreinfo_symbol(km->vi, "_stext", &stext) &&
	       kmodel_translate(km, stext, &paddr, &len, NULL) == ST_OK && iomem_is_inside(io, paddr, "Kernel code");
}

enum status iomem_init(struct iomem *io, struct kmodel *km, struct err *err)
{
	uint64_t root, child;
	enum status st;
	bool guessed;

	*io = (struct iomem){ 0 };
	if (!km->pm->is_64bit)
		return err_set(err, ST_UNSUPPORTED, "the resource tree of a 32-bit kernel is not understood");
	st = iomem_find_root(km, &root, &guessed, err);
	if (st == ST_OK)
		st = kmodel_read_u64(km, root + RESOURCE_CHILD, &child, err);
	if (st != ST_OK)
		return st;
	io->regions = calloc(MAX_REGIONS, sizeof(*io->regions));
	if (!io->regions)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = read_siblings(io, km, child, 0, err);
	if (st == ST_OK && guessed && !has_own_text(io, km))
		st = err_set(err, ST_NOT_FOUND, "what looks like the resource tree has no kernel code in it");
	if (st != ST_OK)
		iomem_deinit(io);
	return st;
}

void iomem_deinit(struct iomem *io)
{
	free(io->regions);
	*io = (struct iomem){ 0 };
}

bool iomem_region_is_ram(const struct iomem_region *r)
{
	return !strncmp(r->name, "System RAM", strlen("System RAM"));
}

uint64_t iomem_ram_end(const struct iomem *io)
{
	uint64_t end = 0;

	for (size_t i = 0; i < io->nr_regions; i++)
		if (iomem_region_is_ram(&io->regions[i]))
			end = max_u64(end, io->regions[i].end);
	return end;
}

const struct iomem_region *iomem_find(const struct iomem *io, uint64_t paddr)
{
	const struct iomem_region *best = NULL;

	for (size_t i = 0; i < io->nr_regions; i++) {
		const struct iomem_region *r = &io->regions[i];

		if (r->start <= paddr && paddr < r->end && (!best || r->depth >= best->depth))
			best = r;
	}
	return best;
}

bool iomem_has(const struct iomem *io, const char *name)
{
	for (size_t i = 0; i < io->nr_regions; i++)
		if (!strcmp(io->regions[i].name, name))
			return true;
	return false;
}

bool iomem_is_inside(const struct iomem *io, uint64_t paddr, const char *name)
{
	for (size_t i = 0; i < io->nr_regions; i++) {
		const struct iomem_region *r = &io->regions[i];

		if (r->start <= paddr && paddr < r->end && !strcmp(r->name, name))
			return true;
	}
	return false;
}
