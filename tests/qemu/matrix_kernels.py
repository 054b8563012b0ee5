# SPDX-License-Identifier: GPL-2.0-or-later
"""`make check-matrix`: every kernel from the oldest that is promised to the newest there is; ends with a table."""

from __future__ import annotations

import pathlib

import pytest

import blind
import crashes
import kernels
import test_blind
from conftest import table
from cycle import Result

on_all = pytest.mark.parametrize("crash", [crashes.kernel_name(*run) for run in crashes.KERNELS], indirect=True)


@on_all
def test_kernel_is_understood(
    crash: Result, outside: kernels.Judged, innercore: str, scratch: pathlib.Path
) -> None:
    table("kernels", kernels.HEAD).append(kernels.row(crash, outside))
    wrong = kernels.complaints(crash, outside, innercore, scratch)
    assert not wrong, "\n".join(wrong)


@on_all
def test_blind_nothing_is_lost(
    crash: Result, innercore: str, scratch: pathlib.Path, measured: list[tuple[str, str]]
) -> None:
    desk = test_blind.Desk(innercore, blind.Core(crash.vmcore), scratch)
    test_blind.test_types_of_the_kernel_stand_in_for_vmcoreinfo(desk, measured)
    test_blind.test_nothing_is_lost_without_types(desk)
