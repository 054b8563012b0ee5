// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PID 1 of the capture kernel. The order is the order of value: each thing is on disk before the next, larger one
 * starts, and no failure of one keeps the next from being tried.
 */
#include "initramfs/init.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture/session.h"
#include "common/log.h"
#include "common/units.h"
#include "formats/physmem.h"
#include "initramfs/config.h"
#include "initramfs/digest.h"
#include "initramfs/dumpdir.h"
#include "initramfs/evidence.h"
#include "initramfs/guard.h"
#include "initramfs/init_system.h"
#include "initramfs/isolate.h"
#include "initramfs/modules.h"
#include "initramfs/reboot.h"
#include "initramfs/retention.h"
#include "initramfs/status_file.h"
#include "initramfs/target.h"
#include "kernel/kmodel.h"

#define VMCORE "/proc/vmcore"
#define MOUNT_POINT "/mnt"
#define CMDLINE_MAX 4096
/* No stage may be silent for longer; a slow disk's journal replay and one fsync fit in. */
#define SILENCE_SECONDS 300
#define PROGRESS_SECONDS 3.0
#define NO_VMCORE_PAUSE_SECONDS 10
/* The log is walked in a process of its own: whatever a broken one does to the walk, the dump is still to come. */
#define DMESG_SECONDS 60

struct init {
	struct config config;
	char cmdline[CMDLINE_MAX];
	double started; /* units_now() */
	struct target_device dev;
	int parentfd, dirfd; /* the folder of all dumps, and that of this one; -1: not there */
	bool mounted;
	char name[DUMPDIR_NAME_LEN + 1];
	struct physmem *pm; /* NULL: /proc/vmcore cannot be read */
	struct kmodel *km;  /* NULL: no usable VMCOREINFO */
	struct json_t *doc; /* status.json; NULL: not yet, or no memory */
	struct capture_report report;
	double last_progress, stage_started;
};

/* On the console, and into status.json. */
static void note_error(struct init *in, const char *what, const struct err *err)
{
	char text[ERR_TEXT_MAX + 64];

	snprintf(text, sizeof(text), "%s: %s", what, err->text);
	log_error("%s", text);
	status_file_add_error(in->doc, text);
}

static void write_status(struct init *in, const char *stage)
{
	struct err err;

	status_file_set(in->doc, "stage", stage);
	if (status_file_write(in->dirfd, in->doc, &err) != ST_OK)
		note_error(in, DUMPDIR_STATUS, &err);
}

static double seconds_left(const struct init *in)
{
	double left;

	if (in->config.deadline_seconds == 0)
		return 0;
	left = in->started + in->config.deadline_seconds - units_now();
	return left > 1 ? left : 1;
}

static void load_config(struct init *in)
{
	struct err err;

	if (config_load(CONFIG_PATH, &in->config, &err) != ST_OK)
		log_error("%s", err.text);
	reboot_prepare(in->config.final_action);
}

static bool is_capture_kernel(void)
{
	struct stat st;

	return stat(VMCORE, &st) == 0 && st.st_size > 0;
}

/*
 * A kernel that was handed an elfcorehdr but has no /proc/vmcore is a capture kernel that lacks something: the machine
 * goes back to work. Any other was booted with this initramfs by mistake, and to reboot might only boot it again.
 */
static _Noreturn void end_without_vmcore(struct init *in)
{
	bool meant = init_system_has_parameter(in->cmdline, "elfcorehdr=");

	if (meant)
		log_error("there is no " VMCORE ": this kernel lacks CONFIG_PROC_VMCORE, or its elfcorehdr is broken");
	else
		log_error("this is no capture kernel (there is no " VMCORE
			  "): innercore's initramfs is for crashes only");
	guard_stage("waiting", SILENCE_SECONDS);
	sleep(NO_VMCORE_PAUSE_SECONDS);
	reboot_orderly(meant ? in->config.final_action : FINAL_POWEROFF);
}

static void load_modules(struct init *in)
{
	struct modules_report report;
	struct err err;

	guard_stage("loading modules", SILENCE_SECONDS);
	if (modules_load(MODULES_FOLDER, in->cmdline, &report, &err) != ST_OK)
		note_error(in, "modules", &err);
	else if (report.nr_loaded || report.nr_failed)
		log_info("%u modules loaded, %u failed", report.nr_loaded, report.nr_failed);
	if (access(INIT_WATCHDOG_MARK, F_OK) == 0)
		log_info("hardware watchdog: %s", guard_feed_watchdog() ? "kept fed" : "not found");
}

/* After the modules: a driver such as virtio_mem must be there before /proc/vmcore is opened, or it lies. */
static void open_vmcore(struct init *in)
{
	struct err err;

	guard_stage("reading " VMCORE, SILENCE_SECONDS);
	if (physmem_open(VMCORE, &in->pm, &err) != ST_OK) {
		in->pm = NULL;
		note_error(in, VMCORE, &err);
		return;
	}
	if (kmodel_open(in->pm, &in->km, &err) != ST_OK) {
		in->km = NULL;
		note_error(in, "crashed kernel", &err);
	}
}

static void close_vmcore(struct init *in)
{
	kmodel_close(in->km);
	physmem_close(in->pm);
	in->km = NULL;
	in->pm = NULL;
}

static enum status open_target(struct init *in, struct err *err)
{
	enum status st;

	guard_stage("waiting for the target", in->config.target_wait_seconds + SILENCE_SECONDS);
	st = target_wait(&in->config, &in->dev, err);
	if (st != ST_OK)
		return st;
	guard_stage("mounting the target", SILENCE_SECONDS);
	mkdir(MOUNT_POINT, 0755);
	st = target_mount(&in->dev, MOUNT_POINT, err);
	if (st != ST_OK)
		return st;
	in->mounted = true;
	return target_open_folder(MOUNT_POINT, in->config.path, &in->parentfd, err);
}

static void print_dmesg(struct init *in)
{
	struct err err;

	guard_stage("printing the log", SILENCE_SECONDS);
	if (!in->km)
		return;
	log_info("there is no target to save to; the crashed kernel's log follows");
	if (evidence_print_dmesg(in->km, STDOUT_FILENO, guard_touch, &err) != ST_OK)
		log_error("log: %s", err.text);
	log_info("end of the crashed kernel's log");
}

static uint64_t crash_seconds(const struct init *in, const char **source)
{
	const char *text = in->km ? vmcoreinfo_string(in->km->vi, "CRASHTIME") : NULL;
	uint64_t seconds = text ? strtoull(text, NULL, 10) : 0;

	*source = seconds ? "VMCOREINFO" : "clock";
	return seconds ? seconds : (uint64_t)time(NULL);
}

static enum status start_dumpdir(struct init *in, struct err *err)
{
	const char *release = in->km ? vmcoreinfo_string(in->km->vi, "OSRELEASE") : NULL;
	char target[264];
	struct status_facts facts = {
		.release = release ? release : "",
		.target = config_target_name(&in->config, target, sizeof(target)),
		.device = in->dev.node,
		.fstype = in->dev.fstype,
		.uuid = in->dev.uuid,
	};
	enum status st;

	facts.crash_seconds = crash_seconds(in, &facts.crash_time_source);
	st = dumpdir_make(in->parentfd, facts.crash_seconds, in->name, &in->dirfd, err);
	if (st != ST_OK)
		return st;
	in->doc = status_file_new(&facts);
	write_status(in, "start");
	dumpdir_reserve(in->dirfd);
	log_info("saving to %s/%s on %s (%s, UUID=%s)", in->config.path, in->name, in->dev.node, in->dev.fstype,
		 in->dev.uuid);
	return ST_OK;
}

static void note_file(struct init *in, const char *name, enum status st, uint64_t bytes, const struct err *err)
{
	char size[16];

	if (st != ST_OK)
		note_error(in, name, err);
	if (!bytes)
		return;
	status_file_add_file(in->doc, name, bytes);
	log_info("%s saved: %s", name, units_bytes(bytes, size, sizeof(size)));
}

static enum status save_dmesg(void *ctx, uint64_t *bytes, struct err *err)
{
	struct init *in = ctx;

	return evidence_save_dmesg(in->km, in->dirfd, bytes, err);
}

static void save_evidence(struct init *in)
{
	uint64_t bytes = 0;
	struct err err;
	enum status st;

	guard_stage("saving the log", SILENCE_SECONDS);
	if (in->km) {
		st = isolate_run(save_dmesg, in, DMESG_SECONDS, guard_touch, &bytes, &err);
		note_file(in, DUMPDIR_DMESG, st, bytes, &err);
	}
	guard_stage("saving the notes", SILENCE_SECONDS);
	if (in->pm) {
		bytes = 0;
		st = evidence_save_vmcoreinfo(in->pm, in->dirfd, &bytes, &err);
		note_file(in, DUMPDIR_VMCOREINFO, st, bytes, &err);
		bytes = 0;
		st = evidence_save_notes(in->pm, in->dirfd, &bytes, &err);
		note_file(in, DUMPDIR_NOTES, st, bytes, &err);
	}
	write_status(in, "dump");
}

static void show_progress(void *ctx, const struct capture_progress *p)
{
	struct init *in = ctx;
	unsigned percent = p->total ? (unsigned)((double)p->done * 100 / (double)p->total) : 100;
	double now = units_now(), eta;
	char size[16];

	guard_touch();
	if (now - in->last_progress < PROGRESS_SECONDS)
		return;
	in->last_progress = now;
	if (strcmp(p->stage, "write") != 0) {
		log_info("%s %u%%", p->stage, percent);
		in->stage_started = now;
		return;
	}
	eta = p->done ? (now - in->stage_started) / (double)p->done * (double)(p->total - min_u64(p->done, p->total))
		      : 0;
	log_info("%u%% %s eta %.0f s", percent, units_bytes(p->bytes_written, size, sizeof(size)), eta);
}

/* Relative to the dump's folder: a path through the mounted tree could lead over symbolic links. */
static bool save_dump(struct init *in)
{
	struct capture_config config = {
		.source = VMCORE,
		.dest = DUMPDIR_DUMP,
		.codec = in->config.compression,
		.dump_level = in->config.dump_level,
		.deadline_seconds = seconds_left(in),
		.progress = show_progress,
		.progress_ctx = in,
	};
	struct err err;
	enum status st;

	guard_stage("dumping", SILENCE_SECONDS);
	in->stage_started = in->last_progress = units_now();
	if (fchdir(in->dirfd) < 0) {
		err_set(&err, ST_INTERNAL, "cannot enter the dump's folder");
		note_error(in, DUMPDIR_DUMP, &err);
		return false;
	}
	st = capture_session_run(&config, &in->report, &err);
	if (st != ST_OK)
		note_error(in, DUMPDIR_DUMP, &err);
	if (chdir("/") < 0)
		log_warn("cannot leave the dump's folder");
	return in->report.saved;
}

static bool digest_step(void *ctx, uint64_t done_bytes)
{
	const struct init *in = ctx;

	guard_touch();
	return in->config.deadline_seconds == 0 || units_now() - in->started < in->config.deadline_seconds;
}

static void save_digest(struct init *in)
{
	int fd = openat(in->dirfd, DUMPDIR_DUMP, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char hex[DIGEST_HEX_LEN + 1];
	struct stat stat_buf;
	struct err err;

	guard_stage("reading the dump back", SILENCE_SECONDS);
	if (fd < 0 || fstat(fd, &stat_buf) < 0) {
		err_set(&err, ST_IO, "cannot open it again");
		note_error(in, DUMPDIR_DUMP, &err);
		return;
	}
	status_file_add_file(in->doc, DUMPDIR_DUMP, (uint64_t)stat_buf.st_size);
	if (digest_fd(fd, digest_step, in, hex, &err) == ST_OK)
		status_file_add_sha256(in->doc, DUMPDIR_DUMP, hex);
	else
		note_error(in, "digest of " DUMPDIR_DUMP, &err);
	close(fd);
}

static void finish_status(struct init *in)
{
	const struct capture_report *r = &in->report;
	const char *state = !r->saved ? "failed" : r->complete ? "complete" : "incomplete";
	double seconds = units_now() - in->started;
	char size[16];

	guard_stage("finishing", SILENCE_SECONDS);
	dumpdir_release(in->dirfd);
	status_file_set(in->doc, "state", state);
	status_file_add_capture(in->doc, r);
	status_file_add_seconds(in->doc, seconds);
	write_status(in, "end");
	log_info("%s: %" PRIu64 " of %" PRIu64 " pages, %s, %.1f s", state,
		 r->pages_kept - min_u64(r->pages_kept, r->pages_unsaved), r->pages_present,
		 units_bytes(r->bytes_written, size, sizeof(size)), seconds);
}

static void prune(struct init *in)
{
	struct retention_report report;
	struct err err;

	/* Only a dump that is whole may push out an older one. */
	if (!in->report.saved || !in->report.complete)
		return;
	guard_stage("removing old dumps", SILENCE_SECONDS);
	if (retention_prune(in->parentfd, in->name, in->config.keep, &report, &err) != ST_OK)
		log_error("old dumps: %s", err.text);
	else if (report.nr_removed)
		log_info("%u old dumps removed", report.nr_removed);
}

static void save_all(struct init *in)
{
	struct err err;

	if (start_dumpdir(in, &err) != ST_OK) {
		note_error(in, in->config.path, &err);
		print_dmesg(in);
		return;
	}
	save_evidence(in);
	close_vmcore(in);
	if (save_dump(in))
		save_digest(in);
	finish_status(in);
	prune(in);
}

static void close_target(struct init *in)
{
	guard_stage("unmounting the target", SILENCE_SECONDS);
	if (in->dirfd >= 0)
		close(in->dirfd);
	if (in->parentfd >= 0)
		close(in->parentfd);
	if (in->mounted)
		target_unmount(MOUNT_POINT);
}

static void capture(struct init *in)
{
	struct err err;
	enum status st;

	load_modules(in);
	st = open_target(in, &err);
	open_vmcore(in);
	if (st == ST_OK) {
		save_all(in);
	} else {
		note_error(in, "target", &err);
		print_dmesg(in);
	}
	close_vmcore(in);
	close_target(in);
}

static struct init *start(void)
{
	struct init *in;
	struct err err;

	init_system_start();
	reboot_prepare(FINAL_REBOOT);
	guard_stage("starting", SILENCE_SECONDS);
	if (guard_start(&err) != ST_OK)
		log_error("%s", err.text);
	in = calloc(1, sizeof(*in));
	if (!in) {
		log_error("no memory at all");
		reboot_hard();
	}
	in->started = units_now();
	in->parentfd = in->dirfd = -1;
	init_system_cmdline(in->cmdline, sizeof(in->cmdline));
	if (init_system_has_parameter(in->cmdline, "innercore.debug"))
		log_set_level(LOG_LEVEL_DEBUG);
	return in;
}

int init_main(void)
{
	struct init *in = start();

	log_info(INNERCORE_VERSION " in the capture kernel, %.1f s after its start", in->started);
	load_config(in);
	if (!is_capture_kernel())
		end_without_vmcore(in);
	capture(in);
	guard_stage("ending", 60);
	reboot_orderly(in->config.final_action);
}
