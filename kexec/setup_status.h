/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_SETUP_STATUS_H
#define KEXEC_SETUP_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "initramfs/config.h"
#include "initramfs/dumpdir.h"
#include "kexec/armed_record.h"
#include "kexec/crash_sysfs.h"

enum staleness { STALE_UNKNOWN, STALE_NO, STALE_YES, STALE_MISSING };

/** Would a crash be captured, and with what? Each part that could not be found out has its own reason. */
struct setup_status {
	struct crash_sysfs kernel;
	bool have_record; /**< loaded by `innercore arm` in this boot */
	struct armed_record record;
	bool loaded_is_current; /**< the loaded initramfs is the one on disk */
	char initramfs[4096];
	uint64_t initramfs_bytes, initramfs_age_seconds;
	enum staleness stale; /**< of the file on disk against the configuration, this program and the modules */
	char why_unknown[ERR_TEXT_MAX];
	char target[264];
	char device[280], fstype[32]; /**< "": the target is not there */
	char why_no_target[ERR_TEXT_MAX];
	char ambiguous[ERR_TEXT_MAX];	      /**< that another file system has the target's label too; "": none has */
	char mounted_at[4096];		      /**< "": it is not mounted */
	char last_dump[DUMPDIR_NAME_LEN + 1]; /**< "": none, or not to be seen */
	char last_dump_state[32];
};

/** Never fails as a whole. */
void setup_status_read(const struct config *config, struct setup_status *status);

/**
 * Where the block device @major_nr:@minor_nr is mounted with its root visible, by the text of /proc/self/mountinfo,
 * into @buf.
 */
bool setup_status_find_mount(const char *mountinfo, unsigned major_nr, unsigned minor_nr, char *buf, size_t len);

#endif
