/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_EVIDENCE_H
#define INITRAMFS_EVIDENCE_H

#include <stdint.h>

#include "common/err.h"
#include "formats/physmem.h"
#include "kernel/kmodel.h"

/*
 * What is small and worth most, saved before the dump. Each function creates one file (0600) in the folder @dirfd,
 * syncs it and the folder, and tells its size. After an error what could be written stays.
 */

/** dmesg.txt: the crashed kernel's log. */
enum status evidence_save_dmesg(struct kmodel *km, int dirfd, uint64_t *bytes, struct err *err) __must_check;

/** vmcoreinfo.txt: VMCOREINFO as it is. ST_NOT_FOUND: there is none. */
enum status evidence_save_vmcoreinfo(const struct physmem *pm, int dirfd, uint64_t *bytes,
				     struct err *err) __must_check;

/** notes.elf: an ELF core of nothing but the notes (registers of each CPU, VMCOREINFO), for `readelf -n`. */
enum status evidence_save_notes(const struct physmem *pm, int dirfd, uint64_t *bytes, struct err *err) __must_check;

/** The crashed kernel's log to @fd, for a machine that has no target left to save it to. @touch is called now and then.
 */
enum status evidence_print_dmesg(struct kmodel *km, int fd, void (*touch)(void), struct err *err) __must_check;

#endif
