// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kallsyms.h"
#include "tests/unit/fake_kernel.h"

#define BASE (FAKE_STEXT - 0x1000)

/* A symbol table by hand. Tokens: each character is one; 1 to 4 are some longer ones. */
struct table {
	struct fake_kernel *fk;
	uint8_t names[400000];
	size_t names_len;
	uint32_t offsets[40000];
	uint32_t nr;
	uint64_t names_vaddr;
};

static const char *const long_tokens[] = { "", "T_st", "ex", "tnode_", "Dvm_" };

static struct table *table_new(void)
{
	struct table *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->fk = fake_kernel_new(16 * MIB);
	return t;
}

/* @tokens: bytes, the symbol's type the first character of the first one. @long_length: as two bytes. */
static void add_tokens(struct table *t, const uint8_t *tokens, size_t nr, bool long_length, uint32_t offset)
{
	assert_true(t->names_len + nr + 2 <= sizeof(t->names) && t->nr < ARRAY_SIZE(t->offsets));
	if (long_length) {
		t->names[t->names_len++] = (uint8_t)(nr & 0x7f) | 0x80;
		t->names[t->names_len++] = (uint8_t)(nr >> 7);
	} else {
		t->names[t->names_len++] = (uint8_t)nr;
	}
	memcpy(t->names + t->names_len, tokens, nr);
	t->names_len += nr;
	t->offsets[t->nr++] = offset;
}

static void add_name(struct table *t, const char *name, uint32_t offset)
{
	uint8_t tokens[300] = { 'd' };
	size_t len = strlen(name);

	memcpy(tokens + 1, name, len);
	add_tokens(t, tokens, len + 1, false, offset);
}

static void put_bytes(struct table *t, const char *key, const void *bytes, size_t len)
{
	uint64_t vaddr = fake_alloc(t->fk, len);

	fake_put(t->fk, vaddr, bytes, len);
	fake_vi_add(t->fk, "SYMBOL(kallsyms_%s)=%llx", key, (unsigned long long)vaddr);
	if (!strcmp(key, "names"))
		t->names_vaddr = vaddr;
}

static struct kmodel *table_open(struct table *t)
{
	uint8_t raw[sizeof(t->offsets)], index[512];
	char text[2048];
	size_t len = 0;
	uint64_t tokens, num;

	for (unsigned i = 0; i < 256; i++) {
		put_u16(index + 2 * i, ORDER_LITTLE, (uint16_t)len);
		if (i && i < ARRAY_SIZE(long_tokens))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", long_tokens[i]) + 1;
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%c", (int)(i ? i : '?')) + 1;
	}
	tokens = fake_alloc(t->fk, 8192);
	fake_put(t->fk, tokens, text, len);
	fake_put(t->fk, tokens + 4096, index, sizeof(index));
	fake_vi_add(t->fk, "SYMBOL(kallsyms_token_table)=%llx", (unsigned long long)tokens);
	fake_vi_add(t->fk, "SYMBOL(kallsyms_token_index)=%llx", (unsigned long long)tokens + 4096);
	put_bytes(t, "names", t->names, t->names_len);
	for (uint32_t i = 0; i < t->nr; i++)
		put_u32(raw + 4 * i, ORDER_LITTLE, t->offsets[i]);
	put_bytes(t, "offsets", raw, 4 * t->nr);
	num = fake_alloc(t->fk, 4096);
	fake_put_u32(t->fk, num, t->nr);
	fake_put_u64(t->fk, num + 8, BASE);
	fake_vi_add(t->fk, "SYMBOL(kallsyms_num_syms)=%llx", (unsigned long long)num);
	fake_vi_add(t->fk, "SYMBOL(kallsyms_relative_base)=%llx", (unsigned long long)num + 8);
	return fake_kernel_open(t->fk);
}

static void table_free(struct table *t, struct kmodel *km)
{
	kmodel_close(km);
	fake_kernel_free(t->fk);
	free(t);
}

static void names_are_put_together_from_tokens(void **state)
{
	static const uint8_t stext[] = { 1, 2, 't' };	     /* T_st ex t */
	static const uint8_t node[] = { 'D', 'v', 'm', '_', 3 }; /* not what it looks like: vm_tnode_ */
	static const uint8_t vm[] = { 4, 'n', 'o', 'd', 'e' }; /* Dvm_ node */
	struct table *t = table_new();
	struct kallsyms_symbol s[] = { { .name = "vm_node" }, { .name = "vm_tnode_" }, { .name = "vm_nod" },
				       { .name = "vm_nodes" }, { .name = "Dvm_node" }, { .name = "" } };
	struct kmodel *km;
	struct err err = { 0 };

	add_tokens(t, node, sizeof(node), false, 0x3000);
	add_tokens(t, stext, sizeof(stext), false, 0x1000);
	add_tokens(t, vm, sizeof(vm), false, 0x2000);
	km = table_open(t);
	assert_int_equal(kallsyms_lookup(km, s, ARRAY_SIZE(s), &err), ST_OK);
	assert_true(s[0].found && s[0].vaddr == BASE + 0x2000);
	assert_true(s[1].found && s[1].vaddr == BASE + 0x3000);
	for (size_t i = 2; i < ARRAY_SIZE(s); i++)
		assert_false(s[i].found);
	table_free(t, km);
}

static void long_names_and_many_windows_are_stepped_over(void **state)
{
	struct table *t = table_new();
	uint8_t tokens[299];
	struct kallsyms_symbol s[] = { { .name = "first" }, { .name = "last" } };
	struct kmodel *km;
	struct err err = { 0 };

	add_name(t, "_stext", 0x1000);
	add_name(t, "first", 0x1010);
	memset(tokens, 'x', sizeof(tokens));
	for (uint32_t i = 0; i < 1000; i++)
		add_tokens(t, tokens, sizeof(tokens) - i % 50, true, i);
	add_name(t, "last", 0x1020);
	km = table_open(t);
	assert_int_equal(kallsyms_lookup(km, s, ARRAY_SIZE(s), &err), ST_OK);
	assert_true(s[0].found && s[0].vaddr == BASE + 0x1010);
	assert_true(s[1].found && s[1].vaddr == BASE + 0x1020);
	table_free(t, km);
}

/* What one look-up passed on its way, a later one has without the table. */
static void common_names_are_remembered(void **state)
{
	struct table *t = table_new();
	struct kallsyms_symbol any = { .name = "any" }, common[] = { { .name = "nr_cpu_ids" }, { .name = "crash_notes" } };
	struct kmodel *km;
	struct err err = { 0 };

	add_name(t, "_stext", 0x1000);
	add_name(t, "nr_cpu_ids", 0x1040);
	km = table_open(t);
	assert_int_equal(kallsyms_lookup(km, &any, 1, &err), ST_OK);
	assert_false(any.found);
	fake_hole(t->fk, t->names_vaddr, ST_IO);
	assert_int_equal(kallsyms_lookup(km, common, ARRAY_SIZE(common), &err), ST_OK);
	assert_true(common[0].found && common[0].vaddr == BASE + 0x1040);
	assert_false(common[1].found);
	assert_int_equal(kallsyms_lookup(km, &any, 1, &err), ST_IO);
	table_free(t, km);
}

/* A thread's own kernel may look up while others do, and ends before them. */
static void clones_remember_for_themselves(void **state)
{
	struct table *t = table_new();
	struct kallsyms_symbol s = { .name = "nr_cpu_ids" };
	struct kmodel *km, *clone;
	struct err err = { 0 };

	add_name(t, "_stext", 0x1000);
	add_name(t, "nr_cpu_ids", 0x1040);
	km = table_open(t);
	assert_int_equal(kallsyms_lookup(km, &s, 1, &err), ST_OK);
	assert_int_equal(kmodel_clone(km, &t->fk->pm, &clone, &err), ST_OK);
	for (int i = 0; i < 2; i++) {
		s.found = false;
		assert_int_equal(kallsyms_lookup(clone, &s, 1, &err), ST_OK);
		assert_true(s.found && s.vaddr == BASE + 0x1040);
	}
	kmodel_close(clone);
	s.found = false;
	assert_int_equal(kallsyms_lookup(km, &s, 1, &err), ST_OK);
	assert_true(s.found && s.vaddr == BASE + 0x1040);
	table_free(t, km);
}

static void table_that_is_not_the_kernels_is_refused(void **state)
{
	struct kallsyms_symbol s = { .name = "nr_cpu_ids" };
	struct err err = { 0 };

	/* _stext elsewhere, none at all, names that end in nothing. */
	for (int i = 0; i < 3; i++) {
		struct table *t = table_new();
		struct kmodel *km;

		add_name(t, i == 1 ? "_text" : "_stext", i == 0 ? 0x1008 : 0x1000);
		add_name(t, "nr_cpu_ids", 0x1040);
		if (i == 2)
			t->nr += 30000;
		km = table_open(t);
		assert_int_equal(kallsyms_lookup(km, &s, 1, &err), i == 2 ? ST_NO_DATA : ST_BAD_INPUT);
		assert_false(s.found);
		table_free(t, km);
	}
}

/* Every frame of the names' pages is the same one, and each byte of it asks for as many tokens as can be. */
static void names_without_an_end_are_bounded(void **state)
{
	struct table *t = table_new();
	struct kallsyms_symbol s = { .name = "nr_cpu_ids" };
	uint64_t vaddr = FAKE_HEAP + (UINT64_C(1) << 39), frame;
	struct kmodel *km;
	struct err err = { 0 };

	add_name(t, "_stext", 0x1000);
	frame = fake_alloc_frame(t->fk);
	memset(t->fk->ram + frame, 0xff, FAKE_PAGE);
	for (uint64_t i = 0; i < 20000; i++)
		fake_map(t->fk, vaddr + i * FAKE_PAGE, frame);
	fake_vi_add(t->fk, "SYMBOL(kallsyms_names)=%llx", (unsigned long long)vaddr); /* the first line of a key counts */
	t->nr = 40000;
	km = table_open(t);
	assert_int_equal(kallsyms_lookup(km, &s, 1, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "no end"));
	table_free(t, km);
}

/* To the next symbol that lies elsewhere; a name is counted as often as it occurs, whatever was found before. */
static void objects_end_where_the_next_begins(void **state)
{
	struct table *t = table_new();
	struct kallsyms_symbol s[] = { { .name = "first" }, { .name = "buf.1" }, { .name = "buf" }, { .name = "last" },
				       { .name = "crowd" } };
	struct kmodel *km;
	struct err err = { 0 };

	add_name(t, "_stext", 0x1000);
	add_name(t, "first", 0x1010);
	add_name(t, "alias", 0x1010);
	add_name(t, "buf.1", 0x1018);
	add_name(t, "buf.1", 0x1020);
	add_name(t, "crowd", 0x1030);
	for (int i = 0; i < 70; i++)
		add_name(t, "of_many", 0x1030);
	add_name(t, "last", 0x1040);
	km = table_open(t);
	assert_int_equal(kallsyms_lookup_objects(km, s, ARRAY_SIZE(s), &err), ST_OK);
	assert_true(s[0].found && s[0].nr_same == 1 && s[0].vaddr == BASE + 0x1010 && s[0].end_vaddr == BASE + 0x1018);
	assert_true(s[1].found && s[1].nr_same == 2 && s[1].vaddr == BASE + 0x1018);
	assert_false(s[2].found);
	assert_true(s[3].found && s[3].nr_same == 1 && s[3].end_vaddr == s[3].vaddr); /* nothing lies behind it */
	assert_true(s[4].found && s[4].end_vaddr == s[4].vaddr);		       /* nor within reach */
	table_free(t, km);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_put_together_from_tokens),
		cmocka_unit_test(long_names_and_many_windows_are_stepped_over),
		cmocka_unit_test(common_names_are_remembered),
		cmocka_unit_test(clones_remember_for_themselves),
		cmocka_unit_test(table_that_is_not_the_kernels_is_refused),
		cmocka_unit_test(names_without_an_end_are_bounded),
		cmocka_unit_test(objects_end_where_the_next_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
