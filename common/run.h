/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_RUN_H
#define COMMON_RUN_H

#include <stddef.h>

#include "common/err.h"

#define RUN_ERROR_TEXT_MAX 384

/** What a child process said and how it ended. */
struct run_result {
	int exit_code; /**< 128 + signal where a signal ended it */
	char *out;     /**< standard output, NUL-terminated; owned */
	size_t out_len_bytes;
	char error_text[RUN_ERROR_TEXT_MAX]; /**< the end of standard error, in one line */
};

/**
 * Find @program in $PATH and then in the sbin folders, which a plain user's or a cron job's PATH lacks.
 * ST_NOT_FOUND where it is in none.
 */
enum status run_find_program(const char *program, char *path, size_t len, struct err *err) __must_check;

/**
 * Run @argv (argv[0] an absolute path; no shell) with an empty standard input and the C locale, and collect at most
 * @max_out bytes of its standard output. ST_OK whatever its exit code is; ST_INTERRUPTED where it was killed after
 * @deadline_seconds. Release @result in every case.
 */
enum status run_program(const char *const argv[], unsigned deadline_seconds, size_t max_out, struct run_result *result,
			struct err *err) __must_check;
void run_result_deinit(struct run_result *result);

#endif
