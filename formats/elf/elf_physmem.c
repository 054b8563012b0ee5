// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/elf/elf_physmem.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/elf/elf_headers.h"
#include "formats/elf/notes.h"
#include "formats/elf/segments.h"
#include "formats/pagesize.h"

/* x86_64 maps the kernel image from here on, in every layout (__START_KERNEL_map, Documentation/x86/x86_64/mm.rst). */
#define X86_64_KERNEL_MAP UINT64_C(0xffffffff80000000)
/* makedumpfile -E: DUMP_ELF_INCOMPLETE */
#define E_FLAGS_INCOMPLETE 1u

struct elf_physmem {
	struct physmem base;
	struct rsource *src;
	struct elf_headers headers;
	struct segment_map map;
	struct elf_details details;
	bool is_clone; /**< borrows all of the above, but: */
	bool owns_src; /**< a source that threads cannot share */
};

static enum status elf_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got, struct err *err)
{
	struct elf_physmem *e = (struct elf_physmem *)pm;
	size_t i = segment_map_find(&e->map, paddr);

	while (*got < len) {
		const struct segment *s = &e->map.segments[i];
		uint64_t pos = paddr + *got;
		size_t want, n;
		enum status st;

		if (i == e->map.nr_segments || s->start > pos || !s->has_data)
			return err_set(err, ST_NO_DATA, "the dump holds no byte of physical address 0x%" PRIx64, pos);
		want = (size_t)min_u64(len - *got, s->end - pos);
		st = rsource_read_some(e->src, s->file_off + (pos - s->start), (uint8_t *)buf + *got, want, &n, err);
		*got += n;
		if (st != ST_OK)
			return st;
		if (n != want)
			return err_set(err, ST_IO, "%s is truncated: physical address 0x%" PRIx64 " lies beyond its end",
				       e->src->name, pos + n);
		i++;
	}
	return ST_OK;
}

static const uint8_t *elf_view(struct physmem *pm, uint64_t paddr, size_t len)
{
	struct elf_physmem *e = (struct elf_physmem *)pm;
	size_t i = segment_map_find(&e->map, paddr);
	const struct segment *s = &e->map.segments[i];

	if (i == e->map.nr_segments || s->start > paddr || !s->has_data || s->end - paddr < len)
		return NULL;
	return rsource_view(e->src, s->file_off + (paddr - s->start), len);
}

static bool elf_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	struct elf_physmem *e = (struct elf_physmem *)pm;
	size_t i = segment_map_find(&e->map, paddr);
	const struct segment *s;

	while (i < e->map.nr_segments && !e->map.segments[i].has_data && e->map.segments[i].start < limit)
		i++;
	if (i == e->map.nr_segments || e->map.segments[i].start >= limit)
		return false;
	s = &e->map.segments[i];
	*run = (struct range){ max_u64(paddr, s->start), min_u64(limit, s->end) };
	return true;
}

static void elf_close(struct physmem *pm)
{
	struct elf_physmem *e = (struct elf_physmem *)pm;

	if (!e->is_clone) {
		elf_headers_deinit(&e->headers);
		segment_map_deinit(&e->map);
	}
	if (e->owns_src)
		rsource_close(e->src);
	free(e);
}

static enum status elf_clone(struct physmem *pm, struct physmem **clone, struct err *err)
{
	struct elf_physmem *from = (struct elf_physmem *)pm, *e = malloc(sizeof(*e));

	if (!e)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	*e = *from;
	e->is_clone = true;
	e->owns_src = !from->src->can_share;
	if (e->owns_src) {
		enum status st = rsource_clone(from->src, &e->src, err);

		if (st != ST_OK) {
			free(e);
			return st;
		}
	}
	*clone = &e->base;
	return ST_OK;
}

static const struct physmem_ops elf_ops = {
	.read = elf_read,
	.next_data = elf_next_data,
	.view = elf_view,
	.clone = elf_clone,
	.close = elf_close,
};

bool elf_physmem_probe(struct rsource *src)
{
	char magic[SELFMAG];
	size_t got;

	return rsource_read_some(src, 0, magic, sizeof(magic), &got, NULL) == ST_OK && got == sizeof(magic) &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

/* Where the kernel image lies, if a load says so. QEMU's loads carry no virtual addresses, makedumpfile's do. */
static void find_kernel_text(struct elf_physmem *e)
{
	if (e->headers.machine != EM_X86_64)
		return;
	for (size_t i = 0; i < e->headers.nr_loads; i++) {
		const struct elf_load *l = &e->headers.loads[i];

		if (l->vaddr < X86_64_KERNEL_MAP || l->vaddr > UINT64_MAX - l->mem_len)
			continue;
		e->base.has_kernel_text_map = true;
		e->base.kernel_text_vaddr = l->vaddr;
		e->base.kernel_text_paddr = l->paddr;
		return;
	}
}

static void fill_details(struct elf_physmem *e)
{
	struct elf_details *d = &e->details;

	d->nr_loads = e->headers.nr_loads;
	d->loads = e->headers.loads;
	d->beyond_bytes = e->headers.beyond_bytes;
	d->file_bytes = e->src->size_bytes;
	d->e_flags = e->headers.flags;
	d->marked_incomplete = e->headers.flags & E_FLAGS_INCOMPLETE;
	for (size_t i = 0; i < d->nr_loads; i++) {
		const struct elf_load *l = &d->loads[i];
		uint64_t end = l->file_off + l->file_len;

		d->filtered_bytes += l->mem_len - l->file_len;
		if (end > e->src->size_bytes)
			d->truncated_bytes += min_u64(l->file_len, end - e->src->size_bytes);
	}
}

static void fill_base(struct elf_physmem *e)
{
	struct physmem *pm = &e->base;

	pm->ops = &elf_ops;
	pm->order = e->headers.order;
	pm->is_64bit = e->headers.is_64bit;
	pm->elf_machine = e->headers.machine;
	pm->ranges = e->map.ranges;
	pm->nr_ranges = e->map.nr_ranges;
	pm->notes = e->headers.notes;
	pm->notes_len_bytes = e->headers.notes_len_bytes;
	notes_find_vmcoreinfo(pm->notes, pm->notes_len_bytes, pm->order, &pm->vmcoreinfo, &pm->vmcoreinfo_len_bytes);
	pm->page_size = pagesize_from_vmcoreinfo(pm->vmcoreinfo, pm->vmcoreinfo_len_bytes);
	find_kernel_text(e);
	fill_details(e);
}

enum status elf_physmem_open(struct rsource *src, struct physmem **pm, struct err *err)
{
	struct elf_physmem *e = calloc(1, sizeof(*e));
	enum status st;

	if (!e)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = elf_headers_init(&e->headers, src, err);
	if (st == ST_OK)
		st = segment_map_init(&e->map, e->headers.loads, e->headers.nr_loads, err);
	if (st != ST_OK) {
		elf_headers_deinit(&e->headers);
		free(e);
		return st;
	}
	e->src = src;
	e->owns_src = true;
	fill_base(e);
	*pm = &e->base;
	return ST_OK;
}

const struct elf_details *elf_physmem_details(const struct physmem *pm)
{
	return pm->ops == &elf_ops ? &((const struct elf_physmem *)pm)->details : NULL;
}
