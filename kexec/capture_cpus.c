// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More than one CPU in the capture kernel: what can go wrong, and what is done about it.
 *
 * The CPU that the firmware booted on goes back to the firmware when it is sent INIT, as a kernel does that starts it.
 * Where the crash was on another CPU, the capture kernel would do that, and the machine resets or hangs in the middle
 * of the capture (not one that QEMU emulates). disable_cpu_apicid= keeps it asleep
 * (Documentation/admin-guide/kdump/kdump.rst); it does nothing where that CPU is the one that crashed. Newer kernels
 * find it themselves (commit 5c5682b9f87a ("x86/cpu: Detect real BSP on crash kernels")) and do not know the parameter.
 *
 * A CPU that is hung does not start: the kernel waits for it for some seconds and goes on without. Under Xen and
 * Hyper-V, CPUs hold state with the hypervisor that a crash does not take back, and their drivers are only ever tried
 * with one CPU: there it stays at one.
 */
#include "kexec/capture_cpus.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "kexec/cmdline.h"

/*
 * A CPU takes about 1 MiB of the kernel (per-CPU areas, stacks, threads, queues of drivers) and 2 MiB of the capture. A
 * second one is tried at 96 MiB with 4 GiB of memory; below, the one CPU has too little as it is.
 */
#define TWO_CPUS_BYTES (96 * MIB)
#define NEXT_CPU_BYTES (32 * MIB)
/* What more of them would compress, no disk takes. */
#define MOST_CPUS 8u

static const char *after_colon(const char *line)
{
	const char *colon = strchr(line, ':');

	return colon ? colon + 1 : NULL;
}

/* Counts the CPUs; the boot CPU is number 0 of the running kernel. */
static void read_cpuinfo(const char *text, struct capture_cpus *cpus)
{
	uint64_t cpu = UINT64_MAX;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *value = after_colon(line);
		const char *end = line + strcspn(line, "\n");

		if (!value || value > end)
			continue;
		if (!strncmp(line, "processor\t", 10)) {
			cpu = strtoull(value, NULL, 10);
			cpus->nr_online++;
		} else if (!strncmp(line, "initial apicid", 14) && cpu == 0) {
			cpus->has_boot_apic = true;
			cpus->boot_apic = (uint32_t)strtoul(value, NULL, 10);
		}
	}
}

/* -1: it is no plain number, and the kernel's to make something of. */
static int plain_number(const char *text, size_t len)
{
	unsigned long v;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -1;
	v = strtoul(text, &end, 0);
	return end == text + len && v <= INT_MAX ? (int)v : -1;
}

/* What the kernel makes of them, as far as it is sure. 0: that can be any number. */
static unsigned given_number(bool has_nr, int nr_cpus, bool has_max, int maxcpus)
{
	/* nr_cpus=0 is as good as none, and maxcpus=0 is one CPU, without SMP */
	if ((has_nr && nr_cpus <= 0) || (has_max && maxcpus < 0))
		return 0;
	return (unsigned)min_u64(has_nr ? (uint64_t)nr_cpus : UINT_MAX, has_max ? max_u64((uint64_t)maxcpus, 1) : UINT_MAX);
}

/*
 * What the user says, if anything. maxcpus= alone starts no more than that, but leaves every CPU of the machine
 * possible, each with its per-CPU memory in the reservation: nr_cpus= beside it does not. That the boot CPU must not be
 * started again goes for these CPUs too, and where it is not sure that there is but one.
 */
static bool take_given(const char *append, struct capture_cpus *c)
{
	size_t nr_len = 0, max_len = 0, apic_len;
	const char *nr_cpus = cmdline_value(append, "nr_cpus", &nr_len);
	const char *maxcpus = cmdline_value(append, "maxcpus", &max_len);
	int n = 0;

	if (!nr_cpus && !maxcpus)
		return false;
	snprintf(c->why, sizeof(c->why), "as cmdline_append says");
	c->nr = given_number(nr_cpus, plain_number(nr_cpus, nr_len), maxcpus, plain_number(maxcpus, max_len));
	if (c->nr && !nr_cpus)
		n = snprintf(c->parameters, sizeof(c->parameters), "nr_cpus=%u", c->nr);
	if (c->nr != 1 && c->has_boot_apic && !cmdline_value(append, "disable_cpu_apicid", &apic_len))
		snprintf(c->parameters + n, sizeof(c->parameters) - (size_t)n, "%sdisable_cpu_apicid=%" PRIu32,
			 n ? " " : "", c->boot_apic);
	return true;
}

static unsigned room_for(uint64_t reserved_bytes)
{
	if (reserved_bytes < TWO_CPUS_BYTES)
		return 1;
	return (unsigned)min_u64(2 + (reserved_bytes - TWO_CPUS_BYTES) / NEXT_CPU_BYTES, MOST_CPUS);
}

static void decide(const struct capture_cpus_facts *facts, struct capture_cpus *c)
{
	unsigned room = room_for(facts->reserved_bytes);
	char size[16];

	c->nr = 1;
	if (c->nr_online < 2) {
		snprintf(c->why, sizeof(c->why), "the machine has no more");
	} else if (!c->has_boot_apic) {
		snprintf(c->why, sizeof(c->why), "which CPU must not be started again is not known here");
	} else if (!strcmp(facts->hypervisor, "xen") || !strcmp(facts->vendor, "Microsoft Corporation")) {
		snprintf(c->why, sizeof(c->why), "more are not safe after a crash under this hypervisor");
	} else if (room < 2) {
		snprintf(c->why, sizeof(c->why), "the reservation has room for no more; two need %s",
			 units_bytes(TWO_CPUS_BYTES, size, sizeof(size)));
	} else {
		c->nr = (unsigned)min_u64(room, c->nr_online);
		snprintf(c->why, sizeof(c->why), "%s",
			 c->nr == c->nr_online ? "all that there are"
			 : room == MOST_CPUS   ? "more compress faster than a disk writes"
					       : "as many as the reservation has room for");
	}
}

void capture_cpus_choose(const struct capture_cpus_facts *facts, struct capture_cpus *c)
{
	*c = (struct capture_cpus){ 0 };
	read_cpuinfo(facts->cpuinfo, c);
	if (take_given(facts->append, c))
		return;
	decide(facts, c);
	if (c->nr > 1)
		snprintf(c->parameters, sizeof(c->parameters), "nr_cpus=%u disable_cpu_apicid=%" PRIu32, c->nr,
			 c->boot_apic);
	else
		snprintf(c->parameters, sizeof(c->parameters), "nr_cpus=1");
}
