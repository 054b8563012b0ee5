/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMPARE_TALLY_H
#define COMPARE_TALLY_H

#include "compare/pages.h"

/** Enter one page into the counts and lists of @report. The auditor's last load holds the page. */
void tally_page(struct compare_report *report, const struct pages_job *job, const struct page_seen *s);
/** The same for how a PAGE_DIFFERS page differs. */
void tally_difference(struct compare_report *report, const struct page_difference *d);

#endif
