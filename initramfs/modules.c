// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"

#define LIST_MAX_BYTES 65536
#define NAME_MAX_BYTES 64
#define PARAMETERS_MAX_BYTES 1024

static char fold(char c)
{
	return c == '-' ? '_' : c;
}

const char *modules_name_of_file(const char *file, char *buf, size_t len)
{
	const char *dash = strchr(file, '-');
	const char *name = dash ? dash + 1 : file;
	size_t n = strcspn(name, ".");

	buf[0] = '\0';
	if (!n || n >= len || strcmp(name + n, ".ko") != 0)
		return buf;
	for (size_t i = 0; i < n; i++)
		buf[i] = fold(name[i]);
	buf[n] = '\0';
	return buf;
}

/* The length of the next parameter of @cmdline; blanks in double quotes do not end it, as in the kernel's next_arg().
 */
static size_t token_length(const char *s)
{
	bool quoted = false;
	size_t n = 0;

	for (; s[n] && s[n] != '\n' && (quoted || (s[n] != ' ' && s[n] != '\t')); n++)
		if (s[n] == '"')
			quoted = !quoted;
	return n;
}

static bool belongs_to(const char *token, size_t token_len, const char *name)
{
	size_t n = strlen(name);

	if (token_len <= n + 1 || token[n] != '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (fold(token[i]) != name[i])
			return false;
	return true;
}

const char *modules_parameters(const char *cmdline, const char *name, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (const char *s = cmdline; *s; s += strspn(s, " \t\n")) {
		size_t n = token_length(s), skip = strlen(name) + 1;

		if (belongs_to(s, n, name) && used + (n - skip) + 2 <= len)
			used += (size_t)snprintf(buf + used, len - used, "%s%.*s", used ? " " : "", (int)(n - skip),
						 s + skip);
		s += n;
	}
	return buf;
}

static bool load_one(const char *folder, const char *file, const char *cmdline)
{
	char path[PATH_MAX], name[NAME_MAX_BYTES], parameters[PARAMETERS_MAX_BYTES];
	_cleanup_fd_ int fd = -1;

	modules_name_of_file(file, name, sizeof(name));
	if (!*name || (size_t)snprintf(path, sizeof(path), "%s/%s", folder, file) >= sizeof(path)) {
		log_warn("\"%s\" is no name of a module", file);
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_warn("cannot open the module %s: %s", path, strerror(errno));
		return false;
	}
	modules_parameters(cmdline, name, parameters, sizeof(parameters));
	/* EEXIST: built in, or loaded already. */
	if (syscall(SYS_finit_module, fd, parameters, 0) == 0 || errno == EEXIST) {
		log_debug("module %s %s", name, parameters);
		return true;
	}
	log_warn("the module %s did not load: %s", name, strerror(errno));
	return false;
}

enum status modules_load(const char *folder, const char *cmdline, struct modules_report *report, struct err *err)
{
	_cleanup_free_ uint8_t *list = NULL;
	char path[PATH_MAX];
	size_t len;
	enum status st;

	*report = (struct modules_report){ 0 };
	snprintf(path, sizeof(path), "%s/%s", folder, MODULES_LIST);
	st = file_read_all(path, LIST_MAX_BYTES, &list, &len, err);
	if (st != ST_OK)
		return st;
	for (char *save = NULL, *file = strtok_r((char *)list, "\n", &save); file; file = strtok_r(NULL, "\n", &save)) {
		if (load_one(folder, file, cmdline))
			report->nr_loaded++;
		else
			report->nr_failed++;
	}
	return ST_OK;
}
