// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/cpio.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"

#define HEADER_BYTES 110
#define ALIGNMENT 4
#define TRAILER "TRAILER!!!"
/* cpio(1) and bsdtar expect whole blocks; the kernel skips the zeros. */
#define BLOCK_BYTES 512

struct entry {
	const char *name;
	mode_t mode;
	uint32_t nlink;
	uint32_t rdev_major, rdev_minor;
	const void *data;
	size_t len;
};

static enum status reserve(struct cpio *c, size_t more, struct err *err)
{
	size_t need, cap = c->cap_bytes ? c->cap_bytes : 65536;
	uint8_t *p;

	if (__builtin_add_overflow(c->len_bytes, more, &need) || need > SIZE_MAX / 2)
		return err_set(err, ST_NO_MEMORY, "the archive is too large");
	while (cap < need)
		cap *= 2;
	if (cap == c->cap_bytes)
		return ST_OK;
	p = realloc(c->data, cap);
	if (!p)
		return err_set(err, ST_NO_MEMORY, "out of memory for an archive of %zu bytes", need);
	c->data = p;
	c->cap_bytes = cap;
	return ST_OK;
}

/* The room was reserved. */
static void append(struct cpio *c, const void *data, size_t len, size_t alignment)
{
	size_t padded;

	if (len)
		memcpy(c->data + c->len_bytes, data, len);
	padded = (size_t)align_up(c->len_bytes + len, alignment);
	memset(c->data + c->len_bytes + len, 0, padded - c->len_bytes - len);
	c->len_bytes = padded;
}

static enum status add(struct cpio *c, const struct entry *e, uint32_t ino, struct err *err)
{
	size_t name_len = strlen(e->name) + 1;
	char header[HEADER_BYTES + 1];
	enum status st;

	if (e->len > UINT32_MAX)
		return err_set(err, ST_USAGE, "%s is larger than an archive member can be", e->name);
	st = reserve(c, HEADER_BYTES + name_len + e->len + 2 * ALIGNMENT + BLOCK_BYTES, err);
	if (st != ST_OK)
		return st;
	/* magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check */
	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
		 (unsigned)e->mode, 0, 0, e->nlink, 0, (unsigned)e->len, 0, 0, e->rdev_major, e->rdev_minor,
		 (unsigned)name_len, 0);
	append(c, header, HEADER_BYTES, 1);
	append(c, e->name, name_len, ALIGNMENT);
	append(c, e->data, e->len, ALIGNMENT);
	c->nr_entries++;
	return ST_OK;
}

enum status cpio_add_dir(struct cpio *cpio, const char *name, mode_t mode, struct err *err)
{
	return add(cpio, &(struct entry){ .name = name, .mode = S_IFDIR | mode, .nlink = 2 }, cpio->nr_entries + 1,
		   err);
}

enum status cpio_add_file(struct cpio *cpio, const char *name, mode_t mode, const void *data, size_t len,
			  struct err *err)
{
	return add(cpio, &(struct entry){ .name = name, .mode = S_IFREG | mode, .nlink = 1, .data = data, .len = len },
		   cpio->nr_entries + 1, err);
}

enum status cpio_add_char_device(struct cpio *cpio, const char *name, mode_t mode, uint32_t major_nr, uint32_t minor_nr,
				 struct err *err)
{
	struct entry e = {
		.name = name, .mode = S_IFCHR | mode, .nlink = 1, .rdev_major = major_nr, .rdev_minor = minor_nr
	};

	return add(cpio, &e, cpio->nr_entries + 1, err);
}

enum status cpio_finish(struct cpio *cpio, struct err *err)
{
	enum status st = add(cpio, &(struct entry){ .name = TRAILER, .nlink = 1 }, 0, err);

	if (st == ST_OK)
		append(cpio, NULL, 0, BLOCK_BYTES);
	return st;
}

void cpio_deinit(struct cpio *cpio)
{
	if (!cpio)
		return;
	free(cpio->data);
	*cpio = (struct cpio){ 0 };
}
