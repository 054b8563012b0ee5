// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/trust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/policy.h"
#include "formats/elf/notes.h"

/*
 * How far is far. The counters lag: a CPU keeps up to 125 pages of each to itself (the largest stat_threshold), and its LRU
 * batches hold up to 31 pages each that are on no list yet. A sixteenth is for what no counter tells: pages cut off from
 * their file and not yet freed, structs that were being changed. Sound dumps of Linux 6.1 to 7.2 were within 50 pages; a
 * flag whose bit has moved, or a type that is not known, moves a whole class.
 */
#define SLACK_PAGES_PER_CPU 256u
#define SLACK_FRACTION 16u
/* Large kmallocs are counted as slab. Where they cannot be told, a quarter of what is counted must be seen. */
#define SLAB_FRACTION 4u
/* Anonymous pages may lie in a device's memory, which is no RAM. */
#define ANON_FRACTION 2u

const char *trust_name(enum trust_check c)
{
	static const char *const names[] = {
		[TRUST_FREE] = "free", [TRUST_CACHE] = "cache",	    [TRUST_USER] = "user",
		[TRUST_SLAB] = "slab", [TRUST_MANAGED] = "managed",
	};

	return names[c];
}

/*
 * The bits of the dump level that leave out what a check is about. Cache, user and slab pages are told apart by the same
 * few fields (flags, mapping): if one of them is not what it seems, the others may not be.
 */
static unsigned level_bits(enum trust_check c)
{
	unsigned by_fields = DUMP_LEVEL_CACHE | DUMP_LEVEL_CACHE_PRIVATE | DUMP_LEVEL_USER;

	switch (c) {
	case TRUST_FREE:
		return DUMP_LEVEL_FREE;
	case TRUST_CACHE:
	case TRUST_USER:
	case TRUST_SLAB:
		return by_fields;
	case TRUST_MANAGED:
	case TRUST_COUNT:
		break;
	}
	return by_fields | DUMP_LEVEL_FREE;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t trust_distance(const struct trust_row *row)
{
	return less(row->seen, row->most) + less(row->least, row->seen);
}

static bool all_known(const struct vmstat *vs, const enum vmstat_item *items, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!vs->known[items[i]])
			return false;
	return true;
}

static void set_row(struct trust *t, enum trust_check c, uint64_t seen, uint64_t least, uint64_t most)
{
	t->rows[c] = (struct trust_row){ .known = true, .seen = seen, .least = least, .most = max_u64(least, most) };
}

static uint64_t isolated(const struct vmstat *vs)
{
	return vs->pages[VMSTAT_ISOLATED_ANON] + vs->pages[VMSTAT_ISOLATED_FILE];
}

/*
 * Page cache is what files and shared memory have; what is in the swap cache is counted along and is mostly anonymous. A page
 * that was cut off from its file stays on the LRU for a while, and one that is isolated is off it.
 */
static void weigh_cache(struct trust *t, uint64_t seen)
{
	static const enum vmstat_item needed[] = { VMSTAT_FILE_PAGES, VMSTAT_INACTIVE_FILE, VMSTAT_ACTIVE_FILE,
						   VMSTAT_UNEVICTABLE, VMSTAT_SHMEM };
	const struct vmstat *vs = &t->counters;
	const uint64_t *n = vs->pages;

	if (!all_known(vs, needed, ARRAY_SIZE(needed)))
		return;
	set_row(t, TRUST_CACHE, seen, less(n[VMSTAT_FILE_PAGES], n[VMSTAT_SWAPCACHE] + isolated(vs)),
		max_u64(n[VMSTAT_FILE_PAGES], n[VMSTAT_INACTIVE_FILE] + n[VMSTAT_ACTIVE_FILE] + n[VMSTAT_UNEVICTABLE] +
						      n[VMSTAT_SHMEM]));
}

/*
 * User memory is what is on the LRU or isolated and is no file's, at most; and at least what of it is mapped. Hugetlb
 * pages and zsmalloc's are user memory too where they can be told, and are on no LRU.
 */
static void weigh_user(struct trust *t, uint64_t seen)
{
	static const enum vmstat_item needed[] = {
		VMSTAT_INACTIVE_ANON, VMSTAT_ACTIVE_ANON, VMSTAT_INACTIVE_FILE, VMSTAT_ACTIVE_FILE,
		VMSTAT_UNEVICTABLE,   VMSTAT_ANON_MAPPED, VMSTAT_FILE_PAGES,	VMSTAT_HUGETLB,
		VMSTAT_ZSPAGES,
	};
	const struct vmstat *vs = &t->counters;
	const uint64_t *n = vs->pages;
	uint64_t on_lru = n[VMSTAT_INACTIVE_ANON] + n[VMSTAT_ACTIVE_ANON] + n[VMSTAT_INACTIVE_FILE] +
			  n[VMSTAT_ACTIVE_FILE] + n[VMSTAT_UNEVICTABLE];

	if (!all_known(vs, needed, ARRAY_SIZE(needed)))
		return;
	set_row(t, TRUST_USER, seen, n[VMSTAT_ANON_MAPPED] / ANON_FRACTION,
		less(on_lru + isolated(vs) + n[VMSTAT_SWAPCACHE], n[VMSTAT_FILE_PAGES]) + n[VMSTAT_HUGETLB] +
			n[VMSTAT_ZSPAGES]);
}

static void weigh_slab(struct trust *t, uint64_t seen)
{
	static const enum vmstat_item needed[] = { VMSTAT_SLAB_RECLAIMABLE, VMSTAT_SLAB_UNRECLAIMABLE };
	uint64_t counted = t->counters.pages[VMSTAT_SLAB_RECLAIMABLE] + t->counters.pages[VMSTAT_SLAB_UNRECLAIMABLE];

	if (all_known(&t->counters, needed, ARRAY_SIZE(needed)))
		set_row(t, TRUST_SLAB, seen, t->tells_large_kmallocs ? counted : counted / SLAB_FRACTION, counted);
}

/*
 * Where the dump lacks memory, or the plan was cut short, or the map has holes, less is seen than there was: only too much
 * of something is wrong then.
 */
static bool is_all_seen(const struct trust *t, const struct trust_seen *seen)
{
	if (t->counters.is_lent || seen->sections_missing || t->counters.pages[VMSTAT_MANAGED] > seen->pages)
		return false;
	return seen->by_class[PAGE_CLASS_UNKNOWN] <= seen->pages / SLACK_FRACTION;
}

static bool is_far_apart(const struct trust_row *r, bool all_seen, unsigned nr_cpus)
{
	uint64_t slack = max_u64(r->seen, r->most) / SLACK_FRACTION + SLACK_PAGES_PER_CPU * max_u64(nr_cpus, 1);

	return trust_distance(r) > slack && (all_seen || r->seen > r->most);
}

void trust_judge(struct trust *t, const struct trust_seen *seen, unsigned nr_cpus)
{
	uint64_t free = seen->by_class[PAGE_CLASS_FREE], user = seen->by_class[PAGE_CLASS_USER];
	uint64_t cache = seen->by_class[PAGE_CLASS_CACHE] + seen->by_class[PAGE_CLASS_CACHE_PRIVATE];
	bool all_seen = is_all_seen(t, seen), part_is_far = false;

	memset(t->rows, 0, sizeof(t->rows));
	if (t->has_free)
		set_row(t, TRUST_FREE, free, t->free.least, t->free.most);
	weigh_cache(t, cache);
	weigh_user(t, user);
	weigh_slab(t, seen->slab);
	if (t->counters.known[VMSTAT_MANAGED])
		set_row(t, TRUST_MANAGED, free + cache + user + seen->slab, 0, t->counters.pages[VMSTAT_MANAGED]);
	for (int c = 0; c < TRUST_COUNT; c++) {
		t->rows[c].far_apart = is_far_apart(&t->rows[c], all_seen, nr_cpus);
		part_is_far |= c != TRUST_MANAGED && t->rows[c].far_apart;
	}
	/* Where a part is known to be wrong, the sum says no more. */
	t->rows[TRUST_MANAGED].far_apart &= !part_is_far;
}

void trust_weigh(struct trust *t, struct kmodel *km, const struct trust_seen *seen)
{
	struct note_counts notes;
	int64_t ignored;

	*t = (struct trust){ 0 };
	vmstat_read(km, &t->counters);
	t->has_free = zones_free_pages(km, &t->free);
	t->tells_large_kmallocs = vmcoreinfo_number(km->vi, "PAGE_LARGE_KMALLOC_MAPCOUNT_VALUE", &ignored);
	notes_count(km->pm->notes, km->pm->notes_len_bytes, km->pm->order, &notes);
	trust_judge(t, seen, notes.nr_prstatus);
}

unsigned trust_level(const struct trust *t, unsigned level)
{
	for (int c = 0; c < TRUST_COUNT; c++)
		if (t->rows[c].far_apart)
			level &= ~level_bits((enum trust_check)c);
	return level;
}

void trust_describe(const struct trust *t, char *buf, size_t len)
{
	static const char *const what[] = {
		[TRUST_FREE] = "free",	     [TRUST_CACHE] = "page cache", [TRUST_USER] = "user memory",
		[TRUST_SLAB] = "slab memory", [TRUST_MANAGED] = "free, cache, user or slab",
	};

	buf[0] = '\0';
	for (int c = 0; c < TRUST_COUNT; c++) {
		const struct trust_row *r = &t->rows[c];
		size_t used = strlen(buf);

		if (r->far_apart)
			snprintf(buf + used, len - used, "%s%" PRIu64 " pages look like %s, the kernel counted %" PRIu64
				 " to %" PRIu64, used ? "; " : "", r->seen, what[c], r->least, r->most);
	}
}
