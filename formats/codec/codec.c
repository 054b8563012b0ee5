// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/codec/codec.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "formats/codec/codec_ops.h"

static const struct codec *const codecs[] = { &codec_none, &codec_zlib, &codec_lzo, &codec_snappy, &codec_zstd };

const struct codec *codec_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (!strcmp(codecs[i]->name, name))
			return codecs[i];
	return NULL;
}

const struct codec *codec_parse(const char *text, int *level)
{
	size_t len = strcspn(text, ":");
	const struct codec *c = NULL;
	char *end;
	long v;

	*level = 0;
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (strlen(codecs[i]->name) == len && !memcmp(codecs[i]->name, text, len))
			c = codecs[i];
	if (!c || !text[len])
		return c;
	v = strtol(text + len + 1, &end, 10);
	if (!c->open_level || !text[len + 1] || *end || !v || v < c->level_min || v > c->level_max)
		return NULL;
	*level = (int)v;
	return c;
}

const struct codec *codec_by_flag(uint32_t flag)
{
	if (!flag)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(codecs); i++)
		if (codecs[i]->flag == flag)
			return codecs[i];
	return NULL;
}
