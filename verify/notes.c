// SPDX-License-Identifier: GPL-2.0-or-later
/* ELF notes of either format, and the two places that a KDUMP has for VMCOREINFO. */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "verify/checks.h"

#define VMCOREINFO_MAX MIB
#define MAX_CPUS 8192u

/* sizeof(struct elf_prstatus) */
static const struct {
	const char *machine;
	size_t len_bytes;
} prstatus_sizes[] = {
	{ "x86_64", 336 }, { "i386", 144 },    { "i486", 144 },	   { "i586", 144 },
	{ "i686", 144 },   { "aarch64", 392 }, { "arm", 148 },	   { "ppc64", 504 },
	{ "s390x", 336 },  { "ppc64le", 504 }, { "riscv64", 376 },
};

/* x86_64: struct elf_prstatus has its registers at 112, in the order of struct user_regs_struct. QEMU's note: see 5.2
 * of its format, version and size, then rax rbx rcx rdx rsi rdi rsp rbp r8..r15 rip. */
#define PRSTATUS_RIP 240
#define PRSTATUS_RSP 264
#define QEMU_RSP 56
#define QEMU_RIP 136

struct registers {
	uint64_t rip, rsp;
};

struct note_walk {
	struct check *c;
	size_t nr, end;	      /* notes, and bytes behind the last one */
	size_t prstatus_size; /* 0: unknown */
	size_t nr_prstatus, nr_qemu, nr_vmcoreinfo;
	const char *vmcoreinfo;
	size_t vmcoreinfo_len;
	struct registers prstatus[MAX_CPUS], qemu[MAX_CPUS];
};

static bool is_named(const struct note *note, const char *name)
{
	return note->name_len == strlen(name) && !memcmp(note->name, name, note->name_len);
}

static struct registers get_registers(const struct note *note, size_t rip, size_t rsp, enum byte_order order)
{
	struct registers r = { 0, 0 };

	if (note->desc_len_bytes >= max_u64(rip, rsp) + 8) {
		r.rip = get_u64((const uint8_t *)note->desc + rip, order);
		r.rsp = get_u64((const uint8_t *)note->desc + rsp, order);
	}
	return r;
}

static void take_prstatus(struct note_walk *w, const struct note *note)
{
	const struct check *c = w->c;

	if (w->nr_prstatus < MAX_CPUS)
		w->prstatus[w->nr_prstatus] = get_registers(note, PRSTATUS_RIP, PRSTATUS_RSP, c->pm->order);
	w->nr_prstatus++;
	if (w->prstatus_size && note->desc_len_bytes != w->prstatus_size)
		findings_add(c->report, RULE_PRSTATUS_SIZE, place_note(w->nr),
			     "NT_PRSTATUS of %zu bytes, where %s has %zu%s", note->desc_len_bytes, c->machine,
			     w->prstatus_size,
			     note->desc_len_bytes == 144 && w->prstatus_size == 336
				     ? " (the virtual CPU was not in 64-bit mode)"
				     : "");
}

static bool take_note(const struct note *note, void *ctx)
{
	struct note_walk *w = ctx;

	w->end = note->desc_off + (size_t)align_up(note->desc_len_bytes, 4);
	if (is_named(note, "VMCOREINFO")) {
		if (!w->nr_vmcoreinfo++) {
			w->vmcoreinfo = note->desc;
			w->vmcoreinfo_len = note->desc_len_bytes;
		}
	} else if (is_named(note, "QEMU")) {
		if (w->nr_qemu < MAX_CPUS)
			w->qemu[w->nr_qemu] = get_registers(note, QEMU_RIP, QEMU_RSP, w->c->pm->order);
		w->nr_qemu++;
	} else if (note->type == NT_PRSTATUS) {
		take_prstatus(w, note);
	}
	w->nr++;
	return true;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

static size_t prstatus_size(const char *machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(prstatus_sizes); i++)
		if (!strcmp(prstatus_sizes[i].machine, machine))
			return prstatus_sizes[i].len_bytes;
	return 0;
}

/* The virtual CPUs' state when the hypervisor dumped is not what the guest saved when it crashed. */
static void check_whose_registers(const struct note_walk *w)
{
	size_t nr = (size_t)min_u64(min_u64(w->nr_prstatus, w->nr_qemu), MAX_CPUS), same = 0;

	if (strcmp(w->c->machine, "x86_64") != 0)
		return;
	for (size_t i = 0; i < nr; i++)
		same += w->prstatus[i].rip == w->qemu[i].rip && w->prstatus[i].rsp == w->qemu[i].rsp;
	if (nr && same == nr)
		findings_add(w->c->report, RULE_PRSTATUS_HYPERVISOR, place_none(),
			     "the CPU registers are the virtual CPUs' when the hypervisor dumped, not the crash's: "
			     "drgn shows a wrong trace of the crashed thread");
}

static void check_prstatus(const struct note_walk *w)
{
	const struct check *c = w->c;

	if (!w->nr_prstatus) {
		findings_add(c->report, RULE_PRSTATUS_MISSING, place_none(), "no CPU registers (NT_PRSTATUS)");
		return;
	}
	if (!c->report->is_elf && c->hdr.nr_cpus && w->nr_prstatus != c->hdr.nr_cpus)
		findings_add(c->report, RULE_PRSTATUS_COUNT, place_none(),
			     "registers of %zu CPUs, where the header counts %" PRIu32, w->nr_prstatus, c->hdr.nr_cpus);
	check_whose_registers(w);
}

static void check_torn(const struct note_walk *w)
{
	const struct physmem *pm = w->c->pm;

	if (w->end < pm->notes_len_bytes &&
	    !all_zero((const uint8_t *)pm->notes + w->end, pm->notes_len_bytes - w->end))
		findings_add(w->c->report, RULE_NOTES_TORN, place_note(w->nr),
			     "the notes make no sense from byte %zu of %zu on", w->end, pm->notes_len_bytes);
}

/* Whoever has no VMCOREINFO from a note: crash finds its way by QEMU's own notes. */
static unsigned breaks_without_pointer(const struct note_walk *w)
{
	return w->nr_qemu ? READER_MAKEDUMPFILE : READER_CRASH | READER_MAKEDUMPFILE;
}

static size_t text_len(const char *text, size_t len)
{
	while (len && !text[len - 1])
		len--;
	return len;
}

static enum status compare_pointer(struct note_walk *w, struct err *err)
{
	const struct kdump_header *h = &w->c->hdr;
	_cleanup_free_ char *text = malloc(h->vmcoreinfo_len);
	size_t len;
	enum status st;

	if (!text)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = rsource_read(w->c->src, h->vmcoreinfo_off, text, h->vmcoreinfo_len, err);
	if (st != ST_OK)
		return err_wrap(err, st, "cannot read VMCOREINFO");
	len = text_len(text, h->vmcoreinfo_len);
	if (w->vmcoreinfo &&
	    (len != text_len(w->vmcoreinfo, w->vmcoreinfo_len) || memcmp(text, w->vmcoreinfo, len) != 0))
		findings_add(w->c->report, RULE_VMCOREINFO_DIFFERS, place_offset(h->vmcoreinfo_off),
			     "the sub header points to another VMCOREINFO, for crash and makedumpfile, than the note "
			     "holds, for the others");
	return ST_OK;
}

/* crash and makedumpfile follow the sub header's pointer, libkdumpfile and drgn look for the note. */
static enum status check_both_places(struct note_walk *w, struct err *err)
{
	const struct kdump_header *h = &w->c->hdr;
	struct verify_report *r = w->c->report;

	if (h->version >= 4 && !w->vmcoreinfo && h->vmcoreinfo_len)
		findings_add(r, RULE_VMCOREINFO_NO_NOTE, place_none(),
			     "VMCOREINFO by the sub header's pointer only: libkdumpfile and drgn look for the note");
	if (!h->vmcoreinfo_len) {
		if (w->vmcoreinfo)
			findings_add_for(r, RULE_VMCOREINFO_NO_POINTER, breaks_without_pointer(w), place_none(),
					 "VMCOREINFO as a note only: the sub header does not point to it");
		return ST_OK;
	}
	if (!h->vmcoreinfo_off || h->vmcoreinfo_len > VMCOREINFO_MAX ||
	    !span_within(h->vmcoreinfo_off, h->vmcoreinfo_len, w->c->src->size_bytes)) {
		findings_add(r, RULE_VMCOREINFO_OUTSIDE, place_offset(h->vmcoreinfo_off),
			     "VMCOREINFO of %" PRIu64 " bytes does not lie within the file", h->vmcoreinfo_len);
		return ST_OK;
	}
	return compare_pointer(w, err);
}

/** Are there notes that can be looked at? */
static bool have_notes(struct check *c)
{
	const struct kdump_header *h = &c->hdr;

	if (c->pm->notes && c->pm->notes_len_bytes)
		return true;
	if (!c->report->is_elf && h->version < 4)
		return false;
	if (!c->report->is_elf && h->notes_len)
		findings_add(c->report, RULE_NOTES_OUTSIDE, place_offset(h->notes_off),
			     "notes of %" PRIu64 " bytes do not lie within the file", h->notes_len);
	else
		findings_add(c->report, RULE_NOTES_MISSING, place_none(),
			     "no notes: neither CPU registers nor VMCOREINFO in them");
	return false;
}

enum status check_notes(struct check *c, struct err *err)
{
	_cleanup_free_ struct note_walk *w = calloc(1, sizeof(*w));
	enum status st = ST_OK;

	if (!w)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	w->c = c;
	w->prstatus_size = prstatus_size(c->machine);
	if (have_notes(c)) {
		notes_for_each(c->pm->notes, c->pm->notes_len_bytes, c->pm->order, take_note, w);
		check_torn(w);
		check_prstatus(w);
	}
	c->has_qemu_notes = w->nr_qemu > 0;
	if (!c->report->is_elf)
		st = check_both_places(w, err);
	if (!c->pm->vmcoreinfo)
		findings_add_for(c->report, RULE_VMCOREINFO_MISSING,
				 READER_DRGN | READER_LIBKDUMPFILE | breaks_without_pointer(w), place_none(),
				 "no VMCOREINFO: nothing tells where the kernel lies");
	return st;
}
