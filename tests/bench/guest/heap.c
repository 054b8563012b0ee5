// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * heap FILE MIB CHILDREN: processes whose heaps look like those of real programs, as compressors see them, taken together
 * MIB large. Words of FILE are strings of linked objects with pointers, lengths, hashes and counters; beside them lie columns
 * of numbers, buffers of FILE's own bytes, arenas that nothing was put in yet, and a little noise (keys, packed data).
 * Prints "ready" when all of it is there, and holds it. The same input gives the same heaps.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1UL << 20)
#define PAGE_BYTES 4096UL
#define MAX_WORD 48U
#define NR_BUCKETS 65536U

struct object {
	struct object *next_in_bucket;
	struct object *previous;
	const void *type;
	uint64_t hash;
	uint32_t references;
	uint32_t len_bytes;
	char text[];
};

struct record {
	uint64_t id;
	uint64_t when_ns;
	double price;
	uint32_t quantity;
	uint16_t kind;
	uint16_t flags;
};

static const char *file;
static size_t file_len_bytes;
static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void *must(void *at)
{
	if (!at || at == MAP_FAILED) {
		perror("heap");
		exit(1);
	}
	return at;
}

/* Some place in FILE with at least @len_bytes behind it. */
static const char *somewhere(size_t len_bytes)
{
	return file + next_random() % (file_len_bytes - len_bytes);
}

static void objects(size_t total_bytes)
{
	static const char *const types[] = { "string", "path", "header", "token" };
	struct object **buckets = must(calloc(NR_BUCKETS, sizeof(struct object *)));
	struct object *previous = NULL;
	const char *word = somewhere(total_bytes < file_len_bytes / 2 ? total_bytes : file_len_bytes / 2);

	for (size_t used = 0; used < total_bytes;) {
		uint32_t len_bytes = 4 + (uint32_t)(next_random() % (MAX_WORD - 4));
		struct object *o;

		if (word + MAX_WORD >= file + file_len_bytes)
			word = somewhere(file_len_bytes / 2);
		o = must(malloc(sizeof(*o) + len_bytes + 1));
		memcpy(o->text, word, len_bytes);
		o->text[len_bytes] = '\0';
		o->len_bytes = len_bytes;
		o->references = 1 + (uint32_t)(next_random() % 3);
		o->type = types[len_bytes % 4];
		o->hash = len_bytes;
		for (uint32_t i = 0; i < len_bytes; i += 8)
			o->hash = (o->hash ^ (uint8_t)o->text[i]) * 0x100000001b3ULL;
		o->previous = previous;
		o->next_in_bucket = buckets[o->hash % NR_BUCKETS];
		buckets[o->hash % NR_BUCKETS] = o;
		previous = o;
		word += len_bytes;
		used += sizeof(*o) + len_bytes + 17;
	}
}

static void columns(size_t total_bytes)
{
	struct record *records = must(malloc(total_bytes));
	uint64_t when_ns = 1700000000000000000ULL;

	for (size_t i = 0; i < total_bytes / sizeof(*records); i++) {
		when_ns += next_random() % 1000000;
		records[i] = (struct record){
			.id = 1000000 + i,
			.when_ns = when_ns,
			.price = (double)(next_random() % 100000) / 100,
			.quantity = (uint32_t)(next_random() % 500),
			.kind = (uint16_t)(next_random() % 7),
		};
	}
}

static void buffers(size_t total_bytes)
{
	for (size_t used = 0; used < total_bytes; used += 64 << 10)
		memcpy(must(malloc(64 << 10)), somewhere(64 << 10), 48 << 10);
}

/* Touched, and zero but for a few words a page in every other page. */
static void arenas(size_t total_bytes)
{
	char *at = must(mmap(NULL, total_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t i = 0; i < total_bytes; i += PAGE_BYTES)
		*(uint64_t *)(at + i) = i & PAGE_BYTES ? (uint64_t)(uintptr_t)(at + i) : 0;
}

static void noise(size_t total_bytes)
{
	uint64_t *at = must(malloc(total_bytes));

	for (size_t i = 0; i < total_bytes / sizeof(*at); i++)
		at[i] = next_random();
}

static void fill(size_t total_bytes)
{
	objects(total_bytes * 45 / 100);
	columns(total_bytes * 17 / 100);
	buffers(total_bytes * 20 / 100);
	arenas(total_bytes * 13 / 100 & ~(PAGE_BYTES - 1));
	noise(total_bytes * 5 / 100);
}

int main(int argc, char **argv)
{
	int nr_children = argc == 4 ? atoi(argv[3]) : 0;
	int ready[2];
	struct stat st;
	char byte = 0;
	int fd;

	if (nr_children < 1 || pipe(ready))
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)MIB) {
		perror(argv[1]);
		return 1;
	}
	file_len_bytes = (size_t)st.st_size;
	file = must(mmap(NULL, file_len_bytes, PROT_READ, MAP_PRIVATE, fd, 0));
	for (int i = 0; i < nr_children; i++) {
		if (fork())
			continue;
		seed = 0x9e3779b97f4a7c15ULL * (uint64_t)(i + 1);
		fill((size_t)atol(argv[2]) * MIB / (size_t)nr_children);
		if (write(ready[1], &byte, 1) != 1)
			return 1;
		for (;;)
			pause();
	}
	close(ready[1]);
	for (int i = 0; i < nr_children; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
