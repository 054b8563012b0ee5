// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "initramfs/drivers.h"
#include "initramfs/init_system.h"
#include "initramfs/module_set.h"
#include "initramfs/modules.h"
#include "initramfs/word_list.h"
#include "temp_dir.h"

static void assert_words(const struct word_list *list, const char *expected)
{
	char text[1024] = "";

	for (size_t i = 0; i < list->nr; i++) {
		strcat(text, i ? " " : "");
		strcat(text, list->words[i]);
	}
	assert_string_equal(text, expected);
}

static void words_are_distinct_and_in_order(void **state)
{
	struct word_list list = { 0 };
	struct err err;

	assert_int_equal(word_list_add_all(&list, " virtio,virtio_blk\text4 virtio  ", &err), ST_OK);
	assert_int_equal(word_list_add_n(&list, "ext4dev", 4, &err), ST_OK);
	assert_words(&list, "virtio virtio_blk ext4");
	assert_true(word_list_has(&list, "ext4"));
	assert_false(word_list_has(&list, "ext"));
	word_list_deinit(&list);
	assert_int_equal(word_list_add_all(&list, "", &err), ST_OK);
	assert_int_equal(list.nr, 0);
	word_list_deinit(NULL);
}

/* --- PID 1's side ---------------------------------------------------------------------------------------------------
 */

static void file_names_tell_module_names(void **state)
{
	char name[16];

	assert_string_equal(modules_name_of_file("03-virtio_blk.ko", name, sizeof(name)), "virtio_blk");
	assert_string_equal(modules_name_of_file("10-crc32c-intel.ko", name, sizeof(name)), "crc32c_intel");
	assert_string_equal(modules_name_of_file("10-crc32c-intel.ko.xz", name, sizeof(name)), "");
	assert_string_equal(modules_name_of_file("10-", name, sizeof(name)), "");
	assert_string_equal(modules_name_of_file("", name, sizeof(name)), "");
	assert_string_equal(modules_name_of_file("00-a_name_that_is_too_long.ko", name, sizeof(name)), "");
}

static void parameters_come_from_the_command_line(void **state)
{
	static const char cmdline[] = "console=ttyS0 nvme_core.admin_timeout=20 nvme-core.io_timeout=5 xnvme_core.a=1 "
				      "nvme_core. nvme_core.text=\"a b\" nvme_coreX.b=1 quiet\n";
	char buf[64];

	assert_string_equal(modules_parameters(cmdline, "nvme_core", buf, sizeof(buf)),
			    "admin_timeout=20 io_timeout=5 text=\"a b\"");
	assert_string_equal(modules_parameters(cmdline, "nvme", buf, sizeof(buf)), "");
	assert_string_equal(modules_parameters("", "nvme", buf, sizeof(buf)), "");
	assert_string_equal(modules_parameters(cmdline, "nvme_core", buf, 20), "admin_timeout=20");
}

static void parameters_are_whole_words(void **state)
{
	assert_true(init_system_has_parameter("a elfcorehdr=0x1 b", "elfcorehdr="));
	assert_false(init_system_has_parameter("a xelfcorehdr=0x1 b", "elfcorehdr="));
	assert_true(init_system_has_parameter("innercore.debug", "innercore.debug"));
	assert_false(init_system_has_parameter("innercore.debugger", "innercore.debug"));
	assert_false(init_system_has_parameter("", "innercore.debug"));
}

static void modules_that_do_not_load_are_counted(void **state)
{
	struct temp_dir *t = *state;
	struct modules_report report;
	char path[PATH_MAX];
	struct err err;

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(modules_load(temp_path(t, "none", path), "", &report, &err), ST_NOT_FOUND);
	temp_write_text(t, "list", "00-nothing.ko\nnot a module\n01-absent.ko\n");
	temp_write_text(t, "00-nothing.ko", "not ELF");
	assert_int_equal(modules_load(t->path, "", &report, &err), ST_OK);
	assert_int_equal(report.nr_loaded, 0);
	assert_int_equal(report.nr_failed, 3);
}

/* --- the build's side -----------------------------------------------------------------------------------------------
 */

/* A device folder @name below DIR/devices with a driver of @module, or without one. */
static void put_device(struct temp_dir *t, const char *name, const char *module)
{
	char path[PATH_MAX], target[128];

	snprintf(path, sizeof(path), "devices/%s/uevent", name);
	temp_write_text(t, path, "");
	if (!module)
		return;
	snprintf(path, sizeof(path), "devices/%s/driver/module", name);
	snprintf(target, sizeof(target), "/sys/module/%s", module);
	temp_link(t, target, path);
}

static void drivers_up_to_the_root(void **state)
{
	struct temp_dir *t = *state;
	struct word_list list = { 0 };
	struct err err;

	put_device(t, "pci0000:00/0000:00:04.0", "virtio_pci");
	put_device(t, "pci0000:00/0000:00:04.0/virtio1", "virtio_blk");
	put_device(t, "pci0000:00/0000:00:04.0/virtio1/block/vda/vda1", NULL);
	temp_link(t, "../../devices/pci0000:00/0000:00:04.0/virtio1/block/vda/vda1", "dev/block/254:1");
	assert_int_equal(drivers_of_block_device(t->path, 254, 1, &list, &err), ST_OK);
	assert_words(&list, "virtio_blk virtio_pci");
	assert_int_equal(drivers_of_block_device(t->path, 254, 2, &list, &err), ST_NOT_FOUND);
	word_list_deinit(&list);
}

static void multipath_nvme_has_its_controllers_elsewhere(void **state)
{
	struct temp_dir *t = *state;
	struct word_list list = { 0 };
	struct err err;

	put_device(t, "pci0000:00/0000:00:05.0/nvme/nvme0", NULL);
	put_device(t, "pci0000:00/0000:00:05.0", "nvme");
	put_device(t, "virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1", NULL);
	temp_link(t, "../../../pci0000:00/0000:00:05.0/nvme/nvme0",
		  "devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
	temp_link(t, "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1", "dev/block/259:1");
	assert_int_equal(drivers_of_block_device(t->path, 259, 1, &list, &err), ST_OK);
	assert_words(&list, "nvme");
	word_list_deinit(&list);
}

static void stacked_devices_are_refused(void **state)
{
	struct temp_dir *t = *state;
	struct word_list list = { 0 };
	struct err err;

	put_device(t, "virtual/block/dm-0", NULL);
	temp_link(t, "../../../../pci/vda1", "devices/virtual/block/dm-0/slaves/vda1");
	temp_link(t, "../../devices/virtual/block/dm-0", "dev/block/253:0");
	assert_int_equal(drivers_of_block_device(t->path, 253, 0, &list, &err), ST_UNSUPPORTED);
	word_list_deinit(&list);
}

static void watchdog_and_memory_only_where_used(void **state)
{
	struct temp_dir *t = *state;
	struct word_list list = { 0 };
	char path[PATH_MAX];
	bool active = true;
	struct err err;

	assert_int_equal(drivers_of_watchdog(t->path, &list, &active, &err), ST_OK);
	assert_int_equal(drivers_of_memory(t->path, &list, &err), ST_OK);
	assert_false(active);
	assert_int_equal(list.nr, 0);
	put_device(t, "pci0000:00/0000:00:06.0", "i6300esb");
	temp_write_text(t, "devices/pci0000:00/0000:00:06.0/watchdog/watchdog0/state", "inactive\n");
	temp_link(t, "../../devices/pci0000:00/0000:00:06.0/watchdog/watchdog0", "class/watchdog/watchdog0");
	assert_int_equal(drivers_of_watchdog(t->path, &list, &active, &err), ST_OK);
	assert_false(active);
	temp_write_text(t, "devices/pci0000:00/0000:00:06.0/watchdog/watchdog0/state", "active\n");
	assert_int_equal(drivers_of_watchdog(t->path, &list, &active, &err), ST_OK);
	assert_true(active);
	assert_words(&list, "i6300esb");
	word_list_deinit(&list);
	/* A driver whose watchdog has no parent is known by its module being in use. */
	temp_write_text(t, "devices/virtual/watchdog/watchdog1/state", "active\n");
	unlink(temp_path(t, "class/watchdog/watchdog0", path));
	temp_link(t, "../../devices/virtual/watchdog/watchdog1", "class/watchdog/watchdog0");
	temp_write_text(t, "module/i6300esb/refcnt", "1\n");
	temp_write_text(t, "module/iTCO_wdt/refcnt", "0\n");
	temp_write_text(t, "module/softdog/refcnt", "1\n");
	temp_link(t, "../../i6300esb", "module/watchdog/holders/i6300esb");
	temp_link(t, "../../iTCO_wdt", "module/watchdog/holders/iTCO_wdt");
	temp_link(t, "../../softdog", "module/watchdog/holders/softdog");
	assert_int_equal(drivers_of_watchdog(t->path, &list, &active, &err), ST_OK);
	temp_mkdir(t, "module/virtio_mem");
	assert_int_equal(drivers_of_memory(t->path, &list, &err), ST_OK);
	assert_words(&list, "i6300esb virtio_pci virtio_mem");
	word_list_deinit(&list);
}

static void assert_tree(const char *folder, const char *release, const char *root)
{
	struct module_tree tree;
	struct err err;

	if (module_tree_find(folder, release, &tree, &err) != ST_OK)
		fail_msg("%s: %s", folder, err.text);
	assert_string_equal(tree.root, root);
	assert_string_equal(tree.release, "6.1.0-x");
}

static void modules_folder_may_be_named_three_ways(void **state)
{
	struct temp_dir *t = *state;
	struct module_tree tree;
	char path[PATH_MAX];
	struct err err;

	temp_write_text(t, "root/lib/modules/6.1.0-x/modules.dep", "");
	assert_tree(temp_path(t, "root", path), "6.1.0-x", temp_path(t, "root", (char[PATH_MAX]){ 0 }));
	assert_tree(temp_path(t, "root/lib/modules", path), "6.1.0-x", temp_path(t, "root", (char[PATH_MAX]){ 0 }));
	assert_tree(temp_path(t, "root/lib/modules/6.1.0-x/", path), NULL, temp_path(t, "root", (char[PATH_MAX]){ 0 }));
	assert_int_equal(module_tree_find(temp_path(t, "root", path), "6.2", &tree, &err), ST_NOT_FOUND);
	assert_non_null(strstr(err.text, "lib/modules/6.2/modules.dep"));
	assert_int_equal(module_tree_find(path, "../6.1.0-x", &tree, &err), ST_USAGE);
	assert_int_equal(module_tree_find("/nowhere", NULL, &tree, &err), ST_NOT_FOUND);
}

/* The judges are the packers themselves. */
static void packed_modules_come_out_plain(void **state)
{
	static const char *const packers[][2] = {
		{ "cat", "ko" }, { "xz --check=crc32", "ko.xz" }, { "zstd -q", "ko.zst" }, { "gzip", "ko.gz" }
	};
	struct temp_dir *t = *state;
	char command[2 * PATH_MAX], path[PATH_MAX], out[16];
	static uint8_t plain[3000000] = "\177ELF"; /* beyond the first guess */
	struct err err;

	for (size_t i = 4; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * i >> 7);
	temp_write(t, "plain", plain, sizeof(plain));
	for (size_t i = 0; i < 4; i++) {
		uint8_t *data;
		size_t len;

		snprintf(path, sizeof(path), "%s/m.%s", t->path, packers[i][1]);
		snprintf(command, sizeof(command), "%s <%s/plain >%s", packers[i][0], t->path, path);
		temp_shell(command, out, sizeof(out));
		if (module_file_read(path, &data, &len, &err) != ST_OK)
			fail_msg("%s: %s", packers[i][1], err.text);
		assert_int_equal(len, sizeof(plain));
		assert_memory_equal(data, plain, len);
		free(data);
		/* Cut short, and with a byte turned. */
		snprintf(command, sizeof(command), "head -c 1000 %s >%s/cut.%s", path, t->path, packers[i][1]);
		temp_shell(command, out, sizeof(out));
		snprintf(path, sizeof(path), "%s/cut.%s", t->path, packers[i][1]);
		if (i > 0)
			assert_int_equal(module_file_read(path, &data, &len, &err), ST_BAD_INPUT);
	}
	temp_write_text(t, "text.ko", "text");
	assert_int_equal(module_file_read(temp_path(t, "text.ko", path), &(uint8_t *){ NULL }, &(size_t){ 0 }, &err),
			 ST_BAD_INPUT);
}

static void module_paths_are_checked(void **state)
{
	char name[16];
	struct err err;

	assert_int_equal(module_file_name("/a/virtio_blk.ko.xz", name, sizeof(name), &err), ST_OK);
	assert_string_equal(name, "virtio_blk");
	assert_int_equal(module_file_name("/a/virtio blk.ko", name, sizeof(name), &err), ST_BAD_INPUT);
	assert_int_equal(module_file_name("/a/.ko", name, sizeof(name), &err), ST_BAD_INPUT);
	assert_int_equal(module_file_name("/a/../x", name, sizeof(name), &err), ST_BAD_INPUT);
}

static void names_for_modprobe_are_checked(void **state)
{
	struct module_tree tree = { .release = "0" };
	struct word_list files = { 0 };
	struct err err;

	assert_int_equal(module_set_resolve(&tree, "a b", &files, &err), ST_USAGE);
	assert_int_equal(module_set_resolve(&tree, "../a", &files, &err), ST_USAGE);
	assert_int_equal(module_set_resolve(&tree, "", &files, &err), ST_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_distinct_and_in_order),
		cmocka_unit_test(file_names_tell_module_names),
		cmocka_unit_test(parameters_come_from_the_command_line),
		cmocka_unit_test(parameters_are_whole_words),
		cmocka_unit_test_temp_dir(modules_that_do_not_load_are_counted),
		cmocka_unit_test_temp_dir(drivers_up_to_the_root),
		cmocka_unit_test_temp_dir(multipath_nvme_has_its_controllers_elsewhere),
		cmocka_unit_test_temp_dir(stacked_devices_are_refused),
		cmocka_unit_test_temp_dir(watchdog_and_memory_only_where_used),
		cmocka_unit_test_temp_dir(modules_folder_may_be_named_three_ways),
		cmocka_unit_test_temp_dir(packed_modules_come_out_plain),
		cmocka_unit_test(module_paths_are_checked),
		cmocka_unit_test(names_for_modprobe_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
