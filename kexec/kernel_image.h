/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KEXEC_KERNEL_IMAGE_H
#define KEXEC_KERNEL_IMAGE_H

#include <stddef.h>

#include "common/err.h"

/**
 * The release that the x86 bzImage at @path carries ("6.1.0-56-cloud-amd64") into @release. ST_NOT_FOUND: no such file.
 * ST_BAD_INPUT: no bzImage.
 */
enum status kernel_image_release(const char *path, char *release, size_t len, struct err *err) __must_check;

/** Where distributions put the image of kernel @release; into @path. ST_NOT_FOUND with the places that were tried. */
enum status kernel_image_find(const char *release, char *path, size_t len, struct err *err) __must_check;

#endif
