"""What goes wrong while Brimline acts, on a real dockerd: deaths at every point, signals, a full disk, a name reused.

Each Brimline looks at a container of its own; what mostly waits goes on side by side.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from brimline.faults import POINTS
from brimline.journal.file import NAME
from real.engine import Dockerd
from real.failpoints import full_once, live_all, lives, orders, settings
from real.places import MissingPartError
from real.receiving import Hook
from real.sidecar import Sidecar
from real.test_journal_disk import fill
from unit.journals import rows

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    """A dockerd that writes down what it is asked."""
    try:
        daemon = Dockerd(options=["--debug"])
    except MissingPartError as missing:
        pytest.skip(str(missing))
    with closing(daemon):
        daemon.start()
        yield daemon


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook() as one:
        yield one


def journal(directory: Path, sql: str) -> list[Any]:
    place = directory / "journal"
    return rows(place, sql) if (place / NAME).exists() else []


def fates(directory: Path) -> list[str]:
    return [f for (f,) in journal(directory, "SELECT facts ->> 'fate' FROM lines WHERE kind = 'outcome' ORDER BY seq")]


Waiting: TypeAlias = dict[Callable[..., None], Future[None]]
OPTIONS = ("--memory=64m", "--label=brimline.restart=true")


def intents(directory: Path) -> list[float]:
    """Return when each intent was written."""
    return [at for (at,) in journal(directory, "SELECT wall FROM lines WHERE kind = 'intent' ORDER BY seq")]


# Deaths -------------------------------------------------------------------------------------------------------------


def test_whatever_point_it_dies_at_nothing_is_done_twice_nothing_is_untold_and_nothing_is_left_down(
    engine: Dockerd, tmp_path: Path
) -> None:
    chosen = lives(3)
    assert {life.point for life in chosen} == set(POINTS)
    seen = live_all(engine, tmp_path, chosen)
    assert [fault for one in seen for fault in one.faults()] == []
    assert all(one.twice for one in seen if one.life.point == "sent"), "what was taken and not ticked off comes again"


# What mostly waits --------------------------------------------------------------------------------------------------


def in_flight(
    engine: Dockerd, hook: Hook, directory: Path, stop: str, options: tuple[str, ...] = ()
) -> tuple[str, tuple[str, str], Sidecar]:
    """Return a container that is being restarted, and the flags and the life of the Brimline that does it."""
    name = directory.name
    container = full_once(engine, name, *options)
    flags = settings(directory, name, engine, f"{hook.url}/{name}", stop=stop)
    one = Sidecar(*flags)
    try:
        one.wait_for(lambda: orders(engine)[container, "restart"], f"{name}: the engine is asked", 60)
    except BaseException:
        one.close()
        raise
    return container, flags, one


def reload_in_flight(engine: Dockerd, hook: Hook, directory: Path) -> None:
    container, _, one = in_flight(engine, hook, directory, "3s")
    with closing(one):
        file = directory / "brimline.yml"
        file.write_text(file.read_text().replace("settle: 100ms", "settle: 200ms, dry_run: true"))
        one.signal(signal.SIGHUP)
        one.wait_for(lambda: "configuration reloaded" in one.log(), "it is read again")
        assert fates(directory) == []
        one.wait_for(lambda: fates(directory), "it is concluded", 60)
        one.next_ticks(4)
        assert fates(directory) == ["done"]
    assert orders(engine)[container, "restart"] == 1
    assert engine.inspect(container)["State"]["Running"]


def end_in_flight(engine: Dockerd, hook: Hook, directory: Path) -> None:
    # A health check says after a second that it runs; without one it is looked at for five of the eight there are.
    healthy = ("--health-cmd=true", "--health-interval=1s")
    container, _, one = in_flight(engine, hook, directory, "1s", healthy)
    with closing(one):
        one.signal(signal.SIGTERM)
        assert one.wait() == 0
        assert fates(directory) == ["done"], one.log()
        told = [notice["event"] for notice in hook.notices(f"/{directory.name}")]
        assert "action_done" in told, "what was done last is told before the end"
    assert engine.inspect(container)["State"]["Running"]


def end_before_it_is_over(engine: Dockerd, hook: Hook, directory: Path) -> None:
    container, flags, one = in_flight(engine, hook, directory, "13s")
    with closing(one):
        one.signal(signal.SIGTERM)
        time.sleep(1)
        one.signal(signal.SIGTERM)
        assert one.wait() == 0, one.log()
        assert "Traceback" not in one.log()
        assert fates(directory) == []
        assert len(intents(directory)) == 1
    with closing(Sidecar(*flags)) as two:
        two.wait_for(lambda: fates(directory), "the next one concludes it", 90)
        two.next_ticks(3)
        two.wait_for(lambda: "action_done" in [n["event"] for n in hook.notices(f"/{directory.name}")], "it is told")
    assert fates(directory) == ["done"]
    assert orders(engine)[container, "restart"] == 1
    assert engine.inspect(container)["State"]["Running"]


def another_of_its_name(engine: Dockerd, hook: Hook, directory: Path) -> None:
    old, _, one = in_flight(engine, hook, directory, "6s")
    with closing(one):
        engine.cli("rm", "--force", old)
        new = engine.load("anon", 5, options=[*OPTIONS, f"--name={directory.name}"])
        began = engine.inspect(new)["State"]["StartedAt"]
        one.wait_for(lambda: fates(directory), "it is concluded", 60)
        one.next_ticks(6)
        assert fates(directory) == ["failed"]
    assert engine.inspect(new)["State"]["StartedAt"] == began
    assert {verb for container, verb in orders(engine) if container == new} <= {"start", "wait"}, "as it was run"


def stopped_for_long(engine: Dockerd, hook: Hook, directory: Path) -> None:
    """A container is full for a moment before a stop of 12 s: only what is looked at counts towards the rule's 10 s."""
    name = directory.name
    container = engine.load("anon", 5, options=[*OPTIONS, f"--name={name}"])
    with closing(Sidecar(*settings(directory, name, engine, f"{hook.url}/{name}", held="10s"))) as one:
        one.wait_for(lambda: one.find("brimline_container_memory_used_ratio", container=name), "it is measured")
        engine.cli("exec", "--detach", container, "memload", "anon", 45)
        one.wait_for(lambda: one.find("brimline_alerts", state="pending", container=name), "it is full")
        one.signal(signal.SIGSTOP)
        time.sleep(12)
        one.signal(signal.SIGCONT)
        awake = time.time()
        assert hook.notices(f"/{name}") == []
        one.wait_for(lambda: intents(directory), "it is restarted all the same", 60)
        assert intents(directory)[0] - awake > 3
        (fired,) = journal(directory, "SELECT wall FROM lines WHERE kind = 'alert' ORDER BY seq LIMIT 1")
        assert fired[0] - awake > 3
        one.wait_for(lambda: fates(directory), "it is concluded", 60)
    assert fates(directory) == ["done"]


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "brimline-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fills(engine: Dockerd, name: str) -> Callable[[], str]:
    """Run a container that may be restarted, and return what fills it."""
    container = engine.load("anon", 5, options=[*OPTIONS, f"--name={name}"])
    return lambda: engine.cli("exec", "--detach", container, "memload", "anon", 45)


def refused(one: Sidecar) -> Callable[[], object]:
    """Return what tells whether it refused a restart for want of a journal."""
    return lambda: one.value("brimline_decisions_total", action="restart", verdict="no_journal")


def full_disk(engine: Dockerd, hook: Hook, directory: Path) -> None:
    name = directory.name
    fill_up = fills(engine, name)
    flags = settings(directory, name, engine, f"{hook.url}/{name}")
    with small_disk(directory / "disk") as disk, closing(Sidecar(flags[0], f"--storage.path={disk}/journal")) as one:
        one.wait_for(lambda: one.find("brimline_container_memory_used_ratio", container=name), "it is measured")
        one.next_ticks(4)
        ballast = fill(disk)
        fill_up()
        one.wait_for(refused(one), "nothing is done", 60)
        one.wait_for(lambda: one.value("brimline_journal_up") == 0, "it says so")
        one.wait_for(lambda: hook.notices(f"/{name}"), "people are told", 60)
        assert {told.body["durable"] for told in hook.of(f"/{name}")} == {False}
        one.next_ticks(4)
        assert orders(engine)[engine.inspect(name)["Id"], "restart"] == 0
        ballast.unlink()
        one.wait_for(lambda: one.value("brimline_actions_total", action="restart") == 1, "it is restarted", 120)
        assert one.value("brimline_journal_up") == 1
    assert orders(engine)[engine.inspect(name)["Id"], "restart"] == 1


def read_only_disk(engine: Dockerd, hook: Hook, directory: Path) -> None:
    name = directory.name
    fill_up = fills(engine, name)
    flags = settings(directory, name, engine, f"{hook.url}/{name}")
    with small_disk(directory / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with closing(Sidecar(flags[0], f"--storage.path={disk}/journal")) as one:
            fill_up()
            one.wait_for(refused(one), "nothing is done", 60)
            assert orders(engine)[engine.inspect(name)["Id"], "restart"] == 0
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            one.wait_for(lambda: one.value("brimline_actions_total", action="restart") == 1, "it is restarted", 120)
    assert orders(engine)[engine.inspect(name)["Id"], "restart"] == 1


WAITING = (
    reload_in_flight,
    end_in_flight,
    end_before_it_is_over,
    another_of_its_name,
    stopped_for_long,
    full_disk,
    read_only_disk,
)


@pytest.fixture(scope="module")
def waiting(engine: Dockerd, hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    """All of them, begun at once."""
    place = tmp_path_factory.mktemp("waiting")
    engine.busybox  # noqa: B018 - imported once, before several ask for it
    with ThreadPoolExecutor(len(WAITING)) as pool:
        yield {one: pool.submit(one, engine, hook, place / one.__name__.replace("_", "-")) for one in WAITING}


def test_a_reload_neither_ends_nor_repeats_a_restart(waiting: Waiting) -> None:
    waiting[reload_in_flight].result(600)


def test_an_end_lets_a_restart_end_that_takes_no_longer_than_docker_waits(
    waiting: Waiting,
) -> None:
    waiting[end_in_flight].result(600)


def test_a_restart_that_takes_longer_is_concluded_by_the_next_one_and_a_second_signal_changes_nothing(
    waiting: Waiting,
) -> None:
    waiting[end_before_it_is_over].result(600)


def test_another_container_that_took_its_name_meanwhile_is_not_touched(
    waiting: Waiting,
) -> None:
    waiting[another_of_its_name].result(600)


def test_time_in_which_brimline_was_stopped_counts_towards_nothing(
    waiting: Waiting,
) -> None:
    waiting[stopped_for_long].result(600)


def test_on_a_full_disk_nothing_is_done_people_are_told_and_it_goes_on_once_there_is_room(
    waiting: Waiting,
) -> None:
    waiting[full_disk].result(600)


def test_on_a_disk_that_is_mounted_read_only_nothing_is_done_until_it_is_not(
    waiting: Waiting,
) -> None:
    waiting[read_only_disk].result(600)


# Who never answers --------------------------------------------------------------------------------------------------

FIFTY = "".join(
    f"      - alert: Host{n}\n        on: host\n        when: memory_used_ratio > 0%\n        do: [notify]\n"
    for n in range(50)
)


def test_an_alertmanager_that_never_answers_delays_neither_a_tick_nor_the_end(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(f"groups:\n  - name: host\n    rules:\n{FIFTY}")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        (tmp_path / "brimline.yml").write_text(
            "interval: 200ms\nrules: [rules.yml]\nsources: {cgroups: [], presets: []}\n"
            f"notify: {{alertmanagers: ['{url}', '{url}/two'], webhooks: [{{url: '{url}/hook'}}]}}\n"
        )
        with closing(Sidecar(f"--config.file={tmp_path}/brimline.yml")) as one:
            one.wait_for(lambda: len(one.find("brimline_alerts", state="firing")) == 50, "all fire")
            one.next_ticks(40)
            slow = one.value("brimline_tick_duration_seconds_count") or 0
            slow -= one.value("brimline_tick_duration_seconds_bucket", le="2.5") or 0
            assert slow == 0, "a request's own limit is ten seconds"
            began = time.monotonic()
            one.signal(signal.SIGTERM)
            assert one.wait() == 0
            assert time.monotonic() - began < 9, "a request's own limit is ten seconds"
