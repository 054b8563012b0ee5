/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_ENDIAN_H
#define COMMON_ENDIAN_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/** The byte order in which foreign data is written. */
enum byte_order { ORDER_LITTLE, ORDER_BIG };

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define ORDER_NATIVE ORDER_LITTLE
#else
#define ORDER_NATIVE ORDER_BIG
#endif

/*
 * get_/put_: unaligned access to a field of on-disk or guest data at @p, in order @o. The caller has checked that the
 * bytes are there.
 */
#define ENDIAN_ACCESS(bits)                                                                                            \
	static inline uint##bits##_t get_u##bits(const void *p, enum byte_order o)                                     \
	{                                                                                                              \
		uint##bits##_t v;                                                                                      \
		memcpy(&v, p, sizeof(v));                                                                              \
		return o == ORDER_LITTLE ? le##bits##toh(v) : be##bits##toh(v);                                        \
	}                                                                                                              \
	static inline void put_u##bits(void *p, enum byte_order o, uint##bits##_t v)                                   \
	{                                                                                                              \
		v = o == ORDER_LITTLE ? htole##bits(v) : htobe##bits(v);                                               \
		memcpy(p, &v, sizeof(v));                                                                              \
	}

ENDIAN_ACCESS(16)
ENDIAN_ACCESS(32)
ENDIAN_ACCESS(64)
#undef ENDIAN_ACCESS

#endif
