// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Decode one character; how many bytes it has, or 0 where this is no UTF-8. The terminating NUL is no continuation. */
static size_t decode(const unsigned char *s, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;

	if (!n || s[0] >= 0xf8)
		return 0;
	*cp = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3f);
	}
	return *cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : n;
}

/* Zero width, direction marks and overrides, separators, byte order mark, tags. */
static bool is_treacherous(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
	       (cp >= 0xfff0 && cp <= 0xffff) || cp >= 0xe0000;
}

const char *text_safe(const char *s, char *to, size_t len)
{
	const unsigned char *at = (const unsigned char *)s;
	size_t used = 0;

	while (*at) {
		uint32_t cp = 0;
		size_t n = decode(at, &cp);
		bool plain = n && !is_treacherous(cp);
		size_t need = plain ? n : 4;

		if (used + need >= len)
			break;
		if (plain)
			memcpy(to + used, at, n);
		else
			snprintf(to + used, 5, "\\x%02x", *at);
		used += need;
		at += plain ? n : 1;
	}
	to[used] = '\0';
	return to;
}

void text_html(FILE *to, const char *s)
{
	char safe[4096];

	for (text_safe(s, safe, sizeof(safe)), s = safe; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		case '\'':
			fputs("&#39;", to);
			break;
		default:
			putc(*s, to);
		}
	}
}

const char *text_grouped(uint64_t n, char buf[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

const char *text_utc(uint64_t seconds, char buf[64])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	/* Years of four digits; anything else is no time that a clock showed. */
	if (seconds >= UINT64_C(253402300800) || !gmtime_r(&t, &tm) || !strftime(buf, 64, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(buf, 64, "%" PRIu64 " seconds after 1970", seconds);
	return buf;
}
