// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/emit.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_writer.h"

#define BATCH_BYTES (256 * KIB)

struct emitter {
	struct physmem *pm;
	const struct pageset *keep;
	const struct emit_config *config;
	struct emit_result *result;
	struct kdump_writer *writer;
	void *codec_ctx;
	size_t batch_pages;
	uint8_t *batch;		 /* batch_pages pages */
	enum page_state *states; /* of them */
	uint8_t *packed;	 /* one compressed page */
	uint64_t next_index;	 /* of the next descriptor */
	struct range hole;	 /* PFNs of the run of unreadable pages that is growing */
};

static void emitter_deinit(struct emitter *e)
{
	kdump_writer_close(e->writer);
	if (e->codec_ctx)
		e->config->codec->close(e->codec_ctx);
	free(e->batch);
	free(e->states);
	free(e->packed);
}

static enum status open_writer(struct emitter *e, struct wsink *sink, struct err *err)
{
	const struct emit_config *c = e->config;
	const char *text;
	size_t text_len;

	notes_find_vmcoreinfo(c->notes, c->notes_len_bytes, e->pm->order, &text, &text_len);
	return kdump_writer_open(sink, &c->header, c->notes, c->notes_len_bytes,
				 text ? (size_t)(text - (const char *)c->notes) : 0, text_len, e->keep->nr_set, &e->writer,
				 err);
}

static enum status emitter_init(struct emitter *e, struct wsink *sink, struct err *err)
{
	size_t page_size = e->pm->page_size;
	enum status st;

	e->batch_pages = BATCH_BYTES / page_size;
	e->batch = malloc(e->batch_pages * page_size);
	e->states = calloc(e->batch_pages, sizeof(*e->states));
	e->packed = malloc(page_size);
	if (!e->batch || !e->states || !e->packed)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = e->config->codec->open(page_size, &e->codec_ctx, err);
	if (st != ST_OK)
		return st;
	return open_writer(e, sink, err);
}

static void fill_bitmap(void *ctx, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes)
{
	pageset_fill_bitmap(ctx, present, start_pfn, out, len_bytes);
}

/* A word at a time; most pages that are not zero show it in the first words. */
static bool is_zero_page(const uint8_t *page, size_t len)
{
	for (size_t i = 0; i < len; i += 64) {
		uint64_t w[8];

		memcpy(w, page + i, sizeof(w));
		if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])
			return false;
	}
	return true;
}

static void report_hole(struct emitter *e)
{
	if (e->hole.end > e->hole.start && e->config->hole)
		e->config->hole(e->config->ctx, e->hole.start, e->hole.end);
	e->hole = (struct range){ 0 };
}

static void note_unreadable(struct emitter *e, uint64_t pfn)
{
	e->result->pages_unreadable++;
	if (e->hole.end == pfn && e->hole.end > e->hole.start) {
		e->hole.end++;
		return;
	}
	report_hole(e);
	e->hole = (struct range){ pfn, pfn + 1 };
}

static enum status put_packed(struct emitter *e, const uint8_t *page, struct err *err)
{
	uint32_t page_size = e->pm->page_size;
	size_t len = e->config->codec->compress(e->codec_ctx, page, page_size, e->packed, page_size - 1);

	if (len && len < page_size) {
		e->result->pages_compressed++;
		return kdump_writer_put(e->writer, e->next_index, e->packed, (uint32_t)len, e->config->codec->flag, err);
	}
	e->result->pages_raw++;
	return kdump_writer_put(e->writer, e->next_index, page, page_size, 0, err);
}

static enum status put_page(struct emitter *e, uint64_t pfn, const uint8_t *page, enum page_state state, struct err *err)
{
	enum status st;

	if (state == PAGE_UNREADABLE || state == PAGE_ABSENT) {
		st = kdump_writer_put_hole(e->writer, e->next_index, err);
		if (st == ST_OK)
			note_unreadable(e, pfn);
	} else if (is_zero_page(page, e->pm->page_size)) {
		st = kdump_writer_put_zero(e->writer, e->next_index, err);
		e->result->pages_zero += st == ST_OK;
	} else {
		st = put_packed(e, page, err);
	}
	if (st != ST_OK)
		return st;
	e->result->pages_partial += state == PAGE_PARTIAL;
	e->next_index++;
	return ST_OK;
}

static enum status put_batch(struct emitter *e, uint64_t start_pfn, size_t nr, struct err *err)
{
	physmem_read_pages(e->pm, start_pfn, nr, e->batch, e->states);
	e->result->bytes_read += (uint64_t)nr * e->pm->page_size;
	for (size_t i = 0; i < nr; i++) {
		enum status st = put_page(e, start_pfn + i, e->batch + i * e->pm->page_size, e->states[i], err);

		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status put_all(struct emitter *e, struct wsink *sink, struct err *err)
{
	const struct emit_config *c = e->config;
	uint64_t pfn = 0, start, end;

	while (pageset_next(e->keep, pfn, e->batch_pages, &start, &end)) {
		enum status st = put_batch(e, start, (size_t)(end - start), err);

		if (st != ST_OK)
			return st;
		pfn = end;
		if (c->step && !c->step(c->ctx, e->next_index, sink->bytes_written)) {
			e->result->stopped = e->next_index < e->keep->nr_set;
			break;
		}
	}
	return ST_OK;
}

static enum status run(struct emitter *e, struct wsink *sink, struct err *err)
{
	struct emit_result *r = e->result;
	struct err cause = { 0 }; /* of an early end */
	uint64_t nr_lost = 0;
	enum status st = kdump_writer_begin(e->writer, fill_bitmap, (void *)e->keep, err);

	if (st != ST_OK)
		return st;
	st = put_all(e, sink, &cause);
	report_hole(e);
	/* A file that filled up, or a medium that failed half way: what is there is still worth having. */
	if (st == ST_OK || sink->rewritable) {
		r->incomplete = st != ST_OK || r->stopped || r->pages_unreadable;
		st = kdump_writer_finish(e->writer, &r->incomplete, &nr_lost, &cause);
		r->pages_done = e->next_index - nr_lost;
		r->bytes_written = sink->bytes_written;
	}
	r->out_of_space = cause.status == ST_NO_SPACE;
	if (st != ST_OK)
		return err_set(err, st, "%s", cause.text);
	if (cause.status != ST_OK)
		log_warn("the dump ends early: %s", cause.text);
	return ST_OK;
}

enum status emit_run(struct physmem *pm, const struct pageset *keep, const struct emit_config *config, struct wsink *sink,
		     struct emit_result *result, struct err *err)
{
	struct emitter e = { .pm = pm, .keep = keep, .config = config, .result = result };
	enum status st;

	*result = (struct emit_result){ 0 };
	st = emitter_init(&e, sink, err);
	if (st == ST_OK)
		st = run(&e, sink, err);
	emitter_deinit(&e);
	return st;
}
