// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/cleanup.h"
#include "compare/field.h"
#include "compare/picture.h"
#include "compare/text.h"

#define PAGE 4096u

/* A dump that is nothing but ranges. */
static struct physmem ranges_only(const struct range *ranges, size_t nr)
{
	return (struct physmem){ .page_size = PAGE, .ranges = ranges, .nr_ranges = nr };
}

static struct picture *picture_of(const struct range *a, size_t nr_a, const struct range *b, size_t nr_b)
{
	struct physmem x = ranges_only(a, nr_a), y = ranges_only(b, nr_b);
	struct picture *p = NULL;

	assert_int_equal(picture_new(&x, &y, &p, NULL), ST_OK);
	return p;
}

/* Cells cover each region without gap or overlap, and there are few. */
static void check_cells(const struct picture *p)
{
	size_t next = 0;

	assert_in_range(p->nr_cells, 0, PICTURE_MAX_CELLS);
	assert_true(is_power_of_2(p->cell_pages));
	for (size_t i = 0; i < p->nr_regions; i++) {
		const struct picture_region *r = &p->regions[i];
		uint64_t pfn = r->start_pfn;

		assert_true(r->start_pfn < r->end_pfn);
		assert_true(!i || p->regions[i - 1].end_pfn < r->start_pfn);
		assert_int_equal(r->first_cell, next);
		for (size_t k = 0; k < r->nr_cells; k++) {
			struct range pfns = picture_cell_pfns(p, r, k);

			assert_int_equal(pfns.start, pfn);
			assert_true(pfns.end > pfns.start && pfns.end - pfns.start <= p->cell_pages);
			pfn = pfns.end;
		}
		assert_int_equal(pfn, r->end_pfn);
		next += r->nr_cells;
	}
	assert_int_equal(next, p->nr_cells);
}

static void cells_of_a_small_guest(void **state)
{
	const struct range inner[] = { { 0x100000, 0x2ffd0000 } };
	const struct range outer[] = {
		{ 0, 0xa0000 }, { 0xc0000, 0x30000000 }, { 0xfd000000, 0xfe000000 }, { 0xfffc0000, 0x100000000 }
	};
	struct picture *p = picture_of(inner, 1, outer, 4);

	check_cells(p);
	assert_int_equal(p->nr_regions, 3);
	assert_int_equal(p->regions[0].start_pfn, 0);
	assert_int_equal(p->regions[0].end_pfn, 0x30000);
	assert_int_equal(p->regions[1].start_pfn, 0xfd000);
	assert_int_equal(p->regions[2].end_pfn, 0x100000);
	assert_true(p->nr_cells > PICTURE_MAX_CELLS / 4);
	picture_free(p);
}

static void cells_of_a_large_guest(void **state)
{
	const struct range ram[] = { { 0, 0x80000000 },
				     { 0xfd000000, 0xfe000000 },
				     { 0x100000000, UINT64_C(0x10080000000) } };
	struct picture *p = picture_of(ram, 3, ram, 3);

	check_cells(p);
	assert_int_equal(p->nr_regions, 3);
	assert_true(p->nr_cells > PICTURE_MAX_CELLS / 4);
	picture_free(p);
}

/* Whatever a dump claims. */
static void cells_are_bounded(void **state)
{
	const struct range all[] = { { 0, UINT64_C(1) << 52 } };
	static struct range many[20000];
	struct picture *p = picture_of(all, 1, NULL, 0);

	check_cells(p);
	picture_free(p);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct range){ i * (64 * MIB + i * 4096), i * (64 * MIB + i * 4096) + 100 };
	p = picture_of(many, ARRAY_SIZE(many), all, 0);
	check_cells(p);
	assert_int_equal(p->nr_regions, PICTURE_MAX_REGIONS);
	picture_free(p);
	p = picture_of(NULL, 0, NULL, 0);
	check_cells(p);
	assert_int_equal(p->nr_cells, 0);
	picture_free(p);
}

/* With more holes than regions the longest holes win. */
static void longest_holes_part_the_picture(void **state)
{
	static struct range r[200];
	uint64_t at = 0;
	struct picture *p;

	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = (struct range){ at, at + MIB };
		at += MIB + (i % 10 == 3 ? 512 * MIB : 8 * MIB);
	}
	p = picture_of(r, ARRAY_SIZE(r), r, 100);
	check_cells(p);
	assert_int_equal(p->nr_regions, PICTURE_MAX_REGIONS);
	for (size_t i = 0, long_holes = 0; i + 1 < p->nr_regions; i++) {
		long_holes += (p->regions[i + 1].start_pfn - p->regions[i].end_pfn) * PAGE == 512 * MIB;
		assert_true(i + 2 < p->nr_regions || long_holes == 20);
	}
	picture_free(p);
}

static void see(struct picture *p, uint64_t pfn, enum page_verdict verdict, enum cause cause)
{
	picture_see(p, &(struct page_seen){ .pfn = pfn, .verdict = verdict, .cause = cause, .class = AUDIT_COUNT });
}

static void one_bad_page_paints_its_cell(void **state)
{
	const struct range ram[] = { { 0, 4 * GIB } };
	struct picture *p = picture_of(ram, 1, ram, 1);
	uint64_t n = p->cell_pages;

	assert_true(n > 16);
	for (uint64_t pfn = 0; pfn < 4 * n; pfn++) {
		if (pfn == n + 5)
			see(p, pfn, PAGE_DIFFERS, CAUSE_NONE);
		else if (pfn == 3 * n + 1)
			picture_see(p, &(struct page_seen){ .pfn = pfn,
							    .verdict = PAGE_OUTER_ONLY,
							    .dropped = true,
							    .class = AUDIT_LOST });
		else if (pfn % n < n / 4)
			see(p, pfn, PAGE_OUTER_ONLY, CAUSE_LOW_1MIB);
		else
			see(p, pfn, PAGE_EQUAL, CAUSE_NONE);
	}
	assert_int_equal(picture_cell_state(&p->cells[0]), PICTURE_EQUAL);
	assert_int_equal(picture_cell_state(&p->cells[1]), PICTURE_DIFFERS + (unsigned)CAUSE_NONE);
	assert_int_equal(picture_cell_state(&p->cells[2]), PICTURE_EQUAL);
	assert_int_equal(picture_cell_state(&p->cells[3]), PICTURE_LOST);
	assert_int_equal(picture_cell_state(&p->cells[4]), PICTURE_STATES);
	assert_int_equal(p->cells[1].states[PICTURE_DIFFERS], 1);
	assert_int_equal(p->states[PICTURE_OUTER_ONLY + (unsigned)CAUSE_LOW_1MIB],
			 n - 2); /* two of them are the bad ones */
	assert_true(picture_state_is_alarm(PICTURE_LOST));
	assert_false(picture_state_is_alarm(PICTURE_EQUAL));
	assert_false(picture_state_is_alarm(PICTURE_OUTER_ONLY + (unsigned)CAUSE_FLASH));
	picture_free(p);
}

/* Text. */

static void assert_safe(const char *in, const char *want)
{
	char buf[256];

	assert_string_equal(text_safe(in, buf, sizeof(buf)), want);
}

static void text_cannot_steer_a_terminal(void **state)
{
	assert_safe("Linux version 6.1", "Linux version 6.1");
	assert_safe("a\033[2Jb\nc\td\x7f", "a\\x1b[2Jb\\x0ac\\x09d\\x7f");
	assert_safe("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_safe("\xc2\x9b"
		    "31m",
		    "\\xc2\\x9b31m"); /* C1 control: CSI */
	assert_safe("\xe2\x80\xae"
		    "evil",
		    "\\xe2\\x80\\xae"
		    "evil"); /* right to left override */
	assert_safe("\x9b\xff\xfe", "\\x9b\\xff\\xfe");
	assert_safe("\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"); /* overlong */
	assert_safe("\xed\xa0\x80", "\\xed\\xa0\\x80");			  /* surrogate */
	assert_safe("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");	  /* beyond Unicode */
	assert_safe("\xef\xbb\xbf"
		    "bom",
		    "\\xef\\xbb\\xbf"
		    "bom");
	assert_safe("cut\xe2\x82", "cut\\xe2\\x82");
}

static void text_is_cut_between_characters(void **state)
{
	char buf[8];

	assert_string_equal(text_safe("123456789", buf, sizeof(buf)), "1234567");
	assert_string_equal(text_safe("12345\xe2\x82\xac", buf, sizeof(buf)), "12345");
	assert_string_equal(text_safe("1234\033\033", buf, sizeof(buf)), "1234");
}

/* What @fn writes about @r. */
static char *written(void (*fn)(const struct compare_report *, FILE *), const struct compare_report *r)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	fn(r, f);
	assert_int_equal(fclose(f), 0);
	return out;
}

static const char evil[] = "</script><script>alert(1)</script><img src=x onerror='a()' \"&\033[31m";

static struct compare_report *hostile_report(void)
{
	struct compare_report *r = calloc(1, sizeof(*r));

	r->verdict = VERDICT_DIFFERS;
	r->page_size = PAGE;
	r->inner.path = evil;
	r->outer.path = evil;
	snprintf(r->inner.format, sizeof(r->inner.format), "ELF core");
	snprintf(r->outer.format, sizeof(r->outer.format), "ELF core");
	snprintf(r->release, sizeof(r->release), "%.60s", evil);
	snprintf(r->why_incomparable, sizeof(r->why_incomparable), "%s", evil);
	snprintf(r->why_not_audited, sizeof(r->why_not_audited), "%s", evil);
	field_add(r, "nodename", evil, "", evil, evil);
	return r;
}

static void hostile_text_stays_text(void **state)
{
	const enum verdict verdicts[] = { VERDICT_MATCH, VERDICT_DIFFERS, VERDICT_INCOMPARABLE };
	struct compare_report *r = hostile_report();

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		char *html, *text;

		r->verdict = verdicts[i];
		html = written(compare_report_html, r);
		text = written(compare_report_text, r);
		assert_null(strstr(html, "<script>alert"));
		assert_null(strstr(html, "<img"));
		assert_null(strchr(html, '\033'));
		assert_null(strchr(text, '\033'));
		assert_non_null(strstr(html, "&lt;script&gt;alert(1)"));
		free(html);
		free(text);
	}
	free(r);
}

static void table_leaves_out_what_nobody_has(void **state)
{
	struct compare_report *r = calloc(1, sizeof(*r));

	field_add(r, "both", "x", "x", "x", "w");
	field_add(r, "none", "", NULL, "x", "w");
	field_add(r, "one", NULL, "y", "x", "w");
	field_add(r, "two", "x", "y", "y", "w");
	field_add(r, "three", "x", "y", NULL, "w");
	assert_int_equal(r->nr_fields, 4);
	assert_int_equal(r->fields[0].state, FIELD_SAME);
	assert_string_equal(r->fields[0].right, "both");
	assert_string_equal(r->fields[1].field, "one");
	assert_int_equal(r->fields[1].state, FIELD_ABSENT);
	assert_string_equal(r->fields[1].right, "neither");
	assert_int_equal(r->fields[2].state, FIELD_DIFFERS);
	assert_string_equal(r->fields[2].right, "outer");
	assert_string_equal(r->fields[3].right, "unknown");
	for (int i = 0; i < 200; i++)
		assert_non_null(field_add(r, "more", "x", "x", NULL, ""));
	assert_true(r->nr_fields < COMPARE_MAX_FIELDS);
	free(r);
}

/* The keys that programs rely on. */
static void json_keeps_its_contract(void **state)
{
	struct compare_report *r = hostile_report();
	json_t *j, *pages, *audit, *field;

	r->common = 10;
	r->equal = 9;
	r->audit[AUDIT_CACHE] = 3;
	r->audit[AUDIT_CACHE_PRIVATE] = 2;
	r->causes[CAUSE_NONE] = 7;
	r->causes[CAUSE_FLASH] = 1;
	r->lost.at[0] = (struct range){ 5, 7 };
	r->lost.nr = 1;
	j = compare_report_json(r);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "differs");
	pages = json_object_get(j, "pages");
	for (const char *const *k = (const char *const[]){ "common", "equal", "differ_explained", "differ_unexplained",
							   "inner_only", "outer_only", NULL };
	     *k; k++)
		assert_true(json_is_integer(json_object_get(pages, *k)));
	assert_int_equal(json_object_size(json_object_get(pages, "causes")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(pages, "causes"), "flash")), 1);
	audit = json_object_get(j, "audit");
	for (const char *const *k =
		     (const char *const[]){ "dropped", "zero", "free", "cache", "user", "offline", "lost", NULL };
	     *k; k++)
		assert_true(json_is_integer(json_object_get(audit, *k)));
	assert_int_equal(json_integer_value(json_object_get(audit, "cache")), 5);
	assert_true(json_is_object(json_object_get(audit, "lost_by_kind")));
	assert_int_equal(
		json_integer_value(json_array_get(json_array_get(json_object_get(audit, "lost_ranges"), 0), 1)), 7);
	field = json_array_get(json_object_get(j, "headers"), 0);
	for (const char *const *k = (const char *const[]){ "field", "inner", "outer", "state", "right", "why", NULL };
	     *k; k++)
		assert_non_null(json_object_get(field, *k));
	assert_true(json_is_null(json_object_get(field, "outer")));
	json_decref(j);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_of_a_small_guest),
		cmocka_unit_test(cells_of_a_large_guest),
		cmocka_unit_test(cells_are_bounded),
		cmocka_unit_test(longest_holes_part_the_picture),
		cmocka_unit_test(one_bad_page_paints_its_cell),
		cmocka_unit_test(text_cannot_steer_a_terminal),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(table_leaves_out_what_nobody_has),
		cmocka_unit_test(json_keeps_its_contract),
	};

	return cmocka_run_group_tests_name("compare: reports", tests, NULL, NULL);
}
