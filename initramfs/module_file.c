// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Modules as the capture kernel wants them: plain. It may lack MODULE_DECOMPRESS, and the initramfs is compressed as a
 * whole.
 */
#include <libdeflate.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/cleanup.h"
#include "common/endian.h"
#include "common/file.h"
#include "common/units.h"
#include "initramfs/module_set.h"

#define FILE_MAX_BYTES (64 * MIB)
#define PLAIN_MAX_BYTES (128 * MIB)
#define XZ_MEMORY_MAX (256 * MIB)

/* Fills @out as far as @cap; *@len is what the stream holds. */
typedef enum status (*unpack_fn)(const uint8_t *in, size_t in_len, uint8_t *out, size_t cap, size_t *len,
				 struct err *err);

static enum status unpack_xz(const uint8_t *in, size_t in_len, uint8_t *out, size_t cap, size_t *len, struct err *err)
{
	uint64_t memory_limit = XZ_MEMORY_MAX;
	size_t in_pos = 0, out_pos = 0;
	lzma_ret ret = lzma_stream_buffer_decode(&memory_limit, 0, NULL, in, &in_pos, in_len, out, &out_pos, cap);

	if (ret != LZMA_OK)
		return err_set(err, ST_BAD_INPUT, "not a valid .xz file (liblzma error %d)", (int)ret);
	*len = out_pos;
	return ST_OK;
}

static enum status unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t cap, size_t *len, struct err *err)
{
	size_t n = ZSTD_decompress(out, cap, in, in_len);

	if (ZSTD_isError(n))
		return err_set(err, ST_BAD_INPUT, "not a valid .zst file: %s", ZSTD_getErrorName(n));
	*len = n;
	return ST_OK;
}

static enum status unpack_gzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t cap, size_t *len, struct err *err)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	enum libdeflate_result result;

	if (!d)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	result = libdeflate_gzip_decompress(d, in, in_len, out, cap, len);
	libdeflate_free_decompressor(d);
	if (result != LIBDEFLATE_SUCCESS)
		return err_set(err, ST_BAD_INPUT, "not a valid .gz file");
	return ST_OK;
}

/*
 * The sizes that the formats announce are claims, and .xz announces none up front; a module that does not fit a first
 * guess gets more room until the limit.
 */
static enum status unpack(unpack_fn fn, uint8_t **data, size_t *len, struct err *err)
{
	_cleanup_free_ uint8_t *packed = *data;
	enum status st = ST_BAD_INPUT;

	*data = NULL;
	for (size_t cap = MIB; cap <= PLAIN_MAX_BYTES; cap *= 4) {
		uint8_t *out = malloc(cap);

		if (!out)
			return err_set(err, ST_NO_MEMORY, "out of memory");
		st = fn(packed, *len, out, cap, len, err);
		if (st == ST_OK) {
			*data = out;
			return ST_OK;
		}
		free(out);
	}
	return st;
}

enum status module_file_read(const char *path, uint8_t **data, size_t *len, struct err *err)
{
	static const struct {
		const char *end;
		unpack_fn fn;
	} packers[] = { { ".ko.xz", unpack_xz }, { ".ko.zst", unpack_zstd }, { ".ko.gz", unpack_gzip } };
	enum status st = file_read_all(path, FILE_MAX_BYTES, data, len, err);
	size_t n = strlen(path);

	if (st != ST_OK)
		return st;
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		size_t m = strlen(packers[i].end);

		if (n < m || strcmp(path + n - m, packers[i].end) != 0)
			continue;
		st = unpack(packers[i].fn, data, len, err);
		if (st != ST_OK)
			return err_wrap(err, st, "%s", path);
	}
	if (*len < 4 || memcmp(*data, "\177ELF", 4) != 0) {
		free(*data);
		*data = NULL;
		return err_set(err, ST_BAD_INPUT, "%s is no kernel module", path);
	}
	return ST_OK;
}
