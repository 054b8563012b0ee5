// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/drivers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* The last part of the link's target: "driver/module" points to "/sys/module/NAME". */
static bool link_name(const char *path, char *name, size_t len)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return (size_t)snprintf(name, len, "%s", slash ? slash + 1 : target) < len;
}

/* Up from @path, which realpath() made, to the top of /sys/devices. */
static enum status add_chain(const char *path, struct word_list *modules, struct err *err)
{
	enum status st = ST_OK;
	char here[PATH_MAX];
	char *slash;

	snprintf(here, sizeof(here), "%s", path);
	while (st == ST_OK && (slash = strrchr(here, '/')) && slash != here) {
		char link[PATH_MAX + 16], name[128];

		snprintf(link, sizeof(link), "%s/driver/module", here);
		if (link_name(link, name, sizeof(name)))
			st = word_list_add(modules, name, err);
		*slash = '\0';
	}
	return st;
}

/*
 * With native multipath an NVMe namespace hangs on a virtual subsystem device; the controllers that carry it are links
 * in that device's folder.
 */
static enum status add_nvme_controllers(const char *device, struct word_list *modules, struct err *err)
{
	char folder[PATH_MAX];
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	enum status st = ST_OK;
	struct dirent *e;
	char *slash;

	snprintf(folder, sizeof(folder), "%s", device);
	slash = strstr(folder, "/nvme-subsystem/");
	if (!slash)
		return ST_OK;
	slash = strchr(slash + strlen("/nvme-subsystem/"), '/');
	if (slash)
		*slash = '\0';
	dir = opendir(folder);
	while (st == ST_OK && dir && (e = readdir(dir))) {
		char link[PATH_MAX + 256], real[PATH_MAX];

		snprintf(link, sizeof(link), "%s/%s", folder, e->d_name);
		if (e->d_type == DT_LNK && !strncmp(e->d_name, "nvme", 4) && realpath(link, real))
			st = add_chain(real, modules, err);
	}
	return st;
}

static bool has_slaves(const char *device)
{
	char folder[PATH_MAX + 16];
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	struct dirent *e;

	snprintf(folder, sizeof(folder), "%s/slaves", device);
	dir = opendir(folder);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			return true;
	return false;
}

enum status drivers_of_block_device(const char *sys, unsigned major_nr, unsigned minor_nr, struct word_list *modules,
				    struct err *err)
{
	char link[PATH_MAX], device[PATH_MAX];
	enum status st;

	snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sys, major_nr, minor_nr);
	if (!realpath(link, device))
		return err_set_errno(err, ST_NOT_FOUND, errno, "cannot follow %s", link);
	if (has_slaves(device))
		return err_set(
			err, ST_UNSUPPORTED,
			"the target stands on LVM, LUKS or RAID, which is not supported: name a plain partition");
	st = add_chain(device, modules, err);
	if (st == ST_OK)
		st = add_nvme_controllers(device, modules, err);
	return st;
}

enum status drivers_of_memory(const char *sys, struct word_list *modules, struct err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/module/virtio_mem", sys);
	if (access(path, F_OK) < 0)
		return ST_OK;
	/* The device hangs on the PCI transport. */
	return word_list_add_all(modules, "virtio_pci virtio_mem", err);
}

/* Opened devices hold their driver's module; the core's holders are all watchdog drivers that are loaded. */
static enum status add_opened_holders(const char *sys, struct word_list *modules, struct err *err)
{
	char path[PATH_MAX];
	_cleanup_(cleanup_dir) DIR *dir = NULL;
	enum status st = ST_OK;
	struct dirent *e;

	snprintf(path, sizeof(path), "%s/module/watchdog/holders", sys);
	dir = opendir(path);
	while (st == ST_OK && dir && (e = readdir(dir))) {
		char refcnt[32];

		/* softdog watches with the timers of the kernel that it watches: nothing is left running after a crash.
		 */
		if (e->d_name[0] == '.' || !strcmp(e->d_name, "softdog"))
			continue;
		snprintf(path, sizeof(path), "%s/module/%s/refcnt", sys, e->d_name);
		if (strtoul(file_first_line(path, refcnt, sizeof(refcnt)), NULL, 10) > 0)
			st = word_list_add(modules, e->d_name, err);
	}
	return st;
}

enum status drivers_of_watchdog(const char *sys, struct word_list *modules, bool *active, struct err *err)
{
	char path[PATH_MAX], device[PATH_MAX], state[32];
	size_t nr_before = modules->nr;
	enum status st;

	snprintf(path, sizeof(path), "%s/class/watchdog/watchdog0/state", sys);
	*active = strcmp(file_first_line(path, state, sizeof(state)), "active") == 0;
	snprintf(path, sizeof(path), "%s/class/watchdog/watchdog0", sys);
	if (!*active || !realpath(path, device))
		return ST_OK;
	st = add_chain(device, modules, err);
	/* Some drivers (i6300esb) give their watchdog no parent. */
	if (st == ST_OK && modules->nr == nr_before)
		st = add_opened_holders(sys, modules, err);
	return st;
}
