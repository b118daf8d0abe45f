"""What the API answers with: the one definition of every field, from which openapi.json is made too.

A moment is seconds since the epoch, a size bytes, a ratio 0.85 for 85 %; null is what is not known or not there.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from brimline.deeds import EntryKind, Verdict
from brimline.journal.rows import clean
from brimline.model import Kind, Phase
from brimline.standing import State


class Standing(StrEnum):
    """How a target stands against its own levels, or that it does not run."""

    NORMAL = State.NORMAL
    WARNING = State.WARNING
    CRITICAL = State.CRITICAL
    UNKNOWN = State.UNKNOWN
    STOPPED = "stopped"


class Condition(StrEnum):
    """Whether a target should get requests."""

    OK = "ok"
    STARTING = "starting"  # its start period is not over
    FAILING = "failing"  # a rule that restarts fires
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Order(StrEnum):
    """What may be asked for."""

    RESTART = "restart"
    CLEANUP = "cleanup"
    PAUSE = "pause"
    RESUME = "resume"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _whole(value: float | None) -> int | None:
    return round(value) if value is not None and math.isfinite(value) else None


Text = Annotated[str, BeforeValidator(clean)]
Number = Annotated[float | None, BeforeValidator(_finite)]
Size = Annotated[int | None, BeforeValidator(_whole)]
Labels = dict[Text, Text]


class Answer(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class DiagnosisAnswer(Answer):
    """What is the matter with a target, and why."""

    name: str
    sentence: Text


class TargetAnswer(Answer):
    """One target's memory in one line."""

    kind: Kind
    name: Text
    labels: Labels
    state: Standing
    ratio: Number
    """Used against the limit, as the rules see it; swap counts."""
    used_bytes: Size
    limit_bytes: Size
    """The least limit that holds for it; the host's memory where it has none."""
    limited: bool
    """Whether it has a limit of its own or above it."""
    alert_at: float
    restart_at: float
    reason: Text
    """Why it is unknown, or how it ended; else empty."""
    diagnosis: DiagnosisAnswer | None
    time_to_limit_seconds: Number
    """Of what leaks."""
    restarts_left: Size
    """Restarts that the budgets still allow within this hour."""
    firing: tuple[Text, ...]
    """Names of the alerts that fire for it."""
    paused: bool
    """Whether a pause holds for it; maintenance windows are not pauses."""


class AlertAnswer(Answer):
    """An alert that is pending or firing."""

    alertname: Text
    rule: Text
    """The rule's name: no two share it."""
    kind: Kind
    name: Text
    labels: Labels
    """As Prometheus would have them."""
    annotations: Labels
    state: Phase
    since: float
    """When this state began."""
    value: Number
    threshold: Number
    unit: str
    """Of both; empty where the rule's alternatives have several."""
    known: bool
    """False while its source fails: the state is the last one known."""
    actions: tuple[str, ...]


class DecisionAnswer(Answer):
    """What policy says of one action on one target."""

    id: Text
    at: float
    action: str
    kind: Kind
    name: Text
    verdict: Verdict
    reason: Text
    rule: Text
    """Empty where a person or another tool asks."""
    alertname: Text
    severity: Text
    episode: Text
    """Which firing of the alert, or the id of the request."""
    caller: Text
    service: Text


class LevelAnswer(Answer):
    """One cgroup of the chain from a target up to the host."""

    path: Text
    limit_bytes: Size
    usage_bytes: Size
    used_bytes: Size


class SpreadAnswer(Answer):
    """How one value moved."""

    least: int
    average: int
    greatest: int


class SampleAnswer(Answer):
    """One minute."""

    at: int
    seconds: int
    used: SpreadAnswer | None
    usage: SpreadAnswer | None
    limit: SpreadAnswer | None


class ContainerAnswer(Answer):
    """What the engine says of a container."""

    id: Text
    image: Text
    status: Text
    health: Text
    """healthy, unhealthy or starting; empty without a health check."""
    started: float
    """0: never."""
    restart_policy: Text


class TargetDetail(TargetAnswer):
    """Everything about one target."""

    measures: dict[str, Number]
    """Every measure of it, by the name that rules use."""
    chain: tuple[LevelAnswer, ...]
    """Its cgroups, from its own upwards."""
    container: ContainerAnswer | None
    alerts: tuple[AlertAnswer, ...]
    decisions: tuple[DecisionAnswer, ...]
    history: tuple[SampleAnswer, ...]
    """The last hour by the minute, whatever the incarnation."""


class Targets(Answer):
    """The targets at one moment, the worst first."""

    at: float
    targets: tuple[TargetAnswer, ...]


class Target(Answer):
    """One target at one moment."""

    at: float
    target: TargetDetail


class Alerts(Answer):
    """The alerts at one moment, the most urgent first."""

    at: float
    alerts: tuple[AlertAnswer, ...]


class Decisions(Answer):
    """What policy says at one moment of everything that is asked for; the past is in the journal."""

    at: float
    decisions: tuple[DecisionAnswer, ...]


class RuleAnswer(Answer):
    """One rule."""

    name: Text
    group: Text
    alert: Text
    kind: Kind
    where: Labels
    """Patterns by label."""
    when: Text
    clear: Text | None
    for_seconds: float
    keep_firing_seconds: float
    severity: Text
    labels: Labels
    annotations: Labels
    """As they are written, with their placeholders."""
    actions: tuple[str, ...]
    source: Text
    """File and line."""


class Rules(Answer):
    """The rules in force, in the order of their files."""

    alert_at: float
    """The level of what has none of its own."""
    restart_at: float
    rules: tuple[RuleAnswer, ...]


class SubjectAnswer(Answer):
    """Whom a line of the journal is about."""

    kind: Kind
    name: Text
    labels: tuple[Text, ...]
    uid: Text
    """The incarnation."""


class EntryAnswer(Answer):
    """One line of the journal."""

    seq: int
    at: float
    kind: EntryKind
    text: Text
    subject: SubjectAnswer | None
    action: Text
    decision_id: Text
    facts: dict[Text, bool | int | float | Text | None]


class Journal(Answer):
    """A page of the journal, the newest line first."""

    entries: tuple[EntryAnswer, ...]
    next: str | None
    """The cursor of the next page; null at the end."""


class SourceAnswer(Answer):
    """A source's health."""

    source: Text
    up: bool
    seconds: float
    """How long it took to read."""
    error: Text | None
    errors_total: int
    info: Labels


class PauseAnswer(Answer):
    """A pause in force."""

    glob: Text
    """Empty: everything."""
    at: float
    until: Number
    """Null: until it is resumed."""
    caller: Text


class JournalState(Answer):
    """How the journal fares."""

    up: bool
    why: Text
    """Why nothing can be written; else empty."""


class Status(Answer):
    """How Brimline itself fares."""

    version: str
    at: Number
    """When everything was read last; null before the first time."""
    ticks: int
    tick_seconds: float
    interval_seconds: float
    fresh: bool
    """Whether it still reads: false once nothing was read for three intervals."""
    ready: bool
    dry_run: bool
    actions_enabled: bool
    """Whether this API may change anything."""
    journal: JournalState | None
    sources: tuple[SourceAnswer, ...]
    pauses: tuple[PauseAnswer, ...]
    targets: dict[Standing, int]
    """How many stand how; empty while nothing is known."""
    alerts: dict[Phase, int]
    """How many are pending and firing."""


class ConfigAnswer(Answer):
    """The configuration in force, secrets hidden."""

    config: dict[str, object] = Field(json_schema_extra={"additionalProperties": True})
    """As `brimline config schema` describes it."""


class Asked(Answer):
    """What was asked for."""

    request: Text | None
    """Its id, the episode of the decision in the journal; null for a pause and its end."""
    action: Order
    kind: Kind
    name: Text
    dry_run: bool
    caller: Text
    decision: DecisionAnswer | None
    """What policy said, where it was waited for and came in time."""


class ViewEvent(Answer):
    """The data of the event `view`."""

    tick: int
    at: Number
    fresh: bool


class HealthTarget(Answer):
    """One target behind a name."""

    kind: Kind
    name: Text
    status: Condition
    used_bytes: Size
    limit_bytes: Size
    ratio: Number
    restart_at: float
    alerts: tuple[Text, ...]
    """Names of the firing alerts that ask for a restart."""


class Health(Answer):
    """Whether what has this name should get requests."""

    name: Text
    status: Condition
    sentence: Text
    at: Number
    targets: tuple[HealthTarget, ...]
