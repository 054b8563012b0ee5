/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/** What a command still needs after sandbox_enter(). */
struct sandbox_rules {
	const char *const *inputs; /**< files to read, or folders of files and of links to files */
	size_t nr_inputs;
	const char *output;	   /**< a file to create, replace and rename within its folder; NULL: none */
};

/** What the kernel granted. */
struct sandbox_state {
	bool landlock; /**< no path but the inputs and the output's folder */
	bool seccomp;  /**< no system call but what reading, computing and writing take */
};

/**
 * A host opens dumps that an untrusted guest could have shaped: before the first byte of one is parsed, give up whatever
 * the work does not need. To be called before the first thread. Landlock (Linux 5.13) limits paths, seccomp limits system
 * calls: a denied one fails with EPERM. Where the kernel has neither, nothing changes: the readers check their input
 * anyway. Builds with sanitizers use the profile "sanitizer": they need more calls, so only the network, new programs and
 * other processes are denied.
 */
void sandbox_enter(const struct sandbox_rules *rules, struct sandbox_state *state);

/** The same for a command that reads the dumps @a and @b (NULL: none) and writes @output (NULL: none). */
void sandbox_for_dumps(const char *a, const char *b, const char *output);

/** "full" or "sanitizer": which profile this build has. */
const char *sandbox_profile(void);

#endif
