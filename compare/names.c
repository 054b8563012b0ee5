// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/compare.h"

const char *cause_name(enum cause c)
{
	static const char *const names[] = {
		[CAUSE_NONE] = "unexplained",
		[CAUSE_LOW_1MIB] = "low_1mib",
		[CAUSE_CRASH_KERNEL] = "crash_kernel",
		[CAUSE_FIRMWARE] = "firmware",
		[CAUSE_ROM] = "rom",
		[CAUSE_DEVICE] = "device_memory",
		[CAUSE_FLASH] = "flash",
		[CAUSE_PARTIAL_PAGE] = "partial_page",
		[CAUSE_OFFLINE] = "offline",
		[CAUSE_EXCLUDED] = "excluded_by_level",
	};

	return names[c];
}

const char *audit_class_name(enum audit_class c)
{
	static const char *const names[] = {
		[AUDIT_FREE] = "free",	       [AUDIT_CACHE] = "cache", [AUDIT_USER] = "user", [AUDIT_OFFLINE] = "offline",
		[AUDIT_HWPOISON] = "hwpoison", [AUDIT_ZERO] = "zero",	[AUDIT_LOST] = "lost",
	};

	return names[c];
}

const char *lost_kind_name(enum lost_kind k)
{
	static const char *const names[] = {
		[LOST_SLAB] = "slab",	       [LOST_PAGE_TABLE] = "page_table", [LOST_LARGE_KMALLOC] = "large_kmalloc",
		[LOST_RESERVED] = "reserved", [LOST_OTHER] = "other",		 [LOST_UNKNOWN] = "unknown",
	};

	return names[k];
}
