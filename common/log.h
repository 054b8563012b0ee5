/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** Messages above @level are dropped. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/**
 * One line to stderr, prefixed "innercore: " (and "warning: " or "error: "), in one write(2) so that lines of several
 * processes on one console stay whole. Control characters are shown as "?": text from a guest must not steer
 * the terminal. The only way by which code below cli/ may speak.
 */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
