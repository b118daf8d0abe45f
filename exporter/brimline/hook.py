"""Runs inside the services that Brimline watches: frees memory when it is asked to, in every worker.

It imports the standard library and nothing else, a framework only where the service has imported it; nothing it does
reaches the service as an exception. A process has one set of signal handlers, so there is one `_HOOK` a process.
"""

from __future__ import annotations

import _thread
import ctypes
import gc as collector
import json
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any, Final

# Absolute numbers: SIGRTMIN is 34 with glibc and 35 with musl, and Brimline may run with the other one. In the middle
# of 32..64, away from what counts from either end: threads and timers of a libc 32-34, .NET 34, Samba's leases and
# status bars from SIGRTMIN upwards, Valgrind 64. gunicorn, uvicorn, Celery and systemd's services use none of them.
RELIEVE: Final = 47
CRITICAL: Final = 50
# Never ours: a runtime that catches every signal there is, as Go's does, is told apart by these.
BETWEEN: Final = (48, 49)
LEVELS: Final = {RELIEVE: "warning", CRITICAL: "critical"}
PATH: Final = "/brimline/cleanup"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked for. A signal brings the level alone; the POST also how full it is and what should be freed."""

    level: str = "warning"  # or "critical": drop models, temporary files, whatever can be had again
    used_ratio: float | None = None
    want_bytes: int | None = None


Callback = Callable[[Request], object]


class _Hook:
    """The callbacks of this process, and the thread that runs them while there is work.

    Python runs a handler in the main thread, between any two instructions: whatever it locks may be held right there.
    So it takes no lock, notes the level and starts a thread. No thread stands by, so a fork has none to lose.
    """

    def __init__(self) -> None:
        self.callbacks: list[Callback] = []
        self.gc = self.trim = True
        self._followed = False
        self._fresh()

    def _fresh(self) -> None:
        """Forget what was under way: a fork takes along a lock that may be held, and not the thread that holds it."""
        self._asked: deque[str] = deque(maxlen=16)
        self._called = False  # whether a thread is on its way to what was asked for
        self._running = threading.Lock()

    def received(self, number: int, _: FrameType | None) -> None:
        """Note a signal; any number of them until the thread has looked is one run, and at most one more waits.

        The next signal may interrupt this very handler: two threads may be called then, never none.
        """
        self._asked.append(LEVELS[number])
        if not self._called:
            self._called = True
            try:
                # threading.Thread takes locks to start; a bare thread does that where nobody is interrupted.
                _thread.start_new_thread(self._begin, ())
            except RuntimeError:  # no thread to be had, or the interpreter is ending
                self._drop()

    def install(self) -> bool:
        """Take both signals where nobody has them."""
        if sys.platform != "linux":
            log.warning("no cleanup by signal: only Linux has real-time signals; POST %s still works", PATH)
            return False
        holders = {number: signal.getsignal(number) for number in LEVELS}
        if all(holder == self.received for holder in holders.values()):
            return True
        for number, holder in holders.items():
            if holder is not signal.SIG_DFL:
                log.warning("no cleanup by signal: signal %d is taken by %r, which stays as it is", number, holder)
                return False
        if threading.current_thread() is not threading.main_thread():
            log.warning("no cleanup by signal: only the main thread may take signals; call hook.install() there")
            return False
        if not self._followed:
            self._followed = True
            os.register_at_fork(after_in_child=self._fresh)
        for number in LEVELS:
            signal.signal(number, self.received)
        return True

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Run what a POST asks for; return the status and what to say."""
        try:
            request = read_request(body)
        except (ValueError, OverflowError, RecursionError) as error:  # no JSON, a number without end, no depth
            return 400, json.dumps({"error": str(error)}).encode()
        if not self._running.acquire(blocking=False):
            return 202, b'{"state": "a cleanup is under way"}'
        try:
            ran, failed = self.run(request)
        finally:
            self._running.release()
        return 200, json.dumps({"state": "done", "ran": ran, "failed": failed}).encode()

    def run(self, request: Request) -> tuple[int, int]:
        """Run the callbacks in order, then our own steps; return how many ran and how many of them failed."""
        steps = [*self.callbacks, *([_collect] if self.gc else []), _torch, *([_trim] if self.trim else [])]
        failed = 0
        for step in steps:
            try:
                step(request)
            except Exception:  # the service's own code: whatever it raises must not end the service
                failed += 1
                log.warning("cleanup: %s failed", getattr(step, "__qualname__", step), exc_info=True)
        return len(steps), failed

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._work, name="brimline-cleanup", daemon=True).start()
        except RuntimeError:  # no second thread
            self._drop()

    def _drop(self) -> None:
        """Let what was asked for not keep the next signal from asking."""
        self._asked.clear()
        self._called = False

    def _work(self) -> None:
        with self._running:
            self._called = False  # before the look: what comes after it calls anew
            asked = set()
            while self._asked:
                asked.add(self._asked.popleft())
            if asked:
                self.run(Request("critical" if "critical" in asked else "warning"))


_HOOK: Final = _Hook()


def on_cleanup(callback: Callback) -> Callback:
    """Register `callback(request)`; it is called in a thread of its own, or in the one that answers the POST."""
    if callback not in _HOOK.callbacks:
        _HOOK.callbacks.append(callback)
    return callback


def install(callback: Callback | None = None, *, gc: bool = True, trim: bool = True) -> bool:
    """Let this process and what it forks from now on take part; call it in the main thread of each worker.

    `gc` collects garbage after the callbacks, `trim` returns freed memory to the kernel (glibc). Returns whether the
    signals are ours; they are not where another handler stands, which is left alone.
    """
    if callback is not None:
        on_cleanup(callback)
    _HOOK.gc, _HOOK.trim = gc, trim
    return _HOOK.install()


def gunicorn(_server: object, _worker: object) -> None:
    """Install in a worker: `post_fork = hook.gunicorn` in gunicorn.conf.py."""
    _HOOK.install()


def celery() -> None:
    """Install in each child of a prefork pool; call it where the app is made."""
    if "celery" not in sys.modules:
        log.warning("hook.celery(): import celery first")
        return
    import_module("celery.signals").worker_process_init.connect(_in_celery_child, weak=False)


def fastapi(app: Any) -> None:  # noqa: ANN401 - a FastAPI or Starlette, which may not be imported here
    """Serve POST /brimline/cleanup. The worker that answers runs the callbacks; the signal reaches the others."""
    in_thread = import_module("starlette.concurrency").run_in_threadpool
    response = import_module("starlette.responses").Response

    async def cleanup(request: Any) -> Any:  # noqa: ANN401 - Starlette's own types
        status, told = await in_thread(_HOOK.answer, await request.body())
        return response(told, status, media_type="application/json")

    app.router.add_route(PATH, cleanup, methods=["POST"], include_in_schema=False)


def flask(app: Any) -> None:  # noqa: ANN401 - a Flask, which may not be imported here
    """Serve POST /brimline/cleanup. The worker that answers runs the callbacks; the signal reaches the others."""
    request = import_module("flask").request

    def cleanup() -> Any:  # noqa: ANN401 - Flask's own types
        status, told = _HOOK.answer(request.get_data())
        return told, status, {"Content-Type": "application/json"}

    app.add_url_rule(PATH, "brimline_cleanup", cleanup, methods=["POST"])


def read_request(body: bytes) -> Request:
    """Read a POST's body; none at all is a warning. Raises ValueError."""
    told = json.loads(body) if body.strip() else {}
    if not isinstance(told, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - wrong data, like any wrong JSON
    ratio, wanted = told.get("used_ratio"), told.get("want_bytes")
    return Request(
        level="critical" if told.get("level") == "critical" else "warning",
        used_ratio=float(ratio) if isinstance(ratio, (int, float)) else None,
        want_bytes=int(wanted) if isinstance(wanted, (int, float)) else None,
    )


def _in_celery_child(**_: object) -> None:
    _HOOK.install()


def _collect(_: Request) -> None:
    collector.collect()


def _torch(_: Request) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _trim(_: Request) -> None:
    # glibc keeps freed memory for later; others (musl) have no such function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
