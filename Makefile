# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile, not recursive. `make help` lists what it can do.

include Kbuild-helpers/flags.mk
include Kbuild-helpers/sources.mk
include Kbuild-helpers/rules.mk
include Kbuild-helpers/tests.mk
