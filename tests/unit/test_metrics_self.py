from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from brimline.metrics import acted
from brimline.metrics.self import METRICS, SelfMetrics
from brimline.model import Now, Snapshot, SourceStatus
from brimline.view import View


def view(*sources: SourceStatus, wall: float = 100.0, took: float = 0.004) -> View:
    return View(Snapshot(Now(wall, 1.0), ()), sources, 1, took, b"")


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = parse_text(page.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


DOCKER = SourceStatus("docker", up=False, seconds=0.25, error="hung", errors_total=3, info={"api": "1.41"})
CGROUP = SourceStatus("cgroup", up=True, seconds=0.01, error=None, errors_total=0, info={"events": "poll"})


def test_what_is_not_known_before_the_first_tick_is_absent_and_not_zero() -> None:
    names = {name for name, _ in samples(SelfMetrics().render(openmetrics=False))}
    assert not {name for name in names if name.startswith(("brimline_source", "brimline_snapshot", "brimline_config"))}
    assert {"brimline_build_info", "brimline_dropped_series_total", "process_open_fds"} <= names


def test_a_tick_is_told() -> None:
    metrics = SelfMetrics()
    metrics.reloaded(ok=True, at=50.0)
    metrics.ticked(view(DOCKER, CGROUP), cause="interval", dropped=7)
    metrics.ticked(view(DOCKER, CGROUP, wall=105.5, took=9.0), cause="oom", dropped=1)
    metrics.reloaded(ok=False, at=60.0)
    metrics.web_failed()
    got = samples(metrics.render(openmetrics=False))
    source = (("source", "docker"),)
    assert got["brimline_source_up", source] == 0
    assert got["brimline_source_up", (("source", "cgroup"),)] == 1
    assert got["brimline_source_read_duration_seconds", source] == 0.25
    assert got["brimline_source_errors_total", source] == 3
    assert got["brimline_source_info", (("api", "1.41"), ("events", ""), ("source", "docker"))] == 1
    assert got["brimline_ticks_total", (("cause", "interval"),)] == 1
    assert got["brimline_ticks_total", (("cause", "oom"),)] == 1
    assert got["brimline_snapshot_timestamp_seconds", ()] == 105.5
    assert got["brimline_tick_duration_seconds_bucket", (("le", "0.0025"),)] == 0
    assert got["brimline_tick_duration_seconds_bucket", (("le", "0.005"),)] == 1
    assert got["brimline_tick_duration_seconds_bucket", (("le", "5.0"),)] == 1
    assert got["brimline_tick_duration_seconds_bucket", (("le", "+Inf"),)] == 2
    assert got["brimline_tick_duration_seconds_count", ()] == 2
    assert got["brimline_tick_duration_seconds_sum", ()] == 9.004
    assert got["brimline_dropped_series_total", ()] == 8
    assert got["brimline_web_errors_total", ()] == 1
    assert got["brimline_config_last_reload_successful", ()] == 0
    assert got["brimline_config_last_reload_success_timestamp_seconds", ()] == 50


def test_both_formats_hold_the_same_families_and_nothing_created() -> None:
    metrics = SelfMetrics()
    metrics.ticked(view(DOCKER), cause="interval", dropped=0)
    metrics.reloaded(ok=True, at=1.0)
    text, strict = metrics.render(openmetrics=False), metrics.render(openmetrics=True)
    assert strict.endswith(b"# EOF\n")
    assert b"_created" not in text + strict
    assert {f.name for f in parse_text(text.decode())} == {f.name for f in parse_openmetrics(strict.decode())}


def test_every_family_is_a_literal_with_its_type_and_help() -> None:
    metrics = SelfMetrics()
    metrics.ticked(view(DOCKER), cause="interval", dropped=0)
    metrics.reloaded(ok=True, at=1.0)
    printed = {(f.name, f.type, f.documentation) for f in parse_text(metrics.render(openmetrics=False).decode())}
    known = (*METRICS, *acted.METRICS)
    assert printed == {(m.name.removesuffix("_total"), m.kind.value, m.help) for m in known}


def test_names_select_families_even_those_of_the_process() -> None:
    metrics = SelfMetrics()
    metrics.ticked(view(CGROUP), cause="interval", dropped=0)
    chosen = ["process_open_fds", "brimline_ticks_total", "brimline_source_up", "nothing"]
    got = samples(metrics.render(openmetrics=False, names=chosen))
    assert {name for name, _ in got} == {"process_open_fds", "brimline_ticks_total", "brimline_source_up"}


def test_only_unknown_names_leave_an_empty_page() -> None:
    assert SelfMetrics().render(openmetrics=False, names=["nothing"]) == b""
    assert SelfMetrics().render(openmetrics=True, names=["nothing"]) == b"# EOF\n"
