/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VERIFY_CHECKS_H
#define VERIFY_CHECKS_H

#include "formats/elf/notes.h"
#include "formats/io/rsource.h"
#include "formats/kdump/kdump_layout.h"
#include "formats/kdump/kdump_physmem.h"
#include "formats/physmem.h"
#include "kernel/vmcoreinfo.h"
#include "verify/findings.h"

/** What the checks of one dump share. */
struct check {
	const struct verify_config *config;
	struct verify_report *report;
	struct rsource *src;	 /**< the file, or what the flattened stream stands for; borrowed */
	struct physmem *pm;	 /**< borrowed; NULL: refused by its reader */
	const char *machine;	 /**< as uname -m says it; "" unknown */
	struct kdump_header hdr; /**< KDUMP: both headers */
	bool is_flattened;
	bool has_qemu_notes;
	struct vmcoreinfo *vi; /**< owned by verify_run(); NULL: none, or not understood */
};

/** What a stream says of itself, from one pass over its records. */
struct flat_facts {
	uint64_t nr_records;
	uint64_t data_bytes;	     /**< sum of all records */
	uint64_t trailing_bytes;     /**< behind the end marker */
	uint64_t main_header_record; /**< from 1; 0: none has it */
	bool ended;
	bool cut_record; /**< the last one is not whole */
};

/** Walk the records of @inner; stops at the first that makes no sense: opening the stream will complain about that. */
enum status check_flat_scan(struct rsource *inner, struct flat_facts *facts, struct err *err) __must_check;
/** Hold the stream against the rules. @c->src: what it stands for. @inner: the stream. */
enum status check_flat(struct check *c, struct rsource *inner, const struct flat_facts *facts,
		       struct err *err) __must_check;

/**
 * KDUMP headers; fills c->hdr. *@usable: they make sense, so the rest can be looked at. ST_UNSUPPORTED: no KDUMP, but
 * its ancestor.
 */
enum status check_kdump_headers(struct check *c, bool *usable, struct err *err) __must_check;
/** Bitmaps: bits that no reader, or not every reader, takes well. c->pm is open. */
enum status check_kdump_bitmaps(struct check *c, struct err *err) __must_check;
/** Every descriptor, and every page that they name. c->pm is open. */
enum status check_kdump_pages(struct check *c, struct err *err) __must_check;

/** ELF header and program headers, as they are in the file. */
enum status check_elf_headers(struct check *c, struct err *err) __must_check;
/** Loads against each other, and every byte read. c->pm is open. */
enum status check_elf_pages(struct check *c, struct err *err) __must_check;

/** ELF notes, and the places where VMCOREINFO is. c->pm is open. */
enum status check_notes(struct check *c, struct err *err) __must_check;
/** VMCOREINFO against headers and the kernel's own memory. c->pm is open. Fills c->vi. */
enum status check_kernel(struct check *c, struct err *err) __must_check;
/** The same of all files of a split dump, whose headers were looked at one by one. */
enum status check_kernel_of_set(struct check *c, struct err *err) __must_check;

/** The first of @len bytes in which @a and @b differ; @len where none does. */
size_t check_first_difference(const uint8_t *a, const uint8_t *b, size_t len);

/** Tell whoever waits. */
void check_progress(const struct check *c, uint64_t done, uint64_t total);

#endif
