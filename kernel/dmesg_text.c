// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records as dmesg(1) of util-linux prints them (sys-utils/dmesg.c there, reading /dev/kmsg; the same from 2.23 to 2.43
 * but for the caller, which it shows since 2.41).
 */
#include "kernel/dmesg.h"

#include <inttypes.h>
#include <stdio.h>

#include "kernel/dmesg_internal.h"

/*
 * dmesg(1) makes the caller as wide as the text of /proc/sys/kernel/pid_max with its newline. The crashed kernel's
 * pid_max is not to be had without its symbols; this is the width for 4194304, which systemd sets on every 64-bit
 * machine.
 */
#define CALLER_WIDTH 8
#define CALLER_IS_CPU 0x80000000u

/** Collects small pieces for the sink. */
struct text_out {
	dmesg_sink_fn sink;
	void *ctx;
	size_t used;
	char buf[4096];
};

static enum status text_flush(struct text_out *out, struct err *err)
{
	size_t len = out->used;

	out->used = 0;
	return len ? out->sink(out->ctx, out->buf, len, err) : ST_OK;
}

/** @len is much less than the buffer. */
static enum status text_put(struct text_out *out, const char *s, size_t len, struct err *err)
{
	enum status st = ST_OK;

	if (len > sizeof(out->buf) - out->used)
		st = text_flush(out, err);
	if (st == ST_OK) {
		memcpy(out->buf + out->used, s, len);
		out->used += len;
	}
	return st;
}

static enum status text_put_hex(struct text_out *out, const uint8_t *s, size_t len, struct err *err)
{
	static const char digit[] = "0123456789abcdef";
	enum status st = ST_OK;

	for (size_t i = 0; i < len && st == ST_OK; i++) {
		const char hex[4] = { '\\', 'x', digit[s[i] >> 4], digit[s[i] & 15] };

		st = text_put(out, hex, sizeof(hex), err);
	}
	return st;
}

/** Length of the well-formed UTF-8 sequence (two bytes or more) at @s, and its code point; 0 where there is none. */
static size_t utf8_sequence(const uint8_t *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] >= 0xf0 && s[0] < 0xf8	 ? 4
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xc0 && s[0] < 0xe0 ? 2
						 : 0;

	if (!n || n > len)
		return 0;
	*code = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return n;
}

/** As iswprint() or iswspace() of a UTF-8 locale, but knowing no unassigned code points: those count as printable. */
static bool is_printable(uint32_t code)
{
	if (code < 0x80)
		return (code >= ' ' && code <= '~') || (code >= '\t' && code <= '\r');
	return code >= 0xa0 && (code & 0xfffe) != 0xfffe;
}

/** @indent: blanks after a newline that is not the text's last byte. */
static enum status put_text(struct text_out *out, const char *text, size_t len, unsigned indent, struct err *err)
{
	const uint8_t *s = (const uint8_t *)text;
	enum status st = ST_OK;
	size_t n;

	for (size_t i = 0; i < len && st == ST_OK; i += n) {
		uint32_t code = s[i];

		n = 1;
		if (code >= 0x80) {
			n = utf8_sequence(s + i, len - i, &code);
			if (!n) {
				n = 1;
				code = 0x80; /* any that is not printable */
			}
		}
		if (!is_printable(code)) {
			st = text_put_hex(out, s + i, n, err);
			continue;
		}
		st = text_put(out, text + i, n, err);
		/* A NUL after the newline looks to dmesg(1) like the text's end. */
		if (code == '\n' && i + 1 < len && s[i + 1])
			for (unsigned k = 0; k < indent && st == ST_OK; k++)
				st = text_put(out, " ", 1, err);
	}
	return st;
}

const char *dmesg_caller_name(const struct dmesg_record *rec, char buf[DMESG_CALLER_MAX])
{
	snprintf(buf, DMESG_CALLER_MAX, "%c%" PRIu32, rec->caller_id & CALLER_IS_CPU ? 'C' : 'T',
		 rec->caller_id & ~CALLER_IS_CPU);
	return buf;
}

/** What stands before a record's text; its length is also the indent of further lines. */
static unsigned format_prefix(const struct dmesg_record *rec, bool raw, char *buf, size_t size)
{
	uint64_t usec = rec->time_ns / 1000;
	char caller[DMESG_CALLER_MAX];
	int len = 0;

	if (raw && rec->has_level)
		len = snprintf(buf, size, "<%u>", (unsigned)rec->facility << 3 | rec->level);
	len += snprintf(buf + len, size - (size_t)len, "[%5" PRIu64 ".%06" PRIu64 "] ", usec / 1000000, usec % 1000000);
	if (rec->has_caller)
		len += snprintf(buf + len, size - (size_t)len, "[%*s] ", CALLER_WIDTH, dmesg_caller_name(rec, caller));
	return (unsigned)len;
}

struct dump_ctx {
	struct text_out out;
	bool raw;
};

static enum status dump_record(void *ctx, const struct dmesg_record *rec, struct err *err)
{
	struct dump_ctx *dump = ctx;
	char prefix[64];
	unsigned prefix_len;
	enum status st;

	/* dmesg(1) prints neither time nor level where there is no text. */
	if (!rec->text_len_bytes)
		return text_put(&dump->out, "\n", 1, err);
	prefix_len = format_prefix(rec, dump->raw, prefix, sizeof(prefix));
	st = text_put(&dump->out, prefix, prefix_len, err);
	if (st == ST_OK)
		st = put_text(&dump->out, rec->text, rec->text_len_bytes, prefix_len, err);
	if (st == ST_OK)
		st = text_put(&dump->out, "\n", 1, err);
	return st;
}

enum status dmesg_dump(struct kmodel *km, const struct dmesg_options *opt, dmesg_sink_fn sink, void *ctx,
		       struct err *err)
{
	struct dump_ctx dump = { .out = { .sink = sink, .ctx = ctx }, .raw = opt && opt->raw_prefix };
	enum status st = dmesg_for_each(km, dump_record, &dump, err);
	enum status flushed;

	/* What was found before a failure is worth having: the failure's own text must survive the flush. */
	flushed = text_flush(&dump.out, st == ST_OK ? err : NULL);
	return st != ST_OK ? st : flushed;
}

enum status dmesg_record_text(const struct dmesg_record *rec, dmesg_sink_fn sink, void *ctx, struct err *err)
{
	struct text_out out = { .sink = sink, .ctx = ctx };
	enum status st = put_text(&out, rec->text, rec->text_len_bytes, 0, err);

	return st == ST_OK ? text_flush(&out, err) : st;
}
