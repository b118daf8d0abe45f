"""docs/rights.md: each right that a container is not given costs what the table says, no more, and Brimline says so."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from real.contained import Contained
from real.engine import Dockerd, python_here
from real.filtering import READS, Filter
from real.places import ROOT, free_port

CONFIG = "sources: {processes: [{group: load, comm: memload, user: '1234', pss: true}], presets: []}\n"
SOCKET = "/var/run/docker.sock"
FLAGS = ("--interval=250ms", "--sources.pss-budget=50%", "--actions.settle=250ms", "--config.file=/conf/brimline.yml")
NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True)
class Right:
    """One row of the table: how the right is taken away, the words of what is lost, and what Brimline says then."""

    row: str
    without: dict[str, tuple[str, ...]]
    lost: set[str]
    said: str  # a regular expression over the page and the log
    flags: tuple[str, ...] = field(default=())


RIGHTS = (
    Right(
        "the engine's socket",
        {"socket": NOTHING},
        {"names", "kernel", "events", "processes"},
        r'brimline_source_info\{.*mode="none".*source="docker"',
    ),
    Right(
        "`pid: host`",
        {"pid": NOTHING},
        {"kernel", "events", "groups", "pss", "processes"},
        r'brimline_source_info\{.*mode="stats".*source="docker"',
    ),
    Right(
        "`/proc` of the host instead",
        {"pid": ("--volume", "/proc:/host/proc:ro")},
        {"processes"},
        r'brimline_source_info\{.*mode="cgroupfs".*source="docker"',
        ("--path.procfs=/host/proc",),
    ),
    Right(
        "`/sys/fs/cgroup`",
        {"cgroups": NOTHING},
        {"kernel", "events", "processes"},
        r'brimline_source_info\{.*mode="stats".*source="docker"',
    ),
    Right(
        "`/sys/fs/cgroup` to be written (v1)",
        {
            "cgroups": (
                *("--volume", "/sys/fs/cgroup/memory:/sys/fs/cgroup/memory:ro"),
                *("--volume", "/sys/fs/cgroup/unified:/sys/fs/cgroup/unified:ro"),
            )
        },
        {"events"},
        r'brimline_source_info\{.*events="poll".*source="cgroup"',
    ),
    Right(
        "root",
        {"user": ("--user", "10001")},  # and the group of the socket, see `options`
        {"events", "pss"},
        r'brimline_source_info\{.*events="poll".*source="cgroup"(.*\n)*.*pss="denied"',
    ),
    Right(
        "root, where the socket is root's alone",
        {"user": ("--user", "10001"), "group": NOTHING},
        {"names", "kernel", "events", "pss", "processes"},
        r"permission denied; run Brimline as root or in the group that owns the socket",
    ),
    Right(
        "`SYS_PTRACE`",
        {"ptrace": NOTHING},
        {"pss"},
        r'brimline_source_info\{.*pss="denied".*source="process"',
    ),
    Right(
        "`/var/lib/brimline` to be written",
        {"state": NOTHING},
        {"journal"},
        r"nothing will be done, and messages do not outlive Brimline: /var/lib/brimline: read-only file system",
    ),
)
# A service that frees memory on a POST, and whose process carries the hook.
HOOKED = """
import http.server, sys
from brimline import hook
class Page(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(204)
        self.end_headers()
@hook.on_cleanup
def drop(request):
    print('dropped', flush=True)
hook.install()
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Page).serve_forever()
"""
# From where Brimline sits, for one without a network: order a cleanup, and print what became of it.
ORDER = """
import json, sys, time, urllib.request as http
def ready():
    try:
        return http.urlopen(sys.argv[1] + '/-/ready', timeout=5).status == 200
    except OSError:
        return False
def ask(path, body=None):
    asked = http.Request(sys.argv[1] + path, body, {'Content-Type': 'application/json'})
    with http.urlopen(asked, timeout=30) as answer:
        return json.load(answer)
while not ready():
    time.sleep(0.2)
time.sleep(2)  # the hook's process must be older than two seconds
ask('/api/v1/targets/container/hooked/cleanup?wait=20', b'')
while not (entries := ask('/api/v1/journal?kind=outcome')['data']['entries']):
    time.sleep(0.2)
print(entries[0]['text'])
"""
FEATURES = {"names", "kernel", "events", "groups", "pss", "processes", "journal"}


@pytest.fixture(scope="module")
def neighbour(dockerd: Dockerd) -> Iterator[str]:
    """Somebody else's container that may be restarted."""
    options = ("--memory", "60m", "--name", "neighbour", "--user", "1234", "--label", "brimline.restart=true")
    yield dockerd.load("anon", 30, options=options)
    dockerd.remove_containers()


@pytest.fixture
def configuration(tmp_path: Path) -> tuple[str, ...]:
    tmp_path.chmod(0o755)
    (tmp_path / "brimline.yml").write_text(CONFIG)
    return ("--volume", f"{tmp_path}:/conf:ro")


def options(dockerd: Dockerd, without: dict[str, tuple[str, ...]]) -> list[str]:
    """Return docker's options for everything, but for what is taken away or replaced."""
    whole = {
        "socket": ("--volume", f"{dockerd.socket}:{SOCKET}"),
        "pid": ("--pid", "host"),
        "cgroups": ("--volume", "/sys/fs/cgroup:/sys/fs/cgroup"),
        "user": ("--user", "0"),
        "group": ("--group-add", str(dockerd.socket.stat().st_gid)),
        "ptrace": ("--cap-add", "SYS_PTRACE"),
        "state": ("--tmpfs", "/var/lib/brimline:mode=0777"),
    }
    assert without.keys() <= whole.keys()
    return ["--cap-drop", "ALL", "--read-only", *(part for right in (whole | without).values() for part in right)]


def features(brimline: Contained) -> set[str]:
    """Return what works."""
    page = brimline.get("/metrics")[1]
    tells = {
        "names": r'brimline_container_memory_used_ratio\{container="neighbour"',
        "kernel": r'brimline_source_info\{.*mode="cgroupfs".*source="docker"',
        "events": r'brimline_source_info\{.*events="event".*source="cgroup"',
        "groups": r'brimline_process_processes\{group="load"\} [1-9]',
        "pss": r'brimline_process_memory_pss_bytes\{group="load"\}',
        "processes": r'brimline_container_processes\{container="neighbour"',
        "journal": r"brimline_journal_up 1",
    }
    return {name for name, pattern in tells.items() if re.search(f"^{pattern}", page, re.MULTILINE)}


def test_with_everything_nothing_is_missing(dockerd: Dockerd, neighbour: str, configuration: tuple[str, ...]) -> None:
    assert neighbour
    brimline = Contained(dockerd, "brimline", *FLAGS, options=[*configuration, *options(dockerd, {})])
    with closing(brimline.ready()):
        brimline.wait_for(lambda: features(brimline) == FEATURES, "all of it")
        assert brimline.value("brimline_container_processes", container="neighbour") == 1


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.row)
def test_a_right_that_is_missing_costs_what_the_table_says_and_is_told(
    right: Right, dockerd: Dockerd, neighbour: str, configuration: tuple[str, ...]
) -> None:
    assert neighbour
    given = [*configuration, *options(dockerd, right.without)]
    brimline = Contained(dockerd, "brimline", *FLAGS, *right.flags, options=given)
    with closing(brimline.ready()):
        left = FEATURES - right.lost
        brimline.wait_for(lambda: features(brimline) == left, f"{sorted(left)} work")
        brimline.next_ticks(4)
        assert features(brimline) == left
        assert re.search(right.said, brimline.get("/metrics")[1] + brimline.log())


def test_without_leave_to_restart_at_the_proxy_a_restart_fails_and_says_why(dockerd: Dockerd, neighbour: str) -> None:
    started = dockerd.inspect(neighbour)["State"]["StartedAt"]
    with closing(Filter(dockerd.socket, *READS)) as proxy:
        behind = {"socket": ("--volume", f"{proxy.url.removeprefix('unix://')}:{SOCKET}")}
        flags = [flag for flag in FLAGS if not flag.startswith("--config")]
        brimline = Contained(dockerd, "brimline", *flags, "--web.enable-actions", options=options(dockerd, behind))
        with closing(brimline.ready()):
            url = f"{brimline.url}/api/v1/targets/container/neighbour/restart?wait=20"
            ask = urllib.request.Request(url, b"", {"Content-Type": "application/json"})
            urllib.request.urlopen(ask, timeout=30).close()
            page = "/api/v1/journal?kind=outcome"
            brimline.wait_for(lambda: json.loads(brimline.get(page)[1])["data"]["entries"], "the outcome")
            (outcome,) = json.loads(brimline.get(page)[1])["data"]["entries"]
            assert brimline.value("brimline_action_failures_total", action="restart") == 1
    assert [refused for refused in proxy.refused if refused.endswith("/restart")] != []
    assert "403" in outcome["text"], outcome
    assert dockerd.inspect(neighbour)["State"]["StartedAt"] == started


@pytest.fixture(scope="module")
def hooked(dockerd: Dockerd) -> Iterator[str]:
    """A container in the host's network that can be cleaned up in both ways."""
    port = free_port()
    options = [
        "--user",
        "1234",
        "--memory",
        "200m",
        "--network",
        "host",
        "--label",
        f"brimline.cleanup=:{port}/cleanup",
    ]
    run = [dockerd.busybox, sys.executable, "-c", HOOKED, port]
    yield dockerd.cli("run", "--detach", "--name", "hooked", *options, *python_here(), *run)
    dockerd.cli("rm", "--force", "hooked")


@pytest.mark.parametrize(
    ("without", "said", "dropped"),
    [
        ((), ["answered 204", "1 signalled"], 1),
        (("KILL",), ["answered 204", "1 not ours to signal (Brimline needs the capability KILL)"], 0),
        (("network",), ["where Brimline is not seen to be", "1 signalled"], 1),
        (("KILL", "network"), ["the cleanup reached no worker"], 0),
    ],
    ids=["with both", "KILL", "a network to the services", "neither"],
)
def test_what_a_cleanup_reaches_without_a_network_and_without_kill(
    without: tuple[str, ...], said: list[str], dropped: int, dockerd: Dockerd, hooked: str
) -> None:
    powers = () if "KILL" in without else ("--cap-add", "KILL")
    network = "none" if "network" in without else "host"
    flags = [*FLAGS[:-1], "--web.enable-actions", "--start-period=1s"]
    given = [*options(dockerd, {}), *powers]
    before = dockerd.cli("logs", hooked).count("dropped")
    brimline = Contained(dockerd, "brimline", *flags, options=given, network=network)
    with closing(brimline):
        told = dockerd.cli("exec", brimline.container, sys.executable, "-c", ORDER, brimline.url)
    assert [words for words in said if words not in told] == [], told
    assert dockerd.cli("logs", hooked).count("dropped") - before == dropped


def test_the_table_has_a_row_for_each() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs/rights.md").read_text(), re.MULTILINE)
    tried = {
        *(right.row for right in RIGHTS),
        "`KILL`",
        "`POST` on restart, start and stop",
        "a network to the services",
    }
    assert tried | {"right"} == set(rows)
