/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMATS_KDUMP_KDUMP_SURVEY_H
#define FORMATS_KDUMP_KDUMP_SURVEY_H

#include "formats/kdump/kdump_pages.h"
#include "formats/kdump/kdump_physmem.h"

/** As kdump_physmem_survey(), added to what @survey says already. */
enum status kdump_pages_survey(struct kdump_pages *p, struct kdump_survey *survey, struct err *err) __must_check;

#endif
