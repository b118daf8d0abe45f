from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.labels import LONGEST, sanitise

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("whisper-1", "whisper-1"),
        ("модель", "модель"),
        (os.fsdecode(b"worker \xff"), r"worker \xff"),
        ('a\n"b"', r'a\x0a"b"'),
        ("tab\there\0", r"tab\x09here\x00"),
        ("line\u2028and\u2029paragraph", r"line\u2028and\u2029paragraph"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\U000e0001tag", r"\U000e0001tag"),
        (r"system.slice/dev-disk\x2dby.swap", r"system.slice/dev-disk\x2dby.swap"),
        ("", ""),
    ],
)
def test_what_cannot_be_printed_is_spelled_out(raw: str, shown: str) -> None:
    assert sanitise(raw) == shown


def test_a_megabyte_is_cut_and_stays_apart_from_its_neighbour() -> None:
    first, second = sanitise("x" * 2**20 + "1"), sanitise("x" * 2**20 + "2")
    assert len(first) == len(second) == LONGEST
    assert first[:201] == second[:201] == "x" * 200 + "~"
    assert first != second


def test_a_name_that_just_fits_is_whole() -> None:
    assert sanitise("x" * LONGEST) == "x" * LONGEST
    assert sanitise("x" * (LONGEST + 1)) != "x" * (LONGEST + 1)


@given(ANYTHING)
def test_any_text_becomes_printable_short_and_stable(raw: str) -> None:
    shown = sanitise(raw)
    assert shown.isprintable()
    assert len(shown) <= LONGEST
    assert sanitise(shown) == shown
    shown.encode()
