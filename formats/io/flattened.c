// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/io/flattened.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "common/units.h"

#define OFF_TYPE 16
#define OFF_VERSION 24
#define FLAT_TYPE 1
#define FLAT_VERSION 1
#define FLAT_SIGNATURE_FIELD 16 /* padded with NULs */

/* Record headers are read through a window: streams of small records exist, and a pread for each would take minutes. */
#define SCAN_WINDOW_BYTES (64u * 1024)

/** A run of bytes of the target file and where the stream has it; the later in the stream, the larger @pos. */
struct segment {
	uint64_t off, end; /**< of the target */
	uint64_t pos;	   /**< of the first byte, in the stream */
};

struct flat_source {
	struct rsource base;
	struct rsource *inner;
	struct segment *segments; /**< sorted, disjoint */
	size_t nr_segments;
	atomic_size_t last; /**< the segment that served the last read, of any thread: where to look first */
};

struct segment_list {
	struct segment *v;
	size_t nr, cap;
};

struct scanner {
	struct rsource *inner;
	uint64_t window_pos;
	size_t window_len;
	uint8_t window[SCAN_WINDOW_BYTES];
};

static enum status list_add(struct segment_list *list, struct segment s, struct err *err)
{
	if (list->nr == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 256;
		struct segment *v = reallocarray(list->v, cap, sizeof(*v));

		if (!v)
			return err_set(err, ST_NO_MEMORY, "no memory for an index of %zu records", cap);
		list->v = v;
		list->cap = cap;
	}
	list->v[list->nr++] = s;
	return ST_OK;
}

bool flattened_probe(struct rsource *src)
{
	static const char signature[FLAT_SIGNATURE_FIELD] = FLAT_SIGNATURE;
	char found[FLAT_SIGNATURE_FIELD];

	return rsource_read(src, 0, found, sizeof(found), NULL) == ST_OK && !memcmp(found, signature, sizeof(found));
}

static enum status check_header(struct rsource *inner, struct err *err)
{
	uint8_t h[OFF_VERSION + 8];
	uint64_t type, version;
	enum status st = rsource_read(inner, 0, h, sizeof(h), err);

	if (st != ST_OK)
		return st;
	type = get_u64(h + OFF_TYPE, ORDER_BIG);
	version = get_u64(h + OFF_VERSION, ORDER_BIG);
	if (type != FLAT_TYPE || version != FLAT_VERSION)
		return err_set(err, ST_UNSUPPORTED,
			       "flattened stream of type %" PRIu64 ", version %" PRIu64
			       "; only type 1, version 1 is known",
			       type, version);
	return ST_OK;
}

/** The record header at @pos, or NULL in @header where the stream ends before it is whole. */
static enum status scan_header(struct scanner *s, uint64_t pos, const uint8_t **header, struct err *err)
{
	enum status st;

	*header = NULL;
	if (!span_within(pos, FLAT_RECORD_HEADER_SIZE, s->inner->size_bytes))
		return ST_OK;
	if (pos < s->window_pos || !span_within(pos - s->window_pos, FLAT_RECORD_HEADER_SIZE, s->window_len)) {
		s->window_pos = pos;
		st = rsource_read_some(s->inner, pos, s->window, sizeof(s->window), &s->window_len, err);
		if (st != ST_OK && s->window_len < FLAT_RECORD_HEADER_SIZE)
			return st;
		if (s->window_len < FLAT_RECORD_HEADER_SIZE)
			return ST_OK;
	}
	*header = s->window + (pos - s->window_pos);
	return ST_OK;
}

/**
 * Index every record in the order of the stream. The list cannot outgrow the stream: each record has at least 17
 * bytes.
 */
static enum status scan_records(struct scanner *s, struct segment_list *list, bool *truncated, struct err *err)
{
	uint64_t pos = FLAT_HEADER_SIZE;

	*truncated = true;
	for (;;) {
		const uint8_t *header;
		uint64_t off, len, end, left;
		enum status st = scan_header(s, pos, &header, err);

		if (st != ST_OK || !header)
			return st;
		off = get_u64(header, ORDER_BIG);
		len = get_u64(header + 8, ORDER_BIG);
		if (off == UINT64_MAX && len == UINT64_MAX) {
			*truncated = false;
			return ST_OK;
		}
		/* Both are signed in the format. */
		if (!len || len > INT64_MAX || off > INT64_MAX || __builtin_add_overflow(off, len, &end) ||
		    end > INT64_MAX)
			return err_set(err, ST_BAD_INPUT,
				       "broken record at stream position %" PRIu64 ": offset %" PRId64
				       ", size %" PRId64,
				       pos, (int64_t)off, (int64_t)len);
		pos += FLAT_RECORD_HEADER_SIZE;
		left = s->inner->size_bytes - pos;
		if (!left)
			return ST_OK;
		st = list_add(list, (struct segment){ off, off + min_u64(len, left), pos }, err);
		if (st != ST_OK || len > left)
			return st;
		pos += len;
	}
}

static int segment_compare(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->pos > y->pos) - (x->pos < y->pos);
}

static bool has_overlap(const struct segment_list *list)
{
	for (size_t i = 1; i < list->nr; i++)
		if (list->v[i].off < list->v[i - 1].end)
			return true;
	return false;
}

/* A heap of segments, the one latest in the stream on top. */
static void heap_push(const struct segment **heap, size_t *nr, const struct segment *s)
{
	size_t i = (*nr)++;

	while (i && heap[(i - 1) / 2]->pos < s->pos) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = s;
}

static void heap_pop(const struct segment **heap, size_t *nr)
{
	const struct segment *s = heap[--*nr];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= *nr)
			break;
		if (child + 1 < *nr && heap[child + 1]->pos > heap[child]->pos)
			child++;
		if (heap[child]->pos < s->pos)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = s;
}

/** Add [@off, @end) of @from; grows the last segment where that goes on, so that n records make at most 2n segments. */
static enum status emit(struct segment_list *out, const struct segment *from, uint64_t off, uint64_t end,
			struct err *err)
{
	struct segment s = { off, end, from->pos + (off - from->off) };
	struct segment *last = out->nr ? &out->v[out->nr - 1] : NULL;

	if (last && last->end == s.off && last->pos + (last->end - last->off) == s.pos) {
		last->end = end;
		return ST_OK;
	}
	return list_add(out, s, err);
}

/**
 * Cut overlapping segments into disjoint ones where the later in the stream wins: a sweep over the target with the
 * segments that cover the current place in a heap.
 */
static enum status resolve(const struct segment_list *in, struct segment_list *out, struct err *err)
{
	_cleanup_free_ const struct segment **heap = calloc(in->nr, sizeof(*heap));
	size_t nr_heap = 0, i = 0;
	uint64_t at = 0;

	if (!heap)
		return err_set(err, ST_NO_MEMORY, "no memory to sort %zu overlapping records", in->nr);
	while (i < in->nr || nr_heap) {
		uint64_t end;
		enum status st;

		if (!nr_heap)
			at = max_u64(at, in->v[i].off);
		for (; i < in->nr && in->v[i].off <= at; i++)
			heap_push(heap, &nr_heap, &in->v[i]);
		while (nr_heap && heap[0]->end <= at)
			heap_pop(heap, &nr_heap);
		if (!nr_heap)
			continue;
		end = i < in->nr ? min_u64(heap[0]->end, in->v[i].off) : heap[0]->end;
		st = emit(out, heap[0], at, end, err);
		if (st != ST_OK)
			return st;
		at = end;
	}
	return ST_OK;
}

/** The first segment that ends after @off; nr_segments where there is none. */
static size_t find_segment(struct flat_source *f, uint64_t off)
{
	size_t lo = 0, hi = f->nr_segments, last = atomic_load_explicit(&f->last, memory_order_relaxed);

	/* Sequential readers stay in a segment or step into the next. */
	for (size_t i = last; i < f->nr_segments && i < last + 2; i++) {
		if (off >= f->segments[i].end || (i && off < f->segments[i - 1].end))
			continue;
		if (i != last)
			atomic_store_explicit(&f->last, i, memory_order_relaxed);
		return i;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->segments[mid].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	atomic_store_explicit(&f->last, lo, memory_order_relaxed);
	return lo;
}

static enum status flat_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct flat_source *f = (struct flat_source *)src;

	len = (size_t)min_u64(len, src->size_bytes - off);
	while (*got < len) {
		uint64_t at = off + *got;
		size_t i = find_segment(f, at), n, part;
		const struct segment *s = &f->segments[i];
		uint8_t *to = (uint8_t *)buf + *got;
		enum status st;

		if (i == f->nr_segments || at < s->off) {
			n = i == f->nr_segments ? len - *got : (size_t)min_u64(len - *got, s->off - at);
			memset(to, 0, n);
			*got += n;
			continue;
		}
		n = (size_t)min_u64(len - *got, s->end - at);
		st = rsource_read_some(f->inner, s->pos + (at - s->off), to, n, &part, err);
		*got += part;
		if (st != ST_OK)
			return st;
		if (part != n)
			return err_set(err, ST_IO, "%s became shorter while it was read", src->name);
	}
	return ST_OK;
}

static struct range flat_next_data(struct rsource *src, uint64_t off)
{
	struct flat_source *f = (struct flat_source *)src;
	size_t i = find_segment(f, off);

	if (i == f->nr_segments)
		return (struct range){ src->size_bytes, src->size_bytes };
	return (struct range){ max_u64(off, f->segments[i].off), f->segments[i].end };
}

static void flat_close(struct rsource *src)
{
	struct flat_source *f = (struct flat_source *)src;

	rsource_close(f->inner);
	free(f->segments);
	free(f);
}

static const struct rsource_ops flat_ops = {
	.read_at = flat_read_at,
	.next_data = flat_next_data,
	.close = flat_close,
};

static enum status build_index(struct rsource *inner, struct segment_list *index, bool *truncated, struct err *err)
{
	struct scanner *scanner = malloc(sizeof(*scanner));
	struct segment_list raw = { 0 };
	enum status st;

	if (!scanner)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	scanner->inner = inner;
	scanner->window_pos = 0;
	scanner->window_len = 0;
	st = scan_records(scanner, &raw, truncated, err);
	free(scanner);
	if (st != ST_OK)
		goto out;
	if (raw.nr)
		qsort(raw.v, raw.nr, sizeof(*raw.v), segment_compare);
	if (!has_overlap(&raw)) {
		*index = raw;
		return ST_OK;
	}
	st = resolve(&raw, index, err);
out:
	free(raw.v);
	return st;
}

enum status rsource_flattened_open(struct rsource *inner, struct rsource **src, bool *truncated, struct err *err)
{
	struct segment_list index = { 0 };
	struct flat_source *f;
	enum status st = check_header(inner, err);

	if (st == ST_OK)
		st = build_index(inner, &index, truncated, err);
	if (st != ST_OK) {
		free(index.v);
		return err_wrap(err, st, "flattened stream");
	}
	f = calloc(1, sizeof(*f));
	if (f)
		f->base.name = strdup(inner->name);
	if (!f || !f->base.name) {
		free(f);
		free(index.v);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	f->base.ops = &flat_ops;
	f->base.size_bytes = index.nr ? index.v[index.nr - 1].end : 0;
	f->base.can_share = inner->can_share;
	f->inner = inner;
	f->segments = index.v;
	f->nr_segments = index.nr;
	*src = &f->base;
	return ST_OK;
}
