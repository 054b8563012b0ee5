// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/policy.h"

bool policy_drops(enum page_class c, unsigned level)
{
	switch (c) {
	case PAGE_CLASS_FREE:
		return level & DUMP_LEVEL_FREE;
	case PAGE_CLASS_CACHE:
		return level & (DUMP_LEVEL_CACHE | DUMP_LEVEL_CACHE_PRIVATE);
	case PAGE_CLASS_CACHE_PRIVATE:
		return level & DUMP_LEVEL_CACHE_PRIVATE;
	case PAGE_CLASS_USER:
		return level & DUMP_LEVEL_USER;
	case PAGE_CLASS_OFFLINE:
	case PAGE_CLASS_HWPOISON:
		return true;
	case PAGE_CLASS_KERNEL:
	case PAGE_CLASS_UNKNOWN:
	case PAGE_CLASS_COUNT:
		break;
	}
	return false;
}
