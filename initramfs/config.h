/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_CONFIG_H
#define INITRAMFS_CONFIG_H

#include <stddef.h>

#include "common/err.h"

#define CONFIG_PATH "/etc/innercore.conf"
#define CONFIG_MAX_BYTES 65536

enum target_kind { TARGET_NONE, TARGET_UUID, TARGET_LABEL, TARGET_DEVICE };
enum final_action { FINAL_REBOOT, FINAL_POWEROFF, FINAL_HALT };

/** /etc/innercore.conf, every value checked. Empty strings: not set. */
struct config {
	enum target_kind target_kind;
	char target[256]; /**< the UUID, the LABEL, or the path of the device */
	char fstype[16];  /**< ext4, xfs, vfat; empty: as probed */
	char path[256];	  /**< folder inside the target's file system, absolute */
	char compression[16];
	int dump_level;
	unsigned keep; /**< dumps to keep; 0: all */
	enum final_action final_action;
	unsigned deadline_seconds;    /**< for the whole capture; 0: none */
	unsigned target_wait_seconds; /**< for the target's device to appear */
	char kernel[256];	      /**< capture kernel's image */
	char initramfs[256];	      /**< where arm and mkinitramfs put it */
	char cmdline_append[512];
	char cmdline_remove[512]; /**< names of parameters, separated by blanks */
	char modules_extra[512];  /**< names, separated by blanks */
};

void config_set_defaults(struct config *config);

/**
 * Parse "key = value" lines; "#" starts a comment at the start of a line or after a blank; a value may stand in double
 * quotes. What the text does not name has its default. An error is "NAME:LINE: what is wrong and what to write
 * instead".
 */
enum status config_parse(const char *text, size_t len, const char *name, struct config *config,
			 struct err *err) __must_check;

/** config_parse() of a file; ST_NOT_FOUND where there is none, with @config at its defaults. */
enum status config_load(const char *path, struct config *config, struct err *err) __must_check;

/**
 * Write @config as a text that config_parse() reads back to the same struct, every key in a fixed order, into @buf.
 * Returns its length; @len of 4096 always suffices.
 */
size_t config_format(const struct config *config, char *buf, size_t len);

/** "UUID=...", "LABEL=..." or the device's path into @buf (at least 264 bytes), "none" where there is no target. */
const char *config_target_name(const struct config *config, char *buf, size_t len);

/** "reboot", "poweroff", "halt". */
const char *config_final_action_name(enum final_action action);

#endif
