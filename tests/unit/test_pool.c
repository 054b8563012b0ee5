// SPDX-License-Identifier: GPL-2.0-or-later
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/pool.h"
#include "common/units.h"

#define NR_ITEMS 3000u

struct job {
	unsigned nr;
	unsigned worker;
	uint64_t result;
};

struct tally {
	uint64_t by_worker[POOL_MAX_THREADS]; /* each worker touches its own */
	unsigned slow_nr;		      /* this one sleeps */
};

/* Uneven: some items take much longer than their neighbours. */
static uint64_t churn(unsigned nr)
{
	uint64_t x = nr + 1;

	for (unsigned i = 0; i < (nr % 7 ? 50u : 5000u); i++)
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return x;
}

static void do_job(void *ctx, unsigned worker, void *item)
{
	struct tally *t = ctx;
	struct job *j = item;

	if (j->nr == t->slow_nr)
		usleep(20000);
	j->worker = worker;
	j->result = churn(j->nr);
	t->by_worker[worker]++;
}

static void check(const struct job *j, unsigned nr)
{
	assert_non_null(j);
	assert_int_equal(j->nr, nr);
	assert_true(j->result == churn(nr));
}

/* Keep up to @in_flight items out, as a user does: submit until full, collect one, reuse it. */
static void run_all(unsigned nr_threads, unsigned in_flight)
{
	static struct job jobs[POOL_MAX_ITEMS];
	struct tally t = { .slow_nr = 100 };
	unsigned submitted = 0, collected = 0;
	uint64_t sum = 0;
	struct pool *p;

	assert_int_equal(pool_open(nr_threads, do_job, &t, &p, NULL), ST_OK);
	assert_int_equal(pool_nr_threads(p), nr_threads);
	while (collected < NR_ITEMS) {
		while (submitted < NR_ITEMS && submitted - collected < in_flight) {
			struct job *j = &jobs[submitted % in_flight];

			*j = (struct job){ .nr = submitted++ };
			assert_true(pool_submit(p, j));
		}
		check(pool_collect(p), collected);
		collected++;
	}
	assert_null(pool_collect(p));
	pool_close(p);
	for (unsigned i = 0; i < POOL_MAX_THREADS; i++) {
		sum += t.by_worker[i];
		assert_true(i < nr_threads || !t.by_worker[i]);
	}
	assert_int_equal(sum, NR_ITEMS);
}

static void items_come_back_in_order(void **state)
{
	static const unsigned threads[] = { 1, 2, 3, 8 }, in_flight[] = { 1, 2, 7, POOL_MAX_ITEMS };

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		for (size_t j = 0; j < ARRAY_SIZE(in_flight); j++)
			run_all(threads[i], in_flight[j]);
}

static void no_more_than_the_bound(void **state)
{
	static struct job jobs[POOL_MAX_ITEMS + 1];
	struct tally t = { .slow_nr = 0 };
	struct pool *p;

	assert_int_equal(pool_open(2, do_job, &t, &p, NULL), ST_OK);
	for (unsigned i = 0; i < POOL_MAX_ITEMS; i++) {
		jobs[i].nr = i;
		assert_true(pool_submit(p, &jobs[i]));
	}
	jobs[POOL_MAX_ITEMS].nr = POOL_MAX_ITEMS;
	assert_false(pool_submit(p, &jobs[POOL_MAX_ITEMS]));
	check(pool_collect(p), 0);
	assert_true(pool_submit(p, &jobs[POOL_MAX_ITEMS]));
	for (unsigned i = 1; i <= POOL_MAX_ITEMS; i++)
		check(pool_collect(p), i);
	assert_null(pool_collect(p));
	pool_close(p);
}

/* The serial twin works when the item is collected, in the thread that collects. */
static void serial_twin_makes_no_thread(void **state)
{
	struct tally t = { .slow_nr = UINT32_MAX };
	struct job a = { .nr = 0 }, b = { .nr = 1 };
	struct pool *p;

	for (unsigned nr_threads = 0; nr_threads < 2; nr_threads++) {
		a.result = b.result = 0;
		assert_int_equal(pool_open(nr_threads, do_job, &t, &p, NULL), ST_OK);
		assert_int_equal(pool_nr_threads(p), 1);
		assert_true(pool_submit(p, &a) && pool_submit(p, &b));
		assert_int_equal(a.result, 0);
		check(pool_collect(p), 0);
		assert_int_equal(b.result, 0);
		check(pool_collect(p), 1);
		assert_int_equal(a.worker + b.worker, 0);
		pool_close(p);
	}
}

static void closing_drops_what_is_out(void **state)
{
	static struct job jobs[POOL_MAX_ITEMS];

	for (unsigned nr_threads = 1; nr_threads < 5; nr_threads++) {
		struct tally t = { .slow_nr = 1 };
		struct pool *p;

		assert_int_equal(pool_open(nr_threads, do_job, &t, &p, NULL), ST_OK);
		for (unsigned i = 0; i < 40; i++) {
			jobs[i] = (struct job){ .nr = i };
			assert_true(pool_submit(p, &jobs[i]));
		}
		check(pool_collect(p), 0);
		pool_close(p);
		memset(jobs, 0xff, sizeof(jobs)); /* nobody works on them any more: a sanitizer would tell */
	}
	pool_close(NULL);
}

/* The system's own, which refuses when it has made as many threads as the test allows. */
static int threads_allowed = INT_MAX;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (!threads_allowed)
		return EAGAIN;
	threads_allowed--;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attr, fn, arg);
}

/* Where the system refuses threads, the work is done with those that there are. */
static void refused_threads_are_done_without(void **state)
{
	struct tally t = { .slow_nr = UINT32_MAX };
	struct job a = { .nr = 5 };

	for (int allowed = 0; allowed < 3; allowed++) {
		struct pool *p;

		threads_allowed = allowed;
		assert_int_equal(pool_open(4, do_job, &t, &p, NULL), ST_OK);
		threads_allowed = INT_MAX;
		assert_int_equal(pool_nr_threads(p), allowed + 1);
		assert_true(pool_submit(p, &a));
		check(pool_collect(p), 5);
		pool_close(p);
	}
}

static void cpus(void **state)
{
	assert_true(pool_nr_cpus() >= 1 && pool_nr_cpus() <= (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_back_in_order),
		cmocka_unit_test(no_more_than_the_bound),
		cmocka_unit_test(serial_twin_makes_no_thread),
		cmocka_unit_test(closing_drops_what_is_out),
		cmocka_unit_test(refused_threads_are_done_without),
		cmocka_unit_test(cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
