"""The rules of grafana/dashboard-linter, and what links and pictures need besides."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from brimline.metrics.catalog import by_name
from brimline.model import MetricKind
from grafana.boards import BOARDS, SELECTOR, Board, metrics

each = pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
UNITS = {"none", "percentunit", "bytes", "s", "dtdurations", "dateTimeAsIso", "cps"}
CLAUSE = re.compile(r"\b(by|on|ignoring|without|group_left|group_right) \([^()]*\)")
# Their first count would be lost to a rate: they are also read as they are.
NOT_PRESET = {"brimline_decisions_total", "brimline_action_duration_seconds_bucket"}
WORDS = {"and", "or", "unless", "bool", "offset", "__rate_interval"}


def everything(model: object) -> list[tuple[str, Any]]:
    """Return every key of a tree with its value."""
    if isinstance(model, dict):
        return [*model.items(), *(pair for value in model.values() for pair in everything(value))]
    return [pair for value in model for pair in everything(value)] if isinstance(model, list) else []


def naked(expr: str) -> set[str]:
    """Return the metrics of an expression that have no braces, so that no variable is heeded."""
    bare = CLAUSE.sub(" ", SELECTOR.sub(" ", re.sub(r'"[^"]*"', lambda t: '""' if "," in t[0] else t[0], expr)))
    bare = re.sub(r'"[^"]*"', " ", bare)
    return set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", bare)) - WORDS


def test_all_five_are_there() -> None:
    assert [board.name for board in BOARDS] == ["brimline", "drop-in", "overview", "service", "unit"]
    assert len({board.model["uid"] for board in BOARDS}) == len(BOARDS)
    assert len({board.model["title"] for board in BOARDS}) == len(BOARDS)


@each
def test_it_says_what_it_is_and_leads_to_the_others(board: Board) -> None:
    model = board.model
    assert re.fullmatch(r"brimline-[a-z-]+", model["uid"])
    assert model["title"].startswith("Brimline / ")
    assert model["description"]
    assert {"brimline", "memory"} <= set(model["tags"])
    assert model["editable"] is False
    assert model.get("id") is None
    (link,) = model["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
        "dashboards",
        ["brimline"],
        True,
        True,
    )


@each
def test_its_variables_come_from_the_chosen_source(board: Board) -> None:
    assert list(board.variables)[:5] == ["datasource", "job", "instance", "project", "service"]
    source = board.variables["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    for name, variable in list(board.variables.items())[1:]:
        assert variable["type"] == "query"
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["label"] == name.title()
        assert variable["refresh"] == 2, "heeds the time range"
        assert re.fullmatch(r"label_values\((.+), \w+\)", variable["query"])
    for name, everyone in (("job", ".+"), ("instance", ".+"), ("project", ".*"), ("service", ".*")):
        variable = board.variables[name]
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, everyone)


@each
def test_each_panel_has_a_title_a_description_a_unit_and_queries(board: Board) -> None:
    for panel in board.panels:
        assert panel["title"]
        assert re.fullmatch(r"[A-Z0-9].*[.]", panel["description"]), panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
    set_units = [value for key, value in everything(board.model) if key == "unit"]
    assert set(set_units) <= UNITS


@each
def test_no_title_stands_twice_under_one_heading(board: Board) -> None:
    seen: set[str] = set()
    for panel in board.model["panels"]:
        if panel["type"] == "row":
            seen = set()
        assert panel["title"] not in seen
        seen.add(panel["title"])


@each
def test_nothing_names_a_source_or_a_place(board: Board) -> None:
    uids = {value["uid"] for key, value in everything(board.model) if key == "datasource" and isinstance(value, dict)}
    assert uids == {"${datasource}", "-- Grafana --"}
    for place, expr in board.expressions():
        for _, labels, _ in SELECTOR.findall(expr):
            fixed = re.findall(r'\b(job|instance|compose_\w+|container|cgroup)\s*!?=~?\s*"(?!\$)', labels)
            assert not fixed, f"{place}: {fixed}"


@each
def test_each_selector_heeds_job_and_instance(board: Board) -> None:
    for place, expr in board.expressions():
        found = SELECTOR.findall(expr)
        assert found, place
        assert naked(expr) == set(), place
        for _, labels, _ in found:
            assert {'job=~"$job"', 'instance=~"$instance"'} <= set(labels.split(",")), place


@each
def test_what_belongs_to_a_container_heeds_project_and_service(board: Board) -> None:
    for place, expr in board.expressions():
        if board.name in {"drop-in", "unit", "brimline"}:
            continue
        for name, labels, _ in SELECTOR.findall(expr):
            if name.startswith(("brimline_container", "brimline_alerts", "brimline_restart_budget")) or not name:
                assert 'compose_project=~"$project"' in labels, place
                assert 'compose_service=~"$service"' in labels, place


@each
def test_counters_are_read_as_rises_and_rates_by_the_scrape_interval(board: Board) -> None:
    for place, expr in board.expressions():
        for found in SELECTOR.finditer(expr):
            around = re.search(r"(\w+)\($", expr[: found.start()])
            called, window = around[1] if around else "", found[3]
            if any(is_counter(name) for name in metrics(found[0]) - NOT_PRESET):
                assert called in {"rate", "increase"}, place
            if called in {"rate", "irate"}:
                assert window == "[$__rate_interval]", place
            if called == "increase":
                assert re.fullmatch(r"\[(\$__rate_interval|\d+h)\]", window), place


@each
def test_each_metric_exists(board: Board) -> None:
    texts = [expr for _, expr in board.expressions()]
    texts += [v["query"].replace("label_values(", "") for v in board.variables.values() if v["type"] == "query"]
    named = {name for text in texts for name in metrics(text)}
    assert {name for name in named if name != "up" and not known(name)} == set()


@each
def test_no_panel_covers_another(board: Board) -> None:
    numbers = [panel["id"] for panel in board.model["panels"]]
    assert len(set(numbers)) == len(numbers)
    cells = [(p["title"], p["gridPos"]) for p in board.model["panels"]]
    for title, cell in cells:
        assert cell["x"] + cell["w"] <= 24, title
    for (one, a), (other, b) in combinations(cells, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one} and {other}"


def test_links_from_one_to_another_lead_to_a_variable_of_it() -> None:
    there = {board.model["uid"]: board for board in BOARDS}
    urls = [value for board in BOARDS for key, value in everything(board.model) if key == "url"]
    found = [m for url in urls if (m := re.match(r"/d/([a-z-]+)\?var-(\w+)=\$\{__value.raw", url))]
    assert len(found) == 2
    assert all(m[2] in there[m[1]].variables for m in found)


def is_counter(name: str) -> bool:
    return name.endswith(("_total", "_sum", "_count", "_bucket", "failcnt"))


def known(name: str) -> bool:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return name in by_name() or (base in by_name() and by_name()[base].kind is MetricKind.HISTOGRAM)


def test_what_breaks_a_rule_is_noticed() -> None:
    assert naked("up == 1") == {"up"}
    assert naked("max by (job) (up{a}) + on () rate(x_total{b}[5m]) > bool 3") == set()
    assert naked('label_join(foo, "a", "", "b")') == {"foo"}
    assert metrics('rate({__name__=~"a_(b|c)_total",job=~"$job"}[1m])') == {"a_b_total", "a_c_total"}
    assert is_counter("a_total")
    assert known("brimline_tick_duration_seconds_bucket")
    assert not known("brimline_container_memory_usd_bytes")
