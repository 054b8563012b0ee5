// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes user memory of every kind that a dump level can tell apart, prints "ready", and holds it until the crash.
 * A kind that this kernel lacks is said and skipped: the judge counts what there really is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30 << 26)
#endif

#define KIB 1024UL
#define MIB (1024UL * KIB)
#define HUGE_BYTES (2 * MIB)
#define GIGANTIC_BYTES (1024 * MIB)
#define NR_SOCKETS 400
#define NR_NAMES 20000

static void missing(const char *what)
{
	printf("load: no %s: %s\n", what, strerror(errno));
}

/* Different in every page, so that neither zero detection nor same-page merging takes it for something else. */
static void fill(void *start, size_t len_bytes, uint64_t seed)
{
	uint64_t *word = start;

	for (size_t i = 0; i < len_bytes / sizeof(*word); i++)
		word[i] = (seed + i) * 0x9e3779b97f4a7c15ULL;
}

static void *map(size_t len_bytes, int flags)
{
	void *at = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* A mapping that starts on a huge page boundary. */
static void *map_aligned(size_t len_bytes)
{
	char *at = map(len_bytes + HUGE_BYTES, 0);

	return at ? (void *)(((uintptr_t)at + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1)) : NULL;
}

static void anonymous(void)
{
	char *small = map(24 * MIB, 0);
	char *huge = map_aligned(32 * MIB);
	char *zeros = map(4 * MIB, 0);

	if (!small || !huge || !zeros) {
		missing("anonymous memory");
		return;
	}
	madvise(small, 24 * MIB, MADV_NOHUGEPAGE);
	fill(small, 24 * MIB, 1);
	if (madvise(huge, 32 * MIB, MADV_HUGEPAGE))
		missing("transparent huge pages");
	fill(huge, 32 * MIB, 2);
	/* A huge page of which a part is given back: its tail pages stay until it is split. */
	madvise(huge + 4 * MIB + 64 * KIB, 128 * KIB, MADV_DONTNEED);
	/* Written, and yet zero. */
	madvise(zeros, 4 * MIB, MADV_NOHUGEPAGE);
	memset(zeros, 1, 4 * MIB);
	memset(zeros, 0, 4 * MIB);
}

static void pinned(void)
{
	char *at = map(2 * MIB, 0);
	int fds[2];

	if (!at || mlock(at, 2 * MIB))
		missing("locked memory");
	if (!at)
		return;
	fill(at, 2 * MIB, 3);
	/* User pages that a pipe holds, and pages that only the kernel knows in a pipe and in a socket. */
	if (pipe(fds) == 0) {
		struct iovec part = { at, 16 * 4 * KIB };

		fcntl(fds[1], F_SETPIPE_SZ, 1 * MIB);
		if (vmsplice(fds[1], &part, 1, SPLICE_F_NONBLOCK) < 0)
			missing("vmsplice");
	}
	if (pipe(fds) == 0 && write(fds[1], at, 32 * KIB) < 0)
		missing("pipe");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && write(fds[1], at, 64 * KIB) < 0)
		missing("socket");
}

static void hugetlb(void)
{
	char *at = map(3 * HUGE_BYTES, MAP_HUGETLB | MAP_POPULATE);

	if (!at) {
		missing("hugetlb");
		return;
	}
	fill(at, 2 * HUGE_BYTES, 4);
}

/* Only the machines that were booted with one have it. */
static void gigantic(void)
{
	char *at = mmap(NULL, GIGANTIC_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);

	if (at != MAP_FAILED)
		fill(at, 8 * MIB, 12);
}

/* Objects of the kernel's on our behalf, every other one of which is given back: slabs of all degrees of fullness. */
static void slabs(void)
{
	static int fds[2 * NR_SOCKETS];
	char name[32] = "";

	for (int i = 0; i < NR_SOCKETS; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds + 2 * i)) {
			missing("sockets");
			return;
		}
		if (write(fds[2 * i], name, sizeof(name)) != sizeof(name))
			missing("datagrams");
	}
	for (int i = 0; i < 2 * NR_SOCKETS; i += 4)
		close(fds[i]);
	/* Names that are not there are remembered as such. */
	for (int i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "/root/none/%d", i);
		access(name, F_OK);
	}
}

static void shared(void)
{
	int fd = memfd_create("load", 0);
	int id = shmget(IPC_PRIVATE, 4 * MIB, IPC_CREAT | 0600);
	char *at;

	if (fd < 0 || ftruncate(fd, 8 * MIB)) {
		missing("memfd");
	} else {
		at = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED)
			fill(at, 8 * MIB, 5);
	}
	at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (at == (void *)-1)
		missing("SysV shared memory");
	else
		fill(at, 4 * MIB, 6);
}

static void merged(void)
{
	char *at = map(4 * MIB, 0);

	if (!at)
		return;
	madvise(at, 4 * MIB, MADV_NOHUGEPAGE);
	memset(at, 0x5a, 4 * MIB);
	if (madvise(at, 4 * MIB, MADV_MERGEABLE))
		missing("same-page merging");
}

static void swapped(void)
{
	char *at = map(8 * MIB, 0);

	if (!at)
		return;
	madvise(at, 8 * MIB, MADV_NOHUGEPAGE);
	fill(at, 8 * MIB, 7);
	if (madvise(at, 8 * MIB, MADV_PAGEOUT))
		missing("page-out");
	/* Read half of it back: these pages are anonymous and in the swap cache at once. */
	for (size_t i = 0; i < 4 * MIB; i += 4 * KIB)
		*(volatile char *)(at + i);
}

/* The kernel kills whoever has the page; the page stays poisoned after it. */
static void poisoned(void)
{
	pid_t child = fork();

	if (child == 0) {
		char *at = map(4 * KIB, 0);

		if (!at)
			_exit(1);
		fill(at, 4 * KIB, 8);
		if (madvise(at, 4 * KIB, MADV_HWPOISON))
			missing("hwpoison");
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* A file mapping with private copies beside clean and dirty shared pages. */
static void files(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *ours, *theirs;

	if (fd < 0 || ftruncate(fd, 8 * MIB)) {
		missing(path);
		return;
	}
	ours = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	theirs = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ours == MAP_FAILED || theirs == MAP_FAILED) {
		missing("file mapping");
		return;
	}
	fill(theirs, 8 * MIB, 9);
	fill(ours, 2 * MIB, 10);
}

int main(int argc, char **argv)
{
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	anonymous();
	pinned();
	hugetlb();
	gigantic();
	shared();
	slabs();
	merged();
	swapped();
	poisoned();
	files(argc > 1 ? argv[1] : "/root/load.mapped");
	/* Pages shared with a child, and the copies that it makes. */
	child = fork();
	if (child == 0) {
		char *at = map(1 * MIB, 0);

		if (at)
			fill(at, 1 * MIB, 11);
		for (;;)
			pause();
	}
	puts("ready");
	for (;;)
		pause();
}
