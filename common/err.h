/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/** What kind of trouble a fallible function met. */
enum status {
	ST_OK = 0,
	ST_USAGE,	/**< the caller asked for something that makes no sense */
	ST_BAD_INPUT,	/**< a file or guest memory is not what it claims to be */
	ST_NOT_FOUND,	/**< the thing asked for is not there */
	ST_NO_DATA,	/**< the dump holds no bytes for that address (never captured, or filtered) */
	ST_IO,		/**< the operating system, or the medium, refused */
	ST_NO_SPACE,	/**< the output has no room left */
	ST_NO_MEMORY,	/**< this process has no memory left */
	ST_UNSUPPORTED,	/**< understood, but this build or version cannot do it */
	ST_INTERRUPTED,	/**< SIGINT, SIGTERM or a deadline ended the work */
	ST_INTERNAL,	/**< a fault of ours */
};

#define ERR_TEXT_MAX 512

/**
 * A causal chain in one line. The lowest layer calls err_set(), each layer above err_wrap(), so the text reads
 * from the user's point of view down to the cause: "capture: cannot open core: not an ELF file". Owned by the
 * caller, never allocates; overlong text loses its tail.
 */
struct err {
	enum status status;
	char text[ERR_TEXT_MAX];
};

#define __must_check __attribute__((warn_unused_result))
#define __printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/** Replace what @err says. @err may be NULL. Returns @status, so that `return err_set(...)` reads naturally. */
enum status err_set(struct err *err, enum status status, const char *fmt, ...) __printf_like(3, 4);

/** As err_set(), with the text of @sys_errno (an errno value) appended; ENOSPC and ENOMEM override @status. */
enum status err_set_errno(struct err *err, enum status status, int sys_errno, const char *fmt, ...)
	__printf_like(4, 5);

/** Prepend what this layer knows. Returns @status unchanged. */
enum status err_wrap(struct err *err, enum status status, const char *fmt, ...) __printf_like(3, 4);

#endif
