/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_SESSION_H
#define CAPTURE_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/trust.h"
#include "common/err.h"
#include "common/units.h"
#include "kernel/anchors.h"
#include "kernel/pageclass.h"

#define CAPTURE_DUMP_LEVEL_MAX 31

/** How far a capture has come. Called from the capturing thread, at most a few times a second; must be quick. */
struct capture_progress {
	const char *stage;	/**< "plan" or "write" */
	uint64_t done, total;	/**< pages */
	uint64_t bytes_written;
	double seconds;		/**< since the capture began */
};
typedef void (*capture_progress_fn)(void *ctx, const struct capture_progress *p);

/** What to do. Strings are borrowed for the call. */
struct capture_config {
	const char *source;	 /**< path of /proc/vmcore or of a dump */
	const char *dest;	 /**< path; or "-": the flattened form on @dest_fd */
	int dest_fd;		 /**< for "-" */
	const char *codec;	 /**< none zlib lzo snappy zstd, or with a level zstd:LEVEL */
	unsigned nr_threads;	 /**< 0: as many as there are CPUs to run on */
	int dump_level;		 /**< 0..31; -1: 31 on /proc/vmcore, 0 elsewhere */
	bool no_dedup;		 /**< store repeated pages each by itself */
	bool force;		 /**< replace an existing file */
	const volatile sig_atomic_t *stop; /**< non-zero: finish what is there as an incomplete dump; may be NULL */
	double deadline_seconds; /**< treat as a stop after so long; 0: never */
	capture_progress_fn progress; /**< may be NULL */
	void *progress_ctx;
};

#define CAPTURE_MAX_LISTED_HOLES 256

/** What was done; valid also after an error, as far as the capture came. */
struct capture_report {
	bool saved;		 /**< a dump exists at the destination */
	bool complete;		 /**< false: readers see the incomplete flag */
	bool filtered;		 /**< false: there was no usable memory map, every page was kept */
	char why_unfiltered[256];
	char codec[16];
	int dump_level;		 /**< asked for */
	int level_used;		 /**< less where the plan is not to be trusted, or nothing could be filtered */
	char why_level[512];	 /**< what is not to be trusted; empty where nothing is wrong */
	struct facts_report facts; /**< what VMCOREINFO did not tell the filter */
	uint64_t guards_fired[ANCHOR_COUNT]; /**< pages that the rules would have dropped and that are the kernel's own */
	uint64_t reserved_fired;	     /**< the same, told by PG_reserved */
	uint64_t sections_missing;	     /**< parts of RAM without a memory map that can be read and trusted: kept */
	uint64_t sections_disagreeing;	     /**< of these: mem_section and vmemmap contradict each other */
	uint64_t guards_untold;		     /**< parts of the kernel's own memory that there was no room to guard */
	struct trust trust;		     /**< the classes against the kernel's own counters */
	uint64_t page_size;
	uint64_t pages_present;
	uint64_t pages_by_class[PAGE_CLASS_COUNT];
	uint64_t pages_kept;	 /**< descriptors in the dump */
	uint64_t pages_not_in_source; /**< present, but the source is itself a filtered dump */
	uint64_t pages_zero;	 /**< of these: share the zero page */
	uint64_t pages_repeated; /**< and of these: share what an equal page before them stored */
	uint64_t pages_raw, pages_compressed; /**< stored on their own */
	uint64_t pages_partial;	 /**< RAM covers a part; rest stored as zeros */
	uint64_t pages_unreadable;
	uint64_t nr_hole_ranges; /**< of unreadable pages */
	struct range holes[CAPTURE_MAX_LISTED_HOLES]; /**< PFNs; the first of nr_hole_ranges */
	uint64_t pages_unsaved;	 /**< kept by the plan, not written: no space, or stopped */
	uint64_t bytes_read, bytes_written;
	bool stopped;		 /**< by a signal or the deadline */
	bool out_of_space;
	unsigned nr_threads;	 /**< that wrote: fewer than asked for where memory was short */
	double plan_seconds, write_seconds;
	char release[65];
};

/**
 * Plan, then emit: the whole capture. ST_OK also for a dump with holes or an incomplete one: see @report. An error means
 * that no dump was saved (report->saved false), or an internal fault.
 */
enum status capture_session_run(const struct capture_config *config, struct capture_report *report, struct err *err)
	__must_check;

/** The exit code that design gives to @report: EXIT_CODE_OK, _HOLES or _NOTHING_SAVED. */
int capture_report_exit_code(const struct capture_report *report);

/** @report as JSON (see the manual page); caller frees with json_decref(). NULL: out of memory. */
struct json_t *capture_report_json(const struct capture_report *report);

#endif
