// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/vmcoreinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define TEXT_MAX MIB
/* The kernel formats each line into a buffer of 80 bytes; anything much longer is no line of its. */
#define LINE_MAX_BYTES 1024u

/** A line "key=value"; both are offsets of terminated strings in the text: half the size of pointers. */
struct line {
	uint32_t key_off;
	uint32_t value_off;
};

struct vmcoreinfo {
	char *text;
	struct line *lines; /**< sorted by key, equal keys in the order of the text */
	size_t nr_lines;
	struct vmcoreinfo *more; /**< owned; NULL: none */
};

static int line_compare(const void *a, const void *b, void *text)
{
	const struct line *la = a, *lb = b;
	int diff = strcmp((const char *)text + la->key_off, (const char *)text + lb->key_off);

	if (diff)
		return diff;
	return (la->key_off > lb->key_off) - (la->key_off < lb->key_off);
}

static bool is_key(const char *key, size_t len)
{
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (key[i] <= ' ' || key[i] > '~')
			return false;
	return true;
}

/** The line at @off of @text, which ends at @end (the newline's place): false where it is no "key=value". */
static bool line_parse(char *text, size_t off, size_t end, struct line *line)
{
	const char *eq;

	if (end > off && text[end - 1] == '\r')
		end--;
	if (end - off > LINE_MAX_BYTES)
		return false;
	eq = memchr(text + off, '=', end - off);
	if (!eq || !is_key(text + off, (size_t)(eq - text) - off))
		return false;
	line->key_off = (uint32_t)off;
	line->value_off = (uint32_t)(eq - text) + 1;
	return true;
}

/** Where the line at @off ends: a newline, or a NUL, since notes are padded with those, or @len. */
static size_t line_end(const char *text, size_t off, size_t len)
{
	while (off < len && text[off] != '\n' && text[off] != '\0')
		off++;
	return off;
}

/** Split the text into lines, terminating keys and values in place. With @lines NULL only counts, and changes nothing.
 */
static size_t split_lines(char *text, size_t len, struct line *lines)
{
	size_t nr = 0;

	for (size_t off = 0, end; off < len; off = end + 1) {
		struct line line;

		end = line_end(text, off, len);
		if (!line_parse(text, off, end, &line))
			continue;
		if (lines) {
			text[line.value_off - 1] = '\0';
			text[end > off && text[end - 1] == '\r' ? end - 1 : end] = '\0';
			lines[nr] = line;
		}
		nr++;
	}
	return nr;
}

enum status vmcoreinfo_parse(const char *text, size_t len, struct vmcoreinfo **out, struct err *err)
{
	struct vmcoreinfo *vi;
	enum status st;

	*out = NULL;
	if (len > TEXT_MAX)
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO has %zu bytes, more than 1 MiB", len);
	vi = calloc(1, sizeof(*vi));
	if (!vi)
		return err_set(err, ST_NO_MEMORY, "no memory for VMCOREINFO");
	vi->text = malloc(len + 1);
	if (!vi->text)
		goto no_memory;
	if (len)
		memcpy(vi->text, text, len);
	vi->text[len] = '\0';
	vi->nr_lines = split_lines(vi->text, len, NULL);
	vi->lines = calloc(vi->nr_lines + 1, sizeof(*vi->lines));
	if (!vi->lines)
		goto no_memory;
	split_lines(vi->text, len, vi->lines);
	qsort_r(vi->lines, vi->nr_lines, sizeof(*vi->lines), line_compare, vi->text);
	if (!vmcoreinfo_string(vi, "OSRELEASE")) {
		st = err_set(err, ST_BAD_INPUT, "VMCOREINFO has no OSRELEASE line");
		goto fail;
	}
	*out = vi;
	return ST_OK;

no_memory:
	st = err_set(err, ST_NO_MEMORY, "no memory for %zu bytes of VMCOREINFO", len);
fail:
	vmcoreinfo_free(vi);
	return st;
}

void vmcoreinfo_free(struct vmcoreinfo *vi)
{
	if (!vi)
		return;
	vmcoreinfo_free(vi->more);
	free(vi->lines);
	free(vi->text);
	free(vi);
}

void vmcoreinfo_set_fallback(struct vmcoreinfo *vi, struct vmcoreinfo *more)
{
	vmcoreinfo_free(vi->more);
	vi->more = more;
}

const char *vmcoreinfo_string(const struct vmcoreinfo *vi, const char *key)
{
	size_t low = 0, high = vi->nr_lines;

	/* The lowest of equal keys: it is the first of the text, as every other reader takes it. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(vi->text + vi->lines[mid].key_off, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == vi->nr_lines || strcmp(vi->text + vi->lines[low].key_off, key))
		return NULL;
	return vi->text + vi->lines[low].value_off;
}

static const char *lookup(const struct vmcoreinfo *vi, const char *kind, const char *name)
{
	char key[LINE_MAX_BYTES];
	int len = snprintf(key, sizeof(key), "%s(%s)", kind, name);
	const char *value;

	if (len < 0 || (size_t)len >= sizeof(key))
		return NULL;
	value = vmcoreinfo_string(vi, key);
	return value || !vi->more ? value : vmcoreinfo_string(vi->more, key);
}

/** All of @s as digits of @base (10 or 16): no sign, no blank, no prefix, no overflow; strtoull() forgives all of them.
 */
static bool parse_digits(const char *s, unsigned base, uint64_t *out)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned digit;

		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			digit = (unsigned)(*s - 'a') + 10;
		else if (*s >= 'A' && *s <= 'F')
			digit = (unsigned)(*s - 'A') + 10;
		else
			return false;
		if (digit >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

static bool lookup_unsigned(const struct vmcoreinfo *vi, const char *kind, const char *name, unsigned base, uint64_t *v)
{
	const char *value = lookup(vi, kind, name);

	return value && parse_digits(value, base, v);
}

bool vmcoreinfo_symbol(const struct vmcoreinfo *vi, const char *name, uint64_t *v)
{
	return lookup_unsigned(vi, "SYMBOL", name, 16, v);
}

bool vmcoreinfo_size(const struct vmcoreinfo *vi, const char *name, uint64_t *v)
{
	return lookup_unsigned(vi, "SIZE", name, 10, v);
}

bool vmcoreinfo_offset(const struct vmcoreinfo *vi, const char *name, uint64_t *v)
{
	return lookup_unsigned(vi, "OFFSET", name, 10, v);
}

bool vmcoreinfo_length(const struct vmcoreinfo *vi, const char *name, uint64_t *v)
{
	return lookup_unsigned(vi, "LENGTH", name, 10, v);
}

bool vmcoreinfo_number(const struct vmcoreinfo *vi, const char *name, int64_t *v)
{
	const char *value = lookup(vi, "NUMBER", name);
	bool negative;
	uint64_t u;

	if (!value)
		return false;
	/* Hex is an address or a mask (arm64 prints kimage_voffset so): its top bit is a bit, not a range error. */
	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X')) {
		if (!parse_digits(value + 2, 16, &u))
			return false;
		*v = (int64_t)u;
		return true;
	}
	negative = value[0] == '-';
	if (!parse_digits(value + negative, 10, &u))
		return false;
	if (u > (uint64_t)INT64_MAX + negative)
		return false;
	*v = negative ? (int64_t)(0 - u) : (int64_t)u;
	return true;
}

size_t vmcoreinfo_nr_lines(const struct vmcoreinfo *vi)
{
	return vi->nr_lines;
}
