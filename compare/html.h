/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_HTML_H
#define COMPARE_HTML_H

#include <stdio.h>

#include "compare/picture.h"

/* Parts of the HTML report. All text of a dump goes through text_html(); the script's data is numbers and names of
 * ours. */

/** The style sheet and the script, as they stand in report.css and report.js. */
extern const char html_style[], html_style_end[];
extern const char html_script[], html_script_end[];

/** The drawing with its legend, and the data by which the script tells what is under the pointer. */
void html_picture(const struct compare_report *report, FILE *to);

/** What a state is called and painted as. @buf of 96 bytes. */
const char *html_state_label(enum picture_state s, char buf[96]);
const char *html_state_colour(enum picture_state s);
const char *html_class_label(unsigned class);
const char *html_class_colour(unsigned class);

#endif
