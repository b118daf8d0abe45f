"""Images of the names that the real files name, made from this machine's own programs: no registry is asked.

Prometheus, Alertmanager, Redis and HAProxy are the real ones of Debian; Grafana is only somebody who answers its health
check; Python is this Debian's, with the path of the official image.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from real import images, wheels
from real.engine import Dockerd
from real.places import ROOT, MissingPartError

LOCKS = ("requirements.txt", "requirements-build.txt", "demo/requirements.txt")
PYTHON = """
FROM {base}
COPY . /wheels
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
RUN ln -s /usr/bin/python3 /usr/local/bin/python3
"""
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Standin:
    """A program of a Debian package as an image: where it lies there, whose it is, and which directory it owns."""

    image: str  # its name, without the tag
    programs: Sequence[str]
    package: str
    places: Sequence[str]
    changes: Sequence[str]
    user: int = 0
    directory: str = ""
    more: Sequence[str] = ()  # further paths that it reads


STANDINS = (
    Standin(
        *("prom/prometheus", ["prometheus"], "prometheus", ["bin/prometheus"]),
        ['ENTRYPOINT ["/bin/prometheus"]', "USER 65534", "VOLUME /prometheus"],
        *(65534, "prometheus"),
    ),
    Standin(
        *("prom/alertmanager", ["prometheus-alertmanager"], "prometheus-alertmanager", ["bin/alertmanager"]),
        ['ENTRYPOINT ["/bin/alertmanager"]', "USER 65534", "VOLUME /alertmanager"],
        *(65534, "alertmanager", ["/usr/share/prometheus/alertmanager"]),
    ),
    Standin(
        *("redis", ["redis-server", "redis-cli"], "redis-server", ["usr/bin/redis-server", "usr/bin/redis-cli"]),
        [],
        *(999, "data"),
    ),
    Standin("haproxy", ["haproxy"], "haproxy", ["usr/sbin/haproxy"], ["USER 99"]),
)
GRAFANA = Standin("grafana/grafana", [], "", [], ["CMD httpd -f -p 3000 -h /www", "USER 472"], 472, "var/lib/grafana")


def make(engine: Dockerd) -> None:
    """Give the engine every image that the compose file and the Dockerfiles begin from."""
    tags = {name.rpartition(":")[0]: name for name in named()}
    engine.busybox  # noqa: B018 - imported on first use
    for standin in (*STANDINS, GRAFANA):
        changes = [part for change in (f"ENV {PATH}", *standin.changes) for part in ("--change", change)]
        engine.cli("import", *changes, "-", tags[standin.image], stdin=_archive(standin))
    with tarfile.open(images.python_archive()) as archive:
        linked = next(entry.linkname for entry in archive if entry.name == "./usr/bin/python3")
    folder = wheels.fetch(LOCKS, linked.removeprefix("python"))
    (folder / "Dockerfile").write_text(PYTHON.format(base=engine.python))
    (base,) = bases()
    engine.cli("build", "--tag", base, folder)


def named() -> list[str]:
    """Return the images that the compose file names and does not build."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    return [service["image"] for service in services if "build" not in service]


def bases() -> set[str]:
    """Return what the Dockerfiles begin from."""
    texts = [(ROOT / file).read_text() for file in ("Dockerfile", "demo/Dockerfile")]
    return {found for text in texts for found in re.findall(r"^ARG PYTHON=(\S+)$", text, re.MULTILINE)}


def _archive(standin: Standin) -> bytes:
    """Return busybox, the programs and the libraries they are linked to."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive, tarfile.open(images.busybox_archive()) as base:
        for entry in base:
            archive.addfile(entry, base.extractfile(entry) if entry.isfile() else None)
        wget = tarfile.TarInfo("bin/wget")
        wget.type, wget.linkname = tarfile.SYMTYPE, "busybox"
        archive.addfile(wget)
        _add(archive, "www/api/health", b"{}")
        programs = [_program(name, standin.package) for name in standin.programs]
        for program, place in zip(programs, standin.places, strict=True):
            archive.add(program, place)
        for library in {library for program in programs for library in _libraries(program)}:
            place = library if library.name.startswith("ld-") else Path("/lib") / library.name
            archive.add(library.resolve(), str(place).lstrip("/"))
        for path in standin.more:
            archive.add(path, path.lstrip("/"))
        if standin.directory:
            entry = tarfile.TarInfo(standin.directory)
            entry.type, entry.mode, entry.uid = tarfile.DIRTYPE, 0o755, standin.user
            archive.addfile(entry)
    return held.getvalue()


def _add(archive: tarfile.TarFile, place: str, content: bytes) -> None:
    entry = tarfile.TarInfo(place)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def _program(name: str, package: str) -> Path:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingPartError(f"no {name}: apt-get install {package}")
    return Path(found).resolve()


def _libraries(program: Path) -> list[Path]:
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]  # a static program has none
