/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_REPEATS_H
#define EMIT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/**
 * Which contents were stored already, and where: a table of fixed size, that forgets. What it finds, and what it forgets,
 * follows from the pages and their order alone.
 *
 * A content is known by a print of 64 bits, from a family of hash functions of which each table draws one at random: two
 * different pages, whatever they are, have the same print with a chance of at most 2^-63 (see repeats.c). A page is compared
 * with four others at most, so a dump of 2^30 pages (4 TiB) shows one wrong page with a chance of 2^-31, far below that of memory
 * that errs unseen. No guest can raise it: it had written its memory before the drawing.
 */
struct repeats;

struct page_print {
	uint64_t place; /**< in the table; follows from the content alone */
	uint64_t print;
};

/** Where a page is stored. */
struct stored_page {
	uint64_t off;
	uint32_t size; /**< bytes; less than a page: compressed */
};

/** @bytes: of the table, a power of two. ST_UNSUPPORTED: the kernel has no random numbers (yet). */
enum status repeats_open(uint32_t page_size, size_t bytes, struct repeats **r, struct err *err) __must_check;
void repeats_close(struct repeats *r);

/** Any thread, at any time. */
struct page_print repeats_print(const struct repeats *r, const void *page);
/** A guess, so that a repeated page need not be compressed again. Any thread, at any time. */
bool repeats_may_know(const struct repeats *r, const struct page_print *p);

/** The owner of the table alone, like the next one. */
bool repeats_find(struct repeats *r, const struct page_print *p, struct stored_page *stored);
/** @p was just stored, and is not in the table. */
void repeats_add(struct repeats *r, const struct page_print *p, const struct stored_page *stored);

#endif
