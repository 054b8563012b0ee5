// SPDX-License-Identifier: GPL-2.0-or-later
/* Preloaded, it makes every file one of procfs: the program under test reads it through windows, like /proc/vmcore. */
#include <sys/vfs.h>

#define PROC_SUPER_MAGIC_NR 0x9fa0

int fstatfs(int fd, struct statfs *buf);
int fstatfs64(int fd, struct statfs64 *buf);

int fstatfs(int fd, struct statfs *buf)
{
	*buf = (struct statfs){ .f_type = PROC_SUPER_MAGIC_NR };
	return 0;
}

int fstatfs64(int fd, struct statfs64 *buf)
{
	*buf = (struct statfs64){ .f_type = PROC_SUPER_MAGIC_NR };
	return 0;
}
