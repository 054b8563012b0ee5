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
#define NAMES_MAX_BYTES (64u * 1024 * 1024) /* a sound table takes some */
#define WINDOW_BYTES (64u * 1024)	    /* holds the longest name that two bytes of length can tell */
#define FILTER_BITS 1024u
#define ALIASES_MAX 64u /* names for one address */

/*
 * Names are looked for by a hash that can be put together token by token, so that none has to be spelled: that of a name
 * is a polynomial of its characters, and what a token does to it is one multiplication and one addition.
 */
#define HASH_BASE UINT64_C(0x9e3779b97f4a7c15)

struct token {
	uint64_t factor, hash;
};

struct table {
	struct kmodel *km;
	uint64_t names, offsets, addresses, relative_base;
	uint32_t nr_symbols;
	struct token tokens[NR_TOKENS];
	uint64_t first_hash[NR_TOKENS]; /* of a name's first token: without the character that tells the symbol's type */
	uint16_t token_index[NR_TOKENS];
	char *token_text; /* TOKEN_TABLE_MAX bytes, ended by a NUL of ours */
	uint64_t next_vaddr; /* of the names' bytes behind the window */
	uint8_t *window;
	size_t window_len, window_pos;
};

/*
 * Names that most runs of the program ask for, in several places: the first look-up finds them all, and no later one needs
 * a pass of its own.
 */
static const char *const common_names[] = {
	"_stext", "_etext", "__start_rodata", "__end_rodata", "_sdata", "_edata", "__bss_start", "__bss_stop", "__per_cpu_start",
	"__per_cpu_end", "__start_bss_decrypted_unused", "__end_bss_decrypted", "__per_cpu_offset", "nr_cpu_ids",
	"crash_notes", "vmcoreinfo_note", "__start_BTF", "__stop_BTF", "mem_section", "iomem_resource",
};

struct kallsyms_cache {
	struct kallsyms_symbol symbols[ARRAY_SIZE(common_names)];
};

static uint64_t hash_of(const char *name)
{
	uint64_t hash = 0;

	while (*name)
		hash = hash * HASH_BASE + (uint8_t)*name++;
	return hash;
}

static enum status make_tokens(struct table *t, struct err *err)
{
	for (unsigned i = 0; i < NR_TOKENS; i++) {
		const char *text = t->token_text + t->token_index[i];
		struct token *token = &t->tokens[i];

		if (t->token_index[i] >= TOKEN_TABLE_MAX)
			return err_set(err, ST_BAD_INPUT, "symbol table: token %u lies outside its table", i);
		*token = (struct token){ 1, hash_of(text) };
		t->first_hash[i] = *text ? hash_of(text + 1) : 0;
		for (size_t k = strlen(text); k; k--)
			token->factor *= HASH_BASE;
	}
	return ST_OK;
}

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
	t->token_text = calloc(1, TOKEN_TABLE_MAX + 1);
	if (!t->token_text)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = kmodel_read(t->km, table, t->token_text, got, err);
	return st == ST_OK ? make_tokens(t, err) : st;
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
	t->window = malloc(WINDOW_BYTES);
	if (!t->window)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	t->next_vaddr = t->names;
	return read_tokens(t, err);
}

static void close_table(struct table *t)
{
	free(t->token_text);
	free(t->window);
}

/* Have @len bytes in the window. The last one may end at an unmapped page, so a short read is tried before giving up. */
static enum status fill_window(struct table *t, size_t len, struct err *err)
{
	size_t left = t->window_len - t->window_pos;

	memmove(t->window, t->window + t->window_pos, left);
	t->window_len = left;
	t->window_pos = 0;
	if (t->next_vaddr - t->names > NAMES_MAX_BYTES)
		return err_set(err, ST_BAD_INPUT, "symbol table: the names have no end");
	while (t->window_len < len) {
		size_t want = WINDOW_BYTES - t->window_len;
		enum status st = kmodel_read(t->km, t->next_vaddr, t->window + t->window_len, want, err);

		if (st != ST_OK) {
			want = (size_t)min_u64(want, 4096 - t->next_vaddr % 4096);
			st = kmodel_read(t->km, t->next_vaddr, t->window + t->window_len, want, err);
		}
		if (st != ST_OK)
			return st;
		t->window_len += want;
		t->next_vaddr += want;
	}
	return ST_OK;
}

/* The next @len bytes of the names: good until the next call. Inline: it is called for hundreds of thousands of names. */
static inline enum status take(struct table *t, size_t len, const uint8_t **bytes, struct err *err)
{
	if (t->window_len - t->window_pos < len) {
		enum status st = fill_window(t, len, err);

		if (st != ST_OK)
			return st;
	}
	*bytes = t->window + t->window_pos;
	t->window_pos += len;
	return ST_OK;
}

struct name {
	const uint8_t *tokens;
	size_t nr;
};

static enum status next_name(struct table *t, struct name *name, struct err *err)
{
	const uint8_t *byte;
	enum status st = take(t, 1, &byte, err);

	if (st != ST_OK)
		return st;
	name->nr = *byte;
	/* Long names have two length bytes since commit 73bbb94466fd ("kallsyms: support "big" kernel symbols"). */
	if (name->nr & 0x80) {
		st = take(t, 1, &byte, err);
		if (st != ST_OK)
			return st;
		name->nr = (name->nr & 0x7f) | (size_t)*byte << 7;
	}
	return take(t, name->nr, &name->tokens, err);
}

static uint64_t hash_of_name(const struct table *t, const struct name *name)
{
	const uint8_t *byte = name->tokens, *end = byte + name->nr;
	uint64_t hash = name->nr ? t->first_hash[*byte++] : 0;

	for (; byte < end; byte++)
		hash = hash * t->tokens[*byte].factor + t->tokens[*byte].hash;
	return hash;
}

/* Spelled out: is it @wanted? */
static bool name_is(const struct table *t, const struct name *name, const char *wanted)
{
	bool is_type = true;

	for (size_t i = 0; i < name->nr; i++)
		for (const char *c = t->token_text + t->token_index[name->tokens[i]]; *c; c++) {
			if (!is_type && *c != *wanted++)
				return false;
			is_type = false;
		}
	return !*wanted;
}

struct hit {
	unsigned nr;
	uint32_t index; /* of the first */
	uint64_t hash;
};

/* One bit for each wanted hash: most names are none of them, and one look tells. */
static bool *filter_bit(bool filter[FILTER_BITS], uint64_t hash)
{
	return &filter[hash >> 54];
}

static enum status find_names(struct table *t, const struct kallsyms_symbol *wanted, size_t nr, bool whole,
			      struct hit *hits, struct err *err)
{
	bool filter[FILTER_BITS] = { false };
	size_t left = nr;

	_Static_assert(FILTER_BITS - 1 == UINT64_MAX >> 54, "the top bits of a hash");
	for (size_t k = 0; k < nr; k++) {
		hits[k].hash = hash_of(wanted[k].name);
		*filter_bit(filter, hits[k].hash) = true;
	}
	for (uint32_t i = 0; i < t->nr_symbols && (left || whole); i++) {
		struct name name;
		uint64_t hash;
		enum status st = next_name(t, &name, err);

		if (st != ST_OK)
			return err_wrap(err, st, "symbol %u of the kernel's symbol table", i);
		hash = hash_of_name(t, &name);
		if (!*filter_bit(filter, hash))
			continue;
		for (size_t k = 0; k < nr; k++) {
			if (hits[k].hash != hash || !name_is(t, &name, wanted[k].name) || hits[k].nr++)
				continue;
			hits[k].index = i;
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

/* Several symbols may stand for one address. */
static uint64_t end_of_object(struct table *t, enum scheme scheme, uint32_t index, uint64_t start)
{
	uint64_t vaddr;

	for (uint32_t i = 1; i <= ALIASES_MAX && i < t->nr_symbols - index; i++) {
		if (resolve(t, scheme, index + i, &vaddr, NULL) != ST_OK || vaddr < start)
			break;
		if (vaddr > start)
			return vaddr;
	}
	return start;
}

static enum status lookup(struct table *t, struct kallsyms_symbol *wanted, size_t nr, bool whole, struct err *err)
{
	_cleanup_free_ struct hit *hits = calloc(nr + 1, sizeof(*hits));
	_cleanup_free_ struct kallsyms_symbol *all = calloc(nr + 1, sizeof(*all));
	enum scheme scheme = SCHEME_PERCPU;
	enum status st;

	if (!hits || !all)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	memcpy(all, wanted, nr * sizeof(*all));
	all[nr].name = "_stext";
	st = find_names(t, all, nr + 1, whole, hits, err);
	if (st != ST_OK)
		return st;
	if (!hits[nr].nr)
		return err_set(err, ST_BAD_INPUT, "the kernel's symbol table has no _stext");
	st = find_scheme(t, hits[nr].index, &scheme, err);
	/* An address that cannot be read is no reason to do without the others. */
	for (size_t k = 0; st == ST_OK && k < nr; k++) {
		wanted[k].found = hits[k].nr && resolve(t, scheme, hits[k].index, &wanted[k].vaddr, NULL) == ST_OK;
		if (!whole || !wanted[k].found)
			continue;
		wanted[k].nr_same = hits[k].nr;
		wanted[k].end_vaddr = end_of_object(t, scheme, hits[k].index, wanted[k].vaddr);
	}
	return st;
}

static bool from_cache(const struct kallsyms_cache *cache, struct kallsyms_symbol *wanted)
{
	for (size_t i = 0; i < ARRAY_SIZE(common_names); i++)
		if (!strcmp(cache->symbols[i].name, wanted->name)) {
			*wanted = cache->symbols[i];
			return true;
		}
	return false;
}

/* One pass for @wanted and, where nobody has looked for them yet, the common names. */
static enum status look_up_all(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr, bool whole, struct err *err)
{
	size_t nr_common = km->symbols ? 0 : ARRAY_SIZE(common_names);
	_cleanup_free_ struct kallsyms_symbol *all = calloc(nr + nr_common, sizeof(*all));
	struct table t = { .km = km };
	enum status st = all ? open_table(&t, err) : err_set(err, ST_NO_MEMORY, "out of memory");

	if (st == ST_OK) {
		memcpy(all, wanted, nr * sizeof(*all));
		for (size_t i = 0; i < nr_common; i++)
			all[nr + i].name = common_names[i];
		st = lookup(&t, all, nr + nr_common, whole, err);
	}
	close_table(&t);
	if (st != ST_OK)
		return st;
	memcpy(wanted, all, nr * sizeof(*all));
	if (nr_common) {
		km->symbols = malloc(sizeof(*km->symbols));
		if (km->symbols)
			memcpy(km->symbols->symbols, all + nr, sizeof(km->symbols->symbols));
	}
	return ST_OK;
}

enum status kallsyms_lookup(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr, struct err *err)
{
	size_t nr_cached = 0;

	while (km->symbols && nr_cached < nr && from_cache(km->symbols, &wanted[nr_cached]))
		nr_cached++;
	return nr_cached < nr ? look_up_all(km, wanted, nr, false, err) : ST_OK;
}

enum status kallsyms_lookup_objects(struct kmodel *km, struct kallsyms_symbol *wanted, size_t nr, struct err *err)
{
	return look_up_all(km, wanted, nr, true, err);
}
