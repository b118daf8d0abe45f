"""Every operation of the API: its path, what may be asked, what is answered; routes and openapi.json follow it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from brimline.model import Kind
from brimline.web.api import about, answers, queries
from brimline.web.api.fields import Answer

ROOT: Final = "/api/v1"
ORDERED: Final = (Kind.CONTAINER,)  # what an action may be asked for


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    path: str
    summary: str
    answer: type[Answer] | None  # None: it answers in another form
    query: type[queries.Query] = queries.NoQuery
    method: str = "GET"
    success: tuple[HTTPStatus, ...] = (HTTPStatus.OK,)
    refusals: tuple[HTTPStatus, ...] = ()  # beside 400, which each has
    kinds: tuple[Kind, ...] = tuple(Kind)  # that its path may name

    @property
    def changes(self) -> bool:
        """Tell whether it asks for something to be done."""
        return self.method != "GET"


_GONE: Final = (HTTPStatus.SERVICE_UNAVAILABLE,)
_UNKNOWN: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
_ORDER: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, *_GONE)
_ASKED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
_TARGET: Final = f"{ROOT}/targets/{{kind}}/{{name}}"


def _order(action: str, summary: str, query: type[queries.Query]) -> Operation:
    acts = query is queries.AskQuery
    done, kinds = (_ASKED, ORDERED) if acts else ((HTTPStatus.ACCEPTED,), tuple(Kind))
    refusals = (*_ORDER, HTTPStatus.CONFLICT) if query is queries.ResumeQuery else _ORDER
    return Operation(action, f"{_TARGET}/{action}", summary, about.Asked, query, "POST", done, refusals, kinds)


OPERATIONS: Final = (
    Operation(
        "targets",
        f"{ROOT}/targets",
        "Every container, cgroup, process group and the host, the worst first",
        answers.Targets,
        queries.TargetsQuery,
        refusals=_GONE,
    ),
    Operation("target", _TARGET, "Everything about one target", answers.Target, refusals=_UNKNOWN),
    Operation(
        "alerts", f"{ROOT}/alerts", "What is pending or firing, the most urgent first", answers.Alerts, refusals=_GONE
    ),
    Operation("rules", f"{ROOT}/rules", "The rules in force", about.Rules),
    Operation(
        "journal",
        f"{ROOT}/journal",
        "What was decided, done and asked for, the newest first",
        about.Journal,
        queries.JournalQuery,
        refusals=_GONE,
    ),
    Operation(
        "decisions",
        f"{ROOT}/decisions",
        "What policy says now of everything that is asked for",
        answers.Decisions,
        refusals=_GONE,
    ),
    Operation("status", f"{ROOT}/status", "How Brimline itself fares; answers while it is stale too", about.Status),
    Operation("config", f"{ROOT}/config", "The configuration in force, secrets hidden", about.ConfigAnswer),
    Operation("events", f"{ROOT}/events", "Server-sent events: one `view` a tick", None, refusals=_GONE),
    Operation("openapi", f"{ROOT}/openapi.json", "This document", None),
    _order("restart", "Ask for a restart of a container; policy decides", queries.AskQuery),
    _order("cleanup", "Ask for a call of a container's cleanup hook; policy decides", queries.AskQuery),
    _order("pause", "Let nothing be done to a target", queries.PauseQuery),
    _order(
        "resume", "End a target's pause, and give it another chance where restarts did not help", queries.ResumeQuery
    ),
)
HEALTH: Final = Operation(
    "health",
    "/health/{name}",
    "503 while a rule that restarts fires for what has this name: a container, project/service, unit or group",
    about.Health,
    refusals=(HTTPStatus.NOT_FOUND,),
)
