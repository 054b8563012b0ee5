/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_CRASH_SYSFS_H
#define KEXEC_CRASH_SYSFS_H

#include <stdbool.h>
#include <stdint.h>

/** What the running kernel says about crash kernels. */
struct crash_sysfs {
	bool supported; /**< it can load one at all */
	bool loaded;
	uint64_t reserved_bytes; /**< 0: no crashkernel= was given, or it could not be met */
};

/**
 * Read /sys/kernel/kexec/{crash_loaded,crash_size} or, where a kernel has not got these yet, /sys/kernel/kexec_crash_*.
 * @sys is "/sys" but in tests.
 */
void crash_sysfs_read(const char *sys, struct crash_sysfs *info);

#endif
