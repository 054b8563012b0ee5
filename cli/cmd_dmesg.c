// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/sandbox.h"
#include "common/cleanup.h"
#include "common/exit_codes.h"
#include "formats/physmem.h"
#include "kernel/dmesg.h"

struct config {
	const char *path;
	bool raw;
	bool json;
};

static const char usage[] = "Usage: innercore dmesg [-r] [--json] DUMP\n"
			    "Print the crashed kernel's log as dmesg(1) does.\n"
			    "\n"
			    "  -r, --raw   begin each record with its facility and level: \"<6>\"\n"
			    "      --json  an array of {seq, time_ns, level, facility, caller, text}\n"
			    "  -h, --help  this text\n";

/** False: *exit_code says how to end. */
static bool parse(int argc, char **argv, struct config *config, int *exit_code)
{
	enum { OPT_JSON = 256 };
	static const struct option options[] = {
		{ "raw", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*config = (struct config){ 0 };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":rh", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			config->raw = true;
			break;
		case OPT_JSON:
			config->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*exit_code = EXIT_CODE_OK;
			return false;
		default:
			*exit_code = cli_usage_error("dmesg", "unknown option %s", argv[optind - 1]);
			return false;
		}
	}
	*exit_code = EXIT_CODE_BAD_INPUT;
	if (config->raw && config->json)
		*exit_code = cli_usage_error("dmesg", "--raw and --json exclude each other");
	else if (optind + 1 != argc)
		*exit_code = cli_usage_error("dmesg", "expects one DUMP");
	else
		config->path = argv[optind];
	return config->path != NULL;
}

static enum status write_stdout(void *ctx, const char *text, size_t len, struct err *err)
{
	if (fwrite(text, 1, len, stdout) != len)
		return err_set_errno(err, ST_IO, errno, "cannot write to standard output");
	return ST_OK;
}

/** A growing string. */
struct text {
	char *bytes;
	size_t len, cap;
};

static enum status append_text(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct text *text = ctx;

	if (len > text->cap - text->len) {
		size_t cap = (text->len + len) * 2;
		char *grown = realloc(text->bytes, cap);

		if (!grown)
			return err_set(err, ST_NO_MEMORY, "no memory for a record's text");
		text->bytes = grown;
		text->cap = cap;
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	return ST_OK;
}

/** What is not known is null, so that every record has the same keys. */
static json_t *record_json(const struct dmesg_record *rec, const struct text *text)
{
	char caller[DMESG_CALLER_MAX];

	return json_pack("{s:o, s:I, s:o, s:o, s:o, s:s%}", "seq",
			 rec->has_seq ? json_integer((json_int_t)rec->seq) : json_null(), "time_ns",
			 (json_int_t)rec->time_ns, "level", rec->has_level ? json_integer(rec->level) : json_null(),
			 "facility", rec->has_level ? json_integer(rec->facility) : json_null(), "caller",
			 rec->has_caller ? json_string(dmesg_caller_name(rec, caller)) : json_null(), "text",
			 text->bytes ? text->bytes : "", text->len);
}

struct json_ctx {
	struct text text; /* reused from record to record */
	bool any;	  /* the array has begun */
};

/** Record by record, not one tree: a log may hold a million of them. */
static enum status print_json_record(void *ctx, const struct dmesg_record *rec, struct err *err)
{
	struct json_ctx *json_ctx = ctx;
	enum status st;
	json_t *json;
	int failed;

	json_ctx->text.len = 0;
	st = dmesg_record_text(rec, append_text, &json_ctx->text, err);
	if (st != ST_OK)
		return st;
	json = record_json(rec, &json_ctx->text);
	if (!json)
		return err_set(err, ST_NO_MEMORY, "no memory for a record as JSON");
	fputs(json_ctx->any ? ",\n" : "[\n", stdout);
	json_ctx->any = true;
	failed = json_dumpf(json, stdout, JSON_COMPACT);
	json_decref(json);
	return failed ? err_set_errno(err, ST_IO, errno, "cannot write to standard output") : ST_OK;
}

/* An array that has begun ends, also after an error: whose object is its last element then. *@answered: nothing is missing. */
static enum status print_json(struct kmodel *km, bool *answered, struct err *err)
{
	struct json_ctx ctx = { 0 };
	enum status st = dmesg_for_each(km, print_json_record, &ctx, err);

	*answered = st == ST_OK || ctx.any;
	if (st != ST_OK && ctx.any) {
		fputs(",\n", stdout);
		cli_print_json(cli_error_json(err));
	}
	if (*answered)
		fputs(st != ST_OK ? "]\n" : ctx.any ? "\n]\n" : "[]\n", stdout);
	free(ctx.text.bytes);
	return st;
}

static enum status run(const struct config *config, bool *answered, struct err *err)
{
	_cleanup_(physmem_closep) struct physmem *pm = NULL;
	_cleanup_(kmodel_closep) struct kmodel *km = NULL;
	const struct dmesg_options options = { .raw_prefix = config->raw };
	enum status st;

	st = physmem_open(config->path, &pm, err);
	if (st == ST_OK)
		st = kmodel_open(pm, &km, err);
	if (st == ST_OK)
		st = config->json ? print_json(km, answered, err) : dmesg_dump(km, &options, write_stdout, NULL, err);
	if (fflush(stdout) && st == ST_OK)
		st = err_set_errno(err, ST_IO, errno, "cannot write to standard output");
	return st;
}

int cmd_dmesg(int argc, char **argv)
{
	struct config config;
	struct err err;
	bool answered = false;
	int exit_code;

	if (!parse(argc, argv, &config, &exit_code))
		return exit_code;
	sandbox_for_dumps(config.path, NULL, NULL);
	if (run(&config, &answered, &err) != ST_OK) {
		err_wrap(&err, err.status, "dmesg: %s", config.path);
		return cli_fail(&err, config.json && !answered);
	}
	return EXIT_CODE_OK;
}
