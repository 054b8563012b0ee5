// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/units.h"

/* Codecs need little stack; the default of 8 MiB a thread is address space that a small capture kernel may not grant. */
#define STACK_BYTES (1024u * 1024u)

struct slot {
	void *item;
	bool done;
};

struct worker {
	struct pool *pool;
	unsigned index;
	pthread_t thread;
};

struct pool {
	pool_work_fn work; /* constant after open, like the next two */
	void *ctx;
	unsigned nr_threads;
	struct worker workers[POOL_MAX_THREADS]; /* [0], the owner, is not used */
	/* All below under @lock, but in the serial twin, which has none. */
	pthread_mutex_t lock;
	pthread_cond_t work_there; /* workers sleep here */
	pthread_cond_t oldest_done; /* the owner sleeps here */
	bool owner_sleeps;
	bool closing;
	/* Tickets: oldest <= next <= end. Slot of a ticket: modulo POOL_MAX_ITEMS. */
	uint64_t oldest; /* to be collected next */
	uint64_t next;	 /* to be worked on next */
	uint64_t end;	 /* to be submitted next */
	struct slot slots[POOL_MAX_ITEMS];
};

static struct slot *slot_of(struct pool *p, uint64_t ticket)
{
	return &p->slots[ticket % POOL_MAX_ITEMS];
}

/* Called with the lock held, returns with it held. */
static void work_on_next(struct pool *p, unsigned worker)
{
	uint64_t ticket = p->next++;
	struct slot *s = slot_of(p, ticket);

	pthread_mutex_unlock(&p->lock);
	p->work(p->ctx, worker, s->item);
	pthread_mutex_lock(&p->lock);
	s->done = true;
	if (p->owner_sleeps && ticket == p->oldest)
		pthread_cond_signal(&p->oldest_done);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->closing && p->next == p->end)
			pthread_cond_wait(&p->work_there, &p->lock);
		if (p->closing)
			break;
		work_on_next(p, w->index);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the owner: what they interrupt is its I/O. */
static void start_threads(struct pool *p, unsigned nr_threads)
{
	pthread_attr_t attr;
	/* These belong to the thread that makes them: blocked, they would end the process without its handlers. */
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t all, before;

	if (pthread_attr_init(&attr))
		return;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->nr_threads < nr_threads) {
		struct worker *w = &p->workers[p->nr_threads];

		*w = (struct worker){ .pool = p, .index = p->nr_threads };
		if (pthread_create(&w->thread, &attr, worker_main, w))
			break;
		p->nr_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

enum status pool_open(unsigned nr_threads, pool_work_fn work, void *ctx, struct pool **out, struct err *err)
{
	struct pool *p;

	if (nr_threads > POOL_MAX_THREADS)
		nr_threads = POOL_MAX_THREADS;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	p->work = work;
	p->ctx = ctx;
	p->nr_threads = 1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work_there, NULL);
	pthread_cond_init(&p->oldest_done, NULL);
	start_threads(p, nr_threads);
	*out = p;
	return ST_OK;
}

unsigned pool_nr_threads(const struct pool *p)
{
	return p->nr_threads;
}

bool pool_submit(struct pool *p, void *item)
{
	bool wake;

	pthread_mutex_lock(&p->lock);
	if (p->end - p->oldest == POOL_MAX_ITEMS) {
		pthread_mutex_unlock(&p->lock);
		return false;
	}
	*slot_of(p, p->end) = (struct slot){ .item = item };
	p->end++;
	wake = p->nr_threads > 1;
	pthread_mutex_unlock(&p->lock);
	if (wake)
		pthread_cond_signal(&p->work_there);
	return true;
}

void *pool_collect(struct pool *p)
{
	void *item = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->oldest != p->end) {
		while (!slot_of(p, p->oldest)->done) {
			if (p->next != p->end) {
				work_on_next(p, 0);
				continue;
			}
			p->owner_sleeps = true;
			pthread_cond_wait(&p->oldest_done, &p->lock);
			p->owner_sleeps = false;
		}
		item = slot_of(p, p->oldest)->item;
		p->oldest++;
	}
	pthread_mutex_unlock(&p->lock);
	return item;
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_mutex_unlock(&p->lock);
	pthread_cond_broadcast(&p->work_there);
	for (unsigned i = 1; i < p->nr_threads; i++)
		pthread_join(p->workers[i].thread, NULL);
	pthread_cond_destroy(&p->work_there);
	pthread_cond_destroy(&p->oldest_done);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

unsigned pool_nr_cpus(void)
{
	cpu_set_t set;
	int nr;

	/* More CPUs than the set has room for: EINVAL. More than that are of no use here either. */
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	nr = CPU_COUNT(&set);
	return nr < 1 ? 1 : (unsigned)nr;
}
