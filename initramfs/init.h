/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_INIT_H
#define INITRAMFS_INIT_H

/**
 * Life as PID 1 of the capture kernel: mount, load modules, find the target, save in order of value (status.json, the
 * log, the notes, the dump), remove old dumps, end the machine. Never returns, whatever happens.
 */
int init_main(void) __attribute__((noreturn));

/** Where the initramfs tells that the first kernel's hardware watchdog was running. */
#define INIT_WATCHDOG_MARK "/etc/innercore.watchdog"

#endif
