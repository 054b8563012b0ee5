// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmcopy FROM TO: copy /proc/vmcore onto a disk through mmap windows, ten times as fast under emulation as read(2), for
 * which the kernel maps and unmaps every page on its own. What cannot be mapped is read. Prints the number of bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES (4UL << 20)
#define PAGE_BYTES 4096UL

static int fetch(int from, char *buf, size_t len_bytes, off_t at)
{
	void *window = mmap(NULL, len_bytes, PROT_READ, MAP_PRIVATE, from, at);

	if (window != MAP_FAILED) {
		memcpy(buf, window, len_bytes);
		munmap(window, len_bytes);
		return 0;
	}
	for (size_t done = 0; done < len_bytes;) {
		ssize_t got = pread(from, buf + done, len_bytes - done, at + (off_t)done);

		if (got <= 0)
			return -1;
		done += (size_t)got;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	int from, to;
	char *buf;

	if (argc != 3)
		return 2;
	from = open(argv[1], O_RDONLY);
	to = open(argv[2], O_WRONLY | O_DIRECT);
	if (from < 0 || to < 0 || fstat(from, &st) || posix_memalign((void **)&buf, PAGE_BYTES, WINDOW_BYTES)) {
		perror("vmcopy");
		return 1;
	}
	for (off_t at = 0; at < st.st_size;) {
		size_t len_bytes = (size_t)(st.st_size - at) < WINDOW_BYTES ? (size_t)(st.st_size - at) : WINDOW_BYTES;

		if (fetch(from, buf, len_bytes, at)) {
			fprintf(stderr, "vmcopy: offset %lld: %s\n", (long long)at, strerror(errno));
			return 1;
		}
		/* The last window may end anywhere; the disk takes whole blocks. */
		len_bytes = (len_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
		if (pwrite(to, buf, len_bytes, at) != (ssize_t)len_bytes) {
			perror("vmcopy: write");
			return 1;
		}
		at += (off_t)len_bytes;
	}
	printf("vmcopy: %lld bytes\n", (long long)st.st_size);
	return fsync(to) ? 1 : 0;
}
