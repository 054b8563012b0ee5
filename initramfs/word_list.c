// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/word_list.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4096
#define SEPARATORS " \t,"

static bool has_n(const struct word_list *list, const char *word, size_t len)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strlen(list->words[i]) == len && memcmp(list->words[i], word, len) == 0)
			return true;
	return false;
}

bool word_list_has(const struct word_list *list, const char *word)
{
	return has_n(list, word, strlen(word));
}

enum status word_list_add_n(struct word_list *list, const char *word, size_t len, struct err *err)
{
	char **words;

	if (has_n(list, word, len))
		return ST_OK;
	if (list->nr >= WORDS_MAX)
		return err_set(err, ST_BAD_INPUT, "more than %d names", WORDS_MAX);
	words = realloc(list->words, (list->nr + 1) * sizeof(*words));
	if (!words)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	list->words = words;
	words[list->nr] = strndup(word, len);
	if (!words[list->nr])
		return err_set(err, ST_NO_MEMORY, "out of memory");
	list->nr++;
	return ST_OK;
}

enum status word_list_add(struct word_list *list, const char *word, struct err *err)
{
	return word_list_add_n(list, word, strlen(word), err);
}

enum status word_list_add_all(struct word_list *list, const char *text, struct err *err)
{
	enum status st = ST_OK;

	for (text += strspn(text, SEPARATORS); *text && st == ST_OK; text += strspn(text, SEPARATORS)) {
		size_t n = strcspn(text, SEPARATORS);

		st = word_list_add_n(list, text, n, err);
		text += n;
	}
	return st;
}

void word_list_deinit(struct word_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->nr; i++)
		free(list->words[i]);
	free(list->words);
	*list = (struct word_list){ 0 };
}
