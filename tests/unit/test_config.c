// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/units.h"
#include "initramfs/config.h"
#include "temp_dir.h"

static enum status parse(const char *text, struct config *config, struct err *err)
{
	return config_parse(text, strlen(text), "innercore.conf", config, err);
}

static void defaults_without_a_line(void **state)
{
	struct config c;
	struct err err;

	assert_int_equal(parse("# nothing\n\n   \n", &c, &err), ST_OK);
	assert_int_equal(c.target_kind, TARGET_NONE);
	assert_string_equal(c.path, "/var/crash");
	assert_string_equal(c.compression, "zstd");
	assert_int_equal(c.dump_level, 31);
	assert_int_equal(c.keep, 3);
	assert_int_equal(c.final_action, FINAL_REBOOT);
	assert_int_equal(c.target_wait_seconds, 30);
}

static void compression_takes_a_level(void **state)
{
	struct config c;
	struct err err;

	assert_int_equal(parse("compression = zstd:3\n", &c, &err), ST_OK);
	assert_string_equal(c.compression, "zstd:3");
	assert_int_equal(parse("compression = zstd:-20\n", &c, &err), ST_OK);
	assert_string_equal(c.compression, "zstd:-20");
}

static void every_key(void **state)
{
	static const char text[] = "target = UUID=0123-ABCD # the crash disk\n"
				   "fstype=xfs\r\n"
				   "\tpath\t=\t\"/dumps of this host\"\n"
				   "compression = lzo\n"
				   "dump_level = 0\n"
				   "keep = 10\n"
				   "final_action = poweroff\n"
				   "deadline_seconds = 0\n"
				   "target_wait_seconds = 90\n"
				   "kernel = /boot/vmlinuz\n"
				   "initramfs = /boot/capture.img\n"
				   "cmdline_append = nvme_core.admin_timeout=20 irqpoll\n"
				   "cmdline_remove = quiet mitigations\n"
				   "modules_extra = i6300esb, dm_mod"; /* no newline at the end */
	struct config c;
	struct err err;

	assert_int_equal(parse(text, &c, &err), ST_OK);
	assert_int_equal(c.target_kind, TARGET_UUID);
	assert_string_equal(c.target, "0123-ABCD");
	assert_string_equal(c.fstype, "xfs");
	assert_string_equal(c.path, "/dumps of this host");
	assert_string_equal(c.compression, "lzo");
	assert_int_equal(c.dump_level, 0);
	assert_int_equal(c.keep, 10);
	assert_int_equal(c.final_action, FINAL_POWEROFF);
	assert_int_equal(c.deadline_seconds, 0);
	assert_int_equal(c.target_wait_seconds, 90);
	assert_string_equal(c.kernel, "/boot/vmlinuz");
	assert_string_equal(c.initramfs, "/boot/capture.img");
	assert_string_equal(c.cmdline_append, "nvme_core.admin_timeout=20 irqpoll");
	assert_string_equal(c.cmdline_remove, "quiet mitigations");
	assert_string_equal(c.modules_extra, "i6300esb, dm_mod");
}

static void what_is_formatted_reads_back(void **state)
{
	struct config c, again;
	char text[8192];
	struct err err;
	size_t len;

	assert_int_equal(parse("target=LABEL=\"my disk\"\n", &c, &err), ST_BAD_INPUT);
	assert_int_equal(
		parse("target = \"LABEL=my # disk\"\nkeep=7\nfinal_action=halt\ncmdline_append = a=1\n", &c, &err),
		ST_OK);
	assert_string_equal(c.target, "my # disk");
	len = config_format(&c, text, sizeof(text));
	assert_int_equal(config_parse(text, len, "again", &again, &err), ST_OK);
	assert_memory_equal(&c, &again, sizeof(c));
}

static void largest_config_fits_the_buffer(void **state)
{
	char text[4096], value[300];
	struct config c;

	memset(value, 'x', sizeof(value));
	config_set_defaults(&c);
	c.target_kind = TARGET_LABEL;
	snprintf(c.target, sizeof(c.target), "%.*s", 255, value);
	snprintf(c.path, sizeof(c.path), "/%.*s", 254, value);
	snprintf(c.kernel, sizeof(c.kernel), "/%.*s", 254, value);
	snprintf(c.initramfs, sizeof(c.initramfs), "/%.*s", 254, value);
	memset(c.cmdline_append, 'a', sizeof(c.cmdline_append) - 1);
	memset(c.cmdline_remove, 'r', sizeof(c.cmdline_remove) - 1);
	memset(c.modules_extra, 'm', sizeof(c.modules_extra) - 1);
	assert_true(config_format(&c, text, sizeof(text)) < sizeof(text) - 1);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void devices_by_id_need_no_udev(void **state)
{
	struct config c;
	struct err err;

	assert_int_equal(parse("target = /dev/disk/by-uuid/12-34\n", &c, &err), ST_OK);
	assert_int_equal(c.target_kind, TARGET_UUID);
	assert_string_equal(c.target, "12-34");
	assert_int_equal(parse("target = /dev/disk/by-label/crash\n", &c, &err), ST_OK);
	assert_int_equal(c.target_kind, TARGET_LABEL);
	assert_int_equal(parse("target = /dev/vdb1\n", &c, &err), ST_OK);
	assert_int_equal(c.target_kind, TARGET_DEVICE);
	assert_string_equal(c.target, "/dev/vdb1");
}

/* Each is refused, in the line that is wrong, and the message holds the words that help. */
static const struct {
	const char *text, *says;
} bad[] = {
	{ "keep = 3\nkeep = 4\n", "innercore.conf:2: keep is set twice" },
	{ "# c\n\nkepe = 3\n", "innercore.conf:3: there is no key \"kepe\"" },
	{ "keep\n", "innercore.conf:1: \"keep\": write it as \"key = value\"" },
	{ "keep = many\n", "keep: \"many\" is no number from 0 to" },
	{ "keep = -1\n", "is no number" },
	{ "keep = 99999999999999999999\n", "is no number" },
	{ "keep =\n", "is no number" },
	{ "dump_level = 32\n", "is no number from 0 to 31" },
	{ "path = var/crash\n", "absolute path" },
	{ "path = /var/../etc\n", "without \"..\"" },
	{ "path = /..\n", "without \"..\"" },
	{ "path =\n", "empty" },
	{ "path = /a\001b\n", "no printable ASCII, in column 10" },
	{ "path = /caf\303\251\n", "no printable ASCII" },
	{ "path = \"/a\n", "double quotes" },
	{ "path = /a\"b\"\n", "double quotes" },
	{ "target = raw:/dev/vdb\n", "raw targets come later" },
	{ "target = raw /dev/vdb\n", "raw targets come later" },
	{ "target = vdb\n", "write UUID=..., LABEL=... or /dev/..." },
	{ "target = UUID=\n", "empty" },
	{ "target = PARTUUID=12\n", "is no target" },
	{ "target = /dev/disk/by-path/pci-0\n", "udev" },
	{ "target = /dev/mapper/vg-lv\n", "LVM, LUKS or RAID" },
	{ "target = /dev/md0\n", "LVM, LUKS or RAID" },
	{ "target = /dev/../etc/passwd\n", "\"..\"" },
	{ "fstype = btrfs\n", "use ext4, xfs or vfat" },
	{ "compression = lz4\n", "use zlib, lzo, snappy, zstd or none" },
	{ "compression = zstd:\n", "or zstd:LEVEL" },
	{ "compression = zstd:20\n", "or zstd:LEVEL" },
	{ "compression = zlib:3\n", "or zstd:LEVEL" },
	{ "final_action = shell\n", "use reboot, poweroff or halt" },
	{ "kernel = vmlinuz\n", "absolute path" },
};

static void bad_lines_are_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { 0 };
		struct config c;

		if (parse(bad[i].text, &c, &err) != ST_BAD_INPUT || !strstr(err.text, bad[i].says))
			fail_msg("\"%s\" gave \"%s\", not \"%s\"", bad[i].text, err.text, bad[i].says);
		if (strncmp(err.text, "innercore.conf:", 15) != 0 || strchr(err.text, '\n'))
			fail_msg("\"%s\" is no line with a place", err.text);
	}
}

static void long_lines_and_binaries_are_refused(void **state)
{
	char text[3000];
	struct config c;
	struct err err;

	memset(text, 'a', sizeof(text));
	assert_int_equal(config_parse(text, sizeof(text), "f", &c, &err), ST_BAD_INPUT);
	memcpy(text, "path = /", 8);
	assert_int_equal(config_parse(text, 400, "f", &c, &err), ST_BAD_INPUT);
	assert_int_equal(config_parse(text, 900, "f", &c, &err), ST_BAD_INPUT);
	assert_int_equal(config_parse("keep\0 = 3\n", 10, "f", &c, &err), ST_BAD_INPUT);
}

static void any_bytes_are_survived(void **state)
{
	static const char alphabet[] = "pathkeepUUID=\n \"#./\0\377target=";
	uint32_t seed = 12345;

	for (int round = 0; round < 2000; round++) {
		char text[256];
		struct config c;
		struct err err;

		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		(void)!config_parse(text, sizeof(text), "f", &c, &err);
	}
}

static void absent_file_is_told_apart(void **state)
{
	struct temp_dir *t = *state;
	char path[PATH_MAX];
	struct config c;
	struct err err;

	assert_int_equal(config_load(temp_path(t, "none", path), &c, &err), ST_NOT_FOUND);
	assert_string_equal(c.path, "/var/crash");
	temp_write_text(t, "conf", "keep = 5\n");
	assert_int_equal(config_load(temp_path(t, "conf", path), &c, &err), ST_OK);
	assert_int_equal(c.keep, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_without_a_line),
		cmocka_unit_test(compression_takes_a_level),
		cmocka_unit_test(every_key),
		cmocka_unit_test(what_is_formatted_reads_back),
		cmocka_unit_test(largest_config_fits_the_buffer),
		cmocka_unit_test(devices_by_id_need_no_udev),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(long_lines_and_binaries_are_refused),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test_temp_dir(absent_file_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
