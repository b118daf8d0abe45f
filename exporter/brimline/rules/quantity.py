"""The right side of a comparison: a quantity by the unit of its measure. Pure.

`parse` and `spell` are each other's inverse; every refusal says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from brimline import units
from brimline.errors import UnitError
from brimline.rules.terms import Unit

EXAMPLES: Final[Mapping[Unit, str]] = MappingProxyType(
    {
        Unit.BYTES: "200MiB",
        Unit.RATIO: "85%",
        Unit.SECONDS: "1m30s",
        Unit.COUNT: "3",
        Unit.FLAG: "1",
        Unit.BYTES_PER_SECOND: "10MiB/s",
        Unit.SECONDS_PER_SECOND: "20%",
        Unit.PER_SECOND: "5/s",
    }
)
_NOUNS: Final[Mapping[Unit, str]] = MappingProxyType(
    {
        Unit.BYTES: "a size",
        Unit.RATIO: "a ratio",
        Unit.SECONDS: "a duration",
        Unit.COUNT: "a plain number",
        Unit.FLAG: "0 or 1",
        Unit.BYTES_PER_SECOND: "bytes per second",
        Unit.SECONDS_PER_SECOND: "a share of the time",
        Unit.PER_SECOND: "a number per second",
    }
)
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_PER_SECOND: Final = re.compile(r"(.*?)\s*/\s*s", re.ASCII)
_LONGEST: Final = 64  # characters of a number


def parse(text: str, unit: Unit) -> float:
    """Read a quantity of the unit; the UnitError says what to write, and what was written if that is another unit's."""
    try:
        return _PARSERS[unit](text)
    except UnitError:
        other = next((u for u in _DISTINCT if u is not unit and _reads(text, u)), None)
        if other is None or (other is Unit.RATIO and unit is Unit.SECONDS_PER_SECOND):
            raise
    raise UnitError(f'"{text}" is {_NOUNS[other]}, not {_NOUNS[unit]}; write something like "{EXAMPLES[unit]}"')


def spell(number: float, unit: Unit) -> str:
    """Write a quantity exactly, in the unit's own way."""
    match unit:
        case Unit.BYTES:
            return units.spell_bytes(int(number))
        case Unit.BYTES_PER_SECOND:
            return f"{units.spell_bytes(int(number))}/s"
        case Unit.RATIO | Unit.SECONDS_PER_SECOND:
            return f"{_plain(Decimal(repr(number)).scaleb(2))}%"
        case Unit.SECONDS | Unit.MOMENT:
            return units.spell_duration(number)
        case Unit.PER_SECOND:
            return f"{plain(number)}/s"
        case Unit.COUNT | Unit.FLAG:
            return plain(number)


def plain(number: float) -> str:
    """Write a number exactly and without an exponent."""
    return _plain(Decimal(repr(number)))


def _plain(number: Decimal) -> str:
    written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _count(text: str) -> float:
    if not _NUMBER.fullmatch(text) or len(text) > _LONGEST:
        raise UnitError(f'"{text}" is no plain number; write digits, such as "3"')
    return float(text)


def _flag(text: str) -> float:
    if text not in {"0", "1"}:
        raise UnitError(f'"{text}" is neither 0 nor 1; write one of them')
    return float(text)


def _share(text: str) -> float:
    if _NUMBER.fullmatch(text) and float(text) > 1:
        raise UnitError(f'"{text}" is above 1; write "{spell(float(text), Unit.RATIO)}"')
    return units.parse_ratio(text)


def _bytes(text: str) -> float:
    return float(units.parse_bytes(text))


def _per_second(example: str, parse_part: Callable[[str], float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        found = _PER_SECOND.fullmatch(text)
        if found is None:
            try:
                parse_part(text)
            except UnitError:
                raise UnitError(f'"{text}" is not per second; write something like "{example}"') from None
            raise UnitError(f'"{text}" is not per second; write "{text}/s"')
        return parse_part(found[1])

    return read


def _moment(text: str) -> float:
    raise UnitError(f'"{text}": a moment is compared with nothing')


def _reads(text: str, unit: Unit) -> bool:
    if _NUMBER.fullmatch(text):  # a bare number is of no unit
        return False
    try:
        _PARSERS[unit](text)
    except UnitError:
        return False
    return True


_PARSERS: Final[Mapping[Unit, Callable[[str], float]]] = MappingProxyType(
    {
        Unit.BYTES: _bytes,
        Unit.RATIO: units.parse_ratio,
        Unit.SECONDS: units.parse_duration,
        Unit.MOMENT: _moment,
        Unit.COUNT: _count,
        Unit.FLAG: _flag,
        Unit.BYTES_PER_SECOND: _per_second(EXAMPLES[Unit.BYTES_PER_SECOND], _bytes),
        Unit.SECONDS_PER_SECOND: _share,
        Unit.PER_SECOND: _per_second(EXAMPLES[Unit.PER_SECOND], _count),
    }
)
_DISTINCT: Final = (Unit.BYTES, Unit.RATIO, Unit.SECONDS, Unit.BYTES_PER_SECOND, Unit.PER_SECOND)
