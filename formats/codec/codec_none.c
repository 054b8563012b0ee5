// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec_ops.h"

#include <string.h>

static enum status none_open(size_t page_size, void **ctx, struct err *err)
{
	*ctx = NULL;
	return ST_OK;
}

static void none_close(void *ctx)
{
}

/* Nothing is smaller than itself: the caller stores every page raw. */
static size_t none_compress(void *ctx, const void *in, size_t in_len, void *out, size_t out_cap)
{
	return 0;
}

static enum status none_decompress(void *ctx, const void *in, size_t in_len, void *out, size_t out_len, struct err *err)
{
	if (in_len != out_len)
		return err_set(err, ST_BAD_INPUT, "raw page of %zu bytes where %zu belong", in_len, out_len);
	memcpy(out, in, out_len);
	return ST_OK;
}

const struct codec codec_none = {
	.name = "none",
	.flag = 0,
	.open = none_open,
	.close = none_close,
	.compress = none_compress,
	.decompress = none_decompress,
};
