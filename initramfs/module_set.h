/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_MODULE_SET_H
#define INITRAMFS_MODULE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "initramfs/word_list.h"

/** Where a kernel's modules are: ROOT/lib/modules/RELEASE. */
struct module_tree {
	char root[4096]; /**< for `modprobe -d`; "" for the running system's own */
	char release[128];
};

/**
 * Understand what a user may name as a modules folder: the root that holds lib/modules/RELEASE, lib/modules, or the
 * release's own folder. @folder NULL: the running system's. @release NULL: the running kernel's, or the one that the
 * folder's name tells.
 */
enum status module_tree_find(const char *folder, const char *release, struct module_tree *tree,
			     struct err *err) __must_check;

/**
 * Append to @files the paths of the modules that make @name work, @name's own last, as kmod's modprobe orders them;
 * none for what is built in. ST_NOT_FOUND: there is no such module.
 */
enum status module_set_resolve(const struct module_tree *tree, const char *name, struct word_list *files,
			       struct err *err) __must_check;

/** Read a module, decompressed if it is .ko.xz, .ko.zst or .ko.gz. Caller frees *@data. */
enum status module_file_read(const char *path, uint8_t **data, size_t *len, struct err *err) __must_check;

/** ".../virtio_blk.ko.xz" -> "virtio_blk" into @buf. ST_BAD_INPUT for what has not that form. */
enum status module_file_name(const char *path, char *buf, size_t len, struct err *err) __must_check;

#endif
