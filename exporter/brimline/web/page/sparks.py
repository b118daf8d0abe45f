"""The last hour as a line against the limit, with a mark for each action: small in the table, large on a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.deeds import Entry, EntryKind
from brimline.journal.minutes import Trace
from brimline.standing import Row
from brimline.units import format_bytes, format_ratio

HOUR: Final = 3600.0
_GAP: Final = 150.0  # seconds without a value that break the line
_HEIGHT: Final = 1000

Point = tuple[float, float]  # wall time, share of the limit


@dataclass(frozen=True, slots=True)
class Hour:
    """One subject's last hour: points as shares of its limit of then, and what was done in it."""

    at: float  # wall time at its end
    points: Sequence[Point]
    marks: Sequence[tuple[float, str]]  # wall time and tone

    @property
    def told(self) -> str:
        """Return the line in words, for whoever does not see it."""
        if not self.points:
            return "nothing is known of the last hour"
        shares = [share for _, share in self.points]
        count = len(self.marks)
        done = f", {count} action{'s' if count > 1 else ''}" if count else ""
        return (
            f"last hour: from {format_ratio(shares[0])} to {format_ratio(shares[-1])}, "
            f"highest {format_ratio(max(shares))}{done}"
        )


def hour_of(trace: Trace | None, now: Row | None, deeds: Sequence[Entry], at: float) -> Hour:
    """Return the last hour up to now; where there was no limit then, against the one of now."""
    limit = (now.limit if now is not None else None) or 0.0
    points = trace.shares(limit, at - HOUR) if trace is not None else []
    if points and limit and now is not None and now.used is not None:
        points.append((at, now.used / limit))
    return Hour(at, points, [(deed.at.wall, tone(deed)) for deed in deeds if at - HOUR <= deed.at.wall <= at])


def tone(deed: Entry) -> str:
    """Return as what an action is marked."""
    if deed.kind is EntryKind.OUTCOME:
        return "done" if deed.facts.get("ok") is True else "failed"
    return "failed" if deed.kind is EntryKind.RELAPSED else "seen"


def spark(hour: Hour, level: float) -> str:
    """Return the line as it stands in a row, with the level at which it is critical."""
    if not hour.points and not hour.marks:
        return '<span class="dim">no history yet</span>'
    return (
        f'<svg class="spark" viewBox="0 0 3600 1000" preserveAspectRatio="none" role="img" aria-label="{hour.told}">'
        f"{_drawn(hour, [level])}</svg>"
    )


def chart(hour: Hour, levels: tuple[float, float], limit: float | None) -> str:
    """Return the line as it stands on a subject's page, with its axes in words."""
    if not hour.points and not hour.marks:
        return '<p class="dim">Nothing is remembered of the last hour yet: a minute is written once it is over.</p>'
    top = "the limit" if limit is None else f"the limit, {format_bytes(limit)}"
    return (
        f'<figure><figcaption><span>{top}</span></figcaption><svg class="chart" viewBox="0 0 3600 1000" '
        f'preserveAspectRatio="none" role="img" aria-label="{hour.told}">{_drawn(hour, levels)}</svg>'
        '<p class="axis"><span>an hour ago</span><span>half an hour ago</span><span>now</span></p></figure>'
    )


def _drawn(hour: Hour, levels: Sequence[float]) -> str:
    """Return the inner part of a picture HOUR wide and _HEIGHT high; whole numbers, for there may be thousands."""
    start = hour.at - HOUR
    areas, lines = [], []
    for run in _runs(hour.points):
        steps = "L".join([f"{int(wall - start)} {_y(share)}" for wall, share in run])
        first, last = (int(wall - start) for wall, _ in (run[0], run[-1]))
        areas.append(f"M{first} {_HEIGHT}L{steps}L{last} {_HEIGHT}Z")
        lines.append(f"M{steps}")
    bounds = "".join(f"M0 {_y(level)}H{HOUR:.0f}" for level in levels)
    marks = "".join(f'<path class="mark {css}" d="M{int(wall - start)} 0V{_HEIGHT}"/>' for wall, css in hour.marks)
    return (
        f'<path class="area" d="{"".join(areas)}"/><path class="level" d="{bounds}"/>{marks}'
        f'<path class="line" d="{"".join(lines)}"/>'
    )


def _y(share: float) -> int:
    return 0 if share >= 1 else _HEIGHT if share <= 0 else _HEIGHT - int(share * _HEIGHT)


def _runs(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    """Yield the stretches without a gap."""
    begun = 0
    for index in range(1, len(points)):
        if points[index][0] - points[index - 1][0] > _GAP:
            yield points[begun:index]
            begun = index
    if points:
        yield points[begun:]
