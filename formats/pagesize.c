// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/pagesize.h"

#include <string.h>

uint32_t pagesize_from_vmcoreinfo(const char *text, size_t len)
{
	static const char key[] = "PAGESIZE=";
	const char *end = text ? text + len : NULL;
	const char *p = text ? memmem(text, len, key, sizeof(key) - 1) : NULL;
	uint64_t v = 0;

	while (p && p != text && p[-1] != '\n') /* the end of a longer key */
		p = memmem(p + 1, (size_t)(end - p) - 1, key, sizeof(key) - 1);
	if (!p)
		return PAGE_SIZE_DEFAULT;
	for (p += sizeof(key) - 1; p < end && *p >= '0' && *p <= '9' && v <= PAGE_SIZE_MAX; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return pagesize_is_sane(v) ? (uint32_t)v : PAGE_SIZE_DEFAULT;
}
