"""openapi.json: the committed one is the served one, it is OpenAPI 3.1, and answers are what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from brimline.web.api.openapi import document, spelled
from brimline.web.api.operations import HEALTH, OPERATIONS, Operation
from conftest import Golden
from unit.api_scene import EVERYBODY, face, restarting
from unit.web_faces import Ask, FakeDesk, FakeFace, asking, browse, served

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
PATHS = {
    "targets": ["/api/v1/targets", "/api/v1/targets?kind=container", "/api/v1/targets?kind=everything"],
    "target": [
        *(f"/api/v1/targets/{subject.kind}/{subject.name}" for subject in EVERYBODY),
        "/api/v1/targets/host/nobody",
    ],
    "journal": ["/api/v1/journal", "/api/v1/journal?limit=1"],
    "health": [*(f"/health/{subject.name}" for subject in EVERYBODY), "/health/nobody"],
    **{
        action: [f"/api/v1/targets/container/shop-api-1/{action}", f"/api/v1/targets/container/nobody/{action}"]
        for action in ("restart", "cleanup", "pause", "resume")
    },
}


def described(operation: Operation) -> Any:  # noqa: ANN401 - JSON
    return document()["paths"][operation.path][operation.method.lower()]["responses"]


def conforms(schema: Any, instance: object) -> None:  # noqa: ANN401 - JSON
    whole = Resource.from_contents(document(), default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:api", whole)
    found = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    Draft202012Validator(found, registry=registry).validate(instance)


def references(node: object) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                yield from [value] if key == "$ref" else references(value)
        case list():
            for value in node:
                yield from references(value)
        case _:
            pass


def test_the_committed_document_is_what_the_code_says(golden: Golden) -> None:
    golden(spelled(document()), COMMITTED)


def test_the_served_document_is_the_committed_one() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/api/v1/openapi.json")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert await answer.json() == json.loads(COMMITTED.read_text(encoding="utf-8"))

    browse(check, FakeFace())


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    found = document()
    schemas = found["components"]["schemas"]
    named = set(references(found))
    assert named <= {f"#/components/schemas/{name}" for name in schemas}
    assert {f"#/components/schemas/{name}" for name in schemas} - named == {"#/components/schemas/ViewEvent"}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
        assert schema.get("additionalProperties") is not None or "enum" in schema


def test_bounds_of_parameters_are_said_as_json_schema_says_them() -> None:
    parameters = {p["name"]: p["schema"] for p in document()["paths"]["/api/v1/journal"]["get"]["parameters"]}
    assert parameters["limit"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    assert parameters["cursor"] == {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
    assert parameters["kind"]["type"] == "array"
    assert parameters["since"]["minimum"] == 0


def test_every_field_of_the_event_is_described() -> None:
    assert set(document()["components"]["schemas"]["ViewEvent"]["properties"]) == {"tick", "at", "fresh"}


@pytest.mark.parametrize("state", ["seen", "stale", "first"])
@pytest.mark.parametrize("operation", [*OPERATIONS, HEALTH], ids=lambda operation: operation.name)
def test_every_answer_is_as_described(operation: Operation, state: str) -> None:
    if operation.name == "events":
        return
    there = FakeFace() if state == "first" else face(restarting())
    there.is_fresh = state != "stale"
    responses = described(operation)

    async def run() -> None:
        for desk in (None, FakeDesk().desk()):
            async with served(there, desk) as running, asking(running) as ask:
                for path in (*PATHS.get(operation.name, [operation.path]), f"{operation.path}?no=1"):
                    answer = await ask(path, operation.method)
                    told = responses[str(answer.status)]["content"]
                    conforms(told[answer.content_type]["schema"], await answer.json())

    asyncio.run(run())


def test_a_line_too_long_to_be_read_is_refused_as_described() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask(f"/api/v1/targets?name={'x' * 9000}")
        assert (answer.status, answer.content_type) == (400, "text/plain")
        assert answer.content_type in document()["paths"]["/api/v1/targets"]["get"]["responses"]["400"]["content"]

    browse(check, face())


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation.name for operation in (*OPERATIONS, HEALTH)]
    assert len(set(names)) == len(names)
