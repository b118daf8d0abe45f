"""The panels the dashboards are put together from: each has a title, a description, a unit and the chosen source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from brimline.rules.terms import Levels

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, NOTE, WARN, BAD = "green", "blue", "orange", "red"
DIAGNOSES = {
    "ok": GOOD,
    "starting": NOTE,
    "no_limit": NOTE,
    "leaking": WARN,
    "throttled": WARN,
    "idle_above_threshold": WARN,
    "thrashing": BAD,
}

Steps = Sequence[tuple[float | None, str]]
Properties = Mapping[str, object]
AnyPanel = TypeVar("AnyPanel", stat.Panel, timeseries.Panel, table.Panel, bargauge.Panel)

PLAIN: Steps = [(None, NOTE)]


def above(value: float, colour: str = BAD) -> Steps:
    """Return steps that change colour at a value."""
    return [(None, GOOD), (value, colour)]


def below(value: float) -> Steps:
    """Return steps that are bad below a value."""
    return [(None, BAD), (value, GOOD)]


def levels() -> Steps:
    """Return the levels that are in force unless somebody says otherwise, as colours."""
    usual = Levels()
    return [(None, GOOD), (usual.alert_at, WARN), (usual.restart_at, BAD)]


@dataclass(frozen=True, slots=True)
class Ask:
    """One query: its expression and what its series are called."""

    expr: str
    legend: str = "__auto"


def _asking(panel: AnyPanel, asks: Sequence[Ask], *, now: bool, rows: bool = False) -> AnyPanel:
    panel = panel.datasource(SOURCE)
    for letter, ask in zip(ascii_uppercase, asks, strict=False):
        query = prometheus.Dataquery().expr(ask.expr).ref_id(letter).datasource(SOURCE)
        query = query.instant() if now else query.range()
        query = query.format(PromQueryFormat.TABLE) if rows else query.legend_format(ask.legend)
        panel = panel.with_target(query)
    return panel


def _steps(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value, colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def words(meanings: Mapping[str, str | tuple[str, str]]) -> list[models.ValueMapping]:
    """Return what stands for a value: a colour, or a word and a colour."""
    found = {}
    for at, (value, meaning) in enumerate(meanings.items()):
        word, colour = (value, meaning) if isinstance(meaning, str) else meaning
        found[value] = models.ValueMappingResult(text=word, color=colour, index=at)
    return [models.ValueMap(options=found)]


def tile(  # noqa: PLR0913 - a panel's settings
    title: str,
    text: str,
    *asks: Ask,
    unit: str = "none",
    steps: Steps = PLAIN,
    width: int = 3,
    decimals: int | None = None,
    meanings: Mapping[str, str | tuple[str, str]] | None = None,
    names: bool = False,
) -> stat.Panel:
    """Return a number of now; with `names` it shows what its series are called instead."""
    panel = _asking(stat.Panel().title(title).description(text), asks, now=True)
    panel = panel.unit(unit).thresholds(_steps(steps)).span(width).height(4)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
    panel = panel.graph_mode(shapes.BigValueGraphMode.NONE).color_mode(shapes.BigValueColorMode.VALUE)
    panel = panel.orientation(shapes.VizOrientation.AUTO)
    if decimals is not None:
        panel = panel.decimals(decimals)
    if meanings:
        panel = panel.mappings(words(meanings))
    return panel.text_mode(shapes.BigValueTextMode.NAME if names else shapes.BigValueTextMode.AUTO)


def picture(  # noqa: PLR0913 - a panel's settings
    title: str,
    text: str,
    *asks: Ask,
    unit: str,
    width: int = 12,
    stacked: bool = False,
    bars: bool = False,
    top: float | None = None,
) -> timeseries.Panel:
    """Return lines over time; stacked as areas, or as bars what rose within each step."""
    panel = _asking(timeseries.Panel().title(title).description(text), asks, now=False)
    panel = panel.unit(unit).span(width).height(8).min(0).thresholds(_steps(PLAIN))
    panel = panel.draw_style(shapes.GraphDrawStyle.BARS if bars else shapes.GraphDrawStyle.LINE)
    panel = (
        panel.line_width(1).fill_opacity(60 if bars else 30 if stacked else 0).show_points(shapes.VisibilityMode.NEVER)
    )
    panel = panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    if stacked or bars:
        panel = panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    if bars:
        panel = panel.decimals(0)
    if top is not None:
        panel = panel.axis_soft_max(top)
    legend = common.VizLegendOptions().show_legend(show_legend=True).calcs(["lastNotNull", "max"])
    panel = panel.legend(legend.display_mode(shapes.LegendDisplayMode.TABLE).placement(shapes.LegendPlacement.BOTTOM))
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
    return panel.tooltip(tooltip)


def dashed(panel: timeseries.Panel, name: str, colour: str) -> timeseries.Panel:
    """Draw the series of this name as a thin dashed line that no stack holds: a level or a limit."""
    return override(
        panel,
        name,
        {
            "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
            "custom.fillOpacity": 0,
            "custom.stacking": {"mode": "none", "group": "A"},
            "color": {"mode": models.FieldColorModeId.FIXED, "fixedColor": colour},
        },
    )


def override(panel: AnyPanel, name: str, properties: Properties) -> AnyPanel:
    """Set properties of the field of this name."""
    found = [models.DynamicConfigValue(key, value) for key, value in properties.items()]
    return panel.override_by_name(name, found)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its query, what stands over it and how it is shown."""

    expr: str
    title: str
    unit: str = "none"
    properties: Properties | None = None


def rows(
    title: str, text: str, columns: Sequence[Column], labels: Mapping[str, str], *, order: Sequence[str]
) -> table.Panel:
    """Return a table, a query a column, joined by the labels that they share; an untitled column's value is left out.

    `order` has the titles from left to right; the second one sorts.
    """
    asks = [Ask(column.expr) for column in columns]
    panel = _asking(table.Panel().title(title).description(text), asks, now=True, rows=True)
    panel = panel.unit("none").span(24).height(4 + len(columns)).thresholds(_steps(PLAIN))
    values = {f"Value #{letter}": column for letter, column in zip(ascii_uppercase, columns, strict=False)}
    hidden = {"Time": True, **{value: True for value, column in values.items() if not column.title}}
    names = {**labels, **{value: column.title for value, column in values.items() if column.title}}
    places = {key: order.index(name) for key, name in names.items()}
    panel = panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize", options={"excludeByName": hidden, "indexByName": places, "renameByName": names}
        )
    )
    for column in columns:
        if column.title:
            panel = override(panel, column.title, {"unit": column.unit, **(column.properties or {})})
    field = common.TableSortByFieldState().display_name(order[1]).desc(desc=True)
    return panel.sort_by([field]).show_header(show_header=True)
