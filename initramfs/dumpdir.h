/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_DUMPDIR_H
#define INITRAMFS_DUMPDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/** The folder of one dump: "YYYYMMDDTHHMMSSZ-<8 hex>"; names sort by time. */
#define DUMPDIR_NAME_LEN 25

#define DUMPDIR_STATUS "status.json"
#define DUMPDIR_DMESG "dmesg.txt"
#define DUMPDIR_VMCOREINFO "vmcoreinfo.txt"
#define DUMPDIR_NOTES "notes.elf"
#define DUMPDIR_DUMP "inner.kdump"
#define DUMPDIR_RESERVE "reserve" /**< room for the last status.json on a full disk; gone when all is well */

/** Is @name one that dumpdir_make() could have made? */
bool dumpdir_is_name(const char *name);

/** Write the name for @unix_seconds and @tag into @buf (DUMPDIR_NAME_LEN + 1 bytes). */
void dumpdir_format_name(uint64_t unix_seconds, uint32_t tag, char *buf);

/**
 * Make a folder (0700) in @parentfd for a crash at @unix_seconds, under a name that did not exist before, sync
 * @parentfd, and open it. @name has DUMPDIR_NAME_LEN + 1 bytes.
 */
enum status dumpdir_make(int parentfd, uint64_t unix_seconds, char *name, int *dirfd, struct err *err) __must_check;

/**
 * Keep some room in the folder @dirfd that a dump cannot fill; dumpdir_release() gives it back for the last words.
 * Without room for even that it does nothing.
 */
void dumpdir_reserve(int dirfd);
void dumpdir_release(int dirfd);

/**
 * The newest dump folder in @parentfd into @name (DUMPDIR_NAME_LEN + 1 bytes); ST_NOT_FOUND where there is none.
 */
enum status dumpdir_newest(int parentfd, char *name, struct err *err) __must_check;

#endif
