"""`brimline check --oom`: what the kernel killed for want of memory, and who is protected from being the next."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

import click

from brimline.actions.base import Standing
from brimline.actions.cleanup import Cleanup
from brimline.actions.workers import Workers
from brimline.app import App
from brimline.cli import asking, table
from brimline.cli.check.oom_cover import GUARDED, Cover, Ground, covers
from brimline.cli.check.oom_kernel import Told, kernel
from brimline.cli.table import Cell, Heading
from brimline.config import Config
from brimline.endpoints import leans_on
from brimline.glance import observe
from brimline.httpclient import HttpClient
from brimline.kmsg import Bound, Kill
from brimline.leave import Leave, terms_of
from brimline.model import Container, Kind, Subject
from brimline.procfs import Procfs
from brimline.standing import Measures, matches, qualified, rows
from brimline.units import format_bytes
from brimline.view import View

_ID: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN: Final = 20  # kills
_KILLS: Final = (
    Heading("WHEN"),
    Heading("HELD", right=True),
    Heading("LIMIT", right=True),
    Heading("PROCESS"),
    Heading("OF"),
)
_COVERS: Final = (
    Heading("PROTECTED"),
    Heading("LIMIT", right=True),
    Heading("RULES DO"),
    Heading("LEAVE"),
    Heading("HOOK"),
    Heading("SWAP", right=True),
    Heading("NAME"),
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was killed, whose it was, and how each subject is covered."""

    told: Told
    whose: Mapping[Kill, str]  # `container/whisper`, or the cgroup as the kernel names it
    covers: Sequence[Cover]
    unmatched: Sequence[str]

    @property
    def code(self) -> int:
        """Return the exit status."""
        return 3 if self.unmatched else int(any(cover.gaps for cover in self.covers))


def report(config: Config, patterns: Sequence[str], environ: Mapping[str, str], *, as_json: bool) -> int:
    """Look once, print it, and return the exit status; raises BrimlineError where nothing could be read."""
    found = find(config, patterns, environ)
    if as_json:
        click.echo(json.dumps(as_data(found), indent=2))
    else:
        for line in as_text(found, table.width(), colour=table.coloured()):
            click.echo(line)
    return found.code


def find(config: Config, patterns: Sequence[str], environ: Mapping[str, str]) -> Findings:
    """Read everything once, and the kernel's log."""
    grounds: list[Ground] = []

    def ask(app: App) -> None:
        view = app.view
        if view is not None:
            grounds.append(_ground(app, view, config, environ))

    view = asyncio.run(observe(config, ask))
    measures = Measures(view)
    every = rows(measures)
    asked = [row for row in every if _is_asked(row.subject, patterns)]
    told = kernel()
    owner = Owners(grounds[0].containers, [row.subject for row in every])
    whose = {kill: owner(kill.victim) for kill in told.kills}
    if patterns:
        called = {qualified(row.subject) for row in asked}
        told = Told(tuple(k for k in told.kills if whose[k] in called), told.source, told.since, told.why)
    unmatched = [p for p in patterns if not any(matches(row.subject, p) for row in every)]
    return Findings(told, whose, covers(asked, measures, grounds[0]), unmatched)


def _is_asked(subject: Subject, patterns: Sequence[str]) -> bool:
    return any(matches(subject, p) for p in patterns) if patterns else subject.kind in GUARDED


def _ground(app: App, view: View, config: Config, environ: Mapping[str, str]) -> Ground:
    containers = view.snapshot.containers or {}
    directories = {target.subject: target.directories for target in app.targets()}
    workers = Workers(Procfs(config.path.procfs))
    ports = [port for _, port in config.web.addresses]
    cleanup = Cleanup(config.actions, http=HttpClient(), workers=workers, alert_at=lambda _: 0.0, own_ports=ports)

    def hook(subject: Subject) -> tuple[str, str]:
        pids = app.pids(subject.name) if subject.kind is Kind.PROCESS else ()
        of = Standing(subject, pids=pids), containers.get(subject), directories.get(subject, {})
        lack = cleanup.lacks(*of)
        return ("", lack) if lack else (cleanup.reach(*of), "")

    measured = [row.subject for row in rows(Measures(view)) if row.subject.kind in GUARDED]
    leave = Leave(terms_of(config.actions), leans_on(config, environ))
    return Ground(app.rules.rules, leave, containers, {subject: hook(subject) for subject in measured})


class Owners:
    """Tells whose a cgroup is, by the id of a container in its path or by the path of what is measured as a cgroup."""

    def __init__(self, containers: Mapping[Subject, Container], subjects: Sequence[Subject]) -> None:
        self._by_id = {container.id: qualified(subject) for subject, container in containers.items()}
        self._paths = {f"/{s.name.strip('/')}": qualified(s) for s in subjects if s.kind is Kind.CGROUP}

    def __call__(self, path: str) -> str:
        """Return the name."""
        found = _ID.findall(path)
        if found:
            return self._by_id.get(found[-1], f"gone: {found[-1][:12]}")
        while path and path != "/":
            if path in self._paths:
                return self._paths[path]
            path = path.rpartition("/")[0]
        return "not told" if not path else "no container or service"


def as_text(found: Findings, room: int, *, colour: bool) -> list[str]:
    """Return what people read."""
    lines = _kill_lines(found, room, colour=colour)
    lines += [f'nothing matches "{pattern}"' for pattern in found.unmatched]
    if not found.covers:
        return [*lines, "", "no container and no process group is measured: there is nobody to protect"]
    lines += ["", *table.render(_COVERS, [_cover_cells(cover) for cover in found.covers], room, colour=colour)]
    gaps = [f"{qualified(cover.subject)}: {gap}" for cover in found.covers for gap in cover.gaps]
    if gaps:
        lines += ["", "what is missing:"]
    for gap in gaps:
        lines += wrap(gap, room, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _kill_lines(found: Findings, room: int, *, colour: bool) -> list[str]:
    told = found.told
    if not told.source:
        refused = f"OOM kills before now are not known: {told.why}"
        return wrap(refused, room, subsequent_indent="  ", break_on_hyphens=False)
    back = "" if told.since is None else f", back to {asking.clock_time(told.since)}"
    counted = "1 OOM kill" if len(told.kills) == 1 else f"{len(told.kills) or 'no'} OOM kills"
    lines = [f"{counted} in the kernel's log ({told.source}{back})"]
    if told.kills:
        cells = [_kill_cells(kill, found.whose[kill]) for kill in reversed(told.kills[-_SHOWN:])]
        lines += ["", *table.render(_KILLS, cells, room, colour=colour)]
    if len(told.kills) > _SHOWN:
        lines.append(f"and {len(told.kills) - _SHOWN} earlier ones; --json has them all")
    return lines


def _kill_cells(kill: Kill, whose: str) -> list[Cell]:
    return [
        Cell(asking.clock_time(kill.wall)),
        Cell(format_bytes(kill.resident)),
        Cell(_bound(kill)),
        Cell(f"{kill.task} ({kill.pid})"),
        Cell(whose),
    ]


def _bound(kill: Kill) -> str:
    """Say whose memory was used up: `own 100 MiB`, `shared 2 GiB`, `the host's`."""
    match kill.bound:
        case Bound.HOST:
            return "the host's memory"
        case Bound.NODES:
            return "its memory nodes"
        case Bound.CGROUP:
            size = "" if kill.limit is None else f" {format_bytes(kill.limit)}"
            if not kill.limited:
                return f"a limit of{size}" if size else "a limit"
            return f"{'own' if kill.limited == kill.victim else 'shared'}{size}"


def _cover_cells(cover: Cover) -> list[Cell]:
    leave = "-" if cover.leave is None else "yes" if cover.allowed else str(cover.leave.verdict).replace("_", " ")
    return [
        Cell("no", "red") if cover.gaps else Cell("yes", "green"),
        Cell("none" if cover.limit is None else format_bytes(cover.limit)),
        Cell(", ".join(cover.actions) or "nothing"),
        Cell(leave),
        Cell("yes" if cover.hook else "no"),
        Cell(format_bytes(cover.swap) if cover.swap else "none"),
        Cell(qualified(cover.subject)),
    ]


def as_data(found: Findings) -> dict[str, object]:
    """Return the findings as JSON's types; times are seconds since the epoch."""
    told = found.told
    return {
        "kernel": {"source": told.source or None, "since": told.since, "error": told.why or None},
        "kills": [
            {
                "at": kill.wall,
                "pid": kill.pid,
                "task": kill.task,
                "resident_bytes": kill.resident,
                "bound": str(kill.bound),
                "limit_bytes": kill.limit,
                "limit_of": kill.limited or None,
                "cgroup": kill.victim or None,
                "of": found.whose[kill],
            }
            for kill in told.kills
        ],
        "subjects": [
            {
                "kind": str(cover.subject.kind),
                "name": cover.subject.name,
                "protected": not cover.gaps,
                "limit_bytes": cover.limit,
                "rules_do": list(cover.actions),
                "leave": None if cover.leave is None else {"verdict": cover.leave.verdict, "why": cover.leave.why},
                "hook": cover.hook or None,
                "swap_bytes": cover.swap,
                "missing": list(cover.gaps),
            }
            for cover in found.covers
        ],
        "unmatched": list(found.unmatched),
    }
