// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/armed_record.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define RECORD_MAX_BYTES 65536

enum status armed_record_write(const char *path, struct armed_record *record, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	enum status st;
	json_t *doc;

	file_first_line(BOOT_ID_PATH, record->boot_id, sizeof(record->boot_id));
	doc = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "boot_id", record->boot_id, "time",
			(json_int_t)record->time, "kernel", record->kernel, "release", record->release, "initramfs",
			record->initramfs, "initramfs_sha256", record->initramfs_sha256, "method", record->method,
			"target", record->target, "cmdline", record->cmdline);
	text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
	json_decref(doc);
	if (!text)
		return err_set(err, ST_NO_MEMORY, "cannot make the record %s", path);
	st = file_make_parents(path, 0755, err);
	if (st != ST_OK)
		return st;
	return file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static void take(const json_t *doc, const char *key, char *buf, size_t len)
{
	const char *text = json_string_value(json_object_get(doc, key));

	snprintf(buf, len, "%s", text ? text : "");
}

enum status armed_record_read(const char *path, struct armed_record *record, struct err *err)
{
	_cleanup_free_ uint8_t *text = NULL;
	char boot_id[40];
	size_t len;
	enum status st = file_read_all(path, RECORD_MAX_BYTES, &text, &len, err);
	json_t *doc;

	memset(record, 0, sizeof(*record));
	if (st != ST_OK)
		return st;
	doc = json_loadb((const char *)text, len, 0, NULL);
	take(doc, "boot_id", record->boot_id, sizeof(record->boot_id));
	take(doc, "kernel", record->kernel, sizeof(record->kernel));
	take(doc, "release", record->release, sizeof(record->release));
	take(doc, "initramfs", record->initramfs, sizeof(record->initramfs));
	take(doc, "initramfs_sha256", record->initramfs_sha256, sizeof(record->initramfs_sha256));
	take(doc, "method", record->method, sizeof(record->method));
	take(doc, "target", record->target, sizeof(record->target));
	take(doc, "cmdline", record->cmdline, sizeof(record->cmdline));
	record->time = (uint64_t)json_integer_value(json_object_get(doc, "time"));
	json_decref(doc);
	if (strcmp(record->boot_id, file_first_line(BOOT_ID_PATH, boot_id, sizeof(boot_id))) != 0)
		return err_set(err, ST_NOT_FOUND, "%s is of an earlier boot", path);
	return ST_OK;
}

void armed_record_remove(const char *path)
{
	unlink(path);
}
