"""A value as a person reads it, by its unit: `85.3 %`, `1.21 GiB`, `2h 5m`. Pure; what is absent is n/a, never 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Final

from brimline import units
from brimline.rules.quantity import plain
from brimline.rules.terms import Unit

ABSENT: Final = "n/a"
_DAY: Final = 86_400


def show(value: str | float | None, unit: Unit | None = None) -> str:
    """Write a label or a number for people."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, str):
        return value
    return _FORMATS[unit](value) if unit is not None and isfinite(value) else f"{value:g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else plain(float(f"{value:.4g}"))


def _moment(seconds: float) -> str:
    """Write seconds since the epoch in UTC: https://howardhinnant.github.io/date_algorithms.html#civil_from_days."""
    days, rest = divmod(int(seconds), _DAY)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153  # months from March
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = (shifted + 2) % 12 + 1
    year = year_of_era + era * 400 + (month in {1, 2})
    return f"{year:04}-{month:02}-{day:02} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} UTC"


_FORMATS: Final[Mapping[Unit, Callable[[float], str]]] = MappingProxyType(
    {
        Unit.BYTES: units.format_bytes,
        Unit.BYTES_PER_SECOND: lambda value: f"{units.format_bytes(value)}/s",
        Unit.RATIO: units.format_ratio,
        Unit.SECONDS_PER_SECOND: units.format_ratio,
        Unit.SECONDS: units.format_duration,
        Unit.MOMENT: _moment,
        Unit.PER_SECOND: lambda value: f"{_number(value)}/s",
        Unit.COUNT: _number,
        Unit.FLAG: _number,
    }
)
