/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_DUMP_FILES_H
#define FORMATS_DUMP_FILES_H

#include <stddef.h>

#include "common/err.h"

/** makedumpfile --split takes as many names as one likes; each is an open file here. */
#define DUMP_FILES_MAX 256u
/** What is looked at in a folder: not to get lost in one that was named by mistake. */
#define DUMP_FILES_FOLDER_MAX 4096u

/** The files of one dump. */
struct dump_files {
	char **at;
	size_t nr;
	char *folder; /**< in which they were found; NULL: named one by one */
};

/**
 * The files that @paths name: themselves, or, of one path that is a folder, all dumps in it, by name. Hidden files and
 * folders in it are passed over, symbolic links are followed; what cannot be looked at is an error that names it. At least
 * one file, at most DUMP_FILES_MAX. That they are one dump is not said: physmem_open_files() knows.
 */
enum status dump_files_find(const char *const *paths, size_t nr_paths, struct dump_files *files,
			    struct err *err) __must_check;
void dump_files_deinit(struct dump_files *files);

#endif
