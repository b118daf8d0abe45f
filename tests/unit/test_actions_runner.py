from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brimline.actions.attempt import World
from brimline.actions.base import Job, Proof, RefusedError, Standing
from brimline.actions.lock import held
from brimline.actions.options import ActionsOptions
from brimline.actions.reconcile import Reconciler
from brimline.actions.registry import ACTIONS, Parts, build
from brimline.actions.runner import Runner
from brimline.deeds import Decision, Fate, Outcome, Verdict
from brimline.errors import ActionError
from brimline.httpclient import HttpClient
from brimline.model import Kind, Subject
from brimline.procfs import Procfs
from unit import fake_docker
from unit.acting import Bench, Ears, MemoryJournal, decided, standing, until
from unit.fake_docker import FakeDocker

MIB = 1 << 20


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engine = FakeDocker(tmp_path)
    yield Bench(engine)
    engine.stop()


class Deed:
    """An action that does as it is told and notes what it was asked."""

    def __init__(self, order: list[str], name: str = "cleanup") -> None:
        self.name = name
        self.order = order
        self.jobs: list[Job] = []
        self.deadline = 20.0
        self.prepares: Callable[[], None] = lambda: None
        self.runs: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
        self.verifies: Callable[[], Proof] = lambda: Proof(ok=True, detail="it helped")

    def seconds(self, job: Job) -> float:  # noqa: ARG002 - the protocol's
        return self.deadline

    async def prepare(self, job: Job) -> None:
        self.order.append("prepare")
        self.jobs.append(job)
        self.prepares()

    async def run(self, job: Job) -> str:  # noqa: ARG002 - the protocol's
        self.order.append("run")
        await self.runs()
        return "asked"

    async def verify(self, job: Job) -> Proof:  # noqa: ARG002 - the protocol's
        self.order.append("verify")
        return self.verifies()


class Running:
    """A runner with everything around it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.journal = MemoryJournal()
        self.order = self.journal.order
        self.ears = Ears()
        self.deed = Deed(self.order)
        self.used: list[float | None] = [100.0 * MIB]
        world = World(bench.containers, self.journal, self.sight, bench.clock, bench.sleep, self.order.append)
        actions = {"cleanup": self.deed, "restart": Deed(self.order, "restart")}
        self.restart = actions["restart"]
        self.runner = Runner(
            world, self.ears, actions, Reconciler(bench.containers, bench.clock, bench.sleep), settle=15.0
        )

    def sight(self, subject: Subject) -> Standing | None:
        used = self.used.pop(0) if len(self.used) > 1 else self.used[0]
        return None if used is None else Standing(subject, used)

    def begin(self, container_id: str, action: str = "cleanup", **directories: str) -> Decision:
        decision = self.bench.decision(container_id, action)
        self.runner.begin(decision, standing(decision.subject, used=90.0 * MIB), directories)
        return decision

    def under_way(self) -> dict[str, str]:
        return {name: action for (name, _), action in self.runner.busy().items()}

    async def idle(self) -> None:
        await until(lambda: not self.runner.busy(), 20)


def runs(bench: Bench, use: Callable[[Running], Awaitable[None]]) -> Running:
    async def body() -> Running:
        one = Running(bench)
        await use(one)
        await one.runner.close(0)
        return one

    return asyncio.run(body())


def carried_out(bench: Bench, prepare: Callable[[Running], None] = lambda _: None, action: str = "cleanup") -> Running:
    web = next(iter(bench.fake.containers), None) or bench.fake.add("web")

    async def use(running: Running) -> None:
        prepare(running)
        running.begin(web, action)
        await running.idle()

    return runs(bench, use)


def test_nothing_is_done_before_its_intent_and_told_before_its_outcome(bench: Bench) -> None:
    running = carried_out(bench)
    assert running.order == [
        *("decided", "locked", "prepare", "intending", "intended", "intended", "run", "verify", "verified"),
        *("concluding", "concluded", "concluded"),
    ]
    [(decision, outcome, fate)] = running.ears.concludes
    assert running.journal.intents == [decision]
    assert running.journal.outcomes == [(decision, outcome, fate)]
    assert (outcome.decision_id, outcome.ok, fate, outcome.detail) == (decision.id, True, Fate.DONE, "asked; it helped")
    assert running.ears.refusals == []


def test_what_an_action_says_twice_is_told_once(bench: Bench) -> None:
    running = carried_out(bench, lambda r: setattr(r.deed, "verifies", lambda: Proof(ok=True, detail="asked")))
    assert running.ears.concludes[0][1].detail == "asked"


def test_memory_is_measured_before_and_after_it_settled(bench: Bench) -> None:
    running = carried_out(bench, lambda r: setattr(r, "used", [100.0 * MIB, 30.0 * MIB]))
    outcome = running.ears.concludes[0][1]
    assert (outcome.before_bytes, outcome.after_bytes, outcome.freed_bytes) == (100 * MIB, 30 * MIB, 70 * MIB)
    assert bench.slept == [15.0]
    assert outcome.ended - outcome.started == 15.0


def test_what_is_not_seen_has_no_number(bench: Bench) -> None:
    running = carried_out(bench, lambda r: setattr(r, "used", [None]))
    outcome = running.ears.concludes[0][1]
    assert (outcome.before_bytes, outcome.after_bytes) == (90 * MIB, None)  # as it stood when it was decided


@pytest.mark.parametrize(
    ("state", "verdict", "words"),
    [
        ({"StartedAt": "2027-01-15T09:00:00Z"}, Verdict.STALE_DATA, "started anew"),
        ({"Running": False, "Status": "exited"}, Verdict.STOPPED, "it is exited"),
        ({"Status": "paused", "Paused": True}, Verdict.STOPPED, "it is paused"),
        ({"Status": "restarting", "Restarting": True}, Verdict.STOPPED, "it is restarting"),
        ({"Status": "removing"}, Verdict.STOPPED, "it is removing"),
    ],
)
def test_the_world_is_looked_at_again_under_the_lock(
    bench: Bench, state: dict[str, object], verdict: Verdict, words: str
) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        running.begin(web)
        bench.state(web).update(state)
        await running.idle()

    running = runs(bench, use)
    assert [v for v, _ in running.ears.refusals] == [verdict]
    assert words in running.ears.refusals[0][1]
    assert running.journal.intents == []
    assert running.order == ["decided", "locked"]


def test_one_that_is_gone_or_cannot_be_looked_at_is_left_alone(bench: Bench) -> None:
    web, other = bench.fake.add("web"), bench.fake.add("other")
    bench.fake.faults[f"inspect:{other}"] = fake_docker.failure

    async def use(running: Running) -> None:
        running.begin(web)
        running.begin(other)
        del bench.fake.containers[web]
        await running.idle()

    refusals = runs(bench, use).ears.refusals
    assert {verdict for verdict, _ in refusals} == {Verdict.STALE_DATA}
    assert sorted("is gone since" in reason for _, reason in refusals) == [False, True]


def test_without_a_journal_nothing_is_done(bench: Bench) -> None:
    running = carried_out(bench, lambda r: setattr(r.journal, "down", 1))
    assert running.ears.refusals == [(Verdict.NO_JOURNAL, "the disk is full")]
    assert "run" not in running.order


def test_an_action_may_refuse_under_the_lock(bench: Bench) -> None:
    def refuse() -> None:
        raise RefusedError(Verdict.ORCHESTRATED, "Kubernetes runs it")

    running = carried_out(bench, lambda r: setattr(r.deed, "prepares", refuse))
    assert running.ears.refusals == [(Verdict.ORCHESTRATED, "Kubernetes runs it")]
    assert running.journal.intents == []


@pytest.mark.parametrize("error", [ActionError("no address"), ZeroDivisionError()])
def test_an_action_that_cannot_be_prepared_is_not_begun(bench: Bench, error: Exception) -> None:
    def fail() -> None:
        raise error

    running = carried_out(bench, lambda r: setattr(r.deed, "prepares", fail))
    assert [v for v, _ in running.ears.refusals] == [Verdict.STALE_DATA]
    assert running.journal.intents == []


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


def test_the_world_has_the_last_word_over_an_action_that_failed(bench: Bench) -> None:
    running = carried_out(bench, lambda r: setattr(r.deed, "runs", raising(ActionError("no answer"))))
    _, outcome, fate = running.ears.concludes[0]
    assert (outcome.ok, fate, outcome.detail) == (True, Fate.DONE, "no answer; it helped")


@pytest.mark.parametrize("error", [ZeroDivisionError("at all"), TimeoutError(), KeyError("x"), OSError(5, "I/O")])
def test_whatever_an_action_raises_becomes_an_outcome(bench: Bench, error: Exception) -> None:
    running = carried_out(bench, lambda r: setattr(r.deed, "runs", raising(error)))
    _, outcome, fate = running.ears.concludes[0]
    assert (outcome.ok, fate) == (False, Fate.FAILED)
    assert type(error).__name__ in outcome.detail
    assert running.order[-1] == "concluded"


def test_an_action_that_cannot_be_verified_has_failed(bench: Bench) -> None:
    def fail() -> Proof:
        raise ZeroDivisionError

    running = carried_out(bench, lambda r: setattr(r.deed, "verifies", fail))
    _, outcome, fate = running.ears.concludes[0]
    assert (outcome.ok, fate) == (False, Fate.FAILED)
    assert "is not known" in outcome.detail
    assert bench.slept == []  # nothing to settle


def endless(running: Running, action: Deed) -> None:
    action.deadline, action.runs = 0.05, lambda: asyncio.sleep(60)
    assert running.runner.busy() == {}


def test_an_action_has_a_deadline(bench: Bench) -> None:
    running = carried_out(bench, lambda r: endless(r, r.deed))
    _, outcome, fate = running.ears.concludes[0]
    assert (outcome.ok, fate) == (False, Fate.FAILED)
    assert "came to no end within 0 s" in outcome.detail


def test_a_restart_past_its_deadline_is_seen_through_all_the_same(bench: Bench) -> None:
    web = bench.fake.add("web")
    bench.fake.say(web, "start")

    def prepare(running: Running) -> None:
        endless(running, running.restart)
        bench.fake.stop()
        bench.fake.start()

        async def run() -> None:
            bench.fake.end(web, 137)
            bench.forget()  # the engine died
            await asyncio.sleep(60)

        running.restart.runs = run

    running = carried_out(bench, prepare, "restart")
    _, outcome, fate = running.ears.concludes[0]
    assert (outcome.ok, fate) == (True, Fate.DONE)
    assert bench.fake.orders == [("start", web, None)]


def test_an_outcome_is_written_however_long_the_journal_is_away(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def break_later(running: Running) -> None:
        async def run() -> None:
            running.journal.down = 8

        running.deed.runs = run

    with caplog.at_level(logging.WARNING):
        running = carried_out(bench, break_later)
    assert len(running.journal.outcomes) == len(running.ears.concludes) == 1
    assert bench.slept == [15.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert caplog.text.count("cannot be written, trying again: the disk is full") == 8


def test_one_subject_has_one_action_at_a_time(bench: Bench) -> None:
    web, other = bench.fake.add("web"), bench.fake.add("other")

    async def use(running: Running) -> None:
        running.begin(web)
        running.begin(web, "restart")
        running.begin(other)
        assert running.under_way() == {"web": "cleanup", "other": "cleanup"}
        await running.idle()
        running.begin(web)
        await running.idle()

    running = runs(bench, use)
    assert running.ears.refusals == [(Verdict.IN_FLIGHT, "a cleanup of it is under way")]
    assert [d.subject.name for d, _, _ in running.ears.concludes].count("web") == 2


def test_another_brimline_keeps_this_one_out(bench: Bench, tmp_path: Path) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        with held({"memory": str(tmp_path)}):
            running.begin(web, memory=str(tmp_path))
            await running.idle()
        running.begin(web, memory=str(tmp_path))
        await running.idle()

    running = runs(bench, use)
    assert [v for v, _ in running.ears.refusals] == [Verdict.LOCKED]
    assert len(running.ears.concludes) == 1


def test_the_lock_is_held_from_before_the_intent_to_after_the_outcome(bench: Bench, tmp_path: Path) -> None:
    web = bench.fake.add("web")
    seen: list[tuple[str, Verdict | None]] = []

    async def use(running: Running) -> None:
        other = Running(bench)

        async def intrude() -> None:
            other.begin(web, memory=str(tmp_path))
            await other.idle()
            seen.extend(("run", verdict) for verdict, _ in other.ears.refusals)

        running.deed.runs = intrude
        running.begin(web, memory=str(tmp_path))
        await running.idle()

    running = runs(bench, use)
    assert seen == [("run", Verdict.LOCKED)]
    assert len(running.ears.concludes) == 1


def test_it_is_said_once_that_nothing_is_locked(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        for _ in range(2):
            running.begin(web)
            await running.idle()

    with caplog.at_level(logging.WARNING):
        runs(bench, use)
    assert caplog.text.count("a second Brimline would not be kept out") == 1


def test_an_unknown_action_is_refused(bench: Bench) -> None:
    running = carried_out(bench, action="scale")
    assert running.ears.refusals == [(Verdict.NOT_CONFIGURED, "there is no action scale")]


def test_a_process_group_is_not_looked_up_in_the_engine(bench: Bench) -> None:
    group = Subject(Kind.PROCESS, "soroka", ("soroka",), "17")

    async def use(running: Running) -> None:
        running.runner.begin(decided(group, bench.clock.now(), "cleanup"), standing(group, pids=(17,)))
        await running.idle()

    running = runs(bench, use)
    assert running.deed.jobs[0].container is None
    assert running.deed.jobs[0].standing.pids == (17,)
    assert bench.fake.requests == []


def test_at_the_end_what_can_be_finished_is(bench: Bench) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        released = asyncio.Event()

        async def wait() -> None:
            released.set()
            await asyncio.sleep(0.05)

        running.deed.runs = wait
        running.begin(web)
        await released.wait()
        await running.runner.close(5.0)
        running.begin(web)

    running = runs(bench, use)
    assert len(running.journal.outcomes) == 1
    assert [v for v, _ in running.ears.refusals] == [Verdict.PAUSED]


def test_at_the_end_nobody_waits_for_memory_to_settle(bench: Bench) -> None:
    web = bench.fake.add("web")

    async def forever(_: float) -> None:
        await asyncio.sleep(3600)

    bench.sleep = forever  # type: ignore[method-assign]

    async def use(running: Running) -> None:
        running.begin(web)
        await until(lambda: "verified" in running.order)
        await running.runner.close(5.0)

    assert len(runs(bench, use).journal.outcomes) == 1


def test_at_the_end_what_takes_longer_stays_intended(bench: Bench) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        running.deed.runs = lambda: asyncio.sleep(3600)
        running.begin(web)
        await until(lambda: "run" in running.order)
        await running.runner.close(0.05)
        assert running.runner.busy() == {}

    running = runs(bench, use)
    assert len(running.journal.intents) == 1
    assert running.journal.outcomes == []
    assert running.ears.concludes == []


def test_open_intents_are_concluded_one_after_the_other(bench: Bench) -> None:
    web, other = bench.fake.add("web"), bench.fake.add("other")
    intents = [bench.decision(web, "cleanup"), bench.decision(web), bench.decision(other, "recycle")]
    bench.fake.begin(web)

    async def use(running: Running) -> None:
        running.runner.reconcile(intents)
        assert running.under_way() == {"web": "restart", "other": "recycle"}
        running.begin(web)
        await running.idle()

    running = runs(bench, use)
    assert [v for v, _ in running.ears.refusals] == [Verdict.IN_FLIGHT]
    told = {(d.subject.name, d.action): f for d, _, f in running.ears.concludes}
    assert told == {
        ("web", "cleanup"): Fate.ABANDONED,
        ("web", "restart"): Fate.DONE,
        ("other", "recycle"): Fate.ABANDONED,
    }
    assert running.journal.outcomes == running.ears.concludes


def test_a_listener_that_breaks_is_logged_and_frees_the_subject(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        running.ears.concludes = None  # type: ignore[assignment]
        running.begin(web)
        await running.idle()

    runs(bench, use)
    assert "cleanup of web was lost" in caplog.text


def breaking(running: Running, at: str) -> None:
    def point(name: str) -> None:
        running.order.append(name)
        if name == at:
            raise ZeroDivisionError(name)

    running.runner._world = replace(running.runner._world, point=point)


@pytest.mark.parametrize("at", ["intended", "verified"])
def test_what_broke_after_its_intent_has_failed_and_frees_its_subject(bench: Bench, at: str) -> None:
    running = carried_out(bench, lambda r: breaking(r, at))
    [(decision, outcome, fate)] = running.ears.concludes
    assert running.journal.outcomes == [(decision, outcome, fate)]
    assert (outcome.ok, fate) == (False, Fate.FAILED)
    assert outcome.detail == f"Brimline lost it: ZeroDivisionError('{at}')"
    assert running.runner.busy() == {}


def test_what_broke_before_its_intent_was_not_begun(bench: Bench) -> None:
    running = carried_out(bench, lambda r: breaking(r, "locked"))
    assert running.ears.refusals == [(Verdict.STALE_DATA, "Brimline lost it: ZeroDivisionError('locked')")]
    assert running.journal.outcomes == []


def test_what_breaks_twice_is_not_tried_for_ever(bench: Bench) -> None:
    running = carried_out(bench, lambda r: breaking(r, "concluding"))
    assert running.order.count("concluding") == 2
    assert running.runner.busy() == {}


def test_what_breaks_at_the_end_is_left_to_the_next_start(bench: Bench) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        breaking(running, "verified")
        running.deed.runs = lambda: asyncio.sleep(0.05)
        running.begin(web)
        await until(lambda: "run" in running.order)
        await running.runner.close(5.0)

    running = runs(bench, use)
    assert len(running.journal.intents) == 1
    assert running.journal.outcomes == []


def test_an_open_intent_whose_conclusion_breaks_has_failed(bench: Bench) -> None:
    web = bench.fake.add("web")
    intents = [bench.decision(web, "cleanup"), bench.decision(web)]

    async def broken(_: Decision) -> tuple[Outcome, Fate]:
        raise ZeroDivisionError

    async def use(running: Running) -> None:
        running.runner._reconciler.conclude = broken  # type: ignore[method-assign]
        running.runner.reconcile(intents)
        await running.idle()

    running = runs(bench, use)
    assert [(d.action, f) for d, _, f in running.journal.outcomes] == [
        ("cleanup", Fate.FAILED),
        ("restart", Fate.FAILED),
    ]


def test_a_container_and_a_process_group_of_one_name_are_two(bench: Bench) -> None:
    web = bench.fake.add("web")
    group = Subject(Kind.PROCESS, "web", ("web",), "17")

    async def use(running: Running) -> None:
        running.begin(web)
        running.runner.begin(decided(group, bench.clock.now(), "cleanup"), standing(group, pids=(17,)))
        assert len(running.runner.busy()) == 2
        await running.idle()

    running = runs(bench, use)
    assert running.ears.refusals == []
    assert len(running.ears.concludes) == 2


def test_other_options_hold_for_what_begins_after_them(bench: Bench) -> None:
    web = bench.fake.add("web")

    async def use(running: Running) -> None:
        other = Deed(running.order)
        seen_through = Reconciler(bench.containers, bench.clock, bench.sleep)
        running.runner.reconfigure(bench.containers, {"cleanup": other}, seen_through, settle=1)
        running.begin(web)
        await running.idle()
        assert len(other.jobs) == 1

    running = runs(bench, use)
    assert running.deed.jobs == []
    assert bench.slept == [1]


def test_the_registry_makes_one_of_each(bench: Bench) -> None:
    parts = Parts(
        bench.containers,
        HttpClient(),
        ActionsOptions(),
        start_period=lambda _: 120.0,
        clock=bench.clock,
        sleep=bench.sleep,
        point=lambda _: None,
        guarded=lambda _: None,
        procfs=Procfs(),
        alert_at=lambda _: 0.8,
        directories=lambda _: {},
        own_ports=(),
    )
    assert {name: action.name for name, action in build(parts).items()} == {name: name for name in ACTIONS}


def test_what_was_decided_long_ago_is_not_done_however_long_its_intent_took(bench: Bench) -> None:
    def slow(running: Running) -> None:
        write = running.journal.intend

        async def intend(decision: Decision) -> None:
            bench.clock.pass_(61)
            await write(decision)

        running.journal.intend = intend  # type: ignore[method-assign]

    running = carried_out(bench, slow)
    assert "run" not in running.order
    [(_, outcome, fate)] = running.ears.concludes
    assert fate is Fate.ABANDONED
    assert outcome.detail == "nothing was done: 61 s passed between the decision and its intent on the disk"
    assert len(running.journal.outcomes) == 1
