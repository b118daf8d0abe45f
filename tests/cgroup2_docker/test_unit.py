"""deploy/brimline.service under a real systemd: it is ready when it says so, bound, watched, and reaches the engine."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from real.engine import Dockerd
from real.installed import BUILT, PLACE, commands
from real.places import ROOT, wait_until
from real.rows import MIB

PAGE = "http://127.0.0.1:12746"
SETTINGS = Path("/etc/brimline/brimline.yml")
STATE = Path("/var/lib/brimline")
POWERS = 1 << 5 | 1 << 19  # KILL, SYS_PTRACE
PATIENCE = 300  # seconds on an emulated CPU
# What differs from the unit: where this dockerd listens, and how long systemd waits for the start, for the watchdog and
# for a dump.
HERE = """\
[Service]
Environment=BRIMLINE_SOURCES_DOCKER_HOST={url} BRIMLINE_INTERVAL=1s
TimeoutStartSec=300s
WatchdogSec=10s
TimeoutAbortSec=1s
"""


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def shown(name: str) -> str:
    """Return what systemd knows of the unit."""
    return run("systemctl", "show", "--value", "--property", name, "brimline").strip()


def fetched(path: str) -> str:
    try:
        with urllib.request.urlopen(f"{PAGE}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def sample(name: str) -> float | None:
    """Return the first sample of a metric on the page."""
    found = re.search(rf"^{name}(?:\{{.*\}})? (\S+)$", fetched("/metrics"), re.MULTILINE)
    return float(found[1]) if found else None


@pytest.fixture(scope="module")
def guarded(dockerd: Dockerd) -> Iterator[str]:
    """A container that may be restarted."""
    options = ["--memory", "60m", "--memory-swap", "60m", "--name", "guarded", "--stop-timeout", "1"]
    yield dockerd.load("anon", 30, options=[*options, "--label", "brimline.restart=true"])
    dockerd.cli("rm", "--force", "guarded")


@pytest.fixture(scope="module")
def unit(dockerd: Dockerd, guarded: str) -> Iterator[None]:
    """The unit, installed and started by the documentation's own commands."""
    assert guarded
    PLACE.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", BUILT, PLACE)
    beside = Path("/etc/systemd/system/brimline.service.d/here.conf")
    beside.parent.mkdir(parents=True)
    beside.write_text(HERE.format(url=dockerd.url))
    SETTINGS.parent.mkdir(parents=True, exist_ok=True)
    SETTINGS.write_text("start_period: 1s\n")
    install = ["sh", "-ec", commands("install -m 644 ")]
    done = subprocess.run(install, cwd=ROOT, capture_output=True, text=True, check=False)
    status = subprocess.run(
        ["systemctl", "status", "--no-pager", "brimline"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + status.stdout
    yield
    run("systemctl", "disable", "--now", "brimline")
    assert shown("Result") == "success"
    run("umount", PLACE)


@pytest.mark.usefixtures("unit")
def test_it_is_ready_when_it_started_and_bound_as_the_unit_says() -> None:
    assert (shown("ActiveState"), shown("SubState"), shown("Type")) == ("active", "running", "notify")
    assert fetched("/-/ready"), "systemd was told so before"
    process = Path("/proc", shown("MainPID"))
    status = (process / "status").read_text()
    caps = {name: int(value, 16) for name, value in re.findall(r"^Cap(\w+):\s+(\w+)$", status, re.MULTILINE)}
    assert (caps["Eff"], caps["Bnd"]) == (POWERS, POWERS)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert (process / "oom_score_adj").read_text() == "-900\n"
    group = Path("/sys/fs/cgroup/system.slice/brimline.service")
    assert int((group / "memory.max").read_text()) == 128 * MIB
    assert stat.S_IMODE(STATE.stat().st_mode) == 0o700
    assert any(STATE.iterdir()), "the journal"


@pytest.mark.usefixtures("unit")
def test_systemd_calls_the_running_unit_little_exposed() -> None:
    told = run("systemd-analyze", "security", "--no-pager", "brimline.service")
    level = re.search(r"Overall exposure level for brimline.service: ([\d.]+)", told)
    assert level is not None
    assert float(level[1]) <= 3.0, told


@pytest.mark.usefixtures("unit")
def test_behind_all_its_walls_it_measures_and_restarts(dockerd: Dockerd) -> None:
    def page_has(pattern: str) -> bool:
        return re.search(f"^{pattern}", fetched("/metrics"), re.MULTILINE) is not None

    ratio = r'brimline_container_memory_used_ratio\{container="guarded"'
    wait_until(lambda: page_has(ratio), "the container is measured", PATIENCE)
    for told in (
        r'brimline_source_info\{.*mode="cgroupfs".*source="docker"',
        r'brimline_source_info\{.*events="event".*source="cgroup"',
        r'brimline_cgroup_memory_used_ratio\{cgroup="system.slice/brimline.service"',
        "brimline_journal_up 1",
    ):
        assert page_has(told), told
    before = dockerd.inspect("guarded")["State"]["StartedAt"]
    run(PLACE / "bin/brimline", "restart", "guarded")
    assert dockerd.inspect("guarded")["State"]["StartedAt"] > before


@pytest.mark.usefixtures("unit")
def test_a_reload_takes_the_new_configuration_in() -> None:
    pid, reloaded = shown("MainPID"), "brimline_config_last_reload_success_timestamp_seconds"
    before = sample(reloaded)
    assert before is not None
    SETTINGS.write_text("start_period: 2s\n")
    run("systemctl", "reload", "brimline")
    wait_until(lambda: (sample(reloaded) or 0) > before, "it is read again", PATIENCE)
    assert shown("MainPID") == pid
    assert sample("brimline_config_last_reload_successful") == 1


@pytest.mark.usefixtures("unit")
def test_one_that_stands_still_is_started_anew() -> None:
    pid, heard = int(shown("MainPID")), shown("WatchdogTimestampMonotonic")
    wait_until(lambda: shown("WatchdogTimestampMonotonic") != heard, "its loop beats and systemd hears of it", PATIENCE)
    assert shown("NRestarts") == "0"
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: shown("NRestarts") == "1", "systemd has started it anew", PATIENCE)
    wait_until(lambda: fetched("/-/ready"), "it serves again", PATIENCE)
    assert int(shown("MainPID")) != pid
    assert shown("ActiveState") == "active"
