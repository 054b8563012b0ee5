// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's compressed symbol table (scripts/kallsyms.c): each name is a length and that many tokens, each token an index
 * into a table of 256 strings; the first character of the expanded name is its type. Addresses are a parallel array.
 */
#include "kernel/kallsyms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define NR_TOKENS 256u
#define TOKEN_TABLE_MAX (16u * 1024)
#define MAX_SYMBOLS (8u * 1024 * 1024)
#define NAME_MAX_LEN 1024u
#define READ_AHEAD (32u * 1024)

struct table {
	struct kmodel *km;
	uint64_t names, offsets, addresses, relative_base;
	uint32_t nr_symbols;
	uint16_t token_index[NR_TOKENS];
	char *tokens; /* TOKEN_TABLE_MAX bytes, ended by a NUL of ours */
	uint64_t symbols_at;	/* where in memory the window below begins */
	uint8_t *window;
	size_t window_len, window_pos;
};

static enum status read_tokens(struct table *t, struct err *err)
{
	const struct vmcoreinfo *vi = t->km->vi;
	uint8_t raw[NR_TOKENS * 2];
	uint64_t table, index;
	size_t got = TOKEN_TABLE_MAX;
	enum status st;

	if (!vmcoreinfo_symbol(vi, "kallsyms_token_table", &table) || !vmcoreinfo_symbol(vi, "kallsyms_token_index", &index))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO does not name the kernel's symbol table");
	st = kmodel_read(t->km, index, raw, sizeof(raw), err);
	if (st != ST_OK)
		return err_wrap(err, st, "symbol table");
	for (size_t i = 0; i < NR_TOKENS; i++)
		t->token_index[i] = get_u16(raw + 2 * i, t->km->pm->order);
	/* The index follows the table: what lies between them is the table. */
	if (index > table && index - table < got)
		got = (size_t)(index - table);
	t->tokens = calloc(1, TOKEN_TABLE_MAX + 1);
	if (!t->tokens)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	return kmodel_read(t->km, table, t->tokens, got, err);
}

static enum status open_table(struct table *t, struct err *err)
{
	const struct vmcoreinfo *vi = t->km->vi;
	uint64_t num, base;
	enum status st;

	if (!vmcoreinfo_symbol(vi, "kallsyms_names", &t->names) || !vmcoreinfo_symbol(vi, "kallsyms_num_syms", &num))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO does not name the kernel's symbol table");
	if (!vmcoreinfo_symbol(vi, "kallsyms_offsets", &t->offsets) &&
	    !vmcoreinfo_symbol(vi, "kallsyms_addresses", &t->addresses))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO does not name the addresses of the symbol table");
	st = kmodel_read_u32(t->km, num, &t->nr_symbols, err);
	if (st == ST_OK && (!t->nr_symbols || t->nr_symbols > MAX_SYMBOLS))
		return err_set(err, ST_BAD_INPUT, "a symbol table of %u symbols makes no sense", t->nr_symbols);
	if (st == ST_OK && vmcoreinfo_symbol(vi, "kallsyms_relative_base", &base))
		st = kmodel_read_u64(t->km, base, &t->relative_base, err);
	if (st != ST_OK)
		return err_wrap(err, st, "symbol table");
	t->window = malloc(READ_AHEAD);
	if (!t->window)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	t->symbols_at = t->names;
	return read_tokens(t, err);
}

static void close_table(struct table *t)
{
	free(t->tokens);
	free(t->window);
}

/* The next byte of the names. The last window may end at an unmapped page, so a short read is tried before giving up. */
static enum status next_byte(struct table *t, uint8_t *byte, struct err *err)
{
	if (t->window_pos == t->window_len) {
		size_t want = READ_AHEAD;
		enum status st;

		t->symbols_at += t->window_len;
		t->window_pos = 0;
		t->window_len = 0;
		do {
			st = kmodel_read(t->km, t->symbols_at, t->window, want, err);
			if (st == ST_OK)
				t->window_len = want;
			want = want > 4096 ? (size_t)(4096 - t->symbols_at % 4096) : 0;
		} while (st != ST_OK && want);
		if (st != ST_OK)
			return st;
	}
	*byte = t->window[t->window_pos++];
	return ST_OK;
}

/* Expand the next name, without its type character. Too long a name is cut: none that anybody looks for is that long. */
static enum status next_name(struct table *t, char name[NAME_MAX_LEN], struct err *err)
{
	size_t len = 0;
	unsigned nr_tokens;
	uint8_t byte;
	bool is_type = true;
	enum status st = next_byte(t, &byte, err);

	if (st != ST_OK)
		return st;
	nr_tokens = byte;
	/* Long names have two length bytes since commit 73bbb94466fd ("kallsyms: support "big" kernel symbols"). */
	if (byte & 0x80) {
		st = next_byte(t, &byte, err);
		nr_tokens = (nr_tokens & 0x7f) | (unsigned)byte << 7;
	}
	for (; st == ST_OK && nr_tokens; nr_tokens--) {
		const char *token;

		st = next_byte(t, &byte, err);
		if (st != ST_OK)
			break;
		if (t->token_index[byte] >= TOKEN_TABLE_MAX)
			return err_set(err, ST_BAD_INPUT, "symbol table: token %u lies outside its table", byte);
		for (token = t->tokens + t->token_index[byte]; *token; token++) {
			if (!is_type && len + 1 < NAME_MAX_LEN)
				name[len++] = *token;
			is_type = false;
		}
	}
	name[len] = '\0';
	return st;
}

struct hit {
	bool found;
	uint32_t index;
};

static enum status find_names(struct table *t, const struct kallsyms_symbol *wanted, size_t nr, struct hit *hits,
			      struct err *err)
{
	char name[NAME_MAX_LEN];
	size_t left = nr;

	for (uint32_t i = 0; i < t->nr_symbols && left; i++) {
		enum status st = next_name(t, name, err);

		if (st != ST_OK)
			return err_wrap(err, st, "symbol %u of the kernel's symbol table", i);
		for (size_t k = 0; k < nr; k++) {
			if (hits[k].found || strcmp(name, wanted[k].name) != 0)
				continue;
			hits[k] = (struct hit){ true, i };
			left--;
		}
	}
	return ST_OK;
}

/* How an entry of kallsyms_offsets becomes an address. */
enum scheme {
	SCHEME_PERCPU,	  /* negative: relative_base - 1 - offset; else absolute (KALLSYMS_ABSOLUTE_PERCPU, up to 6.15) */
	SCHEME_UNSIGNED,  /* relative_base + offset */
	SCHEME_PLACE,	  /* address of the entry + signed offset */
	SCHEME_ADDRESSES, /* kallsyms_addresses: whole addresses */
	SCHEME_COUNT,
};

static enum status resolve(struct table *t, enum scheme scheme, uint32_t index, uint64_t *vaddr, struct err *err)
{
	uint64_t at = t->offsets + (uint64_t)index * 4;
	uint32_t raw;
	enum status st;

	if (scheme == SCHEME_ADDRESSES)
		return kmodel_read_u64(t->km, t->addresses + (uint64_t)index * 8, vaddr, err);
	st = kmodel_read_u32(t->km, at, &raw, err);
	if (st != ST_OK)
		return st;
	if (scheme == SCHEME_PLACE)
		*vaddr = at + (uint64_t)(int64_t)(int32_t)raw;
	else if (scheme == SCHEME_UNSIGNED)
		*vaddr = t->relative_base + raw;
	else
		*vaddr = (int32_t)raw < 0 ? t->relative_base - 1 - (uint64_t)(int64_t)(int32_t)raw : raw;
	return ST_OK;
}

static enum status find_scheme(struct table *t, uint32_t stext_index, enum scheme *scheme, struct err *err)
{
	uint64_t stext, vaddr;

	if (!vmcoreinfo_symbol(t->km->vi, "_stext", &stext))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO has no SYMBOL(_stext)");
	for (int s = 0; s < SCHEME_COUNT; s++) {
		if ((s == SCHEME_ADDRESSES) != !t->offsets)
			continue;
		if (resolve(t, (enum scheme)s, stext_index, &vaddr, NULL) == ST_OK && vaddr == stext) {
			*scheme = (enum scheme)s;
			return ST_OK;
		}
	}
	return err_set(err, ST_BAD_INPUT, "the symbol table's _stext is not where VMCOREINFO says");
}

static enum status lookup(struct table *t, struct kallsyms_symbol *wanted, size_t nr, struct err *err)
{
	_cleanup_free_ struct hit *hits = calloc(nr + 1, sizeof(*hits));
	_cleanup_free_ struct kallsyms_symbol *all = calloc(nr + 1, sizeof(*all));
	enum scheme scheme = SCHEME_PERCPU;
	enum status st;

	if (!hits || !all)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(all, wanted, nr * sizeof(*all));
	all[nr].name = "_stext";
	st = find_names(t, all, nr + 1, hits, err);
	if (st != ST_OK)
		return st;
	if (!hits[nr].found)
		return err_set(err, ST_BAD_INPUT, "the kernel's symbol table has no _stext");
	st = find_scheme(t, hits[nr].index, &scheme, err);
	for (size_t k = 0; st == ST_OK && k < nr; k++) {
		wanted[k].found = hits[k].found;
		if (hits[k].found)
			st = resolve(t, scheme, hits[k].index, &wanted[k].vaddr, err);
	}
	return st;
}

enum status kallsyms_lookup(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr, struct err *err)
{
	struct table t = { .km = km };
	enum status st = open_table(&t, err);

	if (st == ST_OK)
		st = lookup(&t, wanted, nr, err);
	close_table(&t);
	return st;
}
