/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DMESG_OUTPUT_H
#define TESTS_UNIT_DMESG_OUTPUT_H

/* What dmesg_dump() makes of a fake kernel: its text and its warnings. Include after cmocka.h. */

#include <unistd.h>

#include "kernel/dmesg.h"
#include "tests/unit/fake_kernel.h"

struct output {
	char *text;
	size_t len, cap;
	enum status status;
	struct err err;
	char warnings[2048];
};

static inline enum status collect(void *ctx, const char *text, size_t len, struct err *err)
{
	struct output *out = ctx;

	if (out->cap - out->len <= len) {
		out->cap = (out->len + len + 1) * 2;
		out->text = realloc(out->text, out->cap);
		assert_non_null(out->text);
	}
	memcpy(out->text + out->len, text, len);
	out->len += len;
	out->text[out->len] = '\0';
	return ST_OK;
}

/** Run dmesg_dump() with stderr caught. */
static inline struct output dump(struct kmodel *km, bool raw)
{
	const struct dmesg_options options = { .raw_prefix = raw };
	struct output out = { 0 };
	FILE *caught = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t len;

	assert_non_null(caught);
	collect(&out, "", 0, NULL);
	assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
	out.status = dmesg_dump(km, &options, collect, &out, &out.err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(caught);
	len = fread(out.warnings, 1, sizeof(out.warnings) - 1, caught);
	out.warnings[len] = '\0';
	fclose(caught);
	return out;
}

static inline void expect_dump(struct kmodel *km, bool raw, const char *text, const char *warnings)
{
	struct output out = dump(km, raw);

	if (out.status != ST_OK)
		fail_msg("%s", out.err.text);
	assert_string_equal(out.text, text);
	assert_string_equal(out.warnings, warnings);
	free(out.text);
}

static inline void expect_failure(struct kmodel *km, enum status status, const char *why)
{
	struct output out = dump(km, false);

	assert_int_equal(out.status, status);
	if (!strstr(out.err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", out.err.text, why);
	assert_string_equal(out.text, "");
	free(out.text);
}

#define WARN_BROKEN(n) "innercore: warning: kernel log: " n " could not be read\n"

#endif
