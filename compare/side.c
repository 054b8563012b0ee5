// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/side.h"

#include <string.h>

#include "kernel/kallsyms.h"

enum status side_init(struct side *s, const char *path, struct err *err)
{
	enum status st;

	*s = (struct side){ .path = path };
	st = physmem_open(path, &s->pm, err);
	if (st != ST_OK)
		return st;
	if (kmodel_open(s->pm, &s->km, &s->why_no_model) != ST_OK)
		s->km = NULL;
	return ST_OK;
}

void side_borrow_vmcoreinfo(struct side *s, const struct side *other)
{
	struct err err = { 0 };

	if (s->km || !other->km)
		return;
	s->pm->vmcoreinfo = other->pm->vmcoreinfo;
	s->pm->vmcoreinfo_len_bytes = other->pm->vmcoreinfo_len_bytes;
	if (kmodel_open(s->pm, &s->km, &err) != ST_OK) {
		s->km = NULL;
		return;
	}
	s->vmcoreinfo_borrowed = true;
}

static void read_text(struct kmodel *km, uint64_t vaddr, char *text, size_t len)
{
	size_t n = 0;

	while (n + 1 < len && kmodel_read(km, vaddr + n, &text[n], 1, NULL) == ST_OK && text[n] && text[n] != '\n')
		n++;
	text[n] = '\0';
}

static void read_uts(struct side *s)
{
	char *const fields[] = { s->uts.sysname, s->uts.nodename, s->uts.release,
				 s->uts.version, s->uts.machine,  s->uts.domainname };
	uint64_t vaddr, off;

	if (!vmcoreinfo_symbol(s->km->vi, "init_uts_ns", &vaddr))
		return;
	if (!vmcoreinfo_offset(s->km->vi, "uts_namespace.name", &off))
		off = 0;
	/* struct new_utsname: six fields of 65 bytes */
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		read_text(s->km, vaddr + off + i * sizeof(s->uts.sysname), fields[i], sizeof(s->uts.sysname));
}

void side_read_kernel(struct side *s)
{
	struct kallsyms_symbol banner = { .name = "linux_banner" };

	if (!s->km)
		return;
	s->has_iomem = iomem_init(&s->iomem, s->km, NULL) == ST_OK;
	if (kallsyms_lookup(s->km, &banner, 1, NULL) == ST_OK && banner.found)
		read_text(s->km, banner.vaddr, s->banner, sizeof(s->banner));
	read_uts(s);
}

void side_deinit(struct side *s)
{
	if (s->has_iomem)
		iomem_deinit(&s->iomem);
	kmodel_close(s->km);
	physmem_close(s->pm);
	*s = (struct side){ 0 };
}
