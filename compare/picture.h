/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_PICTURE_H
#define COMPARE_PICTURE_H

#include "compare/pages.h"

/**
 * Physical memory as a picture: cells of equally many pages each, counted while the pages are compared. Cells never
 * outnumber PICTURE_MAX_CELLS however large the machine; long stretches that exist in neither dump get no cells, and
 * part the picture into regions. The bound is somewhat above a power of two: memory is, too, with what lies beside it.
 */
#define PICTURE_MAX_CELLS 10240u
#define PICTURE_MAX_REGIONS 32u
/** Cells in a row; a row begins at a multiple of its size, so a region's first and last rows may be ragged. */
#define PICTURE_COLUMNS 128u

/** What a page is painted as. Where several causes are possible, the cause is added to the first of them. */
enum picture_state {
	PICTURE_EQUAL,
	PICTURE_LOST,
	PICTURE_LEFT_OUT,						   /**< + enum audit_class */
	PICTURE_OUTER_ONLY = PICTURE_LEFT_OUT + (unsigned)AUDIT_COUNT + 1, /**< + enum cause */
	PICTURE_INNER_ONLY = PICTURE_OUTER_ONLY + (unsigned)CAUSE_COUNT,   /**< + enum cause */
	PICTURE_DIFFERS = PICTURE_INNER_ONLY + (unsigned)CAUSE_COUNT,	   /**< + enum cause */
	PICTURE_STATES = PICTURE_DIFFERS + (unsigned)CAUSE_COUNT,
};

/** Classes of pages: enum audit_class, AUDIT_LOST standing for the kernel's, and AUDIT_COUNT for "nobody tells". */
#define PICTURE_CLASSES ((unsigned)AUDIT_COUNT + 1)

struct picture_cell {
	uint32_t states[PICTURE_STATES], classes[PICTURE_CLASSES]; /**< pages */
};

struct picture_region {
	uint64_t start_pfn, end_pfn; /**< present in either dump, holes below the split size included */
	size_t first_cell,
		nr_cells; /**< cell i is pages [(start_pfn / cell_pages + i) * cell_pages, ...) of the region */
};

struct picture {
	uint32_t page_size;
	uint64_t cell_pages; /**< a power of two */
	struct picture_region regions[PICTURE_MAX_REGIONS];
	size_t nr_regions;
	struct picture_cell *cells;
	size_t nr_cells;
	uint64_t states[PICTURE_STATES], classes[PICTURE_CLASSES]; /**< pages in all */
	size_t current;						   /**< the region of the last page */
};

/** Divide the memory of two dumps into cells, all empty. */
enum status picture_new(const struct physmem *a, const struct physmem *b, struct picture **p,
			struct err *err) __must_check;
void picture_free(struct picture *p);

/** A page_seen_fn: @ctx is the struct picture. */
void picture_see(void *ctx, const struct page_seen *seen);

enum picture_state picture_state_of(const struct page_seen *seen);
/** Lost or unexplained: what nobody may overlook. */
bool picture_state_is_alarm(enum picture_state s);
/** What a cell is painted as: an alarm if one page in it is, else what most of its pages are. Empty: PICTURE_STATES. */
enum picture_state picture_cell_state(const struct picture_cell *cell);
/** PICTURE_CLASSES: empty. */
unsigned picture_cell_class(const struct picture_cell *cell);

/** PFNs of cell number @i of @region, cut to the region. */
struct range picture_cell_pfns(const struct picture *p, const struct picture_region *region, size_t i);

#endif
