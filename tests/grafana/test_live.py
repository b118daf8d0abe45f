"""Every query of every panel runs against a real Prometheus that scraped a real Brimline, and returns data."""

from __future__ import annotations

import pytest

from grafana.boards import BOARDS, Board
from grafana.stage import LEAKY, MAY_BE_EMPTY, SLICE, STEADY, Stage

each = pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
OVERVIEW = next(board for board in BOARDS if board.name == "overview")
TABLE = next(panel for panel in OVERVIEW.panels if panel["type"] == "table")


@each
def test_each_query_returns_data_or_its_panel_says_why_not(board: Board, stage: Stage) -> None:
    without = stage.without(board)
    assert [(panel["title"], query) for panel, query in without if MAY_BE_EMPTY not in panel["description"]] == []
    queries = sum(len(panel["targets"]) for panel in board.panels)
    assert len(without) <= queries / 6, [panel["title"] for panel, _ in without]


@each
def test_each_variable_offers_something(board: Board, stage: Stage) -> None:
    offered = {name: stage.choices(v) for name, v in board.variables.items() if v["type"] == "query"}
    assert all(offered.values()), offered
    assert offered["job"] == ["brimline"]
    assert (offered["project"], offered["service"]) == (["shop"], ["cache", "web"])


def test_a_chosen_service_is_all_that_is_shown(stage: Stage) -> None:
    def subjects(**values: str) -> set[str]:
        return {series["metric"]["subject"] for series in stage.ask(TABLE["targets"][0], **values)}

    assert {LEAKY, STEADY, SLICE, "leaky"} <= subjects()
    assert subjects(project="shop") == {LEAKY, STEADY}
    assert subjects(service="web") == {LEAKY}
    assert subjects(instance="elsewhere") == set()


def test_the_columns_of_the_table_are_about_the_same_subjects(stage: Stage) -> None:
    keys = [
        {tuple(series["metric"].get(label, "") for label in ("instance", "subject")) for series in stage.ask(target)}
        for target in TABLE["targets"]
    ]
    assert keys[0]
    assert all(column <= keys[0] for column in keys)


def test_the_marks_are_where_something_happened(stage: Stage) -> None:
    marks = {mark["name"]: mark for mark in OVERVIEW.marks}
    for name, action in (("Restarts", "restart"), ("Other actions", "cleanup")):
        (series,) = [s for s in stage.ask(marks[name]["target"]) if s["metric"]["action"] == action]
        assert (series["metric"]["outcome"], series["metric"]["container"]) == ("done", LEAKY)
        times = {float(value) / 1000 for _, value in series["values"]}
        assert all(stage.began < at < stage.ended for at in times)
    killed = {series["metric"]["container"] for series in stage.ask(marks["OOM kills"]["target"])}
    assert killed == {STEADY}


def test_before_and_after_of_the_restart_differ(stage: Stage) -> None:
    board = next(board for board in BOARDS if board.name == "service")
    panel = next(panel for panel in board.panels if panel["title"] == "Before and after")
    last = {}
    for target in panel["targets"][1:]:
        (series,) = [s for s in stage.ask(target) if s["metric"]["action"] == "restart"]
        last[target["legendFormat"]] = float(series["values"][-1][1])
    assert last["before the {{action}}"] > 3 * last["after the {{action}}"]
