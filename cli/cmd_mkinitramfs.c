// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "initramfs/config.h"
#include "initramfs/mkinitramfs.h"

struct options {
	struct mkinitramfs_options build;
	const char *config_path, *output;
	bool json, help;
};

static void print_help(void)
{
	puts("usage: innercore mkinitramfs [-c CONFIG] [-k RELEASE] [--modules DIR] [-o FILE]\n"
	     "\n"
	     "Write the initramfs of the capture kernel: this program as /init, the configuration, and the kernel "
	     "modules\n"
	     "that the target needs. The same inputs give the same bytes. Needs no root but to look at the target's "
	     "device.\n"
	     "\n"
	     "  -c, --config FILE         configuration (default " CONFIG_PATH ")\n"
	     "  -k, --kernel RELEASE      for this kernel (default: the running one, or the one of --modules)\n"
	     "      --modules DIR         its modules: a root that holds lib/modules/RELEASE, or that folder itself\n"
	     "      --target-modules LIST names of the target's modules, for a target that is not on this machine:\n"
	     "                            virtio_blk,ext4\n"
	     "      --init FILE           a static innercore to pack (default: this program)\n"
	     "  -o, --output FILE         default: as configured, else /var/lib/innercore/initramfs-RELEASE.img\n"
	     "      --json                report as JSON on standard output\n"
	     "\n"
	     "Exit: 0 written; 2 bad input or usage; 5 internal fault.");
}

/* EXIT_CODE_OK: go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longopts[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "kernel", required_argument, NULL, 'k' },
		{ "modules", required_argument, NULL, 'm' },
		{ "target-modules", required_argument, NULL, 't' },
		{ "init", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, ":c:k:o:h", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config_path = optarg;
			break;
		case 'k':
			o->build.release = optarg;
			break;
		case 'm':
			o->build.modules_folder = optarg;
			break;
		case 't':
			o->build.target_modules = optarg;
			break;
		case 'i':
			o->build.init_binary = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'J':
			o->json = true;
			break;
		case 'h':
			o->help = true;
			return EXIT_CODE_OK;
		case ':':
			return cli_usage_error("mkinitramfs", "option %s needs a value", argv[optind - 1]);
		default:
			return cli_usage_error("mkinitramfs", "unknown option %s", argv[optind - 1]);
		}
	}
	if (argc != optind)
		return cli_usage_error("mkinitramfs", "too many arguments: %s", argv[optind]);
	return EXIT_CODE_OK;
}

static void print_report(const struct mkinitramfs_image *image, const char *path)
{
	char total[16], init[16], modules[16];

	printf("%s: %s for kernel %s\n", path, units_bytes(image->len_bytes, total, sizeof(total)), image->release);
	printf("  target   %s\n", image->target);
	printf("  init     %s before compression\n", units_bytes(image->init_len_bytes, init, sizeof(init)));
	printf("  modules  %s before compression:", units_bytes(image->modules_len_bytes, modules, sizeof(modules)));
	for (size_t i = 0; i < image->modules.nr; i++)
		printf(" %s", image->modules.words[i]);
	puts(image->modules.nr ? "" : " none needed");
}

static json_t *report_json(const struct mkinitramfs_image *image, const char *path)
{
	json_t *modules = json_array();

	for (size_t i = 0; i < image->modules.nr; i++)
		json_array_append_new(modules, json_string(image->modules.words[i]));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "path", path, "bytes",
			 (json_int_t)image->len_bytes, "cpio_bytes", (json_int_t)image->cpio_len_bytes, "init_bytes",
			 (json_int_t)image->init_len_bytes, "modules_bytes", (json_int_t)image->modules_len_bytes,
			 "release", image->release, "target", image->target, "modules", modules);
}

int cmd_mkinitramfs(int argc, char **argv)
{
	struct options o = { .config_path = CONFIG_PATH };
	struct mkinitramfs_image image;
	char path[PATH_MAX];
	struct config config;
	struct err err;
	enum status st;
	int code = parse_options(argc, argv, &o);

	if (o.help)
		print_help();
	if (o.help || code != EXIT_CODE_OK)
		return code;
	if (config_load(o.config_path, &config, &err) != ST_OK)
		return cli_fail(&err, o.json);
	o.build.config = &config;
	st = mkinitramfs_build(&o.build, &image, &err);
	if (st != ST_OK)
		return cli_fail(&err, o.json);
	if (*image.ambiguous)
		log_warn("%s", image.ambiguous);
	if (!o.output)
		o.output = mkinitramfs_path(&config, image.release, path, sizeof(path));
	st = mkinitramfs_write(&image, o.output, &err);
	if (st != ST_OK)
		code = cli_fail(&err, o.json);
	else if (o.json)
		code = cli_print_json(report_json(&image, o.output));
	else
		print_report(&image, o.output);
	mkinitramfs_image_deinit(&image);
	return code;
}
