// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/kernel_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "common/units.h"

/* The setup header of the x86 boot protocol (Documentation/arch/x86/boot.rst). */
#define BOOT_MAGIC_OFFSET 0x202
#define BOOT_MAGIC "HdrS"
#define BOOT_VERSION_OFFSET 0x20e
#define BOOT_VERSION_BASE 0x200
/* The setup code, in which the version lies, has at most 64 sectors. */
#define SETUP_BYTES 32768

enum status kernel_image_release(const char *path, char *release, size_t len, struct err *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *setup = calloc(1, SETUP_BYTES + 1);
	size_t off, n;
	ssize_t got;

	if (!setup)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	if (fd < 0)
		return err_set_errno(err, errno == ENOENT ? ST_NOT_FOUND : ST_IO, errno, "cannot open the kernel %s",
				     path);
	got = pread(fd, setup, SETUP_BYTES, 0);
	if (got < BOOT_VERSION_OFFSET + 2 || memcmp(setup + BOOT_MAGIC_OFFSET, BOOT_MAGIC, strlen(BOOT_MAGIC)) != 0)
		return err_set(err, ST_BAD_INPUT, "%s is no bzImage", path);
	off = (size_t)get_u16(setup + BOOT_VERSION_OFFSET, ORDER_LITTLE) + BOOT_VERSION_BASE;
	if (off >= SETUP_BYTES)
		return err_set(err, ST_BAD_INPUT, "%s names no release", path);
	n = strcspn((const char *)setup + off, " ");
	if (!n || n >= len || memchr(setup + off, '/', n))
		return err_set(err, ST_BAD_INPUT, "%s names no release", path);
	memcpy(release, setup + off, n);
	release[n] = '\0';
	return ST_OK;
}

enum status kernel_image_find(const char *release, char *path, size_t len, struct err *err)
{
	static const char *const places[][2] = {
		{ "/boot/vmlinuz-", "" }, { "/lib/modules/", "/vmlinuz" }, { "/usr/lib/modules/", "/vmlinuz" },
		{ "/boot/bzImage-", "" }, { "/boot/kernel-", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if ((size_t)snprintf(path, len, "%s%s%s", places[i][0], release, places[i][1]) < len &&
		    access(path, R_OK) == 0)
			return ST_OK;
	return err_set(err, ST_NOT_FOUND,
		       "the image of kernel %s is neither /boot/vmlinuz-%s nor in its modules' folder: name it with "
		       "--kernel or "
		       "\"kernel = ...\"",
		       release, release);
}
