"""A dockerd in a network of its own, and the compose that can be had against it.

Bridges, published ports and names work there without a rule of this machine's firewall being read or written.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from real.engine import Dockerd
from real.places import ROOT, MissingPartError

PROJECT = "shop"
CLONE_NEWNET = 0x40000000  # os.setns comes with Python 3.12
SCRIPT = """#!/bin/sh
exec unshare --net sh -c 'ip link set lo up; exec "$0" "$@"' {daemon} "$@"
"""


class Walled(Dockerd):
    """A dockerd whose containers reach each other and nothing else, and which builds with the plain builder."""

    def __init__(self) -> None:
        super().__init__()
        script = self.directory / "dockerd"
        script.write_text(SCRIPT.format(daemon=self._daemon))
        script.chmod(0o755)
        self._daemon = str(script)
        self._inside: ThreadPoolExecutor | None = None
        self._environment["DOCKER_BUILDKIT"] = "0"  # the other one wants a plug-in that Debian has not

    def start(self) -> None:
        """Start it, and a thread within its network that asks what is published there."""
        super().start()
        assert self._process is not None
        self._inside = ThreadPoolExecutor(1, initializer=_enter, initargs=(self._process.pid,))

    def close(self) -> None:
        """End the thread too."""
        super().close()
        if self._inside is not None:
            self._inside.shutdown()

    def fetch(self, url: str) -> str:
        """Return what a page of its network says; "" where nobody answers."""
        assert self._inside is not None
        return self._inside.submit(_fetch, url).result()


def _enter(pid: int) -> None:
    """Move this thread into the network of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{pid}/ns/net").open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def _fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


class Compose:
    """A compose file as one project on a dockerd: that of the repository, or another."""

    def __init__(self, engine: Walled, file: Path = ROOT / "docker-compose.yml", project: str = PROJECT) -> None:
        program = shutil.which("docker-compose")
        if program is None:
            raise MissingPartError("no docker-compose: apt-get install docker-compose")
        self._engine = engine
        self._project = project
        self._command = [program, "--profile", "demo", "--project-name", project, "--file", str(file)]
        self._environ = {
            "PATH": os.environ["PATH"],
            "DOCKER_HOST": engine.url,
            "DOCKER_SOCKET": str(engine.socket),
            "GRAFANA_PASSWORD": "not-used-here",
            "BRIMLINE_OOM_SCORE_ADJ": "0",  # a test's machine may be a sandbox where nobody may lower it
        }

    def run(self, *arguments: str) -> str:
        """Run compose; return what it printed, raise with its own words when it failed."""
        command = [*self._command, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environ, check=False)
        if done.returncode:
            raise RuntimeError(f"docker-compose {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        labels = (f"label=com.docker.compose.{key}" for key in (f"project={self._project}", f"service={service}"))
        filters = [part for label in labels for part in ("--filter", label)]
        return self._engine.cli("ps", "--all", "--quiet", "--no-trunc", *filters)

    def logs(self, service: str) -> str:
        """Return what a service wrote."""
        return self.run("logs", "--no-color", "--tail=100", service)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression yields in the stack's Prometheus."""
        told = self.get("/api/v1/query", query=expression)
        result: list[dict[str, Any]] = told["data"]["result"] if told else []
        return [(series["metric"], float(series["value"][1])) for series in result]

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 (JSON)
        """GET a path of its Prometheus and return its JSON; None where nobody answers."""
        told = self._engine.fetch(f"http://127.0.0.1:9090{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(told) if told else None
