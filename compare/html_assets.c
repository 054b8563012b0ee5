// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/html.h"

/* Real files, so that editors and linters know them for what they are. The build runs in the top folder. */
#define EMBED(name, file)                                 \
	__asm__(".pushsection .rodata\n"                  \
		".global " #name "\n" #name ":\n"         \
		".incbin \"" file "\"\n"                  \
		".global " #name "_end\n" #name "_end:\n" \
		".byte 0\n"                               \
		".popsection\n")

EMBED(html_style, "compare/report.css");
EMBED(html_script, "compare/report.js");
