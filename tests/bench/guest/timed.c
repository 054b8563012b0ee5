// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * timed FOLDER SECONDS PROGRAM ARGUMENTS...: run PROGRAM until it ends and what it wrote is on the disk of FOLDER, or kill it
 * after SECONDS (0: never). Prints wall and CPU seconds, the peak of its resident memory in KiB, and its wait status. It is
 * small, for a program's peak counts what its parent had at the fork.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void too_late(int signal)
{
	(void)signal;
	kill(child, SIGKILL);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	double began = now();
	struct rusage usage;
	int status, folder;

	if (argc < 4)
		return 2;
	folder = open(argv[1], O_RDONLY | O_DIRECTORY);
	child = fork();
	if (child == 0) {
		execv(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	signal(SIGALRM, too_late);
	alarm((unsigned)atoi(argv[2]));
	while (wait4(child, &status, 0, &usage) < 0)
		;
	alarm(0);
	if (folder < 0 || syncfs(folder)) {
		perror(argv[1]);
		return 1;
	}
	printf("timed %.3f %.3f %ld %d\n", now() - began, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss,
	       status);
	return 0;
}
