/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_BTF_H
#define KERNEL_BTF_H

#include "kernel/kmodel.h"

/**
 * The kernel's own type information (include/uapi/linux/btf.h), read where it lies in the crashed kernel's memory. Of our own
 * making, for libbpf wants the whole of it in memory at once (6 MB and an index), refuses kinds that it does not know, and
 * brings libelf's full reader along. Here types are walked through small windows; a kind that is newer than this is
 * stepped over. Only names that were asked for are found. Borrows the kmodel.
 */
struct btf;

/**
 * @start, @end: kernel addresses (__start_BTF, __stop_BTF). @names: the structs and enums that will be asked for, at most
 * BTF_MAX_NAMES. ST_BAD_INPUT: no BTF is there, or it is nonsense.
 */
#define BTF_MAX_NAMES 16u
enum status btf_open(struct kmodel *km, uint64_t start, uint64_t end, const char *const *names, size_t nr_names,
		     struct btf **btf, struct err *err) __must_check;
void btf_close(struct btf *btf);

/** Kinds that were stepped over because this does not know them. */
unsigned btf_nr_unknown(const struct btf *btf);

/* Look-ups by name. False where there is no such thing; then *@v is untouched. */
bool btf_struct_size(struct btf *btf, const char *name, uint64_t *v);
/** Bytes from the struct's beginning, looked for in nameless members too; false for bit fields. */
bool btf_offset(struct btf *btf, const char *name, const char *member, uint64_t *v);
/** Elements of a member that is an array. */
bool btf_array_length(struct btf *btf, const char *name, const char *member, uint64_t *v);
bool btf_enumerator(struct btf *btf, const char *name, const char *enumerator, int64_t *v);

static inline void btf_closep(struct btf **btf)
{
	btf_close(*btf);
}

#endif
