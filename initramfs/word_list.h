/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INITRAMFS_WORD_LIST_H
#define INITRAMFS_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/** An ordered list of distinct strings: names of modules, paths. */
struct word_list {
	char **words;
	size_t nr;
};

/** Append a copy of the @len bytes at @word unless they are in the list. */
enum status word_list_add_n(struct word_list *list, const char *word, size_t len, struct err *err) __must_check;
enum status word_list_add(struct word_list *list, const char *word, struct err *err) __must_check;
/** Append each word of @text, which blanks or commas separate. */
enum status word_list_add_all(struct word_list *list, const char *text, struct err *err) __must_check;
bool word_list_has(const struct word_list *list, const char *word);
void word_list_deinit(struct word_list *list);

#endif
