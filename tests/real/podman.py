"""A private Podman: its API socket, its own storage, memload in a busybox image; all of it removed at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from real import images
from real.loads import binary
from real.places import MissingPartError, end_process, wait_until

# runc, because crun refuses hybrid hosts; limits below the machine's own, or a container cannot start where the hard
# limit is low.
SETTINGS = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{directory}/tmp"
[containers]
netns = "none"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
"""
STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{directory}/graph"
runroot = "{directory}/run"
"""


class Podman:
    """One Podman with its API service."""

    def __init__(self) -> None:
        for program in ("podman", "runc"):
            if shutil.which(program) is None:
                raise MissingPartError(f"no {program}: apt-get install podman runc")
        if os.geteuid() != 0:
            raise MissingPartError("a private podman needs root")
        self.directory = Path(tempfile.mkdtemp(prefix="brimline-podman-"))
        for name, text in (("containers.conf", SETTINGS), ("storage.conf", STORAGE)):
            (self.directory / name).write_text(text.format(directory=self.directory))
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
        }
        self.socket = self.directory / "podman.sock"
        self.url = f"unix://{self.socket}"
        # conmon watches the container from where podman was called, and leaves a file "oom" there after a kill.
        self._service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", self.url],
            cwd=self.directory,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.socket.exists, "podman's socket", 30)
        self._import()

    def cli(self, *arguments: object) -> str:
        """Run podman; return what it printed."""
        done = subprocess.run(
            ["podman", *map(str, arguments)],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"podman {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout.strip()

    def load(self, *steps: object, options: tuple[object, ...] = ()) -> str:
        """Run memload as the first process of a new container; return its id."""
        return self.cli("run", "--detach", "--network", "none", *options, images.BUSYBOX, "/bin/memload", *steps)

    def close(self) -> None:
        """Remove its containers and images, end its service, delete its storage."""
        self.cli("rm", "--force", "--all", "--time", "0")
        end_process(self._service.pid)
        self._service.wait()
        for mount in reversed([line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]):
            if mount.startswith(f"{self.directory}/"):
                subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.directory)
        for parent in Path("/sys/fs/cgroup").glob("*/libpod_parent"):
            if not any(child.is_dir() for child in parent.iterdir()):
                parent.rmdir()

    def _import(self) -> None:
        archive = images.busybox_archive()
        assert binary().exists()
        self.cli("import", archive, images.BUSYBOX)
