/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPAIR_UNDO_H
#define REPAIR_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "formats/io/rsource.h"
#include "repair/medium.h"

/*
 * The undo copy of a change in place. On the medium, little-endian, at the file's old end rounded up to UNDO_ALIGN:
 *
 *	0  magic (16)            UNDO_MAGIC
 *	16 version (u32)         1
 *	20 nr_patches (u32)
 *	24 old_size (u64)        of the file before
 *	32 record_len (u64)      header and patches
 *	40 body_crc (u32)        CRC-32 of all after the header
 *	44 head_crc (u32)        CRC-32 of the 44 bytes before
 *	48 patches: off (u64), len (u64), old bytes, new bytes
 *
 * The new notes follow; nothing before old_size changes but what the patches name, and the mark, which is written before
 * all else and goes last. Guest memory can look like a record; only the mark says that there is one, for it stands where
 * no guest's byte ever does: behind the main header, where every writer of KDUMP leaves zeros and no reader looks. It lies
 * in one sector with the header:
 *
 *	0  magic (16)            UNDO_MARK_MAGIC
 *	16 old_size (u64)
 *	24 record_len (u64)
 *	32 body_crc (u32)        of the record
 *	36 heads_crc (u32)       CRC-32 of the main header and the sub header as they were
 *	40 block_size (u32)      where the sub header is
 *	44 crc (u32)             of the 44 bytes before
 */
#define UNDO_MAGIC "innercore undo\n"
#define UNDO_MAGIC_LEN 16u
#define UNDO_MARK_OFF 464u
#define UNDO_MARK_MAGIC "innercore mark\n"
#define UNDO_MARK_LEN 48u
#define UNDO_ALIGN 4096u
#define UNDO_HEAD_LEN 48u
#define UNDO_PATCHES_MAX 4u
/** Of a record and the notes behind it; what needs more is not changed in place. */
#define UNDO_TAIL_MAX (UINT64_C(256) << 20)

/** Bytes of the file that change. */
struct patch {
	uint64_t off;
	size_t len;
	const uint8_t *old_bytes, *new_bytes;
};

enum undo_state {
	UNDO_NONE,    /**< no mark: never changed in place, or taken back */
	UNDO_TORN,    /**< cut off within the mark or the copy, or within the end of an undo: nothing else differs */
	UNDO_BEFORE,  /**< the copy is whole, no patch has begun */
	UNDO_BETWEEN, /**< some of the patches are in, or parts of them */
	UNDO_DONE,    /**< all of them */
};

struct undo {
	enum undo_state state;
	uint64_t old_size;   /**< UNDO_NONE: the file's size */
	uint64_t record_off; /**< where there is a record */
	struct patch patches[UNDO_PATCHES_MAX];
	size_t nr_patches;
	uint8_t *record; /**< owned; the patches point into it. NULL in UNDO_NONE and UNDO_TORN */
};

/**
 * Find out what an earlier run left; writes nothing. ST_OK with UNDO_NONE: nothing. ST_BAD_INPUT: a mark whose copy is gone,
 * or that does not fit the file: then nothing may be touched. ST_UNSUPPORTED: somebody else's bytes stand where the mark
 * would. @u is to be released in any case.
 */
enum status undo_find(struct medium *m, struct undo *u, struct err *err) __must_check;
void undo_deinit(struct undo *u);

/**
 * The bytes of @m as a source, which @m and @u outlive: those of the repaired dump (UNDO_DONE), else as undo_roll_back() would
 * leave them, before and after it.
 */
enum status undo_source_open(struct medium *m, const struct undo *u, struct rsource **src, struct err *err) __must_check;

/** Make the file what it was, to the byte. Can itself be cut off anywhere and done again. */
enum status undo_roll_back(struct medium *m, const struct undo *u, struct err *err) __must_check;

/** The record for @patches of a file of @old_size bytes; *@record is freed by the caller. */
enum status undo_encode(uint64_t old_size, const struct patch *patches, size_t nr, uint8_t **record, size_t *len,
			struct err *err) __must_check;

/** The mark for that record; reads the headers of @m, which are still the old ones. */
enum status undo_mark_encode(struct medium *m, const uint8_t *record, uint32_t block_size, uint8_t mark[UNDO_MARK_LEN],
			     struct err *err) __must_check;

/** How long that will be; only the lengths of @patches count. */
uint64_t undo_record_len(const struct patch *patches, size_t nr);
/** Where the record of a file of @old_size bytes begins. */
uint64_t undo_record_off(uint64_t old_size);

#endif
