/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_JOB_H
#define REPAIR_JOB_H

#include "emit/pageset.h"
#include "formats/io/wsink.h"
#include "formats/physmem.h"
#include "kernel/kmodel.h"
#include "repair/repair.h"

/* What both ways of repairing share: what the dump is, and what it ought to say. Private to this folder. */
struct repair_job {
	const struct repair_config *config;
	struct repair_report *report;
	struct physmem *pm;
	struct physmem *from; /**< lends its VMCOREINFO */
	char *found_text;     /**< found in memory */
	struct kmodel *km;    /**< NULL: a partial dump without the tables that would prove it */
	uint8_t *notes;
	size_t notes_len;
	struct pageset pages;
	struct wsink *sink;
};

/** With @j->pm open: which kernel is it, and where? Fills the report's first half. */
enum status repair_job_understand(struct repair_job *j, struct err *err) __must_check;
/** All notes of the better dump into @j->notes, VMCOREINFO last. */
enum status repair_job_compose_notes(struct repair_job *j, struct err *err) __must_check;
/** One past the last page of System RAM, as the kernel's resource tree has it; 0: unknown. */
uint64_t repair_job_end_of_ram(struct repair_job *j);
void repair_job_deinit(struct repair_job *j);

#endif
