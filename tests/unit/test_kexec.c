// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/units.h"
#include "kexec/armed_record.h"
#include "kexec/capture_cpus.h"
#include "kexec/cmdline.h"
#include "kexec/crash_sysfs.h"
#include "kexec/kernel_image.h"
#include "kexec/setup_status.h"
#include "temp_dir.h"

#define ADDED                                                                                                 \
	"nr_cpus=2 reset_devices irqpoll panic=10 cgroup_disable=memory numa=off nokaslr acpi_no_memhotplug " \
	"transparent_hugepage=never novmcoredd rdinit=/init"

static const struct {
	const char *running, *remove, *append, *expected;
} lines[] = {
	{ "", "", "", ADDED },
	{ "\n", "", "", ADDED },
	{ "BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=ab-cd ro quiet console=tty0 console=ttyS0,115200 crashkernel=256M\n",
	  "", "", "console=tty0 console=ttyS0,115200 " ADDED },
	{ "earlycon=uart8250,io,0x3f8 intel_iommu=on crashkernel=1G,high crashkernel=256M,low hugepages=100 "
	  "hugepagesz=1G",
	  "", "", "earlycon=uart8250,io,0x3f8 intel_iommu=on " ADDED },
	{ "systemd.unit=rescue.target rd.luks.uuid=x log_buf_len=16M cma=64M hugetlb_cma=1G mem=4G maxcpus=8 "
	  "disable_cpu_apicid=3 nosmt",
	  "", "", "nosmt " ADDED },
	{ "panic_on_warn=1 panic=0 nmi_watchdog=1 crash_kexec_post_notifiers", "", "", ADDED },
	/* "-" and "_" are one to the kernel */
	{ "crash-kexec-post-notifiers log-buf-len=1M", "", "", ADDED },
	/* names only begin alike */
	{ "rootdelayed=1 rooted memory=1 rolling", "", "", "rootdelayed=1 rooted memory=1 rolling " ADDED },
	{ "dyndbg=\"file a.c +p\" foo=\"root=x ro\" root=\"LABEL=my disk\" x", "", "",
	  "dyndbg=\"file a.c +p\" foo=\"root=x ro\" x " ADDED },
	{ "a b -- root=x c", "", "", "a b " ADDED },
	{ "a=1 b=2 drv.x=1 drv.y=2", "b drv.*", "nvme_core.admin_timeout=20",
	  "a=1 " ADDED " nvme_core.admin_timeout=20" },
	{ "a=1 b=2", "b,a", "", ADDED },
	/* a second capture kernel is not loaded from the first */
	{ "elfcorehdr=0x7b000000 a", "", "", "a " ADDED },
};

static void command_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char buf[CMDLINE_MAX_BYTES];
		struct err err;

		assert_int_equal(cmdline_build(lines[i].running, lines[i].remove, "nr_cpus=2", lines[i].append, buf,
					       sizeof(buf), &err),
				 ST_OK);
		assert_string_equal(buf, lines[i].expected);
	}
}

static void too_long_is_told(void **state)
{
	static char running[4096];
	char buf[CMDLINE_MAX_BYTES];
	struct err err;

	for (size_t i = 0; i + 5 < sizeof(running); i += 4)
		memcpy(running + i, "a=1 ", 5);
	assert_int_equal(cmdline_build(running, "", "", "", buf, sizeof(buf), &err), ST_USAGE);
	assert_non_null(strstr(err.text, "cmdline_remove"));
	memset(running, 'a', sizeof(running) - 1);
	assert_int_equal(cmdline_build(running, "", "", "", buf, sizeof(buf), &err), ST_USAGE);
	assert_int_equal(cmdline_build("", "", "", running, buf, sizeof(buf), &err), ST_USAGE);
}

#define CPU_0 "processor\t: 0\nvendor_id\t: X\napicid\t\t: 9\ninitial apicid\t: 4\n\n"
#define CPU_1 "processor\t: 1\nvendor_id\t: X\napicid\t\t: 1\ninitial apicid\t: 1\n\n"
#define CPU_2 "processor\t: 2\nvendor_id\t: X\napicid\t\t: 2\ninitial apicid\t: 2\n\n"
#define NO_APIC_0 "processor\t: 0\nBogoMIPS\t: 50.00\n\n"

static void capture_kernel_gets_the_cpus_that_help(void **state)
{
	static const struct {
		struct capture_cpus_facts facts;
		unsigned nr;
		const char *parameters, *why;
	} cases[] = {
		{ { CPU_0, "", "", 256 * MIB, "" }, 1, "nr_cpus=1", "no more" },
		{ { CPU_0 CPU_1, "", "", 95 * MIB, "" }, 1, "nr_cpus=1", "two need 96.0 MiB" },
		{ { CPU_0 CPU_1, "", "", 96 * MIB, "" }, 2, "nr_cpus=2 disable_cpu_apicid=4", "all" },
		/* The boot CPU need not come first, nor be there at all: taken offline, it sleeps in the kernel's own
		   code. */
		{ { CPU_1 CPU_0 CPU_2, "", "", 96 * MIB, "" }, 2, "nr_cpus=2 disable_cpu_apicid=4", "room" },
		{ { CPU_1 CPU_2, "", "", 96 * MIB, "" }, 1, "nr_cpus=1", "not known" },
		{ { CPU_0 CPU_1 CPU_2, "", "", 128 * MIB, "" }, 3, "nr_cpus=3 disable_cpu_apicid=4", "all" },
		{ { CPU_0 CPU_1 CPU_2 CPU_2 CPU_2 CPU_2 CPU_2 CPU_2 CPU_2, "", "", GIB, "" },
		  8,
		  "nr_cpus=8 disable_cpu_apicid=4",
		  "disk" },
		{ { CPU_0 CPU_1, "xen", "", GIB, "" }, 1, "nr_cpus=1", "hypervisor" },
		{ { CPU_0 CPU_1, "", "Microsoft Corporation", GIB, "" }, 1, "nr_cpus=1", "hypervisor" },
		{ { NO_APIC_0 NO_APIC_0, "", "", GIB, "" }, 1, "nr_cpus=1", "not known" },
		{ { CPU_0 CPU_1, "", "", GIB, "a=1 nr_cpus=1" }, 1, "", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=1" }, 1, "nr_cpus=1", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=8 maxcpus=2 b" },
		  2,
		  "nr_cpus=2 disable_cpu_apicid=4",
		  "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=0" }, 1, "nr_cpus=1", "cmdline_append" },
		{ { CPU_1 CPU_2, "", "", GIB, "maxcpus=0x10\tb" }, 16, "nr_cpus=16", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "nr_cpus=4" }, 4, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=2 nr_cpus=4" }, 2, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=4 nr_cpus=1" }, 1, "", "cmdline_append" },
		/* Who names the one that must sleep has thought of it. */
		{ { CPU_0 CPU_1, "", "", GIB, "nr_cpus=2 disable_cpu_apicid=7" }, 2, "", "cmdline_append" },
		/* What the kernel makes of these is not sure, and may be all that there are. */
		{ { CPU_0 CPU_1, "", "", GIB, "nr_cpus=0" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "nr_cpus=\"4\"" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_1 CPU_2, "", "", GIB, "nr_cpus=0" }, 0, "", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=-1" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=2x" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "maxcpus=2147483648" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "nr_cpus=2 maxcpus=99999999999999999999" }, 0, "disable_cpu_apicid=4", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "a=1\tnr-cpus=1 b" }, 1, "", "cmdline_append" },
		{ { CPU_0 CPU_1, "", "", GIB, "xnr_cpus=1 nr_cpus" }, 2, "nr_cpus=2 disable_cpu_apicid=4", "all" },
		{ { CPU_0 CPU_1, "", "", GIB, "a=\"b nr_cpus=1\"" }, 2, "nr_cpus=2 disable_cpu_apicid=4", "all" },
		{ { CPU_0 CPU_1, "", "", GIB, "a -- nr_cpus=1" }, 2, "nr_cpus=2 disable_cpu_apicid=4", "all" },
		{ { "", "", "", GIB, "" }, 1, "nr_cpus=1", "no more" },
		{ { "processor\t", "", "", GIB, "" }, 1, "nr_cpus=1", "no more" },
		{ { "processor\t: 0\ninitial apicid", "", "", GIB, "" }, 1, "nr_cpus=1", "no more" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct capture_cpus c;

		capture_cpus_choose(&cases[i].facts, &c);
		assert_int_equal(c.nr, cases[i].nr);
		assert_string_equal(c.parameters, cases[i].parameters);
		assert_non_null(strstr(c.why, cases[i].why));
	}
}

static void mounts_are_found(void **state)
{
	static const char text[] = "21 26 0:19 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
				   "26 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
				   "30 26 254:17 /sub /bind rw - ext4 /dev/vdb1 rw\n"
				   "31 26 254:17 / /srv/crash\\040disk rw - ext4 /dev/vdb1 rw\n";
	char buf[64];

	assert_true(setup_status_find_mount(text, 254, 1, buf, sizeof(buf)));
	assert_string_equal(buf, "/");
	assert_true(setup_status_find_mount(text, 254, 17, buf, sizeof(buf)));
	assert_string_equal(buf, "/srv/crash disk");
	assert_false(setup_status_find_mount(text, 254, 7, buf, sizeof(buf)));
	assert_false(setup_status_find_mount("", 254, 7, buf, sizeof(buf)));
	assert_false(setup_status_find_mount("rubbish\n\n1 2 254:7", 254, 7, buf, sizeof(buf)));
}

static void old_and_new_sysfs(void **state)
{
	struct temp_dir *t = *state;
	struct crash_sysfs info;

	crash_sysfs_read(t->path, &info);
	assert_false(info.supported);
	temp_write_text(t, "kernel/kexec_crash_loaded", "0\n");
	temp_write_text(t, "kernel/kexec_crash_size", "134217728\n");
	crash_sysfs_read(t->path, &info);
	assert_true(info.supported);
	assert_false(info.loaded);
	assert_int_equal(info.reserved_bytes, 134217728);
	temp_write_text(t, "kernel/kexec/crash_loaded", "1\n");
	temp_write_text(t, "kernel/kexec/crash_size", "1000\n");
	crash_sysfs_read(t->path, &info);
	assert_true(info.loaded);
	assert_int_equal(info.reserved_bytes, 1000);
}

static void release_of_an_image(void **state)
{
	struct temp_dir *t = *state;
	static uint8_t image[4096];
	char path[PATH_MAX], release[32];
	struct err err;

	temp_path(t, "vmlinuz", path);
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_NOT_FOUND);
	temp_write(t, "vmlinuz", image, sizeof(image));
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_BAD_INPUT);
	memcpy(image + 0x202, "HdrS", 4);
	image[0x20e] = 0x00;
	image[0x20f] = 0x05; /* at 0x700 */
	strcpy((char *)image + 0x700, "6.1.0-x (builder@host) #1 SMP");
	temp_write(t, "vmlinuz", image, sizeof(image));
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_OK);
	assert_string_equal(release, "6.1.0-x");
	/* Pointing out of the file, and a text that would leave the modules' folder. */
	image[0x20f] = 0xff;
	temp_write(t, "vmlinuz", image, sizeof(image));
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_BAD_INPUT);
	image[0x20f] = 0x05;
	strcpy((char *)image + 0x700, "../../x");
	temp_write(t, "vmlinuz", image, sizeof(image));
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_BAD_INPUT);
	memset(image + 0x700, 'a', 200);
	temp_write(t, "vmlinuz", image, sizeof(image));
	assert_int_equal(kernel_image_release(path, release, sizeof(release), &err), ST_BAD_INPUT);
}

static void record_is_kept_for_this_boot(void **state)
{
	struct temp_dir *t = *state;
	struct armed_record a = {
		.time = 5, .kernel = "/boot/v", .release = "6", .method = "kexec_load", .cmdline = "a \"b\""
	};
	struct armed_record b;
	char path[PATH_MAX];
	struct err err;

	temp_path(t, "run/innercore/armed.json", path);
	assert_int_equal(armed_record_read(path, &b, &err), ST_NOT_FOUND);
	assert_int_equal(armed_record_write(path, &a, &err), ST_OK);
	assert_int_equal(armed_record_read(path, &b, &err), ST_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	temp_write_text(t, "run/innercore/armed.json", "{\"boot_id\": \"another\"}");
	assert_int_equal(armed_record_read(path, &b, &err), ST_NOT_FOUND);
	temp_write_text(t, "run/innercore/armed.json", "[");
	assert_int_equal(armed_record_read(path, &b, &err), ST_NOT_FOUND);
	armed_record_remove(path);
	assert_false(temp_exists(t, "run/innercore/armed.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(too_long_is_told),
		cmocka_unit_test(capture_kernel_gets_the_cpus_that_help),
		cmocka_unit_test(mounts_are_found),
		cmocka_unit_test_temp_dir(old_and_new_sysfs),
		cmocka_unit_test_temp_dir(release_of_an_image),
		cmocka_unit_test_temp_dir(record_is_kept_for_this_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
