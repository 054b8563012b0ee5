// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/registers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare/cpu_notes.h"
#include "compare/field.h"
#include "kernel/arch/arch.h"

#define MAX_CPUS_SHOWN 16
struct cpu {
	uint64_t rip, rsp, cr3;
	bool has_cr3;
};

struct cpus {
	enum byte_order order;
	unsigned nr, nr_qemu;
	struct cpu at[MAX_CPUS_SHOWN];
};

static void take_prstatus(const struct note *note, struct cpus *cpus)
{
	const uint8_t *desc = note->desc;

	if (cpus->nr < MAX_CPUS_SHOWN) {
		cpus->at[cpus->nr].rip = get_u64(desc + PRSTATUS_RIP, cpus->order);
		cpus->at[cpus->nr].rsp = get_u64(desc + PRSTATUS_RSP, cpus->order);
	}
	cpus->nr++;
}

static void take_qemu(const struct note *note, struct cpus *cpus)
{
	if (cpus->nr_qemu < MAX_CPUS_SHOWN) {
		cpus->at[cpus->nr_qemu].cr3 = qemu_note_cr3(note->desc, cpus->order);
		cpus->at[cpus->nr_qemu].has_cr3 = true;
	}
	cpus->nr_qemu++;
}

static bool take_note(const struct note *note, void *ctx)
{
	if (cpu_note_is_prstatus(note))
		take_prstatus(note, ctx);
	else if (qemu_note_is(note))
		take_qemu(note, ctx);
	return true;
}

static void read_cpus(const struct side *s, struct cpus *cpus)
{
	cpus->order = s->pm->order;
	notes_for_each(s->pm->notes, s->pm->notes_len_bytes, cpus->order, take_note, cpus);
}

static const char *describe_cpu(const struct cpus *cpus, unsigned i, char *text, size_t len)
{
	text[0] = '\0';
	if (i < cpus->nr)
		snprintf(text, len, "rip %016" PRIx64 " rsp %016" PRIx64, cpus->at[i].rip, cpus->at[i].rsp);
	return text;
}

/* The vCPU as the hypervisor stopped it: what was it doing? */
static const char *what_outer_does(const struct side *outer, const struct cpu *cpu)
{
	uint64_t paddr, len;

	if (cpu->has_cr3 && outer->has_iomem &&
	    iomem_is_inside(&outer->iomem, cpu->cr3 & CR3_ADDR_BITS, "Crash kernel"))
		return "outer: it runs the capture kernel by then (CR3 lies in its reservation)";
	if (!outer->km)
		return "outer: when the hypervisor stopped it";
	/* By the tables: the image formula says yes to another kernel's addresses as well. */
	if (outer->km->arch->translate(outer->km, cpu->rip, &paddr, &len, NULL) == ST_OK)
		return "outer: it is still in the crashed kernel, which has stopped it";
	return "outer: the crashed kernel does not map its rip, so it is past the crash";
}

void registers_compare(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	static const char *const names[MAX_CPUS_SHOWN] = { "cpu0",  "cpu1",  "cpu2",  "cpu3", "cpu4",  "cpu5",
							   "cpu6",  "cpu7",  "cpu8",  "cpu9", "cpu10", "cpu11",
							   "cpu12", "cpu13", "cpu14", "cpu15" };
	struct cpus a = { 0 }, b = { 0 };
	char x[80], y[80], why[200];

	read_cpus(inner, &a);
	read_cpus(outer, &b);
	if (!a.nr && !b.nr)
		return;
	snprintf(x, sizeof(x), "%u", a.nr);
	snprintf(y, sizeof(y), "%u", b.nr);
	field_add(r, "cpus", x, y, NULL, "NT_PRSTATUS notes");
	for (unsigned i = 0; i < MAX_CPUS_SHOWN && (i < a.nr || i < b.nr); i++) {
		struct field_report *f;

		snprintf(why, sizeof(why), "inner: as the guest saved it at the crash; %s",
			 i < b.nr ? what_outer_does(outer, &b.at[i]) : "outer: no registers");
		f = field_add(r, names[i], describe_cpu(&a, i, x, sizeof(x)), describe_cpu(&b, i, y, sizeof(y)), NULL,
			      why);
		if (f->state == FIELD_DIFFERS)
			f->right = "inner";
	}
}
