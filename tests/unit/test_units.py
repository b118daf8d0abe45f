"""Quantities: what is read, what is refused and with which advice, and that spelling is the inverse of reading."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline import units
from brimline.errors import UnitError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200MiB", 200 << 20),
        ("2GiB", 2 << 30),
        ("1.5 GiB", 3 << 29),
        ("1TiB", 1 << 40),
        ("1kB", 1000),
        ("2GB", 2 * 10**9),
        ("512B", 512),
        ("0B", 0),
        ("9007199254740993B", 9007199254740993),  # more than a float holds
    ],
)
def test_bytes(text: str, value: int) -> None:
    assert units.parse_bytes(text) == value


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("200", 'write "200MiB", or "200B" for single bytes'),
        ("200M", 'write "200MiB" (powers of 1024) or "200MB" (powers of 1000)'),
        ("200Mi", 'write "200MiB"'),
        ("200mib", 'write "200MiB"'),
        ("64k", 'write "64KiB" (powers of 1024) or "64kB" (powers of 1000)'),
        ("64KB", 'write "64KiB" (powers of 1024) or "64kB" (powers of 1000)'),
        ("2 quarts", "write B, KiB, MiB, GiB, TiB, kB, MB, GB or TB"),
        ("-1MiB", 'write a number with a unit, such as "200MiB"'),
        ("1,5GiB", 'write a number with a unit, such as "200MiB"'),
        ("", 'write a number with a unit, such as "200MiB"'),
        ("1" * 1000, 'write something like "200MiB"'),
    ],
)
def test_bytes_refused(text: str, advice: str) -> None:
    with pytest.raises(UnitError) as refused:
        units.parse_bytes(text)
    assert str(refused.value).endswith(advice)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "value"), [("85%", 0.85), ("0.85", 0.85), ("0", 0.0), ("1.0", 1.0), ("0.1 %", 0.001), ("150%", 1.5)]
)
def test_ratio(text: str, value: float) -> None:
    assert units.parse_ratio(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("85", 'write "85%"'),
        ("1", 'write "1%" or "100%"'),
        ("half", 'write "85%" or "0.85"'),
        ("-5%", 'write "85%" or "0.85"'),
    ],
)
def test_ratio_refused(text: str, advice: str) -> None:
    with pytest.raises(UnitError) as refused:
        units.parse_ratio(text)
    assert str(refused.value).endswith(advice)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("1h", 3600),
        ("1d2h", 93600),
        ("1w", 604800),
        ("1y", 31536000),
        ("0", 0),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("5", 'write "5s"'),
        ("1:30", 'write "1m30s"'),
        ("1:02:03", 'write "1h2m3s"'),
        ("1.5h", 'write "1h30m"'),
        ("30s1m", 'write "1m30s"'),
        ("1m 30s", 'write "1m30s"'),
        ("soon", 'write whole numbers with units, largest first, such as "1m30s", "5s" or "250ms"'),
        ("", 'write whole numbers with units, largest first, such as "1m30s", "5s" or "250ms"'),
    ],
)
def test_duration_refused(text: str, advice: str) -> None:
    with pytest.raises(UnitError) as refused:
        units.parse_duration(text)
    assert str(refused.value).endswith(advice)


@given(st.integers(0, 1 << 60))
def test_spelled_bytes_read_the_same(value: int) -> None:
    assert units.parse_bytes(units.spell_bytes(value)) == value


@given(st.one_of(st.integers(0, 20000).map(lambda n: n / 10000), st.floats(0, 0.999, allow_subnormal=False)))
def test_spelled_ratios_read_the_same(value: float) -> None:
    assert units.parse_ratio(units.spell_ratio(value)) == pytest.approx(value, abs=1e-14)


@given(st.integers(0, 10**12))
def test_spelled_durations_read_the_same(milliseconds: int) -> None:
    assert units.parse_duration(units.spell_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(max_size=30), st.sampled_from([units.parse_bytes, units.parse_ratio, units.parse_duration]))
def test_any_text_is_read_or_refused(text: str, parse: Callable[[str], float]) -> None:
    try:
        said = str(parse(text) >= 0)
    except UnitError as refused:
        said = str(refused)
    assert said == "True" or "write" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [(2 << 30, "2GiB"), (200 << 20, "200MiB"), (1000, "1kB"), (1023, "1023B"), (10**9, "1GB"), (0, "0B")],
)
def test_bytes_are_spelled_shortly(value: int, text: str) -> None:
    assert units.spell_bytes(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.85, "85%"), (0.29, "29%"), (0.001, "0.1%"), (1.0, "100%"), (0.0, "0%")])
def test_ratios_are_spelled_as_percentages(value: float, text: str) -> None:
    assert units.spell_ratio(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(5.0, "5s"), (90, "1m30s"), (0.25, "250ms"), (0, "0s"), (777600, "9d")])
def test_durations_are_spelled_as_prometheus_does(seconds: float, text: str) -> None:
    assert units.spell_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1_300_000_000, "1.21 GiB"),
        (200 << 20, "200 MiB"),
        (362 * 1_000_000, "345 MiB"),
        ((1 << 20) - 1, "1.00 MiB"),
        (99.97 * (1 << 20), "100 MiB"),
        (9.999 * (1 << 20), "10.0 MiB"),
        (5000 << 40, "5000 TiB"),
    ],
)
def test_bytes_for_people(value: float, text: str) -> None:
    assert units.format_bytes(value) == text


def test_ratios_for_people() -> None:
    assert units.format_ratio(0.8534) == "85.3 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (5, "5s"),
        (12.25, "12.2s"),
        (90, "1m 30s"),
        (7500, "2h 5m"),
        (7200, "2h"),
        (93600, "1d 2h"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text
