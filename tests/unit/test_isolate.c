// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "initramfs/isolate.h"

static unsigned nr_ticks;

static void tick(void)
{
	nr_ticks++;
}

static enum status succeed(void *ctx, uint64_t *bytes, struct err *err)
{
	*bytes = *(uint64_t *)ctx;
	return ST_OK;
}

static enum status refuse(void *ctx, uint64_t *bytes, struct err *err)
{
	*bytes = 7;
	return err_set(err, ST_NOT_FOUND, "nothing there");
}

static enum status die(void *ctx, uint64_t *bytes, struct err *err)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would only add noise */
	raise(SIGSEGV);
	return ST_OK;
}

static enum status hang(void *ctx, uint64_t *bytes, struct err *err)
{
	for (;;)
		pause();
	return ST_OK;
}

static void a_result_travels_back(void **state)
{
	uint64_t sent = 123456789, bytes = 0;
	struct err err;

	assert_int_equal(isolate_run(succeed, &sent, 10, tick, &bytes, &err), ST_OK);
	assert_true(bytes == sent);
	assert_int_equal(isolate_run(refuse, NULL, 10, tick, &bytes, &err), ST_NOT_FOUND);
	assert_string_equal(err.text, "nothing there");
	assert_true(bytes == 7);
}

static void a_fault_is_the_childs_alone(void **state)
{
	uint64_t bytes = 0;
	struct err err;

	assert_int_equal(isolate_run(die, NULL, 10, tick, &bytes, &err), ST_INTERNAL);
	assert_non_null(strstr(err.text, "signal 11"));
}

static void a_hang_ends(void **state)
{
	uint64_t bytes = 0;
	struct err err;

	nr_ticks = 0;
	assert_int_equal(isolate_run(hang, NULL, 2, tick, &bytes, &err), ST_INTERNAL);
	assert_non_null(strstr(err.text, "not done"));
	assert_true(nr_ticks >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_travels_back),
		cmocka_unit_test(a_fault_is_the_childs_alone),
		cmocka_unit_test(a_hang_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
