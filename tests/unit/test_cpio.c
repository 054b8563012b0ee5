// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/file.h"
#include "initramfs/cpio.h"
#include "initramfs/loadable.h"
#include "temp_dir.h"

static void make(struct cpio *c)
{
	struct err err;

	assert_int_equal(cpio_add_dir(c, "etc", 0755, &err), ST_OK);
	assert_int_equal(cpio_add_file(c, "etc/a", 0644, "hello\n", 6, &err), ST_OK);
	assert_int_equal(cpio_add_file(c, "etc/empty", 0600, "", 0, &err), ST_OK);
	assert_int_equal(cpio_add_char_device(c, "console", 0600, 5, 1, &err), ST_OK);
	assert_int_equal(cpio_add_file(c, "init", 0755, "\177ELF", 4, &err), ST_OK);
	assert_int_equal(cpio_finish(c, &err), ST_OK);
}

/* The judge is cpio(1). */
static void cpio_lists_and_unpacks_it(void **state)
{
	struct temp_dir *t = *state;
	char command[PATH_MAX + 128], text[4096];
	struct cpio c = { 0 };

	make(&c);
	temp_write(t, "a.cpio", c.data, c.len_bytes);
	cpio_deinit(&c);
	snprintf(command, sizeof(command), "cd %s && cpio --quiet -t <a.cpio", t->path);
	assert_string_equal(temp_shell(command, text, sizeof(text)), "etc\netc/a\netc/empty\nconsole\ninit\n");
	snprintf(command, sizeof(command), "cd %s && LC_ALL=C TZ=UTC cpio --quiet -n -tv <a.cpio", t->path);
	temp_shell(command, text, sizeof(text));
	assert_non_null(strstr(text, "drwxr-xr-x   2 0        0               0 Jan  1  1970 etc\n"));
	assert_non_null(strstr(text, "-rw-r--r--   1 0        0               6 Jan  1  1970 etc/a\n"));
	assert_non_null(strstr(text, "crw-------   1 0        0          5,   1 Jan  1  1970 console\n"));
	snprintf(command, sizeof(command),
		 "cd %s && mkdir out && cd out && cpio --quiet -i etc etc/a init <../a.cpio && "
		 "cat etc/a && od -An -tx1 init",
		 t->path);
	assert_string_equal(temp_shell(command, text, sizeof(text)), "hello\n 7f 45 4c 46\n");
}

static void same_calls_same_bytes(void **state)
{
	struct cpio a = { 0 }, b = { 0 };

	make(&a);
	make(&b);
	assert_int_equal(a.len_bytes, b.len_bytes);
	assert_memory_equal(a.data, b.data, a.len_bytes);
	assert_int_equal(a.len_bytes % 512, 0);
	cpio_deinit(&a);
	cpio_deinit(&b);
}

static void large_files_grow_it(void **state)
{
	static uint8_t data[300001];
	struct cpio c = { 0 };
	struct err err;

	memset(data, 7, sizeof(data));
	for (int i = 0; i < 10; i++)
		assert_int_equal(cpio_add_file(&c, "f", 0644, data, sizeof(data), &err), ST_OK);
	assert_int_equal(c.len_bytes, 10 * (112 + 300004));
	cpio_deinit(&c);
	cpio_deinit(NULL);
}

/* --- loadable_trim() ------------------------------------------------------------------------------------------------
 */

struct program {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	uint8_t rest[1000];
};

static struct program program(void)
{
	struct program p = {
		.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_DYN,
			.e_phoff = offsetof(struct program, ph),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
			.e_shoff = 900,
			.e_shnum = 5,
			.e_shstrndx = 4 },
		.ph = { { .p_type = PT_LOAD, .p_filesz = 500 },
			{ .p_type = PT_NOTE, .p_offset = 100, .p_filesz = 10 } },
	};

	return p;
}

static void trims_what_is_not_loaded(void **state)
{
	struct program p = program();
	size_t len = sizeof(p);
	struct err err;

	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_OK);
	assert_int_equal(len, 500);
	assert_int_equal(p.eh.e_shoff, 0);
	assert_int_equal(p.eh.e_shnum, 0);
	assert_int_equal(p.eh.e_shstrndx, SHN_UNDEF);
}

static void refuses_what_cannot_be_init(void **state)
{
	struct program p = program();
	size_t len = sizeof(p);
	struct err err;

	p.ph[1].p_type = PT_INTERP;
	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "static"));
	p = program();
	p.ph[0].p_filesz = UINT64_MAX - 10;
	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_BAD_INPUT);
	p = program();
	p.eh.e_phoff = UINT64_MAX - 8;
	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_BAD_INPUT);
	p = program();
	p.eh.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_BAD_INPUT);
	len = 10;
	assert_int_equal(loadable_trim((uint8_t *)&p, &len, &err), ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_temp_dir(cpio_lists_and_unpacks_it),
		cmocka_unit_test(same_calls_same_bytes),
		cmocka_unit_test(large_files_grow_it),
		cmocka_unit_test(trims_what_is_not_loaded),
		cmocka_unit_test(refuses_what_cannot_be_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
