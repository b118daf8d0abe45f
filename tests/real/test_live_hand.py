"""Brimline acts, on real containers and beside a real Alertmanager: what it promises, seen from outside.

One dockerd serves all; each Brimline looks at its own containers only. What takes minutes goes on beside the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from brimline.deeds import Entry, EntryKind
from real.engine import Dockerd
from real.hooks import Receiver
from real.places import MissingPartError, wait_until
from real.prometheus import Alertmanager
from real.service import MIB, Service, Traffic
from real.sidecar import Sidecar
from real.watching import LABELLED, Watching, name_of, quick_rules, settings

pytestmark = pytest.mark.timeout(240)
USED = "brimline_container_memory_used_ratio"
KILLS = "brimline_container_memory_oom_kills_total"
DECISIONS = "brimline_decisions_total"
ACTED = {"run", "dry_run"}


def decisions(lines: Sequence[Entry], subject: str) -> list[tuple[str, object, object]]:
    """Return what was decided on a subject: action, verdict and rule, in order."""
    return [
        (line.action, line.facts["verdict"], line.facts.get("rule", ""))
        for line in lines
        if line.kind in {EntryKind.INTENT, EntryKind.REFUSED} and name_of(line) == subject
    ]


def alerts(sidecar: Sidecar, state: str = "firing") -> set[tuple[str, str]]:
    found = (dict(labels) for labels in sidecar.find("brimline_alerts", state=state))
    return {(one["alertname"], one.get("container", "")) for one in found}


def started(engine: Dockerd, name: str) -> str:
    return str(engine.inspect(name)["State"]["StartedAt"])


# One stage for all of them ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hand")


@pytest.fixture(scope="module")
def quick(place: Path) -> str:
    """The bundled rules with a tenth of their patience, as a flag."""
    return quick_rules(place)


@pytest.fixture
def watching(engine: Dockerd) -> Iterator[Callable[..., Watching]]:
    """`watching(*flags, include=...)` starts one; ended after the test."""
    with ExitStack() as stack:
        yield lambda *flags, **more: stack.enter_context(closing(Watching(engine, *flags, **more)))


# The whole story of one leak, by the bundled rules ------------------------------------------------------------------


@dataclass
class Story:
    """A leaking service, a healthy one with mapped weights and one that nobody opted in, and what was seen of them."""

    acts: Watching
    dry: Watching
    receiver: Receiver
    alertmanager: Alertmanager
    service: Service
    times: dict[str, float] = field(default_factory=dict)
    held: list[dict[str, Any]] = field(default_factory=list)  # what Alertmanager had of it, each time it changed
    asked: list[dict[str, Any]] = field(default_factory=list)  # its cleanups, as it was asked for them
    restarted: dict[str, Any] = field(default_factory=dict)  # its state right after
    traffic: Traffic | None = None

    def play(self) -> None:
        """Fill it to 82 %, wait for the cleanup, fill it to 87 %, wait for the restart."""
        before = started(self.service.engine, self.service.name)
        with Traffic(self.service) as self.traffic:
            self.times["at 82 %"] = self.traffic.fill(0.82, cache=30)
            self._until("cleanup", lambda: self._told("action_done", "cleanup"), 90)
            self.asked = self.traffic.last["cleanups"]
            self.times["at 87 %"] = self.traffic.fill(0.87)
            self._until("restart", lambda: started(self.service.engine, self.service.name) != before, 60)
            self.restarted = dict(self.service.state())
            self._until("healthy", self.service.healthy, 20)
            self._until("told", lambda: self._told("action_done", "restart"), 20)
            self._until(
                "resolved", lambda: not self._held() and self._told("alert_resolved", "InferenceMemoryCritical"), 20
            )

    def _until(self, what: str, holds: Callable[[], object], seconds: float) -> None:
        def look() -> object:
            self._held()
            return holds()

        try:
            wait_until(look, what, seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.times}\n{self.acts.sidecar.log()}") from None
        self.times[what] = time.time()

    def _told(self, event: str, action: str) -> bool:
        return (event, action) in self.chapters()

    def chapters(self) -> list[tuple[str, str]]:
        """Return what the receiver was told of it: event and action."""
        notices = [notice for message in self.receiver.messages for notice in message["notices"]]
        return [(n["event"], n["action"] or n["labels"]["alertname"]) for n in notices if n["subject"] == "leaky"]

    def _held(self) -> set[str]:
        mine = [one for one in self.alertmanager.alerts() if one["labels"].get("container") == self.service.name]
        found = {one["labels"]["alertname"]: one["annotations"] for one in mine}
        if not self.held or self.held[-1] != found:
            self.held.append(found)
        return set(found)


@pytest.fixture(scope="module")
def story(engine: Dockerd, place: Path) -> Iterator[Future[Story]]:
    """The story, begun when the first test begins: the bundled rules take a minute and a half."""
    with ExitStack() as stack:
        try:
            alertmanager = stack.enter_context(Alertmanager())
        except MissingPartError as missing:
            pytest.skip(str(missing))
        receiver = stack.enter_context(closing(Receiver(place)))
        notify = {
            "alertmanagers": [alertmanager.url],
            "webhooks": [{"url": receiver.url, "secret_file": str(receiver.secret)}],
        }
        names = ["leaky", "weights", "unowned"]
        limits = ("--memory", "256m", "--memory-swap", "256m")
        engine.load("mmap-file", "/weights", 245, "+", "anon", 20, options=["--name", "weights", *limits, *LABELLED])
        start = ("--label", "brimline.start-period=2s")
        engine.load("anon", 225, options=["--name", "unowned", *limits, *start])
        # It takes its time to clean up and to end, so that the one that only looks sees all that the other one sees.
        service = Service(engine, "leaky", grace=8.0, labels={})
        acting = settings(place, "acts", notify=notify, actions={"settle": "2s"})
        acts = stack.enter_context(closing(Watching(engine, acting, include=names, interval="1s")))
        dry = stack.enter_context(
            closing(Watching(engine, settings(place, "dry"), "--dry-run", include=names, interval="1s"))
        )
        told = Story(acts, dry, receiver, alertmanager, service)

        def play() -> Story:
            told.play()
            return told

        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(play)


@pytest.fixture(scope="module")
def whole(story: Future[Story]) -> Story:
    """The story when it is over."""
    return story.result(200)


@pytest.fixture(scope="module")
def in_vain(engine: Dockerd, place: Path, quick: str) -> Iterator[Watching]:
    """Services that no restart helps: one stands above its level from the start, one is there again within seconds."""
    limits = ("--memory", "100m", "--memory-swap", "100m", *LABELLED)
    engine.load("anon", 89, options=["--name", "idles", *limits])
    engine.load("grow", 89, 3, options=["--name", "refills", *limits])
    with closing(Watching(engine, quick, settings(place, "in-vain"), include=["idles", "refills"])) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def _slow_ones(request: pytest.FixtureRequest) -> None:
    """Let what takes long begin before the first test, where a chosen one asks for it."""
    asked = {name for item in request.session.items if item.path == request.path for name in item.fixturenames}  # type: ignore[attr-defined] # functions
    for name in sorted(asked & {"story", "in_vain"}):
        request.getfixturevalue(name)


# What is over soon --------------------------------------------------------------------------------------------------


class Sampled:
    """Which of some services answered, ten times a second."""

    def __init__(self, *services: Service) -> None:
        self.samples: list[tuple[bool, ...]] = []
        self._services = services
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(len(self._services)) as pool:
            while not self._ending.wait(0.1):
                answers = pool.map(lambda one: one.ask(seconds=5.0) is not None, self._services)
                self.samples.append(tuple(answers))


def test_of_two_replicas_that_leak_at_once_one_always_answers(
    engine: Dockerd, place: Path, quick: str, watching: Callable[..., Watching]
) -> None:
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    names = ["shop-web-1", "shop-web-2"]
    both = [Service(engine, name, limit=128, labels=compose) for name in names]
    one = watching(quick, settings(place, "replicas"), include=names)
    before = {name: started(engine, name) for name in names}
    with Sampled(*both) as sampled, Traffic(both[0]) as first, Traffic(both[1]) as second:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda traffic: traffic.fill(0.88), [first, second]))
        one.sidecar.wait_for(
            lambda: sum(one.sidecar.find("brimline_restart_downtime_seconds_count").values()) == 2,
            "both were restarted",
            60,
        )
    assert (False, False) not in sampled.samples, "both were away at once"
    assert {(True, False), (False, True)} <= set(sampled.samples), "each was away once"
    assert all(started(engine, name) != before[name] for name in names)
    assert sorted(one.recorder.orders()) == sorted(f"POST /containers/{s.id}/restart" for s in both)
    assert all(service.healthy() for service in both)
    refusals = {line.facts["verdict"] for line in one.lines(EntryKind.REFUSED)}
    assert "last_replica" in refusals


def test_two_brimlines_on_one_host_act_once(
    engine: Dockerd, place: Path, quick: str, watching: Callable[..., Watching]
) -> None:
    limits = ("--memory", "100m", "--memory-swap", "100m")
    engine.load("anon", 20, options=["--name", "shared", *limits, *LABELLED])
    one, other = (watching(quick, settings(place, f"one-of-two-{n}"), include=["shared"]) for n in range(2))
    before = started(engine, "shared")
    for each in (one, other):
        each.sidecar.wait_for(lambda each=each: each.sidecar.find(USED, container="shared"), "it is measured")
        each.sidecar.next_ticks(3)
    engine.cli("exec", "--detach", "shared", "memload", "anon", 68)
    one.sidecar.wait_for(lambda: one.lines(EntryKind.OUTCOME) or other.lines(EntryKind.OUTCOME), "one has done it", 40)
    time.sleep(3)
    orders = [*one.recorder.orders(), *other.recorder.orders()]
    assert len(orders) == 1, orders
    assert started(engine, "shared") != before
    left = [each.sidecar.value("brimline_restart_budget_remaining", container="shared") for each in (one, other)]
    assert left == [2, 2], "what the other one did counts"
    did, saw = (one, other) if one.recorder.orders() else (other, one)
    assert [line.facts["fate"] for line in did.lines(EntryKind.OUTCOME)] == ["done"]
    assert len(saw.lines(EntryKind.OBSERVED)) == 1
    assert not did.lines(EntryKind.OBSERVED)


@pytest.fixture(scope="module")
def desk(engine: Dockerd, place: Path, quick: str) -> Iterator[Watching]:
    """A Brimline whom people and other tools ask."""
    token = place / "token"
    token.write_text("secret of the desk\n")
    for name in ("plain", "asked", "unasked"):
        leave = LABELLED if name != "unasked" else ()
        engine.load("anon", 10, options=["--name", name, "--memory", "100m", "--stop-timeout", "1", *leave])
    flags = settings(place, "desk", actions={"inbound_token_file": str(token)})
    with closing(Watching(engine, quick, flags, include=["plain", "asked", "unasked"])) as one:
        one.sidecar.wait_for(lambda: len(one.sidecar.find(USED)) == 3, "all are measured")
        yield one


def test_a_person_asks_the_daemon_which_answers_through_its_policy(engine: Dockerd, desk: Watching) -> None:
    before = started(engine, "plain")
    tried = desk.command("restart", "plain", "--dry-run")
    assert (tried.returncode, desk.recorder.orders()) == (0, []), tried.stdout + tried.stderr
    assert "would" in tried.stdout
    paused = desk.command("pause", "pl*", "--for", "2h")
    assert paused.returncode == 0, paused.stderr
    assert "pl*" in paused.stdout
    desk.sidecar.wait_for(lambda: desk.sidecar.value("brimline_paused", glob="pl*") == 1, "the pause is heeded")
    refused = desk.command("restart", "plain")
    assert (refused.returncode, desk.recorder.orders()) == (1, []), refused.stdout
    assert "paused" in refused.stdout + refused.stderr
    not_his = desk.command("restart", "unasked")
    assert not_his.returncode == 1
    assert "brimline.restart=true" in not_his.stdout + not_his.stderr
    resumed = desk.command("resume", "pl*")
    assert "nothing is paused" in resumed.stdout
    done = desk.command("restart", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(engine, "plain") != before
    assert desk.recorder.orders() == [f"POST /containers/{engine.inspect('plain')['Id']}/restart"]
    lines = [line for line in desk.journal() if name_of(line) in {"", "plain"}]
    kinds = [line.kind for line in lines if line.kind is not EntryKind.NOTE]
    wanted = ["requested", "refused", "paused", "requested", "refused", "resumed", "requested", "intent", "outcome"]
    assert [kind for kind in kinds if kind in wanted] == [*wanted[:5], "requested", *wanted[5:]], kinds
    assert all(line.facts["caller"].startswith("cli ") for line in lines if line.kind is EntryKind.INTENT)
    verified = desk.command("journal", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "all as they were written" in verified.stdout


def test_an_alertmanager_asks_for_a_restart_with_the_token(engine: Dockerd, desk: Watching, place: Path) -> None:
    before = started(engine, "asked")
    url = f"{desk.sidecar.url}/api/v1/alertmanager"
    try:
        with_token, without = Alertmanager(url, str(place / "token")), Alertmanager(url)
        stack = ExitStack()
        stack.enter_context(with_token)
        stack.enter_context(without)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    asks = {"brimline_action": "restart"}
    with stack:
        without.raise_alert({"alertname": "TranslatorSlow", "container": "asked"}, asks)
        wait_until(without.refusals, "it is refused", 20)
        assert not desk.lines(EntryKind.REQUESTED, caller="alertmanager test")
        with_token.raise_alert({"alertname": "TranslatorSlow", "container": "asked"}, asks)
        with_token.raise_alert({"alertname": "TranslatorSlow", "container": "unasked"}, asks)
        desk.sidecar.wait_for(lambda: desk.lines(EntryKind.OUTCOME, subject="asked"), "it is restarted")
        desk.sidecar.wait_for(lambda: desk.lines(EntryKind.REFUSED, subject="unasked"), "the other is refused")
    assert started(engine, "asked") != before
    (intent,) = desk.lines(EntryKind.INTENT, subject="asked")
    assert intent.facts["caller"] == "alertmanager test"
    (refused,) = desk.lines(EntryKind.REFUSED, subject="unasked", caller="alertmanager test")
    assert refused.facts["verdict"] == "not_opted_in"


# What takes longer --------------------------------------------------------------------------------------------------


def test_what_restarts_do_not_help_is_restarted_twice_and_then_called_ineffective(
    engine: Dockerd, in_vain: Watching
) -> None:
    names = ("idles", "refills")
    expected = {("ServiceRestartIneffective", name) for name in names}
    in_vain.sidecar.wait_for(lambda: expected <= alerts(in_vain.sidecar), "both are given up", 90)
    second = max(line.at.wall for line in in_vain.lines(EntryKind.OUTCOME))
    wait_until(lambda: time.time() > second + 24, "the cooldown of 20 s is over", 30)
    lines = in_vain.journal()
    for name in names:
        did = [verdict for action, verdict, _ in decisions(lines, name) if action == "restart"]
        assert did.count("run") == 2, did
        assert did[-1] == "ineffective", did
        container = engine.inspect(name)["Id"]
        assert in_vain.recorder.orders().count(f"POST /containers/{container}/restart") == 2
        assert in_vain.sidecar.value("brimline_container_restart_ineffective", container=name) == 1
        assert in_vain.sidecar.value("brimline_restart_budget_remaining", container=name) == 1
    assert len([line for line in lines if line.kind is EntryKind.RELAPSED]) == 4


def test_a_leak_is_cleaned_up_then_restarted_before_the_kernel_kills(
    whole: Story, record_testsuite_property: Callable[[str, object], None]
) -> None:
    sidecar, service = whole.acts.sidecar, whole.service
    assert sidecar.value(KILLS, container="leaky") == 0
    assert whole.restarted["OOMKilled"] is False
    assert service.healthy()
    assert whole.traffic is not None
    assert whole.traffic.answered > 10 * whole.traffic.failed
    assert sidecar.value("brimline_actions_total", action="cleanup") == 1
    assert sidecar.value("brimline_actions_total", action="restart") == 1
    assert sum(sidecar.find("brimline_action_failures_total").values()) == 0
    assert sidecar.value("brimline_restart_budget_remaining", container="leaky") == 2
    assert sidecar.value("brimline_restart_downtime_seconds_count") == 1
    downtime = sidecar.value("brimline_restart_downtime_seconds_sum")
    assert downtime is not None
    assert 0 < downtime < 10
    freed = {
        action: sidecar.value("brimline_action_freed_bytes", action=action, container="leaky")
        for action in ("cleanup", "restart")
    }
    record_testsuite_property(
        "moments", {what: round(at - whole.times["at 82 %"], 1) for what, at in whole.times.items()}
    )
    record_testsuite_property("downtime in seconds and bytes freed", {"downtime": downtime, **freed})
    assert (freed["cleanup"] or 0) > 25 * MIB
    assert (freed["restart"] or 0) > 150 * MIB
    assert sidecar.value(DECISIONS, action="restart", verdict="run") == 1
    assert sidecar.value(DECISIONS, action="cleanup", verdict="run") == 1


def test_the_journal_tells_the_story_in_its_order(whole: Story) -> None:
    lines = [line for line in whole.acts.journal() if name_of(line) == "leaky"]
    told = [
        (line.kind, line.action or f"{line.facts['alertname']} {line.facts['phase']}")
        for line in lines
        if line.kind in {EntryKind.ALERT, EntryKind.INTENT, EntryKind.OUTCOME}
    ]
    assert told == [
        ("alert", "InferenceMemoryHigh firing"),
        ("intent", "cleanup"),
        ("alert", "InferenceMemoryHigh inactive"),
        ("outcome", "cleanup"),
        ("alert", "InferenceMemoryCritical firing"),
        ("intent", "restart"),
        ("alert", "InferenceMemoryCritical inactive"),
        ("outcome", "restart"),
    ]
    printed = whole.acts.command("journal", "--subject", "leaky")
    assert printed.returncode == 0, printed.stderr
    assert "healthy after" in printed.stdout
    (cleanup, restart) = (line for line in lines if line.kind is EntryKind.OUTCOME)
    assert cleanup.facts["freed_bytes"] > 25 * MIB
    assert restart.facts["downtime"] > 0
    assert restart.facts["after_bytes"] < restart.facts["before_bytes"] / 2
    (asked,) = whole.asked
    assert (asked["level"], asked["subject"], asked["decision_id"]) == ("warning", "leaky", cleanup.decision_id)
    assert 0.8 < asked["used_ratio"] < 0.85
    assert asked["want_bytes"] == pytest.approx((asked["used_ratio"] - 0.75) * 256 * MIB, rel=0.01)


def test_a_healthy_service_full_of_mapped_weights_and_one_without_leave_are_not_touched(whole: Story) -> None:
    sidecar = whole.acts.sidecar
    assert whole.acts.recorder.orders() == [f"POST /containers/{whole.service.id}/restart"]
    assert whole.dry.recorder.orders() == []
    usage = sidecar.value("brimline_container_memory_usage_bytes", container="weights")
    used = sidecar.value(USED, container="weights")
    assert usage is not None
    assert used is not None
    assert usage > 0.95 * 256 * MIB
    assert used < 0.2
    lines = whole.acts.journal()
    assert [line for line in lines if name_of(line) == "weights"] == []
    verdicts = [line for line in lines if name_of(line) == "unowned" and line.kind is EntryKind.REFUSED]
    (restart,) = [line for line in verdicts if line.action == "restart"]
    assert restart.facts["verdict"] == "not_opted_in"
    assert "brimline.restart=true" in restart.facts["reason"]


def test_alertmanager_has_it_while_it_fires_and_what_was_not_done(whole: Story) -> None:
    assert whole.held[0] == {}
    assert whole.held[-1] == {}
    names = [set(found) for found in whole.held]
    assert {"InferenceMemoryHigh"} in names
    assert {"InferenceMemoryCritical"} in names
    unowned = [one for one in whole.alertmanager.alerts() if one["labels"].get("container") == "unowned"]
    noted = {one["labels"]["alertname"]: one["annotations"] for one in unowned}
    assert (noted["InferenceMemoryCritical"]["action"], noted["InferenceMemoryCritical"]["outcome"]) == (
        "restart",
        "not_opted_in",
    )


def test_the_webhook_has_every_chapter_signed_and_once(whole: Story) -> None:
    assert whole.receiver.refused == []
    assert len(set(whole.receiver.ids)) == len(whole.receiver.ids)
    chapters = whole.chapters()
    for alertname, action in (("InferenceMemoryHigh", "cleanup"), ("InferenceMemoryCritical", "restart")):
        # What ended and what was done about it go out within the same moment, in either order.
        first, *rest = chapters[:3]
        assert first == ("alert_fired", alertname)
        assert sorted(rest) == [("action_done", action), ("alert_resolved", alertname)]
        del chapters[:3]
    assert chapters == []


def test_a_dry_run_decides_the_same_and_does_nothing(whole: Story) -> None:
    both = [decisions(one.journal(), "leaky") for one in (whole.acts, whole.dry)]
    real, dry = ([one for one in found if one[1] in ACTED] for found in both)
    assert [(action, rule) for action, _, rule in real] == [(action, rule) for action, _, rule in dry]
    assert {verdict for _, verdict, _ in real} == {"run"}
    assert {verdict for _, verdict, _ in dry} == {"dry_run"}
    refused, likewise = (decisions(one.journal(), "unowned") for one in (whole.acts, whole.dry))
    assert refused == likewise
    assert [(action, verdict) for action, verdict, _ in refused] == [
        ("restart", "not_opted_in"),
        ("cleanup", "not_configured"),
    ]
    assert whole.dry.recorder.orders() == []
    assert whole.dry.sidecar.value("brimline_actions_total", action="restart") == 0
