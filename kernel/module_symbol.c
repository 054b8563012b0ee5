// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/module_symbol.h"

#include <elf.h>
#include <string.h>

#define MAX_MODULES 4096u
#define MAX_SYMBOLS 65536u
#define NAME_MAX_BYTES 64u

static bool text_is(struct kmodel *km, uint64_t vaddr, const char *text)
{
	char read[NAME_MAX_BYTES];
	size_t len = strlen(text) + 1;

	return len <= sizeof(read) && kmodel_read(km, vaddr, read, len, NULL) == ST_OK && !memcmp(read, text, len);
}

static bool find_module(struct kmodel *km, struct btf *btf, uint64_t modules, const char *name, uint64_t *module)
{
	uint64_t list_off, name_off, at = modules;

	if (!btf_offset(btf, "module", "list", &list_off) || !btf_offset(btf, "module", "name", &name_off))
		return false;
	for (unsigned i = 0; i < MAX_MODULES; i++) {
		if (kmodel_read_u64(km, at, &at, NULL) != ST_OK || at == modules)
			return false;
		*module = at - list_off;
		if (text_is(km, *module + name_off, name))
			return true;
	}
	return false;
}

struct symbols {
	uint64_t table, strings;
	uint32_t nr;
};

static bool find_symbols(struct kmodel *km, struct btf *btf, uint64_t module, struct symbols *s)
{
	uint64_t off, table_off, nr_off, strings_off, kallsyms;

	return btf_offset(btf, "module", "kallsyms", &off) && btf_offset(btf, "mod_kallsyms", "symtab", &table_off) &&
	       btf_offset(btf, "mod_kallsyms", "num_symtab", &nr_off) &&
	       btf_offset(btf, "mod_kallsyms", "strtab", &strings_off) &&
	       kmodel_read_u64(km, module + off, &kallsyms, NULL) == ST_OK &&
	       kmodel_read_u64(km, kallsyms + table_off, &s->table, NULL) == ST_OK &&
	       kmodel_read_u32(km, kallsyms + nr_off, &s->nr, NULL) == ST_OK &&
	       kmodel_read_u64(km, kallsyms + strings_off, &s->strings, NULL) == ST_OK && s->nr <= MAX_SYMBOLS;
}

bool module_symbol(struct kmodel *km, struct btf *btf, uint64_t modules, const char *module, const char *symbol,
		   uint64_t *vaddr, uint64_t *len_bytes)
{
	struct symbols s;
	uint64_t at;
	unsigned nr_found = 0;

	if (!km->pm->is_64bit || !find_module(km, btf, modules, module, &at) || !find_symbols(km, btf, at, &s))
		return false;
	for (uint32_t i = 0; i < s.nr; i++) {
		uint8_t raw[sizeof(Elf64_Sym)];

		if (kmodel_read(km, s.table + i * sizeof(raw), raw, sizeof(raw), NULL) != ST_OK)
			return false;
		if (!text_is(km, s.strings + get_u32(raw + offsetof(Elf64_Sym, st_name), km->pm->order), symbol))
			continue;
		*vaddr = get_u64(raw + offsetof(Elf64_Sym, st_value), km->pm->order);
		*len_bytes = get_u64(raw + offsetof(Elf64_Sym, st_size), km->pm->order);
		nr_found++;
	}
	return nr_found == 1;
}
