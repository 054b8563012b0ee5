/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EMIT_DUMP_HEADER_H
#define EMIT_DUMP_HEADER_H

#include "formats/kdump/kdump_layout.h"
#include "formats/physmem.h"
#include "kernel/kmodel.h"

/**
 * What a KDUMP header says of the machine, gathered from the dump: utsname from init_uts_ns in the kernel's memory, else
 * from OSRELEASE; phys_base from the model; CPUs from the notes; the time from CRASHTIME. @km may be NULL (no usable
 * VMCOREINFO): then it is what the source's own header tells. Never fails: what is not known is left so that every reader
 * still opens the dump. Does not set dump_level.
 */
void dump_header_fill(struct kdump_header *h, struct physmem *pm, struct kmodel *km);

#endif
