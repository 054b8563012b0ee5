// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/units.h"
#include "formats/codec/codec.h"

#define VALUE_MAX 512
#define DUMP_LEVEL_MAX 31
#define SECONDS_MAX 864000 /* ten days */
#define KEEP_MAX 10000

/* Sets its part of @config from @value; the text of @err says what to write instead. */
typedef enum status (*set_fn)(struct config *config, const char *value, struct err *err);
typedef void (*get_fn)(const struct config *config, char *buf, size_t len);

static enum status set_string(char *dst, size_t size, const char *value, struct err *err)
{
	if (strlen(value) >= size)
		return err_set(err, ST_BAD_INPUT, "the value is longer than %zu characters", size - 1);
	memcpy(dst, value, strlen(value) + 1);
	return ST_OK;
}

static enum status set_number(unsigned *dst, const char *value, unsigned max, struct err *err)
{
	char *end;
	unsigned long v;

	v = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || v > max)
		return err_set(err, ST_BAD_INPUT, "\"%s\" is no number from 0 to %u", value, max);
	*dst = (unsigned)v;
	return ST_OK;
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strcspn(p, "/") == 2 && p[0] == '.' && p[1] == '.')
			return true;
	}
	return false;
}

static enum status set_path(char *dst, size_t size, const char *value, struct err *err)
{
	if (*value && (value[0] != '/' || has_dotdot(value)))
		return err_set(err, ST_BAD_INPUT, "\"%s\" must be an absolute path without \"..\"", value);
	return set_string(dst, size, value, err);
}

static enum status set_target_kind(struct config *c, enum target_kind kind, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, ST_BAD_INPUT, "the target's name is empty: write UUID=..., LABEL=... or /dev/...");
	c->target_kind = kind;
	return set_string(c->target, sizeof(c->target), value, err);
}

static enum status set_target_device(struct config *c, const char *value, struct err *err)
{
	static const char by_uuid[] = "/dev/disk/by-uuid/", by_label[] = "/dev/disk/by-label/";
	static const char *const stacked[] = { "/dev/mapper/", "/dev/dm-", "/dev/md" };

	/* There is no udev in the capture kernel that would make these links. */
	if (!strncmp(value, by_uuid, sizeof(by_uuid) - 1))
		return set_target_kind(c, TARGET_UUID, value + sizeof(by_uuid) - 1, err);
	if (!strncmp(value, by_label, sizeof(by_label) - 1) && !strchr(value, '\\'))
		return set_target_kind(c, TARGET_LABEL, value + sizeof(by_label) - 1, err);
	if (!strncmp(value, "/dev/disk/", 10))
		return err_set(err, ST_BAD_INPUT,
			       "%s needs udev, which the capture kernel has not: write UUID=... (blkid tells it)",
			       value);
	for (size_t i = 0; i < ARRAY_SIZE(stacked); i++)
		if (!strncmp(value, stacked[i], strlen(stacked[i])))
			return err_set(err, ST_BAD_INPUT,
				       "%s: volumes on LVM, LUKS or RAID are not supported: name a plain partition",
				       value);
	if (has_dotdot(value))
		return err_set(err, ST_BAD_INPUT, "%s contains \"..\"", value);
	return set_target_kind(c, TARGET_DEVICE, value, err);
}

static enum status set_target(struct config *c, const char *value, struct err *err)
{
	if (!strncmp(value, "UUID=", 5))
		return set_target_kind(c, TARGET_UUID, value + 5, err);
	if (!strncmp(value, "LABEL=", 6))
		return set_target_kind(c, TARGET_LABEL, value + 6, err);
	if (!strncmp(value, "/dev/", 5))
		return set_target_device(c, value, err);
	if (!strncmp(value, "raw", 3))
		return err_set(err, ST_BAD_INPUT,
			       "raw targets come later: name a file system as UUID=..., LABEL=... or /dev/...");
	return err_set(err, ST_BAD_INPUT, "\"%s\" is no target: write UUID=..., LABEL=... or /dev/...", value);
}

static void get_target(const struct config *c, char *buf, size_t len)
{
	if (c->target_kind == TARGET_NONE)
		buf[0] = '\0';
	else
		config_target_name(c, buf, len);
}

static enum status set_fstype(struct config *c, const char *value, struct err *err)
{
	static const char *const known[] = { "ext4", "xfs", "vfat" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(value, known[i]))
			return set_string(c->fstype, sizeof(c->fstype), value, err);
	return err_set(err, ST_BAD_INPUT, "\"%s\" is not supported: use ext4, xfs or vfat", value);
}

static enum status set_folder(struct config *c, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, ST_BAD_INPUT, "the path is empty: write an absolute one, for example /var/crash");
	return set_path(c->path, sizeof(c->path), value, err);
}

static enum status set_compression(struct config *c, const char *value, struct err *err)
{
	int level;

	if (!codec_parse(value, &level))
		return err_set(err, ST_BAD_INPUT,
			       "\"%s\" is unknown: use zlib, lzo, snappy, zstd or none, or zstd:LEVEL (-20 to 19)", value);
	return set_string(c->compression, sizeof(c->compression), value, err);
}

static enum status set_dump_level(struct config *c, const char *value, struct err *err)
{
	unsigned level = 0;
	enum status st = set_number(&level, value, DUMP_LEVEL_MAX, err);

	c->dump_level = (int)level;
	return st;
}

static void get_dump_level(const struct config *c, char *buf, size_t len)
{
	snprintf(buf, len, "%d", c->dump_level);
}

static enum status set_final_action(struct config *c, const char *value, struct err *err)
{
	for (enum final_action a = FINAL_REBOOT; a <= FINAL_HALT; a++) {
		if (!strcmp(value, config_final_action_name(a))) {
			c->final_action = a;
			return ST_OK;
		}
	}
	return err_set(err, ST_BAD_INPUT, "\"%s\" is unknown: use reboot, poweroff or halt", value);
}

static void get_final_action(const struct config *c, char *buf, size_t len)
{
	snprintf(buf, len, "%s", config_final_action_name(c->final_action));
}

#define NUMBER_KEY(field, max)                                                               \
	static enum status set_##field(struct config *c, const char *value, struct err *err) \
	{                                                                                    \
		return set_number(&c->field, value, max, err);                               \
	}                                                                                    \
	static void get_##field(const struct config *c, char *buf, size_t len)               \
	{                                                                                    \
		snprintf(buf, len, "%u", c->field);                                          \
	}
#define STRING_GETTER(field)                                                   \
	static void get_##field(const struct config *c, char *buf, size_t len) \
	{                                                                      \
		snprintf(buf, len, "%s", c->field);                            \
	}
#define STRING_KEY(field, setter)                                                            \
	static enum status set_##field(struct config *c, const char *value, struct err *err) \
	{                                                                                    \
		return setter(c->field, sizeof(c->field), value, err);                       \
	}                                                                                    \
	STRING_GETTER(field)

NUMBER_KEY(keep, KEEP_MAX)
NUMBER_KEY(deadline_seconds, SECONDS_MAX)
NUMBER_KEY(target_wait_seconds, SECONDS_MAX)
STRING_KEY(kernel, set_path)
STRING_KEY(initramfs, set_path)
STRING_KEY(cmdline_append, set_string)
STRING_KEY(cmdline_remove, set_string)
STRING_KEY(modules_extra, set_string)
STRING_GETTER(fstype)
STRING_GETTER(path)
STRING_GETTER(compression)

static const struct key {
	const char *name;
	set_fn set;
	get_fn get;
} keys[] = {
	{ "target", set_target, get_target },
	{ "fstype", set_fstype, get_fstype },
	{ "path", set_folder, get_path },
	{ "compression", set_compression, get_compression },
	{ "dump_level", set_dump_level, get_dump_level },
	{ "keep", set_keep, get_keep },
	{ "final_action", set_final_action, get_final_action },
	{ "deadline_seconds", set_deadline_seconds, get_deadline_seconds },
	{ "target_wait_seconds", set_target_wait_seconds, get_target_wait_seconds },
	{ "kernel", set_kernel, get_kernel },
	{ "initramfs", set_initramfs, get_initramfs },
	{ "cmdline_append", set_cmdline_append, get_cmdline_append },
	{ "cmdline_remove", set_cmdline_remove, get_cmdline_remove },
	{ "modules_extra", set_modules_extra, get_modules_extra },
};

void config_set_defaults(struct config *config)
{
	*config = (struct config){
		.path = "/var/crash",
		.compression = "zstd",
		.dump_level = DUMP_LEVEL_MAX,
		.keep = 3,
		.deadline_seconds = 7200,
		.target_wait_seconds = 30,
	};
}

const char *config_final_action_name(enum final_action action)
{
	static const char *const names[] = {
		[FINAL_REBOOT] = "reboot",
		[FINAL_POWEROFF] = "poweroff",
		[FINAL_HALT] = "halt",
	};

	return names[action];
}

const char *config_target_name(const struct config *config, char *buf, size_t len)
{
	static const char *const prefix[] = {
		[TARGET_NONE] = "none",
		[TARGET_UUID] = "UUID=",
		[TARGET_LABEL] = "LABEL=",
		[TARGET_DEVICE] = "",
	};

	snprintf(buf, len, "%s%s", prefix[config->target_kind], config->target);
	return buf;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r");
	len = strlen(s);
	while (len && strchr(" \t\r", s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

static void cut_comment(char *line)
{
	bool quoted = false;

	for (char *p = line; *p; p++) {
		if (*p == '"')
			quoted = !quoted;
		if (*p == '#' && !quoted && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
	}
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static enum status unknown_key(const char *name, struct err *err)
{
	char list[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", keys[i].name);
	return err_set(err, ST_BAD_INPUT, "there is no key \"%.64s\"; there are: %s", name, list);
}

static enum status unquote(char **value, struct err *err)
{
	size_t len = strlen(*value);

	if (!strchr(*value, '"'))
		return ST_OK;
	if (len < 2 || (*value)[0] != '"' || (*value)[len - 1] != '"' || memchr(*value + 1, '"', len - 2))
		return err_set(err, ST_BAD_INPUT, "put the whole value in double quotes, or none of it");
	(*value)[len - 1] = '\0';
	(*value)++;
	return ST_OK;
}

/* @seen: one bit a key of keys[]. */
static enum status parse_line(char *line, struct config *config, uint32_t *seen, struct err *err)
{
	const struct key *key;
	char *value, *name;
	enum status st;

	for (const char *p = line; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t' && *p != '\r') || (unsigned char)*p >= 0x7f)
			return err_set(err, ST_BAD_INPUT, "a character that is no printable ASCII, in column %zu",
				       (size_t)(p - line) + 1);
	cut_comment(line);
	name = trim(line);
	if (!*name)
		return ST_OK;
	value = strchr(name, '=');
	if (!value)
		return err_set(err, ST_BAD_INPUT, "\"%.64s\": write it as \"key = value\"", name);
	*value++ = '\0';
	name = trim(name);
	value = trim(value);
	key = find_key(name);
	if (!key)
		return unknown_key(name, err);
	if (*seen & UINT32_C(1) << (key - keys))
		return err_set(err, ST_BAD_INPUT, "%s is set twice: remove one of the lines", name);
	*seen |= UINT32_C(1) << (key - keys);
	st = unquote(&value, err);
	if (st == ST_OK && strlen(value) >= VALUE_MAX)
		st = err_set(err, ST_BAD_INPUT, "the value is longer than %d characters", VALUE_MAX - 1);
	if (st == ST_OK)
		st = key->set(config, value, err);
	return st == ST_OK ? ST_OK : err_wrap(err, st, "%s", name);
}

enum status config_parse(const char *text, size_t len, const char *name, struct config *config, struct err *err)
{
	unsigned number = 1;
	uint32_t seen = 0;

	config_set_defaults(config);
	for (size_t off = 0; off < len; number++) {
		const char *nl = memchr(text + off, '\n', len - off);
		size_t n = nl ? (size_t)(nl - text) - off : len - off;
		char line[2 * VALUE_MAX];
		enum status st;

		if (n >= sizeof(line))
			return err_set(err, ST_BAD_INPUT, "%s:%u: the line is longer than %zu characters", name, number,
				       sizeof(line) - 1);
		if (memchr(text + off, '\0', n))
			return err_set(err, ST_BAD_INPUT, "%s:%u: a NUL byte: this is no text file", name, number);
		memcpy(line, text + off, n);
		line[n] = '\0';
		st = parse_line(line, config, &seen, err);
		if (st != ST_OK)
			return err_wrap(err, st, "%s:%u", name, number);
		off += n + 1;
	}
	return ST_OK;
}

enum status config_load(const char *path, struct config *config, struct err *err)
{
	_cleanup_free_ uint8_t *text = NULL;
	size_t len = 0;
	enum status st;

	config_set_defaults(config);
	st = file_read_all(path, CONFIG_MAX_BYTES, &text, &len, err);
	if (st != ST_OK)
		return st;
	return config_parse((const char *)text, len, path, config, err);
}

size_t config_format(const struct config *config, char *buf, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && used < len; i++) {
		char value[VALUE_MAX];

		keys[i].get(config, value, sizeof(value));
		if (*value)
			used += (size_t)snprintf(buf + used, len - used, "%s = \"%s\"\n", keys[i].name, value);
	}
	return used < len ? used : len - 1;
}
