// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/in_place.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "emit/dump_header.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_physmem.h"
#include "repair/job.h"
#include "repair/shrink.h"
#include "repair/undo.h"

#define NOTES_ALIGN 16u

/* What changes. */
struct plan {
	struct kdump_header hdr;
	uint8_t main_old[KDUMP_MAIN_HEADER_SIZE_64], main_new[KDUMP_MAIN_HEADER_SIZE_64];
	uint8_t sub_old[KDUMP_SUB_HEADER_SIZE_64], sub_new[KDUMP_SUB_HEADER_SIZE_64];
	struct shrink shrink;
	struct patch patches[UNDO_PATCHES_MAX]; /* in the order of writing */
	size_t nr_patches;
	uint64_t notes_off;
};

static enum status refuse_containers(struct medium *m, struct err *err)
{
	uint8_t magic[16];
	enum status st = medium_read(m, 0, magic, sizeof(magic), err);

	if (st != ST_OK)
		return st;
	if (!memcmp(magic, ELFMAG, SELFMAG))
		return err_set(err, ST_UNSUPPORTED, "an ELF core cannot become a KDUMP in place: write another file with -o");
	if (!memcmp(magic, "makedumpfile", 12))
		return err_set(err, ST_UNSUPPORTED, "a flattened dump cannot be changed in place: write another file with -o");
	if (memcmp(magic, KDUMP_SIGNATURE, KDUMP_SIGNATURE_LEN) != 0)
		return err_set(err, ST_BAD_INPUT, "not a KDUMP");
	return ST_OK;
}

/* ST_UNSUPPORTED: that is no whole dump. */
static enum status open_dump(struct medium *m, struct physmem **pm, struct err *err)
{
	struct kdump_survey survey;
	struct rsource *src;
	enum status st = undo_source_open(m, &src, err);

	if (st != ST_OK)
		return st;
	st = kdump_physmem_open(src, pm, err);
	if (st != ST_OK) {
		rsource_close(src);
		return st;
	}
	st = kdump_physmem_survey(*pm, &survey, err);
	if (st == ST_OK && survey.nr_cut_off)
		st = err_set(err, ST_UNSUPPORTED, "%" PRIu64 " pages lie beyond the file's end: write another file with -o",
			     survey.nr_cut_off);
	if (st == ST_OK)
		return st;
	physmem_close(*pm);
	*pm = NULL;
	return st;
}

static enum status refuse_kinds(const struct repair_job *j, struct err *err)
{
	const struct kdump_header *h = &kdump_physmem_details(j->pm)->header;
	uint64_t need = div_round_up(div_round_up(h->max_mapnr, 8), h->block_size);

	if (h->split)
		return err_set(err, ST_UNSUPPORTED, "one file of a split set cannot be changed in place: write another with -o");
	if (h->bitmap_blocks < 2 * need || h->bitmap_blocks % 2)
		return err_set(err, ST_UNSUPPORTED, "a dump with one bitmap cannot be changed in place: write another with -o");
	return ST_OK;
}

static void plan_header(struct plan *p, struct repair_job *j, const struct kdump_header *old)
{
	struct note_counts counts;

	dump_header_fill(&p->hdr, j->pm, j->km);
	notes_count(j->notes, j->notes_len, j->pm->order, &counts);
	p->hdr.nr_cpus = counts.nr_prstatus;
	p->hdr.status = old->status;
	p->hdr.sub_hdr_blocks = old->sub_hdr_blocks;
	p->hdr.bitmap_blocks = old->bitmap_blocks;
	p->hdr.max_mapnr = j->report->max_mapnr;
	p->hdr.dump_level = old->dump_level;
	p->hdr.eraseinfo_off = old->eraseinfo_off;
	p->hdr.eraseinfo_len = old->eraseinfo_len;
}

/* With the notes at @notes_off. */
static void encode(struct plan *p, const struct repair_job *j, uint64_t notes_off)
{
	const char *text;
	size_t len;

	notes_find_vmcoreinfo(j->notes, j->notes_len, j->pm->order, &text, &len);
	p->notes_off = p->hdr.notes_off = notes_off;
	p->hdr.notes_len = j->notes_len;
	p->hdr.vmcoreinfo_off = text ? notes_off + (uint64_t)(text - (const char *)j->notes) : 0;
	p->hdr.vmcoreinfo_len = text ? len : 0;
	kdump_sub_header_encode(&p->hdr, p->sub_new);
	kdump_main_header_encode(&p->hdr, p->main_new);
}

/* Does the file say all that already? */
static bool is_good(struct plan *p, const struct repair_job *j, const struct kdump_header *old)
{
	if (j->report->trimmed || j->notes_len != j->pm->notes_len_bytes ||
	    memcmp(j->notes, j->pm->notes, j->notes_len) != 0)
		return false;
	encode(p, j, old->notes_off);
	return !memcmp(p->sub_new, p->sub_old, sizeof(p->sub_old)) && !memcmp(p->main_new, p->main_old, sizeof(p->main_old));
}

static enum status make_plan(struct plan *p, struct repair_job *j, uint64_t old_size, struct err *err)
{
	const struct kdump_header *old = &kdump_physmem_details(j->pm)->header;
	uint64_t ram_end = repair_job_end_of_ram(j);
	enum status st;

	j->report->old_max_mapnr = j->report->max_mapnr = old->max_mapnr;
	if (ram_end && ram_end < old->max_mapnr) {
		j->report->max_mapnr = ram_end;
		j->report->trimmed = true;
	}
	st = kdump_physmem_read_file(j->pm, 0, p->main_old, sizeof(p->main_old), err);
	if (st == ST_OK)
		st = kdump_physmem_read_file(j->pm, old->block_size, p->sub_old, sizeof(p->sub_old), err);
	if (st != ST_OK)
		return st;
	plan_header(p, j, old);
	if (j->report->trimmed)
		st = shrink_plan(j->pm, &p->hdr, &p->shrink, err);
	for (size_t i = 0; i < p->shrink.nr_patches; i++)
		p->patches[p->nr_patches++] = p->shrink.patches[i];
	p->patches[p->nr_patches++] = (struct patch){ old->block_size, sizeof(p->sub_old), p->sub_old, p->sub_new };
	p->patches[p->nr_patches++] = (struct patch){ 0, sizeof(p->main_old), p->main_old, p->main_new };
	j->report->nothing_to_do = is_good(p, j, old);
	encode(p, j, align_up(undo_record_off(old_size) + undo_record_len(p->patches, p->nr_patches), NOTES_ALIGN));
	return st;
}

/* All or nothing becomes durable before the first old byte goes; the mark before anything. */
static enum status append(struct medium *m, const struct plan *p, const struct repair_job *j, struct err *err)
{
	const struct undo nothing = { .state = UNDO_TORN, .old_size = m->size_bytes };
	uint8_t *record, mark[UNDO_MARK_LEN];
	size_t len;
	enum status st = undo_encode(m->size_bytes, p->patches, p->nr_patches, &record, &len, err);

	if (st != ST_OK)
		return st;
	st = undo_mark_encode(m, record, (uint32_t)kdump_physmem_details(j->pm)->header.block_size, mark, err);
	if (st == ST_OK)
		st = m->ops->write_at(m, UNDO_MARK_OFF, mark, sizeof(mark), err);
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st == ST_OK)
		st = m->ops->write_at(m, undo_record_off(nothing.old_size), record, len, err);
	free(record);
	if (st == ST_OK)
		st = m->ops->write_at(m, p->notes_off, j->notes, j->notes_len, err);
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st != ST_OK && undo_roll_back(m, &nothing, NULL) != ST_OK)
		return err_wrap(err, st, "the dump itself is as it was");
	return st;
}

static enum status take_back(struct medium *m)
{
	struct undo u;
	enum status st = undo_find(m, &u, NULL);

	if (st == ST_OK)
		st = undo_roll_back(m, &u, NULL);
	undo_deinit(&u);
	return st;
}

static enum status switch_over(struct medium *m, const struct plan *p, struct err *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < p->nr_patches; i++)
		st = m->ops->write_at(m, p->patches[i].off, p->patches[i].new_bytes, p->patches[i].len, err);
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st != ST_OK && take_back(m) == ST_OK)
		return err_wrap(err, st, "the dump is as it was");
	return st == ST_OK ? st : err_wrap(err, st, "cut off half way: run it again, or take it back with --undo");
}

static enum status change(struct medium *m, struct repair_job *j, struct err *err)
{
	struct plan p = { 0 };
	enum status st = make_plan(&p, j, m->size_bytes, err);

	if (st == ST_OK && !j->report->nothing_to_do) {
		st = append(m, &p, j, err);
		if (st == ST_OK)
			st = switch_over(m, &p, err);
	}
	j->report->pages = kdump_physmem_details(j->pm)->nr_stored - p.shrink.nr_dropped;
	j->report->complete = st == ST_OK && !(p.hdr.status & KDUMP_STATUS_INCOMPLETE);
	shrink_deinit(&p.shrink);
	return st;
}

/* Settle what an earlier run left. */
static enum status settle(struct medium *m, struct repair_report *report, bool undo, struct err *err)
{
	struct undo u = { 0 };
	enum status st = refuse_containers(m, err);

	if (st == ST_OK)
		st = undo_find(m, &u, err);
	if (st == ST_OK && (undo || u.state != UNDO_DONE))
		st = undo_roll_back(m, &u, err);
	report->nothing_to_do = undo ? u.state == UNDO_NONE : u.state == UNDO_DONE;
	report->resumed = !undo && u.state != UNDO_NONE && u.state != UNDO_DONE;
	undo_deinit(&u);
	return st;
}

enum status repair_in_place(struct medium *m, const struct repair_config *config, struct repair_report *report,
			    struct err *err)
{
	struct repair_job j = { .config = config, .report = report };
	enum status st;

	memset(report, 0, sizeof(*report));
	report->vmcoreinfo_from = "";
	st = settle(m, report, false, err);
	if (st == ST_OK)
		st = open_dump(m, &j.pm, err);
	if (st == ST_OK && report->nothing_to_do) {
		report->complete = !(kdump_physmem_details(j.pm)->header.status & KDUMP_STATUS_INCOMPLETE);
		repair_job_deinit(&j);
		return ST_OK;
	}
	if (st == ST_OK)
		st = refuse_kinds(&j, err);
	if (st == ST_OK)
		st = repair_job_understand(&j, err);
	if (st == ST_OK && !j.km)
		st = err_set(err, ST_UNSUPPORTED, "nothing proves which kernel this is: write another file with -o");
	if (st == ST_OK)
		st = repair_job_compose_notes(&j, err);
	if (st == ST_OK) {
		st = change(m, &j, err);
	}
	repair_job_deinit(&j);
	return st == ST_OK ? st : err_wrap(err, st, "%s", config->source);
}

enum status repair_undo(struct medium *m, struct repair_report *report, struct err *err)
{
	enum status st;

	memset(report, 0, sizeof(*report));
	report->vmcoreinfo_from = "";
	st = settle(m, report, true, err);
	report->complete = st == ST_OK;
	return st;
}
