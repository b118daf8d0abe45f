"""A subject's memory over time as a small SVG: the band from least to greatest, the average, its levels. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.cli.report.facts import POINTS, Standing

WIDTH: Final = 240
HEIGHT: Final = 40
_SMALL: Final = 0.08  # of the limit; below it the curve is drawn to its own height


@dataclass(frozen=True, slots=True)
class _Bin:
    x: float
    least: int
    average: float
    greatest: int


def spark(standing: Standing, began: float, ended: float, marks: Sequence[float]) -> str:
    """Return the drawing; `marks` are the moments at which something was done to it."""
    runs = list(_runs(standing, began, ended))
    top = _top(standing)
    parts = []
    if not to_its_own_height(standing):
        for level, word in zip(standing.levels, ("alert", "restart"), strict=True):
            parts.append(f'<path class="{word}" d="M0 {_y(level * (standing.limit or 0), top)}H{WIDTH}"/>')
    for run in runs:
        upper = " ".join(f"{b.x:.1f} {_y(b.greatest, top)}" for b in run)
        lower = " ".join(f"{b.x:.1f} {_y(b.least, top)}" for b in reversed(run))
        parts.append(f'<path class="band" d="M{upper} L{lower}Z"/>')
        middle = " ".join(f"{b.x:.1f} {_y(b.average, top)}" for b in run)
        tail = f" h{WIDTH / POINTS:.1f}" if len(run) == 1 else ""
        parts.append(f'<path class="curve" d="M{middle}{tail}"/>')
    for at in marks:
        x = (at - began) / max(ended - began, 1.0) * WIDTH
        parts.append(f'<path class="deed" d="M{x:.1f} 0V{HEIGHT}"/>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
    return f'<svg class="spark" {box} aria-hidden="true">{"".join(parts)}</svg>'


def to_its_own_height(standing: Standing) -> bool:
    """Tell whether the curve would hug the ground if it were drawn against the limit."""
    return standing.highest is None or standing.highest < _SMALL


def _top(standing: Standing) -> float:
    if to_its_own_height(standing) or standing.limit is None:
        return max(standing.peak * 1.25, 1.0)
    return max(float(standing.limit), standing.peak * 1.02)


def _y(value: float, top: float) -> str:
    return f"{HEIGHT - min(max(value / top, 0.0), 1.0) * (HEIGHT - 1):.1f}"


def _runs(standing: Standing, began: float, ended: float) -> Iterator[list[_Bin]]:
    """Yield the bins that follow each other without a gap."""
    width = max((ended - began) / POINTS, 1.0)
    bins: dict[int, list[tuple[int, int, int]]] = {}
    longest = 60
    for sample in standing.curve:
        if sample.used is not None:
            longest = max(longest, sample.seconds)
            place = min(max(int((sample.at - began) / width), 0), POINTS - 1)
            bins.setdefault(place, []).append((sample.used.least, sample.used.average, sample.used.greatest))
    reach = int(longest / width) + 1  # bins narrower than a sample are empty in between
    run: list[_Bin] = []
    before = -1
    for place in sorted(bins):
        least, average, greatest = zip(*bins[place], strict=True)
        if run and place - before > reach:
            yield run
            run = []
        run.append(_Bin((place + 0.5) * WIDTH / POINTS, min(least), sum(average) / len(average), max(greatest)))
        before = place
    if run:
        yield run
