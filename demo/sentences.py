"""A sentence API under uvicorn that remembers every sentence. Nobody said that it may be restarted, so it is not."""

from __future__ import annotations

import json
from array import array
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from memory import share

DIMENSIONS = 4096
known: dict[str, array[float]] = {}


def embed(sentence: str) -> array[float]:
    """Return the sentence's vector, remembered for ever."""
    if sentence not in known:
        first = sum(sentence.encode())
        known[sentence] = array("d", (float(first + place) for place in range(DIMENSIONS)))
    return known[sentence]


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/embed":
        embed(parse_qs(scope["query_string"].decode()).get("text", [""])[0])
    body = json.dumps({"share": share(), "known": len(known)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
