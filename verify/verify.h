/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

struct json_t;

enum verify_severity {
	VERIFY_NOTE,	/**< worth knowing, no fault */
	VERIFY_WARNING, /**< a reader complains, or shows less than there is */
	VERIFY_ERROR,	/**< a reader refuses the dump or misreads it, or data is lost */
};

/** The programs that a fault is held against; a set of bits. */
enum verify_reader {
	READER_CRASH = 1,
	READER_DRGN = 2,
	READER_LIBKDUMPFILE = 4,
	READER_MAKEDUMPFILE = 8,
};
#define VERIFY_NR_READERS 4
#define READERS_ALL (READER_CRASH | READER_DRGN | READER_LIBKDUMPFILE | READER_MAKEDUMPFILE)

/** Where a fault was found. */
enum verify_place_kind {
	PLACE_NONE,
	PLACE_PFN,    /**< page frames [start, end) */
	PLACE_OFFSET, /**< bytes [start, end) of the file; of a flattened stream, of the file that it stands for */
	PLACE_LOAD,   /**< program headers [start, end), from 0 */
	PLACE_NOTE,   /**< ELF notes [start, end), from 0 */
};

struct verify_place {
	enum verify_place_kind kind;
	uint64_t start, end;
};

#define VERIFY_TEXT_MAX 400
#define VERIFY_MAX_PLACES 8

/** All faults of one kind. */
struct verify_finding {
	const char *id; /**< stable */
	enum verify_severity severity;
	unsigned breaks;			       /**< readers; none of a note */
	bool repairable;			       /**< `innercore repair` mends it */
	uint64_t count;				       /**< pages, records, ... */
	char text[VERIFY_TEXT_MAX];		       /**< of the first one; printable ASCII */
	struct verify_place places[VERIFY_MAX_PLACES]; /**< the first few, neighbours joined */
	unsigned nr_places;
};

#define VERIFY_MAX_FINDINGS 104

struct verify_report {
	char format[96]; /**< "flattened KDUMP version 6, x86_64, 6.1.0-13-amd64"; printable ASCII */
	bool is_elf, is_flattened;
	uint64_t pages;					     /**< stored in this file */
	uint64_t pages_good;				     /**< of these: read and decompressed */
	bool pages_read;				     /**< the pages could be looked at */
	bool kernel_proved;				     /**< by the page tables phys_base is right */
	unsigned nr[VERIFY_ERROR + 1];			     /**< findings of each severity */
	struct verify_finding findings[VERIFY_MAX_FINDINGS]; /**< in the order of the checks */
	unsigned nr_findings;
	uint8_t by_rule[VERIFY_MAX_FINDINGS]; /**< which finding is of a rule, from 1; 0: none */
};

/** @done of @total pages are checked. */
typedef void (*verify_progress_fn)(void *ctx, uint64_t done, uint64_t total);

struct verify_config {
	const char *path;
	bool is_of_set; /**< other files of the same split dump are looked at as well */
	verify_progress_fn progress; /**< NULL: none */
	void *progress_ctx;
};

/**
 * Hold the file at @config->path against every rule of its format and of the programs that read it, and decode every
 * page. ST_OK: there is a verdict, be it good or bad. Anything else: it is no dump, or it cannot be read at all.
 * @report is filled from scratch and owns nothing.
 */
enum status verify_run(const struct verify_config *config, struct verify_report *report, struct err *err) __must_check;

/** EXIT_CODE_OK, or EXIT_CODE_NEGATIVE where there are errors. */
int verify_exit_code(const struct verify_report *report);

/** One line a finding, worst first, and a last line for people. */
void verify_report_text(const struct verify_report *report, const char *path, FILE *to);
/** NULL: no memory. */
struct json_t *verify_report_json(const struct verify_report *report);

/** "crash", "drgn", ... of one bit; "error", "warning", "note". */
const char *verify_reader_name(enum verify_reader reader);
const char *verify_severity_name(enum verify_severity severity);

#endif
