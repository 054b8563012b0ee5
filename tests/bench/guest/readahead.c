// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * readahead MIB: files named on standard input, a line each, into the page cache, until there are so many MiB. No byte is
 * copied, which under emulation is what reading costs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long long left = argc == 2 ? atoll(argv[1]) << 20 : 0;
	char name[4096];
	struct stat st;

	while (left > 0 && fgets(name, sizeof(name), stdin)) {
		int fd;

		name[strcspn(name, "\n")] = '\0';
		fd = open(name, O_RDONLY);
		if (fd < 0)
			continue;
		/* One call takes no more than the device's own limit. */
		if (fstat(fd, &st) == 0)
			for (off_t at = 0; at < st.st_size; at += 64 << 10)
				readahead(fd, at, 64 << 10);
		left -= st.st_size;
		close(fd);
	}
	return 0;
}
