"""History from a Prometheus that scraped Brimline: the measures its rules and the story need, a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from math import isfinite
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from brimline.errors import SourceError
from brimline.metrics.catalog import by_name
from brimline.model import SUBJECT_LABELS, Kind, Metric, Subject
from brimline.offlimits import WHY, leads_to
from brimline.redaction import hide_secrets
from brimline.rules.replay import DEATHS, RATIO, Moment
from brimline.rules.terms import RuleSet

_POINTS: Final = 5_000  # a series and a query; Prometheus answers up to 11,000
_TIMEOUT: Final = 60.0
_OK: Final = 200
_DERIVED: Final = "memory_time_to_limit_seconds"
_FORECAST: Final = ("memory_used_bytes", "memory_limit_bytes", "limited", "memory_swap_bytes", "start_time_seconds")


@dataclass(frozen=True, slots=True)
class Range:
    """Which time is asked for."""

    end: float
    back: float
    step: float


def moments_of_prometheus(url: str, asked: Range, rules: RuleSet) -> Iterator[Moment]:
    """Yield what Prometheus holds, in the order of time; raises SourceError."""
    metrics = _needed(rules)
    steps = int(asked.back // asked.step)
    end = asked.end // asked.step * asked.step
    for first in range(steps, -1, -_POINTS):
        last = max(first - _POINTS + 1, 0)
        moments: dict[float, dict[Metric, dict[Subject, float]]] = {}
        for kind, metric in metrics:
            for subject, at, value in _ask(url, kind, metric, end - first * asked.step, end - last * asked.step, asked):
                moments.setdefault(at, {}).setdefault(metric, {})[subject] = value
        for at in sorted(moments):
            yield Moment(at, moments[at], whole=True)  # Prometheus has let each sample hold for as long as it may


def _needed(rules: RuleSet) -> list[tuple[Kind, Metric]]:
    known, kinds = by_name(), {rule.kind for rule in rules.rules}
    names = {
        (rule.kind, comparison.operand.measure.metric.name)
        for rule in rules.rules
        for alternative in rule.when.alternatives
        for comparison in (*alternative, *((rule.clear,) if rule.clear else ()))
    }
    names |= {(kind, f"brimline_{kind}_{measure}") for kind in kinds for measure in (RATIO, *DEATHS, *_FORECAST)}
    # The time to the limit is not asked for but worked out anew: history may know less of it than this version does.
    return [(k, known[name]) for k, name in sorted(names) if name in known and not name.endswith(_DERIVED)]


def _ask(  # noqa: PLR0913, PLR0917 - one query
    url: str, kind: Kind, metric: Metric, start: float, end: float, asked: Range
) -> Iterator[tuple[Subject, float, float]]:
    query = {"query": metric.name, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{asked.step:g}"}
    for series in _get(url, query):
        labels = tuple(series["metric"].get(label, "") for label in SUBJECT_LABELS[kind])
        subject = Subject(kind, labels[0] if labels else str(kind), labels, "/".join(labels))
        for at, text in series["values"]:
            value = float(text)
            if isfinite(value):
                yield subject, float(at), value


def _get(url: str, query: Mapping[str, str]) -> list[Any]:
    parts, shown = urlsplit(url), hide_secrets(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SourceError(f'"{shown}" is no address; write "http://prometheus:9090"')
    if place := leads_to(parts.hostname):
        raise SourceError(f"{parts.hostname} leads to {place}, which {WHY}")
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(
        parts.hostname, parts.port, timeout=_TIMEOUT
    )
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/api/v1/query_range?{urlencode(query)}")
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise SourceError(f"{shown}: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if response.status != _OK or answer.get("status") != "success":
        raise SourceError(f"{shown}: {response.status} {answer.get('error', '')}")
    found: list[Any] = answer["data"]["result"]
    return found
