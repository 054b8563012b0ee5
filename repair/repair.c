// SPDX-License-Identifier: GPL-2.0-or-later
#include "repair/repair.h"

#include <elf.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/exit_codes.h"
#include "emit/dump_header.h"
#include "emit/emit.h"
#include "formats/elf/qemu_note.h"
#include "kernel/arch/arch.h"
#include "kernel/iomem.h"
#include "repair/crash_notes.h"
#include "repair/find_vmcoreinfo.h"
#include "repair/job.h"

static enum status borrow_vmcoreinfo(struct repair_job *j, struct err *err)
{
	enum status st = physmem_open(j->config->from, &j->from, err);

	if (st != ST_OK)
		return st;
	if (!j->from->vmcoreinfo)
		return err_set(err, ST_BAD_INPUT, "%s has no VMCOREINFO to lend", j->config->from);
	j->pm->vmcoreinfo = j->from->vmcoreinfo;
	j->pm->vmcoreinfo_len_bytes = j->from->vmcoreinfo_len_bytes;
	j->report->vmcoreinfo_from = "the inner dump";
	st = kmodel_open(j->pm, &j->km, err);
	return st == ST_OK ? st : err_wrap(err, st, "%s is not of the same crash", j->config->from);
}

static enum status find_kernel(struct repair_job *j, struct err *err)
{
	if (j->config->from)
		return borrow_vmcoreinfo(j, err);
	j->report->vmcoreinfo_from = "the dump itself";
	if (kmodel_open(j->pm, &j->km, NULL) == ST_OK)
		return ST_OK;
	/*
	 * A partial dump may lack the very page tables that prove its VMCOREINFO. Its writer, the guest itself, took that from
	 * /proc/vmcore together with utsname; a hypervisor, which guesses, writes neither.
	 */
	if (j->pm->vmcoreinfo && j->pm->uts.release[0])
		return ST_OK;
	j->report->vmcoreinfo_from = "guest memory";
	return find_vmcoreinfo(j->pm, &j->km, &j->found_text, err);
}

static enum status append(struct repair_job *j, const void *bytes, size_t len, struct err *err)
{
	uint8_t *grown = realloc(j->notes, j->notes_len + len + 3);
	size_t padded = (size_t)align_up(len, 4);

	if (!grown)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(grown + j->notes_len, bytes, len);
	memset(grown + j->notes_len + len, 0, padded - len);
	j->notes = grown;
	j->notes_len += padded;
	return ST_OK;
}

static enum status append_note(struct repair_job *j, uint32_t type, const char *name, size_t name_len, const void *desc,
			       size_t desc_len, struct err *err)
{
	uint8_t head[12];
	enum status st;

	put_u32(head, j->pm->order, (uint32_t)name_len + 1);
	put_u32(head + 4, j->pm->order, (uint32_t)desc_len);
	put_u32(head + 8, j->pm->order, type);
	st = append(j, head, sizeof(head), err);
	if (st == ST_OK) {
		char padded[64] = { 0 };

		memcpy(padded, name, min_u64(name_len, sizeof(padded) - 1));
		st = append(j, padded, name_len + 1, err);
	}
	return st == ST_OK ? append(j, desc, desc_len, err) : st;
}

#define QEMU_NOTE_MAX_BYTES 4096u

struct note_copy {
	struct repair_job *j;
	bool skip_prstatus;
	enum status st;
	struct err *err;
};

/* Do the tables at @root map the crashed kernel's text where it lies? Those of the capture kernel do not. */
static bool leads_to_kernel(const struct repair_job *j, uint64_t root)
{
	struct kmodel *other;
	uint64_t stext, paddr, there, len;
	bool yes;

	if (!vmcoreinfo_symbol(j->km->vi, "_stext", &stext) ||
	    kmodel_translate(j->km, stext, &paddr, &len, NULL) != ST_OK ||
	    kmodel_clone(j->km, j->pm, &other, NULL) != ST_OK)
		return true; /* that is not known: nothing is changed */
	other->pgd_paddr = root;
	yes = other->arch->translate(other, stext, &there, &len, NULL) == ST_OK && there == paddr;
	kmodel_close(other);
	return yes;
}

/*
 * libkdumpfile, and so drgn, takes the first CPU's CR3 for the root of the crashed kernel's tables. Where a CPU ran the
 * capture kernel by then it leads elsewhere, and what the CPU had goes to where compare looks for it.
 */
static enum status append_qemu_note(struct repair_job *j, const struct note *note, struct err *err)
{
	enum byte_order order = j->pm->order;
	uint8_t desc[QEMU_NOTE_MAX_BYTES];
	uint64_t cr3;

	memcpy(desc, note->desc, note->desc_len_bytes);
	cr3 = get_u64(desc + QEMU_NOTE_CR3, order);
	if (!leads_to_kernel(j, cr3 & CR3_ADDR_BITS)) {
		put_u64(desc + QEMU_NOTE_CR1, order, cr3);
		put_u64(desc + QEMU_NOTE_CR3, order, j->km->pgd_paddr);
	}
	return append_note(j, note->type, note->name, note->name_len, desc, note->desc_len_bytes, err);
}

/* What the hypervisor wrote stays, but for VMCOREINFO, which is written anew, and registers that the guest knew better. */
static bool copy_note(const struct note *note, void *ctx)
{
	struct note_copy *c = ctx;

	if (note->name_len > 32 || (note->name_len == 10 && !memcmp(note->name, "VMCOREINFO", 10)))
		return true;
	if (c->skip_prstatus && note->type == NT_PRSTATUS)
		return true;
	if (!note->name_len && !note->desc_len_bytes)
		return true;
	if (qemu_note_is(note) && note->desc_len_bytes <= QEMU_NOTE_MAX_BYTES)
		c->st = append_qemu_note(c->j, note, c->err);
	else
		c->st = append_note(c->j, note->type, note->name, note->name_len, note->desc,
				    note->desc_len_bytes, c->err);
	return c->st == ST_OK;
}

enum status repair_job_compose_notes(struct repair_job *j, struct err *err)
{
	struct repair_report *r = j->report;
	struct note_copy copy = { .j = j, .err = err };
	struct err why = { 0 };

	if (!j->km)
		return append(j, j->pm->notes, j->pm->notes_len_bytes, err);
	if (crash_notes_append(j->km, &j->notes, &j->notes_len, &r->nr_guest_cpus, &why) != ST_OK)
		snprintf(r->why_no_guest_registers, sizeof(r->why_no_guest_registers), "%.150s", why.text);
	else if (!r->nr_guest_cpus)
		snprintf(r->why_no_guest_registers, sizeof(r->why_no_guest_registers), "the guest saved none");
	copy.skip_prstatus = r->nr_guest_cpus > 0;
	notes_for_each(j->pm->notes, j->pm->notes_len_bytes, j->pm->order, copy_note, &copy);
	if (copy.st != ST_OK)
		return copy.st;
	return append_note(j, 0, "VMCOREINFO", 10, j->pm->vmcoreinfo, j->pm->vmcoreinfo_len_bytes, err);
}

/* One past the last page of System RAM, as the kernel's resource tree has it; what lies above is flash and devices. */
uint64_t repair_job_end_of_ram(struct repair_job *j)
{
	struct iomem io;
	uint64_t end;

	if (!j->km || iomem_init(&io, j->km, NULL) != ST_OK)
		return 0;
	end = iomem_ram_end(&io);
	iomem_deinit(&io);
	return div_round_up(end, j->pm->page_size);
}

static enum status choose_pages(struct repair_job *j, struct err *err)
{
	struct repair_report *r = j->report;
	uint64_t limit = physmem_max_pfn(j->pm) * j->pm->page_size, next_pfn = 0, ram_end;
	struct range run = { 0 };
	enum status st = pageset_init(&j->pages, j->pm, err);

	if (st != ST_OK)
		return st;
	while (physmem_next_data(j->pm, run.end, limit, &run)) {
		pageset_clear_range(&j->pages, next_pfn, run.start / j->pm->page_size);
		next_pfn = max_u64(next_pfn, div_round_up(run.end, j->pm->page_size));
	}
	pageset_clear_range(&j->pages, next_pfn, UINT64_MAX);
	r->old_max_mapnr = r->max_mapnr = physmem_max_pfn(j->pm);
	ram_end = repair_job_end_of_ram(j);
	if (ram_end && ram_end < r->max_mapnr) {
		pageset_end_at(&j->pages, ram_end);
		r->max_mapnr = ram_end;
		r->trimmed = true;
	}
	return ST_OK;
}

static bool step(void *ctx, uint64_t pages_done, uint64_t bytes_written)
{
	const struct repair_job *j = ctx;

	return !j->config->stop || !*j->config->stop;
}

static enum status write_out(struct repair_job *j, struct err *err)
{
	struct emit_config ec = { .step = step, .ctx = j, .notes = j->notes, .notes_len_bytes = j->notes_len };
	struct emit_result er;
	struct note_counts counts;
	enum status st;

	ec.codec = codec_by_name(j->config->codec);
	if (!ec.codec)
		return err_set(err, ST_USAGE, "compression \"%s\" is unknown", j->config->codec);
	dump_header_fill(&ec.header, j->pm, j->km);
	ec.header.max_mapnr = j->report->max_mapnr;
	ec.header.dump_level = j->pm->dump_level;
	notes_count(j->notes, j->notes_len, j->pm->order, &counts);
	ec.header.nr_cpus = counts.nr_prstatus;
	st = emit_run(j->pm, &j->pages, &ec, j->sink, &er, err);
	if (st == ST_OK)
		st = wsink_commit(j->sink, err);
	j->report->pages = er.pages_done;
	j->report->pages_unreadable = er.pages_unreadable;
	j->report->bytes_written = j->sink->bytes_written;
	j->report->complete = st == ST_OK && !er.incomplete;
	return st;
}

void repair_job_deinit(struct repair_job *j)
{
	pageset_deinit(&j->pages);
	wsink_close(j->sink);
	kmodel_close(j->km);
	physmem_close(j->pm);
	physmem_close(j->from);
	free(j->found_text);
	free(j->notes);
}

enum status repair_job_understand(struct repair_job *j, struct err *err)
{
	enum status st;

	if (!j->pm->is_64bit)
		return err_set(err, ST_UNSUPPORTED, "it is of a 32-bit machine");
	j->report->header_phys_base_known = j->pm->has_header_phys_base;
	j->report->header_phys_base = j->pm->header_phys_base;
	st = find_kernel(j, err);
	if (st != ST_OK)
		return st;
	j->report->proved = j->km != NULL;
	j->report->phys_base = j->km ? j->km->phys_base : j->pm->header_phys_base;
	snprintf(j->report->release, sizeof(j->report->release), "%s",
		 j->km ? vmcoreinfo_string(j->km->vi, "OSRELEASE") : j->pm->uts.release);
	return ST_OK;
}

enum status repair_run(const struct repair_config *config, struct repair_report *report, struct err *err)
{
	struct repair_job j = { .config = config, .report = report };
	enum status st;

	memset(report, 0, sizeof(*report));
	st = physmem_open(config->source, &j.pm, err);
	if (st == ST_OK) {
		st = repair_job_understand(&j, err);
		if (st != ST_OK)
			err_wrap(err, st, "%s", config->source);
	}
	if (st == ST_OK)
		st = wsink_file_open(config->dest, config->force, &j.sink, err);
	if (st == ST_OK)
		st = repair_job_compose_notes(&j, err);
	if (st == ST_OK)
		st = choose_pages(&j, err);
	if (st == ST_OK)
		st = write_out(&j, err);
	repair_job_deinit(&j);
	return st;
}

int repair_exit_code(const struct repair_report *report)
{
	return report->complete ? EXIT_CODE_OK : EXIT_CODE_HOLES;
}

json_t *repair_report_json(const struct repair_report *r)
{
	return json_pack("{s:b, s:b, s:b, s:b, s:s, s:s, s:I, s:o, s:i, s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "complete", r->complete,
			 "nothing_to_do", r->nothing_to_do, "resumed", r->resumed, "proved", r->proved, "vmcoreinfo_from", r->vmcoreinfo_from, "release", r->release, "phys_base", (json_int_t)r->phys_base,
			 "old_phys_base",
			 r->header_phys_base_known ? json_integer((json_int_t)r->header_phys_base) : json_null(),
			 "guest_cpus", (int)r->nr_guest_cpus, "why_no_guest_registers", r->why_no_guest_registers, "trimmed",
			 r->trimmed, "old_max_mapnr", (json_int_t)r->old_max_mapnr, "max_mapnr", (json_int_t)r->max_mapnr,
			 "pages", (json_int_t)r->pages, "pages_unreadable", (json_int_t)r->pages_unreadable, "bytes_written",
			 (json_int_t)r->bytes_written);
}
