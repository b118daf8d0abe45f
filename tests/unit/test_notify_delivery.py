"""The sender of the outbox: nothing lost, order kept, no target waiting for another. Time is a fake clock's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.actions.delivery import LONGEST_AGE, PAUSES
from brimline.actions.sender import Receipt, Sent
from brimline.deeds import Message
from brimline.errors import JournalError
from unit.notify_parts import DELIVERED, FAILED, Post, ScriptedSender, deliver, message

HOUR = 3600.0


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(check())  # type: ignore[arg-type]


def test_a_receiver_down_for_an_hour_gets_all_thousand_in_order() -> None:
    async def check() -> None:
        post = Post()
        began = post.clock.mono
        tried: list[str] = []

        def answer(one: Message) -> Receipt:
            tried.append(one.id)
            return DELIVERED if post.clock.mono - began >= HOUR else FAILED

        sender = ScriptedSender(answer=answer)
        delivery = post.delivery(sender)
        for number in range(1000):
            await delivery.queue([message(number)])
            if number % 10 == 0:
                post.clock.pass_(30)
            await deliver(delivery)
        for _ in range(100):
            post.clock.pass_(600)
            await deliver(delivery)
        assert post.outbox.counts() == {"delivered": 1000}
        assert list(dict.fromkeys(tried)) == [f"msg_hook_{n}" for n in range(1000)]
        assert tried.count("msg_hook_0") > 1, "it was tried again, under the same id"
        assert len(tried) < 1020, "a receiver that is down is not hammered"

    run(check)


def test_the_pauses_between_tries_grow_and_end_after_a_day_in_a_dead_letter() -> None:
    async def check() -> None:
        post = Post()
        moments: list[float] = []
        began = post.clock.mono

        def answer(_: Message) -> Receipt:
            moments.append(post.clock.mono - began)
            return FAILED

        delivery = post.delivery(ScriptedSender(answer=answer))
        await delivery.queue([message()])
        for _ in range(int(LONGEST_AGE) + 10):
            if delivery.look() >= 1 and not delivery._flying:
                post.clock.pass_(1)
                continue
            await deliver(delivery)
            post.clock.pass_(1)
        assert moments[:6] == pytest.approx([0, 5, 35, 335, 2135, 9335], abs=8)
        assert moments[-1] == pytest.approx(LONGEST_AGE, abs=8)
        assert len(moments) == 12
        assert post.outbox.counts() == {"dead": 1}
        assert post.outbox.messages["msg_hook_0"].error == "the receiver is down"
        assert "given up after a day: the receiver is down" in post.notes[0]

    run(check)


@pytest.mark.parametrize("share", [-0.1, 0.1])
def test_a_pause_is_jittered_and_one_that_is_asked_for_is_never_cut(share: float) -> None:
    async def check() -> None:
        post = Post(jitter=share)
        answers = [FAILED, Receipt(Sent.FAILED, "answered 429", after=100)]
        delivery = post.delivery(ScriptedSender(answer=lambda _: answers.pop(0)))
        await delivery.queue([message()])
        await deliver(delivery)
        at = post.clock.wall
        assert post.outbox.messages["msg_hook_0"].next_at - at == pytest.approx(PAUSES[0] * (1 + share))
        at = post.clock.pass_(PAUSES[0] * 2).wall
        await deliver(delivery)
        assert post.outbox.messages["msg_hook_0"].next_at - at == pytest.approx(110)

    run(check)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 1.0), (7.0, 7.0), (1e8, PAUSES[-1])])
def test_what_a_receiver_asks_for_is_kept_within_bounds(asked: float, waited: float) -> None:
    async def check() -> None:
        post = Post()
        delivery = post.delivery(ScriptedSender(answer=lambda _: Receipt(Sent.FAILED, "answered 503", after=asked)))
        await delivery.queue([message()])
        at = post.clock.wall
        await deliver(delivery)
        assert post.outbox.messages["msg_hook_0"].next_at - at == pytest.approx(waited)

    run(check)


def test_a_slow_target_delays_no_other() -> None:
    async def check() -> None:
        post = Post()
        slow, fast = ScriptedSender("slow", block=asyncio.Event()), ScriptedSender("fast")
        delivery = post.delivery(slow, fast)
        await delivery.queue([message(n, target) for n in range(5) for target in ("slow", "fast")])
        running = asyncio.create_task(delivery.run())
        async with asyncio.timeout(5):
            while len(fast.sent) < 5:  # noqa: ASYNC110 - the fake ends its work without a sound
                await asyncio.sleep(0)
        assert len(slow.sent) == 1, "one try at a time"
        assert slow.block is not None
        slow.block.set()
        async with asyncio.timeout(5):
            while post.outbox.counts() != {"delivered": 10}:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)
        assert [m.id for m in slow.sent] == [f"msg_slow_{n}" for n in range(5)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(check)


def test_a_receiver_that_is_gone_is_left_alone_until_the_configuration_is_read_again() -> None:
    async def check() -> None:
        post = Post()
        sender = ScriptedSender(answer=lambda _: Receipt(Sent.GONE, "answered 410"))
        delivery = post.delivery(sender)
        await delivery.queue([message(0), message(1)])
        for _ in range(10):
            await deliver(delivery)
            post.clock.pass_(600)
        assert len(sender.sent) == 1
        assert delivery.gone == {"hook": "answered 410"}
        assert post.notes == ["hook is off until the configuration is read again: answered 410"]
        sender.answer = lambda _: DELIVERED
        delivery.use({"hook": sender})
        await deliver(delivery)
        assert post.outbox.counts() == {"delivered": 2}
        assert delivery.gone == {}

    run(check)


@pytest.mark.parametrize("configured", [True, False])
def test_what_nobody_takes_is_a_dead_letter_after_a_day(configured: bool) -> None:  # noqa: FBT001 - a case
    async def check() -> None:
        post = Post()
        sender = ScriptedSender(answer=lambda _: Receipt(Sent.GONE, "answered 410"))
        delivery = post.delivery(*([sender] if configured else []))
        await delivery.queue([message()])
        await deliver(delivery)
        assert post.outbox.counts() == {"queued": 1}
        post.clock.pass_(LONGEST_AGE)
        await deliver(delivery)
        assert post.outbox.counts() == {"dead": 1}

    run(check)


@pytest.mark.parametrize("jump", [-HOUR, HOUR, 10 * 365 * 86_400.0])
def test_a_clock_that_is_set_gives_nothing_up(jump: float) -> None:
    async def check() -> None:
        post = Post()
        sender = ScriptedSender(answer=lambda _: FAILED)
        delivery = post.delivery(sender)
        await delivery.queue([message(0), message(1)])
        await deliver(delivery)
        post.clock.wall += jump
        for _ in range(20):
            post.clock.pass_(600)
            await deliver(delivery)
        assert post.outbox.counts() == {"queued": 2}
        sender.answer = lambda _: DELIVERED
        for _ in range(30):
            post.clock.pass_(600)
            await deliver(delivery)
        assert post.outbox.counts() == {"delivered": 2}

    run(check)


def test_while_the_journal_is_down_nothing_is_queued_and_each_message_is_sent_once() -> None:
    async def check() -> None:
        post = Post()
        sender = ScriptedSender(answer=lambda m: FAILED if m.id.endswith("_1") else DELIVERED)
        delivery = post.delivery(sender)
        post.outbox.up = False
        with pytest.raises(JournalError):
            await delivery.queue([message()])
        delivery.send_once([message(n) for n in range(3)])
        await delivery.settle()
        assert [m.id for m in sender.sent] == [f"msg_hook_{n}" for n in range(3)]
        assert delivery.lost == {"hook": 1}

    run(check)


def test_what_waits_in_memory_is_bounded_and_what_is_lost_is_counted() -> None:
    async def check() -> None:
        post = Post()
        sender = ScriptedSender(block=asyncio.Event())
        delivery = post.delivery(sender)
        delivery.send_once([message(n) for n in range(1000)])
        assert sender.block is not None
        sender.block.set()
        await delivery.settle()
        assert len(sender.sent) + delivery.lost["hook"] == 1000
        assert 200 < len(sender.sent) < 300

    run(check)


def test_a_journal_that_missed_what_became_of_a_message_is_told_again_and_the_message_is_not_sent_twice() -> None:
    async def check() -> None:
        post = Post()
        sender = ScriptedSender()
        delivery = post.delivery(sender)
        await delivery.queue([message(0), message(1)])
        post.outbox.up = False
        await deliver(delivery)
        assert post.outbox.counts() == {"queued": 2}
        post.outbox.up = True
        await deliver(delivery)
        await deliver(delivery)
        assert [m.id for m in sender.sent] == ["msg_hook_0", "msg_hook_1"]
        assert post.outbox.counts() == {"delivered": 2}

    run(check)


def test_a_bug_in_a_sender_is_one_more_failure_and_the_message_waits() -> None:
    async def check() -> None:
        def answer(_: Message) -> Receipt:
            raise RuntimeError("S3cret")

        post = Post()
        sender = ScriptedSender(answer=answer)
        delivery = post.delivery(sender)
        await delivery.queue([message()])
        await deliver(delivery)
        assert len(sender.sent) == 1, "no hurry after a failure"
        assert post.outbox.messages["msg_hook_0"].error.startswith("Brimline failed to send it (RuntimeError)")

    run(check)


def test_the_named_points_stand_around_the_queue_and_the_sending() -> None:
    async def check() -> None:
        post = Post()
        delivery = post.delivery(ScriptedSender())
        await delivery.queue([message()])
        await deliver(delivery)
        assert post.points == ["queueing", "queued", "sending", "sent"]

    run(check)


def test_a_new_process_goes_on_where_the_last_one_ended() -> None:
    async def check() -> None:
        post = Post()
        first = post.delivery(ScriptedSender(answer=lambda _: FAILED))
        await first.queue([message(0), message(1)])
        await deliver(first)
        await first.close()
        post.clock.pass_(60)
        sender = ScriptedSender()
        await deliver(post.delivery(sender))
        assert [(m.id, m.tries) for m in sender.sent] == [("msg_hook_0", 1), ("msg_hook_1", 0)]

    run(check)


class Life:
    """Processes that queue and deliver, one after the other, while receivers and the disk come and go."""

    def __init__(self) -> None:
        self.post = Post()
        self.down: set[str] = set()
        self.arrived: dict[str, list[str]] = {"a": [], "b": []}
        self.queued: dict[str, list[str]] = {"a": [], "b": []}
        self.senders = [ScriptedSender("a", self.answer), ScriptedSender("b", self.answer)]
        self.delivery = self.post.delivery(*self.senders)

    def answer(self, one: Message) -> Receipt:
        if one.target in self.down:
            return FAILED
        self.arrived[one.target].append(one.id)
        return DELIVERED

    async def queue(self, target: str) -> None:
        one = message(len(self.queued["a"]) + len(self.queued["b"]), target)
        try:
            await self.delivery.queue([one])
            self.queued[target].append(one.id)
        except JournalError:
            assert not self.post.outbox.up

    async def step(self, what: str, value: object) -> None:
        match what, value:
            case "queue", str(target):
                await self.queue(target)
            case "pass", float(seconds):
                self.post.clock.pass_(seconds)
            case "receiver", str(target):
                self.down ^= {target}
            case "disk", _:
                self.post.outbox.up = not self.post.outbox.up
            case _:
                await self.delivery.close()
                self.delivery = self.post.delivery(*self.senders)
        await deliver(self.delivery)


@settings(max_examples=100)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["queue", "receiver"]), st.sampled_from("ab")),
            st.tuples(st.just("pass"), st.floats(0.1, 4000)),
            st.tuples(st.sampled_from(["die", "disk"]), st.none()),
        ),
        max_size=40,
    )
)
def test_whatever_fails_and_dies_in_between_every_queued_message_arrives_and_in_order(
    steps: list[tuple[str, object]],
) -> None:
    async def check() -> None:
        life = Life()
        for what, value in steps:
            await life.step(what, value)
        life.down.clear()
        life.post.outbox.up = True
        for _ in range(12):
            await life.step("pass", PAUSES[-1])
        assert {target: list(dict.fromkeys(ids)) for target, ids in life.arrived.items()} == life.queued

    run(check)


def test_what_the_outbox_gave_up_is_forgotten_and_said_once_until_the_target_takes_messages_again() -> None:
    async def check() -> None:
        post, answers = Post(), [FAILED]
        post.outbox.most = 2
        delivery = post.delivery(ScriptedSender(answer=lambda _: answers[0]))
        for number in range(10):
            await delivery.queue([message(number)])
            await deliver(delivery)
        assert post.notes == ["too many messages wait for hook: the oldest are given up unsent"]
        assert sorted(delivery._queued) == ["msg_hook_0", "msg_hook_8", "msg_hook_9"]
        answers[0] = DELIVERED
        post.clock.pass_(60)
        await deliver(delivery)
        assert post.outbox.counts() == {"delivered": 3, "dead": 7}
        answers[0] = FAILED
        for number in range(10, 20):
            await delivery.queue([message(number)])
        assert len(post.notes) == 2

    run(check)
