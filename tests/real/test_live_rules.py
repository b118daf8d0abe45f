"""Rules over containers in a real dockerd: Brimline's alerts beside those of a real Prometheus with their twins."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brimline.judging import Judging
from brimline.metrics.catalog import by_name
from brimline.model import Diagnosis, Snapshot
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.spec import load
from brimline.rules.vocabulary import vocabulary
from real.engine import Dockerd
from real.measured import Measured
from real.places import MissingPartError
from real.prometheus import Prometheus
from real.sidecar import Sidecar

MIB = 1024 * 1024
MEMORY = "brimline_container_memory"
RULES = """
groups:
  - name: live
    rules:
      - {alert: High, on: container, when: memory_used_ratio > alert_at, for: 10s, severity: warning}
      - {alert: Critical, on: container, when: memory_used_ratio > restart_at, for: 1s, severity: critical}
"""
SCRAPED = "3s"  # what takes longer to answer makes every series stale
APART = 9.0  # seconds: a scrape, an evaluation and a busy machine
LIMIT = ("--memory", "100m", "--memory-swap", "100m")

Phases = dict[tuple[str, str, str], str]  # alert, severity and container -> pending or firing


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "live.rules.yml"
    file.write_text(RULES)
    return file


@pytest.fixture
def brimline(dockerd: Dockerd, rules: Path) -> Iterator[Sidecar]:
    one = Sidecar("--interval=500ms", f"--sources.docker.host={dockerd.url}", f"--rules={rules}")
    yield one
    one.close()


@pytest.fixture
def slow(dockerd: Dockerd, rules: Path) -> Iterator[Sidecar]:
    """One whose steps are long: a container that waits for a processor for a moment still leaks evenly from each."""
    one = Sidecar("--interval=2s", f"--sources.docker.host={dockerd.url}", f"--rules={rules}")
    yield one
    one.close()


@contextmanager
def twins(brimline: Sidecar, rules: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes Brimline every few seconds and judges by the exported rules."""
    export = [sys.executable, "-m", "brimline", "rules", "export", str(rules)]
    exported = subprocess.run(export, check=True, capture_output=True, text=True).stdout
    try:
        prometheus = Prometheus(brimline.url.removeprefix("http://"), interval=SCRAPED, rules=exported)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    with prometheus:
        prometheus.wait_for("brimline_container_memory_used_ratio")
        yield prometheus


def ours(brimline: Sidecar) -> Phases:
    found = (dict(labels) for labels in brimline.find("brimline_alerts"))
    return {(a["alertname"], a["severity"], a["container"]): a["state"] for a in found}


def theirs(prometheus: Prometheus) -> Phases:
    found = [labels for labels, _ in prometheus.query("ALERTS")]
    return {(a["alertname"], a["severity"], a["container"]): a["alertstate"] for a in found}


class Followed:
    """When each side first showed each phase of one alert; `over` is its end."""

    def __init__(self, brimline: Sidecar, prometheus: Prometheus, alert: tuple[str, str, str]) -> None:
        self._sides: tuple[Callable[[], Phases], ...] = (lambda: ours(brimline), lambda: theirs(prometheus))
        self._alert = alert
        self.seen: tuple[dict[str, float], dict[str, float]] = ({}, {})

    def until(self, phase: str, seconds: float = 60) -> None:
        """Look at both sides until both have come so far."""
        deadline = time.monotonic() + seconds
        while not all(phase in seen for seen in self.seen):
            assert time.monotonic() < deadline, f"not {phase} on both sides within {seconds} s: {self.seen}"
            for look, seen in zip(self._sides, self.seen, strict=True):
                now = look().get(self._alert, "over" if "firing" in seen else "inactive")
                seen.setdefault(now, time.monotonic())
            time.sleep(0.05)

    def apart(self, phase: str) -> float:
        """Return by how many seconds the sides differ."""
        one, other = self.seen
        return abs(one[phase] - other[phase])


@pytest.mark.parametrize("end", [("restart", "--time", "0"), ("rm", "--force")], ids=["restarted", "removed"])
def test_an_alert_begins_and_ends_as_its_twin_in_prometheus_does(
    end: tuple[str, ...], dockerd: Dockerd, containers: Callable[..., str], brimline: Sidecar, rules: Path
) -> None:
    container = containers("anon", 30, options=["--name", "grows", *LIMIT, "--label", "brimline.alert-at=50%"])
    with twins(brimline, rules) as prometheus:
        followed = Followed(brimline, prometheus, ("High", "warning", "grows"))
        followed.until("inactive")
        dockerd.cli("exec", "--detach", container, "memload", "anon", 30)
        followed.until("firing")
        ratio = brimline.value("brimline_container_memory_used_ratio", container="grows")
        assert ratio is not None
        assert 0.5 < ratio < 0.8, "only its own label makes this too much"
        dockerd.cli(*end, container)
        followed.until("over")
    for side in followed.seen:
        assert sorted(side, key=lambda phase: side[phase]) == ["inactive", "pending", "firing", "over"]
    for phase in ("pending", "firing", "over"):
        assert followed.apart(phase) < APART, (phase, followed.seen)


def test_a_lax_label_keeps_the_critical_rule_silent_on_both_sides(
    containers: Callable[..., str], brimline: Sidecar, rules: Path
) -> None:
    containers("anon", 89, options=["--name", "lax", *LIMIT, "--label", "brimline.restart-at=95%"])
    containers("anon", 89, options=["--name", "strict", *LIMIT])
    expected = {
        ("High", "warning", "lax"): "firing",
        ("High", "warning", "strict"): "firing",
        ("Critical", "critical", "strict"): "firing",
    }
    with twins(brimline, rules) as prometheus:
        brimline.wait_for(lambda: expected.items() <= ours(brimline).items(), "both fire here")
        brimline.wait_for(lambda: expected.items() <= theirs(prometheus).items(), "both fire in Prometheus")
        assert (ours(brimline), theirs(prometheus)) == (expected, expected)


def test_a_short_spike_raises_no_alert_but_stays_in_the_peak(
    dockerd: Dockerd, containers: Callable[..., str], brimline: Sidecar
) -> None:
    spiked = containers("anon", 5, options=["--name", "spiked", *LIMIT])
    held = containers("anon", 5, options=["--name", "held", *LIMIT])
    brimline.wait_for(lambda: len(brimline.find("brimline_container_memory_peak_bytes")) == 2, "both are measured")
    dockerd.cli("exec", "--detach", held, "memload", "anon", 83)
    dockerd.cli("exec", "--detach", spiked, "memload", "spike", 83, 0.3)
    shown: set[tuple[str, str]] = set()

    def held_fires() -> bool:
        shown.update((name, phase) for (_, _, name), phase in ours(brimline).items())
        return ("held", "firing") in shown

    brimline.wait_for(held_fires, "what stays above its level fires")
    brimline.next_ticks(4)
    held_fires()
    assert ("spiked", "firing") not in shown
    assert "spiked" not in {name for _, _, name in ours(brimline)}
    peak = brimline.value("brimline_container_memory_peak_bytes", container="spiked")
    used = brimline.value("brimline_container_memory_used_bytes", container="spiked")
    assert peak is not None
    assert used is not None
    assert peak > 85 * MIB > 20 * MIB > used


def test_a_steep_leak_is_foretold_before_the_kernel_kills_it(
    dockerd: Dockerd, containers: Callable[..., str], slow: Sidecar
) -> None:
    labels = ("--label", "brimline.start-period=1s")
    leaks = containers("leak", 2, options=["--name", "leaks", *LIMIT, *labels])
    containers("anon", 60, options=["--name", "stands", *LIMIT, *labels])

    def foretold() -> dict[tuple[str, str], float]:
        """Return the values of one page by metric and container, once it tells the time to the limit."""
        found = {}
        for (name, labels), value in slow.series().items():
            its = dict(labels)
            if its.get("diagnosis", "leaking") == "leaking":
                found[name, its.get("container", "")] = value
        return found if (f"{MEMORY}_time_to_limit_seconds", "leaks") in found else {}

    page, said = slow.wait_for(foretold, "it is foretold"), time.monotonic()
    assert dockerd.cli("wait", leaks) == "137"
    left = page[f"{MEMORY}_time_to_limit_seconds", "leaks"]
    assert left / 2 < time.monotonic() - said < left * 2
    assert page[f"{MEMORY}_used_ratio", "leaks"] < 0.9
    assert [page["brimline_container_diagnosis", name] for name in ("leaks", "stands")] == [1, 0]


@pytest.fixture
def measured() -> Iterator[Measured]:
    one = Measured("brimline-test-none")
    yield one
    one.close()


def test_what_stood_above_its_level_since_its_start_is_idle_there(
    dockerd: Dockerd, containers: Callable[..., str], measured: Measured
) -> None:
    container = containers("anon", 89, options=["--name", "steady", *LIMIT])
    pid = dockerd.pid(container)
    measured.adopt("steady", measured.fs.locate({container: pid})[container], pid)
    rules = load(RULES, "live.rules.yml", vocabulary(by_name().values()))
    judging = Judging(rules, (), MemoryAlertStore(), 1.0, measured.now())

    def diagnosis() -> Diagnosis:
        measured.tick()
        seen, _ = judging.judge(Snapshot(measured.now(), (measured.report,)))
        return next(d for report in seen.reports for s, d in report.diagnoses.items() if s.name == "steady")

    assert diagnosis().name in {"starting", "ok"}
    for _ in range(31):
        measured.pass_(10)
        last = diagnosis()
    assert last.name == "idle_above_threshold", last
    assert "never below its level of 80" in last.sentence
