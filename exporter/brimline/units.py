"""Bytes, ratios and durations: read from text, spelled back exactly, and written for people. Pure.

`parse_*` and `spell_*` are each other's inverse; `format_*` rounds. Every refusal says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from brimline.errors import UnitError

BYTE_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "B": 1,
        "KiB": 1 << 10,
        "MiB": 1 << 20,
        "GiB": 1 << 30,
        "TiB": 1 << 40,
        "kB": 10**3,
        "MB": 10**6,
        "GB": 10**9,
        "TB": 10**12,
    }
)
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB")

# Prometheus's own units and order (model.ParseDuration), in milliseconds.
_DURATION_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "y": 365 * 86_400_000,
        "w": 7 * 86_400_000,
        "d": 86_400_000,
        "h": 3_600_000,
        "m": 60_000,
        "s": 1000,
        "ms": 1,
    }
)

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_QUANTITY: Final = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)", re.ASCII)
_PERCENT: Final = re.compile(rf"({_NUMBER})\s*%", re.ASCII)
_BARE: Final = re.compile(_NUMBER, re.ASCII)
_DURATION: Final = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in _DURATION_UNITS), re.ASCII)
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|y|w|d|h|m|s)\s*", re.ASCII)
_CLOCK: Final = re.compile(r"([0-9]+):([0-9]{1,2})(?::([0-9]{1,2}))?", re.ASCII)
_LONGEST: Final = 64  # characters of a quantity worth reading


def parse_bytes(text: str) -> int:
    """Read `200MiB` or `1.5 GB`; a bare number or a lone letter is refused."""
    found = _QUANTITY.fullmatch(_short(text, "200MiB"))
    if found is None:
        raise UnitError(f'"{text}" is no size; write a number with a unit, such as "200MiB"')
    number, unit = found.groups()
    if unit in BYTE_UNITS:
        return round(float(number) * BYTE_UNITS[unit]) if "." in number else int(number) * BYTE_UNITS[unit]
    if not unit:
        raise UnitError(f'"{text}" has no unit; write "{number}MiB", or "{number}B" for single bytes')
    raise UnitError(f'"{text}": unknown unit "{unit}"; write {_likely_sizes(number, unit)}')


def _likely_sizes(number: str, unit: str) -> str:
    letter = unit[0].upper()
    if letter not in "KMGT" or unit.lower() not in {letter.lower() + rest for rest in ("", "b", "i", "ib")}:
        return "B, KiB, MiB, GiB, TiB, kB, MB, GB or TB"
    binary = f'"{number}{letter}iB"'
    if unit.lower().endswith("ib") or unit.lower().endswith("i"):
        return binary
    prefix = "k" if letter == "K" else letter
    return f'{binary} (powers of 1024) or "{number}{prefix}B" (powers of 1000)'


def parse_ratio(text: str) -> float:
    """Read `85%` or `0.85`; a bare number above 1 is refused, and so is `1`, which could mean either."""
    text = _short(text, "85%")
    if found := _PERCENT.fullmatch(text):
        return float(f"{found[1]}e-2")
    if not _BARE.fullmatch(text):
        raise UnitError(f'"{text}" is no ratio; write "85%" or "0.85"')
    if text == "1":
        raise UnitError('"1" could be 1% or 100%; write "1%" or "100%"')
    if float(text) > 1:
        raise UnitError(f'"{text}" is above 1; write "{text}%"')
    return float(text)


def parse_duration(text: str) -> float:
    """Read a Prometheus duration (`1m30s`, `5s`, `250ms`) into seconds."""
    found = _DURATION.fullmatch(_short(text, "1m30s"))
    if text == "0":
        return 0.0
    if found is None or not text:
        raise UnitError(f'"{text}" is no duration; {_likely_duration(text)}')
    parts = zip(found.groups(), _DURATION_UNITS.values(), strict=True)
    return sum(int(number) * unit for number, unit in parts if number) / 1000


def _likely_duration(text: str) -> str:
    if clock := _CLOCK.fullmatch(text):
        numbers = [n for n in clock.groups() if n is not None]
        units = ("h", "m", "s")[-len(numbers) :]
        return f'write "{"".join(f"{int(n)}{u}" for n, u in zip(numbers, units, strict=True))}"'
    if _BARE.fullmatch(text):
        return f'write "{spell_duration(float(text))}"'
    if _DURATION_PART.sub("", text) == "" and text:
        milliseconds = sum(float(n) * _DURATION_UNITS[u] for n, u in _DURATION_PART.findall(text))
        return f'write "{spell_duration(milliseconds / 1000)}"'
    return 'write whole numbers with units, largest first, such as "1m30s", "5s" or "250ms"'


def _short(text: str, example: str) -> str:
    if len(text) > _LONGEST:
        raise UnitError(f'"{text[:12]}..." ({len(text)} characters) is too long; write something like "{example}"')
    return text


def spell_bytes(value: int) -> str:
    """Write bytes so that `parse_bytes` reads the same number: the shortest exact spelling."""
    exact = (f"{value // size}{unit}" for unit, size in BYTE_UNITS.items() if value % size == 0)
    return min(exact, key=len) if value else "0B"


def spell_ratio(value: float) -> str:
    """Write a ratio as `85%`, to twelve decimal places."""
    return f"{value * 100:.12f}".rstrip("0").rstrip(".") + "%"


def spell_duration(seconds: float) -> str:
    """Write seconds as a Prometheus duration, to the millisecond."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in _DURATION_UNITS.items():
        if unit in {"y", "w"} and rest % size:
            continue  # 9d reads better than 1w2d
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_bytes(value: float) -> str:
    """Write bytes for people: `1.21 GiB`, `200 MiB`, `512 B`."""
    index = 0
    scaled = float(value)
    while abs(scaled) >= 1023.5 and index < len(_BINARY) - 1:  # noqa: PLR2004 - what would round up to 1024
        scaled /= 1024
        index += 1
    return f"{_three_digits(scaled)} {_BINARY[index]}"


def _three_digits(value: float) -> str:
    if value == int(value) or abs(value) >= 99.95:  # noqa: PLR2004 - what would round to 100.0
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"  # noqa: PLR2004 - what would round to 10.00


def format_ratio(value: float) -> str:
    """Write a ratio for people: `85.3 %`."""
    return f"{value * 100:.1f} %"


def format_duration(seconds: float) -> str:
    """Write seconds for people by their two largest units: `2h 5m`, `12s`, `250ms`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < _DURATION_UNITS["m"] and milliseconds >= _DURATION_UNITS["s"]:
        return f"{milliseconds / 1000:.1f}".removesuffix(".0") + "s"
    units = [u for u in _DURATION_UNITS if u not in {"y", "w"}]
    counts = []
    for unit in units:
        count, milliseconds = divmod(milliseconds, _DURATION_UNITS[unit])
        counts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(counts) if count), None)
    if first is None:
        return "0s"
    return " ".join(f"{count}{unit}" for count, unit in counts[first : first + 2] if count)
