"""One worker is recycled under real masters: of a container, and of process groups beside it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from brimline.actions import recycle
from brimline.actions.base import Job, Proof, Standing
from brimline.actions.pool import Pools
from brimline.actions.recycle import Recycle
from brimline.actions.workers import Workers, pids_below
from brimline.deeds import Decision, Verdict
from brimline.errors import ActionError
from brimline.model import Container, Kind, Now, Subject
from brimline.procfs import Procfs
from brimline.sources.cgroupfs import Cgroupfs
from fakes import MIB, container, described
from real.engine import Dockerd, python_here
from real.places import end_process, free_port, wait_until

PROCFS = Procfs()
GROUP = Subject(Kind.PROCESS, "shop", ("shop",), "1@1")
# Each worker tells its pid; /grow makes the one that answers the largest.
WSGI = """
import os
kept = []
def app(environ, start_response):
    if environ['PATH_INFO'] == '/grow':
        kept.append(os.urandom(60_000_000))
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
"""
ASGI = """
import os
kept = []
async def app(scope, receive, send):
    if scope['type'] != 'http':
        return
    if scope['path'] == '/grow':
        kept.append(os.urandom(60_000_000))
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
"""
TASKS = """
import os, time
from celery import Celery
app = Celery('shop', broker=os.environ['BROKER'])
app.conf.broker_transport_options = {'data_folder_in': 'queue', 'data_folder_out': 'queue', 'control_folder': 'control'}
@app.task
def work(seconds):
    with open('begun', 'a') as file: file.write(f'{os.getpid()}\\n')
    time.sleep(seconds)
    with open('done', 'a') as file: file.write(f'{os.getpid()}\\n')
"""


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module} in this Python")


def job(
    subject: Subject,
    pids: tuple[int, ...] = (),
    *,
    seen: Container | None = None,
    place: Mapping[str, str] | None = None,
) -> Job:
    decision = Decision("d1", Now(0, 0), "recycle", subject, Verdict.RUN, "it is full")
    return Job(decision, Standing(subject, 800.0 * MIB, 1000.0 * MIB, 0.8, pids=pids), seen, place or {})


def descendants(pid: int) -> tuple[int, ...]:
    """Return a process and all below it."""
    parents = {}
    for name in PROCFS.listing():
        if name.isdecimal():
            try:
                parents[int(name)] = PROCFS.stat(int(name)).ppid
            except OSError:
                continue
    found = [pid]
    for parent in found:
        found += [child for child, above in parents.items() if above == parent]
    return tuple(found)


def carried_out(action: Recycle, what: Job) -> Proof:
    async def live() -> Proof:
        await action.prepare(what)
        try:
            await action.run(what)
        except ActionError as error:
            told = await action.verify(what)
            return Proof(ok=False, detail=f"{error}; {told.detail}")
        return await action.verify(what)

    return asyncio.run(live())


def get(port: int, path: str = "/") -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return int(answer.read())


def answers(port: int) -> bool:
    try:
        return bool(get(port))
    except OSError:
        return False


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`master("-m", "gunicorn", ...)` starts one in the test's own directory."""
    started = []

    def begin(*arguments: object, **environ: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, *map(str, arguments)],
                    cwd=tmp_path,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": f"{tmp_path}", **environ},
                )
            )
        return started[-1]

    yield begin
    for process in started:
        family = descendants(process.pid)
        end_process(process.pid, 60)
        process.wait()
        for pid in family[1:]:
            end_process(pid)


def test_the_largest_worker_of_a_gunicorn_in_a_container_is_replaced_and_the_container_stays(
    dockerd: Dockerd, tmp_path: Path
) -> None:
    needs("gunicorn")
    port = free_port()
    (tmp_path / "shop.py").write_text(WSGI)
    container_id = dockerd.cli(
        *("run", "--detach", "--network", "host", "--restart", "unless-stopped", *python_here()),
        *("--volume", f"{tmp_path}:/srv:ro", "--workdir", "/srv", dockerd.busybox),
        *(sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", "shop:app"),
    )
    try:
        wait_until(lambda: answers(port), "gunicorn answers", 60)
        place = Cgroupfs().locate({container_id: dockerd.pid(container_id)})[container_id]
        before = dockerd.inspect(container_id)["State"]
        get(port, "/grow")
        subject = container("web-1", container_id)
        what = job(subject, seen=described(subject), place=place)
        largest = max(Pools(PROCFS).find(pids_below(place["memory"]))[0][0].workers, key=lambda w: w.weight).pid
        proof = carried_out(Recycle(PROCFS, workers=Workers(PROCFS)), what)
        assert proof.ok, proof.detail
        assert f"pid {largest}" in proof.detail
        assert largest not in pids_below(place["memory"])
        assert answers(port)
        after = dockerd.inspect(container_id)
        assert (after["State"]["StartedAt"], after["State"]["Pid"]) == (before["StartedAt"], before["Pid"])
        assert after["RestartCount"] == 0
    finally:
        dockerd.cli("rm", "--force", container_id)


def test_the_largest_worker_of_a_uvicorn_is_replaced(
    master: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    needs("uvicorn")
    port = free_port()
    (tmp_path / "shop.py").write_text(ASGI)
    server = master("-m", "uvicorn", "shop:app", "--workers", 2, "--port", port, "--lifespan", "off")
    wait_until(lambda: answers(port), "uvicorn answers", 60)
    largest = get(port, "/grow")
    proof = carried_out(Recycle(PROCFS, workers=Workers(PROCFS)), job(GROUP, descendants(server.pid)))
    assert proof.ok, proof.detail
    assert f"pid {largest} " in proof.detail
    wait_until(lambda: answers(port), "it answers")
    assert server.poll() is None


class TestCelery:
    @pytest.fixture
    def redis(self, tmp_path: Path) -> Iterator[str]:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no redis-server: apt-get install redis-server")
        port = free_port()
        with subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
            stdout=subprocess.DEVNULL,
        ) as process:
            yield f"redis://127.0.0.1:{port}/0"
            process.terminate()

    def worker(self, master: Callable[..., subprocess.Popen[bytes]], place: Path, broker: str) -> int:
        needs("celery")
        (place / "shop.py").write_text(TASKS)
        for name in ("queue", "control"):
            (place / name).mkdir()
        process = master("-m", "celery", "-A", "shop", "worker", "--concurrency", 2, "-l", "info", BROKER=broker)
        wait_until(lambda: " ready." in (place / "log").read_text(), "celery is ready", 60)
        return process.pid

    def send(self, place: Path, broker: str, count: int, seconds: float) -> None:
        script = f"import shop\nfor _ in range({count}): shop.work.delay({seconds})"
        environ = {**os.environ, "BROKER": broker, "PYTHONPATH": str(place)}
        subprocess.run([sys.executable, "-c", script], cwd=place, env=environ, check=True)

    def test_a_child_is_replaced_once_its_task_is_done_and_no_task_is_lost(
        self, master: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, redis: str
    ) -> None:
        needs("redis")
        pid = self.worker(master, tmp_path, redis)
        self.send(tmp_path, redis, 2, 1.5)
        begun = tmp_path / "begun"
        wait_until(lambda: begun.exists() and len(begun.read_text().split()) == 2, "both children work", 60)
        proof = carried_out(Recycle(PROCFS, workers=Workers(PROCFS)), job(GROUP, descendants(pid)))
        assert proof.ok, proof.detail
        done = tmp_path / "done"
        wait_until(lambda: done.exists() and len(done.read_text().split()) == 2, "both tasks done", 60)
        self.send(tmp_path, redis, 2, 0)
        wait_until(lambda: len(done.read_text().split()) == 4, "the new child works", 60)
        assert "WorkerLostError" not in (tmp_path / "log").read_text()

    def test_a_child_that_is_never_seen_idle_keeps_its_task(
        self, master: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs("celery")
        monkeypatch.setattr(recycle, "_IDLE", 0.5)
        broker = "filesystem://"
        pid = self.worker(master, tmp_path, broker)
        self.send(tmp_path, broker, 2, 12)
        begun, done = tmp_path / "begun", tmp_path / "done"
        wait_until(lambda: begun.exists() and len(begun.read_text().split()) == 2, "both children work", 60)
        proof = carried_out(Recycle(PROCFS, workers=Workers(PROCFS)), job(GROUP, descendants(pid)))
        assert not proof.ok
        assert "nothing was done" in proof.detail
        wait_until(lambda: done.exists() and len(done.read_text().split()) == 2, "both tasks done", 60)
