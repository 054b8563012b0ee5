// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/find_vmcoreinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"
#include "kernel/kallsyms.h"
#include "kernel/uts.h"

#define BATCH_PAGES 256u
#define TEXT_START "OSRELEASE="
/* VMCOREINFO_BYTES is a page, and two or more where pages are larger; the text lies in physically contiguous pages. */
#define TEXT_MAX (64u * 1024)
/* Memory may hold any number of things that look right: enough is enough. */
#define MAX_CANDIDATES 4096u
/* Of these so many may have page tables and a utsname that agree: reading a symbol table takes long. */
#define MAX_BANNERS 64u
/* Elf32_Nhdr and the name "VMCOREINFO", padded to four bytes */
#define NOTE_NAME "VMCOREINFO"
#define NOTE_TEXT_OFF (12u + 12u)

struct search {
	struct physmem *pm;
	struct kmodel *km; /* of the best proved candidate */
	char *text;
	bool has_crash_time;
	unsigned nr_candidates; /**< distinct ones */
	unsigned nr_banners;	/**< looked for */
	uint64_t seen[MAX_CANDIDATES];
};

/* Does a page begin with the text, or with a note of it? Then where does the text start? */
static bool looks_like_vmcoreinfo(const uint8_t *page, enum byte_order order, uint32_t *text_off)
{
	*text_off = 0;
	if (!memcmp(page, TEXT_START, strlen(TEXT_START)))
		return true;
	*text_off = NOTE_TEXT_OFF;
	return get_u32(page, order) == sizeof(NOTE_NAME) && !memcmp(page + 12, NOTE_NAME, sizeof(NOTE_NAME)) &&
	       !memcmp(page + NOTE_TEXT_OFF, TEXT_START, strlen(TEXT_START));
}

/* The text is printable lines; it ends at the first byte that is not. */
static size_t text_length(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && (s[n] == '\n' || ((unsigned char)s[n] >= 0x20 && (unsigned char)s[n] < 0x7f)))
		n++;
	while (n && s[n - 1] != '\n')
		n--;
	return n;
}

/* The same page again, as page cache may have it a thousand times, is no new candidate. */
static bool is_new(struct search *s, const uint8_t *page, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ page[i]) * UINT64_C(1099511628211);
	for (unsigned i = 0; i < s->nr_candidates; i++)
		if (s->seen[i] == hash)
			return false;
	if (s->nr_candidates == MAX_CANDIDATES)
		return false;
	s->seen[s->nr_candidates++] = hash;
	return true;
}

/* KASLR moves the image by whole steps from where it was linked: what it was moved by must lead back to such a place. */
static bool offset_is_true(const struct kmodel *km)
{
	const char *text = vmcoreinfo_string(km->vi, "KERNELOFFSET");
	uint64_t stext, moved, paddr, len;

	if (!text || km->arch != &arch_x86_64)
		return true;
	moved = strtoull(text, NULL, 16);
	return vmcoreinfo_symbol(km->vi, "_stext", &stext) && moved <= stext && !((stext - moved) % (2 * MIB)) &&
	       km->arch->image_paddr(km, stext - moved, &paddr, &len);
}

/* Does what @km reads at the banner's and utsname's place name the release that VMCOREINFO does? */
static bool release_is_true(struct search *s, struct kmodel *km)
{
	struct kallsyms_symbol banner = { .name = "linux_banner" };
	const char *release = vmcoreinfo_string(km->vi, "OSRELEASE");
	char expected[128], found[128];
	uint64_t uts;
	int len;

	if (!release)
		return false;
	if (vmcoreinfo_symbol(km->vi, "init_uts_ns", &uts)) {
		/* After sysname and nodename. */
		if (!uts_find(km, &uts) ||
		    kmodel_read(km, uts + 2 * UTS_FIELD_BYTES, found, UTS_FIELD_BYTES, NULL) != ST_OK ||
		    strncmp(found, release, UTS_FIELD_BYTES) != 0)
			return false;
	}
	if (s->nr_banners == MAX_BANNERS)
		return false;
	s->nr_banners++;
	if (kallsyms_lookup(km, &banner, 1, NULL) != ST_OK || !banner.found)
		return true;
	len = snprintf(expected, sizeof(expected), "Linux version %.64s ", release);
	return kmodel_read(km, banner.vaddr, found, (size_t)len, NULL) == ST_OK && !memcmp(found, expected, (size_t)len);
}

/* Try @text as @s->pm's VMCOREINFO; keep it where it proves itself and is better than what there was. */
static bool try_text(struct search *s, const char *text, size_t len, bool better)
{
	struct kmodel *km;
	bool has_crash_time;
	char *copy;

	has_crash_time = memmem(text, len, "\nCRASHTIME=", 11) != NULL;
	if (!better && s->km && (s->has_crash_time || !has_crash_time))
		return false;
	copy = strndup(text, len);
	if (!copy)
		return false;
	s->pm->vmcoreinfo = copy;
	s->pm->vmcoreinfo_len_bytes = len;
	if (kmodel_open(s->pm, &km, NULL) != ST_OK) {
		free(copy);
		return false;
	}
	if (!offset_is_true(km) || !release_is_true(s, km)) {
		kmodel_close(km);
		free(copy);
		return false;
	}
	kmodel_close(s->km);
	free(s->text);
	s->km = km;
	s->text = copy;
	s->has_crash_time = has_crash_time;
	return true;
}

static void try_page(struct search *s, uint64_t pfn, uint32_t text_off)
{
	char *text = malloc(TEXT_MAX);
	size_t got = 0, len;
	enum status st;

	if (!text)
		return;
	st = physmem_read_some(s->pm, pfn * s->pm->page_size + text_off, text, TEXT_MAX, &got, NULL);
	len = text_length(text, got);
	if ((st == ST_OK || got) && len > strlen(TEXT_START))
		try_text(s, text, len, false);
	free(text);
}

static void search_pages(struct search *s, uint8_t *buf, enum page_state *state)
{
	uint64_t limit = physmem_max_pfn(s->pm) * s->pm->page_size;
	struct range run = { 0 };

	while (physmem_next_data(s->pm, run.end, limit, &run)) {
		uint64_t pfn = run.start / s->pm->page_size;
		size_t nr = (size_t)min_u64(BATCH_PAGES, div_round_up(run.end, s->pm->page_size) - pfn);

		physmem_read_pages(s->pm, pfn, nr, buf, state);
		for (size_t i = 0; i < nr; i++) {
			uint32_t text_off;

			if ((state[i] == PAGE_WHOLE || state[i] == PAGE_PARTIAL) &&
			    looks_like_vmcoreinfo(buf + i * s->pm->page_size, s->pm->order, &text_off) &&
			    is_new(s, buf + i * s->pm->page_size, s->pm->page_size))
				try_page(s, pfn + i, text_off);
		}
		run.end = max_u64(run.start + 1, (pfn + nr) * s->pm->page_size);
	}
}

/*
 * What the kernel itself points at is better than any copy, whatever that says: the note, which it fills in as it
 * crashes, else the text that it keeps until then.
 */
static void prefer_the_kernels_own(struct search *s)
{
	struct kallsyms_symbol own[] = { { .name = "vmcoreinfo_note" }, { .name = "vmcoreinfo_data" } };
	char *text = malloc(TEXT_MAX);

	if (!text || kallsyms_lookup(s->km, own, ARRAY_SIZE(own), NULL) != ST_OK) {
		free(text);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		size_t skip = i == 0 ? NOTE_TEXT_OFF : 0, got = 0, len;
		uint64_t vaddr;

		if (!own[i].found || kmodel_read_u64(s->km, own[i].vaddr, &vaddr, NULL) != ST_OK)
			continue;
		while (got < TEXT_MAX && kmodel_read(s->km, vaddr + skip + got, text + got, 512, NULL) == ST_OK)
			got += 512;
		len = text_length(text, got);
		if (len <= strlen(TEXT_START) || memcmp(text, TEXT_START, strlen(TEXT_START)) != 0)
			continue;
		if (len == strlen(s->text) && !memcmp(text, s->text, len))
			break;
		if (try_text(s, text, len, true))
			break;
	}
	free(text);
}

enum status find_vmcoreinfo(struct physmem *pm, struct kmodel **km, char **text, struct err *err)
{
	const char *old_text = pm->vmcoreinfo;
	size_t old_len = pm->vmcoreinfo_len_bytes;
	uint8_t *buf = malloc((size_t)BATCH_PAGES * pm->page_size);
	struct search *s = calloc(1, sizeof(*s));
	enum page_state state[BATCH_PAGES];
	enum status st = ST_OK;

	if (!buf || !s) {
		free(buf);
		free(s);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	s->pm = pm;
	search_pages(s, buf, state);
	free(buf);
	if (s->km) {
		prefer_the_kernels_own(s);
		pm->vmcoreinfo = s->text;
		pm->vmcoreinfo_len_bytes = strlen(s->text);
		*km = s->km;
		*text = s->text;
	} else {
		pm->vmcoreinfo = old_text;
		pm->vmcoreinfo_len_bytes = old_len;
		st = err_set(err, ST_NOT_FOUND, "no VMCOREINFO in the guest's memory proves itself (%u candidates)",
			     s->nr_candidates);
	}
	free(s);
	return st;
}
