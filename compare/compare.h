/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_COMPARE_H
#define COMPARE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/units.h"

struct json_t;

/** Why two dumps may differ in a page. */
enum cause {
	CAUSE_NONE,	      /**< no explanation: the verdict is "differs" */
	CAUSE_LOW_1MIB,	      /**< firmware's and the capture kernel's trampoline */
	CAUSE_CRASH_KERNEL,   /**< the reservation in which the capture kernel runs */
	CAUSE_FIRMWARE,	      /**< ACPI, EFI and other reserved ranges: no System RAM */
	CAUSE_ROM,
	CAUSE_DEVICE,	      /**< VRAM and other memory of a PCI device */
	CAUSE_FLASH,	      /**< below 4 GiB, where the firmware's flash is mapped */
	CAUSE_PARTIAL_PAGE,   /**< System RAM ends or begins within the page */
	CAUSE_OFFLINE,	      /**< ballooned, unplugged or offline memory */
	CAUSE_EXCLUDED,	      /**< left out by the dump level; the audit asks whether rightly */
	CAUSE_COUNT,
};

/** The name in reports and JSON. */
const char *cause_name(enum cause c);

/** What the filter audit says of a page that the inner dump left out. */
enum audit_class {
	AUDIT_FREE,
	AUDIT_CACHE,
	AUDIT_USER,
	AUDIT_OFFLINE,
	AUDIT_HWPOISON,
	AUDIT_ZERO,
	AUDIT_LOST, /**< the kernel's: see the kinds */
	AUDIT_COUNT,
};

enum lost_kind {
	LOST_SLAB,
	LOST_PAGE_TABLE,
	LOST_LARGE_KMALLOC,
	LOST_RESERVED,
	LOST_OTHER,
	LOST_UNKNOWN, /**< no struct page tells what it is */
	LOST_COUNT,
};

const char *audit_class_name(enum audit_class c);
const char *lost_kind_name(enum lost_kind k);

enum field_state { FIELD_SAME, FIELD_DIFFERS, FIELD_ABSENT };

/** One line of the header table. */
struct field_report {
	const char *field;
	char inner[160], outer[160];
	enum field_state state;
	const char *right; /**< "inner", "outer", "both", "neither" or "unknown" */
	char why[200];
};

#define COMPARE_MAX_FIELDS 48
#define COMPARE_MAX_RANGES 1024
#define COMPARE_MAX_SAMPLES 32

/** One page whose bytes differ. */
struct page_difference {
	uint64_t pfn;
	uint32_t nr_bytes, first_off, last_off; /**< differing bytes */
	bool inner_zero, outer_zero;
	enum cause cause;
};

/** A list of PFN ranges, the first COMPARE_MAX_RANGES of them. */
struct range_list {
	struct range at[COMPARE_MAX_RANGES];
	size_t nr;
	uint64_t nr_pages; /**< all of them, listed or not */
	bool cut;
};

enum verdict { VERDICT_MATCH, VERDICT_DIFFERS, VERDICT_INCOMPARABLE };

struct compare_report {
	enum verdict verdict;
	char why_incomparable[300];
	struct field_report fields[COMPARE_MAX_FIELDS];
	size_t nr_fields;
	uint64_t common, equal, differ_explained, differ_unexplained;
	uint64_t inner_only, outer_only, only_unexplained;
	uint64_t causes[CAUSE_COUNT];
	struct page_difference samples[COMPARE_MAX_SAMPLES]; /**< unexplained ones first come first */
	size_t nr_samples;
	struct range_list unexplained;
	bool audited;
	char why_not_audited[200];
	uint64_t dropped, audit[AUDIT_COUNT], lost_by_kind[LOST_COUNT];
	struct range_list lost;
	uint64_t kept_droppable[AUDIT_COUNT]; /**< kept although the dump level asked to leave them out */
	double seconds;
};

struct compare_config {
	const char *inner, *outer; /**< paths */
	bool force;		   /**< compare dumps of different boots */
};

/**
 * Hold @config->inner against @config->outer. ST_OK: see the report's verdict, also where it is VERDICT_INCOMPARABLE. An
 * error: a dump could not be opened. Memory is bounded whatever the size of the dumps.
 */
enum status compare_run(const struct compare_config *config, struct compare_report *report, struct err *err) __must_check;

/** EXIT_CODE_OK, _NEGATIVE or _BAD_INPUT. */
int compare_exit_code(const struct compare_report *report);

/** The JSON contract of the manual page; caller releases. */
struct json_t *compare_report_json(const struct compare_report *report);

#endif
