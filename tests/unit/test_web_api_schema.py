"""Requests that schemathesis makes of openapi.json, valid and not: no answer is 5xx but what the document says."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from unit.api_scene import face, restarting
from unit.web_faces import FakeDesk, served

EXAMPLES = 600  # of each operation with parameters, beside its boundaries
ENOUGH = 5000
asked: Counter[str] = Counter()  # requests, by operation
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
schema = schemathesis.openapi.from_path(DOCUMENT).exclude(operation_id=["events"])  # which has no end


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Serve in a thread of its own, with orders switched on."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    addresses: list[str] = []

    async def serve() -> None:
        async with served(face(restarting()), FakeDesk().desk()) as running:
            addresses.extend(running.addresses)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield addresses[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_request_gets_an_answer_of_the_document(case: schemathesis.Case, base: str) -> None:
    asked[case.operation.label] += 1
    response = case.call_and_validate(base_url=base)
    assert response.status_code < 500


def test_these_were_requests_enough() -> None:
    every = {operation.ok().label for operation in schema.get_all_operations()}
    if asked.keys() != every:
        pytest.skip("not every operation was asked")
    assert asked.total() >= ENOUGH, asked
