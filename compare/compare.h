/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_COMPARE_H
#define COMPARE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/units.h"

struct json_t;
struct picture;

/** Why two dumps may differ in a page. */
enum cause {
	CAUSE_NONE,	    /**< no explanation: the verdict is "differs" */
	CAUSE_LOW_1MIB,	    /**< firmware's and the capture kernel's trampoline */
	CAUSE_CRASH_KERNEL, /**< the reservation in which the capture kernel runs */
	CAUSE_CRASH_CMA,    /**< memory that crashkernel=,cma gives to the capture kernel as well */
	CAUSE_FIRMWARE,	    /**< ACPI, EFI and other reserved ranges: no System RAM */
	CAUSE_ROM,
	CAUSE_DEVICE,	    /**< VRAM and other memory of a PCI device */
	CAUSE_FLASH,	    /**< below 4 GiB, where the firmware's flash is mapped */
	CAUSE_PARTIAL_PAGE, /**< System RAM ends or begins within the page */
	CAUSE_OFFLINE,	    /**< ballooned, unplugged or offline memory */
	CAUSE_CRASH_PATH,   /**< written between the hypervisor's stop and the jump into the capture kernel; proved to be */
	CAUSE_EXCLUDED,	    /**< left out by the dump level, and rightly, as far as the audit can tell */
	CAUSE_COUNT,
};

/** The key in JSON, and the words in reports for people. */
const char *cause_name(enum cause c);
const char *cause_label(enum cause c);

/** What a page is; in the filter audit, what was left out of the inner dump. */
enum audit_class {
	AUDIT_FREE,
	AUDIT_CACHE,
	AUDIT_CACHE_PRIVATE,
	AUDIT_USER,
	AUDIT_OFFLINE,
	AUDIT_HWPOISON,
	AUDIT_ZERO,
	AUDIT_LOST,  /**< the kernel's, or nobody knows whose: see the kinds */
	AUDIT_COUNT, /**< also: not asked, or there is no audit */
};

enum lost_kind {
	LOST_SLAB,
	LOST_PAGE_TABLE,
	LOST_LARGE_KMALLOC,
	LOST_RESERVED,
	LOST_VMALLOC, /**< mapped in the vmalloc area: kernel stacks, modules, large tables */
	LOST_OTHER,
	LOST_UNKNOWN, /**< no struct page tells what it is */
	LOST_COUNT,
};

const char *audit_class_name(enum audit_class c);
const char *audit_class_label(enum audit_class c);
const char *lost_kind_name(enum lost_kind k);
const char *lost_kind_label(enum lost_kind k);

enum field_state { FIELD_SAME, FIELD_DIFFERS, FIELD_ABSENT };

/** One line of the header table. */
struct field_report {
	const char *field;
	char inner[256], outer[256];
	enum field_state state;
	const char *right; /**< "inner", "outer", "both", "neither" or "unknown" */
	char why[200];
};

#define COMPARE_MAX_FIELDS 48
#define COMPARE_MAX_RANGES 1024
#define COMPARE_MAX_SAMPLES 32

/** What one of the two dumps is, for the head of a report. */
struct side_report {
	const char *path; /**< the caller's; the first of several */
	char format[48];  /**< "ELF core", "KDUMP version 6" */
	bool level_known; /**< a KDUMP tells; a filtered ELF core does not */
	unsigned level;
	bool vmcoreinfo_borrowed; /**< its kernel is read by the other dump's VMCOREINFO */
};

/** One page whose bytes differ. */
struct page_difference {
	uint64_t pfn;
	uint32_t nr_bytes, first_off, last_off; /**< differing bytes */
	bool inner_zero, outer_zero;
	enum cause cause;
};

/** The first COMPARE_MAX_SAMPLES differences of a sort. */
struct difference_list {
	struct page_difference at[COMPARE_MAX_SAMPLES];
	size_t nr;
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
	struct side_report inner, outer;
	char release[65];	     /**< of the crashed kernel; empty where nobody tells */
	uint64_t crash_time_seconds; /**< 0: nobody tells */
	uint32_t page_size;
	struct field_report fields[COMPARE_MAX_FIELDS];
	size_t nr_fields;
	uint64_t common, equal, differ_explained, differ_unexplained;
	uint64_t inner_only, outer_only, only_unexplained;
	uint64_t neither;			     /**< left out of the inner dump, and not in the outer one */
	uint64_t inner_unreadable, outer_unreadable; /**< pages that a dump should hold and does not give */
	uint64_t causes[CAUSE_COUNT];		     /**< of CAUSE_NONE: all unexplained pages */
	struct difference_list differ_unexplained_at, differ_explained_at;
	struct range_list unexplained; /**< PFNs, of differing and of one-sided pages */
	bool audited;
	char why_not_audited[200];
	/** Pages that the source of the inner dump had and the dump has not. */
	uint64_t dropped, audit[AUDIT_COUNT], lost_by_kind[LOST_COUNT];
	uint64_t dropped_beyond_level[AUDIT_COUNT]; /**< of these: not what the dump level asked for; unexplained */
	struct range_list lost;			    /**< PFNs */
	uint8_t lost_kinds[COMPARE_MAX_RANGES];	    /**< of each range in it: 1 << enum lost_kind, of all its pages */
	uint64_t kept_droppable[AUDIT_COUNT];	    /**< kept although the dump level asked to leave them out */
	struct picture *picture;		    /**< NULL unless asked for */
	double seconds;
};

struct compare_config {
	const char *const *inner; /**< paths: one, or the files of a split dump */
	size_t nr_inner;
	const char *outer;
	unsigned nr_threads; /**< that read and decode; the report does not depend on it */
	bool force;	   /**< compare dumps of different boots */
	bool want_picture; /**< collect what compare_report_html() draws */
};

/**
 * Hold @config->inner against @config->outer. ST_OK: see the report's verdict, also where it is VERDICT_INCOMPARABLE.
 * An error: a dump could not be opened. Memory is bounded whatever the size of the dumps. @report borrows the paths;
 * its owner calls compare_report_deinit(), after an error too.
 */
enum status compare_run(const struct compare_config *config, struct compare_report *report,
			struct err *err) __must_check;
void compare_report_deinit(struct compare_report *report);

/** EXIT_CODE_OK, _NEGATIVE or _BAD_INPUT. */
int compare_exit_code(const struct compare_report *report);

/** The JSON contract of the manual page; caller releases. */
struct json_t *compare_report_json(const struct compare_report *report);
/** For a person: what matters in the first lines, then details. The caller sees by ferror() whether all was written. */
void compare_report_text(const struct compare_report *report, FILE *to);
/** One page of HTML that needs nothing else; with a picture where @report has one. As above about errors. */
void compare_report_html(const struct compare_report *report, FILE *to);

#endif
