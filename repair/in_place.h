/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_IN_PLACE_H
#define REPAIR_IN_PLACE_H

#include "repair/medium.h"
#include "repair/repair.h"

/**
 * The same as repair_run() for a seekable KDUMP, without writing its pages again: an undo copy and the new notes are
 * appended and synced, then bitmaps (where max_mapnr shrinks), sub header and header are switched. Page descriptors and
 * data stay where they are: what the bitmaps lose, the sub header gains. A run that was cut off anywhere is taken back
 * first and then done anew. ST_UNSUPPORTED, with a text that names -o, for what cannot be done in place.
 */
enum status repair_in_place(struct medium *m, const struct repair_config *config, struct repair_report *report,
			    struct err *err) __must_check;

/** Take back what repair_in_place() did, whole or cut off: the file is what it was, to the byte. */
enum status repair_undo(struct medium *m, struct repair_report *report, struct err *err) __must_check;

#endif
