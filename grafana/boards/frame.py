"""A dashboard around its panels: its variables, its way to the others, and what was done as marks in every picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from boards.parts import BAD, NOTE, SOURCE
from boards.promql import SCOPE, increase, placed

TAG = "brimline"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: Sequence[Builder[models.Panel]]


class Mark(models.AnnotationQuery):
    """An annotation by a query of Prometheus; the SDK's own has no place for the query and its texts."""

    def __init__(self, name: str, expr: str, colour: str, texts: Mapping[str, object]) -> None:
        super().__init__(name=name, datasource=SOURCE, icon_color=colour)
        self._more = {"target": {"expr": expr, "refId": "Anno"}, **texts}

    def to_json(self) -> dict[str, object]:
        """Return it as Grafana stores it."""
        return {**super().to_json(), **self._more}


def marks() -> list[Mark]:
    """Return the actions and the OOM kills of the chosen projects and services."""
    ended = "brimline_action_timestamp_seconds"
    restarts, others = placed(ended, 'action="restart"'), placed(ended, 'action!="restart"')
    texts: dict[str, object] = {
        "useValueForTime": True,
        "titleFormat": "{{action}}: {{outcome}}",
        "textFormat": "{{container}}{{group}}",
        "tagKeys": "action,outcome",
    }
    killed = placed("brimline_container_memory_oom_kills_total")
    kill = {"titleFormat": "OOM kill", "textFormat": "{{container}}", "tagKeys": "instance"}
    return [
        Mark("Restarts", f"{restarts} * 1000", "purple", texts),
        Mark("Other actions", f"{others} * 1000", NOTE, texts),
        Mark("OOM kills", f"{increase(killed)} > 0", BAD, kill),
    ]


def variable(name: str, query: str, *, several: bool = True, everything: str = ".*") -> dashboard.QueryVariable:
    """Return a variable with the values of a label; `everything` is what All stands for."""
    found = dashboard.QueryVariable(name).label(name.capitalize()).query(query).datasource(SOURCE)
    found = found.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.NATURAL_ASC)
    if not several:
        return found.multi(multi=False).include_all(include_all=False).current(models.VariableOption())
    chosen = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return found.multi(multi=True).include_all(include_all=True).all_value(everything).current(chosen)


def _whose(metric: str, labels: str) -> list[dashboard.QueryVariable]:
    """Return the variables of the job, the instance, the project and the service."""
    project, service = labels.format("project"), labels.format("service")
    brimline = "brimline_build_info"
    return [
        variable("job", f"label_values({brimline}, job)", everything=".+"),
        variable("instance", f'label_values({brimline}{{job=~"$job"}}, instance)', everything=".+"),
        variable("project", f"label_values({metric}{{{SCOPE}}}, {project})"),
        variable("service", f'label_values({metric}{{{SCOPE},{project}=~"$project"}}, {service})'),
    ]


def board(  # noqa: PLR0913 - what a dashboard is said to be
    uid: str,
    title: str,
    text: str,
    content: Sequence[Row],
    *,
    metric: str = "brimline_container_running",
    labels: str = "compose_{}",
    more: Sequence[dashboard.QueryVariable] = (),
) -> models.Dashboard:
    """Return a dashboard; projects and services are found by `metric`, whose labels for them are called `labels`."""
    frame = dashboard.Dashboard(title).uid(uid).description(text).tags([TAG, "memory"]).readonly()
    frame = frame.time("now-3h", "now").refresh("30s").timezone("browser")
    frame = frame.tooltip(models.DashboardCursorSync.CROSSHAIR)
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    frame = frame.with_variable(source.current(models.VariableOption()))
    for one in [*_whose(metric, labels), *more]:
        frame = frame.with_variable(one)
    others = dashboard.DashboardLink("Brimline").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    frame = frame.link(others.include_vars(include_vars=True).keep_time(keep_time=True).tooltip("The other dashboards"))
    for row in content:
        frame = frame.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            frame = frame.with_panel(panel)
    built = frame.build()
    for number, placed_panel in enumerate(built.panels or [], start=1):
        placed_panel.id_val = number
    for chooser in built.templating.list_val or []:
        chooser.auto = chooser.auto_min = chooser.auto_count = None  # which only intervals have
    own = models.AnnotationQuery(
        name="Annotations & Alerts",
        datasource=models.DataSourceRef(type_val="grafana", uid="-- Grafana --"),
        hide=True,
        built_in=1,
        icon_color="rgba(0, 211, 255, 1)",
        type_val="dashboard",
    )
    built.annotations = models.AnnotationContainer([own, *marks()])
    return built
