from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brimline.hook import CRITICAL, PATH, RELIEVE, Request, _Hook, fastapi, flask, gunicorn, read_request
from brimline.procfs import Procfs
from real.places import wait_until

PROCFS = Procfs()
Start = Callable[[str], "Service"]

SAY = """
import os, sys, time
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
from brimline import hook
@hook.on_cleanup
def told(request):
    say(os.getpid(), request.level, request.used_ratio, request.want_bytes)
"""
LAST = 60  # of several signals the kernel, and Python, hand over the one with the highest number last
WAIT = "\nsay('ready')\nwhile True: time.sleep(60)\n"


class Service:
    """A small service as its owner writes it; what it says comes line by line."""

    def __init__(self, script: str, log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen([sys.executable, "-c", SAY + script], stdout=out, stderr=out)
        self.pid = self._process.pid

    @property
    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()

    def says(self, line: str) -> None:
        wait_until(lambda: line in self.lines or self._process.poll() is not None, line)
        assert line in self.lines, self.lines

    def status(self) -> int | None:
        return self._process.poll()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[Service] = []

    def begin(script: str) -> Service:
        services.append(Service(script, tmp_path / f"log{len(services)}"))
        services[-1].says("ready")
        return services[-1]

    yield begin
    for one in services:
        one.close()


def test_it_brings_nothing_of_brimline_or_its_dependencies_into_a_service() -> None:
    script = "import sys; before = set(sys.modules); import brimline.hook; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    brought = {name.partition(".")[0] for name in done.stdout.split()}
    assert brought - sys.stdlib_module_names - {"_hashlib"} == {"brimline"}
    assert {name for name in done.stdout.split() if name.startswith("brimline")} == {"brimline", "brimline.hook"}


@pytest.mark.parametrize(("number", "level"), [(RELIEVE, "warning"), (CRITICAL, "critical")])
def test_a_signal_calls_back_with_its_level(start: Start, number: int, level: str) -> None:
    service = start("hook.install()" + WAIT)
    os.kill(service.pid, number)
    service.says(f"{service.pid} {level} None None")
    assert service.status() is None


def test_a_callback_may_be_handed_to_install(start: Start) -> None:
    service = start("hook.install(lambda request: say('mine'))" + WAIT)
    os.kill(service.pid, RELIEVE)
    service.says("mine")


def test_signals_in_a_burst_are_one_run_and_at_most_one_more_at_the_gravest_level(start: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    slow = f"""
import signal
signal.signal({LAST}, lambda *_: say("heard"))
@hook.on_cleanup
def slow(_):
    while not os.path.exists({str(go)!r}): time.sleep(0.01)
    say("over")
"""
    service = start(f"{slow}hook.install()" + WAIT)
    os.kill(service.pid, RELIEVE)
    service.says(f"{service.pid} warning None None")
    for number in [RELIEVE, CRITICAL, RELIEVE] * 20:
        os.kill(service.pid, number)
    os.kill(service.pid, LAST)
    service.says("heard")
    go.touch()
    wait_until(lambda: service.lines.count("over") == 2, "both are over")
    os.kill(service.pid, RELIEVE)
    wait_until(lambda: service.lines.count("over") == 3, "and the next one")
    told = [line.split()[1] for line in service.lines if line.endswith("None None")]
    assert told == ["warning", "critical", "warning"]


@pytest.mark.parametrize("first", [RELIEVE, CRITICAL])
def test_a_signal_that_comes_in_the_middle_of_another_ones_handler_is_not_lost(first: int) -> None:
    hook, asked = _Hook(), list[str]()
    hook.callbacks.append(lambda request: asked.append(request.level))
    hook.gc = hook.trim = False

    class Interrupted(deque[str]):
        """Where the kernel has the next signal ready when the first is noted."""

        def append(self, level: str) -> None:
            super().append(level)
            if len(self) == 1:
                hook.received(CRITICAL, None)

    hook._asked = Interrupted()
    hook.received(first, None)
    wait_until(lambda: asked, "it is run")
    assert asked[0] == "critical"
    hook._asked = deque()
    hook.received(RELIEVE, None)
    wait_until(lambda: asked[-1] == "warning", "and so is the next")


def test_what_a_callback_raises_reaches_neither_the_service_nor_the_next_callback(start: Start) -> None:
    script = "@hook.on_cleanup\ndef broken(_):\n    1 / 0\nhook.install(lambda _: say('after it'))"
    service = start(script + WAIT)
    os.kill(service.pid, RELIEVE)
    service.says("after it")
    os.kill(service.pid, CRITICAL)
    service.says(f"{service.pid} critical None None")
    assert service.status() is None


def test_a_handler_of_somebody_else_stays(start: Start) -> None:
    script = f"import signal\nsignal.signal({CRITICAL}, lambda *_: say('theirs'))\nsay(hook.install())"
    service = start(script + WAIT)
    os.kill(service.pid, CRITICAL)
    service.says("theirs")
    assert "False" in service.lines
    assert any("is taken by" in line for line in service.lines)
    mask = int(next(x for x in PROCFS.status(service.pid).decode().splitlines() if "SigCgt" in x).split()[1], 16)
    assert not mask >> (RELIEVE - 1) & 1, "only one of the two would be half a hook"


def test_outside_of_the_main_thread_it_refuses_and_says_where_to_call_it(start: Start) -> None:
    script = "import threading\nt = threading.Thread(target=lambda: say(hook.install()))\nt.start()\nt.join()"
    service = start(script + WAIT)
    assert "False" in service.lines
    assert any("call hook.install() there" in line for line in service.lines)


def test_installing_twice_is_installing_once(start: Start) -> None:
    service = start("say(hook.install(), hook.install(told))" + WAIT)
    assert "True True" in service.lines
    os.kill(service.pid, RELIEVE)
    service.says(f"{service.pid} warning None None")
    time.sleep(0.2)
    assert len(service.lines) == 3


def test_a_process_that_is_forked_while_a_cleanup_runs_has_a_working_hook_of_its_own(start: Start) -> None:
    script = """
started = []
@hook.on_cleanup
def slow(_):
    started.append(1)
    time.sleep(1)
hook.install()
import signal
os.kill(os.getpid(), hook.RELIEVE)
while not started:
    time.sleep(0.01)
child = os.fork()
if child == 0:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
    say('child', os.getpid())
    while True: time.sleep(60)
"""
    service = start(script + WAIT)
    line = wait_until(lambda: next((x for x in service.lines if x.startswith("child ")), ""), "the child")
    child = int(line.split()[1])
    os.kill(child, CRITICAL)
    service.says(f"{child} critical None None")


def test_a_cache_that_is_dropped_goes_back_to_the_kernel(start: Start) -> None:
    script = """
cache = [bytes([i]) * 50_000 for i in range(250)]
cache += [os.urandom(50_000) for _ in range(2000)]
@hook.on_cleanup
def drop(_):
    cache.clear()
hook.install()
"""
    service = start(script + WAIT)
    before = PROCFS.rss(service.pid)
    assert before > 100_000_000
    os.kill(service.pid, CRITICAL)
    wait_until(lambda: PROCFS.rss(service.pid) < before - 90_000_000, "90 MB less")


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (b"", Request("warning", None, None)),
        (b'{"level": "critical", "used_ratio": 0.9, "want_bytes": 1e8}', Request("critical", 0.9, 100_000_000)),
        (b'{"level": "panic", "used_ratio": null, "more": []}', Request("warning", None, None)),
    ],
)
def test_a_body_is_read(body: bytes, request_: Request) -> None:
    assert read_request(body) == request_


def test_a_post_runs_the_callbacks_and_says_so() -> None:
    hook, asked = _Hook(), []
    hook.callbacks += [asked.append, lambda _: 1 / 0]
    hook.gc = hook.trim = False
    status, told = hook.answer(b'{"level": "critical", "want_bytes": 7}')
    assert (status, json.loads(told)) == (200, {"state": "done", "ran": 3, "failed": 1})
    assert asked == [Request("critical", None, 7)]


def test_a_body_that_is_no_json_object_is_refused() -> None:
    assert _Hook().answer(b"[1]")[0] == 400
    assert _Hook().answer(b"level=critical")[0] == 400


def test_a_post_during_a_cleanup_does_not_wait_for_it() -> None:
    hook, go, begun = _Hook(), threading.Event(), threading.Event()
    hook.callbacks.append(lambda _: (begun.set(), go.wait(10)))
    first = threading.Thread(target=hook.answer, args=(b"",))
    first.start()
    assert begun.wait(10)
    assert hook.answer(b"")[0] == 202
    go.set()
    first.join()
    assert hook.answer(b"")[0] == 200


def test_a_flask_app_gets_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: list[tuple[Any, ...]] = []
    asked = SimpleNamespace(get_data=lambda: b"nonsense")
    monkeypatch.setitem(sys.modules, "flask", SimpleNamespace(request=asked))
    flask(SimpleNamespace(add_url_rule=lambda *a, **k: rules.append((*a, k))))
    path, _, view, options = rules[0]
    assert (path, options) == (PATH, {"methods": ["POST"]})
    assert view()[1] == 400


def test_a_fastapi_app_gets_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    routes: list[tuple[Any, ...]] = []
    monkeypatch.setitem(sys.modules, "starlette.concurrency", SimpleNamespace(run_in_threadpool=None))
    monkeypatch.setitem(sys.modules, "starlette.responses", SimpleNamespace(Response=None))
    router = SimpleNamespace(add_route=lambda *a, **k: routes.append((*a, k)))
    fastapi(SimpleNamespace(router=router))
    assert routes[0][0] == PATH
    assert routes[0][2]["methods"] == ["POST"]


def test_what_gunicorn_calls_takes_its_two_arguments(start: Start) -> None:
    service = start("hook.gunicorn(object(), object())" + WAIT)
    os.kill(service.pid, RELIEVE)
    service.says(f"{service.pid} warning None None")
    assert gunicorn.__code__.co_argcount == 2


def test_the_numbers_are_real_time_signals_with_any_libc() -> None:
    musl_first = 35
    assert musl_first < RELIEVE < CRITICAL < signal.SIGRTMAX - 2


@pytest.mark.parametrize("body", [b'{"want_bytes": Infinity}', b"[" * 100_000, b'{"want_bytes": NaN}'])
def test_a_body_that_makes_no_sense_never_reaches_the_service_as_an_exception(body: bytes) -> None:
    assert _Hook().answer(body)[0] == 400


def test_where_no_thread_can_be_started_the_next_signal_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    one = _Hook()
    one._asked.append("warning")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    one._begin()
    assert not one._asked
