// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status err_set(struct err *err, enum status status, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return status;
	err->status = status;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return status;
}

enum status err_set_errno(struct err *err, enum status status, int sys_errno, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG)
		status = ST_NO_SPACE;
	else if (sys_errno == ENOMEM)
		status = ST_NO_MEMORY;
	if (!err)
		return status;
	err->status = status;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(sys_errno));
	return status;
}

enum status err_wrap(struct err *err, enum status status, const char *fmt, ...)
{
	char cause[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	if (!err)
		return status;
	memcpy(cause, err->text, sizeof(cause));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", cause);
	err->status = status;
	return status;
}
