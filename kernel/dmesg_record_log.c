// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log of Linux 3.5 to 5.9: records of variable length in one buffer, each beginning with struct printk_log (struct
 * log before 3.11). log_first_idx and log_next_idx are byte indexes. A record whose length is 0 says that the next one
 * is at the buffer's start.
 */
#include "kernel/dmesg_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* The kernel's own bounds: LOG_BUF_LEN_MAX, and a buffer that holds at least some lines. */
#define BUF_MAX_BYTES (2 * GIB)
#define BUF_MIN_BYTES 1024u
#define HEADER_MAX_BYTES 256u

struct record_log {
	uint64_t header_size, at_ts_nsec, at_len, at_text_len, at_dict_len, at_caller_id;
	bool has_caller;
	uint64_t buf_vaddr;
	uint32_t buf_len_bytes, first_idx, next_idx;
	struct log_window window;
};

/** OFFSET(printk_log.@field), or OFFSET(log.@field) as it was called before 3.11. */
static bool log_offset(const struct vmcoreinfo *vi, const char *field, uint64_t *v)
{
	char name[64];

	snprintf(name, sizeof(name), "printk_log.%s", field);
	if (vmcoreinfo_offset(vi, name, v))
		return true;
	snprintf(name, sizeof(name), "log.%s", field);
	return vmcoreinfo_offset(vi, name, v);
}

static enum status read_layout(const struct vmcoreinfo *vi, struct record_log *log, struct err *err)
{
	if (!vmcoreinfo_size(vi, "printk_log", &log->header_size) && !vmcoreinfo_size(vi, "log", &log->header_size))
		return err_set(err, ST_UNSUPPORTED, "a kernel before 3.5 with a log of plain text");
	if (!log_offset(vi, "ts_nsec", &log->at_ts_nsec) || !log_offset(vi, "len", &log->at_len) ||
	    !log_offset(vi, "text_len", &log->at_text_len) || !log_offset(vi, "dict_len", &log->at_dict_len))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO lacks an OFFSET of struct printk_log");
	/* Unlike in struct printk_info the field is only there with PRINTK_CALLER. */
	log->has_caller = log_offset(vi, "caller_id", &log->at_caller_id);
	if (log->header_size > HEADER_MAX_BYTES || !span_within(log->at_ts_nsec, 8, log->header_size) ||
	    !span_within(log->at_len, 2, log->header_size) || !span_within(log->at_text_len, 2, log->header_size) ||
	    !span_within(log->at_dict_len, 4, log->header_size) ||
	    (log->has_caller && !span_within(log->at_caller_id, 4, log->header_size)))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO: the layout of struct printk_log makes no sense");
	return ST_OK;
}

static enum status read_symbol_u32(struct record_log *log, struct kmodel *km, const char *name, uint32_t *v,
				   struct err *err)
{
	uint64_t vaddr;

	if (!vmcoreinfo_symbol(km->vi, name, &vaddr))
		return err_set(err, ST_BAD_INPUT, "VMCOREINFO lacks SYMBOL(%s)", name);
	return log_window_u32(&log->window, vaddr, v, err);
}

static enum status record_log_open(struct record_log *log, struct kmodel *km, struct err *err)
{
	uint64_t symbol;
	enum status st;

	log_window_init(&log->window, km);
	if (!vmcoreinfo_symbol(km->vi, "log_buf", &symbol))
		return err_set(err, ST_NOT_FOUND, "VMCOREINFO lacks SYMBOL(log_buf)");
	st = read_layout(km->vi, log, err);
	if (st == ST_OK)
		st = log_window_word(&log->window, symbol, &log->buf_vaddr, err);
	if (st == ST_OK)
		st = read_symbol_u32(log, km, "log_buf_len", &log->buf_len_bytes, err);
	if (st == ST_OK)
		st = read_symbol_u32(log, km, "log_first_idx", &log->first_idx, err);
	if (st == ST_OK)
		st = read_symbol_u32(log, km, "log_next_idx", &log->next_idx, err);
	if (st != ST_OK)
		return st;
	if (log->buf_len_bytes < BUF_MIN_BYTES || log->buf_len_bytes > BUF_MAX_BYTES ||
	    log->first_idx >= log->buf_len_bytes || log->next_idx >= log->buf_len_bytes)
		return err_set(err, ST_BAD_INPUT, "a buffer of %u bytes with records from %u to %u makes no sense",
			       log->buf_len_bytes, log->first_idx, log->next_idx);
	return ST_OK;
}

/** Decode the header at @idx of the buffer. *@len is the distance to the next record, 0 for "go to the start". */
static enum status read_header(struct record_log *log, uint32_t idx, struct dmesg_record *rec, uint16_t *len,
			       struct err *err)
{
	enum byte_order order = log->window.km->pm->order;
	uint8_t header[HEADER_MAX_BYTES];
	enum status st = log_window_read(&log->window, log->buf_vaddr + idx, header, log->header_size, err);

	if (st != ST_OK)
		return st;
	*len = get_u16(header + log->at_len, order);
	rec->time_ns = get_u64(header + log->at_ts_nsec, order);
	rec->text_len_bytes = get_u16(header + log->at_text_len, order);
	log_decode_level(rec, header + log->at_dict_len + 2, order);
	rec->has_caller = log->has_caller;
	if (log->has_caller)
		rec->caller_id = get_u32(header + log->at_caller_id, order);
	return ST_OK;
}

/** Bytes from @idx to the end of the newest record, going round. */
static uint64_t bytes_left(const struct record_log *log, uint32_t idx)
{
	return idx <= log->next_idx ? log->next_idx - idx : (uint64_t)log->buf_len_bytes - idx + log->next_idx;
}

static enum status deliver(struct record_log *log, struct log_walk *walk, uint32_t idx, struct dmesg_record *rec,
			   struct err *err)
{
	enum status st;

	if (bytes_left(log, idx) > LOG_TEXT_MAX) {
		walk->nr_too_old++;
		return ST_OK;
	}
	st = log_window_read(&log->window, log->buf_vaddr + idx + log->header_size, walk->text, rec->text_len_bytes,
			     err);
	if (log_trouble_is_local(st)) {
		walk->nr_broken++;
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	rec->text = walk->text;
	walk->nr_records++;
	return walk->fn(walk->ctx, rec, err);
}

/**
 * Records only name their successors, so a header that cannot be believed ends the walk where it is: what follows
 * cannot be found. Each step takes at least a header's bytes out of @budget: a chain that bites its tail ends.
 */
static enum status walk_records(struct record_log *log, struct log_walk *walk, struct err *err)
{
	uint64_t budget = log->buf_len_bytes;
	uint32_t idx = log->first_idx;
	bool wrapped = false;

	while (idx != log->next_idx) {
		struct dmesg_record rec = { 0 };
		uint16_t len = 0;
		enum status st = ST_BAD_INPUT;

		if (span_within(idx, log->header_size, log->buf_len_bytes))
			st = read_header(log, idx, &rec, &len, err);
		if (st == ST_OK && !len && !wrapped) {
			wrapped = true;
			idx = 0;
			continue;
		}
		if (st != ST_OK && !log_trouble_is_local(st))
			return st;
		if (st != ST_OK || len < log->header_size + rec.text_len_bytes ||
		    !span_within(idx, len, log->buf_len_bytes) || len > budget) {
			walk->nr_broken++;
			return ST_OK;
		}
		st = deliver(log, walk, idx, &rec, err);
		if (st != ST_OK)
			return st;
		budget -= len;
		idx += len;
	}
	return ST_OK;
}

enum status record_log_walk(struct log_walk *walk, struct err *err)
{
	struct record_log *log = calloc(1, sizeof(*log));
	enum status st;

	if (!log)
		return err_set(err, ST_NO_MEMORY, "no memory for the log's window");
	st = record_log_open(log, walk->km, err);
	if (st == ST_OK)
		st = walk_records(log, walk, err);
	else
		st = err_wrap(err, st, "printk record log");
	free(log);
	return st;
}
