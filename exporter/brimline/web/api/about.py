"""What the API tells beside a view: rules, journal, status, orders, health. openapi.json is made of these classes."""

from __future__ import annotations

from pydantic import Field

from brimline.deeds import EntryKind
from brimline.model import Kind, Phase
from brimline.web.api.answers import DecisionAnswer
from brimline.web.api.fields import Answer, Condition, Labels, Number, Order, Size, Standing, Text


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
