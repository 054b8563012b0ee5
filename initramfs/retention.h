/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_RETENTION_H
#define INITRAMFS_RETENTION_H

#include "common/err.h"

struct retention_report {
	unsigned nr_removed;
	unsigned nr_skipped; /**< wanted to go, but hold what no dump holds, or cannot be removed */
};

/**
 * Keep @keep dumps in the folder @parentfd, @newest (the name of the dump just made) among them, and remove the oldest
 * others. Folders that hold no dump, only a log, are counted on their own: a row of failures must not push out the last
 * good dump. Call only once @newest is safe. @keep 0 keeps all. Only folders whose name dumpdir_make() could have given
 * are touched, and of these only such as hold nothing but plain files; symbolic links are never followed.
 */
enum status retention_prune(int parentfd, const char *newest, unsigned keep, struct retention_report *report,
			    struct err *err) __must_check;

#endif
