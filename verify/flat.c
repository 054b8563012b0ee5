// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A flattened stream, record by record. The reader below undoes the flattening and hides the records; what makes a
 * stream good or bad for others is there only. Nothing is remembered per record: a hostile stream may have very many.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "formats/io/flattened.h"
#include "verify/checks.h"

#define WINDOW_BYTES (64u * 1024)
#define COMPARE_BYTES ((size_t)MIB)

struct record {
	uint64_t off, len; /**< of the target; @len as far as the stream goes */
	uint64_t pos;	   /**< of its data, in the stream */
	bool whole;
};

struct walk {
	struct rsource *inner;
	uint64_t pos; /**< of the next record's header */
	uint64_t window_pos;
	size_t window_len;
	uint8_t window[WINDOW_BYTES];
};

enum step { STEP_RECORD, STEP_END_MARKER, STEP_STOP };

/** The record header at @w->pos; NULL in @header where the stream ends. */
static enum status get_header(struct walk *w, const uint8_t **header, struct err *err)
{
	*header = NULL;
	if (!span_within(w->pos, FLAT_RECORD_HEADER_SIZE, w->inner->size_bytes))
		return ST_OK;
	if (w->pos < w->window_pos || !span_within(w->pos - w->window_pos, FLAT_RECORD_HEADER_SIZE, w->window_len)) {
		enum status st;

		w->window_pos = w->pos;
		st = rsource_read_some(w->inner, w->pos, w->window, sizeof(w->window), &w->window_len, err);
		if (w->window_len < FLAT_RECORD_HEADER_SIZE)
			return st;
	}
	*header = w->window + (w->pos - w->window_pos);
	return ST_OK;
}

static enum status next_record(struct walk *w, struct record *rec, enum step *step, struct err *err)
{
	const uint8_t *header;
	uint64_t len, left;
	enum status st = get_header(w, &header, err);

	*step = STEP_STOP;
	if (st != ST_OK || !header)
		return st;
	rec->off = get_u64(header, ORDER_BIG);
	len = get_u64(header + 8, ORDER_BIG);
	w->pos += FLAT_RECORD_HEADER_SIZE;
	if (rec->off == UINT64_MAX && len == UINT64_MAX) {
		*step = STEP_END_MARKER;
		return ST_OK;
	}
	left = w->inner->size_bytes - w->pos;
	if (!len || len > INT64_MAX || rec->off > INT64_MAX - len)
		return ST_OK;
	rec->pos = w->pos;
	rec->len = min_u64(len, left);
	rec->whole = len <= left;
	w->pos += rec->len;
	*step = STEP_RECORD;
	return ST_OK;
}

static struct walk *walk_start(struct rsource *inner)
{
	struct walk *w = malloc(sizeof(*w));

	if (w) {
		w->inner = inner;
		w->pos = FLAT_HEADER_SIZE;
		w->window_pos = 0;
		w->window_len = 0;
	}
	return w;
}

enum status check_flat_scan(struct rsource *inner, struct flat_facts *facts, struct err *err)
{
	_cleanup_free_ struct walk *w = walk_start(inner);

	*facts = (struct flat_facts){ 0 };
	if (!w)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (;;) {
		struct record rec;
		enum step step;
		enum status st = next_record(w, &rec, &step, err);

		if (st != ST_OK)
			return err_wrap(err, st, "flattened stream");
		if (step == STEP_END_MARKER) {
			facts->ended = true;
			facts->trailing_bytes = inner->size_bytes - w->pos;
		}
		if (step != STEP_RECORD)
			return ST_OK;
		facts->nr_records++;
		facts->data_bytes += rec.len;
		facts->cut_record = !rec.whole;
		if (!rec.off && rec.len >= KDUMP_SIGNATURE_LEN)
			facts->main_header_record = facts->nr_records;
	}
}

/** Does the file that the stream stands for hold what this record put there? */
static enum status record_survived(struct check *c, struct rsource *inner, const struct record *rec, uint8_t *buf,
				   bool *same, struct err *err)
{
	uint8_t *mine = buf, *resolved = buf + COMPARE_BYTES;
	uint64_t done = 0;

	*same = true;
	while (done < rec->len && *same) {
		size_t n = (size_t)min_u64(rec->len - done, COMPARE_BYTES);
		enum status st = rsource_read(inner, rec->pos + done, mine, n, err);

		if (st == ST_OK)
			st = rsource_read(c->src, rec->off + done, resolved, n, err);
		if (st != ST_OK)
			return st;
		*same = !memcmp(mine, resolved, n);
		done += n;
	}
	return ST_OK;
}

/* Each record is compared with the outcome once: the work is twice the stream, however the records overlap. */
static enum status find_overwritten(struct check *c, struct rsource *inner, struct err *err)
{
	_cleanup_free_ struct walk *w = walk_start(inner);
	_cleanup_free_ uint8_t *buf = malloc(2 * COMPARE_BYTES);

	if (!w || !buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	for (;;) {
		struct record rec;
		enum step step;
		bool same;
		enum status st = next_record(w, &rec, &step, err);

		if (st == ST_OK && step == STEP_RECORD)
			st = record_survived(c, inner, &rec, buf, &same, err);
		if (st != ST_OK)
			return err_wrap(err, st, "flattened stream");
		if (step != STEP_RECORD)
			return ST_OK;
		if (!same)
			findings_add(
				c->report, RULE_FLAT_OVERLAP, place_offset(rec.off),
				"records overwrite each other with other bytes: makedumpfile -R and libkdumpfile take "
				"the last one, crash any");
	}
}

static uint64_t covered_bytes(struct rsource *src)
{
	uint64_t sum = 0, off = 0;

	while (off < src->size_bytes) {
		struct range run = rsource_next_data(src, off);

		if (run.end <= off)
			break;
		sum += run.end - run.start;
		off = run.end;
	}
	return sum;
}

enum status check_flat(struct check *c, struct rsource *inner, const struct flat_facts *facts, struct err *err)
{
	struct verify_report *r = c->report;
	uint64_t overlap = facts->data_bytes - covered_bytes(c->src);

	if (!facts->ended)
		findings_add(r, RULE_FLAT_NO_END, place_none(),
			     "the stream was cut off%s: its end marker is missing; crash refuses it, and makedumpfile "
			     "-R waits for more",
			     facts->cut_record ? " within a record" : "");
	if (overlap) {
		enum status st = find_overwritten(c, inner, err);

		if (st != ST_OK)
			return st;
		if (!findings_find(r, RULE_FLAT_OVERLAP))
			findings_add(r, RULE_FLAT_OVERLAP_SAME, place_none(),
				     "records overlap in %" PRIu64 " bytes, though with the same content", overlap);
	}
	if (facts->trailing_bytes)
		findings_add(r, RULE_FLAT_TRAILING, place_none(),
			     "%" PRIu64 " bytes behind the end marker, which readers ignore", facts->trailing_bytes);
	if (facts->main_header_record == facts->nr_records)
		findings_add(r, RULE_FLAT_ORDER, place_none(),
			     "flattened, main header last of %" PRIu64 " records, so its status is the final one; "
			     "libkdumpfile before 0.5.3 and makedumpfile need makedumpfile -R first",
			     facts->nr_records);
	else if (facts->main_header_record)
		findings_add(r, RULE_FLAT_ORDER, place_none(),
			     "flattened, main header is record %" PRIu64 " of %" PRIu64
			     ", so its status was written before the pages were; libkdumpfile before 0.5.3 and "
			     "makedumpfile need makedumpfile -R first",
			     facts->main_header_record, facts->nr_records);
	return ST_OK;
}
