// SPDX-License-Identifier: GPL-2.0-or-later
/* An ELF core: its headers as they are in the file, its loads against each other, and every byte of them. */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "formats/elf/elf_physmem.h"
#include "formats/elf/segments.h"
#include "verify/checks.h"

#define E_FLAGS_INCOMPLETE 1u
/* As many as the reader takes. */
#define MAX_PHDRS (1u << 20)
#define PHDRS_AT_ONCE 512u
#define CHUNK_BYTES ((size_t)MIB)
/* Loads may name the same bytes of the file very often: a hostile file must not cost more than a few reads of it. */
#define READ_BUDGET_FACTOR 4
#define READ_BUDGET_MORE GIB

/* A field of a header in both classes: offset, and how many bytes. */
#define FIELD(e, type, field)                                                                              \
	get_field((e)->raw, (e)->is_64bit ? offsetof(Elf64_##type, field) : offsetof(Elf32_##type, field), \
		  (e)->is_64bit ? sizeof(((Elf64_##type *)0)->field) : sizeof(((Elf32_##type *)0)->field), (e)->order)

/** One raw header. */
struct raw_header {
	const uint8_t *raw;
	bool is_64bit;
	enum byte_order order;
};

struct phdr {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

struct load_facts {
	uint64_t nr, nr_unaligned, nr_filtered, nr_without_vaddr;
	uint64_t filtered_bytes;
	uint64_t phys_end; /**< what lies there is no memory */
};

static uint64_t get_field(const uint8_t *raw, size_t off, size_t len, enum byte_order order)
{
	if (len == 2)
		return get_u16(raw + off, order);
	return len == 4 ? get_u32(raw + off, order) : get_u64(raw + off, order);
}

static const char *machine_name(uint64_t machine, bool is_64bit)
{
	switch (machine) {
	case EM_386: /* QEMU, of a guest whose first CPU was not in 64-bit mode */
		return is_64bit ? "x86_64" : "i686";
	case EM_X86_64:
		return "x86_64";
	case EM_AARCH64:
		return "aarch64";
	case EM_ARM:
		return "arm";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return is_64bit ? "s390x" : "";
	case EM_RISCV:
		return is_64bit ? "riscv64" : "";
	default:
		return "";
	}
}

static void check_load(struct check *c, struct load_facts *f, const struct phdr *p, uint64_t number)
{
	struct verify_report *r = c->report;

	if (p->filesz > p->memsz)
		findings_add(r, RULE_ELF_FILESZ, place_load(number),
			     "PT_LOAD has %" PRIu64 " bytes in the file, more than the %" PRIu64 " in memory",
			     p->filesz, p->memsz);
	if (p->filesz && !span_within(p->offset, p->filesz, c->src->size_bytes))
		findings_add(r, RULE_ELF_LOAD_OUTSIDE, place_load(number),
			     "PT_LOAD of %" PRIu64 " bytes at offset %" PRIu64
			     " ends beyond the end of the file at %" PRIu64,
			     p->filesz, p->offset, c->src->size_bytes);
	if (p->memsz && (p->paddr >= f->phys_end || p->memsz > f->phys_end - p->paddr))
		findings_add(r, RULE_ELF_BEYOND, place_load(number),
			     "PT_LOAD of %" PRIu64 " bytes at 0x%" PRIx64
			     " ends beyond 0x%" PRIx64 ", the end of what the machine can address: no memory is there",
			     p->memsz, p->paddr, f->phys_end);
	f->nr++;
	f->nr_unaligned += ((p->paddr | p->memsz) & 0xfff) != 0;
	f->nr_without_vaddr += p->vaddr == 0 || p->vaddr == p->paddr;
	if (p->memsz > p->filesz) {
		f->nr_filtered++;
		f->filtered_bytes += p->memsz - p->filesz;
	}
}

static void check_phdr(struct check *c, struct load_facts *f, const struct raw_header *h, uint64_t number)
{
	struct phdr p = {
		.type = (uint32_t)FIELD(h, Phdr, p_type),
		.offset = FIELD(h, Phdr, p_offset),
		.vaddr = FIELD(h, Phdr, p_vaddr),
		.paddr = FIELD(h, Phdr, p_paddr),
		.filesz = FIELD(h, Phdr, p_filesz),
		.memsz = FIELD(h, Phdr, p_memsz),
	};

	if (!number && p.type != PT_NOTE)
		findings_add(c->report, RULE_ELF_FIRST_PHDR, place_load(0),
			     "the first program header is no PT_NOTE: crash does not know the file");
	if (p.type == PT_LOAD)
		check_load(c, f, &p, number);
}

/** e_phnum, or what section header 0 says in its place. 0 where that is nonsense: the reader will say so. */
static enum status count_phdrs(struct check *c, const struct raw_header *ehdr, uint64_t *nr, struct err *err)
{
	uint8_t raw[sizeof(Elf64_Shdr)];
	struct raw_header shdr = { raw, ehdr->is_64bit, ehdr->order };
	uint64_t shoff = FIELD(ehdr, Ehdr, e_shoff);
	enum status st;

	*nr = FIELD(ehdr, Ehdr, e_phnum);
	if (*nr != PN_XNUM)
		return ST_OK;
	*nr = 0;
	if (!span_within(shoff, sizeof(raw), c->src->size_bytes))
		return ST_OK;
	st = rsource_read(c->src, shoff, raw, sizeof(raw), err);
	if (st == ST_OK)
		*nr = FIELD(&shdr, Shdr, sh_info);
	return st;
}

static enum status walk_phdrs(struct check *c, const struct raw_header *ehdr, struct load_facts *f, struct err *err)
{
	uint64_t phoff = FIELD(ehdr, Ehdr, e_phoff), nr;
	size_t size = ehdr->is_64bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	_cleanup_free_ uint8_t *buf = malloc(PHDRS_AT_ONCE * size);
	enum status st;

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = count_phdrs(c, ehdr, &nr, err);
	if (st != ST_OK || nr > MAX_PHDRS || !span_within(phoff, nr * size, c->src->size_bytes))
		return st;
	for (uint64_t at = 0; at < nr; at += PHDRS_AT_ONCE) {
		uint64_t n = min_u64(PHDRS_AT_ONCE, nr - at);

		st = rsource_read(c->src, phoff + at * size, buf, (size_t)n * size, err);
		if (st != ST_OK)
			return st;
		for (uint64_t i = 0; i < n; i++) {
			struct raw_header phdr = { buf + i * size, ehdr->is_64bit, ehdr->order };

			check_phdr(c, f, &phdr, at + i);
		}
	}
	return ST_OK;
}

static void report_loads(struct check *c, const struct load_facts *f)
{
	struct verify_report *r = c->report;
	char bytes[16];

	if (f->nr_unaligned)
		findings_add(r, RULE_ELF_UNALIGNED, place_none(),
			     "%" PRIu64 " of %" PRIu64
			     " PT_LOADs start or end within a page; some readers drop such pages",
			     f->nr_unaligned, f->nr);
	if (f->nr_filtered)
		findings_add(r, RULE_ELF_FILTERED, place_none(),
			     "%s of memory are not in the file (p_memsz > p_filesz): left out, or zero; crash and drgn "
			     "read zeros",
			     units_bytes(f->filtered_bytes, bytes, sizeof(bytes)));
	if (f->nr && f->nr_without_vaddr == f->nr)
		findings_add(r, RULE_ELF_NO_VADDR, place_none(),
			     "no PT_LOAD tells a virtual address: drgn 0.0.22 and older cannot read kernel memory");
}

enum status check_elf_headers(struct check *c, struct err *err)
{
	uint8_t raw[sizeof(Elf64_Ehdr)];
	struct raw_header h = { .raw = raw };
	struct load_facts facts = { 0 };
	size_t got, size;
	enum status st = rsource_read_some(c->src, 0, raw, sizeof(raw), &got, err);

	if (st != ST_OK || got < sizeof(raw))
		return st;
	h.is_64bit = raw[EI_CLASS] == ELFCLASS64;
	h.order = raw[EI_DATA] == ELFDATA2MSB ? ORDER_BIG : ORDER_LITTLE;
	size = h.is_64bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	c->machine = machine_name(FIELD(&h, Ehdr, e_machine), h.is_64bit);
	facts.phys_end = elf_phys_end((uint16_t)FIELD(&h, Ehdr, e_machine));
	if (FIELD(&h, Ehdr, e_type) != ET_CORE)
		return ST_OK; /* the reader will refuse it */
	if (FIELD(&h, Ehdr, e_ehsize) != size)
		findings_add(c->report, RULE_ELF_EHSIZE, place_none(),
			     "e_ehsize is %" PRIu64 ", not %zu (QEMU 7.2 and later write 8)", FIELD(&h, Ehdr, e_ehsize),
			     size);
	if (FIELD(&h, Ehdr, e_phoff) != size)
		findings_add(c->report, RULE_ELF_PHOFF, place_none(),
			     "the program headers are at offset %" PRIu64
			     ", not at %zu where makedumpfile looks for them",
			     FIELD(&h, Ehdr, e_phoff), size);
	if (FIELD(&h, Ehdr, e_flags) & E_FLAGS_INCOMPLETE)
		findings_add(c->report, RULE_ELF_INCOMPLETE, place_none(),
			     "marked incomplete: its writer ran out of space");
	st = walk_phdrs(c, &h, &facts, err);
	if (st == ST_OK)
		report_loads(c, &facts);
	return st;
}

/** Physical bytes that more than one load holds: sorted, disjoint. */
struct overlaps {
	struct range *at;
	size_t nr;
	uint64_t bytes;
};

static int load_by_paddr(const void *a, const void *b)
{
	const struct elf_load *x = a, *y = b;

	return x->paddr < y->paddr ? -1 : x->paddr > y->paddr;
}

static enum status find_overlaps(const struct elf_details *d, struct overlaps *o, struct err *err)
{
	struct elf_load *sorted = calloc(d->nr_loads, sizeof(*sorted));
	uint64_t reach = 0;

	*o = (struct overlaps){ .at = calloc(d->nr_loads, sizeof(*o->at)) };
	if (!sorted || !o->at) {
		free(sorted);
		free(o->at);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	memcpy(sorted, d->loads, d->nr_loads * sizeof(*sorted));
	qsort(sorted, d->nr_loads, sizeof(*sorted), load_by_paddr);
	for (size_t i = 0; i < d->nr_loads; i++) {
		uint64_t start = sorted[i].paddr, end = start + sorted[i].file_len, both = min_u64(end, reach);
		struct range *last = o->nr ? &o->at[o->nr - 1] : NULL;

		if (last && start <= last->end)
			last->end = max_u64(last->end, both);
		else if (start < both)
			o->at[o->nr++] = (struct range){ start, both };
		reach = max_u64(reach, end);
	}
	free(sorted);
	for (size_t i = 0; i < o->nr; i++)
		o->bytes += o->at[i].end - o->at[i].start;
	return ST_OK;
}

/** State of the reading of all bytes. */
struct reading {
	struct check *c;
	uint8_t *buf, *other; /* CHUNK_BYTES each */
	uint64_t budget;      /* bytes that may still be read */
	bool exhausted;
	uint64_t next_pfn;    /* pages below are counted */
	uint64_t done, total; /* bytes */
};

static bool spend(struct reading *rd, uint64_t bytes)
{
	if (rd->budget < bytes) {
		if (!rd->exhausted)
			findings_add(rd->c->report, RULE_ELF_NOT_ALL_READ, place_none(),
				     "the PT_LOADs name the same bytes of the file over and over: not all of them were "
				     "read");
		rd->exhausted = true;
		return false;
	}
	rd->budget -= bytes;
	return true;
}

/** Does @load say the same about [@start, @end) as what a reader gets, which is the first load's? */
static void compare_load(struct reading *rd, const struct elf_load *load, uint64_t start, uint64_t end)
{
	struct check *c = rd->c;

	while (start < end && spend(rd, 2 * CHUNK_BYTES)) {
		size_t n = (size_t)min_u64(end - start, CHUNK_BYTES), mine, first, at;

		/* What cannot be read is another finding. */
		if (rsource_read_some(c->src, load->file_off + (start - load->paddr), rd->buf, n, &mine, NULL) !=
			    ST_OK ||
		    physmem_read_some(c->pm, start, rd->other, n, &first, NULL) != ST_OK)
			return;
		at = check_first_difference(rd->buf, rd->other, min_u64(mine, first));
		if (at < min_u64(mine, first)) {
			findings_add(c->report, RULE_ELF_CONFLICT, place_pfn((start + at) / c->pm->page_size),
				     "PT_LOADs overlap and hold different bytes for the same memory: what a reader "
				     "sees depends on its order");
			return;
		}
		if (mine < n)
			return;
		start += n;
	}
}

static enum status check_overlaps(struct reading *rd, const struct elf_details *d, struct err *err)
{
	struct verify_report *r = rd->c->report;
	struct overlaps o;
	char bytes[16];
	enum status st = find_overlaps(d, &o, err);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; o.nr && i < d->nr_loads; i++) {
		const struct elf_load *l = &d->loads[i];
		uint64_t end = l->paddr + l->file_len;

		for (size_t k = ranges_find(o.at, o.nr, l->paddr); k < o.nr && o.at[k].start < end && !rd->exhausted; k++)
			compare_load(rd, l, max_u64(l->paddr, o.at[k].start), min_u64(end, o.at[k].end));
	}
	if (o.nr && !rd->exhausted && !findings_find(r, RULE_ELF_CONFLICT))
		findings_add(
			r, RULE_ELF_OVERLAP, place_none(),
			"PT_LOADs overlap in %s of memory and agree about it (the kernel image has two of its own)",
			units_bytes(o.bytes, bytes, sizeof(bytes)));
	free(o.at);
	return ST_OK;
}

static uint64_t count_pages(struct reading *rd, uint64_t start, uint64_t end)
{
	uint64_t page = rd->c->pm->page_size, first = max_u64(start / page, rd->next_pfn),
		 behind = div_round_up(end, page);

	if (behind <= first)
		return 0;
	rd->next_pfn = behind;
	return behind - first;
}

/** Read [@start, @start + @len), kept at @off. Returns how many of its pages cannot be read. */
static uint64_t read_segment(struct reading *rd, uint64_t start, uint64_t off, uint64_t len)
{
	uint64_t page = rd->c->pm->page_size, at = 0, nr_bad = 0;

	while (at < len) {
		size_t n = (size_t)min_u64(len - at, CHUNK_BYTES), got;
		struct err why = { 0 };

		if (!spend(rd, n))
			break;
		if (rsource_read_some(rd->c->src, off + at, rd->buf, n, &got, &why) != ST_OK) {
			uint64_t pfn = (start + at + got) / page;

			findings_add(rd->c->report, RULE_PAGE_UNREADABLE, place_pfn(pfn), "%s", why.text);
			nr_bad++;
			n = (size_t)min_u64(len - at, (pfn + 1) * page - (start + at));
		}
		at += n;
		rd->done += n;
		check_progress(rd->c, rd->done / page, rd->total / page);
	}
	return nr_bad;
}

static void read_all(struct reading *rd, const struct segment_map *map)
{
	struct verify_report *r = rd->c->report;
	uint64_t size = rd->c->src->size_bytes, nr_bad = 0;

	for (size_t i = 0; i < map->nr_segments; i++)
		rd->total += map->segments[i].has_data ? map->segments[i].end - map->segments[i].start : 0;
	for (size_t i = 0; i < map->nr_segments; i++) {
		const struct segment *s = &map->segments[i];
		uint64_t len = s->end - s->start, there;

		if (!s->has_data)
			continue;
		there = s->file_off < size ? min_u64(len, size - s->file_off) : 0;
		r->pages += count_pages(rd, s->start, s->end);
		nr_bad += read_segment(rd, s->start, s->file_off, there);
		/* Beyond the end of the file. */
		nr_bad += div_round_up(len - there, rd->c->pm->page_size);
		rd->done += len - there;
	}
	r->pages_good = r->pages - min_u64(nr_bad, r->pages);
	r->pages_read = true;
}

enum status check_elf_pages(struct check *c, struct err *err)
{
	const struct elf_details *d = elf_physmem_details(c->pm);
	_cleanup_free_ uint8_t *buf = malloc(2 * CHUNK_BYTES);
	struct reading rd = { .c = c, .buf = buf, .other = buf + CHUNK_BYTES };
	struct segment_map map;
	enum status st;

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	if (__builtin_mul_overflow(c->src->size_bytes, READ_BUDGET_FACTOR, &rd.budget) ||
	    __builtin_add_overflow(rd.budget, READ_BUDGET_MORE, &rd.budget))
		rd.budget = UINT64_MAX;
	st = segment_map_init(&map, d->loads, d->nr_loads, err);
	if (st != ST_OK)
		return st;
	read_all(&rd, &map);
	segment_map_deinit(&map);
	return check_overlaps(&rd, d, err);
}
