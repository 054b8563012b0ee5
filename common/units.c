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

size_t ranges_find(const struct range *ranges, size_t nr, uint64_t at)
{
	size_t lo = 0, hi = nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ranges[mid].end <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

double units_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
