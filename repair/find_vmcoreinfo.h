/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_FIND_VMCOREINFO_H
#define REPAIR_FIND_VMCOREINFO_H

#include "formats/physmem.h"
#include "kernel/kmodel.h"

/**
 * Find the crashed kernel's VMCOREINFO in its memory, without help. The kernel keeps it at the start of a page, as text and
 * once more as an ELF note; so does many a copy in page cache, of this boot and of earlier ones. Each candidate has to
 * prove itself: its symbols must lead to page tables that map the image where it says, what is read there must name its
 * release, and KERNELOFFSET must lead back to where an image can be linked. Of those that do, the one that the kernel itself
 * points at is taken, else one with CRASHTIME, which is the newest. At most 4096 different candidates are looked at,
 * and of at most 64 the symbol table. On success @pm has the text (*@text, caller frees after @pm and *@km are closed) as its VMCOREINFO, and *@km is the model.
 * ST_NOT_FOUND: no candidate proves itself.
 */
enum status find_vmcoreinfo(struct physmem *pm, struct kmodel **km, char **text, struct err *err) __must_check;

#endif
