/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_REBOOT_H
#define INITRAMFS_REBOOT_H

#include "initramfs/config.h"

/**
 * Get ready for the end: open /proc/sysrq-trigger while things still work, and send SIGSEGV, SIGBUS, SIGABRT and their
 * like through reboot_hard(). Call once /proc is mounted; again to change @action.
 */
void reboot_prepare(enum final_action action);

/** The orderly end: sync, then reboot(2). guard.h watches over it. */
_Noreturn void reboot_orderly(enum final_action action);

/**
 * The end when something hangs or broke: waits for nothing that may hang. sysrq s, u, b; then reboot(2), then a panic,
 * and at the very last a sleep in which a hardware watchdog fires. Async-signal-safe, any thread.
 */
_Noreturn void reboot_hard(void);

#endif
