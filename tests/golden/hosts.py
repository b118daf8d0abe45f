"""A captured host put before Brimline, and the whole page it serves of it."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brimline.app import App
from brimline.config import Config, Loaded
from fakes import FakeClock
from unit.fake_docker import FakeDocker

CAPTURED = Path(__file__).resolve().parents[1] / "fixtures" / "hosts"
# What differs from run to run and from machine to machine.
_TIMINGS = re.compile(r"(?:# (?:HELP|TYPE) )?(?:brimline_(?:source_read|tick)_duration|brimline_build_info|process_)")


@dataclass(frozen=True, slots=True)
class Host:
    """A directory as tools/capture-host writes it."""

    directory: Path

    @classmethod
    def copy_of(cls, name: str, to: Path) -> Host:
        """Return a captured host of one's own, to be changed."""
        shutil.copytree(CAPTURED / name, to)
        return cls(to)

    @property
    def taken(self) -> float:
        """Return when it was captured."""
        return float((self.directory / "taken").read_text())

    @property
    def engine(self) -> dict[str, Any]:
        """Return what its container engine answered."""
        answers: dict[str, Any] = json.loads((self.directory / "docker.json").read_text())
        return answers

    def read(self, name: str) -> str:
        """Return a file."""
        return (self.directory / name).read_text(errors="surrogateescape")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        target = self.directory / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(text.encode(errors="surrogateescape"))

    def cgroup(self, path: str) -> Path:
        """Return the directory of a v2 cgroup."""
        return self.directory / "cgroup" / path

    def move(self, cgroup: str, to: str, processes: str = "") -> None:
        """Move a v2 cgroup to another path; its processes into `processes` below it, where that is not empty."""
        old, new = self.cgroup(cgroup), self.cgroup(to)
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
        home = to
        if processes:
            home = f"{to}/{processes}"
            shutil.copytree(new, self.cgroup(home))
            (new / "cgroup.procs").write_text("")
        for pid in (self.cgroup(home) / "cgroup.procs").read_text().split():
            (self.directory / "proc" / pid / "cgroup").write_text(f"0::/{home}\n")


def page_of(host: Host, socket: Path | None = None, *, engine: str = "docker", **config: Any) -> str:  # noqa: ANN401 - its parts
    """Return the whole page after one tick; with `socket` an engine answers there as the host's did."""
    fake = FakeDocker(socket) if socket is not None else None
    docker: dict[str, Any] = {"enabled": False}
    if fake is not None:
        fake.version |= host.engine["version"] | {"Components": [{"Name": f"{engine} engine"}]}
        fake.containers = {record["Id"]: record for record in host.engine["containers"]}
        docker = {"host": fake.host}
    places = {"procfs": str(host.directory / "proc"), "cgroupfs": str(host.directory / "cgroup")}
    sources = {"docker": docker, **config.pop("sources", {})}
    whole = Config.model_validate({"path": places, "sources": sources, **config})
    try:
        return asyncio.run(_one_tick(whole, host.taken))
    finally:
        if fake is not None:
            fake.stop()
        gc.collect()  # the SDK leaves sockets to it


async def _one_tick(config: Config, at: float) -> str:
    clock = FakeClock()
    clock.wall = at
    loaded = Loaded(config, {}, None)
    app = App(loaded, lambda: loaded, {}, clock=clock)
    try:
        await app.first_look()
        view = app.tick()
        page = (view.page + app.self_metrics.render(openmetrics=False)).decode()
    finally:
        await app.close()
    return "".join(line for line in page.splitlines(keepends=True) if not _TIMINGS.match(line))
