// SPDX-License-Identifier: GPL-2.0-or-later
/* From names to a dump: one file, the files of a split set, or a folder with either. */
#include "common/units.h"
#include "formats/dump_files.h"
#include "formats/elf/elf_physmem.h"
#include "formats/io/flattened.h"
#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"

static enum status open_source(struct rsource **src, struct physmem **pm, struct err *err)
{
	enum status st;

	if (flattened_probe(*src)) {
		struct rsource *flat;
		bool truncated;

		st = rsource_flattened_open(*src, &flat, &truncated, err);
		if (st != ST_OK)
			return st;
		*src = flat;
		st = kdump_physmem_open_flattened(flat, truncated, pm, err);
	} else if (kdump_physmem_probe(*src)) {
		st = kdump_physmem_open(*src, pm, err);
	} else if (elf_physmem_probe(*src)) {
		st = elf_physmem_open(*src, pm, err);
	} else {
		return err_set(err, ST_BAD_INPUT, "not a dump: neither ELF, KDUMP nor flattened KDUMP");
	}
	if (st == ST_OK)
		*src = NULL; /* owned by the physmem now */
	return st;
}

static enum status open_file(const char *path, struct physmem **pm, struct err *err)
{
	struct rsource *src;
	enum status st = rsource_file_open(path, &src, err);

	if (st != ST_OK)
		return st;
	st = open_source(&src, pm, err);
	rsource_close(src);
	return st == ST_OK ? st : err_wrap(err, st, "%s", path);
}

static enum status open_set(const char *const *paths, size_t nr, struct physmem **pm, struct err *err)
{
	struct physmem *files[DUMP_FILES_MAX] = { 0 };
	size_t nr_open = 0;
	enum status st = ST_OK;

	while (nr_open < nr && st == ST_OK) {
		st = open_file(paths[nr_open], &files[nr_open], err);
		nr_open += st == ST_OK;
		if (st == ST_OK)
			st = kdump_physmem_match(files[0], files[nr_open - 1], err);
	}
	if (st == ST_OK)
		st = kdump_physmem_join(files, nr, pm, err);
	if (st != ST_OK)
		while (nr_open)
			physmem_close(files[--nr_open]);
	return st;
}

static enum status open_found(const struct dump_files *files, struct physmem **pm, struct err *err)
{
	enum status st;

	if (files->nr == 1)
		return open_file(files->at[0], pm, err);
	st = open_set((const char *const *)files->at, files->nr, pm, err);
	if (st != ST_OK && files->folder)
		return err_wrap(err, st, "%s, as one split dump of %zu files", files->folder, files->nr);
	return st;
}

enum status physmem_open_files(const char *const *paths, size_t nr_paths, struct physmem **pm, struct err *err)
{
	struct dump_files files;
	enum status st = dump_files_find(paths, nr_paths, &files, err);

	if (st != ST_OK)
		return st;
	st = open_found(&files, pm, err);
	dump_files_deinit(&files);
	return st;
}

enum status physmem_open(const char *path, struct physmem **pm, struct err *err)
{
	return physmem_open_files(&path, 1, pm, err);
}
