/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_MODULE_SYMBOL_H
#define KERNEL_MODULE_SYMBOL_H

#include "kernel/btf.h"
#include "kernel/kmodel.h"

/** Names of structs that module_symbol() asks @btf for. */
#define MODULE_SYMBOL_TYPES "module", "mod_kallsyms"

/**
 * The object @symbol of module @module, by the symbol table that the kernel keeps of each. @modules: address of the list's
 * head, the variable of that name. False: there is no such module or symbol, or two symbols of that name, or the list is
 * nonsense. Bounded.
 */
bool module_symbol(struct kmodel *km, struct btf *btf, uint64_t modules, const char *module, const char *symbol,
		   uint64_t *vaddr, uint64_t *len_bytes);

#endif
