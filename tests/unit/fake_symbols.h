/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FAKE_SYMBOLS_H
#define TESTS_UNIT_FAKE_SYMBOLS_H

/*
 * A symbol table in a fake kernel, each character a token of its own. Include after cmocka.h.
 *
 *	struct fake_symbols s = { 0 };
 *	fake_symbol(&s, "nr_cpu_ids", vaddr);
 *	fake_symbols_put(&s, fk);			before fake_kernel_open(); _stext comes by itself
 */

#include "tests/unit/fake_kernel.h"

struct fake_symbols {
	uint8_t names[4096];
	size_t names_len;
	uint64_t addresses[64];
	uint32_t nr;
};

static inline void fake_symbol(struct fake_symbols *s, const char *name, uint64_t vaddr)
{
	size_t len = strlen(name);

	assert_true(s->names_len + len + 2 <= sizeof(s->names) && s->nr < ARRAY_SIZE(s->addresses));
	s->names[s->names_len] = (uint8_t)(len + 1);
	s->names[s->names_len + 1] = 'D';
	memcpy(s->names + s->names_len + 2, name, len);
	s->names_len += len + 2;
	s->addresses[s->nr++] = vaddr;
}

static inline void fake_symbols_put(struct fake_symbols *s, struct fake_kernel *fk)
{
	uint64_t at;

	fake_symbol(s, "_stext", FAKE_STEXT);
	at = fake_alloc(fk, 16384);
	for (unsigned i = 0; i < 256; i++) {
		fake_put_u16(fk, at + 4096 + 2 * i, (uint16_t)(2 * i));
		fake_put(fk, at + 2 * i, &(uint8_t){ (uint8_t)i }, 1);
	}
	for (uint32_t i = 0; i < s->nr; i++)
		fake_put_u64(fk, at + 8192 + 8 * i, s->addresses[i]);
	fake_put(fk, at + 12288, s->names, s->names_len);
	fake_put_u32(fk, at + 8192 + 2048, s->nr);
	fake_vi_add(fk, "SYMBOL(kallsyms_token_table)=%llx\nSYMBOL(kallsyms_token_index)=%llx", (unsigned long long)at,
		    (unsigned long long)at + 4096);
	fake_vi_add(fk, "SYMBOL(kallsyms_addresses)=%llx\nSYMBOL(kallsyms_num_syms)=%llx", (unsigned long long)at + 8192,
		    (unsigned long long)at + 8192 + 2048);
	fake_vi_add(fk, "SYMBOL(kallsyms_names)=%llx", (unsigned long long)at + 12288);
}

#endif
