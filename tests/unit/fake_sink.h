/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_SINK_H
#define TESTS_UNIT_FAKE_SINK_H

/*
 * A file on a small disk: blocks cost space when they are first touched, and when the disk is full a write stops half
 *way, as pwrite(2) does. Remembers each write. Include after cmocka.h.
 *
 *	struct fake_sink fs = fake_sink_new(true);
 *	fs.capacity_blocks = 100;
 *	... &fs.base ...
 *	fake_sink_free(&fs);
 */

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "formats/io/wsink.h"

#define FAKE_BLOCK UINT64_C(4096)
#define FAKE_SINK_MAX (UINT64_C(96) * MIB)

struct fake_write {
	uint64_t off;
	size_t len;
};

struct fake_sink {
	struct wsink base;
	uint8_t *bytes; /**< FAKE_SINK_MAX of them, so that reading behind the end gives zeros */
	uint64_t len;
	uint8_t *touched; /**< a byte a block */
	uint64_t capacity_blocks, used_blocks;
	bool can_reserve;
	uint64_t fail_from, fail_to; /**< writes that touch these bytes meet an I/O error ... */
	unsigned nr_failures;	     /**< ... so many times */
	bool fail_sync;
	struct fake_write *writes;
	size_t nr_writes;
	unsigned nr_syncs, nr_commits;
};

static inline bool fake_sink_touch(struct fake_sink *fs, uint64_t block)
{
	if (fs->touched[block])
		return true;
	if (fs->used_blocks == fs->capacity_blocks)
		return false;
	fs->used_blocks++;
	fs->touched[block] = 1;
	return true;
}

static inline enum status fake_sink_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len,
					     struct err *err)
{
	struct fake_sink *fs = (struct fake_sink *)sink;
	uint64_t done = 0;

	assert_true(span_within(off, len, FAKE_SINK_MAX));
	if (!(fs->nr_writes & (fs->nr_writes + 1)))
		fs->writes = realloc(fs->writes, 2 * (fs->nr_writes + 1) * sizeof(*fs->writes));
	assert_non_null(fs->writes);
	fs->writes[fs->nr_writes++] = (struct fake_write){ off, len };
	if (fs->nr_failures && off < fs->fail_to && off + len > fs->fail_from) {
		fs->nr_failures--;
		return err_set(err, ST_IO, "fake: I/O error");
	}
	while (done < len) {
		uint64_t n = min_u64(len - done, FAKE_BLOCK - (off + done) % FAKE_BLOCK);

		if (!fake_sink_touch(fs, (off + done) / FAKE_BLOCK))
			return err_set(err, ST_NO_SPACE, "fake: no space");
		memcpy(fs->bytes + off + done, (const uint8_t *)buf + done, n);
		done += n;
		fs->len = max_u64(fs->len, off + done);
	}
	sink->bytes_written += len;
	return ST_OK;
}

static inline enum status fake_sink_reserve(struct wsink *sink, uint64_t off, uint64_t len, struct err *err)
{
	struct fake_sink *fs = (struct fake_sink *)sink;

	if (!fs->can_reserve)
		return ST_OK;
	for (uint64_t b = off / FAKE_BLOCK; b < div_round_up(off + len, FAKE_BLOCK); b++)
		if (!fake_sink_touch(fs, b))
			return err_set(err, ST_NO_SPACE, "fake: no space");
	fs->len = max_u64(fs->len, off + len);
	return ST_OK;
}

static inline enum status fake_sink_sync(struct wsink *sink, struct err *err)
{
	struct fake_sink *fs = (struct fake_sink *)sink;

	fs->nr_syncs++;
	return fs->fail_sync ? err_set(err, ST_IO, "fake: cannot sync") : ST_OK;
}

static inline enum status fake_sink_commit(struct wsink *sink, struct err *err)
{
	((struct fake_sink *)sink)->nr_commits++;
	return ST_OK;
}

static inline void fake_sink_close(struct wsink *sink)
{
}

static const struct wsink_ops fake_sink_ops = {
	.write_at = fake_sink_write_at,
	.reserve = fake_sink_reserve,
	.sync = fake_sink_sync,
	.commit = fake_sink_commit,
	.close = fake_sink_close,
};

static inline struct fake_sink fake_sink_new(bool rewritable)
{
	struct fake_sink fs = {
		.base = { .ops = &fake_sink_ops, .rewritable = rewritable },
		.bytes = calloc(1, FAKE_SINK_MAX),
		.touched = calloc(1, FAKE_SINK_MAX / FAKE_BLOCK),
		.capacity_blocks = UINT64_MAX,
		.can_reserve = true,
	};

	assert_non_null(fs.bytes);
	assert_non_null(fs.touched);
	return fs;
}

static inline void fake_sink_free(struct fake_sink *fs)
{
	free(fs->bytes);
	free(fs->touched);
	free(fs->writes);
}

/** Fails the test where a byte was written twice. */
static inline void fake_sink_assert_no_overlap(const struct fake_sink *fs)
{
	for (size_t i = 0; i < fs->nr_writes; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(fs->writes[i].off + fs->writes[i].len <= fs->writes[j].off ||
				    fs->writes[j].off + fs->writes[j].len <= fs->writes[i].off);
}

#endif
