"""openapi.json: OpenAPI 3.1, made of the table of operations and of the classes that queries and answers are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from brimline.model import Kind
from brimline.web.api.about import ViewEvent
from brimline.web.api.fields import Answer
from brimline.web.api.operations import HEALTH, OPERATIONS, Operation
from brimline.web.envelope import JSON, ErrorType

_REF: Final = "#/components/schemas/{model}"
_ABOUT: Final = (
    "What Brimline sees, says and did. Moments are seconds since the epoch, sizes bytes, ratios 0.85 for 85 %; null is "
    "what is not known or not there. While Brimline reads nothing new, data is refused with 503."
)
_ERROR: Final = {
    "type": "object",
    "description": "Why there is no answer.",
    "required": ["status", "errorType", "error"],
    "additionalProperties": False,
    "properties": {
        "status": {"const": "error"},
        "errorType": {"enum": [str(kind) for kind in ErrorType]},
        "error": {"type": "string", "description": "A sentence."},
    },
}
_FREE: Final = {"openapi": (JSON, {"type": "object"}), "events": ("text/event-stream", {"type": "string"})}
Json = dict[str, Any]


def document(prefix: str = "") -> Json:
    """Return the document of a Brimline whose paths stand under this prefix."""
    paths: dict[str, Json] = {}
    found = _definitions()
    for operation in (*OPERATIONS, HEALTH):
        asked = found[operation.query.__name__].get("properties", {})
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, asked)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Brimline", "version": "1", "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(found)},
    }


def spelled(found: Json) -> str:
    """Return a document as a file."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _schemas(found: Json) -> Json:
    queries = {operation.query.__name__ for operation in OPERATIONS}
    return {"Error": _ERROR, **{name: _bare(found[name]) for name in sorted(found) if name not in queries}}


def _definitions() -> Json:
    answers: set[type[Answer]] = {o.answer for o in (*OPERATIONS, HEALTH) if o.answer is not None} | {ViewEvent}
    queries = {o.query for o in OPERATIONS}
    models = [
        *((model, "serialization") for model in sorted(answers, key=lambda model: model.__name__)),
        *((model, "validation") for model in sorted(queries, key=lambda model: model.__name__)),
    ]
    _, found = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type] # the modes are literals
    return dict(found["$defs"])


def _operation(operation: Operation, asked: Json) -> Json:
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_places(operation), *_parameters(asked)],
        "responses": dict(_responses(operation)),
    }


def _places(operation: Operation) -> Iterator[Json]:
    if "{kind}" in operation.path:
        every = operation.kinds == tuple(Kind)
        named: Json = {"type": "string", "enum": [str(kind) for kind in operation.kinds]}
        yield _place("kind", {"$ref": _REF.format(model=Kind.__name__)} if every else named, "")
    if "{name}" in operation.path:
        yield _place("name", {"type": "string", "minLength": 1}, "A slash may be written as it is, or as %2F.")


def _place(name: str, schema: Json, description: str) -> Json:
    said = {"description": description} if description else {}
    return {"name": name, "in": "path", "required": True, "schema": schema, **said}


def _parameters(asked: Json) -> Iterator[Json]:
    for name, schema in asked.items():
        bare = _bare(schema)
        description = bare.pop("description", "")
        choices = [choice for choice in bare.pop("anyOf", []) if choice != {"type": "null"}]
        if len(choices) == 1:
            bare = choices[0]
        elif bare.get("default", "") is None:
            del bare["default"]
        yield {"name": name, "in": "query", "description": description, "schema": bare}


def _responses(operation: Operation) -> Iterator[tuple[str, Json]]:
    for status in operation.success:
        yield str(int(status)), _response(status.phrase, *_content(operation))
    if operation is HEALTH:  # the same answer, by whose status alone a probe goes
        yield "503", _response("A rule that restarts fires", *_content(operation))
    for refusal in (HTTPStatus.BAD_REQUEST, *operation.refusals):
        told = _response("See error", JSON, {"$ref": _REF.format(model="Error")})
        if refusal is HTTPStatus.BAD_REQUEST:  # what is no HTTP, or too long a line, is refused before anybody reads it
            told["content"]["text/plain"] = {"schema": {"type": "string"}}
        yield str(int(refusal)), told


def _response(description: str, kind: str, schema: Json) -> Json:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _content(operation: Operation) -> tuple[str, Json]:
    if operation.answer is None:
        return _FREE[operation.name]
    data = {"$ref": _REF.format(model=operation.answer.__name__)}
    if operation is HEALTH:
        return JSON, data
    return JSON, {
        "type": "object",
        "required": ["status", "data"],
        "additionalProperties": False,
        "properties": {"status": {"const": "success"}, "data": data},
    }


def _bare(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave off the titles, which say each name twice."""
    match schema:
        case dict():
            return {k: _bare(v) for k, v in schema.items() if k != "title" or not isinstance(v, str)}
        case list():
            return [_bare(item) for item in schema]
        case _:
            return schema
