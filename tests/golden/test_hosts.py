"""The whole page of captured hosts; `make golden` writes it anew, and the diff is what changed for everybody's graphs."""

from __future__ import annotations

import re
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


PAGES: dict[str, Page] = {
    "v1": captured("v1"),
    "hybrid": captured("hybrid"),
    "v2": captured("v2"),
    "v2-systemd": captured("v2-systemd"),
    "v2-systemd-cadvisor": cadvisor,
    "podman": podman,
    "kubernetes": kubernetes,
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_a_captured_host(name: str, golden: Golden, tmp_path: Path) -> None:
    page = PAGES[name](tmp_path)
    golden(page, HERE / f"{name}.txt")
    try:
        assert check_metrics(page) == []
    except MissingPartError as missing:
        pytest.skip(str(missing))
