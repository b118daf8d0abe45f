"""A cleanup reaches every worker: of a container whose workers are found in its cgroup, and of a real gunicorn."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from brimline.actions.base import Job, RefusedError, Standing
from brimline.actions.cleanup import LABEL, Cleanup
from brimline.actions.options import ActionsOptions
from brimline.actions.workers import Workers
from brimline.deeds import Decision, Verdict
from brimline.httpclient import HttpClient
from brimline.model import Container, Kind, Now, Subject
from brimline.procfs import Procfs
from brimline.sources.cgroupfs import Cgroupfs
from fakes import MIB, container, described
from real.engine import Dockerd, python_here
from real.places import end_process, free_port, wait_until

PROCFS = Procfs()
CACHE = 100 * MIB
# A master without the hook, that answers over HTTP, and three workers that hold a cache each.
SERVICE = f"""
import http.server, os, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        say('posted', self.path, self.rfile.read(int(self.headers['Content-Length'])).decode())
        self.send_response(204)
        self.end_headers()
def say(*words):
    os.write(1, (' '.join(map(str, words)) + '\\n').encode())
for _ in range(3):
    if os.fork() == 0:
        from brimline import hook
        cache = [os.urandom(100_000) for _ in range({CACHE} // 100_000)]
        @hook.on_cleanup
        def drop(request):
            cache.clear()
            say('dropped', request.level)
        hook.install()
        say('holding')
        while True: time.sleep(60)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Page).serve_forever()
"""
GUNICORN = """
import os
from brimline import hook
cache = [os.urandom(100_000) for _ in range(1000)]
@hook.on_cleanup
def drop(request):
    cache.clear()
    with open('cleaned', 'a') as file:
        file.write(f'{os.getpid()} {request.level}\\n')
def app(environ, start_response):
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
"""


def job(subject: Subject, seen: Container | None, directories: Mapping[str, str], pids: tuple[int, ...] = ()) -> Job:
    decision = Decision("d1", Now(0, 0), "cleanup", subject, Verdict.RUN, "it is full", severity="critical")
    return Job(decision, Standing(subject, 900.0, 1000.0, 0.9, pids=pids), seen, directories)


def carried_out(what: Job) -> str:
    async def live() -> str:
        http = HttpClient()
        action = Cleanup(ActionsOptions(), http=http, workers=Workers(PROCFS), alert_at=lambda _: 0.8)
        try:
            await action.prepare(what)
            told = await action.run(what)
            assert (await action.verify(what)).ok
            return told
        finally:
            await http.close()

    return asyncio.run(live())


def place_of(dockerd: Dockerd, container_id: str) -> Mapping[str, str]:
    return Cgroupfs().locate({container_id: dockerd.pid(container_id)})[container_id]


def test_every_worker_of_a_container_drops_its_cache_and_the_post_says_how_much(dockerd: Dockerd) -> None:
    port = free_port()
    container_id = dockerd.cli(
        *("run", "--detach", "--network", "host", *python_here()),
        *(dockerd.busybox, sys.executable, "-c", SERVICE, port),
    )
    try:
        wait_until(lambda: dockerd.cli("logs", container_id).count("holding") == 3, "three workers", 60)
        place = place_of(dockerd, container_id)
        usage = Path(place["memory"], "memory.usage_in_bytes")
        time.sleep(2.1)  # younger ones are left alone
        before = int(usage.read_text())
        assert before > 3 * CACHE
        subject = container("web-1", container_id)
        labelled = described(subject, {LABEL: f":{port}/cleanup"}, network_mode="host")
        told = carried_out(job(subject, labelled, place))
        assert "answered 204" in told
        assert "3 signalled, 1 without the hook" in told
        wait_until(lambda: dockerd.cli("logs", container_id).count("dropped critical") == 3, "three callbacks")
        wait_until(lambda: int(usage.read_text()) < before - 2.7 * CACHE, "the caches freed")
        posted = next(x for x in dockerd.cli("logs", container_id).splitlines() if x.startswith("posted"))
        _, path, body = posted.split(" ", 2)
        assert path == "/cleanup"
        assert json.loads(body)["want_bytes"] == 150
        assert dockerd.inspect(container_id)["State"]["Running"]
    finally:
        dockerd.cli("rm", "--force", container_id)


def test_a_container_without_the_hook_is_refused_and_not_signalled(dockerd: Dockerd) -> None:
    container_id = dockerd.cli("run", "--detach", "--network", "none", dockerd.busybox, "sleep", "60")
    try:
        subject = container("plain", container_id)
        what = job(subject, described(subject), place_of(dockerd, container_id))
        with pytest.raises(RefusedError) as refused:
            carried_out(what)
        assert refused.value.verdict is Verdict.NOT_CONFIGURED
        reach = Workers(PROCFS).signal(Workers(PROCFS).crew(what.directories["memory"]), critical=True)
        assert (reach.signalled, reach.without) == (0, 1)
        assert dockerd.inspect(container_id)["State"]["Running"]
    finally:
        dockerd.cli("rm", "--force", container_id)


def children_of(parent: int) -> list[int]:
    found = []
    for name in PROCFS.listing():
        if name.isdecimal():
            try:
                found += [int(name)] if PROCFS.stat(int(name)).ppid == parent else []
            except OSError:
                continue
    return found


@pytest.fixture(params=["", "--preload"], ids=["each its own app", "preloaded"])
def gunicorn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, ...]]:
    """Three workers of a real gunicorn; their processes, the master first."""
    if importlib.util.find_spec("gunicorn") is None:
        pytest.skip("no gunicorn in this Python")
    (tmp_path / "shop.py").write_text(GUNICORN)
    (tmp_path / "gunicorn.conf.py").write_text("from brimline import hook\npost_fork = hook.gunicorn\n")
    flags = ["--workers=3", f"--bind=127.0.0.1:{free_port()}", "--pid=pid", *filter(None, [request.param])]
    with (tmp_path / "log").open("wb") as log:
        master = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "shop:app", *flags], cwd=tmp_path, stdout=log, stderr=log
        )
    try:

        def workers() -> tuple[int, ...]:
            found, children = Workers(PROCFS), children_of(master.pid)
            there = found.carriers(found.crew(None, children)) == 3 and all(PROCFS.rss(pid) > CACHE for pid in children)
            return tuple(children) if there else ()

        pids = wait_until(workers, "three workers with the hook", 60)
        time.sleep(2.1)
        yield (master.pid, *pids)
    finally:
        end_process(master.pid, 60)
        master.wait()


def test_every_worker_of_a_gunicorn_is_reached(gunicorn: tuple[int, ...], tmp_path: Path) -> None:
    subject = Subject(Kind.PROCESS, "gunicorn:shop", ("gunicorn:shop",), f"{gunicorn[0]}@1")
    told = carried_out(job(subject, None, {}, gunicorn))
    assert "3 signalled, 1 without the hook" in told
    cleaned = tmp_path / "cleaned"
    wait_until(lambda: cleaned.exists() and len(cleaned.read_text().splitlines()) == 3, "three callbacks")
    assert {int(line.split()[0]) for line in cleaned.read_text().splitlines()} == set(gunicorn[1:])
