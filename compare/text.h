/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_TEXT_H
#define COMPARE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * Text from a dump, or the name of a file, for a person's eyes: control characters, broken UTF-8, and characters that
 * turn or hide what follows become \xNN. Into @to, cut at @len. Returns @to. The guest must not steer the terminal.
 */
const char *text_safe(const char *s, char *to, size_t len);

/** The same into @to as HTML, for an element or a quoted attribute. */
void text_html(FILE *to, const char *s);

/** "1,234,567"; @buf of 32 bytes. */
const char *text_grouped(uint64_t n, char buf[32]);

/** "2026-11-24 01:29:40 UTC"; @buf of 64 bytes. */
const char *text_utc(uint64_t seconds, char buf[64]);

#endif
