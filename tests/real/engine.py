"""A private dockerd: data, sockets and containers in one temporary directory, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from real import images
from real.places import ROOT, MissingPartError, alive, end_process, pids_naming, wait_until

UNPRIVILEGED_NETWORK = (
    "--bridge",
    "none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-masq=false",
    "--ip-forward=false",
)
REMOVED_AT_ONCE = 10


def _programs() -> tuple[str, str]:
    """Return dockerd and the client beside it; a newer client on the PATH may refuse an older daemon."""
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    client = shutil.which("docker", path=f"/usr/bin:{os.environ.get('PATH', '')}")
    if os.geteuid() != 0:
        raise MissingPartError("dockerd needs root")
    if daemon is None or client is None:
        raise MissingPartError("no dockerd: apt-get install docker.io")
    return daemon, client


def python_here() -> list[str]:
    """Return options that let a container run this very Python (`sys.executable`), Brimline with it, at no cost."""
    wanted = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.base_prefix, sys.prefix, str(ROOT)}
    paths = sorted(path for path in wanted if Path(path).exists())
    nested = {path for path in paths if any(path != other and Path(path).is_relative_to(other) for other in paths)}
    return [part for path in paths if path not in nested for part in ("--volume", f"{path}:{path}:ro")]


class Dockerd:
    """One daemon. `url` is its socket, `cli` its own client; `kill` and `restart` are for tests of faults."""

    def __init__(
        self,
        *,
        data_root: Path | None = None,
        cgroup_driver: str = "cgroupfs",
        cgroup_parent: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._daemon, self._client = _programs()
        self.directory = Path(tempfile.mkdtemp(prefix="brimline-dockerd-"))
        self.data_root = data_root or self.directory / "data"
        self.socket = self.directory / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        (self.directory / "daemon.json").write_text("{}")  # or the machine's own /etc/docker/daemon.json is read
        parent = ["--cgroup-parent", cgroup_parent] if cgroup_parent else []
        self._options = [*UNPRIVILEGED_NETWORK, "--exec-opt", f"native.cgroupdriver={cgroup_driver}", *parent, *options]
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}

    def start(self) -> None:
        """Start it and wait for its first answer."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._daemon, "--config-file", str(self.directory / "daemon.json"), "--host", self.url),
                    *("--data-root", str(self.data_root), "--exec-root", str(self.directory / "exec")),
                    *("--pidfile", str(self.directory / "pid"), "--log-level", "warn", *self._options),
                ],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        try:
            wait_until(self._answers, "dockerd answers", 120)
        except (TimeoutError, RuntimeError) as error:
            raise RuntimeError(f"{error}\n{self.log()}") from error

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("dockerd ended before it answered")
        # A client is 40 ms of CPU: ask for the socket first.
        return self.socket.exists() and self._run("version").returncode == 0

    def kill(self) -> None:
        """Kill it with SIGKILL; its containers live on, as they do when a real one crashes."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)
        # The kernel kills its containerd with it (Pdeathsig). Where PID 1 reaps no orphans that stays a zombie, which
        # the next dockerd takes for a running containerd.
        containerd = self.directory / "exec/containerd/containerd.pid"
        if containerd.exists():
            wait_until(lambda: not alive(int(containerd.read_text())), "containerd gone with its dockerd")
            containerd.unlink()
        (self.directory / "pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Bring it back after `kill`, or stop and start it."""
        if self.running():
            assert self._process is not None
            self._process.terminate()
            self._process.wait(30)
        self.start()

    def running(self) -> bool:
        """Say whether the daemon itself lives."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Remove its containers, end all it started, unmount and delete what is left; a second call does nothing."""
        if not self.directory.exists():
            return
        if self._process is not None and not self.running():
            self.start()  # only a daemon can end the containers of a dead one
        if self.running():
            assert self._process is not None
            self.remove_containers()
            self._process.terminate()
            self._process.wait(30)
        for pid in pids_naming(str(self.directory)):
            end_process(pid)
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed(mounts):
            if mount.startswith(f"{self.directory}/"):
                subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.directory)

    def log(self) -> str:
        """Return what the daemon has logged."""
        return (self.directory / "log").read_text()

    def _run(self, *arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [self._client, "--host", self.url, *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, env=self._environment, check=False)

    def cli(self, *arguments: object, stdin: bytes | None = None) -> str:
        """Run the docker client; return what it printed, raise with its own words when it failed."""
        done = self._run(*arguments, stdin=stdin)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(map(str, arguments))}: {done.stderr.decode().strip()}")
        return done.stdout.decode().rstrip("\n")

    def inspect(self, container: str) -> Mapping[str, Any]:
        """Return the daemon's whole record of a container."""
        record: Mapping[str, Any] = json.loads(self.cli("inspect", container))[0]
        return record

    def pid(self, container: str) -> int:
        """Return the host's number of the container's first process, 0 when it is not running."""
        return int(self.inspect(container)["State"]["Pid"])

    def told_oom(self, container: str) -> bool:
        """Tell whether the daemon has told of an OOM kill in it; a busy one may not of one that dies as it starts."""
        return self.told("oom", container)

    def told(self, event: str, container: str) -> bool:
        """Tell whether the daemon has told of such an event of the container."""
        filters = ("--filter", f"event={event}", "--filter", f"container={container}")
        return bool(self.cli("events", "--since", "10m", "--until", time.time(), *filters))

    def load(self, *steps: object, options: Sequence[object] = (), ready: bool = True) -> str:
        """Run memload as the first process of a new container and return its id once it says `ready`."""
        container = self.cli("run", "--detach", "--network", "none", *options, self.busybox, "memload", *steps)
        if ready:
            self.wait_for_line(container, "ready")
        return container

    def wait_for_line(self, container: str, line: str, seconds: float = 30) -> None:
        """Wait until the container has printed the line."""
        record = self.inspect(container)

        def printed() -> bool:
            log = Path(record["LogPath"])
            if log.exists() and any(json.loads(entry)["log"] == f"{line}\n" for entry in log.read_text().splitlines()):
                return True
            if not alive(record["State"]["Pid"]) and not self.inspect(container)["State"]["Running"]:
                raise RuntimeError(f"the container ended before it printed {line!r}: {self.cli('logs', container)}")
            return False

        wait_until(printed, f"{line!r} from {container[:12]}", seconds)

    def remove_containers(self) -> None:
        """Remove every container, running or not.

        A few at once: of a hundred that end together the daemon misses some ends, and waits for them for ever.
        """
        containers = self.cli("ps", "--all", "--quiet").split()
        for first in range(0, len(containers), REMOVED_AT_ONCE):
            self.cli("rm", "--force", "--volumes", *containers[first : first + REMOVED_AT_ONCE])

    @property
    def busybox(self) -> str:
        """An image of busybox with /bin/memload in it, imported on first use."""
        return self._image(images.BUSYBOX, images.busybox_archive)

    @property
    def python(self) -> str:
        """An image of this Debian with its own Python 3, made by debootstrap once and kept in the cache (a minute)."""
        return self._image(images.PYTHON, images.python_archive)

    def _image(self, name: str, archive: Callable[[], Path]) -> str:
        if self._run("image", "inspect", name).returncode:
            changes = [part for change in images.SETTINGS[name] for part in ("--change", change)]
            self.cli("import", *changes, archive(), name)
        return name
