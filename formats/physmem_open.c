// SPDX-License-Identifier: GPL-2.0-or-later
/* From names to a dump: one file, the files of a split set, or a folder with either. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"
#include "formats/elf/elf_physmem.h"
#include "formats/io/flattened.h"
#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"

/* makedumpfile --split takes as many names as one likes; each is an open file here. */
#define SET_MAX_FILES 256u

struct name_list {
	char **at;
	size_t nr;
};

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
	struct physmem *files[SET_MAX_FILES] = { 0 };
	size_t nr_open = 0;
	enum status st = ST_OK;

	if (nr > SET_MAX_FILES)
		return err_set(err, ST_BAD_INPUT, "a split dump of %zu files: more than %u are not taken", nr,
			       SET_MAX_FILES);
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

/* A vmlinux may lie beside its dump. */
static bool is_elf_core(struct rsource *src)
{
	uint8_t ident[EI_NIDENT + 2];

	if (!elf_physmem_probe(src) || rsource_read(src, 0, ident, sizeof(ident), NULL) != ST_OK)
		return false;
	return get_u16(ident + EI_NIDENT, ident[EI_DATA] == ELFDATA2MSB ? ORDER_BIG : ORDER_LITTLE) == ET_CORE;
}

/*
 * Is @path, in a folder, a dump? What cannot be looked at may be one, and a set without it would be taken for less than it
 * is: an error, which names it.
 */
static enum status look_at(const char *path, bool *is_dump, struct err *err)
{
	struct rsource *src;
	struct stat st;
	enum status opened;

	*is_dump = false;
	if (stat(path, &st) < 0)
		return lstat(path, &st) == 0 && S_ISLNK(st.st_mode)
			       ? err_set(err, ST_BAD_INPUT, "%s is a symbolic link that leads nowhere", path)
			       : err_set_errno(err, ST_IO, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return ST_OK;
	opened = rsource_file_open(path, &src, err);
	if (opened != ST_OK)
		return opened;
	*is_dump = flattened_probe(src) || kdump_physmem_probe(src) || is_elf_core(src);
	rsource_close(src);
	return ST_OK;
}

static void name_list_deinit(struct name_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->at[i]);
	free(list->at);
}

/* Takes @path over. */
static enum status name_list_add(struct name_list *list, char *path, struct err *err)
{
	char **at = path ? reallocarray(list->at, list->nr + 1, sizeof(*at)) : NULL;

	if (!at) {
		free(path);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	list->at = at;
	at[list->nr++] = path;
	return ST_OK;
}

static char *join_path(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/** All dumps in @folder, by name. Hidden files are not looked at. */
static enum status list_dumps(const char *folder, struct name_list *list, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	size_t nr_seen = 0;
	enum status st = ST_OK;

	if (!dir)
		return err_set_errno(err, ST_IO, errno, "cannot open %s", folder);
	while (st == ST_OK && (e = readdir(dir))) {
		bool is_dump = false;
		char *path;

		if (e->d_name[0] == '.')
			continue;
		if (++nr_seen > PHYSMEM_FOLDER_MAX_FILES) {
			st = err_set(err, ST_BAD_INPUT, "%s has more than %u files: name the dump's", folder,
				     PHYSMEM_FOLDER_MAX_FILES);
			break;
		}
		path = join_path(folder, e->d_name);
		if (path)
			st = look_at(path, &is_dump, err);
		if (path && !(st == ST_OK && is_dump))
			free(path);
		else
			st = name_list_add(list, path, err);
	}
	closedir(dir);
	if (st == ST_OK && list->nr)
		qsort(list->at, list->nr, sizeof(*list->at), by_name);
	return st;
}

static enum status open_folder(const char *path, struct physmem **pm, struct err *err)
{
	struct name_list list = { 0 };
	enum status st = list_dumps(path, &list, err);

	if (st == ST_OK && !list.nr)
		st = err_set(err, ST_BAD_INPUT, "%s is a directory, and no file in it is a dump", path);
	else if (st == ST_OK && list.nr == 1)
		st = open_file(list.at[0], pm, err);
	else if (st == ST_OK) {
		st = open_set((const char *const *)list.at, list.nr, pm, err);
		if (st != ST_OK)
			err_wrap(err, st, "%s, as one split dump of %zu files", path, list.nr);
	}
	name_list_deinit(&list);
	return st;
}

enum status physmem_open(const char *path, struct physmem **pm, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return open_folder(path, pm, err);
	return open_file(path, pm, err);
}

enum status physmem_open_files(const char *const *paths, size_t nr_paths, struct physmem **pm, struct err *err)
{
	if (nr_paths == 1)
		return physmem_open(paths[0], pm, err);
	return open_set(paths, nr_paths, pm, err);
}
