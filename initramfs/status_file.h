/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_STATUS_FILE_H
#define INITRAMFS_STATUS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "capture/session.h"
#include "common/err.h"

struct json_t;

/**
 * status.json beside a dump, an object:
 *   tool, version; state "started" | "complete" | "incomplete" | "failed"; stage: what was being done;
 *   crash_time (UTC, ISO 8601), crash_time_source "VMCOREINFO" | "clock"; release; target {name, device, fstype,
 *   uuid}; files {NAME: bytes}; errors [text]; and at the end capture (see capture_report_json()), sha256 {NAME: hex},
 * seconds. "started" that stays means that the capture was cut short; what `files` names was whole by then. All
 * functions take NULL for a document that memory did not suffice for, and do nothing then.
 */
struct status_facts {
	uint64_t crash_seconds; /**< unix time */
	const char *crash_time_source;
	const char *release;
	const char *target, *device, *fstype, *uuid;
};

/** A new document in state "started"; NULL: out of memory. */
struct json_t *status_file_new(const struct status_facts *facts);
void status_file_free(struct json_t *doc);

void status_file_set(struct json_t *doc, const char *key, const char *text);
void status_file_add_error(struct json_t *doc, const char *text);
void status_file_add_file(struct json_t *doc, const char *name, uint64_t bytes);
void status_file_add_sha256(struct json_t *doc, const char *name, const char *hex);
void status_file_add_capture(struct json_t *doc, const struct capture_report *report);
void status_file_add_seconds(struct json_t *doc, double seconds);

/** Write @doc as status.json into the folder @dirfd, atomically and synced. */
enum status status_file_write(int dirfd, const struct json_t *doc, struct err *err) __must_check;

/** The "state" of status.json in the folder @dirfd into @state; ST_NOT_FOUND, ST_BAD_INPUT. */
enum status status_file_read_state(int dirfd, char *state, size_t len, struct err *err) __must_check;

#endif
