// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/target.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/units.h"

#define POLL_MICROSECONDS 100000

const struct target_places target_places = { .sys_block = "/sys/class/block", .dev = "/dev" };

/* What the probe of one device said; empty strings where it said nothing. */
struct probed {
	char type[32], uuid[64], label[256];
};

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void cleanup_probe(blkid_probe *pr)
{
	if (*pr)
		blkid_free_probe(*pr);
}

static void take_value(blkid_probe pr, const char *name, char *buf, size_t len)
{
	const char *value = NULL;

	buf[0] = '\0';
	if (blkid_probe_lookup_value(pr, name, &value, NULL) == 0 && value && strlen(value) < len)
		strcpy(buf, value);
}

/* False: the device cannot be read, or what it holds is ambiguous. */
static bool probe_node(const char *node, struct probed *p)
{
	_cleanup_(cleanup_probe) blkid_probe pr = blkid_new_probe_from_filename(node);

	memset(p, 0, sizeof(*p));
	if (!pr)
		return false;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL);
	if (blkid_do_safeprobe(pr) != 0)
		return false;
	take_value(pr, "TYPE", p->type, sizeof(p->type));
	take_value(pr, "UUID", p->uuid, sizeof(p->uuid));
	take_value(pr, "LABEL", p->label, sizeof(p->label));
	return true;
}

const char *target_mount_type(const char *fstype)
{
	static const char *const types[][2] = {
		{ "ext4", "ext4" }, { "ext3", "ext4" }, { "ext2", "ext4" }, { "xfs", "xfs" }, { "vfat", "vfat" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(fstype, types[i][0]))
			return types[i][1];
	return NULL;
}

static enum status take_device(const struct config *config, const char *node, const struct probed *p,
			       struct target_device *dev, struct err *err)
{
	struct stat st;

	if (!*p->type)
		return err_set(err, ST_UNSUPPORTED,
			       "%s holds no file system; raw targets come later: make one with mkfs.ext4", node);
	if (!target_mount_type(p->type))
		return err_set(err, ST_UNSUPPORTED, "%s holds %s: use a file system with ext4, xfs or vfat", node,
			       p->type);
	if (*config->fstype && strcmp(config->fstype, target_mount_type(p->type)) != 0)
		return err_set(err, ST_UNSUPPORTED, "%s holds %s, but the configuration says fstype = %s", node,
			       p->type, config->fstype);
	if (stat(node, &st) < 0 || !S_ISBLK(st.st_mode))
		return err_set(err, ST_NOT_FOUND, "%s is no block device", node);
	snprintf(dev->node, sizeof(dev->node), "%s", node);
	snprintf(dev->fstype, sizeof(dev->fstype), "%s", p->type);
	snprintf(dev->uuid, sizeof(dev->uuid), "%s", p->uuid);
	dev->major_nr = major(st.st_rdev);
	dev->minor_nr = minor(st.st_rdev);
	return ST_OK;
}

static enum status find_by_node(const struct config *config, struct target_device *dev, struct err *err)
{
	struct probed p;

	if (access(config->target, F_OK) < 0)
		return err_set(err, ST_NOT_FOUND, "there is no device %s", config->target);
	if (access(config->target, R_OK) < 0)
		return err_set_errno(err, ST_IO, errno, "cannot read %s", config->target);
	probe_node(config->target, &p); /* failing leaves the type empty, which is what take_device() tells */
	return take_device(config, config->target, &p, dev, err);
}

static bool is_wanted(const struct config *config, const struct probed *p)
{
	if (config->target_kind == TARGET_UUID)
		return *p->uuid && !strcasecmp(p->uuid, config->target);
	return *p->label && !strcmp(p->label, config->target);
}

/* "sda1" -> "/dev/sda1"; sysfs writes "!" for the "/" of names such as cciss/c0d0. */
static bool device_node(const struct target_places *places, const char *sys_name, char *node, size_t len)
{
	size_t folder_len = strlen(places->dev);
	char line[32], path[PATH_MAX];

	if (!strncmp(sys_name, "ram", 3) || !strncmp(sys_name, "zram", 4) || !strncmp(sys_name, "fd", 2) ||
	    !strncmp(sys_name, "sr", 2))
		return false; /* never a target; an empty drive can block a probe for long */
	if ((size_t)snprintf(path, sizeof(path), "%s/%s/size", places->sys_block, sys_name) >= sizeof(path) ||
	    strtoull(file_first_line(path, line, sizeof(line)), NULL, 10) == 0)
		return false;
	if ((size_t)snprintf(node, len, "%s/%s", places->dev, sys_name) >= len)
		return false;
	for (char *c = node + folder_len; *c; c++)
		if (*c == '!')
			*c = '/';
	return true;
}

/* The next device of @dir that can be probed. */
static bool next_device(const struct target_places *places, DIR *dir, char *node, size_t len, struct probed *p)
{
	struct dirent *e;

	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && device_node(places, e->d_name, node, len) && probe_node(node, p))
			return true;
	return false;
}

/* The first one: to ask all of them could take long, and in the capture kernel a broken disk may be the reason of the crash. */
static enum status find_by_scan(const struct config *config, struct target_device *dev, struct err *err)
{
	_cleanup_(cleanup_dir) DIR *dir = opendir(target_places.sys_block);
	char name[264], node[sizeof(dev->node)];
	struct probed p;
	unsigned nr_probed = 0;

	if (!dir)
		return err_set_errno(err, ST_NOT_FOUND, errno, "cannot list %s", target_places.sys_block);
	for (; next_device(&target_places, dir, node, sizeof(node), &p); nr_probed++)
		if (is_wanted(config, &p))
			return take_device(config, node, &p, dev, err);
	return err_set(err, ST_NOT_FOUND, "no file system %s on any of %u block devices",
		       config_target_name(config, name, sizeof(name)), nr_probed);
}

bool target_is_ambiguous(const struct target_places *places, const struct config *config, const struct target_device *dev,
			 char *text, size_t len)
{
	_cleanup_(cleanup_dir) DIR *dir = config->target_kind == TARGET_LABEL ? opendir(places->sys_block) : NULL;
	char node[sizeof(dev->node)];
	struct probed p;

	/* Another device with the same UUID is another way to the same file system. */
	while (dir && next_device(places, dir, node, sizeof(node), &p)) {
		if (!is_wanted(config, &p) || !strcmp(node, dev->node) || !strcmp(p.uuid, dev->uuid))
			continue;
		snprintf(text, len, "%s and %s both have LABEL=%s, and after a crash either may be taken: %s%s", dev->node, node,
			 config->target, *dev->uuid ? "write target = UUID=" : "give one of them another label", dev->uuid);
		return true;
	}
	return false;
}

enum status target_find(const struct config *config, struct target_device *dev, struct err *err)
{
	switch (config->target_kind) {
	case TARGET_NONE:
		return err_set(err, ST_USAGE, "no target is configured: write \"target = UUID=...\" into %s",
			       CONFIG_PATH);
	case TARGET_DEVICE:
		return find_by_node(config, dev, err);
	case TARGET_UUID:
	case TARGET_LABEL:
		break;
	}
	return find_by_scan(config, dev, err);
}

enum status target_wait(const struct config *config, struct target_device *dev, struct err *err)
{
	double end = units_now() + config->target_wait_seconds;

	for (;;) {
		enum status st = target_find(config, dev, err);

		/* Also a device without a file system may be one that is not ready; a missing setting stays missing. */
		if (st == ST_OK || st == ST_USAGE)
			return st;
		if (units_now() >= end)
			return err_wrap(err, st, "after %u s", config->target_wait_seconds);
		usleep(POLL_MICROSECONDS);
	}
}

static const char *const *mount_options(const char *type)
{
	static const char *const plain[] = { "", NULL };
	/* The kernel's own defaults name character sets that may be modules of their own; try what was packed. */
	static const char *const vfat[] = {
		"umask=0077",
		"umask=0077,codepage=437,iocharset=ascii",
		"umask=0077,codepage=437,iocharset=iso8859-1",
		"umask=0077,codepage=437,iocharset=utf8",
		NULL,
	};

	return strcmp(type, "vfat") == 0 ? vfat : plain;
}

enum status target_mount(const struct target_device *dev, const char *where, struct err *err)
{
	const char *type = target_mount_type(dev->fstype);
	int saved_errno = 0;

	if (!type)
		return err_set(err, ST_UNSUPPORTED, "%s cannot be mounted as a target", dev->fstype);
	for (const char *const *data = mount_options(type); *data; data++) {
		if (mount(dev->node, where, type, MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC, *data) == 0)
			return ST_OK;
		saved_errno = errno;
	}
	return err_set_errno(err, saved_errno == ENODEV ? ST_UNSUPPORTED : ST_IO, saved_errno, "cannot mount %s (%s)",
			     dev->node, type);
}

void target_unmount(const char *where)
{
	if (umount2(where, 0) == 0)
		return;
	log_warn("cannot unmount the target: %s", strerror(errno));
	sync();
	umount2(where, MNT_DETACH);
}

static int open_in_root(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	/* Before Linux 5.6: no links at all is the safe reading. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

/* Make and open the last part of @prefix, whose parent is @here; @here is closed. */
static int descend(int root, int here, const char *prefix)
{
	const char *slash = strrchr(prefix, '/');
	int next;

	if (mkdirat(here, slash ? slash + 1 : prefix, 0700) == 0)
		fsync(here);
	next = open_in_root(root, prefix);
	close(here);
	return next;
}

enum status target_open_folder(const char *where, const char *path, int *dirfd, struct err *err)
{
	_cleanup_fd_ int root = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *relative = path + strspn(path, "/");
	char prefix[sizeof(((struct config *)0)->path)];
	int here;

	if (root < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open %s", where);
	if (strlen(relative) >= sizeof(prefix))
		return err_set(err, ST_USAGE, "the path %s is too long", path);
	here = open_in_root(root, ".");
	for (size_t end = 0; here >= 0 && relative[end];) {
		end += strcspn(relative + end, "/");
		memcpy(prefix, relative, end);
		prefix[end] = '\0';
		here = descend(root, here, prefix);
		end += strspn(relative + end, "/");
	}
	if (here < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open or make the folder %s on the target", path);
	*dirfd = here;
	return ST_OK;
}
