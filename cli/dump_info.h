/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DUMP_INFO_H
#define CLI_DUMP_INFO_H

#include <stdio.h>

#include "capture/trust.h"
#include "formats/elf/elf_physmem.h"
#include "formats/elf/notes.h"
#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"
#include "kernel/kmodel.h"

/**
 * What `info` knows of a dump, gathered before anything is printed. Strings are as the dump has them: escape to show.
 */
struct dump_info {
	struct physmem *pm;		       /**< owned */
	struct vmcoreinfo *vi;		       /**< owned; NULL: none, or not understood */
	char vmcoreinfo_trouble[ERR_TEXT_MAX]; /**< why not; empty where there is none */
	const struct kdump_details *kdump;     /**< one of these two is NULL */
	const struct elf_details *elf;
	struct kdump_survey survey;    /**< KDUMP */
	const char *release, *machine; /**< NULL: unknown */
	char machine_buf[16];
	bool complete;
	const char *why_incomplete; /**< NULL where complete */
	uint64_t nr_cpus;
	struct note_counts notes;
	bool has_phys_base;
	int64_t phys_base; /**< bytes */
	enum phys_base_source phys_base_source;
	bool phys_base_checked;		      /**< the kernel's own page tables agree */
	char phys_base_trouble[ERR_TEXT_MAX]; /**< why they do not */
	uint64_t crash_time;		      /**< seconds of the epoch; 0: unknown */
	uint64_t pages_ram, pages_stored, pages_excluded, pages_unreadable;
	bool has_pages_zero;
	uint64_t pages_zero;
	uint64_t elf_unaligned_loads;
	bool has_classes; /**< what pages are, by the kernel's own memory map */
	char classes_trouble[ERR_TEXT_MAX]; /**< why not; empty where nobody wanted to know */
	struct trust_seen seen;
	struct trust trust;
	char *eraseinfo; /**< owned, text; NULL: none */
	size_t eraseinfo_len;
};

/**
 * @di is zeroed first and may be released after an error, too. @with_classes: read the whole memory map, which takes a while
 * for a large machine.
 */
enum status dump_info_gather(const char *path, bool with_classes, struct dump_info *di, struct err *err) __must_check;
void dump_info_deinit(struct dump_info *di);

/** "KDUMP", "flattened KDUMP", "ELF core". */
const char *dump_info_format(const struct dump_info *di);

void dump_info_print(const struct dump_info *di, const char *path, FILE *to);
struct json_t;
/** NULL: no memory. */
struct json_t *dump_info_json(const struct dump_info *di);

/**
 * Text from a dump, for eyes: control, non-ASCII bytes and backslashes as "\xNN"; newlines too unless @keep_newlines.
 */
void dump_info_escape(const char *text, size_t len, bool keep_newlines, FILE *to);

#endif
