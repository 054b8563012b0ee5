/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_CAPTURE_CPUS_H
#define KEXEC_CAPTURE_CPUS_H

#include <stdbool.h>
#include <stdint.h>

/** How many CPUs the capture kernel gets. */
struct capture_cpus {
	unsigned nr;	     /**< 0: not known, the user's words are the kernel's to read */
	unsigned nr_online;  /**< of the running kernel; 0: unknown */
	bool has_boot_apic;  /**< only where nr is not 1: */
	uint32_t boot_apic;  /**< initial APIC id of the CPU that the firmware booted on */
	char why[96];	     /**< one line */
	char parameters[64]; /**< for the capture kernel's command line, beside the user's own; "": those say all */
};

/** What decides. */
struct capture_cpus_facts {
	const char *cpuinfo;	 /**< text of /proc/cpuinfo */
	const char *hypervisor;	 /**< of /sys/hypervisor/type; "" where there is none */
	const char *vendor;	 /**< of the machine, as its firmware tells */
	uint64_t reserved_bytes; /**< for the capture kernel */
	const char *append;	 /**< parameters that the user adds: who names nr_cpus or maxcpus there has decided */
};

/**
 * Compression is what a capture waits for, so each CPU helps; each costs memory of the reservation, and must not be one
 * that takes the machine down when it is started: see capture_cpus.c. Pure.
 */
void capture_cpus_choose(const struct capture_cpus_facts *facts, struct capture_cpus *cpus);

#endif
