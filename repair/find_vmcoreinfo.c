// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/find_vmcoreinfo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define BATCH_PAGES 256u
#define TEXT_START "OSRELEASE="
/* VMCOREINFO_BYTES is a page, and two or more where pages are larger; the text lies in physically contiguous pages. */
#define TEXT_MAX (64u * 1024)
/* Elf32_Nhdr and the name "VMCOREINFO", padded to four bytes */
#define NOTE_NAME "VMCOREINFO"
#define NOTE_TEXT_OFF (12u + 12u)

struct search {
	struct physmem *pm;
	struct kmodel *km; /* of the best proved candidate */
	char *text;
	bool has_crash_time;
	unsigned nr_candidates;
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

/* Try @text as @s->pm's VMCOREINFO; keep it where it proves itself and is better than what there was. */
static void try_text(struct search *s, const char *text, size_t len)
{
	struct kmodel *km;
	bool has_crash_time;
	char *copy;

	has_crash_time = memmem(text, len, "\nCRASHTIME=", 11) != NULL;
	if (s->km && (s->has_crash_time || !has_crash_time))
		return;
	copy = strndup(text, len);
	if (!copy)
		return;
	s->pm->vmcoreinfo = copy;
	s->pm->vmcoreinfo_len_bytes = len;
	if (kmodel_open(s->pm, &km, NULL) != ST_OK) {
		free(copy);
		return;
	}
	kmodel_close(s->km);
	free(s->text);
	s->km = km;
	s->text = copy;
	s->has_crash_time = has_crash_time;
}

static void try_page(struct search *s, uint64_t pfn, uint32_t text_off)
{
	char *text = malloc(TEXT_MAX);
	size_t got = 0, len;
	enum status st;

	s->nr_candidates++;
	if (!text)
		return;
	st = physmem_read_some(s->pm, pfn * s->pm->page_size + text_off, text, TEXT_MAX, &got, NULL);
	len = text_length(text, got);
	if ((st == ST_OK || got) && len > strlen(TEXT_START))
		try_text(s, text, len);
	free(text);
}

/* Memory may hold any number of things that look right: enough is enough. */
#define MAX_CANDIDATES 4096u

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

			if (s->nr_candidates < MAX_CANDIDATES && (state[i] == PAGE_WHOLE || state[i] == PAGE_PARTIAL) &&
			    looks_like_vmcoreinfo(buf + i * s->pm->page_size, s->pm->order, &text_off))
				try_page(s, pfn + i, text_off);
		}
		run.end = max_u64(run.start + 1, (pfn + nr) * s->pm->page_size);
	}
}

enum status find_vmcoreinfo(struct physmem *pm, struct kmodel **km, char **text, struct err *err)
{
	struct search s = { .pm = pm };
	const char *old_text = pm->vmcoreinfo;
	size_t old_len = pm->vmcoreinfo_len_bytes;
	uint8_t *buf = malloc((size_t)BATCH_PAGES * pm->page_size);
	enum page_state state[BATCH_PAGES];

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	search_pages(&s, buf, state);
	free(buf);
	if (!s.km) {
		pm->vmcoreinfo = old_text;
		pm->vmcoreinfo_len_bytes = old_len;
		return err_set(err, ST_NOT_FOUND, "no VMCOREINFO in the guest's memory proves itself (%u candidates)",
			       s.nr_candidates);
	}
	pm->vmcoreinfo = s.text;
	pm->vmcoreinfo_len_bytes = strlen(s.text);
	*km = s.km;
	*text = s.text;
	return ST_OK;
}
