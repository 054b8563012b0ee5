/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_EXIT_CODES_H
#define COMMON_EXIT_CODES_H

/** What the shell sees; the manual page names the same numbers. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_NEGATIVE = 1,		/**< the work was done and the answer is no */
	EXIT_CODE_BAD_INPUT = 2,	/**< bad input or usage */
	EXIT_CODE_HOLES = 3,		/**< a dump was saved, with holes or incomplete */
	EXIT_CODE_NOTHING_SAVED = 4,	/**< no dump was saved */
	EXIT_CODE_INTERNAL = 5,		/**< a fault of this program */
};

#endif
