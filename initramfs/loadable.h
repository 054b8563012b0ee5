/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_LOADABLE_H
#define INITRAMFS_LOADABLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/**
 * Cut an ELF64 executable in memory down to what the kernel's loader reads: section headers, symbols and debug
 * information after the last PT_LOAD go. *@len becomes the new length. ST_BAD_INPUT: no static ELF64 executable (it
 * would need an interpreter that the capture kernel does not have).
 */
enum status loadable_trim(uint8_t *image, size_t *len, struct err *err) __must_check;

#endif
