/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAPTURE_POLICY_H
#define CAPTURE_POLICY_H

#include <stdbool.h>

#include "kernel/pageclass.h"

/** makedumpfile's dump level: a mask of what to leave out. */
#define DUMP_LEVEL_ZERO 1u /* zero pages share one stored page at every level: nothing to decide */
#define DUMP_LEVEL_CACHE 2u
#define DUMP_LEVEL_CACHE_PRIVATE 4u /* implies CACHE */
#define DUMP_LEVEL_USER 8u
#define DUMP_LEVEL_FREE 16u

/**
 * Is a page of class @c left out at @level? Offline and poisoned pages are at every level, as in makedumpfile: the first
 * belong to the hypervisor, reading the second may end the machine. Kernel and unknown pages never are.
 */
bool policy_drops(enum page_class c, unsigned level);

#endif
