/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

#include "capture/session.h"

/** Progress on stderr: one live line on a terminal, else a plain line every few seconds (a serial console's log). */
struct progress {
	bool is_terminal;
	double last_line_seconds; /**< when the last plain line was printed */
	bool line_open;		  /**< a live line stands on the terminal */
};

void progress_init(struct progress *p);
/** A capture_progress_fn; @ctx is the struct progress. */
void progress_show(void *ctx, const struct capture_progress *p);
/** Take the live line away, so that what follows starts on a line of its own. */
void progress_end(struct progress *p);

#endif
