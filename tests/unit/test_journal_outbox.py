"""The outbox: durable when `add` returns, in order for each target, and the same after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.deeds import Message
from brimline.errors import JournalError
from brimline.journal import outbox
from brimline.journal.prune import used
from fakes import FakeClock
from unit.journals import opened, rows, run, until

HOUR, DAY, YEARS = 3600.0, 86_400.0, 10 * 365 * 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def message(clock: FakeClock, number: int, target: str = "hook") -> Message:
    return Message(f"m{number:03}", target, "alert", f"body {number}\0".encode(), clock.wall)


def test_a_message_is_on_the_disk_when_add_returns(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1)]))
        assert rows(tmp_path, "SELECT id, target, kind, body, state FROM outbox") == [
            ("m001", "hook", "alert", b"body 1\0", "queued")
        ]
        assert journal.outbox.due(clock.now()) == (message(clock, 1),)


def test_of_each_target_only_the_oldest_is_due(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        box = journal.outbox
        run(box.add([message(clock, 1), message(clock, 2), message(clock, 3, "other")]))
        assert [m.id for m in box.due(clock.now())] == ["m001", "m003"]
        box.retry("m001", clock.wall + 5, "500")
        assert [m.id for m in box.due(clock.now())] == ["m003"]
        box.delivered("m003")
        assert box.due(clock.now()) == ()
        (again,) = box.due(clock.pass_(5))
        assert (again.id, again.tries, again.error) == ("m001", 1, "500")
        box.delivered("m001")
        assert [m.id for m in box.due(clock.now())] == ["m002"]
        box.dead("m002", "410")
        assert box.counts() == {"queued": 0, "delivered": 2, "dead": 1}


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS, -YEARS])
def test_a_jump_of_the_wall_clock_brings_no_try_forward_and_puts_none_off(
    tmp_path: Path, clock: FakeClock, jump: float
) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1)]))
        journal.outbox.retry("m001", clock.wall + 30, "500")
        clock.wall += jump
        assert journal.outbox.due(clock.pass_(29)) == ()
    with opened(tmp_path, clock) as journal:
        assert journal.outbox.due(clock.now()) == ()
        assert len(journal.outbox.due(clock.pass_(1))) == 1


def test_after_a_reboot_the_wall_clock_counts_up_to_six_hours(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1)]))
        journal.outbox.retry("m001", clock.wall + 30, "500")
    clock.mono = 3.0
    with opened(tmp_path, clock, boot="boot-2") as journal:
        assert journal.outbox.due(clock.now()) == ()
        assert len(journal.outbox.due(clock.pass_(30))) == 1
    clock.wall -= YEARS
    with opened(tmp_path, clock, boot="boot-3") as journal:
        assert len(journal.outbox.due(clock.pass_(6 * HOUR))) == 1


def test_an_id_is_taken_once(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1), message(clock, 1)]))
        run(journal.outbox.add([message(clock, 1)]))
        journal.outbox.delivered("m001")
        run(journal.outbox.add([message(clock, 1)]))
        assert journal.outbox.counts() == {"queued": 0, "delivered": 1, "dead": 0}
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1)]))
        assert journal.outbox.counts() == {"queued": 0, "delivered": 1, "dead": 0}


def test_what_arrived_is_forgotten_after_a_day_and_what_did_not_after_a_month(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        box = journal.outbox
        run(box.add([message(clock, 1), message(clock, 2)]))
        box.delivered("m001")
        box.dead("m002", "410")
        clock.pass_(DAY + 1)
        run(box.add([message(clock, 3)]))
        assert box.counts() == {"queued": 1, "delivered": 0, "dead": 1}
        clock.pass_(30 * DAY)
        run(box.add([message(clock, 4)]))
        until(lambda: rows(tmp_path, "SELECT id FROM outbox ORDER BY id") == [("m003",), ("m004",)])


def test_what_was_given_up_keeps_its_body_in_the_file(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, 1), message(clock, 2)]))
        journal.outbox.delivered("m001")
        journal.outbox.dead("m002", "410 Gone")
    assert rows(tmp_path, "SELECT state, body, error FROM outbox ORDER BY id") == [
        ("delivered", b"", ""),
        ("dead", b"body 2\0", "410 Gone"),
    ]


def test_while_the_journal_is_down_nothing_is_added(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "journal").write_text("")
    with opened(tmp_path / "journal", clock) as journal:
        with pytest.raises(JournalError):
            run(journal.outbox.add([message(clock, 1)]))
        assert journal.outbox.due(clock.now()) == ()
        assert journal.outbox.counts() == {"queued": 0, "delivered": 0, "dead": 0}


def test_what_is_queued_is_written_into_a_new_file(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, retry=0.02) as journal:
        run(journal.outbox.add([message(clock, 1)]))
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        with pytest.raises(JournalError):
            run(journal.outbox.add([message(clock, 2)]))
        until(lambda: journal.up)
        journal.requests()  # as every tick does
        until(lambda: rows(tmp_path, "SELECT id FROM outbox") == [("m001",)])


STEPS = st.lists(
    st.tuples(st.sampled_from(("add", "delivered", "retry", "dead", "pass", "restart")), st.integers(0, 2)), max_size=30
)


@settings(max_examples=40)
@given(steps=STEPS)
def test_any_life_of_an_outbox_keeps_every_message_and_its_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory, clock = tmp_path_factory.mktemp("journal"), FakeClock()
    waiting: dict[str, list[str]] = {}
    over = {"delivered": 0, "dead": 0}
    number = 0
    while True:
        with opened(directory, clock) as journal:
            box = journal.outbox
            while steps:
                step, which = steps.pop(0)
                target = f"t{which}"
                head = waiting.get(target, [""])[0]
                if step == "add":
                    number += 1
                    run(box.add([message(clock, number, target)]))
                    waiting.setdefault(target, []).append(f"m{number:03}")
                elif step == "retry" and head:
                    box.retry(head, clock.wall + 5, "no")
                elif step in over and head:
                    box.delivered(head) if step == "delivered" else box.dead(head, "no")
                    over[step] += 1
                    waiting[target].pop(0)
                    if not waiting[target]:
                        del waiting[target]
                elif step == "restart":
                    break
                clock.pass_(5)
                assert {m.target: m.id for m in box.due(clock.now())} == {t: ids[0] for t, ids in waiting.items()}
                assert box.counts() == {"queued": sum(map(len, waiting.values())), **over}
            else:
                return


def test_what_is_over_is_counted_until_it_is_forgotten(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        outbox = journal.outbox
        run(outbox.add([message(clock, n) for n in range(3)]))
        outbox.delivered(message(clock, 0).id)
        outbox.dead(message(clock, 1).id, "it is down")
        outbox.dead(message(clock, 1).id, "again")
        assert outbox.counts() == {"queued": 1, "delivered": 1, "dead": 1}
        clock.pass_(2 * 86_400)
        run(outbox.add([message(clock, 4)]))
        assert outbox.counts() == {"queued": 2, "delivered": 0, "dead": 1}
    with opened(tmp_path, clock) as journal:
        assert journal.outbox.counts() == {"queued": 2, "delivered": 0, "dead": 1}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four messages wait for each target."""
    monkeypatch.setattr(outbox, "ROOM", 4 * (outbox.BESIDE + len(b"body 1\0")))


@pytest.mark.usefixtures("narrow")
def test_beyond_its_bound_the_oldest_of_a_target_are_given_up_but_not_the_one_that_is_on_its_way(
    tmp_path: Path, clock: FakeClock
) -> None:
    with opened(tmp_path, clock) as journal:
        box = journal.outbox
        assert run(box.add([message(clock, n) for n in range(4)])) == []
        assert run(box.add([message(clock, 8, "other")])) == []
        given_up = run(box.add([message(clock, 4), message(clock, 5)]))
        assert [m.id for m in given_up] == ["m001", "m002"]
        assert box.counts() == {"queued": 5, "delivered": 0, "dead": 2}
        left = []
        while head := [m.id for m in box.due(clock.now()) if m.target == "hook"]:
            left += head
            box.delivered(head[0])
        assert left == ["m000", "m003", "m004", "m005"]
    assert rows(tmp_path, "SELECT id, body, tries, error FROM outbox WHERE state = 'dead' ORDER BY id") == [
        (name, b"", 0, "given up unsent: more than 0 MiB wait for hook") for name in ("m001", "m002")
    ]


def test_a_receiver_that_is_down_costs_16_mib_however_long(tmp_path: Path, clock: FakeClock) -> None:
    body = b"x" * 100_000
    with opened(tmp_path, clock) as journal:
        for n in range(0, 400, 50):
            run(journal.outbox.add([Message(f"m{k:03}", "hook", "alert", body, clock.wall) for k in range(n, n + 50)]))
        waiting = [held.message for queue in journal.outbox._queued.values() for held in queue.values()]
        assert 150 < len(waiting) < 168
        assert sum(len(m.body) for m in waiting) <= 16 * 1024 * 1024
        assert [waiting[0].id, waiting[-1].id] == ["m000", "m399"]
        until(lambda: rows(tmp_path, "SELECT sum(length(body)) FROM outbox")[0][0] <= 16 * 1024 * 1024)
        lines = journal._writer.submit(used).result()
        assert lines < 1024 * 1024, "what waits leaves the lines their room"


@pytest.mark.usefixtures("narrow")
def test_what_a_delivery_frees_and_what_an_earlier_life_left_counts(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.outbox.add([message(clock, n) for n in range(4)]))
    with opened(tmp_path, clock) as journal:
        journal.outbox.delivered("m000")
        assert run(journal.outbox.add([message(clock, 4)])) == []
        assert [m.id for m in run(journal.outbox.add([message(clock, 5)]))] == ["m002"]


def test_only_the_last_of_what_is_over_are_remembered_and_all_are_counted(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "REMEMBERED", 2)
    with opened(tmp_path, clock) as journal:
        box = journal.outbox
        run(box.add([message(clock, n) for n in range(8)]))
        for n in range(4):
            box.delivered(f"m{n:03}")
        for n in range(4, 8):
            box.dead(f"m{n:03}", "410")
        assert box.counts() == {"queued": 0, "delivered": 4, "dead": 4}
        until(lambda: rows(tmp_path, "SELECT id FROM outbox ORDER BY id") == [(f"m00{n}",) for n in (2, 3, 6, 7)])
        assert sum(map(len, box._over.values())) == 4
    with opened(tmp_path, clock) as journal:
        assert journal.outbox.counts() == {"queued": 0, "delivered": 2, "dead": 2}


def test_bodies_of_what_was_given_up_are_kept_within_the_same_bound(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, clock) as journal:
        box = journal.outbox
        run(box.add([message(clock, n) for n in range(3)] + [message(clock, 3, "other")]))
        for n in range(4):
            box.dead(f"m{n:03}", "410")
        monkeypatch.setattr(outbox, "ROOM", 2 * len(b"body 1\0"))
        clock.pass_(601)
        run(box.add([message(clock, 4)]))
        kept = "SELECT id FROM outbox WHERE state = 'dead' AND length(body) > 0 ORDER BY id"
        until(lambda: rows(tmp_path, kept) == [("m001",), ("m002",), ("m003",)])
