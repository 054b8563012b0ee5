/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_INIT_SYSTEM_H
#define INITRAMFS_INIT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

/** Mount /proc, /sys and /dev, and see to it that descriptors 0 to 2 are a console. What fails is logged. */
void init_system_start(void);

/** /proc/cmdline into @buf; "" where it cannot be read. */
void init_system_cmdline(char *buf, size_t len);

/** Is @word one of the parameters of @cmdline, as a whole ("quiet") or up to its "=" ("elfcorehdr=")? */
bool init_system_has_parameter(const char *cmdline, const char *word);

#endif
