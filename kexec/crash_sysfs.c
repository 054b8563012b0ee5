// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/crash_sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"

static bool read_number(const char *sys, const char *name, uint64_t *v)
{
	char path[PATH_MAX], line[32], *end;

	snprintf(path, sizeof(path), "%s/kernel/%s", sys, name);
	file_first_line(path, line, sizeof(line));
	*v = strtoull(line, &end, 10);
	return end != line;
}

void crash_sysfs_read(const char *sys, struct crash_sysfs *info)
{
	uint64_t loaded = 0, size = 0;

	info->supported =
		read_number(sys, "kexec/crash_loaded", &loaded) || read_number(sys, "kexec_crash_loaded", &loaded);
	info->loaded = loaded != 0;
	if (!read_number(sys, "kexec/crash_size", &size))
		(void)read_number(sys, "kexec_crash_size", &size);
	info->reserved_bytes = size;
}
