// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/btf.h"

#include <stdlib.h>
#include <string.h>

#define BTF_MAGIC 0xeb9fu
#define HEADER_BYTES 24u	/* magic to str_len; newer ones are longer */
#define HEADER_WITH_LAYOUT 32u	/* and layout_off, layout_len */
#define SECTION_MAX (64u * 1024 * 1024)
#define MAX_TYPES (1024u * 1024)
#define WINDOW_BYTES (64u * 1024)
#define TYPE_BYTES 12u
#define NAME_BYTES 128u
#define MAX_DEPTH 8u	  /* of nameless structs in structs, and of typedefs */
#define MAX_VISITS 512u	  /* nameless members looked into for one name */
#define MAX_MEMBERS 16384u
#define MAX_REFILLS 16384u /* of the windows, 1 GiB: a sound table takes some hundreds */
#define MAX_UNKNOWN 4096u  /* types of a kind that nothing describes */
#define RESYNC_TYPES 32u  /* that must make sense behind an unknown kind */

enum kind {
	KIND_INT = 1, KIND_PTR, KIND_ARRAY, KIND_STRUCT, KIND_UNION, KIND_ENUM, KIND_FWD, KIND_TYPEDEF, KIND_VOLATILE,
	KIND_CONST, KIND_RESTRICT, KIND_FUNC, KIND_FUNC_PROTO, KIND_VAR, KIND_DATASEC, KIND_FLOAT, KIND_DECL_TAG,
	KIND_TYPE_TAG, KIND_ENUM64, KIND_END,
};

/* What follows the 12 bytes that every type has: a fixed part, and a part for each of its vlen elements. */
struct extra {
	uint8_t fixed, each;
};

static const struct extra extras[KIND_END] = {
	[KIND_INT] = { 4, 0 },	      [KIND_ARRAY] = { 12, 0 },	    [KIND_STRUCT] = { 0, 12 }, [KIND_UNION] = { 0, 12 },
	[KIND_ENUM] = { 0, 8 },	      [KIND_FUNC_PROTO] = { 0, 8 }, [KIND_VAR] = { 4, 0 },     [KIND_DATASEC] = { 0, 12 },
	[KIND_DECL_TAG] = { 4, 0 },   [KIND_ENUM64] = { 0, 12 },
};

struct type {
	uint32_t name_off, vlen, size_or_type;
	unsigned kind;
	bool kind_flag;
	uint32_t at; /* of what follows, in the type section */
};

struct window {
	uint64_t vaddr; /* of bytes[0] */
	size_t len;
	uint8_t *bytes;
};

struct named {
	const char *name;
	size_t len;
	uint32_t name_off;   /* 0: no such string */
	uint32_t struct_at, enum_at; /* in the type section; UINT32_MAX: none */
};

struct btf {
	struct kmodel *km;
	uint64_t types_vaddr, strings_vaddr, layout_vaddr;
	uint32_t types_len, strings_len, layout_len;
	struct window types, strings;
	struct named named[BTF_MAX_NAMES];
	size_t nr_named;
	uint32_t *at_of_id;  /* where each type begins; id 0 is void */
	uint32_t nr_ids;     /* in use, void included */
	unsigned nr_unknown, nr_refills;
};

/* @len bytes at @off of a section of @section_len bytes, through its window; NULL where they are not there. */
static const uint8_t *peek(struct btf *b, struct window *w, uint64_t section_vaddr, uint32_t section_len, uint64_t off,
			   size_t len)
{
	uint64_t vaddr = section_vaddr + off;
	size_t want;

	if (len > WINDOW_BYTES || !span_within(off, len, section_len))
		return NULL;
	if (vaddr >= w->vaddr && span_within(vaddr - w->vaddr, len, w->len))
		return w->bytes + (vaddr - w->vaddr);
	if (++b->nr_refills > MAX_REFILLS)
		return NULL;
	want = (size_t)min_u64(WINDOW_BYTES, section_len - off);
	w->len = 0;
	if (kmodel_read(b->km, vaddr, w->bytes, want, NULL) != ST_OK) {
		want = len; /* a hole behind it is no reason to give up */
		if (kmodel_read(b->km, vaddr, w->bytes, want, NULL) != ST_OK)
			return NULL;
	}
	w->vaddr = vaddr;
	w->len = want;
	return w->bytes;
}

static const uint8_t *peek_types(struct btf *b, uint64_t off, size_t len)
{
	return peek(b, &b->types, b->types_vaddr, b->types_len, off, len);
}

static uint32_t u32_at(const struct btf *b, const uint8_t *p)
{
	return get_u32(p, b->km->pm->order);
}

static bool read_type(struct btf *b, uint32_t at, struct type *t)
{
	const uint8_t *p = peek_types(b, at, TYPE_BYTES);
	uint32_t info;

	if (!p)
		return false;
	info = u32_at(b, p + 4);
	/*
	 * Up to now 16 bits of vlen and 5 of kind are in use and those beside them are zero: reading the wider fields of
	 * newer kernels is right for all.
	 */
	*t = (struct type){ .name_off = u32_at(b, p), .vlen = info & 0xffffff, .kind = info >> 24 & 0x7f,
			    .kind_flag = info >> 31, .size_or_type = u32_at(b, p + 8), .at = at + TYPE_BYTES };
	return t->name_off < b->strings_len && t->kind;
}

static uint64_t extra_bytes(const struct extra *e, const struct type *t)
{
	return e->fixed + (uint64_t)e->each * t->vlen;
}

/* Newer BTF describes its own kinds: 4 bytes each, the sizes of the fixed part and of an element first. */
static bool layout_extra(struct btf *b, unsigned kind, struct extra *e)
{
	uint8_t raw[4];

	if (!span_within((uint64_t)kind * sizeof(raw), sizeof(raw), b->layout_len) ||
	    kmodel_read(b->km, b->layout_vaddr + kind * sizeof(raw), raw, sizeof(raw), NULL) != ST_OK)
		return false;
	*e = (struct extra){ raw[0], raw[1] };
	return true;
}

/* Do the types from @at on make sense for a while, up to the very end of the section? */
static bool makes_sense(struct btf *b, uint64_t at)
{
	for (unsigned i = 0; i < RESYNC_TYPES && at != b->types_len; i++) {
		struct type t;

		if (at > b->types_len || !read_type(b, (uint32_t)at, &t))
			return false;
		if (t.kind >= KIND_END)
			return i > 0; /* the next unknown one */
		at = t.at + extra_bytes(&extras[t.kind], &t);
	}
	return true;
}

static bool skip_unknown(struct btf *b, const struct type *t, uint64_t *next)
{
	static const struct extra guesses[] = { { 0, 0 }, { 4, 0 }, { 8, 0 }, { 12, 0 }, { 0, 4 }, { 0, 8 }, { 0, 12 },
						{ 0, 16 }, { 16, 0 } };
	struct extra e;

	if (++b->nr_unknown > MAX_UNKNOWN)
		return false;
	if (layout_extra(b, t->kind, &e)) {
		*next = t->at + extra_bytes(&e, t);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		*next = t->at + extra_bytes(&guesses[i], t);
		if (makes_sense(b, *next))
			return true;
	}
	return false;
}

static void note_named(struct btf *b, const struct type *t)
{
	if (t->kind != KIND_STRUCT && t->kind != KIND_ENUM && t->kind != KIND_ENUM64)
		return;
	for (size_t i = 0; i < b->nr_named; i++) {
		struct named *n = &b->named[i];

		if (!n->name_off || n->name_off != t->name_off)
			continue;
		if (t->kind == KIND_STRUCT && n->struct_at == UINT32_MAX)
			n->struct_at = t->at - TYPE_BYTES;
		else if (t->kind != KIND_STRUCT && t->vlen && n->enum_at == UINT32_MAX)
			n->enum_at = t->at - TYPE_BYTES;
	}
}

static enum status add_id(struct btf *b, uint32_t at, struct err *err)
{
	if (b->nr_ids >= MAX_TYPES)
		return err_set(err, ST_BAD_INPUT, "BTF of more than %u types makes no sense", MAX_TYPES);
	if (!(b->nr_ids & (b->nr_ids - 1))) {
		uint32_t *bigger = realloc(b->at_of_id, (size_t)b->nr_ids * 2 * sizeof(*bigger));

		if (!bigger)
			return err_set(err, ST_NO_MEMORY, "out of memory");
		b->at_of_id = bigger;
	}
	b->at_of_id[b->nr_ids++] = at;
	return ST_OK;
}

/* One pass over all types. What cannot be stepped over ends it: the ids before that are good. */
static enum status index_types(struct btf *b, struct err *err)
{
	uint64_t at = 0;

	b->at_of_id = calloc(1, sizeof(*b->at_of_id));
	if (!b->at_of_id)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	b->at_of_id[0] = UINT32_MAX;
	b->nr_ids = 1;
	while (at < b->types_len) {
		struct type t;
		enum status st;

		if (!read_type(b, (uint32_t)at, &t))
			break;
		st = add_id(b, (uint32_t)at, err);
		if (st != ST_OK)
			return st;
		note_named(b, &t);
		if (t.kind < KIND_END)
			at = t.at + extra_bytes(&extras[t.kind], &t);
		else if (!skip_unknown(b, &t, &at))
			break;
	}
	if (b->nr_ids == 1)
		return err_set(err, ST_BAD_INPUT, "the kernel's BTF holds no type");
	return ST_OK;
}

static void note_string(struct btf *b, const char *s, size_t len, uint32_t off)
{
	for (size_t i = 0; i < b->nr_named; i++)
		if (b->named[i].len == len && !b->named[i].name_off && !memcmp(b->named[i].name, s, len))
			b->named[i].name_off = off;
}

/* Where in the string section the wanted names are. */
static void find_strings(struct btf *b)
{
	uint64_t off = 0;

	while (off < b->strings_len) {
		size_t len = (size_t)min_u64(WINDOW_BYTES, b->strings_len - off);
		const uint8_t *p = peek(b, &b->strings, b->strings_vaddr, b->strings_len, off, len);
		size_t start = 0;

		if (!p)
			return;
		for (;;) {
			const uint8_t *end = memchr(p + start, 0, len - start);

			if (!end)
				break;
			note_string(b, (const char *)p + start, (size_t)(end - p) - start, (uint32_t)(off + start));
			start = (size_t)(end - p) + 1;
			if (start >= len)
				break;
		}
		off += start ? start : len; /* one that fills a window is nothing that we look for */
	}
}

static bool string_is(struct btf *b, uint32_t off, const char *name)
{
	size_t len = strlen(name) + 1;
	const uint8_t *p = peek(b, &b->strings, b->strings_vaddr, b->strings_len, off, len);

	return p && !memcmp(p, name, len);
}

static enum status read_header(struct btf *b, uint64_t start, uint64_t end, struct err *err)
{
	uint8_t raw[HEADER_WITH_LAYOUT] = { 0 };
	uint64_t len = end - start, body;
	uint32_t header_len, type_off, str_off;
	enum status st;

	if (end <= start || len < sizeof(raw) || len > SECTION_MAX)
		return err_set(err, ST_BAD_INPUT, "the kernel's BTF has no sensible size");
	st = kmodel_read(b->km, start, raw, sizeof(raw), err);
	if (st != ST_OK)
		return err_wrap(err, st, "BTF");
	header_len = u32_at(b, raw + 4);
	type_off = u32_at(b, raw + 8);
	b->types_len = u32_at(b, raw + 12);
	str_off = u32_at(b, raw + 16);
	b->strings_len = u32_at(b, raw + 20);
	if (get_u16(raw, b->km->pm->order) != BTF_MAGIC || header_len < HEADER_BYTES || header_len > len)
		return err_set(err, ST_BAD_INPUT, "the kernel's BTF has no header");
	body = len - header_len;
	if (!span_within(type_off, b->types_len, body) || !span_within(str_off, b->strings_len, body))
		return err_set(err, ST_BAD_INPUT, "the kernel's BTF runs over its own end");
	b->types_vaddr = start + header_len + type_off;
	b->strings_vaddr = start + header_len + str_off;
	if (header_len >= HEADER_WITH_LAYOUT && span_within(u32_at(b, raw + 24), u32_at(b, raw + 28), body)) {
		b->layout_vaddr = start + header_len + u32_at(b, raw + 24);
		b->layout_len = u32_at(b, raw + 28);
	}
	return ST_OK;
}

enum status btf_open(struct kmodel *km, uint64_t start, uint64_t end, const char *const *names, size_t nr_names,
		     struct btf **out, struct err *err)
{
	struct btf *b = calloc(1, sizeof(*b));
	enum status st;

	if (!b)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	b->km = km;
	b->types.bytes = malloc(WINDOW_BYTES);
	b->strings.bytes = malloc(WINDOW_BYTES);
	for (; b->nr_named < nr_names && b->nr_named < BTF_MAX_NAMES; b->nr_named++)
		b->named[b->nr_named] = (struct named){ names[b->nr_named], strlen(names[b->nr_named]), 0, UINT32_MAX,
								 UINT32_MAX };
	st = b->types.bytes && b->strings.bytes ? read_header(b, start, end, err) :
						  err_set(err, ST_NO_MEMORY, "out of memory");
	if (st == ST_OK) {
		find_strings(b);
		st = index_types(b, err);
	}
	if (st != ST_OK) {
		btf_close(b);
		return st;
	}
	*out = b;
	return ST_OK;
}

void btf_close(struct btf *b)
{
	if (!b)
		return;
	free(b->types.bytes);
	free(b->strings.bytes);
	free(b->at_of_id);
	free(b);
}

unsigned btf_nr_unknown(const struct btf *b)
{
	return b->nr_unknown;
}

static bool find_named(struct btf *b, const char *name, bool is_enum, struct type *t)
{
	for (size_t i = 0; i < b->nr_named; i++) {
		uint32_t at = is_enum ? b->named[i].enum_at : b->named[i].struct_at;

		if (!strcmp(b->named[i].name, name))
			return at != UINT32_MAX && read_type(b, at, t);
	}
	return false;
}

bool btf_struct_size(struct btf *b, const char *name, uint64_t *v)
{
	struct type t;

	if (!find_named(b, name, false, &t))
		return false;
	*v = t.size_or_type;
	return true;
}

struct member {
	uint64_t bit_off;
	bool is_bit_field;
	uint32_t type_id;
};

static bool read_type_of_id(struct btf *b, uint32_t id, struct type *t)
{
	return id && id < b->nr_ids && read_type(b, b->at_of_id[id], t);
}

/* The type behind typedefs and qualifiers. */
static bool resolve_type(struct btf *b, uint32_t id, struct type *t)
{
	for (unsigned i = 0; i < MAX_DEPTH; i++) {
		if (!read_type_of_id(b, id, t))
			return false;
		if (t->kind != KIND_TYPEDEF && t->kind != KIND_VOLATILE && t->kind != KIND_CONST &&
		    t->kind != KIND_RESTRICT && t->kind != KIND_TYPE_TAG)
			return true;
		id = t->size_or_type;
	}
	return false;
}

static bool find_member(struct btf *b, const struct type *t, const char *name, unsigned depth, unsigned *visits,
			struct member *m)
{
	if ((t->kind != KIND_STRUCT && t->kind != KIND_UNION) || depth > MAX_DEPTH || t->vlen > MAX_MEMBERS)
		return false;
	for (uint32_t i = 0; i < t->vlen; i++) {
		const uint8_t *p = peek_types(b, t->at + (uint64_t)i * 12, 12);
		uint32_t name_off, off;
		struct type inner;

		if (!p)
			return false;
		name_off = u32_at(b, p);
		m->type_id = u32_at(b, p + 4);
		off = u32_at(b, p + 8);
		m->bit_off = t->kind_flag ? off & 0xffffff : off;
		m->is_bit_field = t->kind_flag && off >> 24;
		if (name_off) {
			if (string_is(b, name_off, name))
				return true;
			continue;
		}
		if (++*visits > MAX_VISITS || !resolve_type(b, m->type_id, &inner))
			continue;
		off = (uint32_t)m->bit_off;
		if (find_member(b, &inner, name, depth + 1, visits, m)) {
			m->bit_off += off;
			return true;
		}
	}
	return false;
}

static bool member_of(struct btf *b, const char *name, const char *member, struct member *m)
{
	unsigned visits = 0;
	struct type t;

	return find_named(b, name, false, &t) && find_member(b, &t, member, 0, &visits, m);
}

bool btf_offset(struct btf *b, const char *name, const char *member, uint64_t *v)
{
	struct member m;

	if (!member_of(b, name, member, &m) || m.is_bit_field || m.bit_off % 8)
		return false;
	*v = m.bit_off / 8;
	return true;
}

bool btf_array_length(struct btf *b, const char *name, const char *member, uint64_t *v)
{
	struct member m;
	struct type t;
	const uint8_t *p;

	if (!member_of(b, name, member, &m) || !resolve_type(b, m.type_id, &t) || t.kind != KIND_ARRAY)
		return false;
	p = peek_types(b, t.at, 12);
	if (!p)
		return false;
	*v = u32_at(b, p + 8);
	return true;
}

bool btf_enumerator(struct btf *b, const char *name, const char *enumerator, int64_t *v)
{
	struct type t;
	size_t each;

	if (!find_named(b, name, true, &t) || t.vlen > MAX_MEMBERS)
		return false;
	each = t.kind == KIND_ENUM64 ? 12 : 8;
	for (uint32_t i = 0; i < t.vlen; i++) {
		const uint8_t *p = peek_types(b, t.at + (uint64_t)i * each, each);

		if (!p)
			return false;
		if (!string_is(b, u32_at(b, p), enumerator))
			continue;
		/* string_is() has not moved the types' window. */
		if (each == 12)
			*v = (int64_t)((uint64_t)u32_at(b, p + 8) << 32 | u32_at(b, p + 4));
		else if (t.kind_flag)
			*v = (int32_t)u32_at(b, p + 4);
		else
			*v = u32_at(b, p + 4);
		return true;
	}
	return false;
}
