// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "capture/session.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "tests/unit/fake_elf.h"

#define PAGE 4096u
#define NR_PAGES 3000u

static char dir[64], source[128], dest[128], partial[160];

static int make_folder(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/innercore-session-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(source, sizeof(source), "%s/vmcore", dir);
	snprintf(dest, sizeof(dest), "%s/dump", dir);
	snprintf(partial, sizeof(partial), "%s.partial", dest);
	return 0;
}

static int remove_folder(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i / PAGE % 3 ? i * 7 + (i >> 11) : 0);
}

/* An ELF core of NR_PAGES pages, a third of them zero; @cut bytes of it are missing at the end. */
static void make_source(bool is_64bit, size_t cut)
{
	struct fake_elf fe = fake_elf_new(is_64bit, ORDER_LITTLE);
	FILE *f = fopen(source, "w");

	fake_elf_phdr(&fe, PT_LOAD, PAGE, 0, PAGE, NR_PAGES * PAGE, NR_PAGES * PAGE);
	fake_elf_finish(&fe, 64, false);
	fake_elf_grow(&fe, (NR_PAGES + 1) * PAGE);
	fill(fe.bytes + PAGE, NR_PAGES * PAGE);
	assert_non_null(f);
	assert_int_equal(fwrite(fe.bytes, 1, fe.len - cut, f), fe.len - cut);
	fclose(f);
	fake_elf_free(&fe);
}

static struct capture_config config(void)
{
	return (struct capture_config){ .source = source, .dest = dest, .codec = "zstd", .dump_level = -1 };
}

static void assert_refused(struct capture_config c, enum status st, const char *text)
{
	struct capture_report r;
	struct err err = { 0 };

	assert_int_equal(capture_session_run(&c, &r, &err), st);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_false(r.saved);
	assert_int_equal(capture_report_exit_code(&r), EXIT_CODE_NOTHING_SAVED);
	assert_int_equal(access(partial, F_OK), -1);
}

static struct capture_report run_well(struct capture_config c)
{
	struct capture_report r;
	struct err err = { 0 };

	if (capture_session_run(&c, &r, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_true(r.saved);
	return r;
}

static void wrong_wishes_leave_nothing_behind(void **state)
{
	struct capture_config c = config();

	assert_refused(c, ST_NOT_FOUND, source);
	make_source(true, 0);
	c.codec = "bzip2";
	assert_refused(c, ST_USAGE, "bzip2");
	c = config();
	c.dump_level = 32;
	assert_refused(c, ST_USAGE, "32");
	c.dump_level = -2;
	assert_refused(c, ST_USAGE, "-2");
	c = config();
	c.dest = dir;
	assert_refused(c, ST_USAGE, "not a file");
	c = config();
	c.dest = source;
	assert_refused(c, ST_USAGE, "exists");
	make_source(false, 0);
	assert_refused(config(), ST_UNSUPPORTED, "32-bit");
}

static void whole_source_makes_a_complete_dump(void **state)
{
	struct capture_report r;
	struct stat st;

	make_source(true, 0);
	r = run_well(config());
	assert_true(r.complete);
	assert_false(r.filtered);
	assert_true(r.why_unfiltered[0]);
	assert_int_equal(r.dump_level, 0);
	assert_int_equal(r.pages_present, NR_PAGES);
	assert_int_equal(r.pages_kept, NR_PAGES);
	assert_int_equal(r.pages_zero, NR_PAGES / 3);
	assert_int_equal(r.pages_unsaved, 0);
	assert_int_equal(capture_report_exit_code(&r), EXIT_CODE_OK);
	assert_int_equal(stat(dest, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* And the dump is a source in its turn, of the same pages. */
	{
		struct capture_config c = config();

		c.source = dest;
		snprintf(source, sizeof(source), "%s/again", dir);
		c.dest = source;
		r = run_well(c);
		assert_true(r.complete);
		assert_int_equal(r.pages_zero, NR_PAGES / 3);
	}
}

static void truncated_source_makes_a_dump_with_holes(void **state)
{
	struct capture_report r;
	json_t *o, *holes;

	make_source(true, 10 * PAGE + 1);
	r = run_well(config());
	assert_false(r.complete);
	assert_int_equal(r.pages_unreadable, 11);
	assert_int_equal(r.nr_hole_ranges, 1);
	assert_int_equal(r.holes[0].start, NR_PAGES + 1 - 11);
	assert_int_equal(r.holes[0].end, NR_PAGES + 1);
	assert_int_equal(capture_report_exit_code(&r), EXIT_CODE_HOLES);
	o = capture_report_json(&r);
	assert_non_null(o);
	assert_true(json_is_true(json_object_get(o, "saved")));
	assert_true(json_is_false(json_object_get(o, "complete")));
	assert_string_equal(json_string_value(json_object_get(o, "why_incomplete")), "pages could not be read");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "pages"), "unreadable")), 11);
	holes = json_object_get(o, "holes");
	assert_int_equal(json_array_size(holes), 1);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(holes, 0), 1)), NR_PAGES + 1);
	json_decref(o);
}

static void report_survives_text_that_is_no_utf8(void **state)
{
	struct capture_report r = { .saved = true, .complete = true };
	json_t *o;

	strcpy(r.release, "6.1\xff\xfe");
	o = capture_report_json(&r);
	assert_non_null(o);
	assert_true(json_is_true(json_object_get(o, "saved")));
	assert_non_null(json_object_get(o, "pages"));
	json_decref(o);
}

static void stop_leaves_an_incomplete_dump(void **state)
{
	static volatile sig_atomic_t stop = 1;
	struct capture_config c = config();
	struct capture_report r;

	make_source(true, 0);
	c.stop = &stop;
	r = run_well(c);
	assert_true(r.stopped);
	assert_false(r.complete);
	assert_true(r.pages_unsaved > 0 && r.pages_unsaved < NR_PAGES);
	assert_int_equal(capture_report_exit_code(&r), EXIT_CODE_HOLES);
}

static void name_of_a_stream_gets_the_flattened_form(void **state)
{
	struct capture_config c = config();
	struct capture_report r;
	char head[13] = "";
	int fd;

	make_source(true, (NR_PAGES - 5) * PAGE + PAGE / 2); /* little enough for the pipe's buffer */
	assert_int_equal(mkfifo(dest, 0600), 0);
	fd = open(dest, O_RDWR);
	assert_true(fd >= 0 && fcntl(fd, F_SETPIPE_SZ, 1 << 20) > 0);
	c.codec = "lzo";
	r = run_well(c);
	assert_false(r.complete);
	assert_int_equal(read(fd, head, 12), 12);
	assert_string_equal(head, "makedumpfile");
	close(fd);
}

int main(void)
{
#define SESSION_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		SESSION_TEST(wrong_wishes_leave_nothing_behind),
		SESSION_TEST(whole_source_makes_a_complete_dump),
		SESSION_TEST(truncated_source_makes_a_dump_with_holes),
		cmocka_unit_test(report_survives_text_that_is_no_utf8),
		SESSION_TEST(stop_leaves_an_incomplete_dump),
		SESSION_TEST(name_of_a_stream_gets_the_flattened_form),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
