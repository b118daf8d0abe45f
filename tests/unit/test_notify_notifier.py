"""What is told, once, in order and over a death: alerts that fire and are over, actions, refusals; groups and pace."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.actions import messages, notifier
from brimline.actions.grouping import Bucket, portions
from brimline.actions.lines import MOST
from brimline.actions.messages import Event, Notice, OwnAlert
from brimline.actions.notifier import Notifier
from brimline.actions.notify_options import NotifyOptions
from brimline.deeds import Fate, Verdict
from brimline.errors import ConfigError
from brimline.httpclient import HttpClient
from brimline.model import Alert, Phase, Transition
from fakes import FakeClock
from unit.notify_parts import MemoryOutbox, MemoryTold, Post, ScriptedSender, alert, decision, outcome, receiver

HOOK: dict[str, Any] = {"name": "hook", "url": "http://127.0.0.1:9/x"}


class Scene:
    """A notifier with everything around it; `outbox` and `told` stay when it dies."""

    def __init__(self, **options: object) -> None:
        self.post = Post()
        self.told = MemoryTold()
        self.options = NotifyOptions.model_validate({"webhooks": [HOOK], "group_wait": "0s", **options})
        self.before: Sequence[Alert] = ()
        self.client = HttpClient()
        self.start()

    @property
    def clock(self) -> FakeClock:
        return self.post.clock

    @property
    def outbox(self) -> MemoryOutbox:
        return self.post.outbox

    def start(self) -> None:
        """Begin a process: the first one, or the next."""
        self.sender = ScriptedSender()
        self.delivery = self.post.delivery()
        self.notifier = Notifier(
            self.options,
            annotate=lambda one: {"summary": f"{one.subject.name} holds {one.value:.0%}"},
            client=self.client,
            clock=self.clock,
            delivery=self.delivery,
            told=self.told,
            interval=5.0,
            external_url="http://brimline/",
        )
        self.delivery.use({hook.target: ScriptedSender(hook.target) for hook in self.options.webhooks})

    def tick(self, *alerts: Alert, why: str = "", own: Sequence[OwnAlert] = ()) -> None:
        now = self.clock.pass_(5)
        changes = []
        if set(alerts) != set(self.before):
            ended = [one for one in self.before if one.key not in {a.key for a in alerts}]
            changes = [Transition(one, Phase.FIRING, now.wall, why) for one in ended]
            changes += [Transition(one, Phase.PENDING, now.wall) for one in alerts if one not in self.before]
        self.before = alerts
        self.notifier.tick(now, alerts, changes, own)

    async def flush(self) -> list[list[dict[str, Any]]]:
        """Return the notices of each message that is new in the outbox."""
        known = set(self.outbox.messages)
        await self.notifier.flush()
        return [json.loads(m.body)["notices"] for key, m in self.outbox.messages.items() if key not in known]


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())  # type: ignore[arg-type]


def events(told: list[list[dict[str, Any]]]) -> list[list[tuple[str, str | None]]]:
    return [[(one["event"].removeprefix("alert_"), one["subject"]) for one in notices] for notices in told]


def test_an_alert_is_told_once_when_it_fires_and_once_when_it_is_over() -> None:
    async def check() -> None:
        scene = Scene()
        scene.tick(alert())
        ((fired,),) = await scene.flush()
        assert (fired["event"], fired["text"], fired["status"]) == ("alert_fired", "web holds 90%", "firing")
        for _ in range(10):
            scene.tick(alert())
            assert await scene.flush() == []
        scene.tick(why="a new incarnation")
        ((over,),) = await scene.flush()
        assert (over["event"], over["status"]) == ("alert_resolved", "resolved")
        assert over["text"] == "High is over for web: a new incarnation"
        assert over["fingerprint"] == fired["fingerprint"]
        assert scene.told.load() == {}

    run(check)


@pytest.mark.parametrize("silent", [{"actions": ("restart",)}, {"phase": Phase.PENDING}])
def test_what_does_not_fire_or_does_not_notify_is_not_told(silent: dict[str, Any]) -> None:
    async def check() -> None:
        scene = Scene()
        scene.tick(alert(**silent))
        assert await scene.flush() == []

    run(check)


def test_who_wants_no_ends_gets_none_and_is_told_of_the_next_firing() -> None:
    async def check() -> None:
        scene = Scene(webhooks=[{**HOOK, "send_resolved": False}])
        scene.tick(alert())
        assert events(await scene.flush()) == [[("fired", "web")]]
        scene.tick()
        assert await scene.flush() == []
        assert scene.told.load() == {}
        scene.tick(alert(since=1_700_000_500.0))
        assert events(await scene.flush()) == [[("fired", "web")]]

    run(check)


def test_a_hundred_that_fire_at_once_make_one_message_and_what_is_beyond_is_counted() -> None:
    async def check() -> None:
        scene = Scene()
        scene.tick(*(alert(f"web-{n}") for n in range(130)))
        (notices,) = await scene.flush()
        assert len(notices) == MOST
        (message,) = scene.outbox.messages.values()
        assert json.loads(message.body)["truncated"] == 30

    run(check)


def test_what_comes_within_the_wait_goes_into_one_message() -> None:
    async def check() -> None:
        scene = Scene(group_wait="8s")
        scene.tick(alert("a"))
        assert await scene.flush() == []
        scene.tick(alert("a"), alert("b"))
        assert await scene.flush() == []
        scene.clock.pass_(3)
        assert events(await scene.flush()) == [[("fired", "a"), ("fired", "b")]]

    run(check)


def test_what_is_beyond_the_pace_is_folded_into_one_message_and_nothing_is_lost() -> None:
    async def check() -> None:
        scene = Scene(burst=3, message_every="10s")
        scene.tick(*(alert(f"web-{n}", alertname=f"Alert{n}") for n in range(10)))
        told = await scene.flush()
        assert [len(notices) for notices in told] == [1, 1, 8]
        scene.tick()
        assert await scene.flush() == []
        scene.clock.pass_(10)
        (rest,) = await scene.flush()
        assert [one["event"] for one in rest] == ["alert_resolved"] * 10

    run(check)


def test_an_action_is_told_at_once_and_after_the_alert_that_asked_for_it() -> None:
    async def check() -> None:
        scene = Scene(group_wait="1m")
        scene.tick(alert())
        assert await scene.flush() == []
        scene.notifier.concluded(decision(alert()), outcome(), Fate.DONE)
        fired, done = await scene.flush()
        assert (fired[0]["event"], done[0]["event"]) == ("alert_fired", "action_done")
        assert done[0]["fingerprint"] == fired[0]["fingerprint"]

    run(check)


def test_an_action_that_ended_its_alert_does_not_make_it_fire_again() -> None:
    async def check() -> None:
        scene = Scene()
        scene.tick(alert())
        scene.tick()
        await scene.flush()
        scene.notifier.concluded(decision(alert()), outcome(), Fate.DONE)
        ((done,),) = await scene.flush()
        assert (done["status"], done["labels"]["team"]) == ("resolved", "ml")

    run(check)


def test_the_same_outcome_told_again_is_the_same_message() -> None:
    async def check() -> None:
        scene = Scene()
        scene.notifier.concluded(decision(alert()), outcome(), Fate.DONE)
        assert len(await scene.flush()) == 1
        scene.start()
        scene.notifier.concluded(decision(alert()), outcome(), Fate.DONE)
        assert await scene.flush() == []

    run(check)


def refusals(*verdicts: Verdict, **more: object) -> list[str]:
    """Return the verdicts that are told of, when policy says these, one a tick."""
    told: list[str] = []

    async def check() -> None:
        scene = Scene()
        scene.tick(alert())
        await scene.flush()
        for verdict in verdicts:
            scene.notifier.decided([decision(alert(), verdict, **{"at": scene.clock.now(), **more})])
            scene.tick(alert())
            told.extend(notices[0]["outcome"] for notices in await scene.flush())

    run(check)
    return told


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ("budget_subject budget_subject budget_subject", "budget_subject"),
        ("cooldown budget_subject cooldown", "cooldown budget_subject cooldown"),
        ("budget_subject run budget_subject", "budget_subject budget_subject"),
        ("not_opted_in cooldown not_opted_in", "not_opted_in cooldown"),
        ("dry_run run dry_run", "dry_run"),
        ("in_flight locked first_samples run", ""),
        ("cooldown in_flight cooldown", "cooldown"),
    ],
)
def test_a_refusal_is_told_when_it_is_news(verdicts: str, told: str) -> None:
    assert refusals(*map(Verdict, verdicts.split())) == told.split()


def test_a_refusal_of_what_is_not_critical_is_not_told() -> None:
    assert refusals(Verdict.COOLDOWN, severity="warning") == []


@pytest.mark.parametrize(("caller", "told"), [("alertmanager ops", ["cooldown"]), ("cli ann", [])])
def test_who_asked_through_alertmanager_reads_a_refusal_and_who_sits_at_a_terminal_does_there(
    caller: str, told: list[str]
) -> None:
    assert refusals(Verdict.COOLDOWN, Verdict.COOLDOWN, key=None, episode="", severity="", caller=caller) == told


def test_a_refusal_that_was_told_is_not_told_by_the_next_process() -> None:
    async def check() -> None:
        scene = Scene()
        for _ in range(3):
            scene.notifier.decided([decision(alert(), Verdict.NOT_OPTED_IN)])
            scene.tick(alert())
            await scene.flush()
            scene.start()
        kinds = [m.kind for m in scene.outbox.messages.values()]
        assert sorted(kinds) == ["action_refused", "alert_fired"]
        scene.tick()
        await scene.flush()
        assert scene.told.load() == {}

    run(check)


def test_brimline_tells_of_itself_as_of_an_alert() -> None:
    async def check() -> None:
        scene = Scene()
        down = OwnAlert("BrimlineJournalDown", "the disk is full", 1_700_000_000.0, "critical")
        for _ in range(3):
            scene.tick(own=[down])
        ((fired,),) = await scene.flush()
        assert (fired["text"], fired["kind"]) == ("the disk is full", None)
        scene.tick()
        ((over,),) = await scene.flush()
        assert over["event"] == "alert_resolved"

    run(check)


def test_while_the_journal_is_down_messages_go_out_once_and_say_so() -> None:
    async def check() -> None:
        scene = Scene()
        sender = ScriptedSender()
        scene.delivery.use({"hook": sender})
        scene.outbox.up = False
        scene.tick(alert())
        await scene.notifier.flush()
        await scene.delivery.settle()
        (sent,) = sender.sent
        assert json.loads(sent.body)["durable"] is False
        scene.outbox.up = True
        scene.tick()
        assert events(await scene.flush()) == [[("resolved", "web")]]

    run(check)


def test_a_process_that_dies_before_it_queued_leaves_the_telling_to_the_next() -> None:
    async def check() -> None:
        scene = Scene(group_wait="1m")
        scene.tick(alert("a"))
        await scene.flush()
        scene.start()
        scene.tick(alert("a"))
        scene.clock.pass_(60)
        assert events(await scene.flush()) == [[("fired", "a")]]
        scene.tick()
        scene.start()
        scene.before = (alert("a"),)
        scene.tick()
        scene.clock.pass_(60)
        assert events(await scene.flush()) == [[("resolved", "a")]]

    run(check)


def test_what_another_version_saved_costs_nothing_else() -> None:
    async def check() -> None:
        scene = Scene()
        scene.told.save({"told/hook/x": "nonsense", "refused/x/restart": "[]", "what": "is this", "told/old/y": "{}"})
        scene.start()
        assert scene.told.load() == {}
        scene.tick(alert())
        assert events(await scene.flush()) == [[("fired", "web")]]

    run(check)


def test_a_new_target_is_told_of_what_fires_already_and_an_old_one_is_not_told_again() -> None:
    async def check() -> None:
        scene = Scene()
        scene.tick(alert())
        await scene.flush()
        other = {"name": "new", "url": "http://127.0.0.1:9/y"}
        scene.notifier.use(NotifyOptions(webhooks=(HOOK, other), group_wait=0.0), interval=5.0)  # type: ignore[arg-type]
        scene.tick(alert())
        await scene.flush()
        assert [m.target for m in scene.outbox.messages.values()] == ["hook", "new"]

    run(check)


def test_a_configuration_that_cannot_be_used_changes_nothing() -> None:
    async def check() -> None:
        scene = Scene()
        with pytest.raises(ConfigError):
            scene.notifier.use(NotifyOptions(apprise=("/no/such/file",)), interval=5.0)
        scene.tick(alert())
        assert len(await scene.flush()) == 1

    run(check)


@settings(max_examples=150)
@given(
    steps=st.lists(
        st.one_of(
            st.sets(st.sampled_from("abcdef")),
            st.sampled_from(["flush", "die", "pass"]),
        ),
        max_size=30,
    ),
    burst=st.integers(1, 4),
)
def test_whatever_fires_and_dies_in_between_every_target_knows_in_the_end_what_fires(
    steps: list[set[str] | str], burst: int
) -> None:
    async def check() -> None:
        scene = Scene(burst=burst, message_every="7s", group_wait="3s")
        firing: dict[str, Alert] = {}
        for step in steps:
            match step:
                case set():
                    since = scene.clock.wall
                    firing = {n: firing.get(n) or alert(n, since=since, alertname=f"Of{n}") for n in sorted(step)}
                    scene.tick(*firing.values())
                case "flush":
                    await scene.flush()
                case "die":
                    scene.start()
                    scene.tick(*firing.values())
                case _:
                    scene.clock.pass_(4)
        for _ in range(3):
            scene.clock.pass_(30)
            await scene.flush()
        state: dict[str, str] = {}
        for one in scene.outbox.messages.values():
            for notice in json.loads(one.body)["notices"]:
                assert (notice["event"] == Event.FIRED) == (state.get(notice["subject"]) != "firing"), "in turns"
                state[notice["subject"]] = notice["status"]
        assert {name for name, status in state.items() if status == "firing"} == set(firing)

    run(check)


def test_alertmanagers_are_told_of_what_fires_and_of_what_was_refused() -> None:
    posts: list[list[dict[str, Any]]] = []

    async def answer(request: web.Request) -> web.Response:
        posts.append(await request.json())
        return web.Response()

    async def check() -> None:
        async with receiver(answer) as url:
            scene = Scene(webhooks=[], alertmanagers=[url])
            down = OwnAlert("BrimlineJournalDown", "the disk is full", 1_700_000_000.0, "critical")
            scene.tick(alert(), own=[down])
            await scene.notifier.flush()
            await scene.notifier.alertmanagers.settle()
            scene.notifier.decided([decision(alert(), Verdict.COOLDOWN)])
            await scene.notifier.flush()
            await scene.notifier.alertmanagers.settle()
            scene.tick(alert(value=0.97), own=[down])
            scene.clock.pass_(60)
            await scene.notifier.flush()
            await scene.notifier.alertmanagers.settle()
            await scene.client.close()
        first, refused, again = posts
        assert {one["labels"]["alertname"] for one in first} == {"High", "BrimlineJournalDown"}
        assert refused[0]["annotations"]["outcome"] == "cooldown"
        told = next(one for one in again if one["labels"]["alertname"] == "High")
        assert (told["annotations"]["summary"], told["annotations"]["outcome"]) == ("web holds 97%", "cooldown")

    run(check)


def test_left_to_itself_it_tells_soon_after_the_tick() -> None:
    async def check() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.notifier.run())
        await asyncio.sleep(0)
        scene.tick(alert())
        async with asyncio.timeout(5):
            while not scene.outbox.messages:  # noqa: ASYNC110 - the outbox is filled by the loop under test
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(check)


def notice(number: int, about: str, event: Event, alertname: str) -> Notice:
    return Notice(f"{number}", event, about, "", {"alertname": alertname}, 0.0, 0.0)


@given(
    told=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Event), st.sampled_from("XY")), max_size=30),
    allowed=st.integers(0, 6),
)
def test_portions_hold_everything_once_and_keep_the_order_of_each_alert(
    told: list[tuple[str, Event, str]], allowed: int
) -> None:
    notices = [notice(number, *one) for number, one in enumerate(told)]
    found = list(portions(notices, allowed))
    assert len(found) <= allowed
    assert all(found)
    flat = [one for portion in found for one in portion]
    if allowed:
        assert sorted(flat, key=lambda one: int(one.id)) == notices
    for about in "abc":
        ids = [int(one.id) for one in flat if one.about == about]
        assert ids == sorted(ids)


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5), st.floats(0.1, 10))
def test_a_bucket_never_gives_more_than_its_burst_and_its_pace(waits: list[float], burst: int, every: float) -> None:
    bucket = Bucket(burst, every, float(burst), 0.0)
    at, taken = 0.0, 0
    for wait in waits:
        at += wait
        for _ in range(bucket.fill(at)):
            bucket.take()
            taken += 1
        assert taken <= burst + at / every + 1e-6
        assert bucket.wait() <= every + 1e-9


def test_a_notice_of_an_action_without_an_alert_needs_none() -> None:
    assert messages.refused(decision(verdict=Verdict.PAUSED), None).outcome == "paused"


def test_a_refusal_of_a_rule_that_does_not_notify_is_told_once_whatever_else_happens() -> None:
    one = alert(actions=("restart",))

    async def body() -> None:
        scene = Scene()
        for number in range(5):
            now = scene.clock.pass_(5)
            other = Transition(alert(f"other-{number}"), Phase.PENDING, now.wall)
            scene.notifier.tick(now, [one], [other], [])
            scene.notifier.decided([decision(one, Verdict.COOLDOWN, at=now)])
            await scene.notifier.flush()
        assert len(scene.outbox.messages) == 1

    asyncio.run(body())


def test_nothing_is_followed_anew_while_nothing_changes() -> None:
    scene = Scene()
    scene.tick(alert())
    before = scene.notifier._abouts
    scene.notifier.tick(scene.clock.pass_(5), [alert()], [], [])
    assert scene.notifier._abouts is before


def test_refusals_are_not_kept_where_nobody_is_told() -> None:
    async def body() -> None:
        scene = Scene(webhooks=[])
        one = alert()
        scene.tick(one)
        scene.notifier.decided([decision(one, Verdict.COOLDOWN)])
        await scene.notifier.flush()
        assert not scene.notifier._refused

    asyncio.run(body())


def test_a_disk_that_hangs_keeps_nothing_from_alertmanager_nor_from_a_webhook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifier, "PATIENCE", 0.05)
    posted: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        posted.append(await request.json())
        return web.Response()

    async def body() -> None:
        async with receiver(answer) as url:
            scene = Scene(alertmanagers=[url])
            scene.outbox.add = lambda _: asyncio.Event().wait()  # type: ignore[assignment,method-assign]
            scene.tick(alert())
            await scene.notifier.flush()
            await scene.notifier.alertmanagers.settle()
            await scene.delivery.settle()
            assert posted[0][0]["labels"]["alertname"] == "High"
            hook = scene.delivery._senders["hook"]
            assert isinstance(hook, ScriptedSender)
            assert [json.loads(sent.body)["durable"] for sent in hook.sent] == [False]
        await scene.client.close()

    asyncio.run(body())


def test_without_anybody_to_tell_it_wakes_for_a_tick_only() -> None:
    async def check() -> None:
        scene = Scene()
        assert await scene.notifier.flush() == 1.0
        scene.notifier.use(NotifyOptions(), interval=5.0)
        assert await scene.notifier.flush() == math.inf
        await scene.client.close()

    run(check)


def test_all_that_is_told_bears_the_configured_labels_and_its_own_go_first() -> None:
    async def check() -> None:
        scene = Scene()
        labels = {"host": "gpu-1", "severity": "none"}
        scene.notifier.use(scene.options.model_copy(update={"labels": labels}), interval=5.0)
        scene.delivery.use({hook.target: ScriptedSender(hook.target) for hook in scene.options.webhooks})
        scene.tick(alert(), own=[OwnAlert("BrimlineJournalDown", "it is down", 1_700_000_000.0, "warning")])
        told = [one for notices in await scene.flush() for one in notices]
        assert {one["labels"]["host"] for one in told} == {"gpu-1"}
        assert len(told) == 2
        assert "none" not in {one["labels"]["severity"] for one in told}
        await scene.client.close()

    run(check)


@pytest.mark.parametrize(
    ("labels", "said"),
    [({"my-host": "a"}, "is no name of a label"), ({"__x": "a"}, "is no name of a label"), ({"host": ""}, "is empty")],
)
def test_a_label_that_no_alertmanager_takes_is_a_mistake(labels: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NotifyOptions(labels=labels)
