"""Draws a dashboard from what its queries return, as plainly as Grafana would lay it out: to be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

from grafana.boards import Board

Series = Mapping[str, Any]
Answers = Sequence[tuple[Mapping[str, Any], list[dict[str, Any]]]]  # queries and their series
Ask = Callable[[Mapping[str, Any]], list[dict[str, Any]]]
CELL, LINE = 0.8, 0.42  # inches that a column and a row of the grid take
SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
INK = {
    "green": "#1a7f37",
    "orange": "#c4600c",
    "red": "#c4162a",
    "blue": "#1f60c4",
    "purple": "#8f3bb8",
    "text": "#333",
}


def shown(value: float, unit: str) -> str:
    """Return a value as it is read in its unit."""
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "bytes":
            name, size = next((pair for pair in SIZES if abs(value) >= pair[1]), ("B", 1))
            return f"{value / size:.1f} {name}"
        case "s" | "dtdurations":
            return f"{value * 1000:.1f} ms" if abs(value) < 1 else f"{value:.0f} s"
        case "dateTimeAsIso":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%H:%M:%S}"
        case _:
            return f"{value:.3g}"


def called(target: Mapping[str, Any], series: Series) -> str:
    """Return what a series is called."""
    legend = target.get("legendFormat", "__auto")
    if legend == "__auto":
        return ", ".join(f"{key}={value}" for key, value in series["metric"].items() if key != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series["metric"].get(found[1], ""), legend)


def colour(panel: Mapping[str, Any], value: float) -> str:
    """Return the colour of a value by the panel's steps."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return INK[reached[-1]]


def overrides(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the properties that are set for one field."""
    found = [o for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == name]
    return {one["id"]: one["value"] for override in found for one in override["properties"]}


def tile(axes: Axes, panel: Mapping[str, Any], answers: Answers) -> None:
    """Draw numbers of now."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    mappings = panel["fieldConfig"]["defaults"].get("mappings") or [{"options": {}}]
    words = mappings[0]["options"]
    found = [(called(target, one), float(one["value"][1])) for target, series in answers for one in series]
    for at, (name, value) in enumerate(found):
        word = words.get(f"{value:g}", {})
        text = name if panel["options"]["textMode"] == "name" else word.get("text", shown(value, unit))
        ink = INK[word["color"]] if word else colour(panel, value)
        x = (at + 0.5) / len(found)
        axes.text(x, 0.45, text, color=ink, ha="center", va="center", fontsize=15 if len(found) > 1 else 19)
        if len(found) > 1:
            axes.text(x, 0.12, name, ha="center", va="center", fontsize=8)
    axes.set_axis_off()


def lines(axes: Axes, panel: Mapping[str, Any], answers: Answers) -> None:
    """Draw lines, bars or a stack."""
    defaults = panel["fieldConfig"]["defaults"]
    custom, floor = defaults["custom"], {}
    for target, series in answers:
        for one in series:
            name = called(target, one)
            own = overrides(panel, name)
            moments = [datetime.fromtimestamp(at, UTC) for at, _ in one["values"]]
            values = [float(value) for _, value in one["values"]]
            stacked = custom.get("stacking", {}).get("mode") == "normal" and "custom.lineStyle" not in own
            ink = {"color": INK[own["color"]["fixedColor"]]} if "color" in own else {}
            if custom["drawStyle"] == "bars":
                axes.bar(moments, values, width=1 / 86400, label=name, alpha=0.6, **ink)
            elif stacked:
                lower = [floor.get(moment, 0.0) for moment in moments]
                upper = [low + value for low, value in zip(lower, values, strict=True)]
                floor |= dict(zip(moments, upper, strict=True))
                axes.fill_between(moments, lower, upper, label=name, alpha=0.4)
            else:
                style = "--" if "custom.lineStyle" in own else "-"
                axes.plot(moments, values, style, label=name, lw=1.2, marker="." if len(values) == 1 else "", **ink)
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, defaults["unit"]))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))
    axes.tick_params(labelsize=6)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=6, loc="upper left", framealpha=0.7)


def merged(answers: Answers) -> list[dict[str, str]]:
    """Join rows as Grafana's merge does: by the labels that two rows share, where nothing contradicts."""
    found: list[dict[str, str]] = []
    for target, series in answers:
        value = f"Value #{target['refId']}"
        for one in series:
            row = {**one["metric"], value: one["value"][1]}
            twin = next((r for r in found if all(r.get(k, v) == v for k, v in row.items()) and value not in r), None)
            twin.update(row) if twin is not None else found.append(row)
    return found


def table(axes: Axes, panel: Mapping[str, Any], answers: Answers) -> None:
    """Draw rows."""
    change = next(t["options"] for t in panel["transformations"] if t["id"] == "organize")
    keys = sorted(change["renameByName"], key=change["indexByName"].get)
    names = [change["renameByName"][key] for key in keys]
    sort = keys[names.index(panel["options"]["sortBy"][0]["displayName"])]
    rows = sorted(merged(answers), key=lambda row: -float(row.get(sort, "-inf")))
    units = [overrides(panel, name).get("unit", "none") for name in names]
    cells = [
        [
            "" if key not in row else shown(float(row[key]), unit) if key.startswith("Value") else row[key]
            for key, unit in zip(keys, units, strict=True)
        ]
        for row in rows
    ]
    axes.set_axis_off()
    if cells:
        drawn = axes.table(cells, colLabels=names, loc="upper center", cellLoc="left")
        drawn.auto_set_font_size(value=False)
        drawn.set_fontsize(7)


DRAWN = {"stat": tile, "timeseries": lines, "table": table}


def marked(axes: Axes, board: Board, ask: Ask) -> None:
    """Draw where something was done or killed."""
    for mark in board.marks:
        for series in ask(mark["target"]):
            times = {float(value) / 1000 if mark.get("useValueForTime") else at for at, value in series["values"]}
            for at in times if mark.get("useValueForTime") else sorted(times)[:1]:
                axes.axvline(datetime.fromtimestamp(at, UTC), color=INK[mark["iconColor"]], lw=0.8, ls=":")


def draw(board: Board, ask: Ask, span: tuple[float, float], file: Path) -> None:
    """Draw the whole dashboard into a file."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in span)
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board.model["panels"])
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(24 * CELL, bottom * LINE), dpi=70)
        for panel in board.model["panels"]:
            cell = panel["gridPos"]
            left, top = cell["x"] / 24, 1 - cell["y"] / bottom
            width, height = cell["w"] / 24, cell["h"] / bottom
            if panel["type"] == "row":
                figure.text(left + 0.005, top - height * 0.7, panel["title"], fontsize=11, weight="bold")
                continue
            edge = 0.7 / bottom
            plain = panel["type"] != "timeseries"
            inset = 0.003 if plain else 0.03
            box = (left + inset, top - height + edge, width - inset - 0.006, height - 2.2 * edge)
            axes = figure.add_axes(box)
            axes.set_title(panel["title"], fontsize=8, loc="left")
            answers = [(target, ask(target)) for target in panel["targets"]]
            DRAWN[panel["type"]](axes, panel, answers)
            if not plain:
                marked(axes, board, ask)
                axes.set_xlim(first, last)
        figure.savefig(file)
