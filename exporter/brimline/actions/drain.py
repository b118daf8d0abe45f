"""Emptying a service before its restart: it is told to take no more work, then waited for until none is under way.

A drain never stands in the way of the restart: what fails is told in a sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from brimline.actions.base import Job
from brimline.actions.options import DrainOptions
from brimline.errors import ActionError, SourceError
from brimline.httpclient import HttpClient
from brimline.labels import names
from brimline.model import Clock, Container
from brimline.redaction import hide_secrets

POLL: Final = 0.5  # seconds between two looks at the gauge
PATIENCE: Final = 3  # looks in a row that fail until nobody waits any more
_LOCAL: Final = "127.0.0.1"


def chosen(drains: dict[str, DrainOptions], container: Container) -> DrainOptions | None:
    """Return how this container is emptied: the first glob that matches."""
    return next((o for glob, o in drains.items() if any(fnmatchcase(n, glob) for n in names(container.subject))), None)


def allowed(options: DrainOptions, job: Job) -> float:
    """Return how long it may take: never more than half of what the forecast leaves."""
    left = job.standing.seconds_left
    return options.timeout if left is None else max(0.0, min(options.timeout, left / 2))


class Drain:
    """What a drain needs of the world."""

    def __init__(self, http: HttpClient, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._http = http
        self._clock = clock
        self._sleep = sleep

    async def empty(self, options: DrainOptions, container: Container, seconds: float) -> str:
        """Drain it for at most `seconds`; return a sentence about how it went."""
        began = self._clock.now().mono
        host = container.addresses[0] if container.addresses else _LOCAL
        host = f"[{host}]" if ":" in host else host
        try:
            if options.post is not None:
                await self._post(options.post.replace("{host}", host), seconds)
            if options.gauge is None:
                return "told to take no more work" if options.post is not None else ""
            return await self._wait(options.gauge.replace("{host}", host), options.metric, began, seconds)
        except (ActionError, SourceError) as error:
            return f"not drained: {error}"

    async def _post(self, url: str, seconds: float) -> None:
        answer = await self._http.send("POST", url, seconds=max(1.0, seconds))
        if not answer.ok:
            raise ActionError(f"POST {hide_secrets(url)} answered {answer.status}")

    async def _wait(self, url: str, metric: str, began: float, seconds: float) -> str:
        failed, under_way = 0, math.nan
        while True:
            left = began + seconds - self._clock.now().mono
            try:
                under_way = await self._read(url, metric, max(1.0, left))
                failed = 0
            except (ActionError, SourceError):
                failed += 1
                if failed >= PATIENCE:
                    raise
            took = self._clock.now().mono - began
            if under_way <= 0:
                return f"drained in {took:.0f} s"
            if took >= seconds:
                count = "an unknown number" if math.isnan(under_way) else f"{under_way:g}"
                return f"not drained within {seconds:.0f} s: {metric} says {count}"
            await self._sleep(min(POLL, seconds - took))

    async def _read(self, url: str, metric: str, seconds: float) -> float:
        answer = await self._http.send("GET", url, seconds=seconds, headers={"Accept": "text/plain, application/json"})
        shown = hide_secrets(url)
        if not answer.ok:
            raise ActionError(f"GET {shown} answered {answer.status}")
        value = reading(answer.body, metric)
        if value is None:
            raise ActionError(f'GET {shown}: no number "{metric}" in the answer')
        return value


def reading(body: bytes, metric: str) -> float | None:
    """Return the gauge out of JSON (dots go deeper) or a Prometheus page (its series added up); None: it has none."""
    text = body.decode("utf-8", "replace")
    value = _in_json(text, metric) if text.lstrip()[:1] in {"{", "["} else _in_page(text, metric)
    return value if value is not None and math.isfinite(value) else None


def _in_json(text: str, metric: str) -> float | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for key in metric.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _in_page(text: str, metric: str) -> float | None:
    try:
        families = list(text_string_to_metric_families(text))
    except (ValueError, IndexError, KeyError):  # what its parser raises at lines that are none
        return None
    series = [sample.value for family in families for sample in family.samples if sample.name == metric]
    return sum(series) if series else None
