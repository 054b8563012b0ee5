// SPDX-License-Identifier: GPL-2.0-or-later
/* File systems in files, and a sysfs that lists them as devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/endian.h"
#include "common/err.h"
#include "common/units.h"
#include "initramfs/target.h"
#include "temp_dir.h"

#define SUPERBLOCK 1024u

struct machine {
	const struct temp_dir *t;
	char sys_block[PATH_MAX], dev[PATH_MAX];
	struct target_places places;
};

static void init_machine(struct machine *m, void **state)
{
	m->t = *state;
	m->places.sys_block = temp_path(m->t, "sys", m->sys_block);
	m->places.dev = temp_path(m->t, "dev", m->dev);
	temp_mkdir(m->t, "sys");
	temp_mkdir(m->t, "dev");
}

/* An ext2 with a UUID of bytes @id, on the device that sysfs calls @name. */
static void add_fs(const struct machine *m, const char *name, const char *label, uint8_t id)
{
	static uint8_t image[256 * KIB];
	uint8_t *super = image + SUPERBLOCK;
	char path[300];

	put_u32(super, ORDER_LITTLE, 64);      /* inodes */
	put_u32(super + 4, ORDER_LITTLE, 256); /* blocks of 1 KiB */
	put_u16(super + 56, ORDER_LITTLE, 0xef53);
	put_u32(super + 76, ORDER_LITTLE, 1);
	memset(super + 104, id, 16);
	memset(super + 120, 0, 16);
	memcpy(super + 120, label, strlen(label));
	snprintf(path, sizeof(path), "sys/%s/size", name);
	temp_write_text(m->t, path, "512\n");
	snprintf(path, sizeof(path), "dev/%s", name);
	for (char *c = path; *c; c++)
		if (*c == '!')
			*c = '/';
	temp_write(m->t, path, image, sizeof(image));
}

static struct config wanted(enum target_kind kind, const char *name)
{
	struct config c;

	config_set_defaults(&c);
	c.target_kind = kind;
	snprintf(c.target, sizeof(c.target), "%s", name);
	return c;
}

static struct target_device taken(const struct machine *m, const char *name, const char *uuid)
{
	struct target_device dev = { .fstype = "ext2" };

	snprintf(dev.node, sizeof(dev.node), "%.240s/%s", m->dev, name);
	snprintf(dev.uuid, sizeof(dev.uuid), "%s", uuid);
	return dev;
}

#define UUID_1 "01010101-0101-0101-0101-010101010101"
#define UUID_2 "02020202-0202-0202-0202-020202020202"

static void two_with_one_label_are_told(void **state)
{
	struct config c = wanted(TARGET_LABEL, "crash");
	struct target_device first, second;
	char text[ERR_TEXT_MAX];
	struct machine m;

	init_machine(&m, state);
	first = taken(&m, "vda1", UUID_1);
	second = taken(&m, "cciss/c0d0", UUID_2);
	add_fs(&m, "vda1", "crash", 1);
	add_fs(&m, "vdb", "crash2", 2);
	add_fs(&m, "vdc", "", 3);
	assert_false(target_is_ambiguous(&m.places, &c, &first, text, sizeof(text)));
	add_fs(&m, "cciss!c0d0", "crash", 2);
	/* Whichever was taken, the other one is named, and the way to name the first. */
	assert_true(target_is_ambiguous(&m.places, &c, &first, text, sizeof(text)));
	assert_non_null(strstr(text, first.node));
	assert_non_null(strstr(text, second.node));
	assert_non_null(strstr(text, "LABEL=crash,"));
	assert_non_null(strstr(text, "target = UUID=" UUID_1));
	assert_true(target_is_ambiguous(&m.places, &c, &second, text, sizeof(text)));
	assert_non_null(strstr(text, first.node));
	assert_non_null(strstr(text, "target = UUID=" UUID_2));
	first.uuid[0] = '\0';
	assert_true(target_is_ambiguous(&m.places, &c, &first, text, sizeof(text)));
	assert_null(strstr(text, "UUID="));
	assert_non_null(strstr(text, "another label"));
}

static void two_ways_to_one_file_system_are_fine(void **state)
{
	struct config c = wanted(TARGET_LABEL, "crash");
	struct target_device dev;
	char text[ERR_TEXT_MAX];
	struct machine m;

	init_machine(&m, state);
	dev = taken(&m, "sda1", UUID_1);
	add_fs(&m, "sda1", "crash", 1);
	add_fs(&m, "sdb1", "crash", 1);
	add_fs(&m, "ram0", "crash", 2); /* is never asked */
	assert_false(target_is_ambiguous(&m.places, &c, &dev, text, sizeof(text)));
}

static void other_names_are_not_ambiguous(void **state)
{
	struct target_device dev;
	char text[ERR_TEXT_MAX];
	struct config c;
	struct machine m;

	init_machine(&m, state);
	dev = taken(&m, "vda1", UUID_1);
	add_fs(&m, "vda1", "crash", 1);
	add_fs(&m, "vdb1", "crash", 2);
	c = wanted(TARGET_UUID, UUID_1);
	assert_false(target_is_ambiguous(&m.places, &c, &dev, text, sizeof(text)));
	add_fs(&m, "vdb2", "/dev/vda1", 2);
	c = wanted(TARGET_DEVICE, "/dev/vda1");
	assert_false(target_is_ambiguous(&m.places, &c, &dev, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_temp_dir(two_with_one_label_are_told),
		cmocka_unit_test_temp_dir(two_ways_to_one_file_system_are_fine),
		cmocka_unit_test_temp_dir(other_names_are_not_ambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
