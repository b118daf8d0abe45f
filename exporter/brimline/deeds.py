"""Every noun of what is done: a decision, what became of it, what is remembered of it, and the journal's port.

Moments are of the clock that never jumps (`mono`), or wall time where they are shown (`at`); frozen, only look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from brimline.model import AlertKey, Now, Subject

NOTIFY: Final = "notify"  # what a rule's `do` says; the others are actions on a subject
RESTART: Final = "restart"
RECYCLE: Final = "recycle"
CLEANUP: Final = "cleanup"

Whose = tuple[str, tuple[str, ...]]  # name and labels: the same through every incarnation, another for another kind


class Verdict(StrEnum):
    """Why an action is taken or not; the list is closed."""

    RUN = "run"
    DRY_RUN = "dry_run"
    NOT_OPTED_IN = "not_opted_in"
    NOT_CONFIGURED = "not_configured"
    PROTECTED = "protected"
    ORCHESTRATED = "orchestrated"
    STOPPED = "stopped"
    START_PERIOD = "start_period"
    FIRST_SAMPLES = "first_samples"
    STALE_DATA = "stale_data"
    COOLDOWN = "cooldown"
    BUDGET_SUBJECT = "budget_subject"
    BUDGET_SERVICE = "budget_service"
    BUDGET_HOST = "budget_host"
    LAST_REPLICA = "last_replica"
    IN_FLIGHT = "in_flight"
    LOCKED = "locked"
    INEFFECTIVE = "ineffective"
    PAUSED = "paused"
    NO_JOURNAL = "no_journal"


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy says of one action on one subject, a refusal too."""

    id: str  # sorts by time; the same over a restart of Brimline
    at: Now
    action: str
    subject: Subject
    verdict: Verdict
    reason: str  # a sentence with its numbers
    key: AlertKey | None = None  # the alert that asks for it; None: a person or another tool
    alertname: str = ""
    severity: str = ""
    episode: str = ""  # which firing of the alert: the same as long as it goes on
    caller: str = "rule"  # or "cli NAME", "api NAME", "alertmanager NAME"
    service: str = ""  # project/service; "" where there is none
    image_id: str = ""
    limit: int = 0  # bytes as its owner set them; with the image: a change of either makes another service of it

    @property
    def rule(self) -> str:
        """Return the rule's name; empty where a person asks."""
        return self.key.rule if self.key is not None else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action, as the world shows it."""

    decision_id: str
    ok: bool
    detail: str  # a sentence
    started: float  # wall time
    ended: float
    before_bytes: int | None = None  # used just before
    after_bytes: int | None = None  # used after it settled
    downtime: float | None = None  # seconds from its stop to its being healthy, or running without a health check
    uid: str = ""  # the incarnation it left behind

    @property
    def freed_bytes(self) -> int | None:
        """Return how much less is used; negative where it is more, None where it is not known."""
        if self.before_bytes is None or self.after_bytes is None:
            return None
        return self.before_bytes - self.after_bytes


class Fate(StrEnum):
    """How far something that was begun has come."""

    INTENDED = "intended"  # committed, not concluded
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"  # Brimline ended in between and the world shows that it did not happen
    OBSERVED = "observed"  # somebody else's restart, seen by StartedAt


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of the past as budgets and cooldowns see it; it follows the name, through every incarnation."""

    id: str
    action: str
    name: str
    labels: tuple[str, ...]
    uid: str  # the incarnation it was done to
    service: str
    rule: str
    caller: str
    image_id: str
    limit: int
    began: float  # mono; negative: before this boot
    ended: float | None  # mono; None while it is under way
    fate: Fate
    before_bytes: int | None = None
    after_bytes: int | None = None
    relapsed: bool = False  # the rule's `when` held again within five minutes of its end
    episode: str = ""  # as in its Decision


def begun(decision: Decision) -> Deed:
    """Return the deed a decision becomes once it is begun, under way."""
    return Deed(
        id=decision.id,
        action=decision.action,
        name=decision.subject.name,
        labels=decision.subject.labels,
        uid=decision.subject.uid,
        service=decision.service,
        rule=decision.rule,
        caller=decision.caller,
        image_id=decision.image_id,
        limit=decision.limit,
        began=decision.at.mono,
        ended=None,
        fate=Fate.INTENDED,
        episode=decision.episode,
    )


def whose(of: Subject | Deed) -> Whose:
    """Return by what deeds follow a subject."""
    return of.name, of.labels


@dataclass(frozen=True, slots=True)
class Ledger:
    """What policy knows of the past, oldest first."""

    deeds: tuple[Deed, ...] = ()
    resumed: Mapping[str, float] = field(default_factory=dict)  # name ("" is all) -> mono of the last `resume`


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is done to what the glob names, or to anything where it is empty."""

    glob: str
    at: float  # wall time
    until: float | None  # wall time; None: until `resume`
    caller: str
    since: float = 0.0  # mono at which it was asked for
    seconds: float | None = None  # how long; counted by the clock that never jumps


@dataclass(frozen=True, slots=True)
class Request:
    """What a person or another tool asks for; it goes through policy like an alert."""

    id: str
    at: float  # wall time
    action: str
    name: str  # of a subject, as on the command line
    caller: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one target, until it is delivered."""

    id: str  # the same over retries
    target: str
    kind: str
    body: bytes
    created: float  # wall time
    tries: int = 0
    next_at: float = 0.0  # wall time before which it is not tried
    error: str = ""  # of the last try


class EntryKind(StrEnum):
    """What a line of the journal tells."""

    REFUSED = "refused"  # a decision that is not `run`, when it changed
    INTENT = "intent"
    OUTCOME = "outcome"
    OBSERVED = "observed"
    RELAPSED = "relapsed"
    ALERT = "alert"  # a change of phase
    PAUSED = "paused"
    RESUMED = "resumed"
    REQUESTED = "requested"
    NOTE = "note"  # started, stopped, reloaded, a file set aside
    ANCHOR = "anchor"  # what older lines were removed


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal; `facts` holds what machines read, `text` what people do."""

    kind: EntryKind
    at: Now
    text: str
    subject: Subject | None = None
    action: str = ""
    decision_id: str = ""
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    seq: int = 0  # given by the journal


class Journal(Protocol):
    """Where intents stand before anything is done. What it cannot write it refuses with a JournalError."""

    @property
    def up(self) -> bool:
        """Tell whether it can be written now."""
        ...

    async def intend(self, decision: Decision) -> None:
        """Return once the intent is on the disk."""
        ...

    async def conclude(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Return once the outcome is on the disk."""
        ...

    def note(self, entry: Entry) -> None:
        """Write a line soon, in order; while the journal is down it is lost, and counted."""
        ...

    def ledger(self, now: Now) -> Ledger:
        """Return the deeds of the last day, for the start."""
        ...

    def pauses(self) -> Sequence[Pause]:
        """Return the pauses in force; cheap where nothing changed."""
        ...

    def requests(self) -> Sequence[Request]:
        """Return what was asked for since the last call."""
        ...
