"""The files people copy, by the tools that read them: compose, systemd, Prometheus, Alertmanager, HAProxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from brimline.loading import load
from real.places import ROOT, wait_until
from real.prometheus import Alertmanager
from real.receiving import Hook

UNIT = ROOT / "deploy/brimline.service"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MOST_EXPOSED = 3.0
PATIENCE = {
    "group_wait: 1m": "group_wait: 8s",  # within which what is mended must have ended, on a busy machine too
    "group_wait: 10s": "group_wait: 1s",
    "group_interval: 1m": "group_interval: 1s",
}
each_service = pytest.mark.parametrize("name", SERVICES)


def run(*command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a tool that a Debian package brings, or skip."""
    program, *arguments = map(str, command)
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which(program, path=path) is None:
        pytest.skip(f"no {program}")
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **environ},
        cwd=ROOT,
    )


def accepted(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"
    return done.stdout


# The unit.


def test_the_unit_says_nothing_that_systemd_does_not_know(tmp_path: Path) -> None:
    unit = tmp_path / "brimline.service"
    unit.write_text(UNIT.read_text().replace("/opt/brimline/bin/brimline", shutil.which("true") or "/bin/true"))
    done = run("systemd-analyze", "verify", "--man=no", unit)
    about = [line for line in done.stderr.splitlines() if "brimline.service" in line]
    assert about == []


def test_the_unit_is_exposed_no_more_than_it_must_be() -> None:
    told = accepted(run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT))
    level = re.search(r"Overall exposure level for brimline.service: ([\d.]+)", told)
    assert level is not None
    assert float(level[1]) <= MOST_EXPOSED, told


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=60s",
        "MemoryMax=128M",
        "OOMScoreAdjust=-900",
        "EnvironmentFile=-/etc/default/brimline",
    ],
)
def test_the_unit_promises(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


def test_every_variable_in_the_default_file_is_one_that_brimline_knows() -> None:
    lines = (ROOT / "deploy/brimline.default").read_text().splitlines()
    environ = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    assert set(environ) == {"ARGS", "BRIMLINE_NOTIFY_ALERTMANAGERS"}
    load({}, environ)


# The compose file.


def test_docker_compose_reads_the_file() -> None:
    done = run("docker-compose", "--profile", "demo", "config", "--quiet", GRAFANA_PASSWORD="x")  # noqa: S106 (none)
    accepted(done)


def test_without_a_password_it_says_what_to_do(tmp_path: Path) -> None:
    command = ("docker-compose", "--project-directory", tmp_path, "--file", ROOT / "docker-compose.yml", "config")
    done = run(*command, GRAFANA_PASSWORD="")
    assert done.returncode != 0
    assert "run tools/make-env once" in done.stderr


@each_service
def test_a_service_has_a_pinned_image_a_limit_a_health_check_and_ports_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+(-\w+)?", service["image"])
    assert re.fullmatch(r"\d+m", service["mem_limit"])
    assert service["memswap_limit"] == service["mem_limit"]
    assert service["healthcheck"].get("test") or name == "load"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@each_service
def test_whoever_is_waited_for_is_waited_for_until_it_is_healthy(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert other in SERVICES
        assert "profiles" in SERVICES[name] or "profiles" not in SERVICES[other], (
            "without the profile it would be missing"
        )


def test_brimline_is_started_with_variables_that_it_knows() -> None:
    environ = {
        name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text) for name, text in SERVICES["brimline"]["environment"].items()
    }
    config = load({}, environ).config
    assert config.sources.docker.host == "tcp://socket-proxy:2375"
    assert not config.actions.dry_run


def test_each_file_that_is_mounted_exists() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) >= 5
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_a_password_is_made_once_and_shown_to_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    script = shutil.copy(ROOT / "tools/make-env", tmp_path / "tools")
    accepted(run(script))
    first = (tmp_path / ".env").read_text()
    assert re.search(r"^GRAFANA_PASSWORD=[0-9a-f]{36}$", first, re.MULTILINE)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    accepted(run(script))
    assert (tmp_path / ".env").read_text() == first


# The images.


@pytest.mark.parametrize("name", ["Dockerfile", "demo/Dockerfile"])
def test_a_dockerfile_checks_hashes_takes_only_wheels_and_ends_as_nobody(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", "")
    installs = [line for line in re.split(r"\n|&&", text) if "pip" in line and " install " in line]
    assert installs
    for line in installs:
        assert "--no-deps" in line
        assert ("--require-hashes" in line and "--only-binary :all:" in line) or "--no-index" in line, line
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1].split(":")[0].isdigit()
    assert re.search(r"^ARG PYTHON=python:3\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)


def test_the_image_says_the_version_of_the_project() -> None:
    said = re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert said == re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_the_health_check_of_the_image_needs_no_shell() -> None:
    assert "\nHEALTHCHECK " in (ROOT / "Dockerfile").read_text()
    assert 'CMD ["brimline", "healthcheck"]\n' in (ROOT / "Dockerfile").read_text()


def test_the_demonstration_locks_the_versions_that_the_tests_run() -> None:
    def versions(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))

    demo, tests = versions("demo/requirements.txt"), versions("requirements-test.txt")
    assert {"celery", "gunicorn", "redis", "uvicorn"} <= demo.keys()
    assert {name: version for name, version in demo.items() if tests.get(name, version) != version} == {}


def test_the_lock_of_the_demonstration_names_hashes_and_no_registry() -> None:
    text = (ROOT / "demo/requirements.txt").read_text()
    entries = re.split(r"\n(?=\w)", text.strip())
    assert len(entries) > 15
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in text


# The socket proxy.


def test_haproxy_reads_its_configuration() -> None:
    accepted(run("haproxy", "-c", "-f", ROOT / "deploy/haproxy.cfg"))


# Prometheus.


def test_prometheus_reads_its_configuration_and_the_rules(tmp_path: Path) -> None:
    text = (ROOT / "prometheus/prometheus.yml").read_text()
    rules = SERVICES["prometheus"]["volumes"][1].split(":")
    assert rules[1] in text, "the rules are where the configuration looks for them"
    (tmp_path / "prometheus.yml").write_text(text.replace(rules[1], str(ROOT / rules[0])))
    told = accepted(run("promtool", "check", "config", tmp_path / "prometheus.yml"))
    assert "SUCCESS: 1 rule files found" in told


@pytest.mark.parametrize("file", sorted((ROOT / "prometheus/examples").glob("*.yml")), ids=lambda file: file.name)
def test_prometheus_reads_the_examples(file: Path) -> None:
    # What one of them reads beside itself, a password, is nowhere here.
    lax = [] if "password_file" not in file.read_text() else ["--syntax-only"]
    accepted(run("promtool", "check", "config", *lax, file))


def test_what_the_federation_asks_for_is_served() -> None:
    names = (ROOT / "docs/metrics.md").read_text()
    text = (ROOT / "prometheus/examples/federation.yml").read_text()
    for name in re.findall(r"\b(brimline_[a-z]\w+)", text):
        assert name in names, name


# Alertmanager.


@pytest.mark.parametrize("name", ["alertmanager.yml", "examples/receivers.yml"])
def test_alertmanager_reads_its_configuration(name: str) -> None:
    accepted(run("amtool", "check-config", ROOT / "alertmanager" / name))


@pytest.mark.parametrize(
    ("file", "labels", "receivers"),
    [
        ("alertmanager.yml", ["severity=critical"], "page"),
        ("alertmanager.yml", ["severity=warning"], "chat"),
        ("alertmanager.yml", ["severity=info"], "nobody"),
        ("alertmanager.yml", [], "chat"),
        ("examples/receivers.yml", ["severity=critical"], "page"),
        ("examples/receivers.yml", ["severity=warning"], "chat"),
        ("examples/receivers.yml", ["severity=warning", "brimline_action=restart"], "brimline,chat"),
        ("examples/receivers.yml", ["severity=critical", "brimline_action=cleanup"], "brimline,page"),
    ],
)
def test_each_severity_has_its_receiver(file: str, labels: list[str], receivers: str) -> None:
    command = ("amtool", "config", "routes", "test", f"--config.file={ROOT / 'alertmanager' / file}")
    told = accepted(run(*command, "alertname=InferenceMemoryHigh", *labels))
    assert re.sub(r"\s", "", told) == receivers


def test_a_critical_alert_inhibits_the_warning_and_a_restart_in_time_keeps_the_page_quiet() -> None:
    text = (ROOT / "alertmanager/alertmanager.yml").read_text()
    for slow, quick in PATIENCE.items():
        assert slow in text
        text = text.replace(slow, quick)
    if shutil.which("prometheus-alertmanager") is None:
        pytest.skip("no prometheus-alertmanager")
    with Hook() as hook:
        for receiver in ("page", "chat"):
            told = f"  - name: {receiver}\n    webhook_configs: [{{url: {hook.url}/{receiver}}}]\n"
            text = text.replace(f"  - name: {receiver}\n", told)
        alertmanager = Alertmanager()
        (alertmanager.directory / "alertmanager.yml").write_text(text)

        def alert(name: str, severity: str, container: str, **more: str) -> dict[str, Any]:
            subject = {"container": container, "compose_project": "shop", "compose_service": container}
            return {"labels": {"alertname": name, "severity": severity, **subject, **more}}

        with alertmanager:
            post(
                alertmanager,
                alert("InferenceMemoryCritical", "critical", "mended"),
                alert("InferenceMemoryHigh", "warning", "worn"),
                alert("InferenceMemoryCritical", "critical", "worn"),
                alert("InferenceMemoryHigh", "warning", "full"),
                alert("ServiceRestartsOften", "warning", "looping"),
                alert("ServiceRestartsTooOften", "critical", "looping"),
                alert("InferenceMemoryCritical", "critical", "twin", instance="here"),
                alert("InferenceMemoryHigh", "warning", "twin", instance="there"),
            )
            time.sleep(0.5)  # an alert that ended when it began was never there
            now = datetime.now(UTC).isoformat()
            post(alertmanager, alert("InferenceMemoryCritical", "critical", "mended") | {"endsAt": now})
            wait_until(lambda: told_of(hook, "/page") >= {"worn", "looping", "twin"}, "the pages", 60)
            wait_until(lambda: told_of(hook, "/chat") >= {"full", "twin"}, "the words in the chat", 60)
            time.sleep(2)  # what would come too comes within the group's interval
    assert told_of(hook, "/page") == {"worn", "looping", "twin"}
    assert told_of(hook, "/chat") == {"full", "twin"}


def told_of(hook: Hook, path: str) -> set[str]:
    return {one["labels"]["container"] for told in hook.of(path) for one in told.body["alerts"]}


def post(alertmanager: Alertmanager, *alerts: dict[str, Any]) -> None:
    body, headers = json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{alertmanager.url}/api/v2/alerts", body, headers), timeout=5):
        pass
