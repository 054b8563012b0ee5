/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_MODULES_H
#define INITRAMFS_MODULES_H

#include <stddef.h>

#include "common/err.h"

/** Where the initramfs holds its kernel modules, and the file there that lists them, one name a line, in load order. */
#define MODULES_FOLDER "/modules"
#define MODULES_LIST "list"

struct modules_report {
	unsigned nr_loaded, nr_failed;
};

/**
 * Load what @folder/list names, in that order, with the parameters that @cmdline (the text of /proc/cmdline) has for
 * each as "module.parameter=value". A module that does not load is logged and counted; the next one is tried. An error
 * only where the list itself cannot be read.
 */
enum status modules_load(const char *folder, const char *cmdline, struct modules_report *report,
			 struct err *err) __must_check;

/** "NN-name.ko" -> "name" into @buf, with "-" as "_"; "" where it has not that form. */
const char *modules_name_of_file(const char *file, char *buf, size_t len);

/** The parameters that @cmdline has for the module @name ("a=1 b") into @buf. */
const char *modules_parameters(const char *cmdline, const char *name, char *buf, size_t len);

#endif
