"""The container images of the tests, made from this machine's own parts: no registry is asked."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from real.loads import binary
from real.places import CACHE, MissingPartError

BUSYBOX = "busybox:local"
PYTHON = "python:local"
SETTINGS = {
    BUSYBOX: ("CMD /bin/sh", "ENV PATH=/bin"),
    PYTHON: ("CMD /bin/bash", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
}
APPLETS = (
    "sh",
    "sleep",
    "cat",
    "dd",
    "true",
    "false",
    "ls",
    "ps",
    "httpd",
    "echo",
    "kill",
    "mkdir",
    "rm",
    "grep",
    "wc",
)


def _static_busybox() -> Path:
    program = shutil.which("busybox")
    if program is None:
        raise MissingPartError("no busybox: apt-get install busybox-static")
    return Path(program)


def busybox_archive() -> Path:
    """Return a tar of busybox, a few of its names, and memload."""
    target = CACHE / "busybox.tar"
    load = binary()
    if target.exists() and target.stat().st_mtime > max(load.stat().st_mtime, Path(__file__).stat().st_mtime):
        return target
    fresh = target.with_suffix(f".{os.getpid()}")
    with tarfile.open(fresh, "w") as archive:
        for directory in ("bin", "tmp", "dev", "proc", "sys", "etc"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            archive.addfile(entry)
        archive.add(_static_busybox().resolve(), "bin/busybox")
        archive.add(load, "bin/memload")
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
        passwd = b"root:x:0:0:root:/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(passwd)
        archive.addfile(entry, io.BytesIO(passwd))
    return fresh.rename(target)


def python_archive() -> Path:
    """Return a tar of a minimal Debian with Python 3, of the release this machine runs."""
    target = CACHE / "python.tar"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(prefix="brimline-debootstrap-", dir=_cache()) as directory:
        root = Path(directory) / "root"
        _bootstrap(root, "--include=python3-minimal,python3-venv,python3-pip,ca-certificates")
        fresh = Path(directory) / "python.tar"
        subprocess.run(["tar", "-C", root, "--one-file-system", "-cf", fresh, "."], check=True)
        return fresh.rename(target)


def foreign_python(architecture: str) -> Path:
    """Return the root of a minimal Debian of another architecture with Python 3, unpacked and not set up."""
    target = CACHE / architecture
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(prefix="brimline-debootstrap-", dir=_cache()) as directory:
        root = Path(directory) / "root"
        _bootstrap(root, "--include=python3", "--foreign", f"--arch={architecture}")
        for package in (root / "var/cache/apt/archives").glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
            package.unlink()
        return root.rename(target)


def _bootstrap(root: Path, *options: str) -> None:
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise MissingPartError("no debootstrap: apt-get install debootstrap")
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    command = [program, "--variant=minbase", *options, release["VERSION_CODENAME"], str(root)]
    subprocess.run(command, check=True, capture_output=True)


def _cache() -> Path:
    CACHE.mkdir(exist_ok=True)
    return CACHE
