"""The templates against prometheus_client: whatever the labels and values, both pages must read the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from brimline.metrics import page
from brimline.metrics.render import Renderer
from brimline.model import Column, Kind, Metric, MetricKind, Now, Snapshot, SourceReport, Subject

LABELS = ("container", "compose_project", "compose_service")
USED = Metric("t_used_bytes", r"Used; a \ in it.", MetricKind.GAUGE, LABELS)
KILLS = Metric("t_kills_total", "Kills.", MetricKind.COUNTER, (*LABELS, "cause"))
TOTAL = Metric("t_total_bytes", "Total.", MetricKind.GAUGE, ())
ALL = (USED, KILLS, TOTAL)

Parsed = list[tuple[str, str, str, list[tuple[str, frozenset[tuple[str, str]], str]]]]


class Reference(Collector):
    """The plain way to serve a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        for metric in ALL:
            columns = [c for c in self._snapshot.columns(metric) if c.subjects]
            if not columns:
                continue
            shape = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
            family = shape(metric.name, metric.help, labels=metric.labels)
            for column in columns:
                extra = column.extra or ((),) * len(column.subjects)
                for subject, more, value in zip(column.subjects, extra, column.values, strict=True):
                    family.add_metric((*subject.labels, *more), value)
            yield family


def reference(snapshot: Snapshot) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Reference(snapshot))
    return registry


def parsed(families: Iterator[Family]) -> Parsed:
    return sorted(
        (
            f.name,
            f.type,
            f.documentation,
            [(s.name, frozenset(s.labels.items()), repr(s.value + 0.0)) for s in f.samples],
        )
        for f in families
    )


def snapshot(*columns: Column) -> Snapshot:
    return Snapshot(Now(1.0, 1.0), (SourceReport("test", columns, 0.0),))


def container(*labels: str) -> Subject:
    return Subject(Kind.CONTAINER, labels[0], labels, "uid")


HOSTILE = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('\\"\n%{}= '), max_size=12)
COUNTS = st.one_of(st.integers(0, 2**64), st.floats(0, 1e300), st.just(2**53 + 1))
VALUES = st.one_of(st.integers(0, 2**64), st.floats(), st.sampled_from([0.5, 1e300, 2**53 + 1, -0.0, math.inf]))


@st.composite
def histories(draw: st.DrawFn) -> list[Snapshot]:
    """A topology and a few ticks of it: values change from whole to broken numbers and back, or stay."""
    labels = draw(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=4, unique=True))
    subjects = tuple(container(*values) for values in labels)
    extra = tuple((draw(HOSTILE),) for _ in subjects)
    other = (container("longer than a hostile one", "", ""),)
    machine = (Subject(Kind.HOST, "host", (), ""),)

    def values(count: int, of: st.SearchStrategy[float] = VALUES) -> Sequence[float]:
        return draw(st.lists(draw(st.sampled_from([of, st.integers(0, 9)])), min_size=count, max_size=count))

    return [
        snapshot(
            Column(USED, subjects, values(len(subjects))),
            Column(KILLS, subjects, values(len(subjects), COUNTS), extra),
            Column(TOTAL, machine, values(1)),
            Column(USED, other, values(1)),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


@given(histories())
def test_both_formats_read_like_the_librarys(history: list[Snapshot]) -> None:
    renderer = Renderer(series=1000)
    for tick in history:
        body = renderer.render(tick).body
        assert parsed(parse_text(body.decode())) == parsed(parse_text(generate_latest(reference(tick)).decode()))
        strict = page.openmetrics(body) + b"# EOF\n"
        theirs = generate_openmetrics(reference(tick))
        assert parsed(parse_openmetrics(strict.decode())) == parsed(parse_openmetrics(theirs.decode()))


def test_the_strict_openmetrics_parser_takes_the_page() -> None:
    subjects = (container("a", "p", 's"\\\n%d'), container("b", "", ""))
    tick = snapshot(Column(USED, subjects, [1, 2]), Column(KILLS, subjects, [0.0, 1.5], (("own",), ("host",))))
    body = page.openmetrics(Renderer(series=9).render(tick).body) + b"# EOF\n"
    families = list(parse_openmetrics(body.decode()))
    assert [(f.name, f.type) for f in families] == [("t_used_bytes", "gauge"), ("t_kills", "counter")]
    assert families[0].samples[0].labels["compose_service"] == 's"\\\n%d'


def test_help_and_type_stand_once_for_columns_of_two_sources() -> None:
    first = SourceReport("one", (Column(USED, (container("a", "", ""),), [1]),), 0.0)
    second = SourceReport("two", (Column(USED, (container("b", "", ""),), [2.5]),), 0.0)
    body = Renderer(series=9).render(Snapshot(Now(1, 1), (first, second))).body
    assert body.decode() == (
        "# HELP t_used_bytes Used; a \\\\ in it.\n# TYPE t_used_bytes gauge\n"
        't_used_bytes{container="a",compose_project="",compose_service=""} 1\n'
        't_used_bytes{container="b",compose_project="",compose_service=""} 2.5\n'
    )


def test_a_new_topology_is_printed_anew_and_an_old_one_from_memory() -> None:
    renderer = Renderer(series=9)
    subjects = (container("a", "", ""),)
    assert (
        b'container="a",compose_project="",compose_service=""} 1\n'
        in renderer.render(snapshot(Column(USED, subjects, [1]))).body
    )
    assert b" 2\n" in renderer.render(snapshot(Column(USED, subjects, [2]))).body
    changed = renderer.render(snapshot(Column(USED, (container("b", "", ""),), [2]))).body
    assert b'container="b"' in changed
    assert b'container="a"' not in changed


def test_a_family_without_rows_has_no_header() -> None:
    assert Renderer(series=9).render(snapshot(Column(USED, (), []))).body == b""


def test_a_surrogate_costs_a_question_mark_and_not_the_page() -> None:
    body = Renderer(series=9).render(snapshot(Column(USED, (container("a\udcff", "", ""),), [1]))).body
    assert b'container="a?"' in body


def test_labels_that_do_not_fit_their_names_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Renderer(series=9).render(snapshot(Column(KILLS, (container("a", "", ""),), [1])))


def test_a_truth_value_is_a_number() -> None:
    subjects = (container("a", "", ""), container("b", "", ""))
    assert b" 1\n" in Renderer(series=9).render(snapshot(Column(USED, subjects, [True, False]))).body
    assert b" 1.0\n" in Renderer(series=9).render(snapshot(Column(USED, subjects, [True, 0.5]))).body


def test_select_keeps_whole_families() -> None:
    subjects = (container("# HELP t_total_bytes x", "\n# HELP t_used_bytes ", ""),)
    tick = snapshot(Column(USED, subjects, [1]), Column(TOTAL, (Subject(Kind.HOST, "host", (), ""),), [5]))
    body = Renderer(series=9).render(tick).body
    assert (
        page.select(body, ["t_total_bytes"])
        == b"# HELP t_total_bytes Total.\n# TYPE t_total_bytes gauge\nt_total_bytes 5\n"
    )
    assert page.select(body, ["t_used_bytes", "t_total_bytes"]) == body
    assert page.select(body, ["t_used"]) == b""


def test_a_counter_without_total_has_no_openmetrics_type() -> None:
    body = (
        b"# HELP container_memory_failcnt Hits\n# TYPE container_memory_failcnt counter\ncontainer_memory_failcnt 3\n"
    )
    assert next(parse_openmetrics((page.openmetrics(body) + b"# EOF\n").decode())).type == "unknown"


@pytest.mark.parametrize("limit", [0, 1, 5, 6, 7, 12])
def test_the_cap_leaves_off_whole_subjects_and_counts_their_series(limit: int) -> None:
    machine = (Subject(Kind.HOST, "host", (), ""),)
    subjects = tuple(container(f"c{i}", "", "") for i in range(5))
    columns = (
        Column(USED, subjects, [1] * 5),
        Column(KILLS, subjects, [1] * 5, (("own",),) * 5),
        Column(TOTAL, machine, [1]),
    )
    got = Renderer(series=limit).render(snapshot(*columns))
    lines = [line for line in got.body.decode().splitlines() if not line.startswith("#")]
    assert len(lines) == got.series <= limit
    assert got.series + got.dropped == 11
    shown = [line.split('"')[1] for line in lines if "{" in line]
    assert all(shown.count(name) == 2 for name in shown)
    assert limit == 0 or "t_total_bytes 1" in lines  # the host is kept first


def test_whoever_is_shown_stays_when_others_come() -> None:
    renderer = Renderer(series=2)

    def shown(*names: str) -> set[str]:
        column = Column(USED, tuple(container(name, "", "") for name in names), [1] * len(names))
        body = renderer.render(snapshot(column)).body.decode()
        return {line.split('"')[1] for line in body.splitlines() if line.startswith("t_")}

    assert shown("m", "n", "o") == {"m", "n"}
    assert shown("a", "b", "m", "n", "o") == {"m", "n"}
    assert shown("a", "b", "n", "o") == {"a", "n"}
    assert shown("a", "n") == {"a", "n"}


def test_who_is_there_goes_before_who_left_a_counter_behind() -> None:
    renderer = Renderer(series=4)
    dead, more = container("dead", "", ""), container("more", "", "")
    alive, fresh = container("alive", "", ""), container("fresh", "", "")

    def shown(*living: Subject) -> set[str]:
        columns = Column(USED, living, [1] * len(living)), Column(KILLS, (dead, more), [1, 1], (("own",),) * 2)
        body = renderer.render(snapshot(*columns)).body.decode()
        return {line.split('"')[1] for line in body.splitlines() if line.startswith("t_")}

    assert shown(alive, fresh) == {"alive", "dead", "fresh", "more"}
    assert shown(alive, fresh, container("x", "", "")) == {"alive", "dead", "fresh", "x"}
    assert shown(alive, fresh, *(container(name, "", "") for name in "xy")) == {"alive", "fresh", "x", "y"}


def test_under_the_cap_the_same_topology_is_cut_alike_each_tick() -> None:
    renderer = Renderer(series=1)
    subjects = (container("a", "", ""), container("b", "", ""))
    for value in (1, 2, 2.5):
        got = renderer.render(snapshot(Column(USED, subjects, [value, 9])))
        assert got.dropped == 1
        assert f" {value}\n".encode() in got.body
