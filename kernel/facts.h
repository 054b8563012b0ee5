/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_FACTS_H
#define KERNEL_FACTS_H

#include "kernel/kmodel.h"

/**
 * The second source of what a filter must know: the crashed kernel's own symbol and type tables (kallsyms, BTF). Their
 * answers are put into VMCOREINFO's form and stand behind it: a key that VMCOREINFO has is never overruled, and one that it
 * lacks is found by the same look-up as ever.
 *
 * Find what a page filter needs and VMCOREINFO does not say, and what the kernel's own counters of pages are found by
 * (kernel/vmstat.h). No error: what stays unknown means that pages are kept. Does its work once for each @km.
 */
void facts_complete(struct kmodel *km);

#endif
