/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_ARM_H
#define KEXEC_ARM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "initramfs/config.h"
#include "kexec/armed_record.h"
#include "kexec/capture_cpus.h"

/** Borrowed strings; NULL where the configuration or a default serves. */
struct arm_options {
	const struct config *config;
	const char *kernel;
	const char *initramfs; /**< taken as it is; NULL: built where missing or stale */
	bool dry_run;	       /**< check and show, write and load nothing */
};

struct arm_report {
	struct armed_record record; /**< what is, or would be, loaded */
	uint64_t reserved_bytes;
	struct capture_cpus cpus;
	uint64_t initramfs_bytes;
	bool initramfs_built; /**< it was missing or stale, and was (would be) written anew */
	bool set_panic_on_oops;
};

/**
 * Load the capture kernel: check, build the initramfs if it is stale, load with kexec-tools (kexec_file_load, or
 * kexec_load where the kernel lacks that), check that the kernel says so too, and have an oops panic. Each failure is
 * one line that says what to do.
 */
enum status arm_run(const struct arm_options *options, struct arm_report *report, struct err *err) __must_check;

/** Unload. ST_OK also where nothing was loaded; *@was_loaded says. */
enum status arm_undo(bool *was_loaded, struct err *err) __must_check;

#endif
