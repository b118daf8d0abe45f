"""What is sent to an engine to change something, and what it remembers of the past. It blocks; `DockerApi` has threads.

Whether an order reached the engine is told apart from what the engine made of it: only the world tells that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from brimline.dockerthreads import lines, reason
from brimline.errors import SourceError
from brimline.labels import printable
from brimline.redaction import hide_secrets

if TYPE_CHECKING:  # Docker is imported only where it is used
    from docker import APIClient

_DONE: Final = frozenset({200, 204, 304})  # 304: it was so already
_REFUSED: Final = frozenset(
    {401, 403, 404, 405, 501}
)  # what proxies and authorization plugins say to what is not allowed
_LONGEST: Final = 200


class OrderError(SourceError):
    """An order that was not answered with yes."""

    def __init__(self, message: str, *, reached: bool | None) -> None:
        self.reached = reached  # True: the engine says no; False: it never heard of it; None: nobody knows
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class History:
    """What an engine remembers, oldest first, and what its clock says."""

    now: float
    events: tuple[Mapping[str, object], ...]


def order(client: APIClient, what: str, path: str, stop_timeout: float | None, seconds: float) -> None:
    """Send one order; the SDK's own restart() always says t=10, so this goes around it."""
    from requests.exceptions import ConnectionError as Lost  # noqa: PLC0415 - comes with Docker
    from requests.exceptions import ConnectTimeout  # noqa: PLC0415 - comes with Docker

    parameters = {} if stop_timeout is None else {"t": str(math.ceil(stop_timeout))}
    url = f"{client.base_url}/v{client.api_version}/{path}"
    try:
        response = client.post(url, params=parameters, timeout=seconds)
    except ConnectTimeout as error:
        raise OrderError(f"{what}: {reason(error)}", reached=False) from error
    except Lost as error:
        raise OrderError(f"{what}: {reason(error)}", reached=False if never_left(error) else None) from error
    with closing(response):
        if response.status_code not in _DONE:
            raise OrderError(f"{what}: {_message(response.status_code, response.content)}", reached=True)


def lets_create(client: APIClient, seconds: float) -> bool | None:
    """Tell whether a request to create a container comes through to the engine; None: neither yes nor no was answered.

    It says nothing of what to create, so no engine can: 20.10 answers 500 with "EOF", later ones 400.
    """
    url = f"{client.base_url}/v{client.api_version}/containers/create"
    with closing(client.post(url, timeout=seconds)) as response:
        if response.status_code in _REFUSED:
            return False
        try:
            told = json.loads(response.content)
        except (ValueError, RecursionError):
            return None  # a proxy in trouble
        return True if isinstance(told, dict) and ("message" in told or "Id" in told) else None


def past(client: APIClient, timeout: float) -> History:
    """Ask for all the engine remembers up to now, by its own clock."""
    base = f"{client.base_url}/v{client.api_version}"
    with closing(client.get(f"{base}/_ping", timeout=timeout)) as pong:
        now = parsedate_to_datetime(pong.headers.get("Date", "")).timestamp()
    # The date has whole seconds; an end that is still to come is waited for, up to one second.
    query = {"since": "1", "until": f"{now + 1:.0f}", "filters": json.dumps({"type": ["container"]})}
    with closing(client.get(f"{base}/events", params=query, stream=True, timeout=timeout)) as response:
        response.raise_for_status()
        events = [json.loads(line) for line in lines(response.iter_content(None))]
    return History(now, tuple(event for event in events if isinstance(event, dict)))


def never_left(error: BaseException) -> bool:
    """Tell whether there was no connection to send anything over."""
    depth: BaseException | None = error
    while depth is not None:
        if isinstance(depth, FileNotFoundError | PermissionError | ConnectionRefusedError):
            return True
        depth = depth.__cause__ or depth.__context__
    return False


def _message(status: int, body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    text = told.get("message") if isinstance(told, dict) else None
    if not text and status in _REFUSED:  # an engine says why; a proxy answers with a page of its own, or none
        return f"{status} from a proxy before the engine; let POST on /containers/{{id}}/restart, /stop and /start pass"
    said = str(text or body.decode("utf-8", "replace") or status)
    return f"the engine answered: {printable(hide_secrets(said.strip())[:_LONGEST])}"
