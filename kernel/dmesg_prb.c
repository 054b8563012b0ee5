// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The printk ring buffer of Linux 5.10 and later (kernel/printk/printk_ringbuffer.h there): a ring of descriptors,
 * beside it a ring of printk_info, and a ring of text blocks. A descriptor's id grows by one for each record and its
 * low bits are the index in the ring; a logical position in the text ring grows likewise by bytes.
 */
#include "kernel/dmesg_internal.h"

#include <stddef.h>
#include <stdlib.h>

/* The kernel allows a log of 2 GiB (LOG_BUF_LEN_MAX) and one descriptor for 32 bytes of it (PRB_AVGBITS). */
#define SIZE_BITS_MAX 31u
#define COUNT_BITS_MAX 26u
/* No structure of the ring comes near this; it keeps index * size far from overflow. */
#define STRUCT_MAX_BYTES 4096u

/* enum desc_state, the top two bits of state_var. */
enum desc_state {
	DESC_RESERVED = 0,  /* being written */
	DESC_COMMITTED = 1, /* written, may be continued */
	DESC_FINALIZED = 2,
	DESC_REUSABLE = 3,
};

/* Values of begin and next with bit 0 set are no positions. */
#define LPOS_FAILED 1u	   /* there was no room for the text */
#define LPOS_EMPTY_LINE 3u /* there was no text; also called NO_LPOS */

/** What VMCOREINFO says of the structures, bytes. */
struct prb_layout {
	uint64_t desc_ring, text_data_ring;
	uint64_t count_bits, descs, infos, head_id, tail_id;
	uint64_t desc_size, state_var, text_blk_lpos;
	uint64_t lpos_begin, lpos_next;
	uint64_t size_bits, data;
	uint64_t info_size, info_seq, info_ts_nsec, info_text_len, info_caller_id;
	uint64_t counter;
};

static const struct layout_key {
	const char *name;
	bool is_size;
	size_t place; /* in struct prb_layout */
} layout_keys[] = {
#define OFFSET_KEY(name, field)                                 \
	{                                                       \
		name, false, offsetof(struct prb_layout, field) \
	}
#define SIZE_KEY(name, field)                                  \
	{                                                      \
		name, true, offsetof(struct prb_layout, field) \
	}
	OFFSET_KEY("printk_ringbuffer.desc_ring", desc_ring),
	OFFSET_KEY("printk_ringbuffer.text_data_ring", text_data_ring),
	OFFSET_KEY("prb_desc_ring.count_bits", count_bits),
	OFFSET_KEY("prb_desc_ring.descs", descs),
	OFFSET_KEY("prb_desc_ring.infos", infos),
	OFFSET_KEY("prb_desc_ring.head_id", head_id),
	OFFSET_KEY("prb_desc_ring.tail_id", tail_id),
	SIZE_KEY("prb_desc", desc_size),
	OFFSET_KEY("prb_desc.state_var", state_var),
	OFFSET_KEY("prb_desc.text_blk_lpos", text_blk_lpos),
	OFFSET_KEY("prb_data_blk_lpos.begin", lpos_begin),
	OFFSET_KEY("prb_data_blk_lpos.next", lpos_next),
	OFFSET_KEY("prb_data_ring.size_bits", size_bits),
	OFFSET_KEY("prb_data_ring.data", data),
	SIZE_KEY("printk_info", info_size),
	OFFSET_KEY("printk_info.seq", info_seq),
	OFFSET_KEY("printk_info.ts_nsec", info_ts_nsec),
	OFFSET_KEY("printk_info.text_len", info_text_len),
	OFFSET_KEY("printk_info.caller_id", info_caller_id),
	OFFSET_KEY("atomic_long_t.counter", counter),
#undef OFFSET_KEY
#undef SIZE_KEY
};

/** The ring buffer of this dump, opened. */
struct prb {
	struct prb_layout at;
	uint32_t count_bits, size_bits;
	uint64_t descs_vaddr, infos_vaddr, data_vaddr;
	uint64_t head_id, tail_id;
	uint64_t word_mask; /* of an unsigned long of the crashed machine */
	uint64_t id_mask;   /* without the two state bits */
	unsigned word_bytes;
	bool shows_caller;
	struct log_window desc_window, info_window, data_window;
};

/** What a descriptor leads to. */
enum found {
	FOUND_TEXT,    /* the record is complete */
	FOUND_NOTHING, /* there is rightly no record: not written yet, recycled, or its text had no room */
	FOUND_BROKEN,  /* there should be one */
};

static enum status read_layout(const struct vmcoreinfo *vi, struct prb_layout *at, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(layout_keys); i++) {
		const struct layout_key *key = &layout_keys[i];
		uint64_t v;
		bool known = key->is_size ? vmcoreinfo_size(vi, key->name, &v) : vmcoreinfo_offset(vi, key->name, &v);

		if (!known)
			return err_set(err, ST_BAD_INPUT, "VMCOREINFO lacks %s(%s)", key->is_size ? "SIZE" : "OFFSET",
				       key->name);
		if (v > STRUCT_MAX_BYTES || (key->is_size && !v))
			return err_set(err, ST_BAD_INPUT, "VMCOREINFO: %s(%s)=%llu makes no sense",
				       key->is_size ? "SIZE" : "OFFSET", key->name, (unsigned long long)v);
		memcpy((char *)at + key->place, &v, sizeof(v));
	}
	return ST_OK;
}

/** The rings' header: where they are and how large. */
static enum status read_geometry(struct prb *prb, uint64_t prb_vaddr, struct err *err)
{
	const struct prb_layout *at = &prb->at;
	uint64_t desc_ring = prb_vaddr + at->desc_ring;
	uint64_t data_ring = prb_vaddr + at->text_data_ring;
	struct log_window *w = &prb->desc_window;
	enum status st;

	st = log_window_u32(w, desc_ring + at->count_bits, &prb->count_bits, err);
	if (st == ST_OK)
		st = log_window_word(w, desc_ring + at->descs, &prb->descs_vaddr, err);
	if (st == ST_OK)
		st = log_window_word(w, desc_ring + at->infos, &prb->infos_vaddr, err);
	if (st == ST_OK)
		st = log_window_word(w, desc_ring + at->head_id + at->counter, &prb->head_id, err);
	if (st == ST_OK)
		st = log_window_word(w, desc_ring + at->tail_id + at->counter, &prb->tail_id, err);
	if (st == ST_OK)
		st = log_window_u32(w, data_ring + at->size_bits, &prb->size_bits, err);
	if (st == ST_OK)
		st = log_window_word(w, data_ring + at->data, &prb->data_vaddr, err);
	return st;
}

static enum status check_geometry(const struct prb *prb, struct err *err)
{
	if (!prb->count_bits || prb->count_bits > COUNT_BITS_MAX || !prb->size_bits || prb->size_bits > SIZE_BITS_MAX)
		return err_set(err, ST_BAD_INPUT, "rings of 2^%u records and 2^%u bytes make no sense", prb->count_bits,
			       prb->size_bits);
	if (((prb->head_id - prb->tail_id) & prb->id_mask) >> prb->count_bits)
		return err_set(err, ST_BAD_INPUT, "head %llu and tail %llu are further apart than 2^%u records",
			       (unsigned long long)prb->head_id, (unsigned long long)prb->tail_id, prb->count_bits);
	return ST_OK;
}

static enum status prb_open(struct prb *prb, struct kmodel *km, struct err *err)
{
	uint64_t symbol, prb_vaddr;
	enum status st;

	log_window_init(&prb->desc_window, km);
	log_window_init(&prb->info_window, km);
	log_window_init(&prb->data_window, km);
	prb->word_bytes = km->pm->is_64bit ? 8 : 4;
	prb->word_mask = km->pm->is_64bit ? UINT64_MAX : UINT32_MAX;
	prb->id_mask = prb->word_mask >> 2;
	if (!vmcoreinfo_symbol(km->vi, "prb", &symbol))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO lacks SYMBOL(prb)");
	st = read_layout(km->vi, &prb->at, err);
	if (st == ST_OK)
		st = log_window_word(&prb->desc_window, symbol, &prb_vaddr, err);
	if (st == ST_OK)
		st = read_geometry(prb, prb_vaddr, err);
	if (st == ST_OK)
		st = check_geometry(prb, err);
	return st;
}

static uint64_t info_vaddr(const struct prb *prb, uint64_t id)
{
	return prb->infos_vaddr + (id & ((UINT64_C(1) << prb->count_bits) - 1)) * prb->at.info_size;
}

static uint64_t desc_vaddr(const struct prb *prb, uint64_t id)
{
	return prb->descs_vaddr + (id & ((UINT64_C(1) << prb->count_bits) - 1)) * prb->at.desc_size;
}

/** Judge a descriptor whose state_var does not hold @id: a writer that got stopped before it could, or nonsense? */
static enum found judge_other_id(const struct prb *prb, uint64_t id, uint64_t state_var)
{
	uint64_t id_wrap_before = (id - (UINT64_C(1) << prb->count_bits)) & prb->id_mask;

	if (!state_var)
		return FOUND_NOTHING; /* never used */
	if ((state_var & prb->id_mask) == id_wrap_before && state_var >> (prb->word_bytes * 8 - 2) == DESC_REUSABLE)
		return FOUND_NOTHING; /* head_id moves before the descriptor is taken */
	return FOUND_BROKEN;
}

/** Where the text of the block [@begin, @next) lies, as an index in the text ring, and how long it is at most. */
static bool locate_block(const struct prb *prb, uint64_t begin, uint64_t next, uint64_t *index, uint64_t *len)
{
	uint64_t size = UINT64_C(1) << prb->size_bits;
	uint64_t begin_wrap = begin >> prb->size_bits;
	uint64_t next_wrap = next >> prb->size_bits;
	uint64_t next_index = next & (size - 1);

	if (begin % prb->word_bytes || next % prb->word_bytes)
		return false;
	if (begin_wrap == next_wrap && begin < next) {
		*index = begin & (size - 1);
		*len = next - begin;
	} else if (((begin + size) & prb->word_mask) >> prb->size_bits == next_wrap) {
		/*
		 * A block that does not fit before the ring's end starts again at index 0; one that ends exactly there
		 * stays where it is (newer kernels only: older ones moved it, and then next_index is not 0).
		 */
		*index = next_index ? 0 : begin & (size - 1);
		*len = next_index ? next_index : size - *index;
	} else {
		return false;
	}
	/* An id stands before the text. */
	if (*len < prb->word_bytes)
		return false;
	*index += prb->word_bytes;
	*len -= prb->word_bytes;
	return true;
}

/** The text of record @id into walk->text; rec->text_len_bytes says how much is needed. */
static enum status read_text(struct prb *prb, struct log_walk *walk, uint64_t id, const uint64_t lpos[2],
			     struct dmesg_record *rec, enum found *found, struct err *err)
{
	uint64_t index, len, block_id;
	enum status st;

	rec->text = walk->text;
	/* As for the kernel's readers: an empty line is a record, a text that had no room is none. */
	if (lpos[0] == lpos[1] && (lpos[0] == LPOS_EMPTY_LINE || lpos[0] == LPOS_FAILED)) {
		rec->text_len_bytes = 0;
		*found = lpos[0] == LPOS_EMPTY_LINE ? FOUND_TEXT : FOUND_NOTHING;
		return ST_OK;
	}
	*found = FOUND_BROKEN;
	if (!locate_block(prb, lpos[0], lpos[1], &index, &len) || rec->text_len_bytes > len)
		return ST_OK;
	st = log_window_word(&prb->data_window, prb->data_vaddr + index - prb->word_bytes, &block_id, err);
	if (st != ST_OK || (block_id & prb->id_mask) != id)
		return st;
	st = log_window_read(&prb->data_window, prb->data_vaddr + index, walk->text, rec->text_len_bytes, err);
	if (st == ST_OK)
		*found = FOUND_TEXT;
	return st;
}

static enum status read_info(struct prb *prb, uint64_t id, struct dmesg_record *rec, struct err *err)
{
	const struct prb_layout *at = &prb->at;
	uint64_t info = info_vaddr(prb, id);
	struct log_window *w = &prb->info_window;
	uint16_t text_len;
	uint8_t tail[2];
	enum status st;

	st = log_window_u64(w, info + at->info_seq, &rec->seq, err);
	if (st == ST_OK)
		st = log_window_u64(w, info + at->info_ts_nsec, &rec->time_ns, err);
	if (st == ST_OK)
		st = log_window_u16(w, info + at->info_text_len, &text_len, err);
	if (st == ST_OK)
		st = log_window_u32(w, info + at->info_caller_id, &rec->caller_id, err);
	if (st == ST_OK)
		st = log_window_read(w, info + at->info_text_len + 2, tail, sizeof(tail), err);
	if (st != ST_OK)
		return st;
	rec->has_seq = true;
	rec->text_len_bytes = text_len;
	rec->has_caller = prb->shows_caller;
	/*
	 * VMCOREINFO does not say where facility and level are (level is a bit field: it has no offset). In every
	 * kernel they are the two bytes between text_len and caller_id, which is aligned to 4; so if exactly two bytes
	 * lie there they can be nothing else.
	 */
	if (at->info_caller_id == at->info_text_len + 4)
		log_decode_level(rec, tail, w->km->pm->order);
	return ST_OK;
}

/** Read record @id whole. Local trouble is FOUND_BROKEN, not an error. */
static enum status read_record(struct prb *prb, struct log_walk *walk, uint64_t id, struct dmesg_record *rec,
			       enum found *found, struct err *err)
{
	uint64_t desc = desc_vaddr(prb, id), state_var, lpos[2];
	uint64_t blk = desc + prb->at.text_blk_lpos;
	struct log_window *w = &prb->desc_window;
	enum desc_state state;
	enum status st;

	*found = FOUND_BROKEN;
	st = log_window_word(w, desc + prb->at.state_var + prb->at.counter, &state_var, err);
	if (st != ST_OK)
		return st;
	if ((state_var & prb->id_mask) != id) {
		*found = judge_other_id(prb, id, state_var);
		return ST_OK;
	}
	state = (enum desc_state)(state_var >> (prb->word_bytes * 8 - 2));
	if (state == DESC_RESERVED || state == DESC_REUSABLE) {
		*found = FOUND_NOTHING;
		return ST_OK;
	}
	st = log_window_word(w, blk + prb->at.lpos_begin, &lpos[0], err);
	if (st == ST_OK)
		st = log_window_word(w, blk + prb->at.lpos_next, &lpos[1], err);
	if (st == ST_OK)
		st = read_info(prb, id, rec, err);
	/* Record numbers and ids grow together, and both begin at index 0. */
	if (st == ST_OK && (rec->seq ^ id) & ((UINT64_C(1) << prb->count_bits) - 1))
		return ST_OK;
	if (st == ST_OK)
		st = read_text(prb, walk, id, lpos, rec, found, err);
	return st;
}

/** The oldest id from which on all text fits LOG_TEXT_MAX. Found backwards: the newest records tell why it crashed. */
static uint64_t first_id_within_budget(struct prb *prb, uint64_t nr)
{
	uint64_t cost = 0;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t id = (prb->head_id - i) & prb->id_mask;
		uint16_t text_len = 0;

		/* One that cannot be read costs no text, and is counted as broken later. */
		if (log_window_u16(&prb->info_window, info_vaddr(prb, id) + prb->at.info_text_len, &text_len, NULL) !=
		    ST_OK)
			text_len = 0;
		cost += text_len + LOG_RECORD_COST_BYTES;
		if (cost > LOG_TEXT_MAX)
			return (id + 1) & prb->id_mask;
	}
	return prb->tail_id & prb->id_mask;
}

static enum status walk_records(struct prb *prb, struct log_walk *walk, struct err *err)
{
	uint64_t nr = ((prb->head_id - prb->tail_id) & prb->id_mask) + 1;
	uint64_t first_id = first_id_within_budget(prb, nr);
	uint64_t nr_too_old = (first_id - prb->tail_id) & prb->id_mask;

	walk->nr_too_old += nr_too_old;
	for (uint64_t i = nr_too_old; i < nr; i++) {
		struct dmesg_record rec = { 0 };
		enum found found;
		enum status st;

		st = read_record(prb, walk, (prb->tail_id + i) & prb->id_mask, &rec, &found, err);
		if (st != ST_OK && !log_trouble_is_local(st))
			return st;
		if (st != ST_OK || found == FOUND_BROKEN)
			walk->nr_broken++;
		else if (found == FOUND_TEXT) {
			walk->nr_records++;
			st = walk->fn(walk->ctx, &rec, err);
			if (st != ST_OK)
				return st;
		}
	}
	return ST_OK;
}

enum status prb_walk(struct log_walk *walk, struct err *err)
{
	struct prb *prb = calloc(1, sizeof(*prb));
	enum status st;

	if (!prb)
		return err_set(err, ST_NO_MEMORY, "no memory for the printk ring buffer's windows");
	st = prb_open(prb, walk->km, err);
	if (st == ST_OK) {
		prb->shows_caller = log_shows_caller(walk->km);
		st = walk_records(prb, walk, err);
	} else {
		st = err_wrap(err, st, "printk ring buffer");
	}
	free(prb);
	return st;
}

/* log_buf_len= of 64 MiB is far beyond what anyone sets; a broken header must not claim all of memory for the log. */
#define AREA_MAX_BYTES (128 * MIB)

static void list_areas(const struct prb *prb, struct kmodel *km, struct range areas[DMESG_MAX_AREAS], size_t *nr)
{
	uint64_t count = UINT64_C(1) << prb->count_bits, size, symbol, header;
	const struct range all[] = {
		{ prb->descs_vaddr, prb->descs_vaddr + count * prb->at.desc_size },
		{ prb->infos_vaddr, prb->infos_vaddr + count * prb->at.info_size },
		{ prb->data_vaddr, prb->data_vaddr + (UINT64_C(1) << prb->size_bits) },
	};

	*nr = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].end > all[i].start && all[i].end - all[i].start <= AREA_MAX_BYTES)
			areas[(*nr)++] = all[i];
	if (vmcoreinfo_size(km->vi, "printk_ringbuffer", &size) && size <= STRUCT_MAX_BYTES &&
	    vmcoreinfo_symbol(km->vi, "prb", &symbol) && kmodel_read_u64(km, symbol, &header, NULL) == ST_OK &&
	    header <= UINT64_MAX - size)
		areas[(*nr)++] = (struct range){ header, header + size };
}

enum status dmesg_areas(struct kmodel *km, struct range areas[DMESG_MAX_AREAS], size_t *nr, struct err *err)
{
	struct prb *prb;
	uint64_t symbol;
	enum status st;

	*nr = 0;
	if (!vmcoreinfo_symbol(km->vi, "prb", &symbol))
		return err_set(err, ST_UNSUPPORTED, "VMCOREINFO lacks SYMBOL(prb)");
	prb = calloc(1, sizeof(*prb));
	if (!prb)
		return err_set(err, ST_NO_MEMORY, "out of memory");
	st = prb_open(prb, km, err);
	if (st == ST_OK)
		list_areas(prb, km, areas, nr);
	free(prb);
	return st;
}
