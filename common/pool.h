/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_POOL_H
#define COMMON_POOL_H

#include <stdbool.h>

#include "common/err.h"

/**
 * Threads that work on items; the items come back in the order in which they were submitted, whoever was faster. The
 * thread that owns the pool is one of its workers: while it waits it works. Threads without work sleep.
 *
 * Between pool_submit() and pool_collect() an item belongs to the pool: one worker at a time touches it, and what it wrote
 * is visible to the owner after pool_collect(). Submit, collect and close are for the owning thread alone.
 */
struct pool;

/** Items that may be out at a time; nothing is allocated after pool_open(). */
#define POOL_MAX_ITEMS 256u
#define POOL_MAX_THREADS 128u

/** Work on @item. @worker: 0 for the owning thread, else 1 .. pool_nr_threads() - 1: an index for state of its own. */
typedef void (*pool_work_fn)(void *ctx, unsigned worker, void *item);

/**
 * @nr_threads counts the caller: 1 (and 0) is the serial twin, which makes no thread and does each item's work when it is
 * collected. At most POOL_MAX_THREADS. A thread that the system refuses is done without: see pool_nr_threads().
 */
enum status pool_open(unsigned nr_threads, pool_work_fn work, void *ctx, struct pool **p, struct err *err) __must_check;

/** Threads that there are, the caller included. */
unsigned pool_nr_threads(const struct pool *p);

/** Hand over @item, not NULL. False: POOL_MAX_ITEMS are out, collect first. */
bool pool_submit(struct pool *p, void *item) __must_check;

/**
 * The oldest submitted item, when its work is done; until then this thread works on what nobody took yet, or sleeps. NULL:
 * none is out.
 */
void *pool_collect(struct pool *p);

/**
 * Items that nobody took yet are dropped, those in work are waited for. The memory of items is the caller's own. NULL is
 * fine.
 */
void pool_close(struct pool *p);

/** CPUs that this process may run on, at least 1. */
unsigned pool_nr_cpus(void);

#endif
