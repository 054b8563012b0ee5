// SPDX-License-Identifier: GPL-2.0-or-later
#include "initramfs/mkinitramfs.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/units.h"
#include "initramfs/cpio.h"
#include "initramfs/drivers.h"
#include "initramfs/init.h"
#include "initramfs/loadable.h"
#include "initramfs/module_set.h"
#include "initramfs/modules.h"
#include "initramfs/target.h"

#define SYS "/sys"
#define SELF "/proc/self/exe"
#define DEFAULT_FOLDER "/var/lib/innercore"
#define INIT_MAX_BYTES (256 * MIB)
#define IMAGE_MAX_BYTES (512 * MIB)
/* The last percent costs ten times the time, and `status` builds the image too, to compare. */
#define GZIP_LEVEL 7
#define CONFIG_TEXT_BYTES 8192

struct build {
	const struct mkinitramfs_options *options;
	struct mkinitramfs_image *image;
	struct module_tree tree;
	struct word_list wanted;   /* names of modules that must be there */
	struct word_list optional; /* names of modules that may be there */
	struct word_list files;	   /* in load order */
	bool watchdog;
	struct cpio cpio;
};

/* --- which modules ------------------------------------------------------------------------------------------------ */

/* A disk's driver by itself does not find its device: virtio's transport and SCSI's disk driver are modules of their
 * own. */
static enum status add_companions(struct word_list *names, struct err *err)
{
	enum status st = ST_OK;

	if (word_list_has(names, "virtio_blk") || word_list_has(names, "virtio_scsi"))
		st = word_list_add(names, "virtio_pci", err);
	if (st == ST_OK &&
	    (word_list_has(names, "virtio_scsi") || word_list_has(names, "hv_storvsc") || word_list_has(names, "ahci")))
		st = word_list_add(names, "sd_mod", err);
	return st;
}

static enum status add_filesystem(struct build *b, const char *type, struct err *err)
{
	enum status st = word_list_add(&b->wanted, type, err);

	/* vfat asks for its character sets when it mounts; which ones is a matter of the kernel's configuration. */
	if (st == ST_OK && strcmp(type, "vfat") == 0)
		st = word_list_add_all(&b->optional, "nls_cp437 nls_ascii nls_iso8859-1 nls_utf8", err);
	return st;
}

static enum status modules_by_name(struct build *b, struct err *err)
{
	const struct config *config = b->options->config;
	enum status st = word_list_add_all(&b->wanted, b->options->target_modules, err);
	char name[264];

	if (st == ST_OK)
		st = add_companions(&b->wanted, err);
	if (st == ST_OK && word_list_has(&b->wanted, "vfat"))
		st = add_filesystem(b, "vfat", err);
	if (st == ST_OK && *config->fstype)
		st = add_filesystem(b, config->fstype, err);
	snprintf(b->image->target, sizeof(b->image->target), "%s", config_target_name(config, name, sizeof(name)));
	return st;
}

static enum status modules_of_this_system(struct build *b, struct err *err)
{
	const struct config *config = b->options->config;
	struct target_device dev;
	char name[264];
	enum status st = target_find(config, &dev, err);

	if (st == ST_NOT_FOUND)
		return err_wrap(err, st, "the target is not on this machine (name its modules with --target-modules)");
	if (st != ST_OK)
		return st;
	snprintf(b->image->target, sizeof(b->image->target), "%s (%s, %s)",
		 config_target_name(config, name, sizeof(name)), dev.node, dev.fstype);
	target_is_ambiguous(&target_places, config, &dev, b->image->ambiguous, sizeof(b->image->ambiguous));
	st = drivers_of_memory(SYS, &b->optional, err);
	if (st == ST_OK)
		st = drivers_of_block_device(SYS, dev.major_nr, dev.minor_nr, &b->wanted, err);
	if (st == ST_OK)
		st = add_filesystem(b, target_mount_type(dev.fstype), err);
	if (st == ST_OK)
		st = drivers_of_watchdog(SYS, &b->optional, &b->watchdog, err);
	return st;
}

static enum status resolve_modules(struct build *b, struct err *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < b->optional.nr && st == ST_OK; i++) {
		st = module_set_resolve(&b->tree, b->optional.words[i], &b->files, err);
		if (st == ST_NOT_FOUND)
			st = ST_OK;
	}
	for (size_t i = 0; i < b->wanted.nr && st == ST_OK; i++)
		st = module_set_resolve(&b->tree, b->wanted.words[i], &b->files, err);
	return st;
}

static enum status choose_modules(struct build *b, struct err *err)
{
	const struct mkinitramfs_options *o = b->options;
	enum status st = module_tree_find(o->modules_folder, o->release, &b->tree, err);

	if (st != ST_OK)
		return st;
	memcpy(b->image->release, b->tree.release, sizeof(b->image->release));
	st = o->target_modules ? modules_by_name(b, err) : modules_of_this_system(b, err);
	if (st == ST_OK)
		st = word_list_add_all(&b->wanted, o->config->modules_extra, err);
	if (st == ST_OK)
		st = resolve_modules(b, err);
	return st;
}

/* --- the archive -------------------------------------------------------------------------------------------------- */

static enum status add_folders(struct build *b, struct err *err)
{
	static const char *const folders[] = { "dev", "proc", "sys", "run", "mnt", "etc", "modules" };
	enum status st = ST_OK;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && st == ST_OK; i++)
		st = cpio_add_dir(&b->cpio, folders[i], 0755, err);
	/* What PID 1's first three descriptors are opened on, should the kernel's own rootfs have none. */
	if (st == ST_OK)
		st = cpio_add_char_device(&b->cpio, "dev/console", 0600, 5, 1, err);
	return st;
}

static enum status add_init(struct build *b, struct err *err)
{
	const char *path = b->options->init_binary ? b->options->init_binary : SELF;
	_cleanup_free_ uint8_t *data = NULL;
	size_t len;
	enum status st = file_read_all(path, INIT_MAX_BYTES, &data, &len, err);

	if (st == ST_OK)
		st = loadable_trim(data, &len, err);
	if (st != ST_OK)
		return err_wrap(err, st, "%s cannot be /init", path);
	b->image->init_len_bytes = len;
	return cpio_add_file(&b->cpio, "init", 0755, data, len, err);
}

static enum status add_config(struct build *b, struct err *err)
{
	char text[CONFIG_TEXT_BYTES];
	size_t len = config_format(b->options->config, text, sizeof(text));
	enum status st = cpio_add_file(&b->cpio, CONFIG_PATH + 1, 0644, text, len, err);

	if (st == ST_OK && b->watchdog)
		st = cpio_add_file(&b->cpio, INIT_WATCHDOG_MARK + 1, 0644, "", 0, err);
	return st;
}

static enum status add_module(struct build *b, size_t index, char *list, size_t list_len, struct err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	char name[128], file[160], path[192];
	size_t len, used = strlen(list);
	enum status st = module_file_name(b->files.words[index], name, sizeof(name), err);

	if (st == ST_OK)
		st = module_file_read(b->files.words[index], &data, &len, err);
	if (st == ST_OK)
		st = word_list_add(&b->image->modules, name, err);
	if (st != ST_OK)
		return st;
	b->image->modules_len_bytes += len;
	snprintf(file, sizeof(file), "%02zu-%s.ko", index, name);
	snprintf(path, sizeof(path), "%s/%s", MODULES_FOLDER + 1, file);
	if ((size_t)snprintf(list + used, list_len - used, "%s\n", file) >= list_len - used)
		return err_set(err, ST_USAGE, "too many modules");
	return cpio_add_file(&b->cpio, path, 0644, data, len, err);
}

static enum status add_modules(struct build *b, struct err *err)
{
	enum status st = ST_OK;
	char list[16384] = "";

	for (size_t i = 0; i < b->files.nr && st == ST_OK; i++)
		st = add_module(b, i, list, sizeof(list), err);
	if (st != ST_OK)
		return st;
	return cpio_add_file(&b->cpio, MODULES_FOLDER "/" MODULES_LIST + 1, 0644, list, strlen(list), err);
}

static enum status compress(struct build *b, struct err *err)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(GZIP_LEVEL);
	struct mkinitramfs_image *image = b->image;
	size_t bound = libdeflate_gzip_compress_bound(c, b->cpio.len_bytes);

	image->data = malloc(bound);
	if (c && image->data)
		image->len_bytes = libdeflate_gzip_compress(c, b->cpio.data, b->cpio.len_bytes, image->data, bound);
	libdeflate_free_compressor(c);
	if (!image->len_bytes)
		return err_set(err, ST_NO_MEMORY, "out of memory for the compressed initramfs");
	image->cpio_len_bytes = b->cpio.len_bytes;
	return ST_OK;
}

static enum status make_archive(struct build *b, struct err *err)
{
	enum status st = add_folders(b, err);

	if (st == ST_OK)
		st = add_init(b, err);
	if (st == ST_OK)
		st = add_config(b, err);
	if (st == ST_OK)
		st = add_modules(b, err);
	if (st == ST_OK)
		st = cpio_finish(&b->cpio, err);
	if (st == ST_OK)
		st = compress(b, err);
	return st;
}

enum status mkinitramfs_build(const struct mkinitramfs_options *options, struct mkinitramfs_image *image,
			      struct err *err)
{
	struct build b = { .options = options, .image = image };
	enum status st;

	memset(image, 0, sizeof(*image));
	if (options->config->target_kind == TARGET_NONE)
		return err_set(err, ST_USAGE, "no target is configured: write \"target = UUID=...\" into %s",
			       CONFIG_PATH);
	st = choose_modules(&b, err);
	if (st == ST_OK)
		st = make_archive(&b, err);
	cpio_deinit(&b.cpio);
	word_list_deinit(&b.wanted);
	word_list_deinit(&b.optional);
	word_list_deinit(&b.files);
	if (st != ST_OK)
		mkinitramfs_image_deinit(image);
	return st;
}

void mkinitramfs_image_deinit(struct mkinitramfs_image *image)
{
	if (!image)
		return;
	free(image->data);
	word_list_deinit(&image->modules);
	*image = (struct mkinitramfs_image){ 0 };
}

enum status mkinitramfs_write(const struct mkinitramfs_image *image, const char *path, struct err *err)
{
	enum status st = file_make_parents(path, 0755, err);

	if (st != ST_OK)
		return st;
	return file_replace_at(AT_FDCWD, path, image->data, image->len_bytes, 0600, err);
}

bool mkinitramfs_is_same(const struct mkinitramfs_image *image, const char *path)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct err err;
	size_t len;

	return file_read_all(path, IMAGE_MAX_BYTES, &data, &len, &err) == ST_OK && len == image->len_bytes &&
	       memcmp(data, image->data, len) == 0;
}

const char *mkinitramfs_path(const struct config *config, const char *release, char *buf, size_t len)
{
	if (*config->initramfs)
		snprintf(buf, len, "%s", config->initramfs);
	else
		snprintf(buf, len, DEFAULT_FOLDER "/initramfs-%s.img", release);
	return buf;
}
