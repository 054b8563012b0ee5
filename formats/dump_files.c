// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/dump_files.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/elf/elf_physmem.h"
#include "formats/io/flattened.h"
#include "formats/kdump/kdump_physmem.h"

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

void dump_files_deinit(struct dump_files *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->at[i]);
	free(list->at);
	free(list->folder);
	*list = (struct dump_files){ 0 };
}

/* Takes @path over. */
static enum status add(struct dump_files *list, char *path, struct err *err)
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
static enum status list_dumps(const char *folder, struct dump_files *list, struct err *err)
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
		if (++nr_seen > DUMP_FILES_FOLDER_MAX) {
			st = err_set(err, ST_BAD_INPUT, "%s has more than %u files: name the dump's", folder,
				     DUMP_FILES_FOLDER_MAX);
			break;
		}
		path = join_path(folder, e->d_name);
		if (path)
			st = look_at(path, &is_dump, err);
		if (path && !(st == ST_OK && is_dump))
			free(path);
		else
			st = add(list, path, err);
	}
	closedir(dir);
	if (st == ST_OK && list->nr)
		qsort(list->at, list->nr, sizeof(*list->at), by_name);
	return st;
}

static enum status find_in_folder(const char *folder, struct dump_files *files, struct err *err)
{
	enum status st = list_dumps(folder, files, err);

	if (st == ST_OK && !files->nr)
		return err_set(err, ST_BAD_INPUT, "%s is a directory, and no file in it is a dump", folder);
	if (st != ST_OK)
		return st;
	files->folder = strdup(folder);
	return files->folder ? ST_OK : err_set(err, ST_NO_MEMORY, "out of memory");
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum status dump_files_find(const char *const *paths, size_t nr_paths, struct dump_files *files, struct err *err)
{
	enum status st = ST_OK;

	*files = (struct dump_files){ 0 };
	if (nr_paths == 1 && is_folder(paths[0]))
		st = find_in_folder(paths[0], files, err);
	else
		for (size_t i = 0; i < nr_paths && st == ST_OK; i++)
			st = add(files, strdup(paths[i]), err);
	if (st == ST_OK && files->nr > DUMP_FILES_MAX)
		st = err_set(err, ST_BAD_INPUT, "a split dump of %zu files: more than %u are not taken", files->nr,
			     DUMP_FILES_MAX);
	if (st != ST_OK)
		dump_files_deinit(files);
	return st;
}
