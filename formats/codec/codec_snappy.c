// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec_ops.h"

#include <snappy-c.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * The library takes its working memory from operator new in every call, which in a capture kernel short of memory
 * would end in an exception that no C caller can catch. So this file replaces operator new, as C++ allows any program
 * to (snappy is the only C++ in it), and lends the memory of the context whose compress() is running.
 */
struct snappy_ctx {
	size_t page_size;
	unsigned char *scratch; /* the library wants room for its worst case */
	size_t scratch_cap;
	unsigned char *arena;
	size_t arena_cap, arena_used;
};

/* operator new has no argument to pass a context in: the only way is by the thread that is inside compress(). */
static _Thread_local struct snappy_ctx *lender;

void *operator_new(size_t bytes) __asm__("_Znwm");
void *operator_new_array(size_t bytes) __asm__("_Znam");
void operator_delete(void *p) __asm__("_ZdlPv");
void operator_delete_sized(void *p, size_t bytes) __asm__("_ZdlPvm");
void operator_delete_array(void *p) __asm__("_ZdaPv");

void *operator_new(size_t bytes)
{
	struct snappy_ctx *s = lender;
	void *p;

	if (s && bytes <= s->arena_cap - s->arena_used) {
		p = s->arena + s->arena_used;
		s->arena_used += (bytes + 15) & ~(size_t)15;
		if (s->arena_used > s->arena_cap)
			s->arena_used = s->arena_cap;
		return p;
	}
	p = malloc(bytes ? bytes : 1);
	if (!p)
		abort(); /* what an uncaught bad_alloc would do */
	return p;
}

void *operator_new_array(size_t bytes)
{
	return operator_new(bytes);
}

void operator_delete(void *p)
{
	struct snappy_ctx *s = lender;

	if (s && (uintptr_t)p - (uintptr_t)s->arena < s->arena_cap)
		return; /* given back as a whole at the end of compress() */
	free(p);
}

void operator_delete_sized(void *p, size_t bytes)
{
	operator_delete(p);
}

void operator_delete_array(void *p)
{
	operator_delete(p);
}

static void snappy_ctx_close(void *ctx)
{
	struct snappy_ctx *s = ctx;

	if (!s)
		return;
	free(s->scratch);
	free(s->arena);
	free(s);
}

static enum status snappy_ctx_open(size_t page_size, void **ctx, struct err *err)
{
	struct snappy_ctx *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ST_NO_MEMORY, "snappy: no memory");
	s->page_size = page_size;
	s->scratch_cap = snappy_max_compressed_length(page_size);
	/*
	 * Its hash table (at most 16 Ki entries of 2 bytes; newer versions 32 Ki), one input and one output fragment.
	 */
	s->arena_cap = 64 * 1024 + page_size + s->scratch_cap + 4096;
	s->scratch = malloc(s->scratch_cap);
	s->arena = malloc(s->arena_cap);
	if (!s->scratch || !s->arena) {
		snappy_ctx_close(s);
		return err_set(err, ST_NO_MEMORY, "snappy: no memory");
	}
	*ctx = s;
	return ST_OK;
}

static size_t snappy_ctx_compress(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	struct snappy_ctx *s = ctx;
	size_t len = s->scratch_cap;
	snappy_status rc;

	if (in_len > s->page_size)
		return 0;
	s->arena_used = 0;
	lender = s;
	rc = snappy_compress(in, in_len, (char *)s->scratch, &len);
	lender = NULL;
	if (rc != SNAPPY_OK || len > out_cap)
		return 0;
	memcpy(out, s->scratch, len);
	return len;
}

static enum status snappy_ctx_decompress(void *ctx, const void *in, size_t in_len, void *out, size_t out_len,
					 struct err *err)
{
	size_t len = out_len;

	/* The block names its own length: ask first, so that nothing is written for one that cannot be right. */
	if (snappy_uncompressed_length(in, in_len, &len) != SNAPPY_OK || len != out_len)
		return err_set(err, ST_BAD_INPUT, "not a snappy block of %zu bytes", out_len);
	if (snappy_uncompress(in, in_len, out, &len) != SNAPPY_OK)
		return err_set(err, ST_BAD_INPUT, "broken snappy block");
	return ST_OK;
}

const struct codec codec_snappy = {
	.name = "snappy",
	.flag = CODEC_FLAG_SNAPPY,
	.open = snappy_ctx_open,
	.close = snappy_ctx_close,
	.compress = snappy_ctx_compress,
	.decompress = snappy_ctx_decompress,
};
