"""The threads that talk to Docker, one per call and one per event stream; none is ever waited for without a limit.

They are daemons: one that hangs costs itself and nothing else, neither the loop nor the exit.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from brimline.errors import UnreachableError
from brimline.labels import printable
from brimline.redaction import hide_secrets

if TYPE_CHECKING:  # Docker is imported only where it is used
    from docker import APIClient
    from requests import Response

T = TypeVar("T")
Answer = Mapping[str, object]

MAX_LINE: Final = 1 << 20
MAX_WAITING: Final = 10_000


_SENTENCES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (FileNotFoundError, "there is no such socket; is the engine running?"),
    (PermissionError, "permission denied; run Brimline as root or in the group that owns the socket"),
    (ConnectionRefusedError, "connection refused; is the engine running?"),
    (TimeoutError, "no answer in time"),
    (ssl.SSLCertVerificationError, "its certificate is refused: {why}; is DOCKER_CERT_PATH the right one?"),
    (ssl.SSLError, "TLS failed: {why}; are DOCKER_CERT_PATH and DOCKER_TLS_VERIFY right?"),
)


class StreamEndError(UnreachableError):
    """The event stream ended; with `silent` only because nothing came for long, so nothing was missed."""

    def __init__(self, message: str, *, silent: bool) -> None:
        self.silent = silent
        super().__init__(message)


class Calls:
    """Daemon threads, at most `limit` alive: what still hangs is counted, never waited for."""

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._free = threading.Semaphore(limit)

    def start(self, work: Callable[[], Callable[[], None]]) -> None:
        """Run `work` in a thread of its own; what it returns is called when the thread counts as free again."""
        if not self._free.acquire(blocking=False):
            raise UnreachableError(f"{self._limit} earlier calls still wait for an answer; is the engine alive?")
        threading.Thread(target=self._run, args=(work,), name="brimline-docker", daemon=True).start()

    def _run(self, work: Callable[[], Callable[[], None]]) -> None:
        try:
            announce = work()
        finally:
            self._free.release()
        announce()

    async def result(self, work: Callable[[], T], timeout: float) -> T:  # noqa: ASYNC109 - the thread cannot be cancelled
        """Return what `work` returns, or raise what it raises, or TimeoutError."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle() -> Callable[[], None]:
            try:
                value = work()
            except Exception as error:  # noqa: BLE001 - raised again where it is awaited
                return partial(_post, loop, _fail, future, error)
            return partial(_post, loop, _fulfil, future, value)

        self.start(settle)
        async with asyncio.timeout(timeout):
            return await future


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(call, *arguments)


def _fulfil(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class EventStream:
    """Docker's events as they come, read by a thread and handed to the loop in batches."""

    def __init__(
        self, client: APIClient, host: str, since: float | None, filters: Mapping[str, list[str]], idle: float
    ) -> None:
        self.opened = asyncio.Event()
        self.began: float | None = None  # by the engine's own clock, to the second
        self._client = client
        self._host = host
        self._query = {"filters": json.dumps(dict(filters))} | ({} if since is None else {"since": f"{since:.9f}"})
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Answer] = deque()
        self._arrived = asyncio.Event()
        self._response: Response | None = None
        self._closed = False
        self._heard = time.monotonic()
        self._end: Exception | None = None

    async def arrivals(self, timeout: float) -> list[Answer]:  # noqa: ASYNC109 - silence is an answer, not an error
        """Return what came since the last call, waiting up to `timeout` for a first event; then [] is silence."""
        if not self._waiting and self._end is None and timeout > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
        self._arrived.clear()
        events = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not events and self._end is not None:
            raise self._end
        return events

    def close(self) -> None:
        """End the stream and the thread that reads it."""
        self._closed = True
        if self._response is not None:
            cut(self._response)

    def pump(self) -> Callable[[], None]:
        """Read until the stream ends (in a thread); return how the loop is told."""
        try:
            guarded(f"{self._host}: events", self._read)
            end: Exception = StreamEndError(f"{self._host}: the event stream ended", silent=False)
        except Exception as error:  # noqa: BLE001 - raised again by `arrivals`
            silent = time.monotonic() - self._heard >= self._idle
            end = error if self._response is None else StreamEndError(str(error), silent=silent)
        return partial(_post, self._loop, self._finish, end)

    def _read(self) -> None:
        url = f"{self._client.base_url}/v{self._client.api_version}/events"
        # The SDK's own events() has no timeout: a socket that never answers would hold its thread for ever.
        response = self._client.get(url, params=self._query, stream=True, timeout=(self._idle, self._idle))
        with closing(response):
            response.raise_for_status()
            self._response, self._heard = response, time.monotonic()
            with suppress(TypeError, ValueError):
                self.began = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
            if self._closed:
                return
            _post(self._loop, self.opened.set)
            for line in lines(response.iter_content(None)):
                self._heard = time.monotonic()
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError(f"no event but {line[:80]!r}")  # noqa: TRY004 - wrong data, like any wrong JSON
                if len(self._waiting) >= MAX_WAITING:
                    return
                self._waiting.append(event)
                _post(self._loop, self._arrived.set)

    def _finish(self, end: Exception) -> None:
        self._end = end
        self.opened.set()
        self._arrived.set()


def lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream into its lines; what is left without a newline when it ends was cut short and is dropped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
        if len(rest) > MAX_LINE:
            raise ValueError(f"a line of more than {MAX_LINE} bytes")


def cut(response: Response) -> None:
    """End a response another thread reads."""
    # Wakes a read that another thread sits in, which close() does not.
    with suppress(OSError, RuntimeError, ValueError):  # answered in the meantime
        response.raw.shutdown()


def guarded(what: str, work: Callable[[], T]) -> T:
    """Return what `work` returns; whatever the libraries raise becomes an UnreachableError in a sentence."""
    from docker.errors import DockerException  # noqa: PLC0415 - imported only where Docker is used
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with it

    try:
        return work()
    except (OSError, ValueError, RecursionError, DockerException, HTTPError) as error:
        raise UnreachableError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Say in a few words what went wrong, from the depth of the libraries' chain of exceptions."""
    if explanation := getattr(error, "explanation", None):
        return f"the engine answered: {printable(hide_secrets(str(explanation).strip())[:200])}"
    depth: BaseException | None = error
    while depth is not None:
        for kind, sentence in _SENTENCES:
            if isinstance(depth, kind):
                why = getattr(depth, "verify_message", "") or getattr(depth, "reason", "")
                return sentence.format(why=why)
        depth = depth.__cause__ or depth.__context__
    return printable(hide_secrets(str(error) or type(error).__name__)[:200])
