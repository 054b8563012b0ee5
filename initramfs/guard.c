// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/watchdog.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/units.h"
#include "initramfs/reboot.h"

#define STACK_BYTES 65536
#define WATCHDOG_NODE "/dev/watchdog"

/* Every field is written by the threads that make progress and read by the guard; hence atomic. */
static struct {
	_Atomic(const char *) stage;
	atomic_uint limit_seconds;
	atomic_uint_least64_t touched_ms; /* CLOCK_MONOTONIC */
	atomic_int watchdog_fd;
} guard = { .watchdog_fd = -1 };

static uint64_t now_ms(void)
{
	return (uint64_t)(units_now() * 1000);
}

void guard_touch(void)
{
	atomic_store(&guard.touched_ms, now_ms());
}

void guard_stage(const char *name, unsigned limit_seconds)
{
	log_debug("at %.1f s: %s", units_now(), name);
	guard_touch();
	atomic_store(&guard.stage, name);
	atomic_store(&guard.limit_seconds, limit_seconds);
}

bool guard_feed_watchdog(void)
{
	int fd = open(WATCHDOG_NODE, O_WRONLY | O_CLOEXEC);

	/* Never closed: with "nowayout" unset, closing would switch it off just when it may be needed. */
	atomic_store(&guard.watchdog_fd, fd);
	return fd >= 0;
}

static void *guard_main(void *arg)
{
	for (;;) {
		uint64_t silent_ms, touched = atomic_load(&guard.touched_ms), now = now_ms();
		int watchdog_fd = atomic_load(&guard.watchdog_fd);
		unsigned limit = atomic_load(&guard.limit_seconds);

		silent_ms = now > touched ? now - touched : 0;
		if (silent_ms > (uint64_t)limit * 1000) {
			log_error("no progress for %u s while %s; ending", limit, atomic_load(&guard.stage));
			reboot_hard();
		}
		if (watchdog_fd >= 0)
			ioctl(watchdog_fd, WDIOC_KEEPALIVE, 0);
		usleep(1000000);
	}
	return NULL;
}

enum status guard_start(struct err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return err_set_errno(err, ST_NO_MEMORY, rc, "cannot start the guard thread");
	pthread_attr_setstacksize(&attr, max_u64(STACK_BYTES, PTHREAD_STACK_MIN));
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, guard_main, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_set_errno(err, ST_NO_MEMORY, rc, "cannot start the guard thread");
	return ST_OK;
}
