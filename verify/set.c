// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A split set (makedumpfile --split): each file is a KDUMP with all headers, notes and bitmaps, whose descriptors and pages
 * are those of its own range of page frames. The ranges abut, from 0 to max_mapnr.
 */
#include "verify/set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/exit_codes.h"
#include "verify/checks.h"

/** What the rules of a set need of a file. */
struct part {
	const struct verify_file *file;
	uint64_t max_mapnr;
	uint8_t head[KDUMP_MAIN_HEADER_SIZE_64];
};

/* Not a part of anything: its own report has said why its reader refuses it, if it does. */
static enum status look_at(struct verify_set *set, struct verify_file *file, struct part *part, struct err *err)
{
	const struct kdump_details *kd;
	struct physmem *pm;
	struct err why = { 0 };
	enum status st = physmem_open(file->path, &pm, &why);

	if (st == ST_NO_MEMORY || st == ST_INTERNAL)
		return err_set(err, st, "%s", why.text);
	if (st != ST_OK)
		return ST_OK;
	kd = kdump_physmem_details(pm);
	if (!kd || !kd->header.split) {
		findings_add(&set->whole, RULE_SET_NOT_SPLIT, place_none(),
			     "%.300s is %s, not a file of a split dump", file->path,
			     kd ? "a dump of its own" : "an ELF core");
	} else if (kdump_physmem_read_file(pm, 0, part->head, sizeof(part->head), NULL) == ST_OK) {
		file->is_part = true;
		file->start_pfn = kd->header.start_pfn;
		file->end_pfn = kd->header.end_pfn;
		part->file = file;
		part->max_mapnr = kd->header.max_mapnr;
	}
	physmem_close(pm);
	return ST_OK;
}

static void check_headers(struct verify_set *set, const struct part *parts, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		size_t at = check_first_difference(parts[0].head, parts[i].head, sizeof(parts[i].head));

		if (at < sizeof(parts[i].head))
			findings_add(&set->whole, RULE_SET_HEADER, place_offset(at),
				     "the main headers of %.150s and %.150s differ: they are not taken for one dump",
				     parts[0].file->path, parts[i].file->path);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct verify_file *x = ((const struct part *)a)->file, *y = ((const struct part *)b)->file;

	if (x->start_pfn != y->start_pfn)
		return x->start_pfn < y->start_pfn ? -1 : 1;
	return (x->end_pfn > y->end_pfn) - (x->end_pfn < y->end_pfn);
}

static void add_gap(struct verify_set *set, uint64_t start, uint64_t end, bool has_pages)
{
	if (end <= start)
		return;
	if (has_pages)
		findings_add(&set->whole, RULE_SET_GAP, place_pfns(start, end),
			     "no file has page frames 0x%" PRIx64 " to 0x%" PRIx64 ": one is missing, or is no part", start,
			     end - 1);
	else
		findings_add(&set->whole, RULE_SET_GAP_EMPTY, place_pfns(start, end),
			     "no file has page frames 0x%" PRIx64 " to 0x%" PRIx64 ", of which none is stored", start,
			     end - 1);
}

/* @parts: sorted. @readable: all pages that are stored lie in some file, so gaps are in none of them. */
static void check_places(struct verify_set *set, const struct part *parts, size_t nr, bool readable)
{
	const struct verify_file *last = NULL; /* of those with page frames, the one that reaches furthest */
	uint64_t at = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct verify_file *f = parts[i].file;

		if (f->start_pfn == f->end_pfn)
			continue; /* a small dump leaves nothing for the last files */
		if (last && f->start_pfn < at)
			findings_add(&set->whole, RULE_SET_OVERLAP, place_pfns(f->start_pfn, min_u64(at, f->end_pfn)),
				     "%.150s and %.150s both have page frames 0x%" PRIx64 " to 0x%" PRIx64, last->path,
				     f->path, f->start_pfn, min_u64(at, f->end_pfn) - 1);
		add_gap(set, at, f->start_pfn, !readable);
		if (f->end_pfn > at) {
			at = f->end_pfn;
			last = f;
		}
	}
	if (nr)
		add_gap(set, at, parts[0].max_mapnr, !readable);
}

/* Only all files together can have the tables that prove where the kernel lies. */
static enum status check_as_one(struct verify_set *set, struct physmem *pm, struct err *err)
{
	struct check c = { .report = &set->whole, .pm = pm, .machine = "" };
	enum status st;

	c.hdr = kdump_physmem_details(pm)->header;
	st = check_kernel_of_set(&c, err);
	vmcoreinfo_free(c.vi);
	return st;
}

static enum status check_set(struct verify_set *set, const struct dump_files *files, struct part *parts, struct err *err)
{
	struct physmem *pm;
	struct err why = { 0 };
	size_t nr = 0;
	enum status st = ST_OK;

	for (size_t i = 0; i < set->nr_files && st == ST_OK; i++) {
		st = look_at(set, &set->files[i], &parts[nr], err);
		nr += set->files[i].is_part;
	}
	if (st != ST_OK)
		return st;
	check_headers(set, parts, nr);
	qsort(parts, nr, sizeof(*parts), by_place);
	st = physmem_open_files((const char *const *)files->at, files->nr, &pm, &why);
	if (st == ST_NO_MEMORY || st == ST_INTERNAL)
		return err_set(err, st, "%s", why.text);
	check_places(set, parts, nr, st == ST_OK);
	if (st != ST_OK) {
		if (!set->whole.nr[VERIFY_ERROR] && nr == set->nr_files)
			findings_add(&set->whole, RULE_SET_REFUSED, place_none(), "%s", why.text);
		return ST_OK;
	}
	st = check_as_one(set, pm, err);
	physmem_close(pm);
	return st;
}

static void sum_up(struct verify_set *set)
{
	struct verify_report *all = &set->whole;

	all->pages_read = true;
	for (size_t i = 0; i < set->nr_files; i++) {
		const struct verify_report *r = &set->files[i].report;

		all->pages += r->pages;
		all->pages_good += r->pages_good;
		all->pages_read &= r->pages_read;
		all->is_flattened |= r->is_flattened;
	}
	memcpy(all->format, set->files[0].report.format, sizeof(all->format));
}

enum status verify_set_run(const struct verify_config *config, const struct dump_files *files, struct verify_set *set,
			   struct err *err)
{
	struct verify_config of_file = *config;
	struct part *parts = calloc(files->nr, sizeof(*parts));
	enum status st = ST_OK;

	memset(set, 0, sizeof(*set));
	set->files = calloc(files->nr, sizeof(*set->files));
	if (!parts || !set->files)
		st = err_set(err, ST_NO_MEMORY, "out of memory");
	of_file.is_of_set = true;
	for (size_t i = 0; i < files->nr && st == ST_OK; i++) {
		set->files[i].path = of_file.path = files->at[i];
		st = verify_run(&of_file, &set->files[i].report, err);
		set->nr_files++;
	}
	if (st == ST_OK)
		st = check_set(set, files, parts, err);
	free(parts);
	if (st == ST_OK)
		sum_up(set);
	return st;
}

void verify_set_deinit(struct verify_set *set)
{
	free(set->files);
	*set = (struct verify_set){ 0 };
}

int verify_set_exit_code(const struct verify_set *set)
{
	int code = verify_exit_code(&set->whole);

	for (size_t i = 0; i < set->nr_files && code == EXIT_CODE_OK; i++)
		code = verify_exit_code(&set->files[i].report);
	return code;
}
