/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VERIFY_SET_H
#define VERIFY_SET_H

#include "formats/dump_files.h"
#include "verify/verify.h"

/** One file of a split set. */
struct verify_file {
	const char *path; /**< borrowed */
	struct verify_report report;
	bool is_part;		     /**< has a range of page frames: */
	uint64_t start_pfn, end_pfn; /**< half open */
};

struct verify_set {
	struct verify_file *files; /**< in the order in which they were named */
	size_t nr_files;
	struct verify_report whole; /**< of all files together: findings that are no single file's, pages, phys_base */
};

/**
 * Hold each of @files (two at least) against the rules, as verify_run() does, and all of them against the rules of a set:
 * they abut, and are of one dump. ST_OK: there is a verdict. @set borrows the paths; its owner calls verify_set_deinit(),
 * after an error too. @config->path is not looked at.
 */
enum status verify_set_run(const struct verify_config *config, const struct dump_files *files, struct verify_set *set,
			   struct err *err) __must_check;
void verify_set_deinit(struct verify_set *set);

/** EXIT_CODE_OK, or EXIT_CODE_NEGATIVE where there are errors in any file or in the set. */
int verify_set_exit_code(const struct verify_set *set);

/** As verify_report_text() and verify_report_json(); each finding of a file names it. */
void verify_set_text(const struct verify_set *set, const char *name, FILE *to);
struct json_t *verify_set_json(const struct verify_set *set);

#endif
