// SPDX-License-Identifier: GPL-2.0-or-later
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dump_info.h"

/*
 * Text of the dump as JSON: escaped as on the terminal, since it need not be UTF-8. Null where there is none. The file
 * stream is memory's.
 */
static json_t *text(const char *s, size_t len)
{
	char *buf = NULL;
	size_t size = 0;
	FILE *f = s ? open_memstream(&buf, &size) : NULL;
	json_t *json;

	if (!f)
		return json_null();
	dump_info_escape(s, len, false, f);
	if (fclose(f)) {
		free(buf);
		return NULL;
	}
	json = json_stringn(buf, size);
	free(buf);
	return json;
}

static json_t *string(const char *s)
{
	return text(s, s ? strlen(s) : 0);
}

static json_t *number_if(bool known, int64_t v)
{
	return known ? json_integer((json_int_t)v) : json_null();
}

static json_t *vmcoreinfo_json(const struct dump_info *di)
{
	const struct physmem *pm = di->pm;
	const struct vmcoreinfo *vi = di->vi;

	return json_pack("{s:b, s:I, s:o, s:o, s:o, s:o, s:o}", "present", pm->vmcoreinfo != NULL, "bytes",
			 (json_int_t)pm->vmcoreinfo_len_bytes, "OSRELEASE",
			 string(vi ? vmcoreinfo_string(vi, "OSRELEASE") : NULL), "BUILD-ID",
			 string(vi ? vmcoreinfo_string(vi, "BUILD-ID") : NULL), "KERNELOFFSET",
			 string(vi ? vmcoreinfo_string(vi, "KERNELOFFSET") : NULL), "CRASHTIME",
			 string(vi ? vmcoreinfo_string(vi, "CRASHTIME") : NULL), "trouble",
			 string(di->vmcoreinfo_trouble[0] ? di->vmcoreinfo_trouble : NULL));
}

static json_t *notes_json(const struct dump_info *di)
{
	const struct note_counts *n = &di->notes;

	return json_pack("{s:I, s:i, s:i, s:i, s:i}", "bytes", (json_int_t)di->pm->notes_len_bytes, "prstatus",
			 (int)n->nr_prstatus, "qemu", (int)n->nr_qemu, "vmcoreinfo", (int)n->nr_vmcoreinfo, "other",
			 (int)n->nr_other);
}

static json_t *pages_json(const struct dump_info *di)
{
	return json_pack("{s:I, s:I, s:o, s:I, s:I}", "ram", (json_int_t)di->pages_ram, "stored",
			 (json_int_t)di->pages_stored, "zero", number_if(di->has_pages_zero, (int64_t)di->pages_zero),
			 "excluded", (json_int_t)di->pages_excluded, "unreadable", (json_int_t)di->pages_unreadable);
}

static json_t *compression_json(const struct kdump_survey *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "raw", (json_int_t)s->nr_raw, "zlib", (json_int_t)s->nr_zlib,
			 "lzo", (json_int_t)s->nr_lzo, "snappy", (json_int_t)s->nr_snappy, "zstd",
			 (json_int_t)s->nr_zstd);
}

static json_t *split_json(const struct kdump_details *k)
{
	if (!k->header.split)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "files", (json_int_t)k->nr_files, "start_pfn",
			 (json_int_t)k->header.start_pfn, "end_pfn", (json_int_t)k->header.end_pfn,
			 "pages_in_other_files", (json_int_t)k->nr_elsewhere);
}

static json_t *kdump_json(const struct dump_info *di)
{
	const struct kdump_details *k = di->kdump;

	return json_pack("{s:o, s:i, s:I, s:I, s:o, s:o, s:I}", "compression", compression_json(&di->survey),
			 "dump_level", (int)k->header.dump_level, "status", (json_int_t)k->header.status, "max_mapnr",
			 (json_int_t)k->header.max_mapnr, "split", split_json(k), "eraseinfo",
			 text(di->eraseinfo, di->eraseinfo_len), "stored_not_in_ram",
			 (json_int_t)k->bitmap2_not_in_bitmap1);
}

static json_t *elf_json(const struct dump_info *di)
{
	const struct elf_details *e = di->elf;

	return json_pack("{s:{s:I, s:I, s:I, s:I, s:I}}", "elf", "loads", (json_int_t)e->nr_loads, "unaligned_loads",
			 (json_int_t)di->elf_unaligned_loads, "filtered_bytes", (json_int_t)e->filtered_bytes,
			 "truncated_bytes", (json_int_t)e->truncated_bytes, "beyond_bytes",
			 (json_int_t)min_u64(e->beyond_bytes, INT64_MAX));
}

static json_t *identity_json(const struct dump_info *di)
{
	const struct physmem *pm = di->pm;

	return json_pack(
		"{s:s, s:o, s:b, s:i, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o}", "format", di->kdump ? "kdump" : "elf",
		"version", number_if(di->kdump != NULL, di->kdump ? di->kdump->header.version : 0), "flattened",
		di->kdump && di->kdump->flattened, "bits", pm->is_64bit ? 64 : 32, "byte_order",
		pm->order == ORDER_LITTLE ? "little" : "big", "page_size", (json_int_t)pm->page_size, "complete",
		di->complete, "why_incomplete", string(di->why_incomplete), "release", string(di->release), "machine",
		string(di->machine), "nr_cpus", number_if(di->nr_cpus, (int64_t)di->nr_cpus), "crash_time",
		number_if(di->crash_time, (int64_t)di->crash_time));
}

static json_t *phys_base_json(const struct dump_info *di)
{
	return json_pack("{s:o, s:s, s:b, s:o, s:o}", "phys_base", number_if(di->has_phys_base, di->phys_base),
			 "phys_base_source", kmodel_phys_base_source_name(di->phys_base_source), "phys_base_checked",
			 di->phys_base_checked, "phys_base_trouble",
			 string(di->phys_base_trouble[0] ? di->phys_base_trouble : NULL), "header_phys_base",
			 number_if(di->pm->has_header_phys_base, di->pm->header_phys_base));
}

json_t *dump_info_json(const struct dump_info *di)
{
	json_t *all = identity_json(di);
	int failed = !all;

	failed = failed || json_object_update_new(all, phys_base_json(di));
	failed = failed || json_object_set_new(all, "vmcoreinfo", vmcoreinfo_json(di));
	failed = failed || json_object_set_new(all, "notes", notes_json(di));
	failed = failed || json_object_set_new(all, "pages", pages_json(di));
	failed = failed || json_object_set_new(all, "classes",
					       di->has_classes ? trust_classes_json(di->seen.by_class) : json_null());
	failed = failed || json_object_set_new(all, "classes_trouble",
					       string(di->classes_trouble[0] ? di->classes_trouble : NULL));
	failed = failed || json_object_set_new(all, "counters",
					       di->has_classes ? trust_counters_json(&di->trust) : json_null());
	failed = failed || json_object_set_new(all, "checks",
					       di->has_classes ? trust_checks_json(&di->trust) : json_null());
	failed = failed || json_object_update_new(all, di->kdump ? kdump_json(di) : elf_json(di));
	if (!failed)
		return all;
	json_decref(all);
	return NULL;
}
