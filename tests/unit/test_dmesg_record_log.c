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

struct fixture {
	struct fake_kernel *fk;
	struct kmodel *km;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fk = fake_kernel_new(16 * MIB);
	*state = f;
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

/* ---- the record log of Linux 3.5 to 5.9 ---- */

#define LOG_BYTES 1024u
#define LOG_HEADER 16u

struct old_log {
	struct fake_kernel *fk;
	unsigned header_bytes;
	uint64_t buf, first_idx, next_idx;
	uint32_t first, next;
	unsigned nr_pushed;
};

static void old_log_put_indexes(struct old_log *log)
{
	fake_put_u32(log->fk, log->first_idx, log->first);
	fake_put_u32(log->fk, log->next_idx, log->next);
}

static void old_log_start(struct old_log *log, struct fake_kernel *fk, const char *name, bool caller)
{
	uint64_t vars = fake_alloc_image(fk, 64);

	memset(log, 0, sizeof(*log));
	log->fk = fk;
	log->header_bytes = caller ? 24 : 16;
	log->buf = fake_alloc(fk, LOG_BYTES);
	log->first_idx = vars + 16;
	log->next_idx = vars + 20;
	fake_put_u64(fk, vars, log->buf);
	fake_put_u32(fk, vars + 8, LOG_BYTES);
	fake_vi_add(fk, "SYMBOL(log_buf)=%llx", (unsigned long long)vars);
	fake_vi_add(fk, "SYMBOL(log_buf_len)=%llx", (unsigned long long)vars + 8);
	fake_vi_add(fk, "SYMBOL(log_first_idx)=%llx", (unsigned long long)log->first_idx);
	fake_vi_add(fk, "SYMBOL(log_next_idx)=%llx", (unsigned long long)log->next_idx);
	fake_vi_add(fk, "SIZE(%s)=%u", name, log->header_bytes);
	fake_vi_add(fk, "OFFSET(%s.ts_nsec)=0", name);
	fake_vi_add(fk, "OFFSET(%s.len)=8", name);
	fake_vi_add(fk, "OFFSET(%s.text_len)=10", name);
	fake_vi_add(fk, "OFFSET(%s.dict_len)=12", name);
	if (caller)
		fake_vi_add(fk, "OFFSET(%s.caller_id)=16", name);
	old_log_put_indexes(log);
}

static uint32_t old_log_put(struct old_log *log, const char *text, const char *dict)
{
	uint32_t len = (uint32_t)align_up(log->header_bytes + strlen(text) + strlen(dict), 8);
	uint64_t at = log->buf + log->next;
	uint32_t idx = log->next;

	fake_put_u64(log->fk, at, UINT64_C(2000000000) + log->nr_pushed++ * 1000);
	fake_put_u16(log->fk, at + 8, (uint16_t)len);
	fake_put_u16(log->fk, at + 10, (uint16_t)strlen(text));
	fake_put_u16(log->fk, at + 12, (uint16_t)strlen(dict));
	fake_put_u16(log->fk, at + 14, 3u << 13 | 2);
	if (log->header_bytes > 16)
		fake_put_u32(log->fk, at + 16, log->nr_pushed);
	fake_put(log->fk, at + log->header_bytes, text, strlen(text));
	fake_put(log->fk, at + log->header_bytes + strlen(text), dict, strlen(dict));
	log->next += len;
	old_log_put_indexes(log);
	return idx;
}

static void test_old_log(void **state)
{
	static const char *const names[] = { "printk_log", "log" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct old_log log;

		old_log_start(&log, f.fk, names[i], false);
		old_log_put(&log, "Linux version 4.19", "");
		old_log_put(&log, "usb 1-1: new device\x01\nmore", "SUBSYSTEM=usb");
		old_log_put(&log, "", "");
		old_log_put(&log, "end", "");
		open_model(&f);
		expect_dump(f.km, false,
			    "[    2.000000] Linux version 4.19\n[    2.000001] usb 1-1: new device\\x01\n"
			    "               more\n\n[    2.000003] end\n",
			    "");
		expect_dump(f.km, true,
			    "<19>[    2.000000] Linux version 4.19\n<19>[    2.000001] usb 1-1: new device\\x01\n"
			    "                   more\n\n<19>[    2.000003] end\n",
			    "");
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_old_log_wraps_with_caller(void **state)
{
	struct fixture *f = *state;
	struct old_log log;

	old_log_start(&log, f->fk, "printk_log", true);
	log.first = log.next = 992;
	old_log_put(&log, "x", ""); /* 992 .. 1024 less one byte would not hold a second header */
	log.next = 0;
	old_log_put(&log, "y", "");
	old_log_put(&log, "z", "");
	open_model(f);
	/* The first record ends exactly at the buffer's end: the kernel never lets that happen. */
	expect_dump(f->km, false, "[    2.000000] [      T1] x\n", WARN_BROKEN("1 record"));
	log.first = 960;
	log.next = 960;
	old_log_put(&log, "w", "");
	fake_put(f->fk, log.buf + 992, (const char[24]){ 0 }, 24); /* "go to the start" */
	log.next = 64;
	old_log_put_indexes(&log);
	expect_dump(f->km, false,
		    "[    2.000003] [      T4] w\n[    2.000001] [      T2] y\n[    2.000002] [      T3] z\n", "");
}

static void test_old_log_hostile(void **state)
{
	static const struct {
		uint64_t off; /* of the second record's header: 40 */
		uint16_t value;
		const char *left;
	} cases[] = {
		{ 8, 8, "a" },				/* shorter than its own header */
		{ 8, 2000, "a" },			/* beyond the buffer */
		{ 8, 65535, "a" },    { 10, 300, "a" }, /* text longer than the record */
		{ 8, 0, "aaaaaaaa" },			/* back to the start, and again: once is all it gets */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct old_log log;
		struct output out;

		old_log_start(&log, f.fk, "printk_log", false);
		for (unsigned k = 0; k < 10; k++)
			old_log_put(&log, "abcdefghijklmnopqrstuvwx", "");
		fake_put_u16(f.fk, log.buf + 40 + cases[i].off, cases[i].value);
		open_model(&f);
		out = dump(f.km, false);
		assert_int_equal(out.status, ST_OK);
		assert_string_equal(out.warnings, WARN_BROKEN("1 record"));
		assert_true(out.len && out.len <= 2 * (15 + 24 + 1));
		free(out.text);
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_old_log_loop(void **state)
{
	struct fixture *f = *state;
	struct old_log log;
	struct output out;

	/* The chain jumps over log_next_idx and would go round for ever. */
	old_log_start(&log, f->fk, "printk_log", false);
	for (unsigned i = 0; i < 25; i++)
		old_log_put(&log, "abcdefghijklmnopqrstuvwx", "");
	log.next = 100;
	old_log_put_indexes(&log);
	open_model(f);
	out = dump(f->km, false);
	assert_int_equal(out.status, ST_OK);
	assert_string_equal(out.warnings, WARN_BROKEN("1 record"));
	assert_int_equal(out.len, 25 * (15 + 24 + 1));
	free(out.text);
}

static void test_old_log_geometry(void **state)
{
	static const uint32_t cases[][3] = {
		{ 0, 0, 0 },	   { 1023, 0, 0 },    { 0x80000001, 0, 0 },
		{ 1024, 1024, 0 }, { 1024, 0, 1024 }, { 1024, 0, UINT32_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f = { .fk = fake_kernel_new(16 * MIB) };
		struct old_log log;

		old_log_start(&log, f.fk, "printk_log", false);
		fake_put_u32(f.fk, log.first_idx - 8, cases[i][0]);
		fake_put_u32(f.fk, log.first_idx, cases[i][1]);
		fake_put_u32(f.fk, log.next_idx, cases[i][2]);
		open_model(&f);
		expect_failure(f.km, ST_BAD_INPUT, "makes no sense");
		kmodel_close(f.km);
		fake_kernel_free(f.fk);
	}
}

static void test_old_log_unreadable(void **state)
{
	struct fixture *f = *state;
	struct old_log log;

	old_log_start(&log, f->fk, "printk_log", false);
	old_log_put(&log, "a", "");
	fake_hole(f->fk, log.buf, ST_IO);
	open_model(f);
	expect_dump(f->km, false, "", WARN_BROKEN("1 record"));
}

static void test_no_log(void **state)
{
	struct fixture *f = *state;

	open_model(f);
	expect_failure(f->km, ST_NOT_FOUND, "names no kernel log");
}

static void test_text_log_before_3_5(void **state)
{
	struct fixture *f = *state;

	fake_vi_add(f->fk, "SYMBOL(log_buf)=%llx", (unsigned long long)FAKE_STEXT);
	open_model(f);
	expect_failure(f->km, ST_UNSUPPORTED, "before 3.5");
}

#define BARE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_log),
		BARE_TEST(test_old_log_wraps_with_caller),
		cmocka_unit_test(test_old_log_hostile),
		BARE_TEST(test_old_log_loop),
		cmocka_unit_test(test_old_log_geometry),
		BARE_TEST(test_old_log_unreadable),
		BARE_TEST(test_no_log),
		BARE_TEST(test_text_log_before_3_5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
