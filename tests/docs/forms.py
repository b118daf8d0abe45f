"""What each YAML block of the documentation is, by its keys, and what it is held against: our own loaders where it is
ours, written-out keys and the programs' own checkers where it is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from brimline.cli import commands
from brimline.config import Config
from brimline.leaves import leaves
from brimline.loading import load
from brimline.metrics.catalog import by_name
from brimline.rulefiles import load_rules
from brimline.rules import casefile
from brimline.sources.docker_container import LIMIT
from brimline.web.access import webfile
from docs.pages import ROOT

COMPOSE = frozenset({"name", "services", "volumes", "networks"})
SERVICE = frozenset(
    {
        *("build", "image", "command", "environment", "labels", "profiles", "depends_on", "deploy", "healthcheck"),
        *("user", "group_add", "pid", "cgroup", "cap_add", "cap_drop", "security_opt", "read_only", "tmpfs", "volumes"),
        *("ports", "expose", "networks", "network_mode", "mem_limit", "restart", "stop_grace_period"),
    }
)
# Keys that may stand below each other; None: what is below is free, such as names that people choose.
PROBE = {"httpGet": {"path": None, "port": None, "host": None}, "periodSeconds": None}
POD = {
    "hostPID": None,
    "containers": {
        "name": None,
        "image": None,
        "args": None,
        "securityContext": {"runAsUser": None},
        "resources": {"limits": {"memory": None, "cpu": None}},
        "readinessProbe": PROBE,
        "livenessProbe": PROBE,
        "volumeMounts": {"name": None, "mountPath": None, "readOnly": None},
    },
    "volumes": {"name": None, "hostPath": {"path": None, "type": None}},
}
METADATA = {"name": None, "labels": None, "annotations": None}
KUBERNETES: Mapping[str, Any] = {
    "apiVersion": None,
    "kind": None,
    "metadata": METADATA,
    "spec": {"selector": {"matchLabels": None}, "template": {"metadata": METADATA, "spec": POD}},
}
PROMETHEUS_RULE = frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
LABELS = re.compile(r"brimline\.[a-z-]+")


def kind_of(data: object) -> str:
    """Return which form this is; empty where it is none that we know."""
    return next((name for name, (fits, _) in FORMS.items() if fits(data)), "")


def check(name: str, text: str) -> None:
    """Raise what is wrong with a text of this form."""
    FORMS[name][1](text)


def _configuration(text: str) -> None:
    """Load it, and look whether the rule files that it names are ours."""
    config = load({"config.file": "example"}, {}, lambda _: text).config
    for file in config.rules:
        places = (ROOT / "alerts", ROOT / "alerts/examples")
        assert file == "bundled" or any((place / file).is_file() for place in places), file


def _rules(text: str) -> None:
    assert load_rules({"example": text}).rules


def _cases(text: str) -> None:
    assert casefile.load(text, "example", by_name()).cases


def _web_file(text: str) -> None:
    webfile.load("example", lambda _: text)


def compose(text: str) -> None:
    """Look at keys, named volumes, the labels and variables that are ours, and what the image is started with."""
    data = yaml.safe_load(text)
    assert data.keys() <= COMPOSE, data.keys() - COMPOSE
    whole = any("image" in service or "build" in service for service in data["services"].values())
    for service in data["services"].values():
        assert service.keys() <= SERVICE, service.keys() - SERVICE
        _labels(service.get("labels", {}))
        if "command" in service:
            run = commands().get_command(click.Context(commands()), service["command"][0])
            assert run is not None
            run.make_context("run", service["command"][1:])
        variables = {k: str(v) for k, v in service.get("environment", {}).items() if k.startswith("BRIMLINE_")}
        load({}, variables)
        named = {v.partition(":")[0] for v in service.get("volumes", []) if not v.startswith(("/", "."))}
        assert not whole or named <= data.get("volumes", {}).keys()


def _labels(labels: Mapping[str, object]) -> None:
    for label, value in labels.items():
        assert isinstance(value, str), f"{label}: Compose takes texts; write it in quotes"
        if LABELS.fullmatch(label) and label.endswith(("-at", "-period", "-timeout")) and label != LIMIT:
            assert re.fullmatch(r"\d+(\.\d+)?%|(\d+(ms|s|m|h|d))+", value), f"{label}: {value}"


def _kubernetes(text: str) -> None:
    data = yaml.safe_load(text)
    _below(data, KUBERNETES, "")
    template = data["spec"]["template"]
    wanted, labels = data["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]
    assert wanted.items() <= labels.items()
    for container in template["spec"]["containers"]:
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}


def _below(data: object, known: Mapping[str, Any] | None, path: str) -> None:
    if known is None:
        return
    for item in data if isinstance(data, list) else [data]:
        assert isinstance(item, dict), f"{path}: {item}"
        assert item.keys() <= known.keys(), f"{path}: {item.keys() - known.keys()}"
        for key, value in item.items():
            _below(value, known[key], f"{path}.{key}")


def _probe(text: str) -> None:
    _below(yaml.safe_load(text), {"readinessProbe": PROBE}, "")


def _prometheus_rules(text: str) -> None:
    for rule in yaml.safe_load(text):
        assert {"alert", "expr"} <= rule.keys() <= PROMETHEUS_RULE


def _prometheus(text: str) -> None:
    data = yaml.safe_load(text)
    assert data.keys() <= {"global", "scrape_configs", "rule_files", "alerting"}
    assert all("job_name" in job for job in data["scrape_configs"])


def _alertmanager(text: str) -> None:
    data = yaml.safe_load(text)
    assert data.keys() <= {"global", "route", "receivers", "inhibit_rules"}
    for receiver in data["receivers"]:
        assert receiver.keys() <= {"name", "webhook_configs", "email_configs"}


def _has(*keys: str) -> Callable[[object], bool]:
    return lambda data: isinstance(data, dict) and set(keys) <= data.keys()


def _is_configuration(data: object) -> bool:
    return isinstance(data, dict) and bool(data) and data.keys() <= {leaf.path[0] for leaf in leaves(Config)}


def _is_list_of_alerts(data: object) -> bool:
    return isinstance(data, list) and all(isinstance(one, dict) and "alert" in one for one in data)


FORMS: Mapping[str, tuple[Callable[[object], bool], Callable[[str], None]]] = {
    "rules": (_has("groups"), _rules),
    "rule tests": (_has("tests", "rule_files"), _cases),
    "configuration": (_is_configuration, _configuration),
    "compose": (_has("services"), compose),
    "web file": (_has("basic_auth_users"), _web_file),
    "Kubernetes": (_has("apiVersion", "kind", "spec"), _kubernetes),
    "probe": (_has("readinessProbe"), _probe),
    "Prometheus": (_has("scrape_configs"), _prometheus),
    "Prometheus's rules": (_is_list_of_alerts, _prometheus_rules),
    "Alertmanager": (_has("receivers"), _alertmanager),
}


def complete(name: str, text: str) -> tuple[list[str], dict[str, str]] | None:
    """Return what the form's own checker is called with, and the files it needs; None where there is none."""
    data = yaml.safe_load(text)
    if name == "Prometheus":
        rules = (ROOT / "alerts/prometheus.rules.yml").read_text(encoding="utf-8")
        return ["promtool", "check", "config", "file.yml"], {"file.yml": text, "prometheus.rules.yml": rules}
    if name == "Prometheus's rules":
        whole = yaml.safe_dump({"groups": [{"name": "docs", "rules": data}]})
        return ["promtool", "check", "rules", "file.yml"], {"file.yml": whole}
    if name == "Alertmanager":
        whole = yaml.safe_dump({"route": {"receiver": data["receivers"][0]["name"]}, **data})
        return ["amtool", "check-config", "file.yml"], {"file.yml": whole}
    return None


def write(files: Mapping[str, str], directory: Path) -> None:
    """Write the files."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
