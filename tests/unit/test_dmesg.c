// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/dmesg_output.h"

/* ---- the printk ring buffer, written as the kernel writes it ---- */

#define DESC_BYTES 24u
#define INFO_BYTES 88u
#define ID_MASK (UINT64_MAX >> 2)
#define RESERVED UINT64_C(0)
#define COMMITTED (UINT64_C(1) << 62)
#define FINALIZED (UINT64_C(2) << 62)
#define REUSABLE (UINT64_C(3) << 62)
#define RING_RECORDS_MAX 8192u

struct ring {
	struct fake_kernel *fk;
	unsigned count_bits, size_bits;
	bool fits_to_the_end; /* a block that ends exactly at the ring's end stays there, as newer kernels have it */
	uint64_t prb, descs, infos, data;
	uint64_t head_id, tail_id, head_lpos, tail_lpos;
	uint64_t next_of_id[RING_RECORDS_MAX]; /* by index: the text ring's position after that record */
	uint64_t nr_pushed;
};

static const char *const prb_vmcoreinfo[] = {
	"SIZE(printk_ringbuffer)=88",
	"OFFSET(printk_ringbuffer.desc_ring)=0",
	"OFFSET(printk_ringbuffer.text_data_ring)=48",
	"OFFSET(printk_ringbuffer.fail)=80",
	"SIZE(prb_desc_ring)=48",
	"OFFSET(prb_desc_ring.count_bits)=0",
	"OFFSET(prb_desc_ring.descs)=8",
	"OFFSET(prb_desc_ring.infos)=16",
	"OFFSET(prb_desc_ring.head_id)=24",
	"OFFSET(prb_desc_ring.tail_id)=32",
	"SIZE(prb_desc)=24",
	"OFFSET(prb_desc.state_var)=0",
	"OFFSET(prb_desc.text_blk_lpos)=8",
	"SIZE(prb_data_blk_lpos)=16",
	"OFFSET(prb_data_blk_lpos.begin)=0",
	"OFFSET(prb_data_blk_lpos.next)=8",
	"SIZE(printk_info)=88",
	"OFFSET(printk_info.seq)=0",
	"OFFSET(printk_info.ts_nsec)=8",
	"OFFSET(printk_info.text_len)=16",
	"OFFSET(printk_info.caller_id)=20",
	"OFFSET(printk_info.dev_info)=24",
	"SIZE(prb_data_ring)=32",
	"OFFSET(prb_data_ring.size_bits)=0",
	"OFFSET(prb_data_ring.data)=8",
	"OFFSET(prb_data_ring.head_lpos)=16",
	"OFFSET(prb_data_ring.tail_lpos)=24",
	"SIZE(atomic_long_t)=8",
	"OFFSET(atomic_long_t.counter)=0",
	"SIZE(latched_seq)=24",
	"OFFSET(latched_seq.val)=8",
};

static uint64_t ring_index(const struct ring *ring, uint64_t id)
{
	return id & ((UINT64_C(1) << ring->count_bits) - 1);
}

static uint64_t ring_desc(const struct ring *ring, uint64_t id)
{
	return ring->descs + ring_index(ring, id) * DESC_BYTES;
}

static uint64_t ring_info(const struct ring *ring, uint64_t id)
{
	return ring->infos + ring_index(ring, id) * INFO_BYTES;
}

static void ring_put_ids(struct ring *ring)
{
	fake_put_u64(ring->fk, ring->prb + 24, ring->head_id);
	fake_put_u64(ring->fk, ring->prb + 32, ring->tail_id);
	fake_put_u64(ring->fk, ring->prb + 48 + 16, ring->head_lpos);
	fake_put_u64(ring->fk, ring->prb + 48 + 24, ring->tail_lpos);
}

/** The ring's header, empty: the ids and positions begin so that they overflow soon, as the kernel's do. */
static void ring_start(struct ring *ring, struct fake_kernel *fk, unsigned count_bits, unsigned size_bits)
{
	uint64_t pointer;

	memset(ring, 0, sizeof(*ring));
	ring->fk = fk;
	ring->count_bits = count_bits;
	ring->size_bits = size_bits;
	pointer = fake_alloc_image(fk, 8);
	ring->prb = fake_alloc_image(fk, 88);
	ring->descs = fake_alloc(fk, DESC_BYTES << count_bits);
	ring->infos = fake_alloc(fk, (uint64_t)INFO_BYTES << count_bits);
	ring->data = fake_alloc(fk, UINT64_C(1) << size_bits);
	ring->head_id = ring->tail_id = (0 - ((UINT64_C(1) << count_bits) + 1)) & ID_MASK;
	ring->head_lpos = ring->tail_lpos = 0 - (UINT64_C(1) << size_bits);
	ring->next_of_id[ring_index(ring, ring->tail_id)] = ring->tail_lpos;
	fake_put_u64(fk, pointer, ring->prb);
	fake_put_u32(fk, ring->prb, count_bits);
	fake_put_u64(fk, ring->prb + 8, ring->descs);
	fake_put_u64(fk, ring->prb + 16, ring->infos);
	fake_put_u32(fk, ring->prb + 48, size_bits);
	fake_put_u64(fk, ring->prb + 48 + 8, ring->data);
	fake_put_u64(fk, ring_desc(ring, ring->head_id), ring->head_id | REUSABLE);
	fake_put_u64(fk, ring_desc(ring, ring->head_id) + 8, 1);
	fake_put_u64(fk, ring_desc(ring, ring->head_id) + 16, 1);
	ring_put_ids(ring);
	fake_vi_add(fk, "SYMBOL(prb)=%llx", (unsigned long long)pointer);
	for (size_t i = 0; i < ARRAY_SIZE(prb_vmcoreinfo); i++)
		fake_vi_add(fk, "%s", prb_vmcoreinfo[i]);
}

static void ring_drop_tail(struct ring *ring)
{
	fake_put_u64(ring->fk, ring_desc(ring, ring->tail_id), ring->tail_id | REUSABLE);
	ring->tail_lpos = ring->next_of_id[ring_index(ring, ring->tail_id)];
	ring->tail_id = (ring->tail_id + 1) & ID_MASK;
}

/** Take a block of @len bytes of text, id included; returns where the id goes within the ring. */
static uint64_t ring_take_block(struct ring *ring, uint64_t len, uint64_t *begin, uint64_t *next)
{
	uint64_t size = UINT64_C(1) << ring->size_bits;
	uint64_t bytes = align_up(8 + len, 8);
	uint64_t index = ring->head_lpos & (size - 1);
	bool wraps = ring->fits_to_the_end ? index + bytes > size : index + bytes >= size;

	*begin = ring->head_lpos;
	*next = wraps ? ring->head_lpos - index + size + bytes : ring->head_lpos + bytes;
	while (*next - ring->tail_lpos > size)
		ring_drop_tail(ring);
	ring->head_lpos = *next;
	return wraps ? 0 : index;
}

struct line {
	const char *text;
	size_t len;
	uint64_t time_ns;
	unsigned facility, level;
	uint32_t caller_id;
	uint64_t state;
};

static uint64_t ring_push_line(struct ring *ring, const struct line *line)
{
	struct fake_kernel *fk = ring->fk;
	uint64_t id = (ring->head_id + 1) & ID_MASK, begin = 3, next = 3, at;

	if (((id - ring->tail_id) & ID_MASK) >> ring->count_bits)
		ring_drop_tail(ring);
	ring->head_id = id;
	ring->next_of_id[ring_index(ring, id)] = ring->head_lpos;
	if (line->len) {
		at = ring_take_block(ring, line->len, &begin, &next);
		if (at != (begin & ((UINT64_C(1) << ring->size_bits) - 1)))
			fake_put_u64(fk, ring->data + (begin & ((UINT64_C(1) << ring->size_bits) - 1)), id);
		fake_put_u64(fk, ring->data + at, id);
		fake_put(fk, ring->data + at + 8, line->text, line->len);
		ring->next_of_id[ring_index(ring, id)] = next;
	}
	fake_put_u64(fk, ring_desc(ring, id), id | line->state);
	fake_put_u64(fk, ring_desc(ring, id) + 8, begin);
	fake_put_u64(fk, ring_desc(ring, id) + 16, next);
	fake_put_u64(fk, ring_info(ring, id), ring->nr_pushed++);
	fake_put_u64(fk, ring_info(ring, id) + 8, line->time_ns);
	fake_put_u16(fk, ring_info(ring, id) + 16, (uint16_t)line->len);
	fake_put_u16(fk, ring_info(ring, id) + 18, (uint16_t)(line->facility | line->level << 13 | 6u << 8));
	fake_put_u32(fk, ring_info(ring, id) + 20, line->caller_id);
	ring_put_ids(ring);
	return id;
}

/** A finalized record of the kernel, level 6, at 1.5 s and a microsecond more for each record. */
static uint64_t ring_push(struct ring *ring, const char *text)
{
	const struct line line = {
		.text = text,
		.len = strlen(text),
		.time_ns = UINT64_C(1500000999) + ring->nr_pushed * 1000,
		.level = 6,
		.state = FINALIZED,
	};

	return ring_push_line(ring, &line);
}

struct fixture {
	struct fake_kernel *fk;
	struct ring ring;
	struct kmodel *km;
};

static struct fixture *fixture_of(void **state)
{
	return *state;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fk = fake_kernel_new(16 * MIB);
	*state = f;
	return 0;
}

static int setup_ring(void **state)
{
	setup(state);
	ring_start(&fixture_of(state)->ring, fixture_of(state)->fk, 5, 10);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kmodel_close(f->km);
	fake_kernel_free(f->fk);
	free(f);
	return 0;
}

static struct kmodel *open_model(struct fixture *f)
{
	f->km = fake_kernel_open(f->fk);
	return f->km;
}

/* ---- printk ring buffer ---- */

static void test_plain(void **state)
{
	struct fixture *f = *state;
	struct line line = { .text = "from user space",
			     .len = 15,
			     .time_ns = UINT64_C(123456789012345),
			     .facility = 1,
			     .level = 5,
			     .state = FINALIZED };

	ring_push(&f->ring, "Linux version 6.1");
	ring_push(&f->ring, "Command line: quiet");
	ring_push_line(&f->ring, &line);
	open_model(f);
	expect_dump(f->km, false,
		    "[    1.500000] Linux version 6.1\n[    1.500001] Command line: quiet\n"
		    "[123456.789012] from user space\n",
		    "");
	expect_dump(f->km, true,
		    "<6>[    1.500000] Linux version 6.1\n<6>[    1.500001] Command line: quiet\n"
		    "<13>[123456.789012] from user space\n",
		    "");
}

static void test_empty_ring(void **state)
{
	struct fixture *f = *state;

	open_model(f);
	expect_dump(f->km, false, "", "");
}

static enum status check_record(void *ctx, const struct dmesg_record *rec, struct err *err)
{
	unsigned *nr = ctx;

	assert_true(rec->has_seq && rec->seq == *nr + 8);
	assert_true(rec->has_level && rec->level == 6 && rec->facility == 0);
	assert_false(rec->has_caller);
	assert_true(rec->time_ns == UINT64_C(1500000999) + rec->seq * 1000);
	assert_int_equal(rec->text_len_bytes, 1);
	assert_int_equal(rec->text[0], 'a' + (int)rec->seq % 26);
	++*nr;
	/* An error of the callback's ends the walk, also one that would be a hole in the dump elsewhere. */
	return *nr == 30 ? err_set(err, ST_IO, "enough") : ST_OK;
}

static void test_records(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	unsigned nr = 0;

	for (unsigned i = 0; i < 40; i++)
		ring_push(&f->ring, (const char[]){ (char)('a' + i % 26), '\0' });
	open_model(f);
	assert_int_equal(dmesg_for_each(f->km, check_record, &nr, &err), ST_IO);
	assert_string_equal(err.text, "enough");
	assert_int_equal(nr, 30);
}

/** Push @nr records of varying length; the dump must be exactly the newest that are still in the ring. */
static void fill_and_compare(struct fixture *f, unsigned nr, unsigned len_step)
{
	char *expected = calloc(1, 65536);
	unsigned live;

	assert_non_null(expected);
	for (unsigned i = 0; i < nr; i++) {
		char text[128];

		snprintf(text, sizeof(text), "record %u %.*s", i, (int)(i * len_step % 57),
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		ring_push(&f->ring, text);
	}
	live = (unsigned)((f->ring.head_id - f->ring.tail_id) & ID_MASK) + 1;
	assert_true(live > 5 && live < nr);
	for (unsigned i = nr - live; i < nr; i++)
		sprintf(expected + strlen(expected), "[    1.%06u] record %u %.*s\n", 500000 + i, i,
			(int)(i * len_step % 57), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	open_model(f);
	expect_dump(f->km, false, expected, "");
	free(expected);
}

static void test_data_ring_wraps(void **state)
{
	struct fixture *f = *state;

	fill_and_compare(f, 500, 7);
}

static void test_data_ring_wraps_newer_kernel(void **state)
{
	struct fixture *f = *state;

	f->ring.fits_to_the_end = true;
	fill_and_compare(f, 500, 8);
}

static void test_desc_ring_wraps(void **state)
{
	struct fixture *f = *state;

	/* 32 records of 24 bytes leave room in 1 KiB: the descriptors run out first. */
	fill_and_compare(f, 1000, 0);
	assert_int_equal((f->ring.head_id - f->ring.tail_id) & ID_MASK, 31);
}

static void test_block_ends_at_the_rings_end(void **state)
{
	struct fixture *f = *state;
	struct output out;
	char text[1017];

	f->ring.fits_to_the_end = true;
	memset(text, 'e', sizeof(text));
	text[1016] = '\0';
	ring_push(&f->ring, text);
	open_model(f);
	out = dump(f->km, false);
	assert_int_equal(out.len, 15 + 1016 + 1);
	assert_memory_equal(out.text + 15, text, 1016);
	assert_string_equal(out.warnings, "");
	free(out.text);
}

static void test_newest_record_may_still_grow(void **state)
{
	struct fixture *f = *state;
	const struct line committed = { .text = "Kernel panic", .len = 12, .state = COMMITTED };

	ring_push(&f->ring, "before");
	ring_push_line(&f->ring, &committed);
	open_model(f);
	expect_dump(f->km, false, "[    1.500000] before\n[    0.000000] Kernel panic\n", "");
}

static void test_unfinished_records_are_no_fault(void **state)
{
	struct fixture *f = *state;
	const struct line reserved = { .text = "half wri", .len = 8, .state = RESERVED };
	uint64_t id;

	ring_push(&f->ring, "first");
	ring_push_line(&f->ring, &reserved);
	ring_push(&f->ring, "last");
	/* A CPU was stopped after it moved head_id: the descriptor is as it was one round before, or never used. */
	id = f->ring.head_id + 1;
	fake_put_u64(f->fk, ring_desc(&f->ring, id), ((id - 32) & ID_MASK) | REUSABLE);
	f->ring.head_id = (f->ring.head_id + 2) & ID_MASK;
	ring_put_ids(&f->ring);
	open_model(f);
	expect_dump(f->km, false, "[    1.500000] first\n[    1.500002] last\n", "");
}

static void test_data_less_records(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	ring_push(&f->ring, "one");
	ring_push(&f->ring, ""); /* printk("\n") */
	id = ring_push(&f->ring, "too long for the ring");
	fake_put_u64(f->fk, ring_desc(&f->ring, id) + 8, 1);
	fake_put_u64(f->fk, ring_desc(&f->ring, id) + 16, 1);
	id = ring_push(&f->ring, "x");
	fake_put_u16(f->fk, ring_info(&f->ring, id) + 16, 0); /* a block, but no text in it */
	ring_push(&f->ring, "two");
	open_model(f);
	expect_dump(f->km, false, "[    1.500000] one\n\n\n[    1.500004] two\n", "");
	expect_dump(f->km, true, "<6>[    1.500000] one\n\n\n<6>[    1.500004] two\n", "");
}

static void test_broken_records_are_skipped(void **state)
{
	struct fixture *f = *state;
	struct fake_kernel *fk = f->fk;
	uint64_t id[12], begin;

	for (unsigned i = 0; i < 12; i++)
		id[i] = ring_push(&f->ring, (const char[]){ (char)('a' + i), '\0' });
	begin = 0 - UINT64_C(1024);
	fake_put_u64(fk, f->ring.data + 16, id[1] + 1);			       /* another record's block */
	fake_put_u64(fk, ring_desc(&f->ring, id[2]), (id[2] + 5) | FINALIZED); /* another descriptor's id */
	fake_put_u64(fk, ring_desc(&f->ring, id[3]) + 8, begin + 48 + 1);      /* not aligned */
	fake_put_u64(fk, ring_desc(&f->ring, id[4]) + 16, begin);	       /* ends before it begins */
	fake_put_u16(fk, ring_info(&f->ring, id[5]) + 16, 9);		       /* text longer than its block */
	fake_put_u64(fk, ring_desc(&f->ring, id[6]) + 16, begin + 5 * 1024);   /* five rounds long */
	fake_put_u64(fk, ring_desc(&f->ring, id[7]) + 8, 1);		       /* half of "no data" */
	fake_put_u64(fk, ring_desc(&f->ring, id[8]) + 16, begin + 8 * 16);     /* no bytes at all */
	fake_put_u64(fk, ring_desc(&f->ring, id[9]) + 8, 5); /* odd, but no value that means anything */
	fake_put_u64(fk, ring_desc(&f->ring, id[9]) + 16, 5);
	fake_put_u64(fk, ring_desc(&f->ring, id[10]), ((id[10] - 32) & ID_MASK) | FINALIZED); /* not recycled in time */
	fake_put_u64(fk, ring_info(&f->ring, id[0]), 1); /* a number of another place */
	open_model(f);
	expect_dump(f->km, false, "[    1.500011] l\n", WARN_BROKEN("11 records"));
}

static void test_one_broken_record(void **state)
{
	struct fixture *f = *state;
	uint64_t id = ring_push(&f->ring, "a");

	ring_push(&f->ring, "b");
	fake_put_u16(f->fk, ring_info(&f->ring, id) + 16, 0xffff);
	open_model(f);
	expect_dump(f->km, false, "[    1.500001] b\n", WARN_BROKEN("1 record"));
}

static void test_unreadable_pages(void **state)
{
	static const enum status holes[] = { ST_NO_DATA, ST_IO, ST_BAD_INPUT };

	for (size_t i = 0; i < ARRAY_SIZE(holes); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct output out;

		ring_start(&f.ring, f.fk, 7, 13);
		for (unsigned k = 0; k < 128; k++)
			ring_push(&f.ring, "0123456789012345678901234567890123456789"); /* 48 bytes a block */
		/* Infos 47 to 93; 46 ends there too, but with nothing that matters. Blocks 85 to 127. */
		fake_hole(f.fk, f.ring.infos + 4096, holes[i]);
		fake_hole(f.fk, f.ring.data + 4096, holes[i]);
		open_model(&f);
		out = dump(f.km, false);
		assert_int_equal(out.status, ST_OK);
		assert_int_equal(out.len, 47 * (15 + 40 + 1));
		assert_string_equal(out.warnings, WARN_BROKEN("81 records"));
		free(out.text);
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_callback_gets_no_memory_trouble_as_holes(void **state)
{
	struct fixture *f = *state;

	ring_push(&f->ring, "a");
	fake_hole(f->fk, f->ring.data, ST_NO_MEMORY);
	open_model(f);
	expect_failure(f->km, ST_NO_MEMORY, "hole");
}

static void test_hostile_geometry(void **state)
{
	static const struct {
		uint64_t off; /* in the ring's header */
		unsigned bytes;
		uint64_t value;
		const char *why;
	} cases[] = {
		{ 0, 4, 0, "make no sense" },		{ 0, 4, 27, "make no sense" },
		{ 0, 4, 64, "make no sense" },		{ 0, 4, UINT32_MAX, "make no sense" },
		{ 48, 4, 0, "make no sense" },		{ 48, 4, 32, "make no sense" },
		{ 48, 4, 1000, "make no sense" },	{ 32, 8, 1, "further apart" },
		{ 24, 8, UINT64_MAX, "further apart" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };

		ring_start(&f.ring, f.fk, 5, 10);
		ring_push(&f.ring, "text");
		if (cases[i].bytes == 4)
			fake_put_u32(f.fk, f.ring.prb + cases[i].off, (uint32_t)cases[i].value);
		else
			fake_put_u64(f.fk, f.ring.prb + cases[i].off, cases[i].value);
		open_model(&f);
		expect_failure(f.km, ST_BAD_INPUT, cases[i].why);
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_hostile_pointers(void **state)
{
	static const uint64_t pointers[] = {
		0, 1, UINT64_C(0x0000800000000000), FAKE_HEAP - 8, FAKE_STEXT + GIB, UINT64_MAX - 3, UINT64_MAX
	};
	static const unsigned fields[] = { 8, 16, 56 }; /* descs, infos, data */

	for (size_t i = 0; i < ARRAY_SIZE(pointers) * ARRAY_SIZE(fields); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct output out;

		ring_start(&f.ring, f.fk, 5, 10);
		ring_push(&f.ring, "text");
		fake_put_u64(f.fk, f.ring.prb + fields[i % ARRAY_SIZE(fields)], pointers[i / ARRAY_SIZE(fields)]);
		open_model(&f);
		out = dump(f.km, false);
		assert_int_equal(out.status, ST_OK);
		assert_string_equal(out.text, "");
		free(out.text);
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_header_unreadable(void **state)
{
	struct fixture *f = *state;

	fake_hole(f->fk, f->ring.prb, ST_NO_DATA);
	open_model(f);
	expect_failure(f->km, ST_NO_DATA, "printk ring buffer: ");
}

/** Each key of the layout left out, and each made absurd. */
static void test_layout_keys(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(prb_vmcoreinfo); i++) {
		for (int absurd = 0; absurd < 2; absurd++) {
			struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
			struct output out;
			char key[80];
			char *line;

			ring_start(&f.ring, f.fk, 5, 10);
			ring_push(&f.ring, "text");
			snprintf(key, sizeof(key), "\n%s\n", prb_vmcoreinfo[i]);
			f.fk->vi[f.fk->vi_len] = '\0';
			line = strstr(f.fk->vi, key);
			assert_non_null(line);
			if (absurd)
				fake_vi_add(f.fk, "%.*s=1000000000000", (int)strcspn(key + 1, "="), key + 1);
			line[1] = '#';
			open_model(&f);
			out = dump(f.km, false);
			/* Either refused, with the key's name, or not needed; never another text. */
			if (out.status == ST_OK)
				assert_string_equal(out.text, "[    1.500000] text\n");
			else
				assert_non_null(strstr(out.err.text, "VMCOREINFO"));
			free(out.text);
			kmodel_close(f.km);
			fake_kernel_free(f.fk);
		}
	}
}

/* Every record claims 64 KiB of text and may, for the blocks overlap: 2048 of them are 128 MiB. */
static void test_text_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct ring *ring = &f->ring;
	const struct line line = { .text = "aaaaaaaa", .len = 8, .level = 1, .state = FINALIZED };
	struct output out;
	char last[64];

	ring_start(ring, f->fk, 11, 17);
	for (unsigned i = 0; i < 2048; i++) {
		uint64_t id = ring_push_line(ring, &line);

		fake_put_u64(f->fk, ring_desc(ring, id) + 16, 0 - (UINT64_C(1) << 17) + i * 16 + 65544);
		fake_put_u64(f->fk, ring_info(ring, id) + 8, i * UINT64_C(1000000000));
		fake_put_u16(f->fk, ring_info(ring, id) + 16, 65535);
	}
	open_model(f);
	out = dump(f->km, false);
	assert_int_equal(out.status, ST_OK);
	assert_string_equal(
		out.warnings,
		"innercore: warning: kernel log: only the newest 64 MiB; 1025 older records are left out\n");
	assert_memory_equal(out.text, "[ 1025.000000] aaaaaaaa", 23);
	memcpy(last, "\n[ 2047.000000] ", 17);
	assert_non_null(memmem(out.text + out.len - 300000, 300000, last, 16));
	assert_true(out.len < 4 * 64 * MIB);
	free(out.text);
}

static void test_random_rings(void **state)
{
	uint32_t seed = 4711;

	for (unsigned round = 0; round < 150; round++) {
		struct fixture f = { .fk = fake_kernel_new(4 * MIB) };
		struct output out;
		uint64_t areas[4];

		ring_start(&f.ring, f.fk, 5, 10);
		for (unsigned i = 0; i < 60; i++)
			ring_push(&f.ring, "some text of some length");
		areas[0] = f.ring.prb;
		areas[1] = f.ring.descs;
		areas[2] = f.ring.infos;
		areas[3] = f.ring.data;
		for (unsigned i = 0; i < 1 + round % 40; i++) {
			seed = seed * 1664525 + 1013904223;
			fake_put_u16(f.fk, areas[(seed >> 8) % 4] + (seed >> 12) % (round % 2 ? 88 : 1023),
				     (uint16_t)(seed >> 16));
		}
		open_model(&f);
		out = dump(f.km, round % 3 == 0);
		assert_true(out.status == ST_OK || out.status == ST_BAD_INPUT || out.status == ST_NO_DATA);
		assert_true(out.len < 200000);
		free(out.text);
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

/* ---- text ---- */

static void test_escapes(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *shown;
	} cases[] = {
		{ "tab\there", 8, "tab\there" },
		{ "back\\slash \\x41", 15, "back\\slash \\x41" },
		{ "\x1b[31mred\x1b[0m", 12, "\\x1b[31mred\\x1b[0m" },
		{ "bell\x07 del\x7f", 10, "bell\\x07 del\\x7f" },
		{ "nul\0mid", 7, "nul\\x00mid" },
		{ "cr\rff\fvt\v", 9, "cr\rff\fvt\v" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7", 15,
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7" },
		{ "latin1 \xfc", 8, "latin1 \\xfc" },
		{ "cut \xe2\x82", 6, "cut \\xe2\\x82" },
		{ "overlong \xc0\xaf \xe0\x80\xaf", 15, "overlong \\xc0\\xaf \\xe0\\x80\\xaf" },
		{ "surrogate \xed\xa0\x80", 13, "surrogate \\xed\\xa0\\x80" },
		{ "beyond \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80", 17,
		  "beyond \\xf4\\x90\\x80\\x80 \\xf8\\x88\\x80\\x80\\x80" },
		{ "c1 \xc2\x85 \xc2\x9b", 8, "c1 \\xc2\\x85 \\xc2\\x9b" },
		{ "stray \x80\xbf", 8, "stray \\x80\\xbf" },
		{ "first\nsecond\nthird", 18, "first\n               second\n               third" },
		{ "ends in newline\n", 16, "ends in newline\n" },
		{ "two\n\nnewlines", 13, "two\n               \n               newlines" },
		{ "newline nul\n\0x", 14, "newline nul\n\\x00x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct line line = { .text = cases[i].text, .len = cases[i].len, .level = 4, .state = FINALIZED };
		char expected[256];

		ring_start(&f.ring, f.fk, 5, 10);
		ring_push_line(&f.ring, &line);
		open_model(&f);
		snprintf(expected, sizeof(expected), "[    0.000000] %s\n", cases[i].shown);
		expect_dump(f.km, false, expected, "");
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_indent_is_the_prefix(void **state)
{
	struct fixture *f = *state;
	struct line line = { .text = "a\nb",
			     .len = 3,
			     .time_ns = UINT64_C(1234567000000000),
			     .facility = 16,
			     .level = 7,
			     .state = FINALIZED };

	ring_push_line(&f->ring, &line);
	open_model(f);
	expect_dump(f->km, false, "[1234567.000000] a\n                 b\n", "");
	expect_dump(f->km, true, "<135>[1234567.000000] a\n                      b\n", "");
}

/* ---- caller ---- */

static void push_callers(struct ring *ring)
{
	static const uint32_t callers[] = { 0, 1, 4194303, 0x80000000u, 0x80000000u + 127 };

	for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
		const struct line line = { .text = "x\ny", .len = 3, .caller_id = callers[i], .state = FINALIZED };

		ring_push_line(ring, &line);
	}
}

static void test_caller_is_shown(void **state)
{
	struct fixture *f = *state;
	/* Behind unmapped pages, and across the border of two pages. */
	uint64_t gap = fake_alloc_image(f->fk, 3 * FAKE_PAGE);
	uint64_t rodata = fake_alloc_image(f->fk, 2 * FAKE_PAGE);

	fake_hole(f->fk, gap + FAKE_PAGE, ST_NO_DATA);
	fake_put(f->fk, rodata + FAKE_PAGE - 4, ",caller=%c%u", 13);
	push_callers(&f->ring);
	open_model(f);
	expect_dump(f->km, false,
		    "[    0.000000] [      T0] x\n                          y\n"
		    "[    0.000000] [      T1] x\n                          y\n"
		    "[    0.000000] [T4194303] x\n                          y\n"
		    "[    0.000000] [      C0] x\n                          y\n"
		    "[    0.000000] [    C127] x\n                          y\n",
		    "");
}

static void test_caller_is_not_shown(void **state)
{
	struct fixture *f = *state;
	uint64_t rodata = fake_alloc_image(f->fk, 3 * FAKE_PAGE);

	/* Its two halves with a hole between them are not the string. */
	fake_put(f->fk, rodata + FAKE_PAGE - 4, ",cal", 4);
	fake_put(f->fk, rodata + 2 * FAKE_PAGE, "ler=%c%u", 9);
	fake_hole(f->fk, rodata + FAKE_PAGE, ST_IO);
	push_callers(&f->ring);
	open_model(f);
	expect_dump(f->km, false,
		    "[    0.000000] x\n               y\n[    0.000000] x\n               y\n"
		    "[    0.000000] x\n               y\n[    0.000000] x\n               y\n"
		    "[    0.000000] x\n               y\n",
		    "");
}

#define RING_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_ring, teardown)
#define BARE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(test_plain),
		RING_TEST(test_empty_ring),
		RING_TEST(test_records),
		RING_TEST(test_data_ring_wraps),
		RING_TEST(test_data_ring_wraps_newer_kernel),
		RING_TEST(test_desc_ring_wraps),
		RING_TEST(test_block_ends_at_the_rings_end),
		RING_TEST(test_newest_record_may_still_grow),
		RING_TEST(test_unfinished_records_are_no_fault),
		RING_TEST(test_data_less_records),
		RING_TEST(test_broken_records_are_skipped),
		RING_TEST(test_one_broken_record),
		cmocka_unit_test(test_unreadable_pages),
		RING_TEST(test_callback_gets_no_memory_trouble_as_holes),
		cmocka_unit_test(test_hostile_geometry),
		cmocka_unit_test(test_hostile_pointers),
		RING_TEST(test_header_unreadable),
		cmocka_unit_test(test_layout_keys),
		BARE_TEST(test_text_is_bounded),
		cmocka_unit_test(test_random_rings),
		cmocka_unit_test(test_escapes),
		RING_TEST(test_indent_is_the_prefix),
		RING_TEST(test_caller_is_shown),
		RING_TEST(test_caller_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
