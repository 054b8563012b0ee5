// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/anchors.h"

#include "kernel/arch/arch.h"
#include "kernel/kallsyms.h"

#define MAX_CPUS 8192u
#define PERCPU_AREA_MAX (16 * MIB)
#define IMAGE_PART_MAX GIB
#define MAX_LEAVES (16u * 1024 * 1024) /* looked at in all: seconds, whatever a broken table says */
#define CRASH_NOTE_BYTES 512u /* a struct elf_prstatus with its header; no kernel needs more */

struct walk {
	struct kmodel *km;
	anchor_fn fn;
	void *ctx;
	uint32_t leaves_left;
};

const char *anchor_name(enum anchor a)
{
	static const char *const names[] = {
		[ANCHOR_IMAGE] = "image",	    [ANCHOR_PAGE_TABLE] = "page_table",
		[ANCHOR_MEMORY_MAP] = "memory_map", [ANCHOR_PERCPU] = "percpu",
		[ANCHOR_NOTES] = "notes",
	};

	return names[a];
}

/* The frames behind [@start, @end) of kernel addresses; what is not mapped is passed over. */
static void tell_virtual(struct walk *w, enum anchor a, uint64_t start, uint64_t end)
{
	while (start < end && w->leaves_left) {
		uint64_t paddr, len = 0;
		enum status st = kmodel_translate(w->km, start, &paddr, &len, NULL);

		w->leaves_left--;
		len = min_u64(len, end - start);
		if (st == ST_OK)
			w->fn(w->ctx, a, paddr, paddr + len);
		else if (st != ST_NO_DATA || !len)
			len = min_u64(end - start, w->km->pm->page_size); /* a broken table: try behind it */
		start += len;
	}
}

enum symbol {
	SYM_STEXT, SYM_ETEXT, SYM_START_RODATA, SYM_END_RODATA, SYM_SDATA, SYM_EDATA, SYM_BSS_START, SYM_BSS_STOP,
	SYM_UNUSED_START, SYM_UNUSED_END, SYM_PERCPU_START, SYM_PERCPU_END, SYM_PERCPU_OFFSET, SYM_NR_CPUS,
	SYM_CRASH_NOTES, SYM_NOTE, SYM_COUNT,
};

#define ALL_SYMBOLS                                                                                                     \
	{                                                                                                               \
		[SYM_STEXT] = { .name = "_stext" }, [SYM_ETEXT] = { .name = "_etext" },                                 \
		[SYM_START_RODATA] = { .name = "__start_rodata" }, [SYM_END_RODATA] = { .name = "__end_rodata" },       \
		[SYM_SDATA] = { .name = "_sdata" }, [SYM_EDATA] = { .name = "_edata" },                                 \
		[SYM_BSS_START] = { .name = "__bss_start" }, [SYM_BSS_STOP] = { .name = "__bss_stop" },                 \
		[SYM_UNUSED_START] = { .name = "__start_bss_decrypted_unused" },                                        \
		[SYM_UNUSED_END] = { .name = "__end_bss_decrypted" }, [SYM_PERCPU_START] = { .name = "__per_cpu_start" }, \
		[SYM_PERCPU_END] = { .name = "__per_cpu_end" }, [SYM_PERCPU_OFFSET] = { .name = "__per_cpu_offset" },   \
		[SYM_NR_CPUS] = { .name = "nr_cpu_ids" }, [SYM_CRASH_NOTES] = { .name = "crash_notes" },                \
		[SYM_NOTE] = { .name = "vmcoreinfo_note" },                                                             \
	}

static void tell_between(struct walk *w, const struct kallsyms_symbol *s, enum symbol from, enum symbol to)
{
	if (s[from].found && s[to].found && s[from].vaddr < s[to].vaddr &&
	    s[to].vaddr - s[from].vaddr <= IMAGE_PART_MAX)
		tell_virtual(w, ANCHOR_IMAGE, s[from].vaddr, s[to].vaddr);
}

/* Whole pages only of what is freed inside: __start_bss_decrypted_unused and its end are page aligned. */
static void tell_bss(struct walk *w, struct kallsyms_symbol *s)
{
	bool is_split = s[SYM_UNUSED_START].found && s[SYM_UNUSED_END].found &&
			s[SYM_UNUSED_START].vaddr >= s[SYM_BSS_START].vaddr &&
			s[SYM_UNUSED_END].vaddr <= s[SYM_BSS_STOP].vaddr;

	if (!is_split) {
		tell_between(w, s, SYM_BSS_START, SYM_BSS_STOP);
		return;
	}
	tell_between(w, s, SYM_BSS_START, SYM_UNUSED_START);
	tell_between(w, s, SYM_UNUSED_END, SYM_BSS_STOP);
}

static void tell_image(struct walk *w, struct kallsyms_symbol *s)
{
	static const char *const single[] = { "_stext", "init_uts_ns", "init_top_pgt", "init_level4_pgt", "swapper_pg_dir",
					      "node_online_map", "prb", "node_data" };
	uint64_t vaddr, paddr, len;

	tell_between(w, s, SYM_STEXT, SYM_ETEXT);
	tell_between(w, s, SYM_START_RODATA, SYM_END_RODATA);
	tell_between(w, s, SYM_SDATA, SYM_EDATA);
	tell_bss(w, s);
	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (vmcoreinfo_symbol(w->km->vi, single[i], &vaddr) && w->km->arch->image_paddr(w->km, vaddr, &paddr, &len))
			w->fn(w->ctx, ANCHOR_IMAGE, paddr, paddr + 1);
}

/* Each CPU's copy of the static variables, and its crash note. */
static void tell_percpu(struct walk *w, const struct kallsyms_symbol *s)
{
	uint64_t size = s[SYM_PERCPU_END].vaddr - s[SYM_PERCPU_START].vaddr, notes = 0;
	bool has_area = s[SYM_PERCPU_START].found && s[SYM_PERCPU_END].found && size <= PERCPU_AREA_MAX;
	uint32_t nr;

	if (!s[SYM_PERCPU_OFFSET].found || !s[SYM_NR_CPUS].found ||
	    kmodel_read_u32(w->km, s[SYM_NR_CPUS].vaddr, &nr, NULL) != ST_OK)
		return;
	if (s[SYM_CRASH_NOTES].found && kmodel_read_u64(w->km, s[SYM_CRASH_NOTES].vaddr, &notes, NULL) != ST_OK)
		notes = 0;
	for (uint32_t cpu = 0; cpu < nr && cpu < MAX_CPUS && w->leaves_left; cpu++) {
		uint64_t offset, start;

		if (kmodel_read_u64(w->km, s[SYM_PERCPU_OFFSET].vaddr + 8 * cpu, &offset, NULL) != ST_OK)
			return;
		start = s[SYM_PERCPU_START].vaddr + offset;
		if (has_area && start <= UINT64_MAX - size)
			tell_virtual(w, ANCHOR_PERCPU, start, start + size);
		if (notes && notes + offset <= UINT64_MAX - CRASH_NOTE_BYTES)
			tell_virtual(w, ANCHOR_NOTES, notes + offset, notes + offset + CRASH_NOTE_BYTES);
	}
}

static void tell_vmcoreinfo(struct walk *w, const struct kallsyms_symbol *s)
{
	uint64_t at;

	if (s[SYM_NOTE].found && kmodel_read_u64(w->km, s[SYM_NOTE].vaddr, &at, NULL) == ST_OK &&
	    at <= UINT64_MAX - w->km->pm->vmcoreinfo_len_bytes)
		tell_virtual(w, ANCHOR_NOTES, at, at + w->km->pm->vmcoreinfo_len_bytes);
}

static void tell_table(void *ctx, uint64_t paddr, uint64_t len)
{
	struct walk *w = ctx;

	w->fn(w->ctx, ANCHOR_PAGE_TABLE, paddr, paddr + len);
}

void anchors_walk(struct kmodel *km, const struct memmap *mm, anchor_fn fn, void *ctx)
{
	struct walk w = { km, fn, ctx, MAX_LEAVES };
	struct kallsyms_symbol s[] = ALL_SYMBOLS;
	struct range map;

	_Static_assert(ARRAY_SIZE(s) == SYM_COUNT, "a name for each");
	/* A failed look-up leaves the symbols unfound, and those after a broken one too. */
	if (kallsyms_lookup(km, s, SYM_COUNT, NULL) != ST_OK)
		for (size_t i = 0; i < SYM_COUNT; i++)
			s[i].found = false;
	kmodel_watch_tables(km, tell_table, &w);
	tell_image(&w, s);
	tell_percpu(&w, s);
	tell_vmcoreinfo(&w, s);
	for (size_t i = 0; mm && w.leaves_left && memmap_section_range(mm, i, &map); i++)
		tell_virtual(&w, ANCHOR_MEMORY_MAP, map.start, map.end);
	kmodel_watch_tables(km, NULL, NULL);
}
