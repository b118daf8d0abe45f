"""`brimline rules replay --prometheus` on a real Prometheus with a day of history, and the same day from a CSV."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from real.places import MissingPartError
from real.prometheus import Prometheus
from unit.fake_prometheus import prometheus as fake_prometheus

RULES = """
groups:
  - name: g
    rules:
      - {alert: High, on: container, when: memory_used_ratio > alert_at, for: 1m, severity: warning, do: [notify]}
      - alert: Critical
        on: container
        when: [memory_used_ratio > restart_at, limited == 1]
        for: 32s
        clear: memory_used_ratio < 75%
        severity: critical
        do: [notify, restart]
      - {alert: Leak, on: container, when: memory_time_to_limit_seconds < 30m, for: 5m, severity: warning}
"""
STEP = 8  # seconds: 26 hours of it are more points than Prometheus answers at once
HOUR = 3600 // STEP  # samples
ASKED = 26 * HOUR
MOST_POINTS = 11_000  # https://github.com/prometheus/prometheus/blob/v2.42.0/web/api/v1/api.go (queryRange)
LIMIT = 1 << 30
EARLIER, LATER = 60, 30  # samples before what is asked for, and after the present: time passes while this runs
LABELS = 'compose_project="shop",compose_service="s",instance="127.0.0.1:12746",job="brimline"'


def ratios() -> dict[str, list[float]]:
    """Return what each service held, sample by sample."""
    calm = [0.5] * (EARLIER + ASKED + LATER)
    return {
        # Up from 40 % for four hours until the kernel ends it, then anew.
        "leaky": [0.4 + 0.6 * ((i % (4 * HOUR)) / (4 * HOUR)) for i in range(len(calm))],
        "idle": between(calm, 5 * HOUR, 15 * HOUR, 0.875),
        "short": between(calm, 5 * HOUR, 5 * HOUR + 4, 0.875),  # 32 s: four samples are above, the fifth is not
        "killed": between(calm, 8 * HOUR, 9 * HOUR, 0.875),
        "well": calm,
    }


def between(ratios: Sequence[float], first: int, last: int, level: float) -> list[float]:
    return [level if first <= i < last else ratio for i, ratio in enumerate(ratios)]


def openmetrics(services: dict[str, list[float]], began: int) -> str:
    """Return the history as `promtool tsdb create-blocks-from openmetrics` takes it."""

    def family(measure: str, values: dict[str, Sequence[float]]) -> Iterator[str]:
        name = f"brimline_container_memory_{measure}" if measure != "limited" else "brimline_container_limited"
        yield f"# TYPE {name.removesuffix('_total')} {'counter' if name.endswith('_total') else 'gauge'}\n"
        for service, found in values.items():
            labels = f'container="{service}",{LABELS}'
            for i, value in enumerate(found):
                yield f"{name}{{{labels}}} {value!r} {began + i * STEP}\n"

    kills = between([0.0] * len(services["killed"]), 8 * HOUR + 400, len(services["killed"]), 1.0)
    return "".join(
        [
            *family("limit_bytes", {name: [LIMIT] * len(found) for name, found in services.items()}),
            *family("limited", {name: [1] * len(found) for name, found in services.items()}),
            *family("oom_kills_total", {"killed": kills}),
            *family("used_bytes", {name: [ratio * LIMIT for ratio in found] for name, found in services.items()}),
            *family("used_ratio", services),
            "# EOF\n",
        ]
    )


class Past:
    """A Prometheus with a history that goes on a little beyond the present, and rule files to replay."""

    def __init__(self, prometheus: Prometheus, directory: Path, began: int) -> None:
        self.prometheus = prometheus
        self.began = began
        self.now = began + (EARLIER + ASKED) * STEP
        self._directory = directory
        self.rules = directory / "g.rules.yml"
        self.rules.write_text(RULES)

    def at(self, sample: int) -> int:
        return self.began + sample * STEP

    def csv(self, first: float, last: float) -> Path:
        """Write what was held between two times, both included."""
        file = self._directory / "history.csv"
        rows = [
            f"{self.at(i)},{name},{ratio * LIMIT!r},{LIMIT}\n"
            for name, found in ratios().items()
            for i, ratio in enumerate(found)
            if first <= self.at(i) <= last
        ]
        file.write_text("".join(["time,name,bytes,limit\n", *rows]))
        return file

    def replayed(self, *arguments: object) -> str:
        """Return what the verb prints."""
        command = [sys.executable, "-m", "brimline", "rules", "replay", str(self.rules), *map(str, arguments)]
        environ = {**os.environ, "COLUMNS": "100"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout

    def asked(self, url: str, *more: str) -> str:
        return self.replayed("--prometheus", url, "--range", "26h", "--step", f"{STEP}s", *more)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    began = (int(time.time()) // STEP - ASKED - EARLIER) * STEP
    try:
        prometheus = Prometheus("127.0.0.1:1")
        prometheus.backfill(openmetrics(ratios(), began))
    except MissingPartError as missing:
        pytest.skip(str(missing))
    with prometheus:
        yield Past(prometheus, tmp_path_factory.mktemp("replay"), began)


@pytest.fixture(scope="module")
def story(past: Past) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(past.asked(past.prometheus.url, "--json"))
    return found


def told(story: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in story["subjects"] if one["name"] == name)


def fired(story: dict[str, Any], alert: str, name: str) -> list[tuple[float, float | None]]:
    (episodes,) = (rule["episodes"] for rule in story["rules"] if rule["rule"].startswith(f"g/{alert}{{"))
    return [(one["began"], one["ended"]) for one in episodes if one["name"] == name]


def test_what_was_asked_for_is_all_there(story: dict[str, Any]) -> None:
    assert (story["moments"], story["ended"] - story["began"]) == (ASKED + 1, ASKED * STEP)
    assert {one["name"]: one["samples"] for one in story["subjects"]} == dict.fromkeys(ratios(), ASKED + 1)


def test_the_time_above_each_level_is_what_was_written(past: Past, story: dict[str, Any]) -> None:
    first, last = ((int(story[end]) - past.began) // STEP for end in ("began", "ended"))
    for name, found in ratios().items():
        seen, one = found[first:last], told(story, name)
        assert one["seconds_above_alert_at"] == STEP * sum(ratio > 0.80 for ratio in seen), name
        assert one["seconds_above_restart_at"] == STEP * sum(ratio > 0.85 for ratio in seen), name
        assert one["highest_ratio"] == max(seen), name
    assert told(story, "idle")["seconds_above_restart_at"] == 36_000


def test_alerts_and_restarts_are_where_the_history_has_them(past: Past, story: dict[str, Any]) -> None:
    rose, fell = past.at(5 * HOUR), past.at(15 * HOUR)
    assert fired(story, "High", "idle") == [(rose + 64, fell)], "a minute is 8 steps of 8 seconds at least"
    assert fired(story, "Critical", "idle") == [(rose + 32, fell)]
    assert (told(story, "idle")["restarts"], told(story, "idle")["restarts_for_nothing"]) == ([rose + 32], 1)
    # Each life of four hours is above 85 % after three hours and a step; the last one has not come so far.
    above = [past.at(start + 3 * HOUR + 1) for start in range(0, ASKED, 4 * HOUR)]
    ends = [past.at(start) for start in range(4 * HOUR, ASKED + 4 * HOUR, 4 * HOUR)]
    assert fired(story, "Critical", "leaky") == [(a + 32, e) for a, e in zip(above, ends, strict=True) if a < past.now]
    assert told(story, "leaky")["restarts_for_nothing"] == 0, "each life ended at the brim"
    for name in ("short", "well"):
        assert (fired(story, "High", name), fired(story, "Critical", name)) == ([], [])
        assert told(story, name)["restarts"] == []


def test_a_leak_is_seen_in_history(past: Past, story: dict[str, Any]) -> None:
    (first, _), *_ = fired(story, "Leak", "leaky")
    assert past.at(3 * HOUR) < first < past.at(4 * HOUR), "it is full after four"
    assert [fired(story, "Leak", name) for name in ("idle", "short", "killed", "well")] == [[], [], [], []]


def test_a_kill_that_prometheus_counted_makes_a_restart_worth_it(story: dict[str, Any]) -> None:
    assert (len(told(story, "killed")["restarts"]), told(story, "killed")["restarts_for_nothing"]) == (1, 0)


def test_the_same_history_from_a_csv_tells_the_same(past: Past, story: dict[str, Any]) -> None:
    file = past.csv(story["began"], story["ended"])
    read = json.loads(past.replayed("--csv", file, "--json"))
    # A CSV has no counters.
    assert told(read, "killed") == {**told(story, "killed"), "restarts_for_nothing": 1}
    assert [told(read, name) for name in ratios() if name != "killed"] == [
        told(story, name) for name in ratios() if name != "killed"
    ]
    assert {**read, "subjects": []} == {**story, "subjects": []}


def test_the_table_says_it_in_short(past: Past) -> None:
    lines = past.asked(past.prometheus.url).splitlines()
    assert (
        lines[0] == f"1d 2h of history, {ASKED + 1} moments, 5 subjects: 17 alerts, 8 restarts, 1 of them for nothing"
    )
    assert " 87.5 %           10h           10h         1            1  container/idle" in lines
    assert " 87.5 %            1h            1h         1            0  container/killed" in lines


def get(url: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(f"{url}/api/v1/query_range?{urlencode(query)}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def range_of(past: Past, metric: str, first: int, last: int) -> dict[str, str]:
    return {"query": metric, "start": str(past.at(first)), "end": str(past.at(last)), "step": str(STEP)}


def test_prometheus_refuses_to_answer_at_once_what_the_verb_asks_for_in_pieces(past: Past) -> None:
    everything = range_of(past, "brimline_container_memory_used_ratio", EARLIER, EARLIER + ASKED)
    status, answer = get(past.prometheus.url, everything)
    assert ASKED > MOST_POINTS
    assert (status, answer["errorType"]) == (400, "bad_data")
    with fake_prometheus({}, status=422) as (url, _):
        assert get(url, everything)[1].keys() == answer.keys()


@pytest.mark.parametrize(
    ("metric", "first", "last"),
    [
        ("brimline_container_memory_used_ratio", 1000, 1100),
        ("brimline_container_memory_oom_kills_total", 8 * HOUR + 390, 8 * HOUR + 410),
        ("brimline_container_memory_used_ratio", -2000, -1900),
        ("brimline_container_memory_used_bytes", -50, 50),
        ("brimline_container_restarts_total", 1000, 1100),
    ],
    ids=["in the middle", "a counter", "before all", "across its beginning", "a metric that is not there"],
)
def test_the_prometheus_in_miniature_answers_as_the_real_one(past: Past, metric: str, first: int, last: int) -> None:
    held = get(past.prometheus.url, range_of(past, metric, first - 100, last + 100))[1]["data"]["result"]
    query = range_of(past, metric, first, last)
    with fake_prometheus({metric: held}) as (url, _):
        assert get(url, query) == get(past.prometheus.url, query)
