"""The real parts do what the tests believe of them."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.cgroups import Group
from real.engine import Dockerd, python_here
from real.loads import Load
from real.places import alive, free_port, pids_naming, wait_until
from real.prometheus import Alertmanager, Prometheus, check_metrics

MIB = 1024 * 1024
SHM_FILE = Path("/dev/shm/memload")  # noqa: S108 (where memload writes it)
PAGE = "# HELP cups_total Cups.\n# TYPE cups_total counter\ncups_total 3\n"


def test_load_holds_what_it_was_asked_for(load: Callable[..., Load]) -> None:
    resident = int(Path(f"/proc/{load('anon', 30, '+', 'anon', 20).pid}/statm").read_text().split()[1]) * 4096
    assert 50 * MIB <= resident < 53 * MIB


def test_load_refuses_an_unknown_step() -> None:
    load = Load("anom", 30)
    with pytest.raises(RuntimeError, match="ended with 2"):
        load.ready()
    load.close()


@pytest.mark.parametrize(
    ("steps", "field", "mib"),
    [
        (("anon", 20), "rss", 20),
        (("shm", 20), "shmem", 20),
        (("memfd", 20), "shmem", 20),
        (("mlock", 20), "unevictable", 20),
        (("fork", 20, 3, 1), "rss", 23),
        (("mmap-file", "FILE", 20), "mapped_file", 20),
        (("read-file", "FILE", 20), "active_file", 20),
        (("mlock-file", "FILE", 20), "unevictable", 20),
        (("madvfree", 20), "inactive_file", 20),
        (("shm-orphan", 20), "shmem", 20),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_every_step_is_charged_as_the_kernel_says(
    group_v1: Group, tmp_path: Path, steps: tuple[object, ...], field: str, mib: int
) -> None:
    group_v1.run(*(tmp_path / "file" if step == "FILE" else step for step in steps))
    charged = group_v1.fields("memory.stat")[field] / MIB
    SHM_FILE.unlink(missing_ok=True)
    assert mib - 1 <= charged <= mib + 1


def test_a_spike_is_seen_by_the_peak_alone(group_v1: Group) -> None:
    group_v1.run("spike", 30, 0.01)
    assert int(group_v1.read("memory.usage_in_bytes")) < 3 * MIB
    assert int(group_v1.read("memory.max_usage_in_bytes")) > 30 * MIB


def test_negative_dentries_are_kernel_memory(group_v1: Group) -> None:
    group_v1.run("dentries", 20_000)
    assert int(group_v1.read("memory.kmem.usage_in_bytes")) > 3 * MIB
    assert group_v1.fields("memory.stat")["rss"] < MIB


@pytest.mark.parametrize("steps", [("leak", 200), ("grow", 20, 0.2)], ids=["leak", "grow"])
def test_what_grows_is_ready_first(group_v1: Group, steps: tuple[object, ...]) -> None:
    group_v1.run(*steps)
    wait_until(lambda: group_v1.fields("memory.stat")["rss"] > 19 * MIB, "grown to 20 MiB")


def test_a_second_mapper_shares_what_another_wrote(dockerd: Dockerd, containers: Callable[..., str]) -> None:
    writer = containers("shm", 20, options=["--ipc", "shareable"])
    mapper = containers("shm-map", options=["--ipc", f"container:{writer}"])
    shared = int(Path(f"/proc/{dockerd.pid(mapper)}/statm").read_text().split()[2]) * 4096
    assert shared >= 20 * MIB


def test_container_runs_a_load_in_its_own_cgroup(dockerd: Dockerd, containers: Callable[..., str]) -> None:
    container = containers("anon", 30, options=["--memory", "100m", "--name", "load-one"])
    cgroup = Path(f"/proc/{dockerd.pid(container)}/cgroup").read_text()
    assert container in cgroup
    assert dockerd.inspect("load-one")["HostConfig"]["Memory"] == 100 * MIB


def test_container_runs_this_python(dockerd: Dockerd) -> None:
    program = "import brimline.model, os; print(os.getpid(), brimline.model.Kind.HOST)"
    options = ["--rm", "--network", "none", *python_here()]
    assert dockerd.cli("run", *options, dockerd.busybox, sys.executable, "-c", program) == "1 host"


def test_worker_is_killed_and_the_first_process_lives(dockerd: Dockerd, containers: Callable[..., str]) -> None:
    container = containers("worker-oom", 80, options=["--memory", "40m", "--memory-swap", "40m"])
    assert dockerd.cli("logs", container) == "worker signal 9\nready"
    state = dockerd.inspect(container)["State"]
    assert state["Running"]
    assert state["OOMKilled"] is False


def test_stopping_a_load_is_quick_unless_it_is_deaf(dockerd: Dockerd, containers: Callable[..., str]) -> None:
    polite, deaf = containers("anon", 1), containers("deaf")
    dockerd.cli("stop", "--time", 10, polite)
    dockerd.cli("stop", "--time", 1, deaf)
    assert [dockerd.inspect(one)["State"]["ExitCode"] for one in (polite, deaf)] == [143, 137]


def test_killed_dockerd_comes_back_and_leaves_nothing(own_dockerd: Dockerd) -> None:
    container = own_dockerd.load("anon", 1)
    pid = own_dockerd.pid(container)
    own_dockerd.kill()
    assert not own_dockerd.running()
    assert alive(pid)
    own_dockerd.close()
    assert not alive(pid)
    assert not own_dockerd.directory.exists()
    assert not pids_naming(str(own_dockerd.directory))
    assert str(own_dockerd.directory) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def served() -> Iterator[tuple[str, list[object]]]:
    """A loopback server: GET answers a metrics page, POST is kept."""
    posted: list[object] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


def test_prometheus_scrapes_and_answers(served: tuple[str, list[object]]) -> None:
    with Prometheus(served[0]) as prometheus:
        ((labels, value),) = prometheus.wait_for("cups_total")
        assert (labels["instance"], value) == (served[0], 3.0)
        assert prometheus.target()["health"] == "up"


def test_alertmanager_sends_to_the_webhook(served: tuple[str, list[object]]) -> None:
    address, posted = served
    with Alertmanager(f"http://{address}/hook") as alertmanager:
        alert = json.dumps([{"labels": {"alertname": "Full", "container": "a"}}]).encode()
        request = urllib.request.Request(
            f"{alertmanager.url}/api/v2/alerts", alert, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=5).close()
        assert alertmanager.alerts()[0]["labels"]["alertname"] == "Full"
        wait_until(lambda: posted, "the webhook heard of it")


def test_promtool_complains_about_a_bad_page_only() -> None:
    assert check_metrics(PAGE) == []
    assert check_metrics("# TYPE cups gauge\ncups_total{ 3\n") != []
