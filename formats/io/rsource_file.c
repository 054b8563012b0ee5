// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files, block devices and /proc/vmcore.
 *
 * A regular file is read with pread(2): an I/O error comes back as a number, where a mapping would answer with SIGBUS.
 * In /proc/vmcore it is the other way round: each read(2) there maps and unmaps every page on its own, 10 to 50 times
 * slower than mmap(2) of a large window, and the window is a plain remap of old memory, populated when it is made. The
 * one fault left is a machine check, which the kernel reports as SIGBUS; copying out of a window is guarded against it,
 * and who looks at a view is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/units.h"
#include "formats/io/rsource.h"

#define WINDOW_BYTES (4 * MIB)
#define VIEW_BYTES_MAX MIB
/* One of several readers jumps over what the others read, and would map all of that with larger ones. */
#define WINDOW_BYTES_CLONE (512 * KIB)
#define NR_WINDOWS 2 /* one stays with the metadata while the other runs through the data; 8 MiB mapped at most */
#define COPY_BYTES 4096u /* the smallest unit that can fail on its own */
#define PROC_SUPER_MAGIC_NR 0x9fa0

struct window {
	const uint8_t *addr; /* NULL: unused */
	uint64_t off;
	size_t len;
	uint64_t last_used;
	volatile bool is_blank; /* on_sigbus() has put zeros there */
};

struct file_source {
	struct rsource base;
	int fd;
	bool use_windows;
	size_t window_bytes;
	struct window windows[NR_WINDOWS];
	struct window *viewed; /* by who asked for a view: stays. NULL: none */
	uint64_t clock;
};

/* Where a SIGBUS inside guarded_copy() goes on; NULL outside of it. Per thread: the handler runs on the thread that faulted. */
static _Thread_local sigjmp_buf *volatile bus_landing;

/* The window that this thread looks at through a view; NULL: none. */
static _Thread_local struct window *volatile bus_window;

/* What handled SIGBUS before; a handler can only look at static storage. Written once, before ours is installed. */
static struct sigaction bus_before;

/*
 * Zeros in place of a window, so that who looks at it can go on and ask when he is done. All of it: of memory that is
 * not the capture kernel's own, the signal does not tell the address. False: that has been done, so the fault is
 * elsewhere.
 */
static bool blank_viewed_window(void)
{
	struct window *w = bus_window;
	int saved_errno = errno;

	if (!w || w->is_blank)
		return false;
	w->is_blank =
		mmap((void *)w->addr, w->len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
	errno = saved_errno;
	return w->is_blank;
}

static void on_sigbus(int sig)
{
	if (bus_landing)
		siglongjmp(*bus_landing, 1);
	if (blank_viewed_window())
		return;
	/* Not ours: as if we had never been there. PID 1's own handler ends in a reboot. */
	sigaction(sig, &bus_before, NULL);
	raise(sig);
}

/*
 * Copy up to @len bytes; returns how many, fewer where the memory behind @from failed. Page by page, so that what lies before
 * the bad one counts, and nobody has to touch that a second time to find out.
 */
static size_t guarded_copy(uint8_t *to, const uint8_t *from, size_t len)
{
	sigjmp_buf landing;
	volatile size_t done = 0; /* survives the jump */

	bus_landing = &landing;
	if (!sigsetjmp(landing, 0)) { /* the mask is as it was: SA_NODEFER */
		while (done < len) {
			size_t n = (size_t)min_u64(len - done, COPY_BYTES - (uintptr_t)(from + done) % COPY_BYTES);

			memcpy(to + done, from + done, n);
			done += n;
		}
	}
	bus_landing = NULL;
	return done;
}

static struct window *window_find(struct file_source *f, uint64_t off)
{
	for (size_t i = 0; i < NR_WINDOWS; i++) {
		struct window *w = &f->windows[i];

		if (w->addr && !w->is_blank && off >= w->off && off - w->off < w->len) {
			w->last_used = ++f->clock;
			return w;
		}
	}
	return NULL;
}

static void window_unmap(struct window *w)
{
	if (w->addr)
		munmap((void *)w->addr, w->len);
	w->addr = NULL;
}

/* NULL: the kernel does not map this place (a device dump segment, for one); read(2) has to do. */
static struct window *window_map(struct file_source *f, uint64_t off, size_t least)
{
	struct window *w = NULL;
	uint64_t start = align_down(off, (uint64_t)sysconf(_SC_PAGESIZE));
	size_t len = (size_t)min_u64(max_u64(f->window_bytes, off - start + least), f->base.size_bytes - start);
	void *addr;

	for (size_t i = 0; i < NR_WINDOWS; i++)
		if (&f->windows[i] != f->viewed && (!w || f->windows[i].last_used < w->last_used))
			w = &f->windows[i];
	window_unmap(w);
	addr = mmap(NULL, len, PROT_READ, MAP_PRIVATE, f->fd, (off_t)start);
	if (addr == MAP_FAILED)
		return NULL;
	*w = (struct window){ .addr = addr, .off = start, .len = len, .last_used = ++f->clock };
	return w;
}

static enum status pread_all(struct file_source *f, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	while (*got < len) {
		ssize_t n = pread(f->fd, (uint8_t *)buf + *got, len - *got, (off_t)(off + *got));

		if (n == 0)
			return ST_OK;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ST_IO, errno, "cannot read %s at offset %" PRIu64, f->base.name, off + *got);
		*got += (size_t)n;
	}
	return ST_OK;
}

static enum status file_read_at(struct rsource *src, uint64_t off, void *buf, size_t len, size_t *got, struct err *err)
{
	struct file_source *f = (struct file_source *)src;

	len = (size_t)min_u64(len, src->size_bytes - off);
	while (f->use_windows && *got < len) {
		struct window *w = window_find(f, off + *got);
		uint64_t skip;
		size_t n, copied;

		if (!w)
			w = window_map(f, off + *got, 1);
		if (!w)
			break;
		skip = off + *got - w->off;
		n = (size_t)min_u64(len - *got, w->len - skip);
		copied = guarded_copy((uint8_t *)buf + *got, w->addr + skip, n);
		*got += copied;
		if (copied != n)
			return err_set(err, ST_IO, "memory error while reading %s at offset %" PRIu64, src->name, off + *got);
	}
	return pread_all(f, off, buf, len, got, err);
}

static const uint8_t *file_view(struct rsource *src, uint64_t off, size_t len)
{
	struct file_source *f = (struct file_source *)src;
	struct window *w;

	f->viewed = bus_window = NULL;
	if (!f->use_windows || len > VIEW_BYTES_MAX)
		return NULL;
	w = window_find(f, off);
	if (!w || w->len - (off - w->off) < len)
		w = window_map(f, off, len);
	if (!w)
		return NULL;
	f->viewed = bus_window = w;
	return w->addr + (off - w->off);
}

bool rsource_view_end(void)
{
	struct window *w = bus_window;

	atomic_signal_fence(memory_order_seq_cst); /* all that was looked at comes before the answer */
	bus_window = NULL;
	return !w || !w->is_blank;
}

static struct range file_next_data(struct rsource *src, uint64_t off)
{
	struct file_source *f = (struct file_source *)src;
	struct range run = { off, src->size_bytes };
	off_t data = lseek(f->fd, (off_t)off, SEEK_DATA); /* what does not know holes says EINVAL */
	off_t hole = data >= 0 ? lseek(f->fd, data, SEEK_HOLE) : -1;

	if (data < 0 && errno == ENXIO && !f->use_windows)
		run.start = src->size_bytes;
	if (hole > data) {
		run.start = min_u64((uint64_t)data, src->size_bytes);
		run.end = min_u64((uint64_t)hole, src->size_bytes);
	}
	return run;
}

static void file_close(struct rsource *src)
{
	struct file_source *f = (struct file_source *)src;

	for (size_t i = 0; i < NR_WINDOWS; i++)
		window_unmap(&f->windows[i]);
	close(f->fd);
	free(f);
}

static enum status file_clone(struct rsource *src, struct rsource **clone, struct err *err);

static const struct rsource_ops file_ops = {
	.read_at = file_read_at,
	.next_data = file_next_data,
	.view = file_view,
	.clone = file_clone,
	.close = file_close,
};

/* Takes @fd over, also where it fails. */
static enum status new_source(int fd, const char *name, uint64_t size, bool use_windows, struct rsource **src,
			      struct err *err)
{
	struct file_source *f = calloc(1, sizeof(*f));

	if (f)
		f->base.name = strdup(name);
	if (!f || !f->base.name) {
		free(f);
		close(fd);
		return err_set(err, ST_NO_MEMORY, "out of memory");
	}
	f->base.ops = &file_ops;
	f->base.size_bytes = size;
	f->base.can_share = !use_windows;
	f->use_windows = use_windows;
	f->window_bytes = WINDOW_BYTES;
	f->fd = fd;
	*src = &f->base;
	return ST_OK;
}

static enum status file_clone(struct rsource *src, struct rsource **clone, struct err *err)
{
	struct file_source *f = (struct file_source *)src;
	int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	enum status st;

	if (fd < 0) /* too many are open: a lack of room like any other */
		return err_set_errno(err, ST_NO_MEMORY, errno, "cannot open %s once more", src->name);
	st = new_source(fd, src->name, src->size_bytes, f->use_windows, clone, err);
	if (st == ST_OK)
		((struct file_source *)*clone)->window_bytes = WINDOW_BYTES_CLONE;
	return st;
}

static enum status file_size(int fd, const char *path, uint64_t *size, struct err *err)
{
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, ST_IO, errno, "cannot stat %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ST_BAD_INPUT, "%s is a directory: name a dump file in it", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, ST_BAD_INPUT, "%s is not a regular file or block device: save the stream to a file first",
			       path);
	end = S_ISBLK(st.st_mode) ? lseek(fd, 0, SEEK_END) : st.st_size;
	if (end < 0)
		return err_set_errno(err, ST_IO, errno, "cannot find the size of %s", path);
	if (end == 0)
		return err_set(err, ST_BAD_INPUT, "%s is empty: nothing was captured into it", path);
	*size = (uint64_t)end;
	return ST_OK;
}

static bool is_on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC_NR;
}

static void catch_sigbus(void)
{
	struct sigaction sa = { .sa_handler = on_sigbus, .sa_flags = (int)SA_NODEFER };
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0 || now.sa_handler == on_sigbus)
		return;
	bus_before = now;
	sigaction(SIGBUS, &sa, NULL);
}

enum status rsource_file_open(const char *path, struct rsource **src, struct err *err)
{
	/* O_NONBLOCK: opening a FIFO must end in a message, not in a wait for its writer. */
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t size = 0;
	bool use_windows;
	enum status st;

	if (fd < 0)
		return err_set_errno(err, errno == ENOENT ? ST_NOT_FOUND : ST_IO, errno, "cannot open %s", path);
	st = file_size(fd, path, &size, err);
	if (st != ST_OK)
		return st;
	use_windows = is_on_proc(fd);
	st = new_source(fd, path, size, use_windows, src, err);
	fd = -1;
	if (st == ST_OK && use_windows)
		catch_sigbus();
	return st;
}
