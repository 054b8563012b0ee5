// SPDX-License-Identifier: GPL-2.0-or-later
#include "verify/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/exit_codes.h"
#include "formats/elf/elf_physmem.h"
#include "formats/io/flattened.h"
#include "verify/checks.h"

size_t check_first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t i = 0;

	while (i < len && a[i] == b[i])
		i++;
	return i;
}

void check_progress(const struct check *c, uint64_t done, uint64_t total)
{
	if (c->config->progress)
		c->config->progress(c->config->progress_ctx, done, total);
}

/* A refusal of the open readers is a finding, unless a check already said why; trouble of our own is not. */
static enum status refused(struct check *c, enum rule rule, unsigned errors_before, enum status st,
			   const struct err *why, struct err *err)
{
	if (st == ST_NO_MEMORY || st == ST_INTERNAL)
		return err_set(err, st, "%s", why->text);
	if (c->report->nr[VERIFY_ERROR] == errors_before)
		findings_add(c->report, rule, place_none(), "%s", why->text);
	return ST_OK;
}

/** Rules that, broken, are why the KDUMP reader refuses a file. */
static unsigned fatal_errors(const struct verify_report *r)
{
	static const enum rule fatal[] = { RULE_SPLIT_RANGE, RULE_BITMAP_SMALL, RULE_BITMAP_OUTSIDE };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		n += findings_find(r, fatal[i]) != NULL;
	return n;
}

static enum status check_open_kdump(struct check *c, struct err *err)
{
	enum status st = check_kdump_bitmaps(c, err);

	if (st == ST_OK)
		st = check_notes(c, err);
	if (st == ST_OK)
		st = check_kernel(c, err);
	return st == ST_OK ? check_kdump_pages(c, err) : st;
}

/** @src is released in every case, but not what is below a flattened one. */
static enum status check_kdump(struct check *c, struct rsource *src, bool truncated, struct err *err)
{
	struct err why = { 0 };
	bool usable;
	enum status st;

	c->src = src;
	st = check_kdump_headers(c, &usable, err);
	if (st != ST_OK || !usable) {
		rsource_close(src);
		return st;
	}
	c->machine = c->hdr.uts.machine;
	st = c->is_flattened ? kdump_physmem_open_flattened(src, truncated, &c->pm, &why)
			     : kdump_physmem_open(src, &c->pm, &why);
	if (st != ST_OK) {
		rsource_close(src);
		if (fatal_errors(c->report))
			return ST_OK;
		return refused(c, RULE_BODY_REFUSED, c->report->nr[VERIFY_ERROR], st, &why, err);
	}
	st = check_open_kdump(c, err);
	return st;
}

static enum status check_flattened(struct check *c, struct rsource *inner, struct err *err)
{
	struct flat_facts facts;
	struct rsource *flat;
	struct err why = { 0 };
	bool truncated;
	enum status st = check_flat_scan(inner, &facts, err);

	if (st == ST_OK) {
		st = rsource_flattened_open(inner, &flat, &truncated, &why);
		if (st != ST_OK) {
			rsource_close(inner);
			return refused(c, RULE_FLAT_REFUSED, c->report->nr[VERIFY_ERROR], st, &why, err);
		}
		c->src = flat;
		st = check_flat(c, inner, &facts, err);
		if (st == ST_OK)
			return check_kdump(c, flat, truncated, err);
		inner = flat;
	}
	rsource_close(inner);
	return st;
}

static enum status check_elf(struct check *c, struct rsource *src, struct err *err)
{
	struct err why = { 0 };
	enum status st;

	c->src = src;
	st = check_elf_headers(c, err);
	if (st != ST_OK) {
		rsource_close(src);
		return st;
	}
	st = elf_physmem_open(src, &c->pm, &why);
	if (st != ST_OK) {
		unsigned known = findings_find(c->report, RULE_ELF_FILESZ) != NULL;

		rsource_close(src);
		return known ? ST_OK : refused(c, RULE_ELF_REFUSED, c->report->nr[VERIFY_ERROR], st, &why, err);
	}
	st = check_notes(c, err);
	if (st == ST_OK)
		st = check_kernel(c, err);
	return st == ST_OK ? check_elf_pages(c, err) : st;
}

static enum status check_source(struct check *c, struct rsource *src, struct err *err)
{
	c->is_flattened = flattened_probe(src);
	c->report->is_flattened = c->is_flattened;
	if (c->is_flattened)
		return check_flattened(c, src, err);
	if (kdump_physmem_probe(src))
		return check_kdump(c, src, false, err);
	c->report->is_elf = elf_physmem_probe(src);
	if (c->report->is_elf)
		return check_elf(c, src, err);
	rsource_close(src);
	return err_set(err, ST_BAD_INPUT, "not a dump: neither ELF, KDUMP nor flattened KDUMP");
}

static void describe(const struct check *c)
{
	const char *release = c->hdr.uts.release;
	char text[sizeof(c->report->format) * 3], kind[32];

	if (!release[0] && c->vi)
		release = vmcoreinfo_string(c->vi, "OSRELEASE");
	if (c->report->is_elf)
		snprintf(kind, sizeof(kind), "ELF core");
	else
		snprintf(kind, sizeof(kind), "KDUMP version %" PRId32, c->hdr.version);
	snprintf(text, sizeof(text), "%s%s%s%s%s%.64s", c->is_flattened ? "flattened " : "", kind,
		 c->machine[0] ? ", " : "", c->machine, release && release[0] ? ", " : "", release ? release : "");
	findings_printable(text, c->report->format, sizeof(c->report->format));
}

enum status verify_run(const struct verify_config *config, struct verify_report *report, struct err *err)
{
	struct check c = { .config = config, .report = report, .machine = "" };
	struct rsource *src;
	enum status st;

	memset(report, 0, sizeof(*report));
	st = rsource_file_open(config->path, &src, err);
	if (st != ST_OK)
		return st;
	st = check_source(&c, src, err);
	if (st == ST_OK)
		describe(&c);
	physmem_close(c.pm);
	vmcoreinfo_free(c.vi);
	return st == ST_OK ? st : err_wrap(err, st, "%s", config->path);
}

int verify_exit_code(const struct verify_report *report)
{
	return report->nr[VERIFY_ERROR] ? EXIT_CODE_NEGATIVE : EXIT_CODE_OK;
}
