"""The whole pages of captured hosts; `make golden` writes them anew: the diff is what changes in everybody's graphs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Golden
from golden.hosts import CAPTURED, Host, page_of
from real.places import MissingPartError
from real.prometheus import check_metrics

HERE = Path(__file__).parent
DOCKER = re.compile(r"docker-([0-9a-f]{64})\.scope$")
POD = "kubepods-burstable-pod6f2a1c0e_9d1b_4c55_8a3e_0f4d2b7c9a11.slice"
KUBERNETES = "kubepods.slice/**/cri-containerd-*.scope"

# Where connecting fails the SDK leaves its socket to the garbage collector (docker/docker-py pull request 3356).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

Page = Callable[[Path], str]


def captured(name: str) -> Page:
    return lambda tmp: page_of(Host(CAPTURED / name), tmp)


def scopes(host: Host) -> list[tuple[str, str]]:
    """Return path and container id of the scopes that Docker asked systemd for."""
    directories = sorted((host.directory / "cgroup").rglob("docker-*.scope"))
    found = [(str(d.relative_to(host.directory / "cgroup")), DOCKER.search(d.name)) for d in directories]
    return [(path, match[1]) for path, match in found if match]


def podman(tmp: Path) -> str:
    """Podman as root: machine.slice, and the processes in a cgroup of their own below the scope."""
    host = Host.copy_of("v2-systemd", tmp / "host")
    for path, container in scopes(host):
        host.move(path, f"machine.slice/libpod-{container}.scope", processes="container")
    return page_of(host, tmp, engine="podman")


def kubernetes(tmp: Path) -> str:
    """A node of containerd with the systemd driver: no engine is asked, a glob names the containers."""
    host = Host.copy_of("v2-systemd", tmp / "host")
    for path, container in scopes(host):
        host.move(path, f"kubepods.slice/kubepods-burstable.slice/{POD}/cri-containerd-{container}.scope")
    return page_of(host, sources={"cgroups": [KUBERNETES]})


def cadvisor(tmp: Path) -> str:
    return page_of(Host(CAPTURED / "v2-systemd"), tmp, compat={"cadvisor": True})


NASTY = 'n\udcff\n"\u2028'  # a byte that is no UTF-8, a newline, a quote, a line separator
LONG = "x" * 1_000_000
OLD = re.compile(r"^(?:kernel|slab_reclaimable|workingset_\w+) .*\n", re.MULTILINE)  # keys that came later


def hostile(tmp: Path) -> str:
    """Names nobody should give, files that lack what newer kernels have, limits that mean nothing, use above one."""
    host = Host.copy_of("v2-systemd", tmp / "host")
    record = host.engine["containers"]
    labels = {"com.docker.compose.project": LONG, "com.docker.compose.service": NASTY, "brimline.limit": "lots"}
    for container in record:
        if container["Name"] == "/bounded":
            container |= {"Name": f"/{NASTY}"}
            container["Config"] |= {"Image": LONG, "Labels": labels}
    host.write("docker.json", json.dumps({**host.engine, "containers": record}))
    services = "cgroup/system.slice"
    for name in (f"{NASTY}.service", "old.service", "above.service", "over.service", "zero.service", "mute.service"):
        shutil.copytree(host.directory / services / "cron.service", host.directory / services / name)
        host.write(f"{services}/{name}/cgroup.procs", "")
    for missing in ("memory.peak", "memory.pressure", "memory.swap.current", "memory.swap.max", "cpu.max", "cpu.stat"):
        (host.directory / services / "old.service" / missing).unlink()
    (host.directory / services / "old.service" / "cgroup.procs").unlink()
    host.write(f"{services}/old.service/memory.stat", OLD.sub("", host.read(f"{services}/old.service/memory.stat")))
    host.write(f"{services}/above.service/memory.max", f"{1 << 60}\n")
    host.write(f"{services}/over.service/memory.max", f"{40 << 20}\n")
    host.write(f"{services}/over.service/memory.swap.max", "0\n")
    host.write(f"{services}/zero.service/memory.max", "0\n")
    host.write(f"{services}/zero.service/memory.swap.max", "0\n")
    host.write(f"{services}/mute.service/memory.current", "")
    host.write(f"{services}/threads.service/cgroup.type", "threaded\n")
    gunicorn = host.read(f"{services}/gunicorn.service/cgroup.procs").split()[0]
    host.write(f"proc/{gunicorn}/cmdline", f"gunicorn\0--name\0{NASTY}\0shop.wsgi\0")
    return page_of(host, tmp)


PAGES: dict[str, Page] = {
    "v1": captured("v1"),
    "hybrid": captured("hybrid"),
    "v2": captured("v2"),
    "v2-systemd": captured("v2-systemd"),
    "v2-systemd-cadvisor": cadvisor,
    "podman": podman,
    "kubernetes": kubernetes,
    "hostile": hostile,
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_a_captured_host(name: str, golden: Golden, tmp_path: Path) -> None:
    page = PAGES[name](tmp_path)
    golden(page, HERE / f"{name}.txt")
    try:
        assert [line for line in check_metrics(page) if "container_memory_failcnt" not in line] == []  # cAdvisor's name
    except MissingPartError as missing:
        pytest.skip(str(missing))
