# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's own dump against QEMU's of the same crash: exact to the byte, and nothing of the kernel lost."""

from __future__ import annotations

import pytest

import crashes
import pairs
from cycle import Result

on_all = pytest.mark.parametrize("crash", crashes.MATRIX, indirect=True)
on_formats = pytest.mark.parametrize("format_name", pairs.FORMATS)


@on_all
def test_loaded_as_planned(crash: Result) -> None:
    way = {"s": "kexec_file_load", "c": "kexec_load"}[crash.plan.kexec]
    assert f'"{way}"' in crash.facts["status_json"], crash.facts["status_json"]


@on_all
@on_formats
def test_pair_matches(crash: Result, format_name: str, measured: list[tuple[str, str]]) -> None:
    pair = crash.pairs[format_name]
    assert not pairs.complaint(pair, crash.plan.kexec, crash.facts["iomem"])
    equal = f"{pair.pages['equal']} of {pair.pages['common']} pages equal"
    measured.append((f"pair {crash.plan.name} {format_name}", f"{equal}, {pair.seconds:.1f} s"))


@on_all
@on_formats
def test_vmcoreinfo_where_there_is_the_device(crash: Result, format_name: str) -> None:
    headers = {field["field"]: field for field in crash.pairs[format_name].report["headers"]}
    state = headers["vmcoreinfo"]["state"]
    assert (state == "same") == crash.plan.vmcoreinfo, headers["vmcoreinfo"]
