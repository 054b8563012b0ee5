# SPDX-License-Identifier: GPL-2.0-or-later
"""The judges' own rules, without a guest: a judge that cannot say no is none."""

from __future__ import annotations

import json
import pathlib

import pytest

from judges import classify_names, pages, readers, root

NAMES = classify_names.NAMES
HEADER = {"release": "6.1", "anomalies": [], "partial": [], "witnesses": {}, "first tails": []}


def judgement_of(*names: str) -> pages.Judgement:
    """One page of each class named, from PFN 0."""
    return pages.Judgement("6.1", NAMES, bytes(NAMES.index(name) for name in names), (), (), {})


def bitmap(*bits: int) -> bytes:
    """Bits as a dump's bitmap holds them."""
    found = bytearray((len(bits) + 7) // 8)
    for pfn, bit in enumerate(bits):
        found[pfn // 8] |= bit << pfn % 8
    return bytes(found)


def test_every_class_has_a_verdict() -> None:
    """No class is forgotten, and none is claimed by two sides."""
    sides = (pages.MUST_KEEP, pages.MUST_DROP, pages.NEITHER)
    assert sorted(NAMES) == sorted(name for side in sides for name in side)


@pytest.mark.parametrize("name", sorted(pages.MUST_KEEP))
def test_kernel_page_must_be_held(name: str) -> None:
    """Held is right, dropped is lost."""
    judged = judgement_of("free", name)
    assert pages.compare(judged, bitmap(0, 1)) == ({}, {})
    assert pages.compare(judged, bitmap(0, 0)) == ({name: [1]}, {})


@pytest.mark.parametrize("name", sorted(pages.MUST_DROP))
def test_user_page_must_be_dropped(name: str) -> None:
    """Dropped is right, held is leaked."""
    judged = judgement_of("kernel", name)
    assert pages.compare(judged, bitmap(1, 0)) == ({}, {})
    assert pages.compare(judged, bitmap(1, 1)) == ({}, {name: [1]})


def test_contested_page_is_free_to_be_either() -> None:
    """The kernel was stopped amid a change."""
    judged = judgement_of("contested", "contested")
    assert pages.compare(judged, bitmap(1, 0)) == ({}, {})


def test_bitmap_shorter_and_longer_than_memory() -> None:
    """A short bitmap loses what it does not reach; bits beyond memory are pages out of nowhere."""
    assert pages.compare(judgement_of("slab", "reserved"), b"") == ({"slab": [0], "reserved": [1]}, {})
    assert pages.compare(judgement_of("slab"), bitmap(1, 1)) == ({}, {"absent": [1]})


def test_judgement_with_an_unknown_class_is_refused(tmp_path: pathlib.Path) -> None:
    """A class added to one side alone must not pass as `neither`."""
    path = tmp_path / "judgement"
    header = HEADER | {"classes": ["absent", "new"], "pages": 1}
    path.write_bytes(json.dumps(header).encode() + b"\n\1")
    with pytest.raises(readers.ReaderError, match="nothing says whether to keep new"):
        pages.load(path)


def test_judgement_cut_short_is_refused(tmp_path: pathlib.Path) -> None:
    """Fewer codes than announced."""
    path = tmp_path / "judgement"
    header = HEADER | {"classes": ["absent"], "pages": 2}
    path.write_bytes(json.dumps(header).encode() + b"\n\0")
    with pytest.raises(readers.ReaderError, match="1 codes where 2"):
        pages.load(path)


def test_deadline_ends_a_reader_and_its_children() -> None:
    """And what it had said until then is kept."""
    done = root.run(["sh", "-c", "echo early; sleep 60 & wait"], timeout=1)
    assert done.returncode < 0
    assert done.stdout == "early\n"
    assert "killed after 1 seconds" in done.stderr


def test_reader_of_a_file_that_is_no_dump_fails_with_its_words(tmp_path: pathlib.Path) -> None:
    """libkdumpfile's text reaches the failed test."""
    path = tmp_path / "nonsense"
    path.write_bytes(b"nonsense" * 4096)
    with pytest.raises(readers.ReaderError, match="libkdumpfile"):
        readers.kdumpfile(path)
