// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of a split set (makedumpfile --split): each has the headers, the notes and both bitmaps of the whole, and the
 * descriptors and pages of its own range of page frames.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/kdump/kdump_internal.h"

static const char *name_of(const struct kdump_physmem *k)
{
	return k->parts[0].src->name;
}

/* Two sets may come from one source, each cut in its own way: then their bitmaps tell, or their ranges overlap. */
static const char *what_differs(const struct kdump_header *a, const struct kdump_header *b)
{
	if (a->is_64bit != b->is_64bit || a->order != b->order || memcmp(&a->uts, &b->uts, sizeof(a->uts)) != 0)
		return "machine";
	if (a->version != b->version || a->block_size != b->block_size || a->sub_hdr_blocks != b->sub_hdr_blocks ||
	    a->bitmap_blocks != b->bitmap_blocks)
		return "layout";
	if (a->max_mapnr != b->max_mapnr)
		return "max_mapnr";
	if (a->tv_sec != b->tv_sec)
		return "time of the crash";
	if (a->dump_level != b->dump_level)
		return "dump level";
	return NULL;
}

static enum status check_twin(const struct kdump_physmem *a, const struct kdump_physmem *b, struct err *err)
{
	const char *what = what_differs(&a->details.header, &b->details.header);
	enum status st = ST_OK;

	if (what)
		return err_set(err, ST_BAD_INPUT, "%s and %s are not of one split dump: the %s differs", name_of(a),
			       name_of(b), what);
	if (a->base.nr_ranges != b->base.nr_ranges ||
	    (a->base.nr_ranges &&
	     memcmp(a->base.ranges, b->base.ranges, a->base.nr_ranges * sizeof(*a->base.ranges)) != 0))
		st = err_set(err, ST_BAD_INPUT, "their memory differs");
	else
		st = kdump_bitmap_check_same(&a->stored, &b->stored, err);
	return st == ST_OK ? st : err_wrap(err, st, "%s and %s are not of one split dump", name_of(a), name_of(b));
}

/** What the first file of the set has as well, or what is made again when the file is read. */
static void slim(struct kdump_physmem *k)
{
	kdump_pages_sleep(&k->parts[0].pages);
	kdump_bitmap_deinit(&k->stored);
	free(k->ranges);
	free(k->notes);
	free(k->vmcoreinfo);
	k->ranges = NULL;
	k->notes = NULL;
	k->vmcoreinfo = NULL;
	k->base.ranges = NULL;
	k->base.nr_ranges = 0;
	k->base.notes = NULL;
	k->base.notes_len_bytes = 0;
	k->base.vmcoreinfo = NULL;
	k->base.vmcoreinfo_len_bytes = 0;
}

enum status kdump_physmem_match(struct physmem *first, struct physmem *file, struct err *err)
{
	struct kdump_physmem *k = kdump_physmem_get(file);
	enum status st;

	if (!k)
		return err_set(err, ST_BAD_INPUT, "one of the files is an ELF core, which is never split");
	if (!k->details.header.split)
		return err_set(err, ST_BAD_INPUT, "%s is a dump of its own, not a file of a split one", name_of(k));
	if (file == first)
		return ST_OK;
	st = check_twin(kdump_physmem_get(first), k, err);
	if (st == ST_OK)
		slim(k);
	return st;
}

static int by_place(const void *a, const void *b)
{
	const struct kdump_part *x = a, *y = b;

	if (x->start_pfn != y->start_pfn)
		return x->start_pfn < y->start_pfn ? -1 : 1;
	return (x->end_pfn > y->end_pfn) - (x->end_pfn < y->end_pfn);
}

/** Nothing may be stored in [@start, @end): no file of the set has it. */
static enum status check_gap(struct kdump_bitmap *stored, uint64_t start, uint64_t end, struct err *err)
{
	struct range run;

	if (!kdump_bitmap_next_run(stored, start, end, &run))
		return ST_OK;
	return err_set(err, ST_BAD_INPUT,
		       "a file of the split dump is missing: none has page frames 0x%" PRIx64 " to 0x%" PRIx64, start,
		       end - 1);
}

/** @parts: sorted. */
static enum status check_places(const struct kdump_part *parts, size_t nr, struct kdump_physmem *k, struct err *err)
{
	const struct kdump_part *last = NULL; /* that has pages */
	uint64_t at = 0;
	enum status st;

	for (size_t i = 0; i < nr; i++) {
		const struct kdump_part *p = &parts[i];

		if (p->start_pfn == p->end_pfn)
			continue; /* a small dump leaves nothing for the last files */
		if (last && p->start_pfn < at)
			return err_set(err, ST_BAD_INPUT, "%s and %s both claim page frame 0x%" PRIx64, last->src->name,
				       p->src->name, p->start_pfn);
		st = check_gap(&k->stored, at, p->start_pfn, err);
		if (st != ST_OK)
			return st;
		at = p->end_pfn;
		last = p;
	}
	return check_gap(&k->stored, at, k->details.header.max_mapnr, err);
}

/** Everything but its part, which sleeps and lives on. */
static void discard(struct kdump_physmem *k)
{
	k->nr_parts = 0;
	k->base.ops->close(&k->base);
}

static void merge(struct kdump_physmem *k, struct kdump_part *parts, struct physmem *const *files, size_t nr)
{
	struct kdump_details *d = &k->details;

	for (size_t i = 1; i < nr; i++) {
		struct kdump_physmem *other = kdump_physmem_get(files[i]);

		d->nr_stored += other->details.nr_stored;
		d->flattened |= other->details.flattened;
		d->flattened_truncated |= other->details.flattened_truncated;
		d->header.status |= other->details.header.status;
		discard(other);
	}
	free(k->parts);
	k->parts = parts;
	k->nr_parts = nr;
	k->last_part = 0;
	d->nr_files = (unsigned)nr;
	d->nr_elsewhere = 0;
	d->header.start_pfn = parts[0].start_pfn;
	d->header.end_pfn = parts[nr - 1].end_pfn;
}

enum status kdump_physmem_join(struct physmem *const *files, size_t nr, struct physmem **pm, struct err *err)
{
	struct kdump_part *parts = calloc(nr, sizeof(*parts));
	enum status st;

	if (!parts)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < nr; i++) {
		struct kdump_physmem *k = kdump_physmem_get(files[i]);

		kdump_pages_sleep(&k->parts[0].pages);
		parts[i] = k->parts[0];
		/* A file of no page comes last, or it would be in the way of the search among the others. */
		if (parts[i].start_pfn == parts[i].end_pfn)
			parts[i].start_pfn = parts[i].end_pfn = k->details.header.max_mapnr;
	}
	qsort(parts, nr, sizeof(*parts), by_place);
	st = check_places(parts, nr, kdump_physmem_get(files[0]), err);
	if (st != ST_OK) {
		free(parts);
		return st;
	}
	merge(kdump_physmem_get(files[0]), parts, files, nr);
	*pm = files[0];
	return ST_OK;
}
