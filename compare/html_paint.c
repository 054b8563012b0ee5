// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/html.h"

/* Calm colours for what is in order, and two that nothing else comes near for what is not. */
#define UNEXPLAINED_COLOUR "#a6009c"
#define LOST_COLOUR "#d7141a"
#define DIFFERS_COLOUR "#e59a1f"
#define INNER_ONLY_COLOUR "#2f7fa8"
#define EQUAL_COLOUR "#5f9e7e"

static const char *const class_colours[PICTURE_CLASSES] = {
	[AUDIT_FREE] = "#e2e7ec", [AUDIT_CACHE] = "#b5d3ea",   [AUDIT_CACHE_PRIVATE] = "#86b3d8",
	[AUDIT_USER] = "#ecd8a2", [AUDIT_OFFLINE] = "#cdc3e0", [AUDIT_HWPOISON] = "#a287b6",
	[AUDIT_ZERO] = "#f0e9d8", [AUDIT_LOST] = "#4f7396",    [AUDIT_COUNT] = "#d8cfc4",
};

static const char *const outer_colours[CAUSE_COUNT] = {
	[CAUSE_NONE] = UNEXPLAINED_COLOUR, [CAUSE_LOW_1MIB] = "#b3a58c", [CAUSE_CRASH_KERNEL] = "#8695a5",
	[CAUSE_CRASH_CMA] = "#9fb0c0",	   [CAUSE_FIRMWARE] = "#5d6b7a", [CAUSE_ROM] = "#c4a484",
	[CAUSE_DEVICE] = "#6a6fa3",	   [CAUSE_FLASH] = "#8f7aa5",	 [CAUSE_PARTIAL_PAGE] = "#c08a5a",
	[CAUSE_OFFLINE] = "#cdc3e0",	   [CAUSE_EXCLUDED] = "#d8cfc4", [CAUSE_CRASH_PATH] = "#e5c79a",
};

const char *html_state_label(enum picture_state s, char buf[96])
{
	if (s == PICTURE_EQUAL)
		snprintf(buf, 96, "equal in both");
	else if (s == PICTURE_LOST)
		snprintf(buf, 96, "LOST: kernel page left out");
	else if (s < PICTURE_OUTER_ONLY)
		snprintf(buf, 96, "left out: %s", audit_class_label((enum audit_class)(s - PICTURE_LEFT_OUT)));
	else if (s < PICTURE_INNER_ONLY)
		snprintf(buf, 96, "only in outer: %s", cause_label((enum cause)(s - PICTURE_OUTER_ONLY)));
	else if (s < PICTURE_DIFFERS)
		snprintf(buf, 96, "only in inner: %s", cause_label((enum cause)(s - PICTURE_INNER_ONLY)));
	else
		snprintf(buf, 96, "differs: %s", cause_label((enum cause)(s - PICTURE_DIFFERS)));
	return buf;
}

const char *html_state_colour(enum picture_state s)
{
	if (s == PICTURE_EQUAL)
		return EQUAL_COLOUR;
	if (s == PICTURE_LOST)
		return LOST_COLOUR;
	if (picture_state_is_alarm(s))
		return UNEXPLAINED_COLOUR;
	if (s < PICTURE_OUTER_ONLY)
		return class_colours[s - PICTURE_LEFT_OUT];
	if (s < PICTURE_INNER_ONLY)
		return outer_colours[s - PICTURE_OUTER_ONLY];
	return s < PICTURE_DIFFERS ? INNER_ONLY_COLOUR : DIFFERS_COLOUR;
}

const char *html_class_label(unsigned class)
{
	if (class == AUDIT_LOST)
		return "kernel";
	if (class == AUDIT_COUNT)
		return "no struct page";
	return audit_class_label((enum audit_class) class);
}

const char *html_class_colour(unsigned class)
{
	return class_colours[class];
}
