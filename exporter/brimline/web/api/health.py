"""GET /health/{name}: whether what has this name should get requests, for load balancers and probes.

503 only while a rule that restarts fires. That Brimline itself knows nothing is no reason to take a service out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from brimline.deeds import RESTART
from brimline.labels import names
from brimline.mistakes import did_you_mean
from brimline.model import Alert, Kind, Phase, Subject
from brimline.rules.diagnosis import STARTING
from brimline.standing import Row
from brimline.units import format_bytes, format_ratio
from brimline.web.api import queries
from brimline.web.api.about import Health, HealthTarget
from brimline.web.api.fields import Condition, Standing
from brimline.web.api.views import Shown
from brimline.web.envelope import JSON, RefusedError
from brimline.web.face import Face
from brimline.web.once import Once

_SUGGESTED: Final = 50
_BEST_FIRST: Final = (Condition.OK, Condition.STARTING, Condition.UNKNOWN, Condition.FAILING, Condition.STOPPED)
_CALLED: Final[tuple[Callable[[Row, str], bool], ...]] = (
    lambda row, name: name in {row.subject.name, row.name},
    lambda row, name: name in names(row.subject),
    lambda row, name: row.subject.kind is Kind.CONTAINER and row.subject.labels[2] == name,
    lambda row, name: row.subject.kind is Kind.CGROUP and row.subject.name.rpartition("/")[2] == name,
)


class HealthChecks:
    """Answers `/health/{name}`."""

    def __init__(self, face: Face, once: Once) -> None:
        self._face, self._once = face, once

    async def get(self, request: web.Request) -> web.Response:
        """Answer for one name."""
        queries.of(request, queries.NoQuery)
        name, view = request.match_info["name"], self._face.view
        if view is None or not self._face.fresh():
            at, why = (None, "not yet") if view is None else (view.snapshot.at.wall, "not any more")
            sentence = f"nothing is known of {name}: Brimline does not read, {why}"
            return _answer(Health(name=name, status=Condition.UNKNOWN, sentence=sentence, at=at, targets=()))
        shown = await self._once.of(view, "api", lambda: Shown(view, self._face.rules))
        return _answer(await self._once.apart(lambda: judge(shown, name)))


def judge(shown: Shown, name: str) -> Health:
    """Judge whoever has this name; refuses with 404 where nobody has, or several that are nothing together. Pure."""
    found = [_target(shown, row) for row in _named(shown.rows, name)]
    conditions = {target.status for target in found}
    worst = next(condition for condition in _BEST_FIRST if condition in conditions)
    return Health(name=name, status=worst, sentence=_sentence(name, found), at=shown.at, targets=tuple(found))


def _named(rows: Sequence[Row], name: str) -> list[Row]:
    for called in _CALLED:
        found = [row for row in rows if called(row, name)]
        kinds = [row.subject.kind for row in found]
        found = [row for row in found if row.subject.kind is kinds[0]]
        if len({_owner(row.subject) for row in found}) > 1:
            several = ", ".join(sorted({_owner(row.subject) for row in found})[:_SUGGESTED])
            raise RefusedError(HTTPStatus.NOT_FOUND, f'"{name}" may be any of {several}; write which one')
        if found:
            return found
    known = {name for row in rows for name in names(row.subject)}
    hint = did_you_mean(name, known, listed=_SUGGESTED)
    raise RefusedError(HTTPStatus.NOT_FOUND, f"nothing that is measured has this name{hint}")


def _owner(subject: Subject) -> str:
    """Return what several targets may be together: a service."""
    called = names(subject)
    return called[1] if len(called) > 1 and subject.labels[2] else subject.name


def _target(shown: Shown, row: Row) -> HealthTarget:
    restarting = [a for a in shown.alerts_of(row.subject) if _restarts(a)]
    return HealthTarget(
        kind=row.subject.kind,
        name=row.subject.name,
        status=_condition(shown, row, restarting),
        used_bytes=row.used,
        limit_bytes=row.limit,
        ratio=row.ratio,
        restart_at=row.levels[1],
        alerts=tuple(alert.alertname for alert in restarting),
    )


def _restarts(alert: Alert) -> bool:
    return alert.phase is Phase.FIRING and RESTART in alert.actions


def _condition(shown: Shown, row: Row, restarting: Sequence[Alert]) -> Condition:
    diagnosis = shown.measures.diagnosis(row.subject)
    if shown.standing(row) is Standing.STOPPED:
        return Condition.STOPPED
    if diagnosis is not None and diagnosis.name == STARTING:
        return Condition.STARTING
    if restarting:
        return Condition.FAILING
    return Condition.UNKNOWN if row.ratio is None else Condition.OK


def _sentence(name: str, found: Sequence[HealthTarget]) -> str:
    if len(found) == 1:
        return f"{name}: {_told(found[0])}"
    each = "; ".join(f"{target.name} {_told(target)}" for target in found)
    return f"{name}: {each}"


def _told(target: HealthTarget) -> str:
    said = str(target.status)
    if target.used_bytes is not None and target.ratio is not None:
        of = "" if target.limit_bytes is None else f" of {format_bytes(target.limit_bytes)}"
        said += f", {format_bytes(target.used_bytes)}{of} used ({format_ratio(target.ratio)})"
    return f"{said}; {', '.join(target.alerts)} fires and asks for a restart" if target.alerts else said


def _answer(found: Health) -> web.Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if found.status is Condition.FAILING else HTTPStatus.OK
    body = found.model_dump_json().encode() + b"\n"
    return web.Response(status=status, body=body, headers={"Content-Type": JSON, "Cache-Control": "no-store"})
