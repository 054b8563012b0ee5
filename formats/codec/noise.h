/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_CODEC_NOISE_H
#define FORMATS_CODEC_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Does @page look like noise (compressed or encrypted data), which no codec shrinks? An estimate that costs a small part of
 * the attempt: an error costs space or time, never content.
 */
bool page_is_noise(const uint8_t *page, size_t len);

#endif
