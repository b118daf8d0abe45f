"""A snapshot printed in the Prometheus text format; a template lives as long as its subjects, so a tick formats values.

Pure but for its memory of the last page; one instance belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from brimline.metrics.cap import SeriesCap
from brimline.model import Column, Metric, Snapshot

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\"", "%": "%%"})


@dataclass(frozen=True, slots=True)
class Page:
    """The data families as text, the number of series on it and of those left off by the cap."""

    body: bytes
    series: int
    dropped: int


class Renderer:
    """Prints one snapshot after another; what did not change since the last one costs a comparison."""

    def __init__(self, *, series: int, compat: Callable[[Snapshot], Iterable[Column]] | None = None) -> None:
        """Print at most `series` series; `compat` adds columns under the names of another exporter."""
        self._cap = SeriesCap(series)
        self._compat = compat
        self._lines: dict[tuple[Metric, int], _Lines] = {}

    def render(self, snapshot: Snapshot) -> Page:
        """Return the page of this snapshot; families stand in the order their sources first name them."""
        columns = [column for report in snapshot.reports for column in report.columns]
        if self._compat is not None:
            columns.extend(self._compat(snapshot))
        kept, dropped = self._cap.cut(columns)
        families: dict[Metric, list[Column]] = {}
        for column in kept:
            if column.subjects:
                families.setdefault(column.metric, []).append(column)
        rows = _Rows()
        lines: dict[tuple[Metric, int], _Lines] = {}
        parts: list[bytes] = []
        for metric, members in families.items():
            parts.append(header(metric))
            for nth, column in enumerate(members):
                block = self._lines.get((metric, nth))
                if block is None or not block.fits(column):
                    block = _Lines(column, rows.of(column))
                lines[metric, nth] = block
                parts.append(block.render(column))
        self._lines = lines
        return Page(b"".join(parts), sum(len(column.subjects) for column in kept), dropped)


def header(metric: Metric) -> bytes:
    """Return the HELP and TYPE lines."""
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}\n".encode()


class _Rows:
    """The label sets of one page's columns, each built once however many metrics share it."""

    def __init__(self) -> None:
        self._built: dict[tuple[int, int, tuple[str, ...]], list[bytes]] = {}

    def of(self, column: Column) -> list[bytes]:
        key = (id(column.subjects), id(column.extra), column.metric.labels)  # the page's columns outlive this object
        built = self._built.get(key)
        if built is None:
            extra = column.extra or ((),) * len(column.subjects)
            pairs = zip(column.subjects, extra, strict=True)
            built = [_label_set(column.metric.labels, (*subject.labels, *more)) for subject, more in pairs]
            self._built[key] = built
        return built


def _label_set(names: tuple[str, ...], values: tuple[str, ...]) -> bytes:
    if not names and not values:
        return b""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))
    # a surrogate that slipped past `sanitise` costs a question mark, not the page
    return ("{" + ",".join(pairs) + "}").encode(errors="replace")


class _Lines:
    """The sample lines of one column: a template, and what the last values became."""

    __slots__ = ("_data", "_extra", "_spelled", "_subjects", "_template", "_values")

    def __init__(self, column: Column, rows: list[bytes]) -> None:
        name = column.metric.name.encode()
        self._subjects = column.subjects
        self._extra = column.extra
        self._template = name + (b" %d\n" + name).join(rows) + b" %d\n"
        self._values: tuple[float, ...] = ()
        self._spelled: list[bytes] = []
        self._data = b""

    def fits(self, column: Column) -> bool:
        return column.subjects is self._subjects and column.extra is self._extra

    def render(self, column: Column) -> bytes:
        values = tuple(column.values)
        if values != self._values:
            # %d is 7 times cheaper than the digits of a float, and exact: the sum is an int only if every value is one
            whole = not self._spelled and type(sum(values)) is int
            self._data = self._template % values if whole else self._as_floats(values)
            self._values = values
        return self._data

    def _as_floats(self, values: tuple[float, ...]) -> bytes:
        if len(self._spelled) == len(values):
            known = zip(values, self._values, self._spelled, strict=True)
            self._spelled = [text if value == last else _spell(value) for value, last, text in known]
        else:
            self._spelled = [_spell(value) for value in values]
            self._template = self._template.replace(b" %d\n", b" %b\n")  # no label value holds a raw newline
        return self._template % tuple(self._spelled)


def _spell(value: float) -> bytes:
    return b"%a" % float(value)
