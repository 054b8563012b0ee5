/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_KALLSYMS_H
#define KERNEL_KALLSYMS_H

#include "kernel/kmodel.h"

/** A symbol to look for, and where it was found. */
struct kallsyms_symbol {
	const char *name;
	bool found;
	uint64_t vaddr;
	/* Only kallsyms_lookup_objects() tells: */
	unsigned nr_same;   /**< symbols of that name; static ones may share one */
	uint64_t end_vaddr; /**< where the next symbol begins that lies behind; vaddr where that is not known */
};

/**
 * Look up the @nr symbols of @wanted in the crashed kernel's own symbol table, in one pass over it, or none for names that
 * an earlier call has found on its way (@km remembers the common ones). VMCOREINFO tells where
 * the table is since Linux 6.0 (commit 5fd8fea935a1 ("vmcoreinfo: include kallsyms symbols")). How its offsets are to be
 * read has changed more than once, so each known scheme is tried until the table's _stext is SYMBOL(_stext).
 * ST_NOT_FOUND: VMCOREINFO does not tell. ST_BAD_INPUT: the table makes no sense. A symbol that is not there is no error.
 */
enum status kallsyms_lookup(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr, struct err *err) __must_check;

/**
 * The same, and how far each symbol's object can reach: the table is sorted by address and has every variable, so an object
 * ends where the next one begins, at the latest. Always takes a pass of its own.
 */
enum status kallsyms_lookup_objects(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr,
				    struct err *err) __must_check;

#endif
