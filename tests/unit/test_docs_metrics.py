"""docs/metrics.md and the metrics in code say the same; `--regenerate-goldens` writes the tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from brimline.metrics import cadvisor
from brimline.metrics.catalog import PARTS, by_name
from brimline.model import SUBJECT_LABELS, Kind, Metric, MetricKind

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BLOCK = re.compile(r"(<!-- metrics: ([^>]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
KINDS = re.compile(r"brimline_(container|cgroup|process|host)_")


def table(metrics: Iterable[Metric]) -> str:
    """Draw a table with a row for each family; what a container and a cgroup both have shares one."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for metric in metrics:
        found = KINDS.match(metric.name)
        subject = SUBJECT_LABELS[Kind(found[1])] if found else ()
        labels = ", ".join(f"`{label}`" for label in metric.labels if label not in subject)
        rows.setdefault((metric.kind.value, labels, metric.help), []).append(f"`{metric.name}`")
    lines = ["| metric | type | labels beside the subject's | meaning |", "|---|---|---|---|"]
    lines += [f"| {'<br>'.join(names)} | {kind} | {labels} | {text} |" for (kind, labels, text), names in rows.items()]
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_metric_of_code_and_no_other(request: pytest.FixtureRequest) -> None:
    written = PAGE.read_text(encoding="utf-8")
    fresh = BLOCK.sub(lambda found: found[1] + table(PARTS[found[2]]) + found[4], written)
    if request.config.getoption("--regenerate-goldens"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert [found[1] for found in BLOCK.findall(fresh)] == list(PARTS)
    assert PAGE.read_text(encoding="utf-8") == fresh, (
        "docs/metrics.md differs from the code; if that is right: make golden"
    )


def test_every_name_the_page_mentions_exists() -> None:
    named = set(
        re.findall(r"\b(?:brimline|machine|container_memory|container_spec)_\w+", PAGE.read_text(encoding="utf-8"))
    )
    assert named
    assert named <= set(by_name())


def test_each_name_is_one_literal() -> None:
    names = [metric.name for part in PARTS.values() for metric in part]
    assert len(names) == len(set(names))
    families = [name.removesuffix("_total") for name in names]
    assert len(families) == len(set(families)), "two names are one OpenMetrics family"


@pytest.mark.parametrize("metric", by_name().values(), ids=by_name())
def test_a_metric_follows_the_conventions(metric: Metric) -> None:
    is_ours = metric not in cadvisor.METRICS
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert not set(metric.help) & set('"\\\n|'), "OpenMetrics and the docs would have to escape it"
    assert metric.help
    assert not {"instance", "job", "service", "env", "type"} & set(metric.labels)
    assert len(metric.labels) == len(set(metric.labels))
    if is_ours:
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
