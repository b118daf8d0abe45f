"""An alert's life in random steps, beside a model that adds up seconds instead of moving moments."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from brimline.metrics.catalog import by_name
from brimline.model import Column, Kind, Now, Snapshot, SourceReport, Subject
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.evaluator import Evaluator
from brimline.rules.spec import load
from brimline.rules.vocabulary import vocabulary

METRICS = by_name()
VOCABULARY = vocabulary(METRICS.values())
RATIO = METRICS["brimline_container_memory_used_ratio"]
ABOVE, CLEAR = 0.8, 0.6
SECONDS = st.sampled_from((0.5, 1.0, 5.0, 7.25))


class Life:
    """The model: phases, and seconds between two evaluations that both knew the truth."""

    def __init__(self, *, hold: float, keep: float, clears: bool) -> None:
        self.hold, self.keep, self.clears = hold, keep, clears
        self.phase, self.waited, self.lingered = "inactive", 0.0, None
        self.known = True

    def forget(self) -> None:
        self.phase = "inactive"

    def step(self, value: float | None, seconds: float, *, known: bool = True) -> None:
        counts = seconds if known and self.known else 0.0
        self.known = known
        if not known:
            return
        true = value is not None and value > ABOVE
        held = self.clears and value is not None and value >= CLEAR
        if self.phase == "pending":
            self.waited += counts
            self.phase = "pending" if true else "inactive"
        elif self.phase == "firing" and (true or held):
            self.lingered = None
        elif self.phase == "firing":
            self.lingered = 0.0 if self.lingered is None else self.lingered + counts
            if self.lingered >= self.keep:
                self.phase = "inactive"
        elif true:
            self.phase, self.waited = "pending", 0.0
        if self.phase == "pending" and self.waited >= self.hold:
            self.phase, self.lingered = "firing", None


class Lives(RuleBasedStateMachine):
    """One rule and one container, through everything that can happen to them."""

    @initialize(
        hold=st.sampled_from((0, 5, 12)), keep=st.sampled_from((0, 5, 12)), clears=st.booleans(), wall=st.just(1e9)
    )
    def begin(self, hold: int, keep: int, wall: float, *, clears: bool) -> None:
        clear = ", clear: memory_used_ratio < 60%" if clears else ""
        rules = (
            f"{{alert: A, on: container, when: memory_used_ratio > 80%, for: {hold}s, keep_firing_for: {keep}s{clear}}}"
        )
        self.rules = load(f"groups: [{{name: g, rules: [{rules}]}}]", "x.yml", VOCABULARY)
        self.life = Life(hold=hold, keep=keep, clears=clears)
        self.wall, self.mono, self.uid = wall, 100.0, 1
        self.seen_uid = 1  # the incarnation whose alert is open
        self.store = MemoryAlertStore()
        self.evaluator = Evaluator(self.rules, self.store, self.now)

    @property
    def now(self) -> Now:
        return Now(self.wall, self.mono)

    @property
    def subject(self) -> Subject:
        return Subject(Kind.CONTAINER, "a", ("a", "", ""), str(self.uid))

    @rule(value=st.sampled_from((0.0, 0.6, 0.7, 0.8, 0.81, 0.9)), seconds=SECONDS)
    def measured(self, value: float, seconds: float) -> None:
        if self.seen_uid != self.uid:
            self.life.forget()
            self.seen_uid = self.uid
        self.life.step(value, seconds)
        self.tick(seconds, SourceReport("cgroup", (Column(RATIO, (self.subject,), (value,)),)))

    @rule(value=st.sampled_from((0.81, 0.9)), times=st.integers(2, 6))
    def high_for_a_while(self, value: float, times: int) -> None:
        for _ in range(times):
            self.measured(value, 5.0)

    @rule(seconds=SECONDS)
    def gone(self, seconds: float) -> None:
        self.life.step(None, seconds)
        self.tick(seconds, SourceReport("cgroup", ()))

    @rule(seconds=SECONDS, whole=st.booleans())
    def failing(self, seconds: float, *, whole: bool) -> None:
        before = self.life.phase
        self.life.step(None, seconds, known=False)
        failed = {} if whole else {self.subject: "permission denied"}
        self.tick(seconds, SourceReport("cgroup", (), error="no answer" if whole else None, failed=failed))
        assert self.life.phase == before

    @rule()
    def made_anew(self) -> None:
        self.uid += 1

    @rule()
    def reloaded(self) -> None:
        self.evaluator.use(self.rules, self.now)

    @rule(seconds=st.sampled_from((-7200.0, -10.0, 10.0, 7200.0)))
    def clock_set(self, seconds: float) -> None:
        self.wall += seconds

    @rule(seconds=st.sampled_from((1.0, 600.0, 3601.0)))
    def restarted(self, seconds: float) -> None:
        self.evaluator.save(self.now)
        open_at = {stored.at for stored in self.store.load()}
        self.wall, self.mono = self.wall + seconds, 5.0
        self.evaluator = Evaluator(self.rules, self.store, self.now)
        self.life.known = False
        if any(self.wall - at > 3600 for at in open_at):
            self.life.forget()

    def tick(self, seconds: float, report: SourceReport) -> None:
        self.wall, self.mono = self.wall + seconds, self.mono + seconds
        alerts = self.evaluator.tick(Snapshot(self.now, (report,))).alerts
        assert [str(alert.phase) for alert in alerts] == ([self.life.phase] if self.life.phase != "inactive" else [])


def live(lives: int) -> None:
    """Go through so many lives; fails at the first that is not as the model says."""
    often = settings(max_examples=lives, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Lives, settings=often)  # type: ignore[no-untyped-call] # hypothesis does not say
