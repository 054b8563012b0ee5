// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/evidence.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/units.h"
#include "initramfs/dumpdir.h"
#include "kernel/dmesg.h"

#define BUFFER_BYTES 65536

/* Collects the small pieces of a log into large writes. */
struct out {
	int fd;
	const char *name;
	char *buf;
	size_t used;
	uint64_t bytes;
	void (*touch)(void);
};

static enum status create(int dirfd, const char *name, int *fd, struct err *err)
{
	*fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot create %s", name);
	return ST_OK;
}

static enum status sync_both(int dirfd, int fd, const char *name, struct err *err)
{
	if (fsync(fd) < 0)
		return err_set_errno(err, ST_IO, errno, "cannot sync %s", name);
	return file_sync_dir(dirfd, err);
}

static enum status out_flush(struct out *o, struct err *err)
{
	enum status st = file_write_fd(o->fd, o->name, o->buf, o->used, err);

	o->bytes += o->used;
	o->used = 0;
	if (o->touch)
		o->touch();
	return st;
}

static enum status out_text(void *ctx, const char *text, size_t len, struct err *err)
{
	struct out *o = ctx;
	enum status st = ST_OK;

	while (len && st == ST_OK) {
		size_t n = min_u64(len, BUFFER_BYTES - o->used);

		memcpy(o->buf + o->used, text, n);
		o->used += n;
		text += n;
		len -= n;
		if (o->used == BUFFER_BYTES)
			st = out_flush(o, err);
	}
	return st;
}

/* The log up to where it broke is still written, and the first error is the one that is told. */
static enum status stream_dmesg(struct kmodel *km, struct out *o, struct err *err)
{
	static const struct dmesg_options options = { 0 };
	_cleanup_free_ char *buf = malloc(BUFFER_BYTES);
	enum status st, flushed;
	struct err flush_err;

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	o->buf = buf;
	st = dmesg_dump(km, &options, out_text, o, err);
	flushed = out_flush(o, &flush_err);
	o->buf = NULL;
	if (st == ST_OK && flushed != ST_OK) {
		*err = flush_err;
		st = flushed;
	}
	return st;
}

enum status evidence_save_dmesg(struct kmodel *km, int dirfd, uint64_t *bytes, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	struct out o = { .name = DUMPDIR_DMESG };
	enum status st = create(dirfd, DUMPDIR_DMESG, &fd, err), synced;
	struct err sync_err;

	if (st != ST_OK)
		return st;
	o.fd = fd;
	st = stream_dmesg(km, &o, err);
	*bytes = o.bytes;
	synced = sync_both(dirfd, fd, DUMPDIR_DMESG, &sync_err);
	if (st == ST_OK && synced != ST_OK) {
		*err = sync_err;
		st = synced;
	}
	return st;
}

enum status evidence_print_dmesg(struct kmodel *km, int fd, void (*touch)(void), struct err *err)
{
	struct out o = { .fd = fd, .name = "the console", .touch = touch };

	return stream_dmesg(km, &o, err);
}

static enum status save_bytes(int dirfd, const char *name, const void *head, size_t head_len, const void *data,
			      size_t len, struct err *err)
{
	_cleanup_fd_ int fd = -1;
	enum status st = create(dirfd, name, &fd, err);

	if (st == ST_OK)
		st = file_write_fd(fd, name, head, head_len, err);
	if (st == ST_OK)
		st = file_write_fd(fd, name, data, len, err);
	if (st == ST_OK)
		st = sync_both(dirfd, fd, name, err);
	return st;
}

enum status evidence_save_vmcoreinfo(const struct physmem *pm, int dirfd, uint64_t *bytes, struct err *err)
{
	if (!pm->vmcoreinfo)
		return err_set(err, ST_NOT_FOUND, "the dump has no VMCOREINFO");
	*bytes = pm->vmcoreinfo_len_bytes;
	return save_bytes(dirfd, DUMPDIR_VMCOREINFO, NULL, 0, pm->vmcoreinfo, pm->vmcoreinfo_len_bytes, err);
}

enum status evidence_save_notes(const struct physmem *pm, int dirfd, uint64_t *bytes, struct err *err)
{
	enum byte_order o = pm->order;
	uint8_t head[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)] = { 0 };
	uint8_t *ph = head + sizeof(Elf64_Ehdr);

	if (!pm->notes || !pm->is_64bit)
		return err_set(err, ST_NOT_FOUND, "the dump has no notes");
	memcpy(head, ELFMAG, SELFMAG);
	head[EI_CLASS] = ELFCLASS64;
	head[EI_DATA] = o == ORDER_LITTLE ? ELFDATA2LSB : ELFDATA2MSB;
	head[EI_VERSION] = EV_CURRENT;
	put_u16(head + offsetof(Elf64_Ehdr, e_type), o, ET_CORE);
	put_u16(head + offsetof(Elf64_Ehdr, e_machine), o, pm->elf_machine);
	put_u32(head + offsetof(Elf64_Ehdr, e_version), o, EV_CURRENT);
	put_u64(head + offsetof(Elf64_Ehdr, e_phoff), o, sizeof(Elf64_Ehdr));
	put_u16(head + offsetof(Elf64_Ehdr, e_ehsize), o, sizeof(Elf64_Ehdr));
	put_u16(head + offsetof(Elf64_Ehdr, e_phentsize), o, sizeof(Elf64_Phdr));
	put_u16(head + offsetof(Elf64_Ehdr, e_phnum), o, 1);
	put_u32(ph + offsetof(Elf64_Phdr, p_type), o, PT_NOTE);
	put_u64(ph + offsetof(Elf64_Phdr, p_offset), o, sizeof(head));
	put_u64(ph + offsetof(Elf64_Phdr, p_filesz), o, pm->notes_len_bytes);
	put_u64(ph + offsetof(Elf64_Phdr, p_align), o, 4);
	*bytes = sizeof(head) + pm->notes_len_bytes;
	return save_bytes(dirfd, DUMPDIR_NOTES, head, sizeof(head), pm->notes, pm->notes_len_bytes, err);
}
