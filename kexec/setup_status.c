// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/setup_status.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/units.h"
#include "initramfs/digest.h"
#include "initramfs/mkinitramfs.h"
#include "initramfs/status_file.h"
#include "initramfs/target.h"
#include "kexec/kernel_image.h"

#define SYS "/sys"
#define MOUNTINFO "/proc/self/mountinfo"
#define MOUNTINFO_MAX_BYTES (4 * MIB)

/* mountinfo writes blanks and backslashes as \ooo. */
static void unescape(const char *in, size_t in_len, char *out, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < in_len && used + 1 < len; i++) {
		if (in[i] == '\\' && in_len - i > 3) {
			out[used++] = (char)((in[i + 1] - '0') << 6 | (in[i + 2] - '0') << 3 | (in[i + 3] - '0'));
			i += 3;
		} else {
			out[used++] = in[i];
		}
	}
	out[used] = '\0';
}

bool setup_status_find_mount(const char *mountinfo, unsigned major_nr, unsigned minor_nr, char *buf, size_t len)
{
	for (const char *line = mountinfo; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
		unsigned id, parent, maj, min;
		int where = 0;

		if (sscanf(line, "%u %u %u:%u %n", &id, &parent, &maj, &min, &where) != 4 || maj != major_nr ||
		    min != minor_nr)
			continue;
		/* A bind mount of a folder does not show the whole file system. */
		if (strncmp(line + where, "/ ", 2) != 0)
			continue;
		unescape(line + where + 2, strcspn(line + where + 2, " \n"), buf, len);
		return true;
	}
	return false;
}

static void read_last_dump(const struct config *config, struct setup_status *s)
{
	_cleanup_fd_ int parent = -1;
	_cleanup_fd_ int dir = -1;
	char path[PATH_MAX + 256];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", strcmp(s->mounted_at, "/") ? s->mounted_at : "", config->path);
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || dumpdir_newest(parent, s->last_dump, &err) != ST_OK) {
		s->last_dump[0] = '\0';
		return;
	}
	dir = openat(parent, s->last_dump, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || status_file_read_state(dir, s->last_dump_state, sizeof(s->last_dump_state), &err) != ST_OK)
		snprintf(s->last_dump_state, sizeof(s->last_dump_state), "unknown");
}

static void read_target(const struct config *config, struct setup_status *s)
{
	_cleanup_free_ uint8_t *mountinfo = NULL;
	struct target_device dev;
	struct err err;
	size_t len;

	config_target_name(config, s->target, sizeof(s->target));
	if (target_find(config, &dev, &err) != ST_OK) {
		memcpy(s->why_no_target, err.text, sizeof(s->why_no_target));
		return;
	}
	snprintf(s->device, sizeof(s->device), "%s", dev.node);
	snprintf(s->fstype, sizeof(s->fstype), "%s", dev.fstype);
	target_is_ambiguous(&target_places, config, &dev, s->ambiguous, sizeof(s->ambiguous));
	if (file_read_all(MOUNTINFO, MOUNTINFO_MAX_BYTES, &mountinfo, &len, &err) != ST_OK)
		return;
	if (setup_status_find_mount((const char *)mountinfo, dev.major_nr, dev.minor_nr, s->mounted_at,
				    sizeof(s->mounted_at)))
		read_last_dump(config, s);
}

static void choose_release(const struct config *config, const struct setup_status *s, char *release, size_t len)
{
	struct utsname uts;
	struct err err;

	if (s->have_record)
		snprintf(release, len, "%s", s->record.release);
	else if (*config->kernel && kernel_image_release(config->kernel, release, len, &err) == ST_OK)
		return;
	else
		snprintf(release, len, "%s", uname(&uts) == 0 ? uts.release : "");
}

static void read_staleness(const struct config *config, const char *release, struct setup_status *s)
{
	struct mkinitramfs_options options = { .config = config, .release = release };
	struct mkinitramfs_image image;
	struct err err;

	if (mkinitramfs_build(&options, &image, &err) != ST_OK) {
		memcpy(s->why_unknown, err.text, sizeof(s->why_unknown));
		return;
	}
	s->stale = mkinitramfs_is_same(&image, s->initramfs) ? STALE_NO : STALE_YES;
	mkinitramfs_image_deinit(&image);
}

static void read_initramfs(const struct config *config, struct setup_status *s)
{
	char release[128], expected[4096], hex[DIGEST_HEX_LEN + 1];
	_cleanup_fd_ int fd = -1;
	struct stat stat_buf;
	time_t now = time(NULL);
	struct err err;

	choose_release(config, s, release, sizeof(release));
	mkinitramfs_path(config, release, expected, sizeof(expected));
	snprintf(s->initramfs, sizeof(s->initramfs), "%s", s->have_record ? s->record.initramfs : expected);
	fd = open(s->initramfs, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat_buf) < 0) {
		s->stale = STALE_MISSING;
		return;
	}
	s->initramfs_bytes = (uint64_t)stat_buf.st_size;
	s->initramfs_age_seconds = now > stat_buf.st_mtime ? (uint64_t)(now - stat_buf.st_mtime) : 0;
	s->loaded_is_current = s->have_record && digest_fd(fd, NULL, NULL, hex, &err) == ST_OK &&
			       strcmp(hex, s->record.initramfs_sha256) == 0;
	if (strcmp(s->initramfs, expected) == 0)
		read_staleness(config, release, s);
	else
		snprintf(s->why_unknown, sizeof(s->why_unknown), "it was named with arm --initramfs");
}

void setup_status_read(const struct config *config, struct setup_status *status)
{
	struct err err;

	memset(status, 0, sizeof(*status));
	crash_sysfs_read(SYS, &status->kernel);
	status->have_record =
		status->kernel.loaded && armed_record_read(ARMED_RECORD_PATH, &status->record, &err) == ST_OK;
	read_target(config, status);
	read_initramfs(config, status);
}
