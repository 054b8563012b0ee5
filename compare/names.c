// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/compare.h"

/* The first name is a key of the JSON report and stays; the second is for people. */
struct name {
	const char *key, *label;
};

static const struct name cause_names[CAUSE_COUNT] = {
	[CAUSE_NONE] = { "unexplained", "unexplained" },
	[CAUSE_LOW_1MIB] = { "low_1mib", "low 1 MiB" },
	[CAUSE_CRASH_KERNEL] = { "crash_kernel", "crash kernel reservation" },
	[CAUSE_CRASH_CMA] = { "crash_kernel_cma", "crash kernel CMA" },
	[CAUSE_FIRMWARE] = { "firmware", "firmware (ACPI, EFI, reserved)" },
	[CAUSE_ROM] = { "rom", "ROM" },
	[CAUSE_DEVICE] = { "device_memory", "device memory (VRAM)" },
	[CAUSE_FLASH] = { "flash", "firmware flash" },
	[CAUSE_PARTIAL_PAGE] = { "partial_page", "partial page at the edge of RAM" },
	[CAUSE_OFFLINE] = { "offline", "balloon or offline" },
	[CAUSE_CRASH_PATH] = { "crash_path", "crash path (log, consoles, notes, stacks)" },
	[CAUSE_EXCLUDED] = { "excluded_by_level", "excluded by dump level" },
};

static const struct name audit_names[AUDIT_COUNT + 1] = {
	[AUDIT_FREE] = { "free", "free" },
	[AUDIT_CACHE] = { "cache", "page cache" },
	[AUDIT_CACHE_PRIVATE] = { "cache_private", "private page cache" },
	[AUDIT_USER] = { "user", "user" },
	[AUDIT_OFFLINE] = { "offline", "balloon or offline" },
	[AUDIT_HWPOISON] = { "hwpoison", "hwpoison" },
	[AUDIT_ZERO] = { "zero", "kernel, all zero" },
	[AUDIT_LOST] = { "lost", "LOST (kernel)" },
	[AUDIT_COUNT] = { "not_audited", "not audited" },
};

static const struct name lost_names[LOST_COUNT] = {
	[LOST_SLAB] = { "slab", "slab" },
	[LOST_PAGE_TABLE] = { "page_table", "page table" },
	[LOST_LARGE_KMALLOC] = { "large_kmalloc", "large kmalloc" },
	[LOST_RESERVED] = { "reserved", "reserved" },
	[LOST_VMALLOC] = { "vmalloc", "stack or vmalloc" },
	[LOST_OTHER] = { "other", "other" },
	[LOST_UNKNOWN] = { "unknown", "unknown (no struct page tells)" },
};

const char *cause_name(enum cause c)
{
	return cause_names[c].key;
}

const char *cause_label(enum cause c)
{
	return cause_names[c].label;
}

const char *audit_class_name(enum audit_class c)
{
	return audit_names[c].key;
}

const char *audit_class_label(enum audit_class c)
{
	return audit_names[c].label;
}

const char *lost_kind_name(enum lost_kind k)
{
	return lost_names[k].key;
}

const char *lost_kind_label(enum lost_kind k)
{
	return lost_names[k].label;
}
