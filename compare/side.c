// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/side.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "kernel/e820.h"
#include "kernel/kallsyms.h"
#include "kernel/uts.h"

/* The kernel gives one page to its VMCOREINFO; some distributions' patches more. */
#define MEMORY_NOTE_MAX (64 * KIB)
#define NOTE_HEADER_BYTES 12
#define NOTE_NAME_MAX 32u

/* What the other files of the set hold would all look lost. */
static enum status check_whole(const struct side *s, struct err *err)
{
	const struct kdump_details *kd = kdump_physmem_details(s->pm);

	if (!kd || !kd->nr_elsewhere)
		return ST_OK;
	return err_set(err, ST_BAD_INPUT,
		       "%s is one file of a split dump, with page frames 0x%" PRIx64 " to 0x%" PRIx64
		       "; name all of its files, or a folder with them",
		       s->path, kd->header.start_pfn, kd->header.end_pfn);
}

enum status side_init(struct side *s, const char *const *paths, size_t nr_paths, struct err *err)
{
	enum status st;

	*s = (struct side){ .path = paths[0] };
	st = physmem_open_files(paths, nr_paths, &s->pm, err);
	if (st == ST_OK)
		st = check_whole(s, err);
	if (st != ST_OK)
		return st;
	if (kmodel_open(s->pm, &s->km, &s->why_no_model) != ST_OK)
		s->km = NULL;
	return ST_OK;
}

void side_borrow_vmcoreinfo(struct side *s, const struct side *other)
{
	const char *own = s->pm->vmcoreinfo;
	size_t own_len = s->pm->vmcoreinfo_len_bytes;
	struct err err = { 0 };

	if (s->km || !other->km)
		return;
	s->pm->vmcoreinfo = other->pm->vmcoreinfo;
	s->pm->vmcoreinfo_len_bytes = other->pm->vmcoreinfo_len_bytes;
	if (kmodel_open(s->pm, &s->km, &err) == ST_OK) {
		s->vmcoreinfo_borrowed = true;
		return;
	}
	s->km = NULL;
	s->pm->vmcoreinfo = own;
	s->pm->vmcoreinfo_len_bytes = own_len;
	err_set(&s->why_no_model, s->why_no_model.status,
		"%.150s, and the other dump's does not fit its memory: %.250s",
		own ? "its VMCOREINFO cannot be used" : "it has no VMCOREINFO", err.text);
}

static void read_text(struct kmodel *km, uint64_t vaddr, char *text, size_t len)
{
	size_t n = 0;

	while (n + 1 < len && kmodel_read(km, vaddr + n, &text[n], 1, NULL) == ST_OK && text[n] && text[n] != '\n')
		n++;
	text[n] = '\0';
}

static void read_uts(struct side *s)
{
	char *const fields[] = { s->uts.sysname, s->uts.nodename, s->uts.release,
				 s->uts.version, s->uts.machine,  s->uts.domainname };
	uint64_t vaddr;

	if (!uts_find(s->km, &vaddr))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		read_text(s->km, vaddr + i * UTS_FIELD_BYTES, fields[i], sizeof(s->uts.sysname));
}

/*
 * vmcoreinfo_note points to an ELF note in kernel memory, which crash_save_vmcoreinfo() brings up to date, CRASHTIME
 * included, before the capture kernel starts. It tells the boot even where the hypervisor knew of no VMCOREINFO.
 */
static void read_memory_note(struct side *s, uint64_t pointer_vaddr)
{
	enum byte_order o = s->pm->order;
	uint8_t head[NOTE_HEADER_BYTES + NOTE_NAME_MAX];
	_cleanup_free_ char *text = NULL;
	uint64_t vaddr, text_vaddr;
	uint32_t name_len, desc_len;

	if (!s->pm->is_64bit || kmodel_read_u64(s->km, pointer_vaddr, &vaddr, NULL) != ST_OK ||
	    kmodel_read(s->km, vaddr, head, sizeof(head), NULL) != ST_OK)
		return;
	name_len = get_u32(head, o);
	desc_len = get_u32(head + 4, o);
	if (name_len > NOTE_NAME_MAX || desc_len > MEMORY_NOTE_MAX || name_len < strlen("VMCOREINFO") ||
	    memcmp(head + NOTE_HEADER_BYTES, "VMCOREINFO", strlen("VMCOREINFO")) != 0)
		return;
	text_vaddr = vaddr + NOTE_HEADER_BYTES + align_up(name_len, 4);
	text = malloc(desc_len + 1);
	if (!text || kmodel_read(s->km, text_vaddr, text, desc_len, NULL) != ST_OK ||
	    vmcoreinfo_parse(text, desc_len, &s->memory_vi, NULL) != ST_OK) {
		s->memory_vi = NULL;
		return;
	}
	s->memory_vi_len_bytes = desc_len;
}

static void read_boot_id(struct side *s, uint64_t vaddr)
{
	static const uint8_t nobody_asked[SIDE_BOOT_ID_BYTES];

	/* The kernel makes it up when somebody reads it for the first time; until then it is zero. */
	s->has_boot_id = kmodel_read(s->km, vaddr, s->boot_id, sizeof(s->boot_id), NULL) == ST_OK &&
			 memcmp(s->boot_id, nobody_asked, sizeof(nobody_asked)) != 0;
}

/* struct range of include/linux/range.h: start and inclusive end. */
static void read_crash_cma(struct side *s, uint64_t ranges_vaddr, uint64_t count_vaddr)
{
	uint32_t nr;

	if (kmodel_read_u32(s->km, count_vaddr, &nr, NULL) != ST_OK || nr > SIDE_MAX_CMA)
		return;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t start, last;

		if (kmodel_read_u64(s->km, ranges_vaddr + i * 16, &start, NULL) != ST_OK ||
		    kmodel_read_u64(s->km, ranges_vaddr + i * 16 + 8, &last, NULL) != ST_OK || last < start ||
		    last == UINT64_MAX)
			return;
		s->crash_cma[s->nr_crash_cma++] = (struct range){ start, last + 1 };
	}
}

static void read_symbols(struct side *s)
{
	enum { BANNER, NOTE, BOOT_ID, CMA_RANGES, CMA_COUNT };
	struct kallsyms_symbol sym[] = {
		[BANNER] = { .name = "linux_banner" },	    [NOTE] = { .name = "vmcoreinfo_note" },
		[BOOT_ID] = { .name = "sysctl_bootid" },    [CMA_RANGES] = { .name = "crashk_cma_ranges" },
		[CMA_COUNT] = { .name = "crashk_cma_cnt" },
	};

	if (kallsyms_lookup(s->km, sym, ARRAY_SIZE(sym), NULL) != ST_OK)
		return;
	if (sym[BANNER].found)
		read_text(s->km, sym[BANNER].vaddr, s->banner, sizeof(s->banner));
	if (sym[NOTE].found)
		read_memory_note(s, sym[NOTE].vaddr);
	if (sym[BOOT_ID].found)
		read_boot_id(s, sym[BOOT_ID].vaddr);
	if (sym[CMA_RANGES].found && sym[CMA_COUNT].found)
		read_crash_cma(s, sym[CMA_RANGES].vaddr, sym[CMA_COUNT].vaddr);
}

void side_read_kernel(struct side *s)
{
	if (!s->km)
		return;
	s->has_iomem = iomem_init(&s->iomem, s->km, NULL) == ST_OK || e820_init_iomem(&s->iomem, s->km, NULL) == ST_OK;
	read_symbols(s);
	read_uts(s);
}

const struct iomem *side_iomem_of(const struct side *inner, const struct side *outer)
{
	const struct side *tree = outer->has_iomem && !outer->iomem.is_boot_map ? outer : inner;

	if (tree->has_iomem && !tree->iomem.is_boot_map)
		return &tree->iomem;
	return outer->has_iomem ? &outer->iomem : inner->has_iomem ? &inner->iomem : NULL;
}

void side_deinit(struct side *s)
{
	if (s->has_iomem)
		iomem_deinit(&s->iomem);
	vmcoreinfo_free(s->memory_vi);
	kmodel_close(s->km);
	physmem_close(s->pm); /* NULL is fine */
	*s = (struct side){ 0 };
}
