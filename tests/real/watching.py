"""A Brimline that acts, seen from outside: its page, its journal, and what it asks of the engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from brimline import bundled
from brimline.cli import asking
from brimline.deeds import Entry, EntryKind
from brimline.journal.reading import open_reading
from real.engine import Dockerd
from real.recorder import Recorder
from real.sidecar import Sidecar

LIGHT = ("--sources.cgroups=brimline-test-none", "--no-sources.host", "--sources.presets=")
LABELLED = ("--label", "brimline.restart=true", "--label", "brimline.start-period=2s")


def quick_rules(directory: Path) -> str:
    """Return the flag of the bundled rules with a tenth of their patience."""
    file = directory / "quick.rules.yml"
    rules = bundled.text(bundled.RULES)
    tenth = re.sub(r"\bfor: (\d+)(s|m)\b", lambda f: f"for: {int(f[1]) * (60 if f[2] == 'm' else 1) * 100}ms", rules)
    file.write_text(tenth)
    return f"--rules={file}"


def settings(directory: Path, name: str, **more: object) -> str:
    """Return the flag of a configuration file; JSON is YAML."""
    file = directory / f"{name}.yml"
    actions = {"settle": "1s", **more.pop("actions", {})}  # type: ignore[dict-item] # a mapping
    file.write_text(json.dumps({"actions": actions, **more}))
    return f"--config.file={file}"


class Watching:
    """A Brimline that sees some containers only, through a socket that notes what it asks of the engine."""

    def __init__(self, engine: Dockerd, *flags: str, include: Sequence[str] = (), interval: str = "500ms") -> None:
        self.recorder = Recorder(engine.socket)
        chosen = [f"--sources.docker.include={name}" for name in include]
        host = f"--sources.docker.host={self.recorder.url}"
        try:
            self.sidecar = Sidecar(host, f"--interval={interval}", *LIGHT, *chosen, *flags)
        except BaseException:
            self.recorder.close()
            raise

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another verb of Brimline beside the daemon."""
        command = [sys.executable, "-m", "brimline", *arguments, f"--storage.path={self.sidecar.storage}"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def journal(self) -> list[Entry]:
        """Return its lines."""
        with closing(open_reading(self.sidecar.storage)) as connection:
            return [line.entry for line in asking.lines(connection, self.sidecar.storage, after=0)]

    def lines(self, kind: EntryKind, subject: str = "", **facts: object) -> list[Entry]:
        """Return the lines of one kind, of a subject, with these facts."""
        return [
            line
            for line in self.journal()
            if line.kind is kind and subject in {"", name_of(line)} and facts.items() <= line.facts.items()
        ]

    def close(self) -> None:
        """End both."""
        self.sidecar.close()
        self.recorder.close()


def name_of(line: Entry) -> str:
    """Return the name of what the line is about."""
    return line.subject.name if line.subject is not None else ""
