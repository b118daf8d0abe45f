"""The API's paths: every operation of the table gets what answers it; what is refused becomes the envelope's error."""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from brimline.web.api import queries
from brimline.web.api.events import PLACES, Events
from brimline.web.api.fields import Order
from brimline.web.api.health import HealthChecks
from brimline.web.api.openapi import document
from brimline.web.api.operations import HEALTH, OPERATIONS, ROOT, Operation
from brimline.web.api.orders import Desk, Orders
from brimline.web.api.reads import Answering, Api
from brimline.web.envelope import RefusedError, refused, sent
from brimline.web.face import Face
from brimline.web.once import Once

_NAME: Final = "{name:(?s:.+)}"
# A name that ends in "/pause" is asked for with its last slash as %2F: what ends so takes orders.
_READ: Final = rf"{{name:(?!(?s:.*)/(?:{'|'.join(Order)})\Z)(?s:.+)}}"
_STREAMED: Final = "events"  # without a HEAD: its headers alone would take a place


def add(app: web.Application, prefix: str, face: Face, once: Once, desk: Desk | None) -> None:
    """Add every path of the API and of the health checks; `desk` takes orders, None: they are off."""
    api, events = Api(face, once, actions_enabled=desk is not None), Events(face, app[PLACES])
    described = json.dumps(document(prefix)).encode() + b"\n"

    async def openapi(request: web.Request) -> web.StreamResponse:
        queries.of(request, queries.NoQuery)
        return sent(described)

    answering: dict[str, Answering] = {
        **api.handlers,
        **Orders(face, api, desk).handlers(),
        "events": events.get,
        "openapi": openapi,
        "health": HealthChecks(face, once).get,
    }
    for operation in (*OPERATIONS, HEALTH):
        _add(app, prefix, operation, _guarded(answering[operation.name]))

    async def over(_: web.Application) -> None:
        events.close()

    async def close(_: web.Application) -> None:
        api.close()

    app.on_shutdown.append(over)
    app.on_cleanup.append(close)


def is_api(path: str, prefix: str) -> bool:
    """Tell whether a path is one of the API's, whose errors stand in the envelope."""
    return path.startswith(f"{prefix}{ROOT}/")


def _add(app: web.Application, prefix: str, operation: Operation, answer: Answering) -> None:
    path = prefix + operation.path
    if operation.changes:
        app.router.add_post(path.replace("{name}", _NAME), answer)
    else:
        app.router.add_get(path.replace("{name}", _READ), answer, allow_head=operation.name != _STREAMED)


def _guarded(answer: Answering) -> Answering:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await answer(request)
        except RefusedError as refusal:
            return refused(refusal.status, refusal.sentence, refusal.headers)

    return guarded
