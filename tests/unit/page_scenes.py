"""Ticks for the pages: containers with a past, what fires, what was decided and done, and a Face that shows them."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from brimline.config import Config
from brimline.deeds import Decision, Entry, EntryKind, Pause, Verdict
from brimline.errors import JournalError
from brimline.journal.hours import Key
from brimline.journal.lines import Wanted
from brimline.journal.minutes import Trace
from brimline.members import Member, Members
from brimline.metrics.self import SelfMetrics
from brimline.model import (
    SUBJECT_LABELS,
    Alert,
    AlertKey,
    Column,
    Diagnosis,
    Kind,
    Level,
    Metric,
    MetricKind,
    Now,
    Phase,
    Snapshot,
    SourceReport,
    SourceStatus,
    Subject,
)
from brimline.policy.served import BUDGET
from brimline.rules.terms import Levels, RuleSet
from brimline.view import View
from unit.cli_views import GIB, HOST, MIB, alert, container, group, thresholds

AT = 1_700_000_000.0
UP = SourceStatus("docker", up=True, seconds=0.0012, error=None, errors_total=0, info={"mode": "cgroupfs"})
CGROUP = SourceStatus("cgroup", up=True, seconds=0.0034, error=None, errors_total=0, info={"version": "2"})
Values = Mapping[str, float]


@dataclass
class PastOf:
    """A journal made of plain values."""

    entries: Sequence[Entry] = ()
    hours: Mapping[Key, Trace] = field(default_factory=dict)
    up: bool = True
    why: str = ""
    broken: str = ""

    def hour(self) -> Mapping[Key, Trace]:
        return self.hours

    def lines(self, wanted: Wanted) -> tuple[Entry, ...]:
        if self.broken:
            raise JournalError(self.broken)
        found = [
            entry
            for entry in self.entries
            if (not wanted.kinds or entry.kind in wanted.kinds)
            and (wanted.since is None or entry.at.wall >= wanted.since)
            and (wanted.name is None or (entry.subject is not None and entry.subject.name == wanted.name))
        ]
        return tuple(found[: wanted.limit])


@dataclass
class Scenery:
    """What one tick sees."""

    values: dict[Subject, Values] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    diagnoses: dict[Subject, Diagnosis] = field(default_factory=dict)
    failed: dict[Subject, str] = field(default_factory=dict)
    chains: dict[Subject, tuple[Level, ...]] = field(default_factory=dict)
    levels: dict[Subject, tuple[float, float]] = field(default_factory=dict)
    sources: tuple[SourceStatus, ...] = (UP, CGROUP)
    pauses: tuple[Pause, ...] = ()
    dry_run: bool = False
    past: PastOf | None = field(default_factory=PastOf)

    def add(self, subject: Subject, ratio: float, limit: float = 4 * GIB, **more: float) -> Scenery:
        """Add a subject that uses this share of its limit."""
        used = ratio * limit
        held = {"memory_used_ratio": ratio, "memory_limit_bytes": limit, "memory_used_bytes": used, "limited": 1}
        self.values[subject] = {**held, **more}
        return self

    def remember(self, subject: Subject, shares: Iterable[float], limit: float = 4 * GIB) -> Scenery:
        """Add its last hour, a share of the limit a minute."""
        used = [int(share * limit) >> 12 for share in shares]
        first = int(AT // 60) - len(used)
        minutes = tuple(range(first, first + len(used)))
        trace = Trace(minutes, tuple(used), tuple(array("I", [int(limit) >> 12] * len(used))))
        past = self.past or PastOf()
        self.past = replace(past, hours={**past.hours, (str(subject.kind), subject.name, subject.labels): trace})
        return self

    def write(self, *entries: Entry) -> Scenery:
        """Add lines of the journal."""
        past = self.past or PastOf()
        self.past = replace(past, entries=sorted([*entries, *past.entries], key=lambda e: -e.at.wall))
        return self

    def view(self) -> View:
        """Return it as the engine would publish it."""
        names = {measure for values in self.values.values() for measure in values}
        columns = []
        for kind in Kind:
            for measure in sorted(names):
                held = {s: v[measure] for s, v in self.values.items() if s.kind is kind and measure in v}
                name = BUDGET.name if measure == "budget" else f"brimline_{kind}_{measure}"
                metric = Metric(name, "", MetricKind.GAUGE, SUBJECT_LABELS[kind])
                if held:
                    columns.append(Column(metric, tuple(held), list(held.values())))
            own = {s: v for s, v in self.levels.items() if s.kind is kind}
            if own:
                columns.append(thresholds(kind, own))
        report = SourceReport("test", tuple(columns), 0.0, failed=self.failed, chains=self.chains)
        snapshot = Snapshot(Now(AT, 1000.0), (report, SourceReport("derived", (), diagnoses=self.diagnoses)))
        return View(
            snapshot,
            self.sources,
            42,
            0.0042,
            b"",
            tuple(self.alerts),
            (0.8, 0.85),
            tuple(self.decisions),
            self.pauses,
            self.dry_run,
        )


class Shown:
    """A Face that shows one view."""

    config = Config()
    rules = RuleSet((), Levels())

    def __init__(self, scenery: Scenery) -> None:
        self.self_metrics = SelfMetrics()
        self.next_tick = asyncio.Event()
        self.view: View | None = scenery.view()
        self.past = scenery.past
        self.is_fresh = True
        self.processes: Members | None = None

    @property
    def ready(self) -> bool:
        return self.view is not None

    def fresh(self) -> bool:
        return self.is_fresh

    def show(self, scenery: Scenery) -> None:
        """Tick."""
        ticks = 0 if self.view is None else self.view.ticks
        self.view, self.past = replace(scenery.view(), ticks=ticks + 1), scenery.past
        tick, self.next_tick = self.next_tick, asyncio.Event()
        tick.set()

    async def members(self, _: Subject) -> Members | None:
        return self.processes

    async def reload(self) -> list[str]:
        return []


def decision(subject: Subject, verdict: Verdict, reason: str, action: str = "restart") -> Decision:
    key = AlertKey("group/InferenceMemoryCritical", subject.kind, subject.name, subject.labels)
    return Decision("d1", Now(AT, 1000.0), action, subject, verdict, reason, key, "InferenceMemoryCritical")


def entry(kind: EntryKind, subject: Subject | None, text: str, ago: float, action: str = "", **facts: object) -> Entry:
    return Entry(kind, Now(AT - ago, 1000.0 - ago), text, subject, action, "d1", facts, seq=int(AT - ago))  # type: ignore[arg-type] # facts of any type


def restarted(subject: Subject, ago: float, before: int, after: int, *, ok: bool = True) -> Entry:
    fate = "done" if ok else "failed"
    text = (
        f"restart of {subject.name} {fate}: it is healthy again after 3.2s"
        if ok
        else (f"restart of {subject.name} {fate}: the engine did not answer within 40s")
    )
    return entry(
        EntryKind.OUTCOME,
        subject,
        text,
        ago,
        "restart",
        ok=ok,
        fate=fate,
        before_bytes=before,
        after_bytes=after,
        freed_bytes=before - after,
        downtime=3.2,
    )


def shop() -> Scenery:
    """Three containers, a group and the host: one is critical and was restarted, one leaks, one is well."""
    whisper, translator, embedder = (container(n, "shop", n) for n in ("whisper-bot", "translator", "embedder"))
    found = Scenery()
    found.add(
        whisper,
        0.912,
        GIB,
        **_parts(0.912 * GIB, 0.2 * GIB),
        restarts_total=2,
        budget=1,
        memory_oom_kills_total=1,
        memory_available_bytes=0.08 * GIB,
    )
    found.add(
        translator,
        0.61,
        1.5 * GIB,
        **_parts(0.61 * 1.5 * GIB, 0.1 * GIB),
        restarts_total=0,
        budget=3,
        memory_time_to_limit_seconds=2520,
    )
    found.add(embedder, 0.17, GIB, **_parts(0.17 * GIB, 0.74 * GIB), restarts_total=0, budget=3)
    found.add(HOST, 0.42, 16 * GIB)
    bot = group("soroka-bot")
    found.add(bot, 0.47, 512 * MIB, memory_pss_bytes=0.47 * 512 * MIB, memory_rss_bytes=0.5 * 512 * MIB)
    found.remember(whisper, [0.5 + 0.4 * (m % 30) / 30 for m in range(60)], GIB)
    found.remember(translator, [0.3 + 0.3 * m / 60 + 0.03 * math.sin(m) for m in range(60)], 1.5 * GIB)
    found.remember(embedder, [0.17 + 0.01 * (m % 2) for m in range(20)], GIB)
    found.alerts.append(alert(whisper, "InferenceMemoryCritical", phase=Phase.FIRING, value=0.912))
    found.alerts.append(
        alert(translator, "InferenceMemoryLeak", "warning", phase=Phase.PENDING, value=2520, unit="seconds")
    )
    found.decisions.append(
        decision(whisper, Verdict.COOLDOWN, "the last restart ended 40s ago; the next is possible in 20s")
    )
    found.diagnoses[translator] = Diagnosis(
        "leaking", "Its floor keeps rising: 61.0 % of 1.50 GiB now, and at this rate a burst reaches the limit in 42m."
    )
    found.chains[whisper] = (
        Level("/system.slice/docker-1.scope", GIB, int(0.95 * GIB), int(0.912 * GIB)),
        Level("/system.slice", None, int(3 * GIB), int(2 * GIB)),
    )
    found.write(
        restarted(whisper, 1800, int(0.9 * GIB), int(0.5 * GIB)),
        restarted(whisper, 40, int(0.93 * GIB), int(0.91 * GIB)),
        entry(EntryKind.ALERT, whisper, "InferenceMemoryCritical fires on whisper-bot", 300),
        entry(EntryKind.REFUSED, embedder, "restart of embedder not taken (not_opted_in): label it", 5000, "restart"),
        entry(EntryKind.NOTE, None, "Brimline started", 9000),
    )
    return found


def crowd(count: int) -> Scenery:
    """Many services, some of them in trouble."""
    found = Scenery()
    for number in range(count):
        subject = container(f"service-{number}", f"project-{number % 40}", f"web-{number}")
        ratio = (number * 37 % 1000) / 1100
        found.add(subject, ratio, **_parts(ratio * 4 * GIB, 0.05 * 4 * GIB), restarts_total=number % 3, budget=3)
        found.remember(subject, [ratio * (0.8 + 0.2 * math.sin(m / 7 + number)) for m in range(60)])
        found.diagnoses[subject] = Diagnosis("ok", f"It holds {ratio:.0%}, and does not leak.")
        if ratio > 0.85:
            found.alerts.append(alert(subject, "InferenceMemoryCritical", phase=Phase.FIRING, value=ratio))
            found.decisions.append(
                decision(subject, Verdict.NOT_OPTED_IN, "not opted in: label it brimline.restart=true")
            )
    found.add(HOST, 0.42, 64 * GIB)
    return found


def _parts(used: float, cache: float) -> Values:
    return {
        "memory_usage_bytes": used + cache,
        "memory_working_set_bytes": used + cache / 2,
        "memory_anon_bytes": used * 0.7,
        "memory_shmem_bytes": used * 0.2,
        "memory_kernel_bytes": used * 0.05 + cache * 0.1,
        "memory_slab_reclaimable_bytes": cache * 0.1,
        "memory_file_bytes": cache + used * 0.2,
    }


def members() -> Members:
    found = (Member(4711, "python3", 700 * MIB, 640 * MIB), Member(4720, "ffmpeg", 90 * MIB, None))
    return Members(AT - 3, found, 2)
