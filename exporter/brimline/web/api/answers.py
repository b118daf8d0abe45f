"""What the API tells of a view: targets, alerts and decisions. openapi.json is made of these classes."""

from __future__ import annotations

from brimline.deeds import Verdict
from brimline.model import Kind, Phase
from brimline.web.api.fields import Answer, Labels, Number, Size, Standing, Text


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
