// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cli/dump_info.h"
#include "common/units.h"

/* One column of names, one of facts: who looks for one thing finds it without reading the rest. */
#define LABEL_WIDTH 14
#define KEY_WIDTH 14

static void label(FILE *to, const char *name)
{
	fprintf(to, "%-*s", LABEL_WIDTH, name);
}

static void line(FILE *to, const char *name, const char *fmt, ...) __printf_like(3, 4);
static void line(FILE *to, const char *name, const char *fmt, ...)
{
	va_list ap;

	label(to, name);
	va_start(ap, fmt);
	vfprintf(to, fmt, ap);
	va_end(ap);
	putc('\n', to);
}

static void text_line(FILE *to, const char *name, const char *text)
{
	label(to, name);
	dump_info_escape(text, strlen(text), false, to);
	putc('\n', to);
}

/* Digits in groups of three: page counts have up to eleven. */
static const char *grouped(uint64_t v, char buf[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, v);
	size_t at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

static const char *signed_hex(int64_t v, char buf[32])
{
	uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	snprintf(buf, 32, "%s0x%" PRIx64, v < 0 ? "-" : "", magnitude);
	return buf;
}

static const char *utc(uint64_t seconds, char buf[64])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	/* Years of four digits; anything else is no time that a clock showed. */
	if (seconds >= UINT64_C(253402300800) || !gmtime_r(&t, &tm) || !strftime(buf, 64, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(buf, 64, "%" PRIu64 " seconds after 1970", seconds);
	return buf;
}

static void print_format(const struct dump_info *di, FILE *to)
{
	label(to, "format");
	fputs(dump_info_format(di), to);
	if (di->kdump)
		fprintf(to, " version %" PRId32, di->kdump->header.version);
	fprintf(to, ", %d-bit %s-endian, pages of %" PRIu32 " bytes\n", di->pm->is_64bit ? 64 : 32,
		di->pm->order == ORDER_LITTLE ? "little" : "big", di->pm->page_size);
	if (di->complete)
		line(to, "complete", "yes");
	else
		line(to, "complete", "NO: %s", di->why_incomplete);
}

static void print_split(const struct dump_info *di, FILE *to)
{
	char start[32], end[32], other[32];

	if (di->kdump && di->kdump->nr_files > 1)
		line(to, "split", "a set of %u files", di->kdump->nr_files);
	else if (di->kdump && di->kdump->header.split)
		line(to, "split", "page frames %s to %s; the other files of the set hold %s pages",
		     grouped(di->kdump->header.start_pfn, start), grouped(di->kdump->header.end_pfn, end),
		     grouped(di->kdump->nr_elsewhere, other));
}

static void print_names(const struct dump_info *di, FILE *to)
{
	char when[64];

	text_line(to, "release", di->release ? di->release : "unknown");
	if (di->pm->uts.version[0])
		text_line(to, "", di->pm->uts.version);
	if (di->pm->uts.nodename[0])
		text_line(to, "host", di->pm->uts.nodename);
	text_line(to, "machine", di->machine ? di->machine : "unknown");
	line(to, "crash time", "%s", di->crash_time ? utc(di->crash_time, when) : "unknown");
	if (di->nr_cpus)
		line(to, "CPUs", "%" PRIu64, di->nr_cpus);
	else
		line(to, "CPUs", "unknown");
}

static void print_phys_base(const struct dump_info *di, FILE *to)
{
	char hex[32], header[32];
	const struct physmem *pm = di->pm;

	if (!di->has_phys_base)
		line(to, "phys_base", "unknown");
	else
		line(to, "phys_base", "%" PRId64 " (%s), from %s; %s", di->phys_base, signed_hex(di->phys_base, hex),
		     kmodel_phys_base_source_name(di->phys_base_source),
		     di->phys_base_checked ? "the page tables agree" : "NOT checked");
	if (di->phys_base_trouble[0])
		text_line(to, "", di->phys_base_trouble);
	if (di->has_phys_base && pm->has_header_phys_base && pm->header_phys_base != di->phys_base)
		line(to, "", "the dump's header says %" PRId64 " (%s): %s", pm->header_phys_base,
		     signed_hex(pm->header_phys_base, header), di->phys_base_checked ? "WRONG" : "differs");
}

static void print_vmcoreinfo(const struct dump_info *di, FILE *to)
{
	static const char *const keys[] = { "OSRELEASE", "BUILD-ID", "KERNELOFFSET", "CRASHTIME" };

	if (!di->pm->vmcoreinfo) {
		line(to, "VMCOREINFO", "none");
		return;
	}
	label(to, "VMCOREINFO");
	fprintf(to, "%zu bytes", di->pm->vmcoreinfo_len_bytes);
	if (di->vi)
		fprintf(to, ", %zu lines\n", vmcoreinfo_nr_lines(di->vi));
	else
		fprintf(to, ", unusable: %s\n", di->vmcoreinfo_trouble);
	for (size_t i = 0; di->vi && i < ARRAY_SIZE(keys); i++) {
		const char *value = vmcoreinfo_string(di->vi, keys[i]);

		if (!value)
			continue;
		fprintf(to, "%-*s%-*s", LABEL_WIDTH, "", KEY_WIDTH, keys[i]);
		dump_info_escape(value, strlen(value), false, to);
		putc('\n', to);
	}
}

static void print_notes(const struct dump_info *di, FILE *to)
{
	char size[16];

	if (!di->pm->notes_len_bytes) {
		line(to, "notes", "none");
		return;
	}
	line(to, "notes", "%u NT_PRSTATUS (registers of a CPU), %u QEMU, %u VMCOREINFO, %u other; %s",
	     di->notes.nr_prstatus, di->notes.nr_qemu, di->notes.nr_vmcoreinfo, di->notes.nr_other,
	     units_bytes(di->pm->notes_len_bytes, size, sizeof(size)));
}

static void print_count(const struct dump_info *di, const char *name, uint64_t n, FILE *to)
{
	double percent = di->pages_ram ? 100.0 * (double)n / (double)di->pages_ram : 0.0;
	char count[32], size[16];

	fprintf(to, "%-*s%-*s%15s %12s %6.1f %%\n", LABEL_WIDTH, "", KEY_WIDTH, name, grouped(n, count),
		units_bytes(n * di->pm->page_size, size, sizeof(size)), percent);
}

static void print_pages(const struct dump_info *di, FILE *to)
{
	char count[32], size[16];

	fprintf(to, "%-*s%-*s%15s %12s\n", LABEL_WIDTH, "pages", KEY_WIDTH, "RAM", grouped(di->pages_ram, count),
		units_bytes(di->pages_ram * di->pm->page_size, size, sizeof(size)));
	print_count(di, "stored", di->pages_stored, to);
	if (di->has_pages_zero)
		print_count(di, "  of zeros", di->pages_zero, to);
	if (di->pages_unreadable)
		print_count(di, "  unreadable", di->pages_unreadable, to);
	print_count(di, "left out", di->pages_excluded, to);
	if (di->kdump && di->kdump->bitmap2_not_in_bitmap1)
		line(to, "", "%s stored pages are missing from the first bitmap: crash will not read them",
		     grouped(di->kdump->bitmap2_not_in_bitmap1, count));
}

/* What the kernel counted itself, behind what was seen. */
static void print_check(const struct trust_row *r, const char *name, FILE *to)
{
	char seen[32], least[32], most[32];

	if (!r->known)
		return;
	fprintf(to, "%-*s%-*s%15s seen, the kernel counted ", LABEL_WIDTH, "", KEY_WIDTH, name, grouped(r->seen, seen));
	if (r->least == r->most)
		fputs(grouped(r->most, most), to);
	else if (!r->least)
		fprintf(to, "up to %s", grouped(r->most, most));
	else
		fprintf(to, "%s to %s", grouped(r->least, least), grouped(r->most, most));
	fputs(r->far_apart ? ": FAR APART\n" : "\n", to);
}

static void print_classes(const struct dump_info *di, FILE *to)
{
	static const char *const names[PAGE_CLASS_COUNT] = {
		"unknown", "kernel", "free", "cache", "cache private", "user", "offline", "hwpoison",
	};

	if (!di->has_classes) {
		if (di->classes_trouble[0]) {
			label(to, "classes");
			fputs("unknown: ", to);
			dump_info_escape(di->classes_trouble, strlen(di->classes_trouble), false, to);
			putc('\n', to);
		}
		return;
	}
	line(to, "classes", "by the kernel's memory map");
	for (int c = 0; c < PAGE_CLASS_COUNT; c++)
		if (di->seen.by_class[c])
			print_count(di, names[c], di->seen.by_class[c], to);
	line(to, "checks", "against the kernel's own counters");
	for (int c = 0; c < TRUST_COUNT; c++)
		print_check(&di->trust.rows[c], trust_name((enum trust_check)c), to);
}

static void print_compression(const struct dump_info *di, FILE *to)
{
	const struct {
		const char *name;
		uint64_t n;
	} kinds[] = {
		{ "zlib", di->survey.nr_zlib }, { "lzo", di->survey.nr_lzo }, { "snappy", di->survey.nr_snappy },
		{ "zstd", di->survey.nr_zstd }, { "raw", di->survey.nr_raw },
	};
	const char *separator = "";
	char count[32];

	label(to, "compression");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].n)
			continue;
		fprintf(to, "%s%s %s", separator, kinds[i].name, grouped(kinds[i].n, count));
		separator = ", ";
	}
	fputs(*separator ? " pages\n" : "no pages\n", to);
}

static void print_dump_level(const struct dump_info *di, FILE *to)
{
	static const char *const left_out[] = { "zero", "cache", "private cache", "user", "free" };
	int32_t level = di->kdump->header.dump_level;
	const char *separator = " (filters ";

	label(to, "dump level");
	fprintf(to, "%" PRId32, level);
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++) {
		if (!((uint32_t)level >> i & 1))
			continue;
		fprintf(to, "%s%s", separator, left_out[i]);
		separator = ", ";
	}
	fputs(separator[0] == ',' ? ")\n" : "\n", to);
	if (di->kdump->header.status & KDUMP_STATUS_EXCLUDED_VMEMMAP)
		line(to, "", "the memory map itself was left out, too");
}

static void print_elf(const struct dump_info *di, FILE *to)
{
	const struct elf_details *e = di->elf;
	char size[16];

	line(to, "PT_LOADs", "%zu, of which %" PRIu64 " start or end within a page", e->nr_loads,
	     di->elf_unaligned_loads);
	if (e->filtered_bytes)
		line(to, "", "%s are named and not held (p_memsz > p_filesz)",
		     units_bytes(e->filtered_bytes, size, sizeof(size)));
	if (e->truncated_bytes)
		line(to, "", "%s lie beyond the end of the file", units_bytes(e->truncated_bytes, size, sizeof(size)));
	if (e->beyond_bytes)
		line(to, "", "%s lie where the machine can have no memory: set aside",
		     units_bytes(e->beyond_bytes, size, sizeof(size)));
}

static void print_eraseinfo(const struct dump_info *di, FILE *to)
{
	size_t at = 0;

	while (at < di->eraseinfo_len) {
		const char *start = di->eraseinfo + at;
		size_t left = di->eraseinfo_len - at;
		const char *newline = memchr(start, '\n', left);
		size_t len = newline ? (size_t)(newline - start) : left;

		label(to, at ? "" : "erased");
		dump_info_escape(start, len, false, to);
		putc('\n', to);
		at += len + 1;
	}
}

void dump_info_print(const struct dump_info *di, const char *path, FILE *to)
{
	text_line(to, "dump", path);
	print_format(di, to);
	print_split(di, to);
	print_names(di, to);
	print_phys_base(di, to);
	print_vmcoreinfo(di, to);
	print_notes(di, to);
	print_pages(di, to);
	print_classes(di, to);
	if (di->kdump) {
		print_compression(di, to);
		print_dump_level(di, to);
		print_eraseinfo(di, to);
	} else {
		print_elf(di, to);
	}
}
