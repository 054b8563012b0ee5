// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/uts.h"

#include <string.h>

#define SYSNAME "Linux"
/* Only a reference count may be before it. */
#define OFFSET_MAX 64u

bool uts_find(struct kmodel *km, uint64_t *vaddr)
{
	char raw[OFFSET_MAX + sizeof(SYSNAME)];
	uint64_t ns, off;

	if (!vmcoreinfo_symbol(km->vi, "init_uts_ns", &ns))
		return false;
	if (vmcoreinfo_offset(km->vi, "uts_namespace.name", &off)) {
		*vaddr = ns + off;
		return true;
	}
	if (kmodel_read(km, ns, raw, sizeof(raw), NULL) != ST_OK)
		return false;
	for (off = 0; off <= OFFSET_MAX; off++) {
		if (!memcmp(raw + off, SYSNAME, sizeof(SYSNAME))) {
			*vaddr = ns + off;
			return true;
		}
	}
	return false;
}
