// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/module_set.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/run.h"

#define MODPROBE_SECONDS 30
#define MODPROBE_MAX_OUT 262144
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define LIB_MODULES "/lib/modules"

static bool holds_modules(const char *format, const char *folder, const char *release)
{
	char path[PATH_MAX + 160];

	snprintf(path, sizeof(path), "%s%s/%s/modules.dep", folder, format, release);
	return access(path, F_OK) == 0;
}

/* Cut the last @nr parts off. */
static void go_up(char *path, int nr)
{
	while (nr--) {
		char *slash = strrchr(path, '/');

		if (slash)
			*slash = '\0';
	}
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* DIR is lib/modules/RELEASE itself: take the release from its name. */
static bool is_release_folder(const char *folder, const char **release)
{
	char path[PATH_MAX + 16], parent[PATH_MAX];
	const char *slash = strrchr(folder, '/');

	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	if (!slash || access(path, F_OK) < 0)
		return false;
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - folder), folder);
	if (!ends_with(parent, LIB_MODULES))
		return false;
	if (!*release)
		*release = slash + 1;
	return strcmp(*release, slash + 1) == 0;
}

/* How a folder that was named relates to the root; sets the number of parts to cut off. */
static bool find_root(const char *folder, const char **release, const char *running, int *up)
{
	if (is_release_folder(folder, release)) {
		*up = 3;
		return true;
	}
	if (!*release)
		*release = running;
	*up = 0;
	if (holds_modules(LIB_MODULES, folder, *release))
		return true;
	*up = 2;
	return ends_with(folder, LIB_MODULES) && holds_modules("", folder, *release);
}

enum status module_tree_find(const char *folder, const char *release, struct module_tree *tree, struct err *err)
{
	char real[PATH_MAX] = "", named[PATH_MAX] = "";
	struct utsname uts;
	int up = 0;

	if (uname(&uts) < 0)
		return err_set(err, ST_INTERNAL, "uname does not work");
	if (release && (strchr(release, '/') || strlen(release) >= sizeof(tree->release) || release[0] == '.'))
		return err_set(err, ST_USAGE, "\"%s\" is no kernel release", release);
	/* As written first: on a system with a merged /usr the real path has one part more. */
	if (folder && (!realpath(folder, real) || strlen(folder) >= sizeof(named)))
		return err_set(err, ST_NOT_FOUND, "there is no folder %s", folder);
	if (folder && folder[0] == '/')
		snprintf(named, sizeof(named), "%.*s", (int)strlen(folder), folder);
	else if (folder)
		memcpy(named, real, sizeof(named));
	while (strlen(named) > 1 && ends_with(named, "/"))
		named[strlen(named) - 1] = '\0';
	if (!find_root(named, &release, uts.release, &up))
		return err_set(err, ST_NOT_FOUND,
			       "there is no %s/lib/modules/%s/modules.dep: install that kernel, name its modules with "
			       "--modules, or run depmod",
			       named, release);
	snprintf(tree->release, sizeof(tree->release), "%s", release);
	go_up(named, up);
	memcpy(tree->root, named, sizeof(named));
	return ST_OK;
}

/* "insmod PATH [parameters]" or "builtin NAME". Paths with blanks cannot be told from parameters; kmod has the same
 * limit. */
static enum status take_line(const char *line, struct word_list *files, struct err *err)
{
	static const char insmod[] = "insmod ", builtin[] = "builtin ";
	const char *path = line + sizeof(insmod) - 1, *end;

	if (!*line || !strncmp(line, builtin, sizeof(builtin) - 1))
		return ST_OK;
	if (strncmp(line, insmod, sizeof(insmod) - 1) != 0)
		return err_set(err, ST_BAD_INPUT, "modprobe says \"%.80s\"", line);
	end = strstr(path, ".ko");
	if (!end)
		return err_set(err, ST_BAD_INPUT, "modprobe says \"%.80s\"", line);
	return word_list_add_n(files, path, (size_t)(end - path) + strcspn(end, " "), err);
}

static enum status take_lines(char *text, struct word_list *files, struct err *err)
{
	enum status st = ST_OK;

	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && st == ST_OK;
	     line = strtok_r(NULL, "\n", &save))
		st = take_line(line, files, err);
	return st;
}

enum status module_set_resolve(const struct module_tree *tree, const char *name, struct word_list *files,
			       struct err *err)
{
	char modprobe[PATH_MAX];
	/* No configuration of this machine: its aliases and options are for the first kernel, and bytes must not vary.
	 */
	const char *argv[] = { modprobe,      "-C",
			       "/dev/null",   "-S",
			       tree->release, "--show-depends",
			       "-d",	      *tree->root ? tree->root : "/",
			       "--",	      name,
			       NULL };
	struct run_result result = { 0 };
	enum status st;

	if (!*name || name[strspn(name, NAME_CHARACTERS)])
		return err_set(err, ST_USAGE, "\"%s\" is no name of a module", name);
	st = run_find_program("modprobe", modprobe, sizeof(modprobe), err);
	if (st != ST_OK)
		return err_wrap(err, st, "install the package kmod");
	st = run_program(argv, MODPROBE_SECONDS, MODPROBE_MAX_OUT, &result, err);
	if (st == ST_OK && result.exit_code != 0)
		st = err_set(err, ST_NOT_FOUND, "there is no module %s for kernel %s (%s)", name, tree->release,
			     result.error_text);
	if (st == ST_OK)
		st = take_lines(result.out, files, err);
	run_result_deinit(&result);
	return st;
}

enum status module_file_name(const char *path, char *buf, size_t len, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t n = strspn(base, NAME_CHARACTERS);

	if (!n || n >= len || strncmp(base + n, ".ko", 3) != 0)
		return err_set(err, ST_BAD_INPUT, "%s is not named like a module", path);
	memcpy(buf, base, n);
	buf[n] = '\0';
	return ST_OK;
}
