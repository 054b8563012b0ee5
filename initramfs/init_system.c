// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/init_system.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "common/units.h"

static void mount_api(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, MS_NOSUID | (strcmp(type, "devtmpfs") ? MS_NODEV : 0), "") < 0 && errno != EBUSY)
		log_warn("cannot mount %s: %s", where, strerror(errno));
}

/* The kernel opens /dev/console for PID 1 where its rootfs has one; some do not. */
static void open_console(void)
{
	int fd;

	if (fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
	    fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR); /* later files must not become 0, 1 or 2 */
	if (fd < 0)
		return;
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (i != fd)
			dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
}

void init_system_start(void)
{
	static const char *const api[][2] = {
		{ "devtmpfs", "/dev" },
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
	};

	umask(0077);
	setsid();
	for (size_t i = 0; i < ARRAY_SIZE(api); i++) {
		mount_api(api[i][0], api[i][1]);
		if (i == 0)
			open_console();
	}
}

void init_system_cmdline(char *buf, size_t len)
{
	file_first_line("/proc/cmdline", buf, len);
}

bool init_system_has_parameter(const char *cmdline, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = cmdline; *s; s += strcspn(s, " ")) {
		s += strspn(s, " ");
		if (strncmp(s, word, n) == 0 && (s[n] == ' ' || s[n] == '\0' || word[n - 1] == '='))
			return true;
	}
	return false;
}
