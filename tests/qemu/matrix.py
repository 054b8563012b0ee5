# SPDX-License-Identifier: GPL-2.0-or-later
"""`make check-matrix`: every firmware, way of kexec, vmcoreinfo device, kernel and dump format; ends with a table."""

from __future__ import annotations

import pytest

import crashes
import pairs
from conftest import table
from cycle import Result

COUNTS = ("common", "equal", "explained", "unexplained", "lost")
HEAD = ("firmware", "kexec", "vmcoreinfo", "kernel", "format", *COUNTS, "seconds")


@pytest.mark.parametrize("format_name", pairs.FORMATS)
@pytest.mark.parametrize("crash", [crashes.pair_name(*combination) for combination in crashes.PAIRS], indirect=True)
def test_pair_matches(crash: Result, format_name: str) -> None:
    pair, plan = crash.pairs[format_name], crash.plan
    if pair.report:
        pages = pair.pages
        counts = (pages["common"], pages["equal"], pages["differ_explained"], pages["differ_unexplained"], pair.lost)
    else:
        counts = ("-",) * len(COUNTS)
    device = "with" if plan.vmcoreinfo else "without"
    where = (plan.firmware, f"-{plan.kexec}", device, crash.facts["release"].split("-")[0], format_name)
    table("pairs", HEAD).append(tuple(str(cell) for cell in (*where, *counts, f"{pair.seconds:.1f}")))
    assert not pairs.complaint(pair, plan.kexec, crash.facts["iomem"])
