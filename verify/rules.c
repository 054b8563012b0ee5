// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which program stumbles over what was found by breaking good dumps one rule at a time and giving them to crash 8.0.2,
 * drgn 0.0.22, libkdumpfile 0.5.1 and makedumpfile 1.7.2 (as input: filtering again), and by reading their sources.
 */
#include "verify/rules.h"

#define C READER_CRASH
#define D READER_DRGN
#define L READER_LIBKDUMPFILE
#define M READER_MAKEDUMPFILE
#define ALL READERS_ALL
#define NONE 0

static const struct rule_info rules[RULE_COUNT] = {
	[RULE_FLAT_REFUSED] = { "flat-refused", VERIFY_ERROR, ALL, false },
	[RULE_FLAT_NO_END] = { "flat-no-end", VERIFY_ERROR, C | M, true },
	[RULE_FLAT_OVERLAP] = { "flat-overlap", VERIFY_ERROR, C, false },
	[RULE_FLAT_OVERLAP_SAME] = { "flat-overlap-same", VERIFY_WARNING, C, false },
	[RULE_FLAT_ORDER] = { "flat-order", VERIFY_NOTE, NONE, false },
	[RULE_FLAT_TRAILING] = { "flat-trailing", VERIFY_NOTE, NONE, false },

	[RULE_HEADER_REFUSED] = { "header-refused", VERIFY_ERROR, ALL, false },
	[RULE_VERSION_ZERO] = { "version-zero", VERIFY_ERROR, D | L | M, false },
	[RULE_VERSION_OLD] = { "version-old", VERIFY_WARNING, D | L, false },
	[RULE_VERSION_NEW] = { "version-new", VERIFY_WARNING, NONE, false },
	[RULE_UTS_EMPTY] = { "uts-empty", VERIFY_ERROR, D | L, true },
	[RULE_UTS_SYSNAME] = { "uts-sysname", VERIFY_ERROR, D | L, true },
	[RULE_UTS_UNTERMINATED] = { "uts-unterminated", VERIFY_ERROR, D | L, true },
	[RULE_UTS_UNTERMINATED_HOST] = { "uts-unterminated-host", VERIFY_WARNING, NONE, true },
	[RULE_TV_USEC] = { "tv-usec", VERIFY_ERROR, D | L, true },
	[RULE_NO_CRASH_TIME] = { "no-crash-time", VERIFY_NOTE, NONE, true },
	[RULE_STATUS_UNKNOWN] = { "status-unknown", VERIFY_WARNING, NONE, false },
	[RULE_INCOMPLETE] = { "incomplete", VERIFY_WARNING, C, false },
	[RULE_VMEMMAP_EXCLUDED] = { "vmemmap-excluded", VERIFY_WARNING, C, false },
	[RULE_NR_CPUS_ZERO] = { "nr-cpus-zero", VERIFY_WARNING, C, true },
	[RULE_MAX_MAPNR_32] = { "max-mapnr-32", VERIFY_WARNING, NONE, true },
	[RULE_MAX_MAPNR_64] = { "max-mapnr-64", VERIFY_ERROR, ALL, true },
	[RULE_DUMP_LEVEL] = { "dump-level", VERIFY_WARNING, NONE, false },
	[RULE_SPLIT_VALUE] = { "split-value", VERIFY_WARNING, NONE, false },
	[RULE_SPLIT_RANGE] = { "split-range", VERIFY_ERROR, ALL, false },
	[RULE_SPLIT_EMPTY] = { "split-empty", VERIFY_ERROR, C | D | L, false },
	[RULE_SPLIT_ALIGN] = { "split-align", VERIFY_ERROR, C, false },
	[RULE_SPLIT_PART] = { "split-part", VERIFY_NOTE, NONE, false },
	[RULE_ERASEINFO_OUTSIDE] = { "eraseinfo-outside", VERIFY_ERROR, M, false },
	[RULE_NOTES_PLACE] = { "notes-place", VERIFY_ERROR, ALL, true },

	[RULE_BITMAP_SMALL] = { "bitmap-small", VERIFY_ERROR, ALL, false },
	[RULE_BITMAP_OUTSIDE] = { "bitmap-outside", VERIFY_ERROR, ALL, false },
	[RULE_BITMAP_SINGLE] = { "bitmap-single", VERIFY_WARNING, NONE, false },
	[RULE_BITMAP_ODD] = { "bitmap-odd", VERIFY_ERROR, ALL, false },
	[RULE_BITMAP_LARGE] = { "bitmap-large", VERIFY_ERROR, M, true },
	[RULE_BITMAP1_EMPTY] = { "bitmap1-empty", VERIFY_ERROR, C, true },
	[RULE_BITMAP2_EXCESS] = { "bitmap2-excess", VERIFY_ERROR, C, true },
	[RULE_BITMAP_TAIL] = { "bitmap-tail", VERIFY_WARNING, NONE, true },
	[RULE_BODY_REFUSED] = { "body-refused", VERIFY_ERROR, ALL, false },
	[RULE_DESC_TABLE_CUT] = { "desc-table-cut", VERIFY_ERROR, ALL, false },
	[RULE_DESC_UNREADABLE] = { "desc-unreadable", VERIFY_ERROR, ALL, false },
	[RULE_DESC_HOLE] = { "desc-hole", VERIFY_ERROR, ALL, false },
	[RULE_DESC_HOLE_FLAT] = { "desc-hole-flat", VERIFY_ERROR, ALL, false },
	[RULE_HOLES_UNMARKED] = { "holes-unmarked", VERIFY_WARNING, NONE, false },
	[RULE_DESC_OFFSET_ZERO] = { "desc-offset-zero", VERIFY_ERROR, ALL, false },
	[RULE_DESC_IN_HEADERS] = { "desc-in-headers", VERIFY_ERROR, ALL, false },
	[RULE_DESC_OUTSIDE] = { "desc-outside", VERIFY_ERROR, ALL, false },
	[RULE_DESC_FLAGS] = { "desc-flags", VERIFY_ERROR, ALL, false },
	[RULE_DESC_SIZE] = { "desc-size", VERIFY_ERROR, ALL, false },
	[RULE_DESC_NOT_SMALLER] = { "desc-not-smaller", VERIFY_WARNING, NONE, true },
	[RULE_DESC_PAGE_FLAGS] = { "desc-page-flags", VERIFY_NOTE, NONE, false },
	[RULE_DESC_COUNT] = { "desc-count", VERIFY_ERROR, ALL, false },
	[RULE_PAGE_UNREADABLE] = { "page-unreadable", VERIFY_ERROR, ALL, false },
	[RULE_PAGE_DAMAGED] = { "page-damaged", VERIFY_ERROR, ALL, false },
	[RULE_STATUS_CODEC] = { "status-codec", VERIFY_NOTE, NONE, false },
	[RULE_CODEC_RARE] = { "codec-rare", VERIFY_NOTE, NONE, false },

	[RULE_ELF_REFUSED] = { "elf-refused", VERIFY_ERROR, ALL, false },
	[RULE_ELF_EHSIZE] = { "elf-ehsize", VERIFY_WARNING, NONE, true },
	[RULE_ELF_PHOFF] = { "elf-phoff", VERIFY_ERROR, M, true },
	[RULE_ELF_FIRST_PHDR] = { "elf-first-phdr", VERIFY_ERROR, C, true },
	[RULE_ELF_INCOMPLETE] = { "elf-incomplete", VERIFY_WARNING, C, false },
	[RULE_ELF_LOAD_OUTSIDE] = { "elf-load-outside", VERIFY_ERROR, ALL, false },
	[RULE_ELF_FILESZ] = { "elf-filesz", VERIFY_ERROR, ALL, false },
	[RULE_ELF_BEYOND] = { "elf-beyond", VERIFY_WARNING, NONE, false },
	[RULE_ELF_CONFLICT] = { "elf-conflict", VERIFY_ERROR, ALL, false },
	[RULE_ELF_OVERLAP] = { "elf-overlap", VERIFY_NOTE, NONE, false },
	[RULE_ELF_UNALIGNED] = { "elf-unaligned", VERIFY_NOTE, NONE, false },
	[RULE_ELF_FILTERED] = { "elf-filtered", VERIFY_NOTE, NONE, false },
	[RULE_ELF_NO_VADDR] = { "elf-no-vaddr", VERIFY_WARNING, D, true },
	[RULE_ELF_NOT_ALL_READ] = { "elf-not-all-read", VERIFY_WARNING, NONE, false },

	[RULE_NOTES_MISSING] = { "notes-missing", VERIFY_ERROR, D | L, true },
	[RULE_NOTES_OUTSIDE] = { "notes-outside", VERIFY_ERROR, ALL, true },
	[RULE_NOTES_TORN] = { "notes-torn", VERIFY_ERROR, C | D | L, true },
	[RULE_PRSTATUS_MISSING] = { "prstatus-missing", VERIFY_WARNING, D | L, true },
	[RULE_PRSTATUS_SIZE] = { "prstatus-size", VERIFY_ERROR, C | D | L, true },
	[RULE_PRSTATUS_COUNT] = { "prstatus-count", VERIFY_NOTE, NONE, true },
	[RULE_PRSTATUS_HYPERVISOR] = { "prstatus-hypervisor", VERIFY_WARNING, D, true },
	[RULE_VMCOREINFO_MISSING] = { "vmcoreinfo-missing", VERIFY_ERROR, ALL, true },
	[RULE_VMCOREINFO_NO_NOTE] = { "vmcoreinfo-no-note", VERIFY_ERROR, D | L, true },
	[RULE_VMCOREINFO_NO_POINTER] = { "vmcoreinfo-no-pointer", VERIFY_ERROR, C | M, true },
	[RULE_VMCOREINFO_OUTSIDE] = { "vmcoreinfo-outside", VERIFY_ERROR, C | M, true },
	[RULE_VMCOREINFO_DIFFERS] = { "vmcoreinfo-differs", VERIFY_ERROR, C | M, false },
	[RULE_VMCOREINFO_BAD] = { "vmcoreinfo-bad", VERIFY_ERROR, C | D | M, true },

	[RULE_RELEASE_DIFFERS] = { "release-differs", VERIFY_WARNING, NONE, true },
	[RULE_PAGE_SIZE_DIFFERS] = { "page-size-differs", VERIFY_ERROR, ALL, false },
	[RULE_PHYS_BASE_HEX] = { "phys-base-hex", VERIFY_ERROR, M, true },
	[RULE_PHYS_BASE] = { "phys-base", VERIFY_ERROR, M, true },
	[RULE_PHYS_BASE_VMCOREINFO] = { "phys-base-vmcoreinfo", VERIFY_ERROR, C | D | L, true },
	[RULE_KERNEL_UNPROVED] = { "kernel-unproved", VERIFY_ERROR, C | D | M, false },
	[RULE_KERNEL_UNCHECKED] = { "kernel-unchecked", VERIFY_NOTE, NONE, false },
	[RULE_MAX_MAPNR_MEMMAP] = { "max-mapnr-memmap", VERIFY_ERROR, M, true },

	[RULE_SET_NOT_SPLIT] = { "set-not-split", VERIFY_ERROR, C | L | M, false },
	[RULE_SET_HEADER] = { "set-header", VERIFY_ERROR, C | M, false },
	[RULE_SET_OVERLAP] = { "set-overlap", VERIFY_ERROR, C | L | M, false },
	[RULE_SET_GAP] = { "set-gap", VERIFY_ERROR, C | L | M, false },
	[RULE_SET_GAP_EMPTY] = { "set-gap-empty", VERIFY_ERROR, M, false },
	[RULE_SET_REFUSED] = { "set-refused", VERIFY_ERROR, C | L | M, false },
};

const struct rule_info *rule_info(enum rule rule)
{
	return &rules[rule];
}

const char *verify_reader_name(enum verify_reader reader)
{
	switch (reader) {
	case READER_CRASH:
		return "crash";
	case READER_DRGN:
		return "drgn";
	case READER_LIBKDUMPFILE:
		return "libkdumpfile";
	case READER_MAKEDUMPFILE:
		return "makedumpfile";
	}
	return "?";
}

const char *verify_severity_name(enum verify_severity severity)
{
	static const char *const names[] = {
		[VERIFY_NOTE] = "note",
		[VERIFY_WARNING] = "warning",
		[VERIFY_ERROR] = "error",
	};

	return names[severity];
}
