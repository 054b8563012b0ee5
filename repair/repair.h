/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_REPAIR_H
#define REPAIR_REPAIR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct json_t;

struct repair_config {
	const char *source; /**< a hypervisor's dump, or a partial one */
	const char *dest;
	const char *from;   /**< take VMCOREINFO from this dump; NULL: the source's own, else search its memory */
	const char *codec;
	bool force;
	const volatile sig_atomic_t *stop; /**< may be NULL */
};

struct repair_report {
	bool proved;		     /**< the kernel's page tables agree with VMCOREINFO (a partial dump may lack them) */
	const char *vmcoreinfo_from; /**< "the dump itself", "the inner dump", "guest memory" */
	bool header_phys_base_known;
	int64_t header_phys_base;    /**< what the source's header said */
	int64_t phys_base;
	char release[65];
	unsigned nr_guest_cpus;      /**< whose registers the guest saved itself */
	char why_no_guest_registers[160];
	bool nothing_to_do;	     /**< in place: it says all that already; undo: it was never changed */
	bool resumed;		     /**< in place: an earlier run had been cut off */
	bool trimmed;		     /**< max_mapnr was cut to System RAM */
	uint64_t old_max_mapnr, max_mapnr;
	uint64_t pages, pages_unreadable;
	bool complete;
	uint64_t bytes_written;
};

/**
 * Write @config->source once more, as a KDUMP that crash, drgn, libkdumpfile and makedumpfile open without guessing: true
 * phys_base (proved by the kernel's own page tables), full utsname, VMCOREINFO in both places, max_mapnr trimmed to System
 * RAM, and the registers that the guest saved at the crash in front of what the hypervisor saw later. A partial dump of the guest's
 * own comes out whole, with its lost pages as holes.
 */
enum status repair_run(const struct repair_config *config, struct repair_report *report, struct err *err) __must_check;

int repair_exit_code(const struct repair_report *report);
struct json_t *repair_report_json(const struct repair_report *report);

#endif
