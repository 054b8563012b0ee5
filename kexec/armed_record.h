/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_ARMED_RECORD_H
#define KEXEC_ARMED_RECORD_H

#include <stdint.h>

#include "common/err.h"
#include "kexec/cmdline.h"

#define ARMED_RECORD_PATH "/run/innercore/armed.json"

/** What `arm` loaded, for `status`: the kernel itself only tells that something is loaded. */
struct armed_record {
	char boot_id[40]; /**< a record of an earlier boot means nothing */
	uint64_t time;	  /**< unix seconds */
	char kernel[4096], release[128];
	char initramfs[4096];
	char initramfs_sha256[72];
	char method[24]; /**< "kexec_file_load" or "kexec_load" */
	char target[360];
	char cmdline[CMDLINE_MAX_BYTES];
};

/** Write @record, with this boot's id, to @path (its folder is made). */
enum status armed_record_write(const char *path, struct armed_record *record, struct err *err) __must_check;

/** ST_NOT_FOUND: nothing was armed since this boot. */
enum status armed_record_read(const char *path, struct armed_record *record, struct err *err) __must_check;

/** Forget. */
void armed_record_remove(const char *path);

#endif
