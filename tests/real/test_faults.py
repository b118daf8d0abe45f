"""What goes wrong around Brimline: its page goes on being served, nothing stale stays on it, nothing absent reads 0."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from brimline.app import App
from brimline.config import Config, Loaded
from brimline.view import View
from fakes import MIB, FakeClock, V2Tree, v2_events, v2_stat
from golden.hosts import CAPTURED
from real.cgroups import Group
from real.engine import Dockerd
from real.places import wait_until
from real.sidecar import Sidecar
from unit.fake_docker import FakeDocker, hang
from unit.fake_procfs import BOOT, FakeProcfs

QUICK = ("--interval=250ms", "--no-sources.host", "--sources.cgroups=brimline-test-none")
NASTY = b'\xff\n"'
NASTY_LABEL = '\\xff\\x0a"'
OUTLIVE = ("brimline_container_restarts_total", "brimline_container_memory_oom_kills")
CHURNED = 200
# In effect what a container without added capabilities is: root whom file modes stop.
WITHOUT_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")

Start = Callable[..., Sidecar]


@pytest.fixture
def brimline() -> Iterator[Start]:
    """`brimline(*flags)` starts one; ended after the test."""
    running: list[Sidecar] = []

    def start(*flags: object, **more: Any) -> Sidecar:  # noqa: ANN401 - Sidecar's own
        running.append(Sidecar(*flags, **more))
        return running[-1]

    yield start
    for one in running:
        one.close()


def names(brimline: Sidecar, **labels: str) -> set[str]:
    """Return the metrics that have a series with these labels."""
    wanted = set(labels.items())
    return {name for name, have in brimline.series() if wanted <= set(have)}


def used(brimline: Sidecar, container: str) -> float | None:
    return brimline.value("brimline_container_memory_used_bytes", container=container)


def is_up(brimline: Sidecar, source: str) -> bool:
    return brimline.value("brimline_source_up", source=source) == 1


def test_a_socket_that_hangs_costs_its_own_series(brimline: Start, tmp_path: Path) -> None:
    engine = FakeDocker(tmp_path)
    engine.add("web")
    engine.faults["version"] = hang
    try:
        one = brimline("--interval=250ms", f"--sources.docker.host={engine.host}", "--sources.docker.timeout=500ms")
        assert not is_up(one, "docker")
        assert is_up(one, "host")
        assert not [name for name in names(one) if name.startswith("brimline_container_")]
        one.next_ticks(3)
        del engine.faults["version"]
        one.wait_for(lambda: is_up(one, "docker"), "the engine answers again")
        assert one.value("brimline_container_running", container="web") == 1
    finally:
        engine.stop()


def test_a_socket_that_never_answers_delays_neither_the_start_nor_the_end(brimline: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        began = time.monotonic()
        one = brimline(f"--sources.docker.host=unix://{tmp_path}/silent.sock", "--sources.docker.timeout=120s")
        assert time.monotonic() - began < 60  # it was ready after 2.5 s
        assert one.get("/-/healthy")[0] == 200
        assert is_up(one, "host")
        assert not is_up(one, "docker")
        ending = time.monotonic()
        one.signal(signal.SIGTERM)
        assert one.wait() == 0
        assert time.monotonic() - ending < 30


@pytest.mark.timeout(120)
def test_memory_is_measured_while_the_engine_hangs(brimline: Start, own_dockerd: Dockerd) -> None:
    own_dockerd.load("grow", 60, 40, options=["--name", "growing"], ready=True)
    one = brimline(*QUICK, f"--sources.docker.host={own_dockerd.url}", "--sources.docker.timeout=1s")
    first = one.wait_for(lambda: used(one, "growing"), "measured")
    daemon = own_dockerd._process
    assert daemon is not None
    daemon.send_signal(signal.SIGSTOP)
    try:
        one.wait_for(lambda: not is_up(one, "docker"), "the silence is noticed", 40)
        assert not names(one, container="growing") & {"brimline_container_running", "brimline_container_info"}
        later = used(one, "growing")
        assert later is not None
        assert later > first + MIB
        assert one.get("/-/healthy")[0] == 200
    finally:
        daemon.send_signal(signal.SIGCONT)
    one.wait_for(lambda: is_up(one, "docker"), "the engine goes on", 60)
    assert one.value("brimline_container_running", container="growing") == 1


def test_an_engine_that_dies_and_comes_back(brimline: Start, own_dockerd: Dockerd) -> None:
    own_dockerd.load("anon", 20, options=["--name", "lives", "--memory", "100m"])
    gone = own_dockerd.load("anon", 10, options=["--name", "goes"])
    one = brimline(*QUICK, f"--sources.docker.host={own_dockerd.url}")
    one.wait_for(lambda: used(one, "lives") and used(one, "goes"), "both measured")
    pid = own_dockerd.pid(gone)
    own_dockerd.kill()
    one.wait_for(lambda: not is_up(one, "docker"), "its death is noticed")
    one.next_ticks(2)
    assert not one.find("brimline_container_running")
    assert not one.find("brimline_container_exit_code")
    assert (used(one, "lives") or 0) > 20 * MIB
    os.kill(pid, signal.SIGKILL)
    # Without its engine nobody removes the cgroup of a dead container: it is measured, empty as it is.
    one.wait_for(lambda: (used(one, "goes") or 0) < MIB, "a dead one's memory is free though nobody tells")
    assert (used(one, "lives") or 0) > 20 * MIB
    own_dockerd.restart()  # it ends what it finds running: live-restore is off
    one.wait_for(lambda: is_up(one, "docker"), "the new one is found", 60)
    one.wait_for(lambda: one.value("brimline_container_running", container="goes") == 0, "the truth of it")
    one.wait_for(lambda: one.value("brimline_container_running", container="lives") == 0, "the truth of the other")
    one.wait_for(lambda: used(one, "lives") is None and used(one, "goes") is None, "neither has memory any more")
    own_dockerd.cli("start", "lives")
    one.wait_for(lambda: (used(one, "lives") or 0) > 20 * MIB, "it is measured again")
    assert one.value("brimline_container_restarts_total", container="lives") == 1
    assert sum(one.find("brimline_container_memory_oom_kills_total").values()) == 0


def test_cgroups_that_vanish_between_list_and_read_are_gone_not_failed(brimline: Start, tmp_path: Path) -> None:
    mount = Path("/sys/fs/cgroup/memory")
    if not (mount / "cgroup.procs").exists():
        pytest.skip("memory is no cgroup v1 controller on this machine")
    parent = Group(mount / f"brimline-test-{os.getpid()}-churn")
    stop = threading.Event()

    def churn(name: str) -> None:
        while not stop.is_set():
            (parent.path / f"{name}.service").mkdir()
            stop.wait(0.002)
            (parent.path / f"{name}.service").rmdir()

    file = tmp_path / "brimline.yml"
    file.write_text(f"sources: {{cgroups: ['{parent.path.name}/*.service']}}")
    staying = parent.child("staying.service")
    staying.run("anon", 5)
    workers = [threading.Thread(target=churn, args=[name]) for name in "abcd"]
    try:
        one = brimline("--interval=500ms", "--no-sources.docker.enabled", f"--config.file={file}")
        descriptors = len(one.files())
        for worker in workers:
            worker.start()
        for again in range(30):  # the globs are looked at now and then; new ones at once
            file.write_text(f"sources: {{cgroups: ['{parent.path.name}/*.service', 'none-{again}']}}")
            one.signal(signal.SIGHUP)
            page = one.get("/metrics")[1]
            assert f'memory_usage_bytes{{cgroup="{parent.path.name}/staying.service"}}' in page
            one.next_ticks(1)
        assert one.value("brimline_source_errors_total", source="cgroup") == 0
        assert one.value("brimline_config_last_reload_successful") == 1
    finally:
        stop.set()
        for worker in workers:
            worker.join()
        parent.close()
    one.wait_for(lambda: not one.find("brimline_cgroup_memory_usage_bytes"), "all are gone")
    assert len(one.files()) <= descriptors
    assert "level=error" not in one.log()


def test_what_may_not_be_read_is_unknown_and_nothing_else_is(brimline: Start, tmp_path: Path) -> None:
    host = tmp_path / "host"
    shutil.copytree(CAPTURED / "v2-systemd", host)
    shut = host / "cgroup/system.slice/cron.service/memory.stat"
    shut.chmod(0)
    one = brimline(
        *("--interval=250ms", "--no-sources.docker.enabled"),
        *(f"--path.procfs={host}/proc", f"--path.cgroupfs={host}/cgroup"),
        before=WITHOUT_CAPABILITIES,
    )
    cron, gunicorn = {"cgroup": "system.slice/cron.service"}, {"cgroup": "system.slice/gunicorn.service"}
    assert not names(one, **cron)
    assert one.value("brimline_cgroup_memory_usage_bytes", **gunicorn) == 54177792
    assert is_up(one, "cgroup")
    assert "Permission denied" in one.get("/")[1]
    shut.chmod(0o644)
    one.wait_for(lambda: one.value("brimline_cgroup_memory_usage_bytes", **cron) == 53035008, "it is tried again")
    shut.parent.chmod(0)  # what is open stays readable, the slow files do not
    one.wait_for(lambda: not names(one, **cron) - {"brimline_cgroup_memory_oom_kills_total"}, "unknown again", 40)
    assert one.value("brimline_cgroup_memory_usage_bytes", **gunicorn) == 54177792
    shut.parent.chmod(0o755)
    one.wait_for(lambda: one.value("brimline_cgroup_memory_usage_bytes", **cron) == 53035008, "and known again")


def test_without_the_hosts_memory_no_limit_is_known(brimline: Start, tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    FakeProcfs(tree.procfs).root.joinpath("meminfo").chmod(0)
    tree.add("system.slice/web.service", current=30 * MIB, max=100 * MIB)
    one = brimline(
        *("--interval=250ms", "--no-sources.docker.enabled"),
        *(f"--path.procfs={tree.procfs}", f"--path.cgroupfs={tree.cgroupfs}"),
        before=WITHOUT_CAPABILITIES,
    )
    assert (is_up(one, "host"), is_up(one, "cgroup")) == (False, False)
    assert not [name for name in names(one) if name.startswith(("brimline_host_memory_", "brimline_cgroup_"))]
    (tree.procfs / "meminfo").chmod(0o644)
    one.wait_for(lambda: is_up(one, "host") and is_up(one, "cgroup"), "known again")
    assert one.value("brimline_cgroup_memory_usage_bytes", cgroup="system.slice/web.service") == 30 * MIB


def test_a_process_with_a_name_nobody_should_have(brimline: Start, tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/" + NASTY
    shutil.copy("/bin/bash", program)
    arguments = [b"gunicorn", b"-c", b"read x; true", b"--name", NASTY, b"shop:app"]
    with subprocess.Popen(arguments, executable=program, stdin=subprocess.PIPE) as process:
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_bytes() == NASTY + b"\n", "it has the name")
        one = brimline("--interval=250ms", "--no-sources.docker.enabled")
        group = f"gunicorn:{NASTY_LABEL}"
        one.wait_for(lambda: one.value("brimline_process_processes", group=group) == 1, "it is a group")
        assert (one.value("brimline_process_memory_rss_bytes", group=group) or 0) > MIB
        for page in ("/", "/metrics"):
            assert one.get(page)[0] == 200
        process.communicate(b"\n")
    one.wait_for(lambda: one.value("brimline_process_processes", group=group) == 0, "it is gone")
    assert not [name for name in names(one, group=group) if "memory" in name or "start_time" in name]


@pytest.mark.timeout(600)
def test_two_hundred_containers_come_and_go(brimline: Start, dockerd: Dockerd) -> None:
    image = dockerd.busybox
    one = brimline("--interval=500ms", f"--sources.docker.host={dockerd.url}", "--sources.cgroups=brimline-test-none")
    one.next_ticks(2)
    before, slowest, seen = one.files(), 0.0, set[str]()
    errors = one.find("brimline_source_errors_total")  # a list that came late is one
    done = threading.Event()

    def live(number: int) -> None:
        options = ["--detach", "--network", "none", "--memory", "20m", "--name", f"churn-{number}"]
        container = dockerd.cli("run", *options, image, "sleep", 60)
        dockerd.cli("rm", "--force", container)

    def scrape() -> None:
        nonlocal slowest
        while not done.wait(0.25):
            began = time.monotonic()
            found = one.find("brimline_container_memory_usage_bytes")
            slowest = max(slowest, time.monotonic() - began)
            assert all(value > 0 for value in found.values()), found
            seen.update(dict(labels)["container"] for labels in found)

    with ThreadPoolExecutor(5) as pool:
        scraper = pool.submit(scrape)
        try:
            for life in [pool.submit(live, number) for number in range(CHURNED)]:
                life.result()
        finally:
            done.set()
        scraper.result()
    assert len(seen) > CHURNED / 10
    assert slowest < 30
    one.wait_for(lambda: not stale(one), "nobody is left")
    try:
        wait_until(lambda: len(one.files()) <= len(before), "as many descriptors as before", 60)
    except TimeoutError as late:
        raise AssertionError(f"{before}, then {one.files()}") from late
    assert one.find("brimline_source_errors_total") == errors
    assert sum(one.find("brimline_container_memory_oom_kills_total").values()) == 0


def stale(brimline: Sidecar) -> set[str]:
    """Return what is still said of containers that are gone, but for the counters that outlive them."""
    found = set()
    for name, labels in brimline.series():
        if dict(labels).get("container", "").startswith("churn-") and not name.startswith(OUTLIVE):
            found.add(name)
    return found


@pytest.fixture(autouse=True)
def _needs_setpriv(request: pytest.FixtureRequest) -> None:
    if "may_not" in request.node.name and shutil.which("setpriv") is None:
        pytest.skip("no setpriv: apt-get install util-linux")


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_an_hour_changes_no_measure(jump: float, tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    procfs = FakeProcfs(tree.procfs)
    procfs.spawn(50, ["gunicorn", "shop:app"], start=500)
    tree.add("system.slice/web.service", current=30 * MIB, max=100 * MIB, events=v2_events(oom_kill=3))
    tree.set("system.slice/web.service", stat=v2_stat(anon=30 * MIB))
    (tree.cgroupfs / "system.slice/web.service/cgroup.procs").write_text("50\n")
    places = {"procfs": str(tree.procfs), "cgroupfs": str(tree.cgroupfs)}
    config = Config.model_validate({"path": places, "sources": {"docker": {"enabled": False}}})
    loaded, clock = Loaded(config, {}, None), FakeClock()

    async def body() -> None:
        app = App(loaded, lambda: loaded, {}, clock=clock)
        try:
            await app.first_look()
            before = series(app.tick())
            clock.pass_(5)
            clock.wall += jump
            procfs.file("stat", f"cpu 1 2 3\nbtime {BOOT + int(jump)}\n")  # the kernel moves it with the clock
            assert app.fresh()
            tree.set("system.slice/web.service", events=v2_events(oom=1, oom_kill=4))
            after = series(app.tick())
            kills = 'brimline_cgroup_memory_oom_kills_total{cgroup="system.slice/web.service"}'
            assert (before.pop(kills), after.pop(kills)) == (0, 1)
            clock.pass_(20)
            settled = series(app.tick())
            moved = {name for name in before if "start_time" in name}
            assert {settled[name] - before[name] for name in moved} == {jump}
            assert {n: v for n, v in after.items() if n not in moved} == {
                n: v for n, v in before.items() if n not in moved
            }
            clock.pass_(3599 - 20)  # an hour on the clock that does not jump
            assert kills in series(app.tick())
        finally:
            await app.close()

    asyncio.run(body())


def series(view: View) -> dict[str, float]:
    """Return the samples of the data families, by name with labels."""
    lines = [line for line in view.page.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
