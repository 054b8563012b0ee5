/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_IO_FLATTENED_H
#define FORMATS_IO_FLATTENED_H

#include <stdbool.h>

#include "formats/io/rsource.h"

/** Flattened stream framing (kdump-format 1.5): big-endian in every field. */
#define FLAT_SIGNATURE "makedumpfile"
#define FLAT_HEADER_SIZE 4096
#define FLAT_RECORD_HEADER_SIZE 16

/** Does @src begin with the flattened header? */
bool flattened_probe(struct rsource *src);

/**
 * See a flattened stream as the file that `makedumpfile -R` would make of it. Reads all record headers once; gaps read as
 * zeros; where records overlap the later one wins, as in -R. Owns @inner on success. *@truncated is set when the end
 * marker is missing.
 */
enum status rsource_flattened_open(struct rsource *inner, struct rsource **src, bool *truncated, struct err *err)
	__must_check;

#endif
