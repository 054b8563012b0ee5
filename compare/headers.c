// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/cause.h"
#include "compare/field.h"
#include "compare/registers.h"

/* What VMCOREINFO says only once per boot, or per build. */
static const char *const identity_keys[] = { "OSRELEASE", "BUILD-ID", "KERNELOFFSET", "CRASHTIME" };

/* The dump's own VMCOREINFO, not one that it was lent. */
static const char *own_key(const struct side *s, const char *key)
{
	return s->km && !s->vmcoreinfo_borrowed ? vmcoreinfo_string(s->km->vi, key) : NULL;
}

/* As the guest's memory has it. Where that note was not found, the dump's header speaks for it. */
static const char *boot_key(const struct side *s, const char *key)
{
	return s->memory_vi ? vmcoreinfo_string(s->memory_vi, key) : own_key(s, key);
}

static bool keys_agree(const char *a, const char *b, const char *key, char *why, size_t why_len)
{
	if (!a || !b || !strcmp(a, b))
		return true;
	snprintf(why, why_len, "%s is \"%.80s\" in the inner dump and \"%.80s\" in the outer one", key, a, b);
	return false;
}

static bool memory_agrees(const struct side *inner, const struct side *outer, char *why, size_t why_len)
{
	if (inner->has_boot_id && outer->has_boot_id &&
	    memcmp(inner->boot_id, outer->boot_id, sizeof(inner->boot_id)) != 0) {
		snprintf(why, why_len, "the two kernels in memory are of different boots: their boot_id differs");
		return false;
	}
	if (inner->km->phys_base != outer->km->phys_base) {
		snprintf(why, why_len,
			 "phys_base is %" PRId64 " in the inner dump's page tables and %" PRId64 " in the outer one's",
			 inner->km->phys_base, outer->km->phys_base);
		return false;
	}
	if (inner->banner[0] && outer->banner[0] && strcmp(inner->banner, outer->banner) != 0) {
		snprintf(why, why_len, "memory holds \"%.100s\" in the inner dump and \"%.100s\" in the outer one",
			 inner->banner, outer->banner);
		return false;
	}
	return true;
}

bool headers_same_boot(const struct side *inner, const struct side *outer, char *why, size_t why_len)
{
	if (inner->pm->page_size != outer->pm->page_size) {
		snprintf(why, why_len, "the page size is %u in one dump and %u in the other", inner->pm->page_size,
			 outer->pm->page_size);
		return false;
	}
	if (!inner->km || !outer->km) {
		snprintf(why, why_len, "the kernel of the %s dump cannot be read: %.230s",
			 inner->km ? "outer" : "inner",
			 inner->km ? outer->why_no_model.text : inner->why_no_model.text);
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(identity_keys); i++) {
		const char *key = identity_keys[i];

		if (!keys_agree(own_key(inner, key), own_key(outer, key), key, why, why_len) ||
		    !keys_agree(boot_key(inner, key), boot_key(outer, key), key, why, why_len))
			return false;
	}
	return memory_agrees(inner, outer, why, why_len);
}

/* A KDUMP has a header of its own for these; an ELF core has none. */
static void compare_uts(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct physmem_utsname *a = &inner->pm->uts, *b = &outer->pm->uts;
	const struct physmem_utsname *truth = inner->uts.release[0] ? &inner->uts : &outer->uts;
	static const char why[] = "init_uts_ns in memory";

	field_add(r, "sysname", a->sysname, b->sysname, truth->sysname, why);
	field_add(r, "nodename", a->nodename, b->nodename, truth->nodename, why);
	field_add(r, "release", a->release, b->release, truth->release, why);
	field_add(r, "version", a->version, b->version, truth->version, why);
	field_add(r, "machine", a->machine, b->machine, truth->machine, why);
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
	const struct kmodel *km = inner->km ? inner->km : outer->km;
	char a[32], b[32], truth[32] = "";

	phys_base_of(inner, a, sizeof(a));
	phys_base_of(outer, b, sizeof(b));
	if (km)
		snprintf(truth, sizeof(truth), "%" PRId64, km->phys_base);
	field_add(r, "phys_base", a, b, truth,
		  inner->banner[0] || outer->banner[0]
			  ? "the page tables map _stext there, and linux_banner is read through it"
			  : "the page tables map _stext there");
}

static void describe_vmcoreinfo(const struct side *s, char *text, size_t len)
{
	text[0] = '\0';
	if (s->pm->vmcoreinfo && !s->vmcoreinfo_borrowed)
		snprintf(text, len, "%zu bytes", s->pm->vmcoreinfo_len_bytes);
}

static bool same_vmcoreinfo(const struct physmem *a, const struct physmem *b)
{
	return a->vmcoreinfo && b->vmcoreinfo && a->vmcoreinfo_len_bytes == b->vmcoreinfo_len_bytes &&
	       !memcmp(a->vmcoreinfo, b->vmcoreinfo, a->vmcoreinfo_len_bytes);
}

static void compare_vmcoreinfo(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct side *keeper = inner->memory_vi ? inner : outer;
	char a[32], b[32], truth[32] = "";
	struct field_report *f;

	describe_vmcoreinfo(inner, a, sizeof(a));
	describe_vmcoreinfo(outer, b, sizeof(b));
	if (keeper->memory_vi)
		snprintf(truth, sizeof(truth), "%zu bytes", keeper->memory_vi_len_bytes);
	f = field_add(r, "vmcoreinfo", a, b, truth,
		      outer->vmcoreinfo_borrowed   ? "the outer dump is read by the inner one's"
		      : inner->vmcoreinfo_borrowed ? "the inner dump is read by the outer one's"
		      : truth[0]		   ? "the length of the guest's own note in memory"
						   : "");
	/* Equal in length is not equal. */
	if (f->state == FIELD_SAME && !same_vmcoreinfo(inner->pm, outer->pm)) {
		f->state = FIELD_DIFFERS;
		f->right = "unknown";
		snprintf(f->why, sizeof(f->why), "as long, but not the same text");
	}
	for (size_t i = 0; i < ARRAY_SIZE(identity_keys); i++) {
		const char *key = identity_keys[i], *in_memory = boot_key(keeper, key);

		field_add(r, key, own_key(inner, key), own_key(outer, key), keeper->memory_vi ? in_memory : NULL,
			  keeper->memory_vi ? "the guest's own note in memory" : "VMCOREINFO");
	}
}

static const char *hex_id(const struct side *s, char *text, size_t len)
{
	text[0] = '\0';
	for (size_t i = 0; s->has_boot_id && i < sizeof(s->boot_id); i++)
		snprintf(text + 2 * i, len - 2 * i, "%02x", s->boot_id[i]);
	return text;
}

/* No dump has a header for these: both are read from memory. */
static void compare_memory_texts(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	char a[2 * SIDE_BOOT_ID_BYTES + 1], b[2 * SIDE_BOOT_ID_BYTES + 1];

	field_add(r, "banner", inner->banner, outer->banner, NULL, "linux_banner in memory");
	field_add(r, "boot_id", hex_id(inner, a, sizeof(a)), hex_id(outer, b, sizeof(b)), NULL,
		  "sysctl_bootid in memory");
}

static const char *number(char text[24], bool known, uint64_t n)
{
	text[0] = '\0';
	if (known)
		snprintf(text, 24, "%" PRIu64, n);
	return text;
}

static void compare_max_mapnr(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct kdump_details *a = kdump_physmem_details(inner->pm), *b = kdump_physmem_details(outer->pm);
	const struct iomem *io = side_iomem_of(inner, outer);
	/* Of memory that was plugged in later a boot's map knows nothing. */
	uint64_t ram_end = io && !io->is_boot_map ? iomem_ram_end(io) : 0;
	char x[24], y[24], truth[24];

	field_add(r, "max_mapnr", number(x, a, a ? a->header.max_mapnr : 0), number(y, b, b ? b->header.max_mapnr : 0),
		  number(truth, ram_end, div_round_up(ram_end, inner->pm->page_size)),
		  ram_end ? "System RAM ends there; a hypervisor counts flash and video memory too"
			  : "a hypervisor counts flash and video memory too");
}

static void compare_kdump(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const struct kdump_details *a = kdump_physmem_details(inner->pm), *b = kdump_physmem_details(outer->pm);
	const char *crash_time = boot_key(inner, "CRASHTIME");
	struct field_report *f;
	char x[24], y[24];

	f = field_add(r, "dump_level", number(x, a, a ? (uint64_t)(uint32_t)a->header.dump_level : 0),
		      number(y, b, b ? (uint64_t)(uint32_t)b->header.dump_level : 0), NULL,
		      "each dump was filtered on its own; QEMU, which filters nothing, writes 1");
	f->right = a && b ? "both" : f->right;
	compare_max_mapnr(inner, outer, r);
	field_add(r, "crash_time", number(x, a && a->header.tv_sec, a ? a->header.tv_sec : 0),
		  number(y, b && b->header.tv_sec, b ? b->header.tv_sec : 0),
		  crash_time ? crash_time : boot_key(outer, "CRASHTIME"), "CRASHTIME of VMCOREINFO");
}

void headers_compare(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	compare_uts(inner, outer, r);
	compare_phys_base(inner, outer, r);
	compare_kdump(inner, outer, r);
	compare_vmcoreinfo(inner, outer, r);
	compare_memory_texts(inner, outer, r);
	registers_compare(inner, outer, r);
}

static void describe_side(const struct side *s, struct side_report *to)
{
	const struct kdump_details *kd = kdump_physmem_details(s->pm);

	to->path = s->path;
	if (kd && kd->nr_files > 1)
		snprintf(to->format, sizeof(to->format), "%sKDUMP version %d in %u files",
			 kd->flattened ? "flattened " : "", kd->header.version, kd->nr_files);
	else if (kd)
		snprintf(to->format, sizeof(to->format), "%sKDUMP version %d", kd->flattened ? "flattened " : "",
			 kd->header.version);
	else
		snprintf(to->format, sizeof(to->format), "ELF core");
	/* The field came with version 1. */
	to->level_known = kd && kd->header.version >= 1;
	to->level = to->level_known ? (unsigned)kd->header.dump_level : 0;
	to->vmcoreinfo_borrowed = s->vmcoreinfo_borrowed;
}

void headers_describe(const struct side *inner, const struct side *outer, struct compare_report *r)
{
	const char *release = boot_key(inner, "OSRELEASE"), *time = boot_key(inner, "CRASHTIME");

	describe_side(inner, &r->inner);
	describe_side(outer, &r->outer);
	r->page_size = inner->pm->page_size;
	if (!release)
		release = boot_key(outer, "OSRELEASE");
	if (!time)
		time = boot_key(outer, "CRASHTIME");
	snprintf(r->release, sizeof(r->release), "%.64s", release ? release : "");
	r->crash_time_seconds = time ? strtoull(time, NULL, 10) : 0;
}
