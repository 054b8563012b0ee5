/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_PHYSMEM_H
#define FORMATS_PHYSMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/endian.h"
#include "common/err.h"
#include "common/units.h"

/**
 * Pivot 1: the physical memory of some dump, whatever its format. Every reader yields one; everything above the formats
 * sees only this. Not thread-safe.
 */
struct physmem;

struct physmem_ops {
	/**
	 * Read up to @len bytes at physical address @paddr into @buf; *@got counts the good bytes at its front.
	 * ST_OK: *@got == @len. ST_NO_DATA: the dump holds no byte at @paddr + *@got. ST_IO, ST_BAD_INPUT: the byte
	 * should be there and cannot be had.
	 */
	enum status (*read)(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got, struct err *err);
	/**
	 * The first run of bytes at or after @paddr that the dump claims to hold, clipped to [@paddr, @limit). May end
	 * early: a run that touches it can follow. False where there is none.
	 */
	bool (*next_data)(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run);
	/** Optional. As physmem_view(). */
	const uint8_t *(*view)(struct physmem *pm, uint64_t paddr, size_t len);
	/** Another reader of the same dump, for a thread of its own. ST_UNSUPPORTED: the source has one reader only. */
	enum status (*clone)(struct physmem *pm, struct physmem **clone, struct err *err);
	void (*close)(struct physmem *pm);
};

/** utsname as far as the dump's own header tells it; empty strings where it does not. */
struct physmem_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

struct physmem {
	const struct physmem_ops *ops;
	uint32_t page_size;	     /**< bytes, a power of two */
	enum byte_order order;	     /**< of the crashed machine */
	bool is_64bit;		     /**< note and header layout */
	uint16_t elf_machine;	     /**< EM_*; 0 when unknown */
	struct physmem_utsname uts;  /**< KDUMP only */
	/** RAM that existed in the source: bytes, sorted, disjoint, merged; a superset of what read() delivers. */
	const struct range *ranges;
	size_t nr_ranges;
	const void *notes;	     /**< raw ELF note bytes (4-byte aligned layout), or NULL */
	size_t notes_len_bytes;
	const char *vmcoreinfo;	     /**< text, not terminated, or NULL */
	size_t vmcoreinfo_len_bytes;
	bool has_kernel_text_map;    /**< an ELF PT_LOAD told where the kernel image lies: */
	uint64_t kernel_text_vaddr;
	uint64_t kernel_text_paddr;
	bool has_header_phys_base;   /**< the KDUMP sub header's field, trusted by nobody (QEMU writes it wrong) */
	int64_t header_phys_base;
	int32_t dump_level;	     /**< what the dump was filtered with (makedumpfile's mask); 0 when unknown */
	uint64_t crash_time_seconds; /**< KDUMP header's tv_sec; 0 when unknown */
};

enum page_state {
	PAGE_WHOLE,	 /**< every byte is the source's */
	PAGE_PARTIAL,	 /**< RAM covers a part of the page; the rest of the buffer is zero */
	PAGE_ABSENT,	 /**< no byte of it in the dump */
	PAGE_UNREADABLE, /**< it should be there and cannot be read */
};

/**
 * Open any dump: ELF core (/proc/vmcore, QEMU, makedumpfile -E), KDUMP v1..v6, flattened KDUMP; or a folder that holds
 * one of these, or the files of one split set, and no other dump; symbolic links are followed. The format is found by
 * content. ST_BAD_INPUT with one clear line for anything else.
 */
enum status physmem_open(const char *path, struct physmem **pm, struct err *err) __must_check;
/** Open the files of a split KDUMP, in any order; each may be flattened. One path: as physmem_open(). */
enum status physmem_open_files(const char *const *paths, size_t nr_paths, struct physmem **pm,
			       struct err *err) __must_check;
void physmem_close(struct physmem *pm);

/**
 * Another reader of @pm, with caches of its own, for another thread: it may be used while @pm is, and is closed before
 * @pm is. ST_UNSUPPORTED: this source has one reader only.
 */
enum status physmem_clone(struct physmem *pm, struct physmem **clone, struct err *err) __must_check;

/** As the operation; see struct physmem_ops. */
enum status physmem_read_some(struct physmem *pm, uint64_t paddr, void *buf, size_t len, size_t *got, struct err *err)
	__must_check;
/** All of @len or an error. */
enum status physmem_read(struct physmem *pm, uint64_t paddr, void *buf, size_t len, struct err *err) __must_check;

/**
 * The @len bytes at @paddr where they lie, so that nobody needs to copy them. NULL: there is no such place, read them.
 * As rsource_view(), and to be ended by rsource_view_end().
 */
const uint8_t *physmem_view(struct physmem *pm, uint64_t paddr, size_t len);

/** As the operation: the next run of bytes that the dump holds. */
bool physmem_next_data(struct physmem *pm, uint64_t paddr, uint64_t limit, struct range *run);

/**
 * Read @nr_pages pages from @start_pfn into @buf (nr_pages * page_size bytes), one state a page; never fails as a whole: a
 * page that cannot be read is PAGE_UNREADABLE and its part of @buf is zero.
 */
void physmem_read_pages(struct physmem *pm, uint64_t start_pfn, size_t nr_pages, void *buf, enum page_state *state);

/** Page frames touched by at least one RAM byte. */
uint64_t physmem_nr_present_pages(const struct physmem *pm);
/** One past the highest present page frame number. */
uint64_t physmem_max_pfn(const struct physmem *pm);

static inline void physmem_closep(struct physmem **pm)
{
	physmem_close(*pm);
}

#endif
