// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stages of a capture and their order; nobody else knows all of them.
 */
#include "capture/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/plan.h"
#include "capture/policy.h"
#include "capture/trust.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/pool.h"
#include "emit/dump_header.h"
#include "emit/emit.h"
#include "formats/io/wsink.h"

#define PROGRESS_SECONDS 0.2
#define VMCORE_PATH "/proc/vmcore"
#define LEVEL_VMCORE 31
#define LEVEL_ELSEWHERE 0

struct session {
	const struct capture_config *config;
	struct capture_report *report;
	const struct codec *codec;
	int codec_level;
	struct physmem *pm;
	struct kmodel *km; /* NULL: no usable VMCOREINFO */
	struct err why_no_model;
	struct wsink *sink;
	int stream_fd; /* opened for a FIFO or a character device, else -1 */
	struct plan plan;
	double started, last_progress;
};

static bool must_stop(const struct session *s, double now)
{
	const struct capture_config *c = s->config;

	return (c->stop && *c->stop) || (c->deadline_seconds > 0 && now - s->started > c->deadline_seconds);
}

static bool tell(struct session *s, const char *stage, uint64_t done, uint64_t total, uint64_t bytes_written)
{
	double now = units_now();

	if (s->config->progress && (now - s->last_progress >= PROGRESS_SECONDS || done == total)) {
		struct capture_progress p = { stage, done, total, bytes_written, now - s->started };

		s->last_progress = now;
		s->config->progress(s->config->progress_ctx, &p);
	}
	return !must_stop(s, now);
}

/* A stop while planning ends the filtering, not the capture: what was not looked at is kept, and then emit stops. */
static bool plan_step(void *ctx, uint64_t done, uint64_t total)
{
	return tell(ctx, "plan", done, total, 0);
}

static bool emit_step(void *ctx, uint64_t pages_done, uint64_t bytes_written)
{
	struct session *s = ctx;

	return tell(s, "write", pages_done, s->plan.keep.nr_set, bytes_written);
}

static void note_hole(void *ctx, uint64_t start_pfn, uint64_t end_pfn)
{
	struct capture_report *r = ((struct session *)ctx)->report;

	if (r->nr_hole_ranges < CAPTURE_MAX_LISTED_HOLES)
		r->holes[r->nr_hole_ranges] = (struct range){ start_pfn, end_pfn };
	r->nr_hole_ranges++;
}

static enum status check_config(struct session *s, struct err *err)
{
	const struct capture_config *c = s->config;

	s->codec = codec_parse(c->codec, &s->codec_level);
	if (!s->codec)
		return err_set(err, ST_USAGE, "compression \"%s\" is unknown: use zlib, lzo, snappy, zstd, zstd:LEVEL or none",
			       c->codec);
	if (c->dump_level < -1 || c->dump_level > CAPTURE_DUMP_LEVEL_MAX)
		return err_set(err, ST_USAGE, "dump level %d is out of range: use 0 to %d", c->dump_level,
			       CAPTURE_DUMP_LEVEL_MAX);
	s->report->dump_level = c->dump_level;
	if (c->dump_level < 0)
		s->report->dump_level = strcmp(c->source, VMCORE_PATH) == 0 ? LEVEL_VMCORE : LEVEL_ELSEWHERE;
	snprintf(s->report->codec, sizeof(s->report->codec), "%s", s->codec->name);
	return ST_OK;
}

static enum status open_source(struct session *s, struct err *err)
{
	struct capture_report *r = s->report;
	enum status st = physmem_open(s->config->source, &s->pm, err);
	const char *release;

	if (st != ST_OK)
		return st;
	if (!s->pm->is_64bit)
		return err_set(err, ST_UNSUPPORTED, "%s is of a 32-bit machine: only 64-bit dumps can be captured",
			       s->config->source);
	r->page_size = s->pm->page_size;
	r->pages_present = physmem_nr_present_pages(s->pm);
	if (kmodel_open(s->pm, &s->km, &s->why_no_model) != ST_OK)
		s->km = NULL;
	release = s->km ? vmcoreinfo_string(s->km->vi, "OSRELEASE") : s->pm->uts.release;
	snprintf(r->release, sizeof(r->release), "%s", release ? release : "");
	return ST_OK;
}

/* A name for a stream (FIFO, character device) gets the flattened form, like "-". */
static enum status open_stream(struct session *s, bool *is_stream, struct err *err)
{
	const char *dest = s->config->dest;
	struct stat stat_buf;

	*is_stream = true;
	if (strcmp(dest, "-") == 0)
		return wsink_flat_open(s->config->dest_fd, &s->sink, err);
	*is_stream = stat(dest, &stat_buf) == 0 && !S_ISREG(stat_buf.st_mode);
	if (!*is_stream)
		return ST_OK;
	if (!S_ISFIFO(stat_buf.st_mode) && !S_ISCHR(stat_buf.st_mode))
		return err_set(err, ST_USAGE, "%s is not a file: name a file, or \"-\" for a stream", dest);
	s->stream_fd = open(dest, O_WRONLY | O_CLOEXEC);
	if (s->stream_fd < 0)
		return err_set_errno(err, ST_IO, errno, "cannot open %s", dest);
	return wsink_flat_open(s->stream_fd, &s->sink, err);
}

static enum status open_sink(struct session *s, struct err *err)
{
	bool is_stream;
	enum status st = open_stream(s, &is_stream, err);

	if (is_stream || st != ST_OK)
		return st;
	return wsink_file_open(s->config->dest, s->config->force, &s->sink, err);
}

/* What VMCOREINFO did not say, and what that costs: pages are kept that could have been told apart. */
static void tell_facts(const struct facts_report *f)
{
	if (f->nr_lacking)
		log_info("VMCOREINFO lacks %u keys; the kernel's own tables tell %u of them%s%s", f->nr_lacking, f->nr_found,
			 f->trouble[0] ? ": " : "", f->trouble);
	if (f->lacking[0])
		log_warn("nothing tells %s: pages that only these tell apart are kept", f->lacking);
	if (f->nr_unknown_kinds)
		log_info("BTF has %u entries of kinds that are newer than this program, stepped over", f->nr_unknown_kinds);
}

/*
 * Hold the plan against the kernel's own counters. What is far from them is planned once more and kept: costs a second look at
 * the memory map, and only then.
 */
static void check_plan(struct session *s, struct plan_config *pc)
{
	struct capture_report *r = s->report;
	struct trust_seen seen = plan_seen(&s->plan);

	trust_weigh(&r->trust, s->km, &seen);
	trust_describe(&r->trust, r->why_level, sizeof(r->why_level));
	if (!r->why_level[0])
		return;
	pc->level = trust_level(&r->trust, pc->level);
	log_warn("do not trust this filter: %s; dump level %d becomes %u", r->why_level, r->dump_level, pc->level);
	if (pc->level != (unsigned)r->dump_level)
		plan_again(&s->plan, s->pm, s->km, pc);
}

static void tell_guards(const struct capture_report *r)
{
	uint64_t nr = r->reserved_fired;

	for (int a = 0; a < ANCHOR_COUNT; a++)
		nr += r->guards_fired[a];
	if (nr)
		log_warn("%" PRIu64 " pages of the kernel's own looked like something to leave out and are kept: the memory map "
			 "is damaged, or this program does not understand this kernel", nr);
	if (r->guards_untold)
		log_warn("the kernel's own memory is too scattered to guard all of it: %" PRIu64 " parts are not guarded",
			 r->guards_untold);
}

/* Memory that the kernel would give without swapping, with a part left for what it needs itself; 0: it does not tell. */
static uint64_t memory_to_take(void)
{
	_cleanup_file_ FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			return max_u64(kib * KIB / 4 * 3, 1);
	return 0;
}

static unsigned nr_threads(const struct session *s)
{
	return s->config->nr_threads ? s->config->nr_threads : pool_nr_cpus();
}

static enum status make_plan(struct session *s, struct err *err)
{
	struct capture_report *r = s->report;
	struct plan_config pc = {
		.level = (unsigned)r->dump_level,
		.why_no_model = s->why_no_model.text,
		.step = plan_step,
		.ctx = s,
		.nr_threads = nr_threads(s),
		.memory_bytes = memory_to_take(),
	};
	double begin = units_now();
	enum status st = plan_init(&s->plan, s->pm, s->km, &pc, err);

	if (st != ST_OK)
		return st;
	if (s->plan.filtered)
		check_plan(s, &pc);
	r->level_used = (int)(s->plan.filtered ? pc.level : pc.level & DUMP_LEVEL_ZERO);
	r->plan_seconds = units_now() - begin;
	r->filtered = s->plan.filtered;
	memcpy(r->why_unfiltered, s->plan.why_unfiltered, sizeof(r->why_unfiltered));
	memcpy(r->pages_by_class, s->plan.by_class, sizeof(r->pages_by_class));
	memcpy(r->guards_fired, s->plan.guards.fired, sizeof(r->guards_fired));
	r->reserved_fired = s->plan.reserved_fired;
	r->pages_kept = s->plan.keep.nr_set;
	r->sections_missing = s->plan.sections_missing;
	r->sections_disagreeing = s->plan.sections_disagreeing;
	r->guards_untold = s->plan.guards.nr_untold;
	tell_guards(r);
	r->pages_not_in_source = s->plan.pages_not_in_source;
	if (s->km) {
		r->facts = s->km->facts;
		tell_facts(&r->facts);
	}
	if (!r->filtered)
		log_warn("nothing is filtered, every page is kept: %s", r->why_unfiltered);
	else if (r->sections_missing)
		log_warn("%" PRIu64 " sections of memory have no memory map that can be used%s: all their pages are kept",
			 r->sections_missing, r->sections_disagreeing ? " (mem_section and vmemmap disagree)" : "");
	return ST_OK;
}

static void take_result(struct session *s, const struct emit_result *e)
{
	struct capture_report *r = s->report;

	r->pages_zero = e->pages_zero;
	r->pages_repeated = e->pages_repeated;
	r->pages_raw = e->pages_raw;
	r->pages_compressed = e->pages_compressed;
	r->pages_partial = e->pages_partial;
	r->pages_unreadable = e->pages_unreadable;
	r->pages_unsaved = r->pages_kept - e->pages_done;
	r->nr_threads = e->nr_threads;
	r->bytes_read = e->bytes_read;
	r->bytes_written = s->sink->bytes_written;
	r->stopped = e->stopped;
	r->out_of_space = e->out_of_space;
}

/* What was left out of this dump and of the one that it was made from: no more than that, whatever was asked. */
static int32_t header_level(const struct session *s)
{
	return (s->report->level_used | s->pm->dump_level) & CAPTURE_DUMP_LEVEL_MAX;
}

static enum status write_dump(struct session *s, struct err *err)
{
	struct emit_config ec = {
		.codec = s->codec,
		.codec_level = s->codec_level,
		.no_dedup = s->config->no_dedup,
		.notes = s->pm->notes,
		.notes_len_bytes = s->pm->notes_len_bytes,
		.step = emit_step,
		.hole = note_hole,
		.ctx = s,
		.nr_threads = nr_threads(s),
		.memory_bytes = memory_to_take(),
	};
	struct emit_result er;
	double begin = units_now();
	enum status st;

	dump_header_fill(&ec.header, s->pm, s->km);
	ec.header.dump_level = header_level(s);
	st = emit_run(s->pm, &s->plan.keep, &ec, s->sink, &er, err);
	take_result(s, &er);
	if (st == ST_OK)
		st = wsink_commit(s->sink, err);
	s->report->write_seconds = units_now() - begin;
	s->report->bytes_written = s->sink->bytes_written;
	if (st != ST_OK)
		return st;
	s->report->saved = true;
	s->report->complete = !er.incomplete;
	return ST_OK;
}

static void session_deinit(struct session *s)
{
	plan_deinit(&s->plan);
	wsink_close(s->sink);
	if (s->stream_fd >= 0)
		close(s->stream_fd);
	kmodel_close(s->km);
	physmem_close(s->pm);
}

enum status capture_session_run(const struct capture_config *config, struct capture_report *report, struct err *err)
{
	struct session s = { .config = config, .report = report, .stream_fd = -1, .started = units_now() };
	enum status st;

	memset(report, 0, sizeof(*report));
	st = check_config(&s, err);
	if (st == ST_OK)
		st = open_source(&s, err);
	if (st == ST_OK)
		st = open_sink(&s, err);
	if (st == ST_OK)
		st = make_plan(&s, err);
	if (st == ST_OK)
		st = write_dump(&s, err);
	session_deinit(&s);
	return st;
}
