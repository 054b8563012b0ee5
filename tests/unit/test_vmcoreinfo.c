// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/units.h"
#include "kernel/vmcoreinfo.h"

static struct vmcoreinfo *parse_bytes(const char *text, size_t len)
{
	struct vmcoreinfo *vi = NULL;
	struct err err = { 0 };
	char *copy = malloc(len ? len : 1);

	/* A copy of exactly this size, gone afterwards: reads beyond it or after it show up under a sanitizer. */
	assert_non_null(copy);
	memcpy(copy, text, len);
	if (vmcoreinfo_parse(copy, len, &vi, &err) != ST_OK)
		fail_msg("%s", err.text);
	memset(copy, '!', len);
	free(copy);
	return vi;
}

static struct vmcoreinfo *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void expect_refused(const char *text, size_t len, const char *why)
{
	struct vmcoreinfo *vi = (void *)1;
	struct err err = { 0 };

	assert_int_equal(vmcoreinfo_parse(text, len, &vi, &err), ST_BAD_INPUT);
	assert_null(vi);
	assert_non_null(strstr(err.text, why));
}

static void test_kinds(void **state)
{
	struct vmcoreinfo *vi = parse("OSRELEASE=6.1.0-56-cloud-amd64\nBUILD-ID=3b43fad5\nPAGESIZE=4096\n"
				      "SYMBOL(init_uts_ns)=ffffffffb3df9b60\nOFFSET(uts_namespace.name)=0\n"
				      "LENGTH(mem_section)=131072\nSIZE(mem_section)=16\nNUMBER(phys_base)=-501219328\n"
				      "NUMBER(pgtable_l5_enabled)=1\nKERNELOFFSET=31200000\nCRASHTIME=1795482885\n");
	uint64_t u = 77;
	int64_t n = 77;

	assert_int_equal(vmcoreinfo_nr_lines(vi), 11);
	assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "6.1.0-56-cloud-amd64");
	assert_string_equal(vmcoreinfo_string(vi, "BUILD-ID"), "3b43fad5");
	assert_string_equal(vmcoreinfo_string(vi, "KERNELOFFSET"), "31200000");
	assert_string_equal(vmcoreinfo_string(vi, "SIZE(mem_section)"), "16");
	assert_true(vmcoreinfo_symbol(vi, "init_uts_ns", &u));
	assert_true(u == UINT64_C(0xffffffffb3df9b60));
	assert_true(vmcoreinfo_offset(vi, "uts_namespace.name", &u));
	assert_true(u == 0);
	assert_true(vmcoreinfo_length(vi, "mem_section", &u));
	assert_true(u == 131072);
	assert_true(vmcoreinfo_size(vi, "mem_section", &u));
	assert_true(u == 16);
	assert_true(vmcoreinfo_number(vi, "phys_base", &n));
	assert_true(n == -501219328);
	/* One name in another kind is another key. */
	u = 77;
	n = 77;
	assert_false(vmcoreinfo_symbol(vi, "mem_section", &u));
	assert_false(vmcoreinfo_size(vi, "init_uts_ns", &u));
	assert_false(vmcoreinfo_number(vi, "mem_section", &n));
	assert_null(vmcoreinfo_string(vi, "OSRELEAS"));
	assert_null(vmcoreinfo_string(vi, "OSRELEASES"));
	assert_null(vmcoreinfo_string(vi, ""));
	assert_true(u == 77 && n == 77);
	vmcoreinfo_free(vi);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-129", true, -129 },
		{ "0x10", true, 16 },
		{ "0XfF", true, 255 },
		{ "0xffff800008000000", true, (int64_t)UINT64_C(0xffff800008000000) },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "0xffffffffffffffff", true, -1 },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "18446744073709551616", false, 0 },
		{ "0x10000000000000000", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "--1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "0x", false, 0 },
		{ "-0x1", false, 0 },
		{ "12ab", false, 0 },
		{ "1=2", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128];
		struct vmcoreinfo *vi;
		int64_t v = 4711;

		snprintf(text, sizeof(text), "OSRELEASE=x\nNUMBER(n)=%s\n", cases[i].text);
		vi = parse(text);
		assert_int_equal(vmcoreinfo_number(vi, "n", &v), cases[i].ok);
		assert_true(v == (cases[i].ok ? cases[i].value : 4711));
		vmcoreinfo_free(vi);
	}
}

static void test_symbols_and_sizes_are_strict(void **state)
{
	struct vmcoreinfo *vi =
		parse("OSRELEASE=x\nSYMBOL(a)=FFFFffff81000000\nSYMBOL(b)=0xffffffff81000000\n"
		      "SYMBOL(c)=10000000000000000\nSYMBOL(d)=\nSYMBOL(e)=-1\nSYMBOL(f)=12 \n"
		      "SIZE(a)=18446744073709551615\nSIZE(b)=18446744073709551616\nSIZE(c)=a\nSIZE(d)=-1\n");
	uint64_t v = 0;

	assert_true(vmcoreinfo_symbol(vi, "a", &v));
	assert_true(v == UINT64_C(0xffffffff81000000));
	assert_true(vmcoreinfo_size(vi, "a", &v));
	assert_true(v == UINT64_MAX);
	for (const char *name = "bcdef"; *name; name++)
		assert_false(vmcoreinfo_symbol(vi, (const char[]){ *name, '\0' }, &v));
	for (const char *name = "bcd"; *name; name++)
		assert_false(vmcoreinfo_size(vi, (const char[]){ *name, '\0' }, &v));
	vmcoreinfo_free(vi);
}

static void test_first_of_equal_keys_wins(void **state)
{
	char text[8192] = "OSRELEASE=first\n";
	struct vmcoreinfo *vi;
	uint64_t v = 0;

	for (int i = 0; i < 200; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "SIZE(x)=%d\nOSRELEASE=r%d\n", 100 + i, i);
	vi = parse(text);
	assert_int_equal(vmcoreinfo_nr_lines(vi), 401);
	assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "first");
	assert_true(vmcoreinfo_size(vi, "x", &v));
	assert_true(v == 100);
	vmcoreinfo_free(vi);
}

static void test_line_ends(void **state)
{
	static const char text[] = "\r\n\nSIZE(a)=1\r\nOSRELEASE=5.10\r\n\0\0SIZE(b)=2\n\0SIZE(c)=3\0\0\0";
	struct vmcoreinfo *vi = parse_bytes(text, sizeof(text) - 1);
	uint64_t v = 0;

	assert_int_equal(vmcoreinfo_nr_lines(vi), 4);
	assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "5.10");
	assert_true(vmcoreinfo_size(vi, "a", &v));
	assert_true(v == 1);
	assert_true(vmcoreinfo_size(vi, "c", &v));
	assert_true(v == 3);
	vmcoreinfo_free(vi);

	/* The last line without its newline; a value with '=' in it. */
	vi = parse("A=b=c\nOSRELEASE=6.1");
	assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "6.1");
	assert_string_equal(vmcoreinfo_string(vi, "A"), "b=c");
	vmcoreinfo_free(vi);
	vi = parse("OSRELEASE=6.1\r");
	assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "6.1");
	vmcoreinfo_free(vi);
}

static void test_malformed_lines_are_skipped(void **state)
{
	char text[8192] = "no equals sign\n=no key\nbad key=1\n\x01=2\n\xff=3\nOSRELEASE=ok\nLONG=";
	struct vmcoreinfo *vi;
	char name[3000];
	uint64_t v;

	memset(text + strlen(text), 'x', 2000);
	strcat(text, "\nSIZE(a)=5\n");
	vi = parse(text);
	assert_int_equal(vmcoreinfo_nr_lines(vi), 2);
	assert_null(vmcoreinfo_string(vi, "LONG"));
	assert_null(vmcoreinfo_string(vi, "bad key"));
	assert_true(vmcoreinfo_size(vi, "a", &v));
	memset(name, 'y', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(vmcoreinfo_size(vi, name, &v));
	vmcoreinfo_free(vi);
}

static void test_refusals(void **state)
{
	char *big = malloc(MIB + 1);

	assert_non_null(big);
	memset(big, '\n', MIB + 1);
	memcpy(big, "OSRELEASE=x\n", 12);
	expect_refused(big, MIB + 1, "1 MiB");
	vmcoreinfo_free(parse_bytes(big, MIB));
	free(big);
	expect_refused("", 0, "OSRELEASE");
	expect_refused(NULL, 0, "OSRELEASE");
	expect_refused("SIZE(a)=1\n", 10, "OSRELEASE");
	vmcoreinfo_free(NULL);
}

/* 1 MiB of shortest lines: the table is bounded by the text, and looking up stays quick. */
static void test_many_lines(void **state)
{
	char *text = malloc(MIB);
	struct vmcoreinfo *vi;
	size_t len = 0;

	assert_non_null(text);
	len += (size_t)sprintf(text, "OSRELEASE=x\n");
	while (len + 3 <= MIB) {
		memcpy(text + len, "k=\n", 3);
		text[len] = (char)('a' + len % 26);
		len += 3;
	}
	vi = parse_bytes(text, len);
	assert_int_equal(vmcoreinfo_nr_lines(vi), 1 + (len - 12) / 3);
	for (char key[] = "a"; key[0] <= 'z'; key[0]++)
		assert_string_equal(vmcoreinfo_string(vi, key), "");
	vmcoreinfo_free(vi);
	free(text);
}

static void test_random_bytes(void **state)
{
	static const char alphabet[] = "OSRELEASE=x\n\r\0()=0123456789abcdefSYMBOLNUMBER";
	uint32_t seed = 1;

	for (int round = 0; round < 3000; round++) {
		char text[256];
		struct vmcoreinfo *vi;
		uint64_t u;
		int64_t n;
		size_t len = 12;

		memcpy(text, "OSRELEASE=x\n", 12);
		while (len < sizeof(text) - (size_t)round % 100) {
			seed = seed * 1664525 + 1013904223;
			text[len++] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		vi = parse_bytes(text, len);
		vmcoreinfo_symbol(vi, "S", &u);
		vmcoreinfo_number(vi, "N", &n);
		assert_string_equal(vmcoreinfo_string(vi, "OSRELEASE"), "x");
		vmcoreinfo_free(vi);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_symbols_and_sizes_are_strict),
		cmocka_unit_test(test_first_of_equal_keys_wins),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_malformed_lines_are_skipped),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
