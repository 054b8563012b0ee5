// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"

#define PIECE_BYTES (256 * KIB)
#define DROP_BYTES (8 * MIB)

_Static_assert(BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE) == DIGEST_HEX_LEN, "two digits a byte");

enum status digest_fd(int fd, digest_step_fn step, void *ctx, char *hex, struct err *err)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE_BYTES);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	uint64_t off = 0, dropped = 0;

	if (!buf)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	sha256_init(&sha);
	for (;;) {
		ssize_t n = pread(fd, buf, PIECE_BYTES, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot read it back");
		if (n == 0)
			break;
		sha256_update(&sha, (size_t)n, buf);
		off += (uint64_t)n;
		if (off - dropped >= DROP_BYTES) { /* the cache of a capture kernel is small */
			posix_fadvise(fd, (off_t)dropped, (off_t)(off - dropped), POSIX_FADV_DONTNEED);
			dropped = off;
		}
		if (step && !step(ctx, off))
			return err_set(err, ST_INTERRUPTED, "out of time");
	}
	sha256_digest(&sha, sizeof(digest), digest);
	base16_encode_update(hex, sizeof(digest), digest);
	hex[DIGEST_HEX_LEN] = '\0';
	return ST_OK;
}
