// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/in_place.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
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

/* As it was before an earlier run that was cut off. ST_UNSUPPORTED: that is no whole dump. */
static enum status open_dump(struct medium *m, const struct undo *u, struct physmem **pm, struct err *err)
{
	struct kdump_survey survey;
	struct rsource *src;
	enum status st = undo_source_open(m, u, &src, err);

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
static enum status append(struct medium *m, const struct plan *p, const struct repair_job *j, const uint8_t *record,
			  size_t len, struct err *err)
{
	const struct undo nothing = { .state = UNDO_TORN, .old_size = m->size_bytes };
	uint8_t mark[UNDO_MARK_LEN];
	enum status st =
		undo_mark_encode(m, record, (uint32_t)kdump_physmem_details(j->pm)->header.block_size, mark, err);

	if (st != ST_OK)
		return st;
	st = m->ops->write_at(m, UNDO_MARK_OFF, mark, sizeof(mark), err);
	if (st == ST_OK)
		st = m->ops->sync(m, err);
	if (st == ST_OK)
		st = m->ops->write_at(m, undo_record_off(nothing.old_size), record, len, err);
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

/* Only here is the file written to: what an earlier run left is settled when nothing can be refused any more. */
static enum status change(struct medium *m, struct repair_job *j, const struct undo *earlier, struct err *err)
{
	_cleanup_free_ uint8_t *record = NULL;
	struct plan p = { 0 };
	size_t len;
	enum status st = make_plan(&p, j, earlier->old_size, err);
	bool write = st == ST_OK && !j->report->nothing_to_do;

	if (write)
		st = undo_encode(earlier->old_size, p.patches, p.nr_patches, &record, &len, err);
	if (st == ST_OK)
		st = undo_roll_back(m, earlier, err);
	if (st == ST_OK && write)
		st = append(m, &p, j, record, len, err);
	if (st == ST_OK && write)
		st = switch_over(m, &p, err);
	j->report->pages = kdump_physmem_details(j->pm)->nr_stored - p.shrink.nr_dropped;
	j->report->complete = st == ST_OK && !(p.hdr.status & KDUMP_STATUS_INCOMPLETE);
	shrink_deinit(&p.shrink);
	return st;
}

static enum status find_earlier(struct medium *m, struct undo *u, struct err *err)
{
	enum status st = refuse_containers(m, err);

	return st == ST_OK ? undo_find(m, u, err) : st;
}

static enum status repair_anew(struct medium *m, struct repair_job *j, const struct undo *earlier, struct err *err)
{
	enum status st = refuse_kinds(j, err);

	if (st == ST_OK)
		st = repair_job_understand(j, err);
	if (st == ST_OK && !j->km)
		st = err_set(err, ST_UNSUPPORTED, "nothing proves which kernel this is: write another file with -o");
	if (st == ST_OK)
		st = repair_job_compose_notes(j, err);
	return st == ST_OK ? change(m, j, earlier, err) : st;
}

enum status repair_in_place(struct medium *m, const struct repair_config *config, struct repair_report *report,
			    struct err *err)
{
	struct repair_job j = { .config = config, .report = report };
	struct undo earlier = { 0 };
	enum status st;

	memset(report, 0, sizeof(*report));
	report->vmcoreinfo_from = "";
	st = find_earlier(m, &earlier, err);
	if (st == ST_OK)
		st = open_dump(m, &earlier, &j.pm, err);
	report->nothing_to_do = earlier.state == UNDO_DONE;
	report->resumed = earlier.state != UNDO_NONE && earlier.state != UNDO_DONE;
	if (st == ST_OK && report->nothing_to_do)
		report->complete = !(kdump_physmem_details(j.pm)->header.status & KDUMP_STATUS_INCOMPLETE);
	else if (st == ST_OK)
		st = repair_anew(m, &j, &earlier, err);
	repair_job_deinit(&j);
	undo_deinit(&earlier);
	return st == ST_OK ? st : err_wrap(err, st, "%s", config->source);
}

enum status repair_undo(struct medium *m, struct repair_report *report, struct err *err)
{
	struct undo earlier = { 0 };
	enum status st;

	memset(report, 0, sizeof(*report));
	report->vmcoreinfo_from = "";
	st = find_earlier(m, &earlier, err);
	if (st == ST_OK)
		st = undo_roll_back(m, &earlier, err);
	report->nothing_to_do = earlier.state == UNDO_NONE;
	report->complete = st == ST_OK;
	undo_deinit(&earlier);
	return st;
}
