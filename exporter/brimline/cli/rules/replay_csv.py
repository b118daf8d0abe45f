"""History from a CSV: `time,name,ratio`, or `time,name,bytes` with a limit; times are epoch seconds or RFC 3339."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Final

from brimline.errors import ConfigError, Problem, UnitError
from brimline.mistakes import did_you_mean
from brimline.model import Kind, Metric, Subject
from brimline.rules.replay import Moment
from brimline.sources import cgroup
from brimline.units import parse_bytes, parse_ratio

_COLUMNS: Final = ("time", "name", "ratio", "bytes", "limit")
_MOST_PROBLEMS: Final = 20
_PRETENDED: Final = 1 << 40  # the limit of a history that only knows ratios

Row = tuple[float, str, float, float]  # time, name, bytes, limit


def moments_of_csv(name: str, limit: int | None) -> Iterator[Moment]:
    """Yield what a file holds, in the order of time; raises ConfigError with the mistakes in it."""
    try:
        with Path(name).open(encoding="utf-8", newline="") as file:
            rows = _read(name, csv.reader(file), limit)
    except OSError as error:
        raise ConfigError([Problem(name, f"cannot be read: {error.strerror or error}")]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([Problem(name, f"no CSV in UTF-8: {error}")]) from None
    subjects: dict[str, Subject] = {}
    for at, together in groupby(sorted(rows), key=lambda row: row[0]):
        yield Moment(at, _values(list(together), subjects))


def _values(rows: Sequence[Row], subjects: dict[str, Subject]) -> Mapping[Metric, Mapping[Subject, float]]:
    ratio, used, limit, limited = (
        family[Kind.CONTAINER]
        for family in (cgroup.MEMORY_USED_RATIO, cgroup.MEMORY_USED_BYTES, cgroup.MEMORY_LIMIT_BYTES, cgroup.LIMITED)
    )
    found: dict[Metric, dict[Subject, float]] = {ratio: {}, used: {}, limit: {}, limited: {}}
    for _, name, held, most in rows:
        subject = subjects.setdefault(name, Subject(Kind.CONTAINER, name, (name, "", ""), name))
        found[ratio][subject], found[used][subject] = held / most, held
        found[limit][subject], found[limited][subject] = most, 1.0
    return found


def _read(name: str, lines: Iterator[list[str]], limit: int | None) -> list[Row]:
    head = [word.strip().lower() for word in next(lines, [])]
    if problem := _refused_head(head, limit):
        raise ConfigError([Problem(f"{name}:1:1", problem)])
    rows, problems = [], []
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            rows.append(_row(dict(zip(head, line, strict=True)), limit))
        except ValueError:
            problems.append(Problem(f"{name}:{number}:1", f"{len(line)} columns; the first line has {len(head)}"))
        except UnitError as error:
            problems.append(Problem(f"{name}:{number}:1", str(error)))
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise ConfigError(problems)
    return rows


def _refused_head(head: Sequence[str], limit: int | None) -> str:
    unknown = [word for word in head if word not in _COLUMNS]
    if unknown and "time" in head:
        return f'unknown column "{unknown[0]}"{did_you_mean(unknown[0], _COLUMNS)}'
    if not {"time", "name"} <= set(head) or not {"ratio", "bytes"} & set(head):
        return 'the first line names the columns; write "time,name,ratio", or "time,name,bytes,limit"'
    if "ratio" not in head and "limit" not in head and limit is None:
        return 'bytes of what? add a column "limit", or write --limit 4GiB'
    return ""


def _row(cells: Mapping[str, str], limit: int | None) -> Row:
    at, name = _time(cells["time"].strip()), cells["name"].strip()
    if not name:
        raise UnitError("a name is missing; write the service's")
    if "ratio" in cells:
        return at, name, _ratio(cells["ratio"].strip()) * _PRETENDED, _PRETENDED
    most = _size(cells["limit"].strip()) if "limit" in cells else float(limit or 0)
    if most <= 0:
        raise UnitError('a limit of 0; write the limit, such as "4GiB"')
    return at, name, _size(cells["bytes"].strip()), most


def _time(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UnitError(f'"{text}" is no time; write "1714557600" or "2024-05-01T10:00:00Z"') from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not isfinite(seconds):
        raise UnitError(f'"{text}" is no time; write "1714557600" or "2024-05-01T10:00:00Z"')
    return seconds


def _ratio(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return parse_ratio(text)
    if not isfinite(number) or number < 0:
        raise UnitError(f'"{text}" is no ratio; write "0.85" or "85%"')
    return number


def _size(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return float(parse_bytes(text))
    if not isfinite(number) or number < 0:
        raise UnitError(f'"{text}" is no size; write bytes, or "200MiB"')
    return number
