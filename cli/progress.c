// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#define PLAIN_LINE_SECONDS 3.0

void progress_init(struct progress *p)
{
	*p = (struct progress){ .is_terminal = isatty(STDERR_FILENO) };
}

static void format(const struct capture_progress *p, char *line, size_t len)
{
	double share = p->total ? (double)p->done / (double)p->total : 1.0;
	double rate = p->seconds > 0 ? (double)p->done / p->seconds : 0;
	char written[16];
	int n;

	n = snprintf(line, len, "%s %3.0f%%  %llu of %llu pages  %s written  %.0f pages/s", p->stage, share * 100,
		     (unsigned long long)p->done, (unsigned long long)p->total,
		     units_bytes(p->bytes_written, written, sizeof(written)), rate);
	if (n > 0 && (size_t)n < len && rate > 0 && p->done < p->total)
		snprintf(line + n, len - (size_t)n, "  eta %.0f s", (double)(p->total - p->done) / rate);
}

void progress_show(void *ctx, const struct capture_progress *p)
{
	struct progress *state = ctx;
	char line[160];

	if (!state->is_terminal && p->seconds - state->last_line_seconds < PLAIN_LINE_SECONDS)
		return;
	format(p, line, sizeof(line));
	if (state->is_terminal) {
		fprintf(stderr, "\r\033[K%s", line);
		state->line_open = true;
	} else {
		fprintf(stderr, "innercore: %s\n", line);
		state->last_line_seconds = p->seconds;
	}
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->line_open)
		fputs("\r\033[K", stderr);
	p->line_open = false;
}
