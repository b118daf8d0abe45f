"""The types of options: read from text, taken as they are from code, written back as text."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from brimline.options import Bytes, Duration, Options, Ratio, Regex


class Sample(Options):
    """One field of each type."""

    size: Bytes = 1 << 30
    share: Ratio = 0.85
    wait: Duration | None = None
    name: Regex | None = None


def test_text_becomes_values() -> None:
    sample = Sample.model_validate({"size": "200MiB", "share": "90%", "wait": "1m30s", "name": "a+"})
    assert (sample.size, sample.share, sample.wait, sample.name) == (200 << 20, 0.9, 90.0, re.compile("a+"))


def test_values_become_the_same_text() -> None:
    written = {"size": "200MiB", "share": "90%", "wait": "1m30s", "name": "a+"}
    assert Sample.model_validate(written).model_dump() == written


def test_code_gives_numbers() -> None:
    assert Sample(size=5, wait=2.5) == Sample.model_validate({"size": "5B", "wait": "2s500ms"})


def test_options_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample().size = 3  # type: ignore[misc] # that is the point


@pytest.mark.parametrize("field", ["size", "share", "wait", "name"])
def test_what_cannot_be_read_says_what_to_write(field: str) -> None:
    with pytest.raises(ValidationError, match="; write "):
        Sample.model_validate({field: "(5"})
