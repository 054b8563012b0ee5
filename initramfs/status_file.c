// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/status_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/units.h"
#include "initramfs/dumpdir.h"

#define STATUS_MAX_BYTES (4 * MIB)

void status_file_set(json_t *doc, const char *key, const char *text)
{
	json_t *value = json_string(text);

	/* jansson refuses what is no UTF-8, and text from a crashed kernel may be that; then say as much. */
	json_object_set_new(doc, key, value ? value : json_string("(not printable)"));
}

json_t *status_file_new(const struct status_facts *facts)
{
	json_t *doc = json_object(), *target = json_object();
	time_t t = (time_t)facts->crash_seconds;
	char iso[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &tm);
	status_file_set(doc, "tool", "innercore");
	status_file_set(doc, "version", INNERCORE_VERSION);
	status_file_set(doc, "state", "started");
	status_file_set(doc, "stage", "start");
	status_file_set(doc, "crash_time", iso);
	status_file_set(doc, "crash_time_source", facts->crash_time_source);
	status_file_set(doc, "release", facts->release);
	status_file_set(target, "name", facts->target);
	status_file_set(target, "device", facts->device);
	status_file_set(target, "fstype", facts->fstype);
	status_file_set(target, "uuid", facts->uuid);
	json_object_set_new(doc, "target", target);
	json_object_set_new(doc, "files", json_object());
	json_object_set_new(doc, "errors", json_array());
	return doc;
}

void status_file_free(json_t *doc)
{
	json_decref(doc);
}

void status_file_add_error(json_t *doc, const char *text)
{
	json_t *value = json_string(text);

	json_array_append_new(json_object_get(doc, "errors"), value ? value : json_string("(not printable)"));
}

void status_file_add_file(json_t *doc, const char *name, uint64_t bytes)
{
	json_object_set_new(json_object_get(doc, "files"), name, json_integer((json_int_t)bytes));
}

void status_file_add_sha256(json_t *doc, const char *name, const char *hex)
{
	if (!json_object_get(doc, "sha256"))
		json_object_set_new(doc, "sha256", json_object());
	status_file_set(json_object_get(doc, "sha256"), name, hex);
}

void status_file_add_capture(json_t *doc, const struct capture_report *report)
{
	json_object_set_new(doc, "capture", capture_report_json(report));
}

void status_file_add_seconds(json_t *doc, double seconds)
{
	json_object_set_new(doc, "seconds", json_real(seconds));
}

enum status status_file_write(int dirfd, const json_t *doc, struct err *err)
{
	static const char last_words[] =
		"{\"tool\": \"innercore\", \"state\": \"unknown\", \"errors\": [\"out of memory\"]}\n";
	_cleanup_free_ char *text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
	size_t len;

	if (!text)
		return file_replace_at(dirfd, DUMPDIR_STATUS, last_words, sizeof(last_words) - 1, 0600, err);
	len = strlen(text);
	text[len] = '\n'; /* takes the place of the NUL */
	return file_replace_at(dirfd, DUMPDIR_STATUS, text, len + 1, 0600, err);
}

enum status status_file_read_state(int dirfd, char *state, size_t len, struct err *err)
{
	_cleanup_fd_ int fd = openat(dirfd, DUMPDIR_STATUS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ uint8_t *text = NULL;
	const char *found;
	size_t text_len;
	enum status st;
	json_t *doc;

	if (fd < 0)
		return err_set_errno(err, errno == ENOENT ? ST_NOT_FOUND : ST_IO, errno, "cannot open %s",
				     DUMPDIR_STATUS);
	st = file_read_fd(fd, DUMPDIR_STATUS, STATUS_MAX_BYTES, &text, &text_len, err);
	if (st != ST_OK)
		return st;
	doc = json_loadb((const char *)text, text_len, 0, NULL);
	found = json_string_value(json_object_get(doc, "state"));
	if (!found)
		st = err_set(err, ST_BAD_INPUT, "%s is not one of ours", DUMPDIR_STATUS);
	else
		snprintf(state, len, "%s", found);
	json_decref(doc);
	return st;
}
