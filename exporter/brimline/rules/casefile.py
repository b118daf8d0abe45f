"""A file of rule tests, in promtool's shape: what it says, and every mistake in it by line and column. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Final

from brimline.errors import ConfigError, UnitError
from brimline.model import Metric
from brimline.rules.machine import milliseconds
from brimline.rules.series import Series, parse_series, parse_values
from brimline.rules.shape import Page
from brimline.units import parse_duration
from brimline.yamlfile import Path, parse

_FILE_KEYS: Final = ("rule_files", "evaluation_interval", "group_eval_order", "tests")
_CASE_KEYS: Final = ("name", "interval", "input_series", "alert_rule_test")
_SERIES_KEYS: Final = ("series", "values")
_CHECK_KEYS: Final = ("eval_time", "alertname", "exp_alerts")
_ALERT_KEYS: Final = ("exp_labels", "exp_annotations")
_FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "promql_expr_test": "there is no PromQL here; test the alerts with alert_rule_test",
        "external_labels": "there are none here; remove it",
        "external_url": "there is none here; remove it",
    }
)
_MINUTE: Final = 60_000  # promtool's default of both intervals


@dataclass(frozen=True, slots=True)
class Expected:
    """One alert that must fire; its annotations are compared only where they are written."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Check:
    """What must fire of one alert at one moment; nothing, where `alerts` is empty."""

    where: str
    at: int
    alertname: str
    alerts: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One test: series, and what is expected of them."""

    name: str
    where: str
    interval: int
    series: tuple[Series, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file; the rule files are named as they are written, relative to it."""

    rule_files: tuple[str, ...]
    every: int
    cases: tuple[Case, ...]


def load(text: str, name: str, metrics: Mapping[str, Metric]) -> CaseFile:
    """Read a file; raises ConfigError with every mistake."""
    page = Page(parse(text, name), text.splitlines())
    found = page.mapping((), _FILE_KEYS)
    every = _moment(page, ("evaluation_interval",)) if "evaluation_interval" in found else _MINUTE
    files: list[str] = []
    cases: list[Case] = []
    for key, example in (("rule_files", '"- rules.yml"'), ("tests", '"- interval: 1m"')):
        if key not in found:
            page.refuse((), f'missing key "{key}"; write "{key}:" with a list, such as {example}')
    if "rule_files" in found:
        files = [page.word(path, "rules.yml") or "" for path in page.items(("rule_files",), '"- rules.yml"')]
    if "tests" in found:
        cases = [_case(page, path, every or _MINUTE, metrics) for path in page.items(("tests",), '"- interval: 1m"')]
    if page.problems:
        raise ConfigError(page.problems)
    return CaseFile(tuple(files), every or _MINUTE, tuple(cases))


def _case(page: Page, path: Path, every: int, metrics: Mapping[str, Metric]) -> Case:
    found = page.mapping(path, _CASE_KEYS, _FOREIGN)
    name = (page.text((*path, "name"), "a leak") or "") if "name" in found else f"test {int(path[-1]) + 1}"
    interval = _moment(page, (*path, "interval")) if "interval" in found else every
    series: list[Series] = []
    if "input_series" in found:
        for item in page.items((*path, "input_series"), '"- series: ..."'):
            series += _series(page, item, metrics)
        _refuse_twins(page, (*path, "input_series"), series)
    checks = []
    if "alert_rule_test" in found:
        checks = [_check(page, item) for item in page.items((*path, "alert_rule_test"), '"- eval_time: 5m"')]
    elif found:
        page.refuse(path, 'missing key "alert_rule_test"; write what is expected, or it tests nothing')
    return Case(name, page.document.where(path), interval or every, tuple(series), tuple(checks))


def _series(page: Page, path: Path, metrics: Mapping[str, Metric]) -> list[Series]:
    page.mapping(path, _SERIES_KEYS)
    if not _has(page, path, _SERIES_KEYS):
        return []
    name, values = (
        page.text((*path, "series"), "brimline_host_memory_used_ratio"),
        page.text((*path, "values"), "0+1x9"),
    )
    if name is None or values is None:
        return []
    subject = page.read((*path, "series"), name, partial(parse_series, metrics=metrics))
    samples = page.read((*path, "values"), values, parse_values)
    return [] if subject is None or samples is None else [Series(*subject, samples)]


def _refuse_twins(page: Page, path: Path, series: list[Series]) -> None:
    seen = set()
    for one in series:
        key = (one.metric.name, one.subject, one.extra)
        if key in seen:
            page.refuse(path, f"{one.metric.name} of the same subject is written twice; write its values in one series")
        seen.add(key)


def _check(page: Page, path: Path) -> Check:
    found = page.mapping(path, _CHECK_KEYS)
    alerts: list[Expected] = []
    at = _moment(page, (*path, "eval_time"), zero=True) if _has(page, path, _CHECK_KEYS[:2]) else None
    alertname = (page.word((*path, "alertname"), "InferenceMemoryHigh") or "") if "alertname" in found else ""
    if found.get("exp_alerts") not in (None, []):
        alerts = [_expected(page, item) for item in page.items((*path, "exp_alerts"), '"- exp_labels: {...}"')]
    return Check(page.document.where(path), at or 0, alertname, tuple(alerts))


def _expected(page: Page, path: Path) -> Expected:
    found = page.mapping(path, _ALERT_KEYS)
    labels = _texts(page, (*path, "exp_labels")) if found.get("exp_labels") is not None else {}
    annotations = _texts(page, (*path, "exp_annotations")) if found.get("exp_annotations") is not None else None
    return Expected({label: value for label, value in labels.items() if value}, annotations)


def _texts(page: Page, path: Path) -> dict[str, str]:
    return {key: page.text((*path, key), "...") or "" for key in page.mapping(path)}


def _has(page: Page, path: Path, keys: tuple[str, ...]) -> bool:
    found = page.mapping(path)
    for key in keys:
        if found and key not in found:
            page.refuse(path, f'missing key "{key}"; write "{key}: ..."')
    return all(key in found for key in keys)


def _moment(page: Page, path: Path, *, zero: bool = False) -> int | None:
    seconds = page.quantity(path, _long_enough(zero=zero), "1m")
    return None if seconds is None else milliseconds(seconds)


def _long_enough(*, zero: bool) -> Callable[[str], float]:
    def read(text: str) -> float:
        seconds = parse_duration(text)
        if not seconds and not zero:
            raise UnitError(f'"{text}" is no interval; write one above 0s, such as "1m"')
        return seconds

    return read


def refuse_unknown_alerts(cases: CaseFile, alerts: set[str]) -> list[tuple[str, str]]:
    """Return where an alert is tested that no rule raises, with the sentence."""
    found = []
    for check in (check for case in cases.cases for check in case.checks if check.alertname not in alerts):
        close = get_close_matches(check.alertname, alerts, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"they raise {', '.join(sorted(alerts))}"
        found.append((check.where, f'no rule raises "{check.alertname}"; {hint}'))
    return found
