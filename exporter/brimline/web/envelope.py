"""Prometheus's envelope around every answer of the API: `status`, and `data`, or `errorType` and `error`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from brimline.web.slices import Slices

JSON: Final = "application/json"
_HEADERS: Final = MappingProxyType({"Content-Type": JSON, "Cache-Control": "no-store"})
_OWN: Final = frozenset({"content-type", "content-length", "cache-control"})  # of the body that is written here


class ErrorType(StrEnum):
    """What kind of mistake it was; the first four as Prometheus calls them."""

    BAD_DATA = "bad_data"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    FORBIDDEN = "forbidden"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_MANY_REQUESTS = "too_many_requests"


_TYPES: Final[Mapping[int, ErrorType]] = {
    HTTPStatus.UNAUTHORIZED: ErrorType.FORBIDDEN,
    HTTPStatus.FORBIDDEN: ErrorType.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorType.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorType.METHOD_NOT_ALLOWED,
    HTTPStatus.CONFLICT: ErrorType.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorType.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorType.UNAVAILABLE,
}


class RefusedError(Exception):
    """A request that cannot be answered: why, as a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.sentence, self.headers = status, sentence, headers or {}
        super().__init__(sentence)


def wrapped(data: BaseModel) -> bytes:
    """Return the body of an answer."""
    return b'{"status":"success","data":' + data.model_dump_json().encode() + b"}\n"


def sent(body: bytes) -> Slices:
    """Return a body that other answers may share."""
    return Slices((body,), _HEADERS)


def answered(data: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a short answer."""
    return web.Response(status=status, body=wrapped(data), headers=_HEADERS)


def refused(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer to what cannot be answered."""
    kind = _TYPES.get(status, ErrorType.INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ErrorType.BAD_DATA)
    body = json.dumps({"status": "error", "errorType": kind, "error": sentence}, separators=(",", ":")).encode() + b"\n"
    kept = {name: value for name, value in (headers or {}).items() if name.lower() not in _OWN}
    return web.Response(status=status, body=body, headers={**_HEADERS, **kept})
