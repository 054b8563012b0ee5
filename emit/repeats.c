// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The print is NH, the inner hash of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: Fast and Secure Message
 * Authentication", CRYPTO '99) over 64-bit words: of two different pages of equal length at most one key in 2^64 makes the
 * same 128 bits. These are brought down to 64 by a multilinear hash (Lemire, Kaser: "Strongly universal string hashing is
 * fast", 2014), which adds as much again. Both are sums of products: a page takes a small part of the time that the fastest
 * codec takes for it.
 */
#include "emit/repeats.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/endian.h"
#include "common/units.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE 4
#endif

#define WAYS 4 /* a cache line of entries that share a place, the one used last in front */
#define SIZE_BITS 18 /* KDUMP has no larger pages */
#define OFF_BITS (64 - SIZE_BITS)
#define LARGE_PAGE_BYTES (2 * MIB)

typedef unsigned __int128 u128;

struct entry {
	_Atomic uint64_t print; /* 0: free. Other threads look at it; it changes when it will */
	uint64_t where;		/* the owner's */
};

struct repeats {
	size_t nr_words; /* of a page; a multiple of 4 */
	size_t nr_sets;	 /* a power of two */
	struct entry *entries;
	u128 fold[3];
	uint64_t key[];
};

/* Before the kernel's pool is full, what it has will do: it must not be guessed before the crash, no more. */
static bool draw(void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		ssize_t n = getrandom(to, len, GRND_INSECURE);

		if (n < 0)
			n = getrandom(to, len, GRND_NONBLOCK); /* before commit 75551dbf112c ("random: add GRND_INSECURE...") */
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

/*
 * Written to at once: where a worker looks first, the kernel maps a page of zeros, and has to take it from the other CPUs when
 * somebody writes to it. In large pages where there are any: each look is somewhere else.
 */
static struct entry *new_entries(size_t len_bytes)
{
	void *entries;

	if (posix_memalign(&entries, LARGE_PAGE_BYTES, len_bytes))
		return NULL;
	madvise(entries, len_bytes, MADV_HUGEPAGE);
	memset(entries, 0, len_bytes);
	return entries;
}

enum status repeats_open(uint32_t page_size, size_t bytes, struct repeats **out, struct err *err)
{
	size_t nr_words = page_size / sizeof(uint64_t);
	struct repeats *r = calloc(1, sizeof(*r) + nr_words * sizeof(*r->key));

	if (r) {
		r->nr_words = nr_words;
		r->nr_sets = bytes / (WAYS * sizeof(*r->entries));
		r->entries = new_entries(r->nr_sets * WAYS * sizeof(*r->entries));
	}
	if (!r || !r->entries) {
		repeats_close(r);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	if (!draw(r->key, nr_words * sizeof(*r->key)) || !draw(r->fold, sizeof(r->fold))) {
		repeats_close(r);
		return err_set(err, ST_UNSUPPORTED, "the kernel has no random numbers");
	}
	*out = r;
	return ST_OK;
}

void repeats_close(struct repeats *r)
{
	if (!r)
		return;
	free(r->entries);
	free(r);
}

static inline uint64_t rotated(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

/*
 * Print and place in one go, as each takes what the other leaves idle of the CPU. Two sums, so that one multiplication need not
 * wait for the other.
 */
struct page_print repeats_print(const struct repeats *r, const void *page)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t *k = r->key;
	const uint8_t *from = page;
	u128 sum_1 = 0, sum_2 = 0;
	uint64_t place = 0, print;

	for (size_t i = 0; i < r->nr_words; i += 4, from += 4 * sizeof(uint64_t)) {
		uint64_t a = get_u64(from, ORDER_NATIVE), b = get_u64(from + 8, ORDER_NATIVE);
		uint64_t c = get_u64(from + 16, ORDER_NATIVE), d = get_u64(from + 24, ORDER_NATIVE);

		sum_1 += (u128)(a + k[i]) * (b + k[i + 1]);
		sum_2 += (u128)(c + k[i + 2]) * (d + k[i + 3]);
		place = (place ^ ((a + rotated(b, 13)) ^ (rotated(c, 29) + rotated(d, 43)))) * odd;
	}
	sum_1 += sum_2;
	print = (uint64_t)((r->fold[0] + r->fold[1] * (uint64_t)sum_1 + r->fold[2] * (uint64_t)(sum_1 >> 64)) >> 64);
	return (struct page_print){ .place = (place ^ place >> 32) * odd >> 16, .print = print ? print : 1 };
}

static struct entry *set_of(const struct repeats *r, const struct page_print *p)
{
	return &r->entries[(p->place & (r->nr_sets - 1)) * WAYS];
}

static int way_of(struct entry *set, const struct page_print *p)
{
	int i = 0;

	while (i < WAYS && atomic_load_explicit(&set[i].print, memory_order_relaxed) != p->print)
		i++;
	return i;
}

/* The first @nr move back by one, to make room in front. */
static void put_in_front(struct entry *set, int nr, uint64_t print, uint64_t where)
{
	for (int i = nr; i > 0; i--) {
		uint64_t before = atomic_load_explicit(&set[i - 1].print, memory_order_relaxed);

		atomic_store_explicit(&set[i].print, before, memory_order_relaxed);
		set[i].where = set[i - 1].where;
	}
	atomic_store_explicit(&set[0].print, print, memory_order_relaxed);
	set[0].where = where;
}

bool repeats_may_know(const struct repeats *r, const struct page_print *p)
{
	return way_of(set_of(r, p), p) < WAYS;
}

bool repeats_find(struct repeats *r, const struct page_print *p, struct stored_page *stored)
{
	struct entry *set = set_of(r, p);
	int i = way_of(set, p);
	uint64_t where;

	if (i == WAYS)
		return false;
	where = set[i].where;
	put_in_front(set, i, p->print, where);
	stored->off = where >> SIZE_BITS;
	stored->size = (uint32_t)(where & ((1u << SIZE_BITS) - 1)) + 1;
	return true;
}

void repeats_add(struct repeats *r, const struct page_print *p, const struct stored_page *stored)
{
	if (stored->off >> OFF_BITS || !stored->size || stored->size > 1u << SIZE_BITS)
		return;
	put_in_front(set_of(r, p), WAYS - 1, p->print, stored->off << SIZE_BITS | (stored->size - 1));
}
