"""A real Prometheus scrapes a live Brimline over a container in a real dockerd."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from real.engine import Dockerd
from real.places import MissingPartError, wait_until
from real.prometheus import Prometheus, check_metrics
from real.sidecar import Sidecar

MIB = 1024 * 1024
COMPOSE = "com.docker.compose"


@pytest.fixture
def brimline(dockerd: Dockerd, containers: Callable[..., str]) -> Iterator[Sidecar]:
    """Brimline over one container that holds 60 MiB of 100."""
    labels = ["--label", f"{COMPOSE}.project=shop", "--label", f"{COMPOSE}.service=whisper"]
    containers("anon", 60, options=["--name", "shop-whisper-1", "--memory", "100m", "--memory-swap", "100m", *labels])
    one = Sidecar("--interval=500ms", f"--sources.docker.host={dockerd.url}")
    one.wait_for(lambda: one.find("brimline_container_memory_used_ratio"), "it is measured")
    yield one
    one.close()


def test_prometheus_has_what_brimline_saw(brimline: Sidecar) -> None:
    try:
        prometheus = Prometheus(brimline.url.removeprefix("http://"))
    except MissingPartError as missing:
        pytest.skip(str(missing))
    with prometheus:
        wait_until(lambda: prometheus.query("up == 1"), "Prometheus has scraped it")
        ((labels, ratio),) = prometheus.wait_for('brimline_container_memory_used_ratio{container="shop-whisper-1"}')
        assert (labels["compose_project"], labels["compose_service"]) == ("shop", "whisper")
        there = brimline.value("brimline_container_memory_used_ratio", container="shop-whisper-1")
        assert ratio == pytest.approx(there, rel=0.01), "each is of a scrape of its own"
        assert 0.60 < ratio < 0.62
        target = prometheus.target()
        assert (target["health"], target["lastError"]) == ("up", "")
        # Only OpenMetrics names a counter's family without the `_total` of its samples: that is what it was sent.
        families = {entry["metric"] for entry in prometheus.get("/api/v1/targets/metadata")["data"]}
        assert "brimline_ticks" in families
        assert "brimline_ticks_total" not in families
        threshold = "brimline_container_memory_used_ratio < on(container) brimline_container_memory_threshold_ratio"
        assert prometheus.query(threshold + '{level="alert"}')


def test_promtool_accepts_the_live_page(brimline: Sidecar) -> None:
    try:
        assert check_metrics(brimline.get("/metrics")[1]) == []
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_openmetrics_is_what_is_asked_for(brimline: Sidecar) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    request = urllib.request.Request(f"{brimline.url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        page = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    whisper = [s for s in samples if s.labels.get("container") == "shop-whisper-1"]
    assert {"brimline_container_memory_used_ratio", "brimline_container_memory_oom_kills_total"} <= {
        s.name for s in whisper
    }
