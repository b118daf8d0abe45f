"""What is fuzzed: for each parser of foreign bytes a target, which calls it and asserts what must hold of its answer.

A target may let nothing out but a failed assertion; what a parser may raise is named here, and is what its callers
catch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from brimline import kmsg, loading, procfs, units
from brimline.actions import cleanup, containers
from brimline.errors import ConfigError, SourceError, UnitError
from brimline.metrics.catalog import by_name
from brimline.rulefiles import load_rules
from brimline.rules import casefile, export, written
from brimline.rules.watched import start_period_of
from brimline.sources import cgroup_mounts, docker_container, docker_events, docker_stats
from brimline.sources.cgroup import Facts
from brimline.sources.cgroup_open import Dialect
from brimline.sources.cgroup_v1 import CgroupV1
from brimline.sources.cgroup_v2 import CgroupV2
from brimline.web import alertmanager_webhook
from brimline.web.access import webfile

Target = Callable[[bytes], None]
_ID: Final = "f" * 64
_INSPECTED: Final = {
    "Id": _ID,
    "Name": "/shop-web-1",
    "State": {"Running": True, "Status": "running", "Pid": 7, "StartedAt": "2026-01-01T00:00:00Z"},
    "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
}
_METRICS: Final = by_name()


def _said(error: ConfigError) -> None:
    """Every mistake is a sentence with a place."""
    assert error.problems
    for problem in error.problems:
        assert problem.where
        assert problem.message


def config(data: bytes) -> None:
    """A configuration file: a Config, or sentences."""
    text = data.decode(errors="replace")
    try:
        loaded = loading.load({}, {loading.FILE_VARIABLE: "brimline.yml"}, lambda _: text)
    except ConfigError as error:
        _said(error)
    else:
        assert loaded.config.interval > 0


def rules(data: bytes) -> None:
    """A rule file: rules whose own text and whose twin for Prometheus can be written, or sentences."""
    try:
        found = load_rules({"rules.yml": data.decode(errors="replace")})
    except ConfigError as error:
        _said(error)
        return
    again = load_rules({"rules.yml": written.as_text(found)})
    assert [rule.fingerprint for rule in again.rules] == [rule.fingerprint for rule in found.rules]
    with suppress(ConfigError):
        assert export.document(found)


def rule_tests(data: bytes) -> None:
    """A file of `brimline rules test`."""
    try:
        casefile.load(data.decode(errors="replace"), "cases.yml", _METRICS)
    except ConfigError as error:
        _said(error)


def quantities(data: bytes) -> None:
    """Bytes, shares and durations: a finite number that is not negative, or a sentence."""
    text = data.decode(errors="replace")
    for parse in (units.parse_bytes, units.parse_ratio, units.parse_duration):
        with suppress(UnitError):
            value = parse(text)
            assert math.isfinite(value)
            assert value >= 0


def labels(data: bytes) -> None:
    """A container's labels give no action another address than the container's own, nor an endless wait."""
    text = data.decode(errors="replace")
    names = (cleanup.LABEL, containers.STOP_LABEL, "brimline.start-period", docker_container.LIMIT)
    said = {**dict.fromkeys(names, text), "com.docker.compose.project": text, "com.docker.compose.service": text}
    found = docker_container.parse_inspection({**_INSPECTED, "Config": {"Labels": said}})
    port, path, flaw = cleanup.labelled(found)
    assert bool(port) != bool(flaw)
    if port:
        url = f"http://172.17.0.2:{port}{path}"
        assert (urlsplit(url).scheme, urlsplit(url).hostname, urlsplit(url).username) == ("http", "172.17.0.2", None)
        assert urlsplit(url).port == port
    stop = containers.stop_time(found, None)
    assert stop.own == containers.USUAL_STOP
    assert math.isfinite(start_period_of(found.labels, 120.0))
    with suppress(UnitError):
        limit = docker_container.declared_limit(found)
        assert limit is None or limit >= 0
    assert not any(char in found.subject.name for char in "\n\r\0")


def alertmanager(data: bytes) -> None:
    """A webhook of Alertmanager: what it asks for, or a sentence."""
    with suppress(alertmanager_webhook.UnreadableError):
        receiver, wishes = alertmanager_webhook.parse(data)
        assert receiver
        assert len(wishes) <= alertmanager_webhook.MOST
        for wish in wishes:
            assert wish.name
            assert wish.name.isprintable()


def proc(data: bytes) -> None:
    """The files of /proc; what their readers catch is ValueError, IndexError and KeyError."""
    with suppress(ValueError, IndexError):
        stat = procfs.parse_stat(data)
        assert stat.comm in data
    with suppress(ValueError, IndexError):
        procfs.parse_statm(data)
    with suppress(ValueError):
        procfs.parse_rollup(data)
    with suppress(ValueError, IndexError):
        procfs.parse_syscall(data)
    with suppress(ValueError, IndexError):
        assert procfs.parse_meminfo(data, ("MemTotal", "MemAvailable")).keys() <= {"MemTotal", "MemAvailable"}
    with suppress(ValueError, KeyError):
        procfs.parse_pressure(data)
    with suppress(ValueError):
        procfs.parse_boot_time(data)
    assert "" not in procfs.parse_cgroup(data)
    assert procfs.parse_nspid_depth(data) >= 1
    assert procfs.parse_caught(data) >= 0
    assert procfs.parse_switches(data) >= 0
    procfs.parse_cmdline(data)
    procfs.parse_vmstat(data, "oom_kill")
    text = data.decode("utf-8", "surrogateescape")
    cgroup_mounts.parse_mountinfo(text)
    cgroup_mounts.parse_membership(text)


def cgroup(data: bytes) -> None:
    """Files of both cgroup versions: one after another into the same facts, split at NUL."""
    parts = data.split(b"\0")
    for dialect in (CgroupV1(), CgroupV2()):
        _feed(dialect, parts)


def _feed(dialect: Dialect, parts: list[bytes]) -> None:
    facts = Facts()
    for name, part in zip(dialect.hot * 2, parts, strict=False):
        with suppress(ValueError):
            dialect.parse(name, part, facts)
    for part in parts:
        with suppress(ValueError):
            dialect.read_limits("d", lambda _, part=part: part, facts)
        with suppress(ValueError, KeyError):
            dialect.read_rest({"memory": "m", "cpu": "c", "cpuacct": "a", "pressure": "p"}, lambda _, p=part: p, facts)
        with suppress(ValueError):
            dialect.was_full("d", lambda _, part=part: part)
        with suppress(ValueError):
            dialect.read_oom_events("d", lambda _, part=part: part)


def docker(data: bytes) -> None:
    """Answers of an engine: parsed, or a SourceError."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(answer, list):
        with suppress(SourceError):
            docker_container.parse_listing(answer)
    if isinstance(answer, Mapping):
        docker_events.parse_event(answer)
        docker_stats.parse_stats(answer)
        with suppress(SourceError):
            found = docker_container.parse_inspection(answer)
            assert math.isfinite(found.started)
            assert all(port >= 0 for port in found.ports)
            assert found.pid >= 0


def web_file(data: bytes) -> None:
    """A web file: what it says, or sentences that show no password's hash."""
    text = data.decode(errors="replace")
    try:
        found = webfile.load("web.yml", lambda _: text)
    except ConfigError as error:
        _said(error)
    else:
        assert all(hashed.get_secret_value().startswith("$2") for hashed in found.basic_auth_users.values())


def kernel_log(data: bytes) -> None:
    """The kernel's log, as /dev/kmsg and as journalctl tell it: kills with a time."""
    text = data.decode(errors="replace")
    for records in (kmsg.parse_kmsg(text, 1_700_000_000.0), kmsg.parse_journal(text)):
        for kill in kmsg.kills(records):
            assert math.isfinite(kill.wall)


TARGETS: Final[Mapping[str, Target]] = {
    target.__name__: target
    for target in (
        config,
        web_file,
        rules,
        rule_tests,
        quantities,
        labels,
        alertmanager,
        proc,
        cgroup,
        docker,
        kernel_log,
    )
}
