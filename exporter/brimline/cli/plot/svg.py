"""One subject's memory over time as an SVG that stands alone: use, limit, levels, and what was done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from brimline.cli.plot.axes import Axes, byte_ticks, time_ticks
from brimline.journal.history import Sample, Spread
from brimline.units import format_bytes, format_ratio

# Colours that differ in lightness too; an SVG of its own cannot follow its reader's dark mode in every program.
_INK, _DIM, _GRID, _GROUND = "#1d2023", "#585e66", "#e3e4e1", "#ffffff"
_USED, _USAGE, _LIMIT, _ALERT, _RESTART, _DEED = "#1a5fb4", "#9aa0a6", "#1d2023", "#b07800", "#b3261e", "#6a3fa0"
_FONT: Final = 'font-family="system-ui, DejaVu Sans, sans-serif"'
_FAR: Final = 6.0  # times the peak
_ROOM: Final = 18  # pixels between two marks' words


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which something happened, and the word that stands above it."""

    at: float
    word: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn."""

    title: str
    samples: Sequence[Sample]
    began: float
    ended: float
    levels: tuple[float, float]
    marks: Sequence[Mark] = ()
    fired: Sequence[tuple[float, float]] = ()  # when an alert about it fired


def draw(plot: Plot, clock: Callable[[str, float], str], size: tuple[int, int] = (960, 420)) -> str:
    """Return the SVG; `clock` writes a moment by a strftime format, in the time zone of whoever looks."""
    peak = max((s.used.greatest for s in plot.samples if s.used), default=0)
    limit = max((s.limit.greatest for s in plot.samples if s.limit), default=0)
    far = limit > peak * _FAR  # it would flatten the curve
    top = max(peak * 1.25 if far else max(peak, limit) * 1.05, 1.0)
    axes = Axes(plot.began, plot.ended, top, *size)
    width, height = size
    title = escape(plot.title)
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {_FONT} font-size="12" role="img" aria-label="{title}">',
        f'<title>{title}</title><rect width="{width}" height="{height}" fill="{_GROUND}"/>',
        f'<text x="{axes.left}" y="22" font-size="15" font-weight="600" fill="{_INK}">{title}</text>',
        *_grid(axes, clock),
        *_fired(axes, plot.fired),
        *_curves(axes, plot),
        *_marks(axes, plot.marks),
        *_legend(axes, plot, limit, peak),
        "</svg>\n",
    ]
    return "".join(parts)


def _grid(axes: Axes, clock: Callable[[str, float], str]) -> Iterator[str]:
    for value in byte_ticks(axes.top):
        y = axes.y(value)
        yield _line(f"M{axes.left} {y}H{axes.right}", _GRID)
        yield f'<text x="{axes.left - 8}" y="{y + 4}" text-anchor="end" fill="{_DIM}">{format_bytes(value)}</text>'
    for at, form in time_ticks(axes.began, axes.ended, lambda at: clock("%H:%M", at) == "00:00"):
        x = axes.x(at)
        yield _line(f"M{x} {axes.bottom}v5", _DIM)
        text = escape(clock(form, at))
        yield f'<text x="{x}" y="{axes.bottom + 18}" text-anchor="middle" fill="{_DIM}">{text}</text>'
    yield _line(f"M{axes.left} {axes.bottom}H{axes.right}", _DIM)


def _curves(axes: Axes, plot: Plot) -> Iterator[str]:
    for run in runs(plot.samples):
        used = [(s, s.used) for s in run if s.used]
        usage = [(s.at + s.seconds / 2, float(s.usage.average)) for s in run if s.usage]
        if usage:
            yield _line(_path(axes, usage), _USAGE, extra=' stroke-dasharray="2 2"')
        if used:
            upper = [(s.at + s.seconds / 2, float(u.greatest)) for s, u in used]
            lower = [(s.at + s.seconds / 2, float(u.least)) for s, u in reversed(used)]
            band = f"{_path(axes, upper)}L{_path(axes, lower)[1:]}Z"
            yield f'<path d="{band}" fill="{_USED}" fill-opacity="0.18"/>'
            middle = [(s.at + s.seconds / 2, float(u.average)) for s, u in used]
            yield _line(_path(axes, middle), _USED, width=1.8)
        bounds = [(s, s.limit) for s in run if s.limit]
        shares = ((plot.levels[0], _ALERT), (plot.levels[1], _RESTART), (1.0, _LIMIT))
        for share, colour in shares if bounds else ():
            path = _steps(axes, bounds, share)
            if path:
                yield _line(path, colour, extra="" if share == 1.0 else ' stroke-dasharray="6 4"')


def runs(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Yield the samples that follow each other without a gap of a sample or more."""
    run: list[Sample] = []
    for sample in samples:
        if run and sample.at - run[-1].at > run[-1].seconds * 2:
            yield run
            run = []
        run.append(sample)
    if run:
        yield run


def _path(axes: Axes, points: Sequence[tuple[float, float]]) -> str:
    return "M" + " ".join(f"{axes.x(at)} {axes.y(value)}" for at, value in points)


def _steps(axes: Axes, bounds: Sequence[tuple[Sample, Spread]], share: float) -> str:
    """Return a line that jumps where the limit was changed; nothing where it is above the picture."""
    path, before = "", None
    for sample, limit in bounds:
        value = limit.greatest * share
        if value != before:
            path += f"{'V' if path else f'M{axes.x(sample.at)} '}{axes.y(value)}"
        path += f"H{axes.x(sample.at + sample.seconds)}"
        before = value
    return path if any(limit.greatest * share <= axes.top for _, limit in bounds) else ""


def _fired(axes: Axes, fired: Sequence[tuple[float, float]]) -> Iterator[str]:
    for began, ended in fired:
        x, end = axes.x(began), axes.x(ended)
        box = f'x="{x}" y="{axes.above}" width="{max(end - x, 1):.1f}" height="{axes.bottom - axes.above}"'
        yield f'<rect {box} fill="{_RESTART}" fill-opacity="0.07"/>'


def _marks(axes: Axes, marks: Sequence[Mark]) -> Iterator[str]:
    last = float("-inf")
    for mark in marks:
        x, colour = axes.x(mark.at), _RESTART if mark.failed else _DEED
        yield _line(f"M{x} {axes.above}V{axes.bottom}", colour, width=1.5)
        yield f'<path d="M{x - 4} {axes.above - 6}h8l-4 6z" fill="{colour}"/>'
        if x - last >= _ROOM + 5 * len(mark.word):
            word = escape(f"{mark.word} failed" if mark.failed else mark.word)
            place = f'x="{x}" y="{axes.above - 10}" text-anchor="middle"'
            yield f'<text {place} font-size="11" fill="{colour}">{word}</text>'
            last = x


def _legend(axes: Axes, plot: Plot, limit: int, peak: int) -> Iterator[str]:
    words = [(_USED, f"used, peak {format_bytes(peak)}")] if plot.samples else []
    if any(s.usage for s in plot.samples):
        words.append((_USAGE, "usage, with the page cache"))
    if limit:
        words += [(_LIMIT, f"limit {format_bytes(limit)}"), (_ALERT, f"alert {format_ratio(plot.levels[0])}")]
        words.append((_RESTART, f"restart {format_ratio(plot.levels[1])}"))
    if plot.fired:
        words.append(("#f3dcda", "an alert fired"))
    x = float(axes.left)
    for colour, word in words:
        y = axes.height - 14
        yield f'<rect x="{x:.0f}" y="{y - 9}" width="14" height="9" rx="1.5" fill="{colour}"/>'
        yield f'<text x="{x + 19:.0f}" y="{y}" fill="{_INK}">{escape(word)}</text>'
        x += 36 + 6.6 * len(word)
    if not plot.samples:
        yield f'<text x="{axes.left}" y="{axes.above + 30}" fill="{_DIM}">no samples of this time</text>'


def _line(path: str, colour: str, *, width: float = 1, extra: str = "") -> str:
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{extra}/>'
