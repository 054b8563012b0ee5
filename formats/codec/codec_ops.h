/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_CODEC_CODEC_OPS_H
#define FORMATS_CODEC_CODEC_OPS_H

#include "formats/codec/codec.h"

/*
 * One table per codec, each in its own file; the world outside finds them through codec_by_name() and codec_by_flag().
 */
extern const struct codec codec_none;
extern const struct codec codec_zlib;
extern const struct codec codec_lzo;
extern const struct codec codec_snappy;
extern const struct codec codec_zstd;

#endif
