/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_file_ _cleanup_(cleanup_file)

/** Take the value out of a _cleanup_ variable of pointer type, leaving NULL. */
#define steal_ptr(p)                                                                                                   \
	({                                                                                                             \
		__typeof__(p) stolen_ = (p);                                                                           \
		(p) = NULL;                                                                                            \
		stolen_;                                                                                               \
	})

#endif
