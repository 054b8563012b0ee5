// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *units_bytes(uint64_t bytes, char *buf, size_t len)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	int i = -1;

	if (bytes < KIB) {
		snprintf(buf, len, "%" PRIu64 " B", bytes);
		return buf;
	}
	/* From there on it would be rounded to "1024.0". */
	while (v >= 1023.95 && i + 1 < (int)ARRAY_SIZE(unit)) {
		v /= 1024.0;
		i++;
	}
	snprintf(buf, len, "%.1f %s", v, unit[i]);
	return buf;
}

double units_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
