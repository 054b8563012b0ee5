// SPDX-License-Identifier: GPL-2.0-or-later
#include "emit/emit.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/pool.h"
#include "emit/batch.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_writer.h"

#define BATCH_BYTES (512 * KIB)
#define BATCH_BYTES_MIN (32 * KIB)
/* What a thread takes beside its batches: codec state and stack. The writer's buffers. */
#define THREAD_BYTES MIB
#define WRITER_BYTES (3 * MIB)
/* What remembers stored pages: 16 bytes each. The size must not follow from the number of threads: the dump does from it. */
#define REPEATS_BYTES (2 * MIB)
#define REPEATS_BYTES_MIN (256 * KIB)
#define REPEATS_PART 16 /* of the memory that may be taken, at most */

struct emitter {
	struct physmem *pm;
	const struct pageset *keep;
	const struct emit_config *config;
	struct emit_result *result;
	struct wsink *sink;
	struct kdump_writer *writer;
	struct repeats *repeats; /* NULL: not looked for */
	uint8_t *again;		 /* a page that has to be compressed after all */
	struct pool *pool;
	unsigned nr_threads;
	struct packer *packers;	 /* one a thread, which alone uses it */
	size_t batch_pages;
	struct batch *batches;	 /* used in turn; see batch.h for who may touch one */
	size_t nr_batches;
	uint64_t next_pfn;	 /* to be packed */
	uint64_t next_index;	 /* of the next descriptor */
	struct range hole;	 /* PFNs of the run of unreadable pages that is growing */
};

static void workers_deinit(struct emitter *e)
{
	pool_close(e->pool); /* first: its threads use the rest */
	for (size_t i = 0; e->batches && i < e->nr_batches; i++)
		batch_deinit(&e->batches[i]);
	for (unsigned i = 0; e->packers && i < e->nr_threads; i++)
		packer_deinit(&e->packers[i]);
	free(e->batches);
	free(e->packers);
	e->pool = NULL;
	e->batches = NULL;
	e->packers = NULL;
}

static enum status open_writer(struct emitter *e, struct err *err)
{
	const struct emit_config *c = e->config;
	const char *text;
	size_t text_len;

	notes_find_vmcoreinfo(c->notes, c->notes_len_bytes, e->pm->order, &text, &text_len);
	return kdump_writer_open(e->sink, &c->header, c->notes, c->notes_len_bytes,
				 text ? (size_t)(text - (const char *)c->notes) : 0, text_len, e->keep->nr_set, &e->writer,
				 err);
}

static void pack(void *ctx, unsigned worker, void *item)
{
	struct emitter *e = ctx;

	batch_pack(item, &e->packers[worker]);
}

/* Alone, one is read, packed and written after the other. Else each thread has one in work and one waiting. */
static size_t batches_for(unsigned nr_threads)
{
	return nr_threads == 1 ? 1 : 2 * (size_t)nr_threads + 2;
}

static enum status workers_init(struct emitter *e, struct err *err)
{
	enum status st = ST_OK;

	e->nr_batches = batches_for(e->nr_threads);
	e->batches = calloc(e->nr_batches, sizeof(*e->batches));
	e->packers = calloc(e->nr_threads, sizeof(*e->packers));
	if (!e->batches || !e->packers)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (size_t i = 0; st == ST_OK && i < e->nr_batches; i++)
		st = batch_init(&e->batches[i], e->pm->page_size, e->batch_pages, err);
	for (unsigned i = 0; st == ST_OK && i < e->nr_threads; i++)
		st = packer_init(&e->packers[i], e->pm, e->nr_threads == 1, e->config->codec, e->config->codec_level,
				 e->repeats, err);
	if (st == ST_OK)
		st = pool_open(e->nr_threads, pack, e, &e->pool, err);
	return st;
}

static size_t repeats_bytes(const struct emit_config *c)
{
	size_t bytes = REPEATS_BYTES;

	if (c->no_dedup)
		return 0;
	while (c->memory_bytes && bytes > REPEATS_BYTES_MIN && bytes > c->memory_bytes / REPEATS_PART)
		bytes /= 2;
	return bytes;
}

/* Without it the dump is larger, no more. */
static enum status open_repeats(struct emitter *e, struct err *err)
{
	struct err why;
	enum status st;

	if (e->config->no_dedup)
		return ST_OK;
	e->again = malloc(e->pm->page_size);
	if (!e->again)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = repeats_open(e->pm->page_size, repeats_bytes(e->config), &e->repeats, &why);
	if (st != ST_OK)
		log_info("repeated pages are not looked for: %s", why.text);
	return ST_OK;
}

static bool fits(const struct emitter *e)
{
	uint64_t need = WRITER_BYTES + repeats_bytes(e->config) + e->nr_threads * THREAD_BYTES +
			batches_for(e->nr_threads) * batch_bytes(e->pm->page_size, e->batch_pages);

	return !e->config->memory_bytes || need <= e->config->memory_bytes;
}

/* False: less than this is of no use. */
static bool step_down(struct emitter *e)
{
	if (e->nr_threads > 1)
		e->nr_threads--;
	else if (e->batch_pages * e->pm->page_size / 2 >= BATCH_BYTES_MIN)
		e->batch_pages /= 2;
	else
		return false;
	return true;
}

static enum status emitter_init(struct emitter *e, struct err *err)
{
	enum status st = open_writer(e, err);

	if (st == ST_OK)
		st = open_repeats(e, err);
	if (st != ST_OK)
		return st;
	e->batch_pages = (size_t)max_u64(BATCH_BYTES / e->pm->page_size, 1);
	e->nr_threads = (unsigned)min_u64(max_u64(e->config->nr_threads, 1), POOL_MAX_ITEMS / 2 - 1);
	while (!fits(e) && step_down(e))
		;
	st = workers_init(e, err);
	/* Unsupported: a source that has one reader only. */
	while (st == ST_NO_MEMORY || st == ST_UNSUPPORTED) {
		workers_deinit(e);
		if (!step_down(e))
			return st;
		st = workers_init(e, err);
	}
	if (st == ST_OK)
		e->result->nr_threads = pool_nr_threads(e->pool);
	return st;
}

static void fill_bitmap(void *ctx, bool present, uint64_t start_pfn, uint8_t *out, size_t len_bytes)
{
	const struct emitter *e = ctx;

	pageset_fill_bitmap(e->keep, present, start_pfn, out, len_bytes);
}

static uint64_t next_in_bitmap(void *ctx, bool present, uint64_t pfn)
{
	const struct emitter *e = ctx;

	return pageset_first(e->keep, present, pfn);
}

static bool bitmap_goes_on(void *ctx)
{
	const struct emitter *e = ctx;

	return !e->config->step || e->config->step(e->config->ctx, 0, e->sink->bytes_written);
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

static enum status store(struct emitter *e, const struct packed_page *p, const struct page_print *print,
			 const uint8_t *data, struct err *err)
{
	struct stored_page stored = { .off = kdump_writer_data_off(e->writer), .size = p->size };
	uint32_t flags = p->kind == PACKED_COMPRESSED ? e->config->codec->flag : 0;
	enum status st = kdump_writer_put(e->writer, e->next_index, data, p->size, flags, err);

	e->result->pages_compressed += flags != 0;
	e->result->pages_raw += !flags;
	if (st == ST_OK && e->repeats)
		repeats_add(e->repeats, print, &stored);
	return st;
}

/* The order of the pages alone decides what shares what: a worker's guess only spares it the work. */
static enum status share_or_store(struct emitter *e, const struct packed_page *p, const uint8_t *data, struct err *err)
{
	uint32_t page_size = e->pm->page_size;
	struct stored_page stored;
	struct packed_page packed;

	if (e->repeats && repeats_find(e->repeats, &p->print, &stored)) {
		e->result->pages_repeated++;
		return kdump_writer_put_again(e->writer, e->next_index, stored.off, stored.size,
					      stored.size < page_size ? e->config->codec->flag : 0, err);
	}
	if (p->kind != PACKED_REPEAT)
		return store(e, p, &p->print, data, err);
	/* Forgotten meanwhile. This thread is none of the workers now, so the first one's tools are free. */
	packed = packer_compress(&e->packers[0], data, e->again);
	return store(e, &packed, &p->print, e->again, err);
}

/* *@data: what is stored of this page and of those behind it. */
static enum status put_page(struct emitter *e, const struct batch *b, size_t i, const uint8_t **data, struct err *err)
{
	const struct packed_page *p = &b->packed[i];
	enum status st;

	switch (p->kind) {
	case PACKED_HOLE:
		st = kdump_writer_put_hole(e->writer, e->next_index, err);
		if (st == ST_OK)
			note_unreadable(e, b->pfns[i]);
		break;
	case PACKED_ZERO:
		st = kdump_writer_put_zero(e->writer, e->next_index, err);
		e->result->pages_zero += st == ST_OK;
		break;
	default:
		st = share_or_store(e, p, *data, err);
	}
	if (st != ST_OK)
		return st;
	*data += p->size;
	e->result->pages_partial += p->is_partial;
	e->next_index++;
	return ST_OK;
}

static enum status put_batch(struct emitter *e, const struct batch *b, struct err *err)
{
	const uint8_t *data = b->out;

	for (size_t i = 0; i < b->nr; i++) {
		enum status st = put_page(e, b, i, &data, err);

		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* Choose the next batch and hand it over; nothing at the end. */
static enum status submit_batch(struct emitter *e, struct batch *b, struct err *err)
{
	batch_fill(b, e->keep, &e->next_pfn);
	e->result->bytes_read += (uint64_t)b->nr * e->pm->page_size;
	if (b->nr && !pool_submit(e->pool, b))
		return err_set(err, ST_INTERNAL, "more batches than the pool takes");
	return ST_OK;
}

/*
 * All batches are out, to be read and packed, but the one that is being written. What is still out when this ends early is
 * dropped with the pool.
 */
static enum status put_all(struct emitter *e, struct err *err)
{
	const struct emit_config *c = e->config;
	enum status st = ST_OK;
	struct batch *b;

	for (size_t i = 0; st == ST_OK && i < e->nr_batches; i++)
		st = submit_batch(e, &e->batches[i], err);
	while (st == ST_OK && (b = pool_collect(e->pool))) {
		st = put_batch(e, b, err);
		if (st != ST_OK)
			break;
		if (c->step && !c->step(c->ctx, e->next_index, e->sink->bytes_written)) {
			e->result->stopped = e->next_index < e->keep->nr_set;
			break;
		}
		st = submit_batch(e, b, err);
	}
	return st;
}

static enum status run(struct emitter *e, struct err *err)
{
	const struct kdump_bitmaps bitmaps = { fill_bitmap, next_in_bitmap, bitmap_goes_on, e };
	struct emit_result *r = e->result;
	struct err cause = { 0 }; /* of an early end */
	uint64_t nr_lost = 0;
	enum status st = kdump_writer_begin(e->writer, &bitmaps, &r->stopped, err);

	if (st != ST_OK)
		return st;
	if (!r->stopped)
		st = put_all(e, &cause);
	report_hole(e);
	/* A file that filled up, or a medium that failed half way: what is there is still worth having. */
	if (st == ST_OK || e->sink->rewritable) {
		r->incomplete = st != ST_OK || r->stopped || r->pages_unreadable;
		st = kdump_writer_finish(e->writer, &r->incomplete, &nr_lost, &cause);
		r->pages_done = e->next_index - nr_lost;
		r->bytes_written = e->sink->bytes_written;
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
	struct emitter e = { .pm = pm, .keep = keep, .config = config, .result = result, .sink = sink };
	enum status st;

	*result = (struct emit_result){ 0 };
	st = emitter_init(&e, err);
	if (st == ST_OK)
		st = run(&e, err);
	workers_deinit(&e);
	repeats_close(e.repeats);
	free(e.again);
	kdump_writer_close(e.writer);
	return st;
}
