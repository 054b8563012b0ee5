// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/pageset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/claim.h"

#define WORD_BITS 64
/* 512 TiB of 4 KiB pages. A dump that claims more is lying, or a day's work on its own. */
#define MAX_PRESENT_PAGES (UINT64_C(1) << 37)

static void collect_runs(struct pageset *ps, const struct physmem *pm)
{
	for (size_t i = 0; i < pm->nr_ranges; i++) {
		uint64_t start = pm->ranges[i].start / pm->page_size;
		uint64_t end = div_round_up(pm->ranges[i].end, pm->page_size);
		struct pageset_run *last = ps->nr_runs ? &ps->runs[ps->nr_runs - 1] : NULL;

		if (last && start <= last->end_pfn) { /* shares a page with it, or goes on where it ends */
			if (end > last->end_pfn) {
				ps->nr_present += end - last->end_pfn;
				last->end_pfn = end;
			}
			continue;
		}
		ps->runs[ps->nr_runs++] = (struct pageset_run){ start, end, ps->nr_present };
		ps->nr_present += end - start;
	}
}

enum status pageset_init(struct pageset *ps, const struct physmem *pm, struct err *err)
{
	uint64_t words;
	enum status st = claim_check(pm, err);

	*ps = (struct pageset){ 0 };
	if (st != ST_OK)
		return st;
	ps->runs = calloc(pm->nr_ranges + 1, sizeof(*ps->runs));
	if (!ps->runs)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	collect_runs(ps, pm);
	words = div_round_up(ps->nr_present, WORD_BITS);
	ps->bits = ps->nr_present <= MAX_PRESENT_PAGES ? malloc((size_t)words * 8 + 8) : NULL;
	if (!ps->bits) {
		uint64_t present = ps->nr_present;

		pageset_deinit(ps);
		if (present > MAX_PRESENT_PAGES)
			return err_set(err, ST_BAD_INPUT, "the dump claims %" PRIu64 " pages of memory: no machine has so many",
				       present);
		return err_set(err, ST_NO_MEMORY, "no memory for a bitmap of %" PRIu64 " pages", present);
	}
	pageset_set_all(ps);
	return ST_OK;
}

void pageset_set_all(struct pageset *ps)
{
	memset(ps->bits, 0xff, (size_t)div_round_up(ps->nr_present, WORD_BITS) * 8);
	ps->nr_set = ps->nr_present;
}

void pageset_deinit(struct pageset *ps)
{
	free(ps->runs);
	free(ps->bits);
	*ps = (struct pageset){ 0 };
}

/* The first run that ends after @pfn, or nr_runs. */
static size_t find_run(const struct pageset *ps, uint64_t pfn)
{
	size_t lo = 0, hi = ps->nr_runs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ps->runs[mid].end_pfn <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool pageset_index(const struct pageset *ps, uint64_t pfn, uint64_t *index)
{
	size_t i = find_run(ps, pfn);

	if (i == ps->nr_runs || pfn < ps->runs[i].start_pfn)
		return false;
	*index = ps->runs[i].first_index + (pfn - ps->runs[i].start_pfn);
	return true;
}

static bool test_index(const struct pageset *ps, uint64_t index)
{
	return ps->bits[index / WORD_BITS] >> (index % WORD_BITS) & 1;
}

bool pageset_test(const struct pageset *ps, uint64_t pfn)
{
	uint64_t index;

	return pageset_index(ps, pfn, &index) && test_index(ps, index);
}

/* Word by word: free memory is cleared in runs of thousands. */
static void clear_indexes(struct pageset *ps, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t *word = &ps->bits[from / WORD_BITS];
		uint64_t end = min_u64(to, (from / WORD_BITS + 1) * WORD_BITS);
		uint64_t mask = UINT64_MAX >> (WORD_BITS - (end - from)) << (from % WORD_BITS);

		ps->nr_set -= (uint64_t)__builtin_popcountll(*word & mask);
		*word &= ~mask;
		from = end;
	}
}

void pageset_clear(struct pageset *ps, uint64_t pfn)
{
	uint64_t index;

	if (pageset_index(ps, pfn, &index))
		clear_indexes(ps, index, index + 1);
}

void pageset_clear_range(struct pageset *ps, uint64_t start_pfn, uint64_t end_pfn)
{
	for (size_t i = find_run(ps, start_pfn); i < ps->nr_runs && ps->runs[i].start_pfn < end_pfn; i++) {
		const struct pageset_run *r = &ps->runs[i];
		uint64_t from = max_u64(start_pfn, r->start_pfn), to = min_u64(end_pfn, r->end_pfn);

		if (from < to)
			clear_indexes(ps, r->first_index + (from - r->start_pfn), r->first_index + (to - r->start_pfn));
	}
}

static void clear_in_word(struct pageset *ps, uint64_t word, uint64_t mask)
{
	ps->nr_set -= (uint64_t)__builtin_popcountll(ps->bits[word] & mask);
	ps->bits[word] &= ~mask;
}

void pageset_clear_bits(struct pageset *ps, uint64_t start_pfn, const uint64_t *bits, uint64_t nr_pages)
{
	uint64_t index;

	if (!pageset_index(ps, start_pfn, &index))
		return;
	for (uint64_t i = 0; i < nr_pages; i += WORD_BITS) {
		uint64_t word = (index + i) / WORD_BITS, mask = bits[i / WORD_BITS];
		unsigned shift = (index + i) % WORD_BITS;

		if (nr_pages - i < WORD_BITS)
			mask &= UINT64_MAX >> (WORD_BITS - (nr_pages - i));
		if (!mask)
			continue;
		clear_in_word(ps, word, mask << shift);
		if (shift && mask >> (WORD_BITS - shift))
			clear_in_word(ps, word + 1, mask >> (WORD_BITS - shift));
	}
}

void pageset_end_at(struct pageset *ps, uint64_t end_pfn)
{
	pageset_clear_range(ps, end_pfn, UINT64_MAX);
	while (ps->nr_runs && ps->runs[ps->nr_runs - 1].end_pfn > end_pfn) {
		struct pageset_run *last = &ps->runs[ps->nr_runs - 1];
		uint64_t keep = last->start_pfn < end_pfn ? end_pfn - last->start_pfn : 0;

		ps->nr_present -= last->end_pfn - last->start_pfn - keep;
		last->end_pfn = last->start_pfn + keep;
		if (keep)
			break;
		ps->nr_runs--;
	}
}

/* The first index in [@from, @to) whose bit is @value, or @to. Word by word: most words are all the same. */
static uint64_t scan(const struct pageset *ps, uint64_t from, uint64_t to, bool value)
{
	while (from < to) {
		uint64_t word = ps->bits[from / WORD_BITS];
		uint64_t left;

		left = (value ? word : ~word) >> (from % WORD_BITS);
		if (left)
			return min_u64(to, from + (uint64_t)__builtin_ctzll(left));
		from = (from / WORD_BITS + 1) * WORD_BITS;
	}
	return to;
}

bool pageset_next(const struct pageset *ps, uint64_t pfn, uint64_t max, uint64_t *start_pfn, uint64_t *end_pfn)
{
	for (size_t i = find_run(ps, pfn); i < ps->nr_runs; i++) {
		const struct pageset_run *r = &ps->runs[i];
		uint64_t end = r->first_index + (r->end_pfn - r->start_pfn);
		uint64_t from = r->first_index + (max_u64(pfn, r->start_pfn) - r->start_pfn);
		uint64_t hit = scan(ps, from, end, true);

		if (hit == end)
			continue;
		*start_pfn = r->start_pfn + (hit - r->first_index);
		*end_pfn = r->start_pfn + (scan(ps, hit, min_u64(end, hit + max), false) - r->first_index);
		return true;
	}
	return false;
}

uint64_t pageset_first(const struct pageset *ps, bool present, uint64_t pfn)
{
	size_t i = find_run(ps, pfn);
	uint64_t start, end;

	if (present)
		return i < ps->nr_runs ? max_u64(pfn, ps->runs[i].start_pfn) : UINT64_MAX;
	return pageset_next(ps, pfn, 1, &start, &end) ? start : UINT64_MAX;
}

static void set_bits(uint8_t *out, uint64_t from, uint64_t to)
{
	for (; from < to && from % 8; from++)
		out[from / 8] |= (uint8_t)(1u << (from % 8));
	if (to - from >= 8) {
		memset(out + from / 8, 0xff, (size_t)(to / 8 - from / 8));
		from = to / 8 * 8;
	}
	for (; from < to; from++)
		out[from / 8] |= (uint8_t)(1u << (from % 8));
}

/* Of the pages [@from, @to) of run @r the ones that are set; bit 0 of @out is that of @start_pfn. */
static void fill_from_run(const struct pageset *ps, const struct pageset_run *r, uint64_t from, uint64_t to,
			  uint64_t start_pfn, uint8_t *out)
{
	uint64_t first = r->first_index + (from - r->start_pfn), end = first + (to - from);

	for (uint64_t at = scan(ps, first, end, true), stop; at < end; at = scan(ps, stop, end, true)) {
		stop = scan(ps, at, end, false);
		set_bits(out, from - start_pfn + (at - first), from - start_pfn + (stop - first));
	}
}

void pageset_fill_bitmap(const struct pageset *ps, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes)
{
	uint64_t end_pfn = start_pfn + (uint64_t)len_bytes * 8;

	memset(out, 0, len_bytes);
	for (size_t i = find_run(ps, start_pfn); i < ps->nr_runs && ps->runs[i].start_pfn < end_pfn; i++) {
		const struct pageset_run *r = &ps->runs[i];
		uint64_t from = max_u64(r->start_pfn, start_pfn), to = min_u64(r->end_pfn, end_pfn);

		if (present)
			set_bits(out, from - start_pfn, to - start_pfn);
		else
			fill_from_run(ps, r, from, to, start_pfn, out);
	}
}
