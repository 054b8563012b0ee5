// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/arm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/run.h"
#include "common/units.h"
#include "initramfs/digest.h"
#include "initramfs/mkinitramfs.h"
#include "kexec/capture_cpus.h"
#include "kexec/crash_sysfs.h"
#include "kexec/kernel_image.h"

#define SYS "/sys"
#define KEXEC_SECONDS 60
#define KEXEC_MAX_OUT 65536
#define LOAD_DISABLED_PATH "/proc/sys/kernel/kexec_load_disabled"
#define PANIC_ON_OOPS_PATH "/proc/sys/kernel/panic_on_oops"
#define CMDLINE_PATH "/proc/cmdline"
#define CPUINFO_PATH "/proc/cpuinfo"
#define CPUINFO_MAX (16 * MIB)
#define HYPERVISOR_PATH "/sys/hypervisor/type"
#define VENDOR_PATH "/sys/class/dmi/id/sys_vendor"
/* Measured: below this a kernel of a distribution runs out of memory before it starts PID 1. */
#define RESERVATION_FLOOR (80 * MIB)

static enum status check_root(const char *what, struct err *err)
{
	if (geteuid() != 0)
		return err_set(err, ST_USAGE, "only root may %s a capture kernel", what);
	return ST_OK;
}

static enum status check_system(struct arm_report *report, struct err *err)
{
	enum status st = check_root("load", err);
	struct crash_sysfs sys;
	char line[16], size[16];

	if (st != ST_OK)
		return st;
	crash_sysfs_read(SYS, &sys);
	report->reserved_bytes = sys.reserved_bytes;
	if (!sys.supported)
		return err_set(err, ST_UNSUPPORTED,
			       "the running kernel cannot load a capture kernel: it needs CONFIG_KEXEC_FILE or "
			       "CONFIG_KEXEC, and "
			       "CONFIG_CRASH_DUMP");
	if (!sys.reserved_bytes)
		return err_set(err, ST_NOT_FOUND,
			       "no memory is reserved for a capture kernel: boot with crashkernel=128M on the kernel's "
			       "command "
			       "line");
	if (sys.reserved_bytes < RESERVATION_FLOOR)
		log_warn("only %s are reserved for the capture kernel; crashkernel=128M is safer",
			 units_bytes(sys.reserved_bytes, size, sizeof(size)));
	if (!strcmp(file_first_line(LOAD_DISABLED_PATH, line, sizeof(line)), "1"))
		return err_set(err, ST_UNSUPPORTED, "kernel.kexec_load_disabled is 1: it stays so until the next boot");
	return ST_OK;
}

static enum status choose_kernel(const struct arm_options *o, struct armed_record *record, struct err *err)
{
	const char *named = o->kernel ? o->kernel : *o->config->kernel ? o->config->kernel : NULL;
	struct utsname uts;

	if (!named) {
		if (uname(&uts) < 0)
			return err_set(err, ST_INTERNAL, "uname does not work");
		snprintf(record->release, sizeof(record->release), "%s", uts.release);
		return kernel_image_find(uts.release, record->kernel, sizeof(record->kernel), err);
	}
	/* Absolute: the record outlives this process's folder. */
	if (!realpath(named, record->kernel))
		return err_set_errno(err, ST_NOT_FOUND, errno, "cannot find the kernel %s", named);
	return kernel_image_release(record->kernel, record->release, sizeof(record->release), err);
}

static enum status build_if_stale(const struct arm_options *o, struct arm_report *report, struct err *err)
{
	struct armed_record *record = &report->record;
	struct mkinitramfs_options options = { .config = o->config, .release = record->release };
	struct mkinitramfs_image image;
	enum status st = mkinitramfs_build(&options, &image, err);

	if (st != ST_OK)
		return err_wrap(err, st, "cannot build the initramfs");
	mkinitramfs_path(o->config, record->release, record->initramfs, sizeof(record->initramfs));
	snprintf(record->target, sizeof(record->target), "%s", image.target);
	if (*image.ambiguous)
		log_warn("%s", image.ambiguous);
	report->initramfs_bytes = image.len_bytes;
	/* Bytes are reproducible, so the only true test of staleness is to build and compare. */
	report->initramfs_built = !mkinitramfs_is_same(&image, record->initramfs);
	if (report->initramfs_built && !o->dry_run)
		st = mkinitramfs_write(&image, record->initramfs, err);
	mkinitramfs_image_deinit(&image);
	return st;
}

static enum status take_given(const struct arm_options *o, struct arm_report *report, struct err *err)
{
	struct stat stat_buf;
	char name[264];

	if (!realpath(o->initramfs, report->record.initramfs) || stat(o->initramfs, &stat_buf) < 0)
		return err_set_errno(err, ST_NOT_FOUND, errno, "cannot find the initramfs %s", o->initramfs);
	if (!S_ISREG(stat_buf.st_mode))
		return err_set(err, ST_USAGE, "%s is no file", o->initramfs);
	snprintf(report->record.target, sizeof(report->record.target), "%s",
		 config_target_name(o->config, name, sizeof(name)));
	report->initramfs_bytes = (uint64_t)stat_buf.st_size;
	return ST_OK;
}

static enum status choose_cpus(const struct config *config, struct arm_report *report, struct err *err)
{
	_cleanup_free_ uint8_t *cpuinfo = NULL;
	char hypervisor[32], vendor[64];
	size_t len;
	enum status st = file_read_all(CPUINFO_PATH, CPUINFO_MAX, &cpuinfo, &len, err);
	struct capture_cpus_facts facts = {
		.cpuinfo = (const char *)cpuinfo,
		.hypervisor = file_first_line(HYPERVISOR_PATH, hypervisor, sizeof(hypervisor)),
		.vendor = file_first_line(VENDOR_PATH, vendor, sizeof(vendor)),
		.reserved_bytes = report->reserved_bytes,
		.append = config->cmdline_append,
	};

	if (st == ST_OK)
		capture_cpus_choose(&facts, &report->cpus);
	return st;
}

static enum status make_cmdline(const struct config *config, struct arm_report *report, struct err *err)
{
	_cleanup_free_ uint8_t *running = NULL;
	struct armed_record *record = &report->record;
	size_t len;
	enum status st = file_read_all(CMDLINE_PATH, 65536, &running, &len, err);

	if (st == ST_OK)
		st = choose_cpus(config, report, err);
	if (st != ST_OK)
		return st;
	return cmdline_build((const char *)running, config->cmdline_remove, report->cpus.parameters,
			     config->cmdline_append, record->cmdline, sizeof(record->cmdline), err);
}

/* How: "-s" or "-c". */
static enum status run_kexec(const char *kexec, const char *how, const struct armed_record *record, struct err *err)
{
	char initrd[sizeof(record->initramfs) + 16], cmdline[sizeof(record->cmdline) + 24];
	const char *const argv[] = { kexec, "-p", how, initrd, cmdline, record->kernel, NULL };
	struct run_result result = { 0 };
	enum status st;

	snprintf(initrd, sizeof(initrd), "--initrd=%s", record->initramfs);
	snprintf(cmdline, sizeof(cmdline), "--command-line=%s", record->cmdline);
	st = run_program(argv, KEXEC_SECONDS, KEXEC_MAX_OUT, &result, err);
	if (st == ST_OK && result.exit_code != 0)
		st = err_set(err, ST_IO, "kexec -p %s: %s", how, *result.error_text ? result.error_text : "failed");
	run_result_deinit(&result);
	return st;
}

static enum status load(struct armed_record *record, struct err *err)
{
	char kexec[PATH_MAX];
	struct crash_sysfs sys;
	struct err first;
	enum status st = run_find_program("kexec", kexec, sizeof(kexec), err);

	if (st != ST_OK)
		return err_wrap(err, st, "install the package kexec-tools");
	snprintf(record->method, sizeof(record->method), "kexec_file_load");
	st = run_kexec(kexec, "-s", record, &first);
	if (st != ST_OK) {
		snprintf(record->method, sizeof(record->method), "kexec_load");
		st = run_kexec(kexec, "-c", record, err);
	}
	if (st != ST_OK)
		return err_wrap(err, st, "the kernel refused (%s)", first.text);
	crash_sysfs_read(SYS, &sys);
	if (!sys.loaded)
		return err_set(err, ST_IO,
			       "kexec reports success, but the kernel says that no capture kernel is loaded");
	return ST_OK;
}

/* An oops that does not panic would be survived by a machine that nobody trusts any more, and leave no dump. */
static void panic_on_oops(struct arm_report *report)
{
	char line[16];
	int fd;

	if (strcmp(file_first_line(PANIC_ON_OOPS_PATH, line, sizeof(line)), "0") != 0)
		return;
	fd = open(PANIC_ON_OOPS_PATH, O_WRONLY | O_CLOEXEC);
	report->set_panic_on_oops = fd >= 0 && write(fd, "1\n", 2) == 2;
	if (!report->set_panic_on_oops)
		log_warn("cannot set kernel.panic_on_oops: an oops will not be captured");
	if (fd >= 0)
		close(fd);
}

static enum status keep_record(struct armed_record *record, struct err *err)
{
	_cleanup_fd_ int fd = open(record->initramfs, O_RDONLY | O_CLOEXEC);
	enum status st;

	if (fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open %s", record->initramfs);
	st = digest_fd(fd, NULL, NULL, record->initramfs_sha256, err);
	if (st != ST_OK)
		return st;
	record->time = (uint64_t)time(NULL);
	return armed_record_write(ARMED_RECORD_PATH, record, err);
}

enum status arm_run(const struct arm_options *options, struct arm_report *report, struct err *err)
{
	struct err record_err;
	enum status st;

	memset(report, 0, sizeof(*report));
	st = check_system(report, err);
	if (st == ST_OK)
		st = choose_kernel(options, &report->record, err);
	if (st == ST_OK)
		st = options->initramfs ? take_given(options, report, err) : build_if_stale(options, report, err);
	if (st == ST_OK)
		st = make_cmdline(options->config, report, err);
	if (st != ST_OK || options->dry_run)
		return st;
	st = load(&report->record, err);
	if (st != ST_OK)
		return st;
	panic_on_oops(report);
	/* The kernel is loaded; a record that cannot be kept only makes `status` say less. */
	if (keep_record(&report->record, &record_err) != ST_OK)
		log_warn("%s", record_err.text);
	return ST_OK;
}

enum status arm_undo(bool *was_loaded, struct err *err)
{
	enum status st = check_root("unload", err);
	const char *argv[] = { NULL, "-p", "-u", NULL };
	struct run_result result = { 0 };
	struct crash_sysfs sys;
	char kexec[PATH_MAX];

	if (st != ST_OK)
		return st;
	crash_sysfs_read(SYS, &sys);
	*was_loaded = sys.loaded;
	if (!sys.loaded)
		return ST_OK;
	st = run_find_program("kexec", kexec, sizeof(kexec), err);
	if (st != ST_OK)
		return err_wrap(err, st, "install the package kexec-tools");
	argv[0] = kexec;
	st = run_program(argv, KEXEC_SECONDS, KEXEC_MAX_OUT, &result, err);
	crash_sysfs_read(SYS, &sys);
	if (st == ST_OK && sys.loaded)
		st = err_set(err, ST_IO, "the kernel did not unload it: %s", result.error_text);
	run_result_deinit(&result);
	if (st == ST_OK)
		armed_record_remove(ARMED_RECORD_PATH);
	return st;
}
