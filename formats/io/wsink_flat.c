// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flattened form: a 4096-byte header, then records of big-endian {offset, size} and data, then an end marker of all
 * ones. Each byte is written once, because crash's direct reader takes an arbitrary one of two overlapping records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/endian.h"
#include "formats/io/flattened.h"
#include "formats/io/wsink.h"

#define FLAT_TYPE 1
#define FLAT_VERSION 1

struct flat_sink {
	struct wsink base;
	int fd;
};

static enum status write_all(struct flat_sink *f, struct iovec *iov, int nr_iov, struct err *err)
{
	while (nr_iov) {
		ssize_t n = writev(f->fd, iov, nr_iov);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot write the flattened stream");
		f->base.bytes_written += (uint64_t)n;
		while (nr_iov && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			nr_iov--;
		}
		if (nr_iov) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return ST_OK;
}

static enum status flat_write_at(struct wsink *sink, uint64_t off, const void *buf, size_t len, struct err *err)
{
	uint8_t head[FLAT_RECORD_HEADER_SIZE];
	struct iovec iov[] = {
		{ .iov_base = head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)buf, .iov_len = len },
	};

	put_u64(head, ORDER_BIG, off);
	put_u64(head + 8, ORDER_BIG, len);
	return write_all((struct flat_sink *)sink, iov, 2, err);
}

static enum status flat_commit(struct wsink *sink, struct err *err)
{
	uint8_t end[FLAT_RECORD_HEADER_SIZE];
	struct iovec iov = { .iov_base = end, .iov_len = sizeof(end) };

	memset(end, 0xff, sizeof(end));
	return write_all((struct flat_sink *)sink, &iov, 1, err);
}

static void flat_close(struct wsink *sink)
{
	free(sink);
}

static const struct wsink_ops flat_ops = {
	.write_at = flat_write_at,
	.commit = flat_commit,
	.close = flat_close,
};

enum status wsink_flat_open(int fd, struct wsink **sink, struct err *err)
{
	uint8_t head[FLAT_HEADER_SIZE] = FLAT_SIGNATURE;
	struct iovec iov = { .iov_base = head, .iov_len = sizeof(head) };
	struct flat_sink *f = calloc(1, sizeof(*f));
	enum status st;

	if (!f)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	f->base.ops = &flat_ops;
	f->fd = fd;
	put_u64(head + 16, ORDER_BIG, FLAT_TYPE);
	put_u64(head + 24, ORDER_BIG, FLAT_VERSION);
	st = write_all(f, &iov, 1, err);
	if (st != ST_OK) {
		free(f);
		return st;
	}
	*sink = &f->base;
	return ST_OK;
}
