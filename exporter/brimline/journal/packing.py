"""Samples by the minute as bytes: pages of 4 KiB; all series of a minute, or an hour of one series. Pure."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

PAGE: Final = 4096
NOTHING: Final = 0xFFFF_FFFF  # there is no value
FIELDS: Final = 9  # minimum, average, maximum of used, usage and limit
MINUTES: Final = 60
_MOST_BYTES: Final = (NOTHING - 1) * PAGE  # 16 TiB
_LEVEL: Final = 1
_SWAPPED: Final = sys.byteorder != "little"

Words: TypeAlias = "array[int]"


def words(values: Iterable[int]) -> Words:
    """Return values of four bytes each."""
    return array("I", values)


def pages(byte_counts: Iterable[float]) -> Words:
    """Return bytes as whole pages."""
    return array("I", [int(min(value, _MOST_BYTES)) >> 12 if value >= 0 else NOTHING for value in byte_counts])


def pack(parts: Sequence[Words]) -> bytes:
    """Return parts of equal length as bytes, smaller where they repeat themselves."""
    joined = array("I", b"".join(part.tobytes() for part in parts))
    if _SWAPPED:
        joined.byteswap()
    return zlib.compress(joined.tobytes(), _LEVEL)


def unpack(data: bytes, parts: int) -> list[Words]:
    """Return the parts again."""
    joined = array("I", zlib.decompress(data))
    if _SWAPPED:
        joined.byteswap()
    size = len(joined) // parts
    return [joined[index * size : (index + 1) * size] for index in range(parts)]


def hours(minutes: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return the packed minutes of one hour (by their number within it) as one packed hour for every series."""
    unpacked = {minute: unpack(data, FIELDS + 1) for minute, data in minutes.items()}
    series = sorted({key for parts in unpacked.values() for key in parts[0]})
    if not series:
        return {}
    blank = array("I", [NOTHING]) * len(series)
    fields: list[list[Words]] = [[] for _ in range(FIELDS)]
    for minute in range(MINUTES):
        parts = unpacked.get(minute)
        if parts is None:
            aligned = [blank] * FIELDS
        else:
            places = {key: place for place, key in enumerate(parts[0])}
            pick = itemgetter(*(places.get(key, -1) for key in series), -1)  # -1: the word added below
            aligned = [array("I", pick([*part, NOTHING])[:-1]) for part in parts[1:]]
        for field, words_ in zip(fields, aligned, strict=True):
            field.append(words_)
    count = len(series)
    whole = [array("I", b"".join(part.tobytes() for part in field)) for field in fields]
    return {key: pack([field[place::count] for field in whole]) for place, key in enumerate(series)}


def thinned(data: bytes, step: int) -> bytes:
    """Return a packed hour with `step` minutes made one: the least, the average, the greatest of them."""
    parts = unpack(data, FIELDS)
    return pack([array("I", _thin(part, step, index % 3)) for index, part in enumerate(parts)])


def _thin(part: Words, step: int, statistic: int) -> Iterable[int]:
    for start in range(0, len(part), step):
        known = [value for value in part[start : start + step] if value != NOTHING]
        if not known:
            yield NOTHING
        elif statistic == 1:
            yield sum(known) // len(known)
        else:
            yield min(known) if statistic == 0 else max(known)
