/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define GIB (UINT64_C(1024) * MIB)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/** Half-open interval of physical byte addresses, page frame numbers or indexes; the name of the variable says which. */
struct range {
	uint64_t start;
	uint64_t end;
};

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/** @align is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/** @align is a power of two; the caller knows that @v + @align does not overflow. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t div_round_up(uint64_t v, uint64_t by)
{
	return v / by + (v % by != 0);
}

static inline bool is_power_of_2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/** Does [@off, @off + @len) lie within [0, @size)? Safe against overflow. */
static inline bool span_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/** Of @nr ranges, sorted and disjoint: the first that ends after @at; @nr where none does. */
size_t ranges_find(const struct range *ranges, size_t nr, uint64_t at);

/** "123 B", "4.0 KiB", "1.5 GiB" into @buf (at least 16 bytes). Returns @buf. */
const char *units_bytes(uint64_t bytes, char *buf, size_t len);

/** Seconds of CLOCK_MONOTONIC. */
double units_now(void);

#endif
