// SPDX-License-Identifier: GPL-2.0-or-later
#include "formats/elf/notes.h"

#include <elf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/*
 * libelf reads notes out of an ELF image, so the blob gets the smallest possible one: an ELF header in front. Note headers
 * are three 32-bit words in both classes.
 */
static uint8_t *wrap_in_elf(const void *blob, size_t len, enum byte_order order)
{
	uint8_t *image = calloc(1, sizeof(Elf64_Ehdr) + len);

	if (!image)
		return NULL;
	memcpy(image, ELFMAG, SELFMAG);
	image[EI_CLASS] = ELFCLASS64;
	image[EI_DATA] = order == ORDER_LITTLE ? ELFDATA2LSB : ELFDATA2MSB;
	image[EI_VERSION] = EV_CURRENT;
	put_u16(image + offsetof(Elf64_Ehdr, e_type), order, ET_CORE);
	put_u32(image + offsetof(Elf64_Ehdr, e_version), order, EV_CURRENT);
	memcpy(image + sizeof(Elf64_Ehdr), blob, len);
	return image;
}

static bool emit_note(const uint8_t *blob, const GElf_Nhdr *nhdr, size_t name_off, size_t desc_off,
		      note_fn fn, void *ctx)
{
	struct note note = {
		.type = nhdr->n_type,
		.name = (const char *)blob + name_off,
		.name_len = strnlen((const char *)blob + name_off, nhdr->n_namesz),
		.desc = blob + desc_off,
		.desc_len_bytes = nhdr->n_descsz,
		.desc_off = desc_off,
	};

	return fn(&note, ctx);
}

void notes_for_each(const void *blob, size_t len, enum byte_order order, note_fn fn, void *ctx)
{
	_cleanup_free_ uint8_t *image = NULL;
	Elf_Data *data;
	Elf *elf;

	if (!len || elf_version(EV_CURRENT) == EV_NONE)
		return;
	image = wrap_in_elf(blob, len, order);
	if (!image)
		return;
	elf = elf_memory((char *)image, sizeof(Elf64_Ehdr) + len);
	data = elf ? elf_getdata_rawchunk(elf, sizeof(Elf64_Ehdr), len, ELF_T_NHDR) : NULL;
	if (data) {
		GElf_Nhdr nhdr;
		size_t off = 0, name_off, desc_off, next;

		while ((next = gelf_getnote(data, off, &nhdr, &name_off, &desc_off)) > 0 &&
		       emit_note(blob, &nhdr, name_off, desc_off, fn, ctx))
			off = next;
	}
	elf_end(elf);
}

struct text_search {
	const char *text;
	size_t len;
};

static bool is_named(const struct note *note, const char *name)
{
	return note->name_len == strlen(name) && !memcmp(note->name, name, note->name_len);
}

static bool pick_vmcoreinfo(const struct note *note, void *ctx)
{
	struct text_search *s = ctx;

	if (!is_named(note, "VMCOREINFO"))
		return true;
	s->text = note->desc;
	s->len = note->desc_len_bytes;
	return false;
}

void notes_find_vmcoreinfo(const void *blob, size_t len, enum byte_order order, const char **text, size_t *text_len)
{
	struct text_search s = { 0 };

	notes_for_each(blob, len, order, pick_vmcoreinfo, &s);
	*text = s.text;
	*text_len = s.len;
}

static bool count_note(const struct note *note, void *ctx)
{
	struct note_counts *c = ctx;

	if (is_named(note, "VMCOREINFO"))
		c->nr_vmcoreinfo++;
	else if (is_named(note, "QEMU"))
		c->nr_qemu++;
	else if (note->type == NT_PRSTATUS && note->desc_len_bytes)
		c->nr_prstatus++;
	else if (note->name_len || note->desc_len_bytes)
		c->nr_other++;
	return true;
}

void notes_count(const void *blob, size_t len, enum byte_order order, struct note_counts *counts)
{
	*counts = (struct note_counts){ 0 };
	notes_for_each(blob, len, order, count_note, counts);
}
