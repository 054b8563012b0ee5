// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/kdump/kdump_survey.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"

/*
 * Stored pages of zeros: one or two with every writer known. Other pages that several descriptors name may be very many: of these
 * only the last few are remembered, so as not to decode one again and again.
 */
#define ZERO_MAX 64u
#define OTHER_SLOTS 1024u

struct survey_state {
	struct kdump_pages *p;
	struct kdump_survey *out;
	uint64_t zero[ZERO_MAX]; /**< offsets; the first nr_zero_pages */
	unsigned nr_zero_pages;
	uint64_t other[OTHER_SLOTS]; /**< offsets of shared pages that are not zero; 0: free */
	uint64_t max_offset; /**< of all descriptors so far */
	uint8_t *page;
};

static uint64_t *other_slot(struct survey_state *s, uint64_t offset)
{
	return &s->other[((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % OTHER_SLOTS];
}

static bool is_known_zero(const struct survey_state *s, uint64_t offset)
{
	for (unsigned i = 0; i < s->nr_zero_pages; i++)
		if (s->zero[i] == offset)
			return true;
	return false;
}

static bool is_all_zero(const uint8_t *page, size_t len)
{
	return !page[0] && !memcmp(page, page + 1, len - 1);
}

static void note_shared(struct survey_state *s, uint64_t index, uint64_t offset)
{
	if (is_known_zero(s, offset) || *other_slot(s, offset) == offset || s->nr_zero_pages == ZERO_MAX)
		return;
	if (kdump_pages_read(s->p, index, 0, s->page, s->p->page_size, NULL) == ST_OK &&
	    is_all_zero(s->page, s->p->page_size))
		s->zero[s->nr_zero_pages++] = offset;
	else
		*other_slot(s, offset) = offset;
}

static void count_compression(struct kdump_survey *out, uint32_t flags)
{
	switch (flags) {
	case CODEC_FLAG_ZLIB:
		out->nr_zlib++;
		break;
	case CODEC_FLAG_LZO:
		out->nr_lzo++;
		break;
	case CODEC_FLAG_SNAPPY:
		out->nr_snappy++;
		break;
	case CODEC_FLAG_ZSTD:
		out->nr_zstd++;
		break;
	default:
		out->nr_raw++;
		break;
	}
}

/**
 * Data lies in the order of the descriptors, so one that points to where an earlier one was, or before, is shared (or
 * the work of a writer with an order of its own: then it is merely looked at). The very first data is the zero page of
 * most writers.
 */
static void first_pass(struct survey_state *s)
{
	uint64_t data_off = s->p->desc_off + s->p->nr_descs * KDUMP_PAGE_DESC_SIZE;

	for (uint64_t i = 0; i < s->p->nr_descs; i++) {
		struct page_desc d;

		if (kdump_pages_desc(s->p, i, &d, NULL) != ST_OK) {
			/* Behind the end of the file no other one is left: a hostile file may claim very many. */
			if (s->p->desc_off + i * KDUMP_PAGE_DESC_SIZE >= s->p->src->size_bytes) {
				s->out->nr_unreadable += s->p->nr_descs - i;
				s->out->nr_cut_off += s->p->nr_descs - i;
				return;
			}
			s->out->nr_unreadable++;
			continue;
		}
		if (kdump_pages_check_desc(s->p, &d, NULL) != ST_OK) {
			s->out->nr_unreadable++;
			s->out->nr_cut_off += d.offset && !span_within(d.offset, d.size, s->p->src->size_bytes);
			continue;
		}
		count_compression(s->out, d.flags);
		if (d.offset <= s->max_offset || d.offset == data_off)
			note_shared(s, i, d.offset);
		s->max_offset = max_u64(s->max_offset, d.offset);
	}
}

/* The first descriptor that named a zero page was met before anyone knew that it is one: so count in a second pass. */
static void count_zero(struct survey_state *s)
{
	for (uint64_t i = 0; i < s->p->nr_descs; i++) {
		struct page_desc d;

		if (kdump_pages_desc(s->p, i, &d, NULL) != ST_OK) {
			if (s->p->desc_off + i * KDUMP_PAGE_DESC_SIZE >= s->p->src->size_bytes)
				return;
			continue;
		}
		if (d.offset && is_known_zero(s, d.offset) && kdump_pages_check_desc(s->p, &d, NULL) == ST_OK)
			s->out->nr_zero++;
	}
}

enum status kdump_pages_survey(struct kdump_pages *p, struct kdump_survey *survey, struct err *err)
{
	struct survey_state *s = calloc(1, sizeof(*s));

	if (s)
		s->page = malloc(p->page_size);
	if (!s || !s->page) {
		free(s);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	s->p = p;
	s->out = survey;
	first_pass(s);
	if (s->nr_zero_pages)
		count_zero(s);
	free(s->page);
	free(s);
	return ST_OK;
}
