// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What no dumper can do without: the codec's library alone on the same pages, and one read of memory.
 *
 *	limit CORE OFFSETS CODEC THREADS
 *
 * OFFSETS is a file of 64-bit offsets of pages in CORE. "read" adds up all words of each page, the other codecs compress each
 * with what innercore asks of their libraries, and nothing is written anywhere. CORE is mapped as a whole; only "read" pays for
 * mapping it in, the codecs start when that is done. Prints wall and CPU seconds, and bytes out.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define PAGE_BYTES 4096U
#define CHUNK_PAGES 256U
#define MAX_THREADS 64
#define OUT_BYTES (2 * PAGE_BYTES)

struct codec {
	struct libdeflate_compressor *deflate;
	ZSTD_CCtx *zstd;
	void *lzo;
	char out[OUT_BYTES];
};

static const char *core;
static size_t core_len_bytes;
static const uint64_t *offsets;
static size_t nr_pages;
static size_t (*pack)(struct codec *c, const char *page); /* NULL: "read" */
static atomic_size_t next_page;
static atomic_ullong total;

static size_t pack_zlib(struct codec *c, const char *page)
{
	return libdeflate_zlib_compress(c->deflate, page, PAGE_BYTES, c->out, PAGE_BYTES - 1);
}

static size_t pack_lzo(struct codec *c, const char *page)
{
	lzo_uint len = 0;

	lzo1x_1_12_compress((const unsigned char *)page, PAGE_BYTES, (unsigned char *)c->out, &len, c->lzo);
	return len;
}

static size_t pack_snappy(struct codec *c, const char *page)
{
	size_t len = OUT_BYTES;

	return snappy_compress(page, PAGE_BYTES, c->out, &len) == SNAPPY_OK ? len : 0;
}

static int zstd_level(const char *page)
{
	unsigned nr_zero = 0;

	for (unsigned i = 0; i < PAGE_BYTES; i++)
		nr_zero += !page[i];
	return nr_zero < PAGE_BYTES / 2 ? 1 : -1;
}

static size_t pack_zstd(struct codec *c, const char *page)
{
	size_t len;

	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, zstd_level(page));
	len = ZSTD_compress2(c->zstd, c->out, PAGE_BYTES - 1, page, PAGE_BYTES);
	return ZSTD_isError(len) ? 0 : len;
}

static uint64_t sum(const char *page)
{
	uint64_t parts[4] = { 0 }, words[4];

	for (size_t i = 0; i < PAGE_BYTES; i += sizeof(words)) {
		memcpy(words, page + i, sizeof(words));
		for (size_t k = 0; k < 4; k++)
			parts[k] += words[k];
	}
	return parts[0] ^ parts[1] ^ parts[2] ^ parts[3];
}

static void *work(void *reading)
{
	struct codec *c = calloc(1, sizeof(*c));
	unsigned long long mine = 0;
	size_t first;

	if (!c)
		abort();
	c->deflate = libdeflate_alloc_compressor(1);
	c->zstd = ZSTD_createCCtx();
	c->lzo = malloc(LZO1X_1_12_MEM_COMPRESS);
	while ((first = atomic_fetch_add(&next_page, CHUNK_PAGES)) < nr_pages)
		for (size_t i = first; i < nr_pages && i < first + CHUNK_PAGES; i++)
			mine += reading ? sum(core + offsets[i]) : pack(c, core + offsets[i]);
	atomic_fetch_add(&total, mine);
	return NULL;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void all(unsigned nr_threads, bool reading, bool telling)
{
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	pthread_t threads[MAX_THREADS];

	next_page = total = 0;
	for (unsigned i = 1; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, work, reading ? &core : NULL))
			abort();
	work(reading ? &core : NULL);
	for (unsigned i = 1; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	if (telling)
		printf("%.6f %.6f %llu\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, total);
}

static const void *map(const char *path, size_t *len_bytes)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st)) {
		perror(path);
		exit(1);
	}
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	*len_bytes = (size_t)st.st_size;
	return at;
}

static const struct {
	const char *name;
	size_t (*pack)(struct codec *c, const char *page);
} codecs[] = { { "zlib", pack_zlib }, { "lzo", pack_lzo }, { "snappy", pack_snappy }, { "zstd", pack_zstd } };

int main(int argc, char **argv)
{
	unsigned nr_threads = argc == 5 ? (unsigned)atoi(argv[4]) : 0;

	if (!nr_threads || nr_threads > MAX_THREADS)
		return 2;
	core = map(argv[1], &core_len_bytes);
	offsets = map(argv[2], &nr_pages);
	nr_pages /= sizeof(*offsets);
	for (size_t i = 0; i < nr_pages; i++)
		if (offsets[i] > core_len_bytes - PAGE_BYTES)
			return 2;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
		if (!strcmp(codecs[i].name, argv[3]))
			pack = codecs[i].pack;
	if (!pack && strcmp(argv[3], "read"))
		return 2;
	if (pack)
		all(nr_threads, true, false);
	all(nr_threads, !pack, true);
	return 0;
}
