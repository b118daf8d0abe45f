"""The pure parts: what a client asks for, and the gzip answer put together from two."""

from __future__ import annotations

import gzip as reference

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.web.deflate import deflate, gzip
from brimline.web.negotiate import accepts_gzip, prefers_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ([], False),
        (["*/*"], False),
        (["text/html,application/xhtml+xml,*/*;q=0.8"], False),
        (["text/plain"], False),
        (["application/openmetrics-text"], True),
        (["application/openmetrics-text; version=1.0.0; charset=utf-8"], True),
        (["application/openmetrics-text;version=0.0.1"], False),
        (["application/openmetrics-text;q=0.2,text/plain;q=0.9"], False),
        (["application/openmetrics-text;q=0"], False),
        (["text/plain;q=0.1", "application/openmetrics-text;q=0.2"], True),
        (["application/openmetrics-text;q=often"], False),
        ([PROMETHEUS_2], True),
        ([PROMETHEUS_3], True),
    ],
)
def test_openmetrics_is_served_to_whoever_prefers_it(accept: list[str], openmetrics: bool) -> None:  # noqa: FBT001 - a table
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("accept", "gzip"),
    [
        ([], False),
        (["gzip"], True),
        (["deflate, gzip;q=0.5"], True),
        (["gzip;q=0"], False),
        (["*"], True),
        (["identity"], False),
        (["*;q=0"], False),
        (["gzip;q=0, *"], False),
        ([""], False),
    ],
)
def test_gzip_only_for_whoever_takes_it(accept: list[str], gzip: bool) -> None:  # noqa: FBT001 - a table
    assert accepts_gzip(accept) is gzip


@given(st.binary(max_size=2000), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_one_beginning_serves_many_answers(shared: bytes, ends: list[bytes]) -> None:
    first = deflate(shared)
    for end in ends:
        assert reference.decompress(b"".join(gzip(first, end))) == shared + end
