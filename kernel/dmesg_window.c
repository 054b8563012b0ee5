// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/dmesg_internal.h"

void log_window_init(struct log_window *w, struct kmodel *km)
{
	w->km = km;
	w->filled = false;
}

static enum status window_move(struct log_window *w, uint64_t page_vaddr, struct err *err)
{
	if (w->filled && w->page_vaddr == page_vaddr) {
		if (w->status != ST_OK)
			return err_set(err, w->status, "kernel page 0x%llx cannot be read",
				       (unsigned long long)page_vaddr);
		return ST_OK;
	}
	w->status = kmodel_read(w->km, page_vaddr, w->page, sizeof(w->page), err);
	w->page_vaddr = page_vaddr;
	w->filled = true;
	return w->status;
}

enum status log_window_read(struct log_window *w, uint64_t vaddr, void *buf, size_t len, struct err *err)
{
	uint8_t *out = buf;

	while (len) {
		size_t off = vaddr % LOG_WINDOW_BYTES;
		size_t part = (size_t)min_u64(len, LOG_WINDOW_BYTES - off);
		enum status st = window_move(w, vaddr - off, err);

		if (st != ST_OK)
			return st;
		memcpy(out, w->page + off, part);
		out += part;
		vaddr += part;
		len -= part;
	}
	return ST_OK;
}

enum status log_window_u16(struct log_window *w, uint64_t vaddr, uint16_t *v, struct err *err)
{
	uint8_t raw[2];
	enum status st = log_window_read(w, vaddr, raw, sizeof(raw), err);

	if (st == ST_OK)
		*v = get_u16(raw, w->km->pm->order);
	return st;
}

enum status log_window_u32(struct log_window *w, uint64_t vaddr, uint32_t *v, struct err *err)
{
	uint8_t raw[4];
	enum status st = log_window_read(w, vaddr, raw, sizeof(raw), err);

	if (st == ST_OK)
		*v = get_u32(raw, w->km->pm->order);
	return st;
}

enum status log_window_u64(struct log_window *w, uint64_t vaddr, uint64_t *v, struct err *err)
{
	uint8_t raw[8];
	enum status st = log_window_read(w, vaddr, raw, sizeof(raw), err);

	if (st == ST_OK)
		*v = get_u64(raw, w->km->pm->order);
	return st;
}

enum status log_window_word(struct log_window *w, uint64_t vaddr, uint64_t *v, struct err *err)
{
	uint32_t word32;
	enum status st;

	if (w->km->pm->is_64bit)
		return log_window_u64(w, vaddr, v, err);
	st = log_window_u32(w, vaddr, &word32, err);
	if (st == ST_OK)
		*v = word32;
	return st;
}
