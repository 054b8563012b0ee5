// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/headers.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/elf/notes.h"

/* What VMCOREINFO says only once per boot, or per build. */
static const char *const identity_keys[] = { "OSRELEASE", "BUILD-ID", "KERNELOFFSET", "CRASHTIME" };

bool headers_same_boot(const struct side *inner, const struct side *outer, char *why, size_t why_len)
{
	if (inner->pm->page_size != outer->pm->page_size) {
		snprintf(why, why_len, "the page size is %u in one dump and %u in the other", inner->pm->page_size,
			 outer->pm->page_size);
		return false;
	}
	if (!inner->km || !outer->km) {
		snprintf(why, why_len, "the kernel of the %s dump cannot be read: %.200s", inner->km ? "outer" : "inner",
			 inner->km ? outer->why_no_model.text : inner->why_no_model.text);
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(identity_keys); i++) {
		const char *a = vmcoreinfo_string(inner->km->vi, identity_keys[i]);
		const char *b = vmcoreinfo_string(outer->km->vi, identity_keys[i]);

		if (a && b && strcmp(a, b) != 0) {
			snprintf(why, why_len, "%s is \"%.80s\" in the inner dump and \"%.80s\" in the outer one",
				 identity_keys[i], a, b);
			return false;
		}
	}
	if (inner->km->phys_base != outer->km->phys_base || strcmp(inner->banner, outer->banner) != 0) {
		snprintf(why, why_len, "the kernels in memory are not the same one");
		return false;
	}
	return true;
}

static struct field_report *add(struct compare_report *r, const char *field)
{
	static struct field_report overflow;
	struct field_report *f = r->nr_fields < COMPARE_MAX_FIELDS ? &r->fields[r->nr_fields++] : &overflow;

	*f = (struct field_report){ .field = field, .state = FIELD_ABSENT, .right = "unknown" };
	return f;
}

/* From the two texts: same, differs or absent; right where one of them is @truth (NULL: nobody knows). */
static void judge(struct field_report *f, const char *truth, const char *why)
{
	bool a = f->inner[0], b = f->outer[0];
	bool a_right = a && truth && !strcmp(f->inner, truth), b_right = b && truth && !strcmp(f->outer, truth);

	f->state = !a || !b ? FIELD_ABSENT : !strcmp(f->inner, f->outer) ? FIELD_SAME : FIELD_DIFFERS;
	if (truth)
		f->right = a_right && b_right ? "both" : a_right ? "inner" : b_right ? "outer" : "neither";
	else if (f->state == FIELD_SAME)
		f->right = "both";
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void add_text(struct compare_report *r, const char *field, const char *inner, const char *outer, const char *truth,
		     const char *why)
{
	struct field_report *f = add(r, field);

	snprintf(f->inner, sizeof(f->inner), "%s", inner ? inner : "");
	snprintf(f->outer, sizeof(f->outer), "%s", outer ? outer : "");
	judge(f, truth && truth[0] ? truth : NULL, why);
}

/* A KDUMP has a header of its own for these; an ELF core has none. */
static void compare_uts(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct physmem_utsname *a = &inner->pm->uts, *b = &outer->pm->uts;
	const struct physmem_utsname *truth = inner->uts.release[0] ? &inner->uts : &outer->uts;
	static const char why[] = "init_uts_ns in memory";

	add_text(r, "sysname", a->sysname, b->sysname, truth->sysname, why);
	add_text(r, "nodename", a->nodename, b->nodename, truth->nodename, why);
	add_text(r, "release", a->release, b->release, truth->release, why);
	add_text(r, "version", a->version, b->version, truth->version, why);
	add_text(r, "machine", a->machine, b->machine, truth->machine, why);
}

static void phys_base_of(const struct side *s, char *text, size_t len)
{
	int64_t n;

	text[0] = '\0';
	if (s->pm->has_header_phys_base)
		snprintf(text, len, "%" PRId64, s->pm->header_phys_base);
	else if (s->km && !s->vmcoreinfo_borrowed && vmcoreinfo_number(s->km->vi, "phys_base", &n))
		snprintf(text, len, "%" PRId64, n);
}

static void compare_phys_base(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	struct field_report *f = add(r, "phys_base");
	char truth[32];
	const char *banner = inner->banner[0] ? inner->banner : outer->banner;
	char why[200];

	phys_base_of(inner, f->inner, sizeof(f->inner));
	phys_base_of(outer, f->outer, sizeof(f->outer));
	snprintf(truth, sizeof(truth), "%" PRId64, inner->km->phys_base);
	snprintf(why, sizeof(why), "the kernel's page tables map _stext there%s%.60s%s", banner[0] ? "; banner \"" : "",
		 banner, banner[0] ? "...\"" : "");
	judge(f, truth, why);
}

static const char *own_key(const struct side *s, const char *key)
{
	return s->km && !s->vmcoreinfo_borrowed ? vmcoreinfo_string(s->km->vi, key) : NULL;
}

static void compare_vmcoreinfo(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	struct field_report *f = add(r, "vmcoreinfo");
	bool same;

	if (inner->km && !inner->vmcoreinfo_borrowed)
		snprintf(f->inner, sizeof(f->inner), "%zu bytes", inner->pm->vmcoreinfo_len_bytes);
	if (outer->km && !outer->vmcoreinfo_borrowed)
		snprintf(f->outer, sizeof(f->outer), "%zu bytes", outer->pm->vmcoreinfo_len_bytes);
	judge(f, NULL, outer->vmcoreinfo_borrowed ? "the outer dump is read by the inner one's" : "");
	same = inner->pm->vmcoreinfo_len_bytes == outer->pm->vmcoreinfo_len_bytes &&
	       !memcmp(inner->pm->vmcoreinfo, outer->pm->vmcoreinfo, inner->pm->vmcoreinfo_len_bytes);
	if (f->state != FIELD_ABSENT && !same) {
		f->state = FIELD_DIFFERS;
		f->right = "unknown";
	}
	for (size_t i = 0; i < ARRAY_SIZE(identity_keys); i++)
		add_text(r, identity_keys[i], own_key(inner, identity_keys[i]), own_key(outer, identity_keys[i]), NULL,
			 "VMCOREINFO");
}

#define MAX_CPUS_SHOWN 16
/* struct elf_prstatus of x86_64: pr_reg at 112, in the order of struct user_regs_struct */
#define PRSTATUS_BYTES_X86_64 336
#define PRSTATUS_RIP (112 + 16 * 8)
#define PRSTATUS_RSP (112 + 19 * 8)

struct registers {
	unsigned nr;
	uint64_t rip[MAX_CPUS_SHOWN], rsp[MAX_CPUS_SHOWN];
	enum byte_order order;
};

static bool take_prstatus(const struct note *note, void *ctx)
{
	struct registers *regs = ctx;

	if (note->type != NT_PRSTATUS || note->desc_len_bytes != PRSTATUS_BYTES_X86_64 || note->name_len != 4 ||
	    memcmp(note->name, "CORE", 4) != 0)
		return true;
	if (regs->nr < MAX_CPUS_SHOWN) {
		regs->rip[regs->nr] = get_u64((const uint8_t *)note->desc + PRSTATUS_RIP, regs->order);
		regs->rsp[regs->nr] = get_u64((const uint8_t *)note->desc + PRSTATUS_RSP, regs->order);
	}
	regs->nr++;
	return true;
}

static void compare_registers(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	static const char *const names[MAX_CPUS_SHOWN] = { "cpu0", "cpu1", "cpu2",  "cpu3",  "cpu4",  "cpu5",  "cpu6",  "cpu7",
							   "cpu8", "cpu9", "cpu10", "cpu11", "cpu12", "cpu13", "cpu14", "cpu15" };
	struct registers a = { .order = inner->pm->order }, b = { .order = outer->pm->order };
	struct field_report *f = add(r, "cpus");

	notes_for_each(inner->pm->notes, inner->pm->notes_len_bytes, a.order, take_prstatus, &a);
	notes_for_each(outer->pm->notes, outer->pm->notes_len_bytes, b.order, take_prstatus, &b);
	snprintf(f->inner, sizeof(f->inner), "%u", a.nr);
	snprintf(f->outer, sizeof(f->outer), "%u", b.nr);
	judge(f, NULL, "NT_PRSTATUS notes");
	for (unsigned i = 0; i < MAX_CPUS_SHOWN && (i < a.nr || i < b.nr); i++) {
		f = add(r, names[i]);
		if (i < a.nr)
			snprintf(f->inner, sizeof(f->inner), "rip %016" PRIx64 " rsp %016" PRIx64, a.rip[i], a.rsp[i]);
		if (i < b.nr)
			snprintf(f->outer, sizeof(f->outer), "rip %016" PRIx64 " rsp %016" PRIx64, b.rip[i], b.rsp[i]);
		judge(f, NULL, "inner: as the guest saved them at the crash; outer: when the hypervisor stopped it");
		if (f->state == FIELD_DIFFERS)
			f->right = "inner";
	}
}

static void compare_kdump(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct kdump_details *a = kdump_physmem_details(inner->pm), *b = kdump_physmem_details(outer->pm);
	struct field_report *f = add(r, "dump_level");

	if (a)
		snprintf(f->inner, sizeof(f->inner), "%d", a->header.dump_level);
	if (b)
		snprintf(f->outer, sizeof(f->outer), "%d", b->header.dump_level);
	judge(f, NULL, "what each dump was filtered with");
	f = add(r, "max_mapnr");
	if (a)
		snprintf(f->inner, sizeof(f->inner), "%" PRIu64, a->header.max_mapnr);
	if (b)
		snprintf(f->outer, sizeof(f->outer), "%" PRIu64, b->header.max_mapnr);
	judge(f, NULL, "a hypervisor counts flash and video memory too");
	f = add(r, "crash_time");
	if (a)
		snprintf(f->inner, sizeof(f->inner), "%" PRIu64, a->header.tv_sec);
	if (b)
		snprintf(f->outer, sizeof(f->outer), "%" PRIu64, b->header.tv_sec);
	judge(f, vmcoreinfo_string(inner->km->vi, "CRASHTIME"), "CRASHTIME of VMCOREINFO");
}

void headers_compare(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	compare_uts(inner, outer, r);
	compare_phys_base(inner, outer, r);
	compare_vmcoreinfo(inner, outer, r);
	compare_kdump(inner, outer, r);
	compare_registers(inner, outer, r);
}
