// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/physmem.h"

#include <string.h>

void physmem_close(struct physmem *pm)
{
	if (pm)
		pm->ops->close(pm);
}

enum status physmem_clone(struct physmem *pm, struct physmem **clone, struct err *err)
{
	if (!pm->ops->clone)
		return err_set(err, ST_UNSUPPORTED, "this dump has one reader only");
	return pm->ops->clone(pm, clone, err);
}

enum status physmem_read_some(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got, struct err *err)
{
	*got = 0;
	if (!len)
		return ST_OK;
	if (paddr > UINT64_MAX - len)
		return err_set(err, ST_NO_DATA, "physical address 0x%llx is out of range", (unsigned long long)paddr);
	return pm->ops->read(pm, paddr, buf, len, got, err);
}

enum status physmem_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, struct err *err)
{
	size_t got;

	return physmem_read_some(pm, paddr, buf, len, &got, err);
}

const uint8_t *physmem_view(struct physmem *pm, uint64_t paddr, size_t len)
{
	if (!pm->ops->view || !len || paddr > UINT64_MAX - len)
		return NULL;
	return pm->ops->view(pm, paddr, len);
}

bool physmem_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run)
{
	return paddr < limit && pm->ops->next_data(pm, paddr, limit, run);
}

/* Put one page together from whatever pieces of it the dump holds. @page is zeroed where there is no byte. */
static enum page_state assemble_page(struct physmem *pm, uint64_t paddr, uint8_t *page)
{
	uint64_t end = paddr + pm->page_size;
	uint64_t covered = 0;
	struct range run = { paddr, paddr };

	memset(page, 0, pm->page_size);
	while (physmem_next_data(pm, run.end, end, &run)) {
		size_t len = (size_t)(run.end - run.start);

		if (physmem_read(pm, run.start, page + (run.start - paddr), len, NULL) != ST_OK) {
			memset(page, 0, pm->page_size);
			return PAGE_UNREADABLE;
		}
		covered += len;
	}
	if (!covered)
		return PAGE_ABSENT;
	return covered == pm->page_size ? PAGE_WHOLE : PAGE_PARTIAL;
}

void physmem_read_pages(struct physmem *pm, uint64_t start_pfn, size_t nr_pages, void *buf, enum page_state *state)
{
	size_t done = 0;

	while (done < nr_pages) {
		uint64_t paddr = (start_pfn + done) * pm->page_size;
		uint8_t *to = (uint8_t *)buf + done * pm->page_size;
		size_t got, whole;

		if (physmem_read_some(pm, paddr, to, (nr_pages - done) * pm->page_size, &got, NULL) == ST_OK)
			got = (nr_pages - done) * pm->page_size;
		whole = got / pm->page_size;
		for (size_t i = 0; i < whole; i++)
			state[done + i] = PAGE_WHOLE;
		done += whole;
		if (done < nr_pages) {
			state[done] = assemble_page(pm, (start_pfn + done) * pm->page_size,
						    (uint8_t *)buf + done * pm->page_size);
			done++;
		}
	}
}

uint64_t physmem_nr_present_pages(const struct physmem *pm)
{
	uint64_t n = 0;
	uint64_t last_end_pfn = 0; /* two ranges may touch the same page */

	for (size_t i = 0; i < pm->nr_ranges; i++) {
		uint64_t start = max_u64(pm->ranges[i].start / pm->page_size, last_end_pfn);
		uint64_t end = div_round_up(pm->ranges[i].end, pm->page_size);

		if (end > start)
			n += end - start;
		last_end_pfn = max_u64(last_end_pfn, end);
	}
	return n;
}

uint64_t physmem_max_pfn(const struct physmem *pm)
{
	return pm->nr_ranges ? div_round_up(pm->ranges[pm->nr_ranges - 1].end, pm->page_size) : 0;
}
