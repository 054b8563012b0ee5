/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_SHRINK_H
#define REPAIR_SHRINK_H

#include "formats/kdump/kdump_layout.h"
#include "formats/physmem.h"
#include "repair/undo.h"

/** What changes in a KDUMP when max_mapnr shrinks, beside its headers. */
struct shrink {
	struct patch patches[2]; /**< bitmaps; descriptors of pages that are beyond the end now */
	size_t nr_patches;
	uint64_t nr_dropped;	 /**< pages beyond the end */
	uint8_t *bytes[4];	 /**< owned: what the patches point at */
};

/**
 * @hdr->max_mapnr is the new one. Every reader finds the second bitmap and the descriptors by the sizes of what lies before
 * them, and makedumpfile by max_mapnr itself. The descriptors stay, so the smaller bitmaps move up to them, and the sub
 * header owns what is free then: sets @hdr->bitmap_blocks and sub_hdr_blocks. Pages beyond the new end are the last
 * descriptors of the table; those become holes that nobody counts. @pm is a seekable KDUMP with two bitmaps.
 * ST_UNSUPPORTED: too much to change.
 */
enum status shrink_plan(struct physmem *pm, struct kdump_header *hdr, struct shrink *s, struct err *err) __must_check;
void shrink_deinit(struct shrink *s);

#endif
