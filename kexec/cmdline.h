/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_CMDLINE_H
#define KEXEC_CMDLINE_H

#include <stddef.h>

#include "common/err.h"

/** x86's COMMAND_LINE_SIZE, less the elfcorehdr= and such that the loader adds. */
#define CMDLINE_MAX_BYTES (2048 - 128)

/**
 * The capture kernel's command line from the running one's: what the machine needs to boot stays (console=, earlycon,
 * drivers' and platform parameters), what belongs to the first kernel's life goes (crashkernel=, root=, huge pages,
 * large logs, systemd's own ...), and what a small kernel in a reserved corner needs is added.
 * @remove: names of more parameters to drop, separated by blanks; a "*" at the end of a name takes any rest. @cpus:
 * see capture_cpus.h. @append: added at the end, so that it wins. @buf has CMDLINE_MAX_BYTES. ST_USAGE: too long.
 */
enum status cmdline_build(const char *running, const char *remove, const char *cpus, const char *append, char *buf,
			  size_t len, struct err *err) __must_check;

/**
 * The value, of *@len, of the last @name= in @parameters; NULL: none. As the kernel reads them: "-" and "_" are one,
 * blanks in double quotes part nothing, and what follows "--" is init's.
 */
const char *cmdline_value(const char *parameters, const char *name, size_t *len) __must_check;

#endif
