"""The ledger in memory: what is ours and what is not, what came back, what is forgotten."""

from __future__ import annotations

import pytest

from brimline.deeds import Decision, Deed, Fate, Ledger
from brimline.policy.book import ASKED_AGAIN, KEPT, KEPT_CLEANUP, KEPT_OBSERVED, RELAPSE, Book
from unit.policy_scenes import MIB, MONO, RULE, container, deed, only, outcome, scene, wish

WHISPER, AFTER, THIRD = container(), container(uid="whisper@2"), container(uid="whisper@3")
HELD = [(AFTER.subject, RULE)]


def begun(action: str = "restart") -> tuple[Book, Decision]:
    decision = only(scene([WHISPER], [wish(WHISPER, action)]))
    book = Book(Ledger())
    book.begin(decision)
    return book, decision


def fates(book: Book) -> list[Fate]:
    return [each.fate for each in book.ledger().deeds]


def test_a_deed_is_begun_and_concluded_under_its_decisions_id() -> None:
    book, decision = begun()
    assert fates(book) == [Fate.INTENDED]
    book.conclude(decision, outcome(decision), fate=Fate.DONE, mono=MONO + 30)
    (found,) = book.ledger().deeds
    assert (found.id, found.fate, found.began, found.ended) == (decision.id, Fate.DONE, MONO, MONO + 30)
    assert (found.rule, found.episode, found.uid, found.image_id) == (RULE, "1", "whisper@1", "sha256:1")


def test_what_was_refused_under_the_lock_was_never_done() -> None:
    book, decision = begun()
    book.drop(decision)
    assert book.ledger() == Ledger()


def test_an_outcome_without_its_beginning_is_kept_all_the_same() -> None:
    _, decision = begun()
    book = Book(Ledger())
    book.conclude(decision, outcome(decision), fate=Fate.ABANDONED, mono=MONO + 9)
    assert fates(book) == [Fate.ABANDONED]


def test_a_new_start_while_our_restart_is_under_way_is_ours() -> None:
    book, _ = begun()
    assert book.observed(AFTER, MONO + 5) is None


def test_a_new_start_while_a_cleanup_is_under_way_is_somebody_elses() -> None:
    book, _ = begun("cleanup")
    assert book.observed(AFTER, MONO + 5) is not None


def test_the_incarnation_an_outcome_names_is_ours_and_the_next_one_is_not() -> None:
    book, decision = begun()
    book.conclude(decision, outcome(decision, uid="whisper@2"), fate=Fate.DONE, mono=MONO + 5)
    assert book.observed(AFTER, MONO + 6) is None
    found = book.observed(THIRD, MONO + 7)
    assert found is not None
    assert (found.fate, found.action, found.began, found.ended, found.rule) == (
        Fate.OBSERVED, "restart", MONO + 7, MONO + 7, "",
    )  # fmt: skip
    assert book.observed(THIRD, MONO + 8) is None, "counted once"
    assert Book(book.ledger()).observed(THIRD, MONO + 9) is None, "and once over a restart of Brimline"


@pytest.mark.parametrize(
    ("change", "relapses"),
    [
        ({}, True),
        ({"fate": Fate.FAILED}, False),
        ({"fate": Fate.ABANDONED}, False),
        ({"rule": "g/High"}, False),
        ({"rule": ""}, False),
        ({"action": "cleanup"}, False),
        ({"uid": "whisper@2"}, False),  # what still holds of the incarnation it was done to
        ({"ended": MONO - RELAPSE}, True),
        ({"ended": MONO - RELAPSE - 1}, False),
    ],
)
def test_a_restart_relapsed_when_its_rule_holds_of_the_next_incarnation(
    change: dict[str, object], *, relapses: bool
) -> None:
    book = Book(Ledger((deed(WHISPER, 60, **change),)))
    assert [each.relapsed for each in book.notice(HELD, MONO)] == [True] * relapses
    assert [each.relapsed for each in book.ledger().deeds] == [relapses]
    assert book.notice(HELD, MONO + 1) == (), "told once"


def test_what_does_not_hold_is_no_relapse_and_five_minutes_later_it_is_too_late() -> None:
    book = Book(Ledger((deed(WHISPER, 60),)))
    assert book.notice([(container("other").subject, RULE)], MONO) == ()
    assert book.notice([], MONO + RELAPSE) == ()
    assert book.notice(HELD, MONO + RELAPSE + 1) == ()


@pytest.mark.parametrize(
    ("caller", "asks", "ago", "relapses"),
    [
        ("alertmanager mail", "alertmanager mail", ASKED_AGAIN, True),
        ("alertmanager mail", "alertmanager mail", ASKED_AGAIN + 1, False),
        ("alertmanager mail", "alertmanager other", 60, False),
        ("cli ann", "cli ann", 60, False),  # who knows why
        ("api ann", "api ann", 60, False),
    ],
)
def test_a_restart_another_tool_asked_for_relapsed_when_it_asks_again(
    caller: str, asks: str, ago: float, *, relapses: bool
) -> None:
    book = Book(Ledger((deed(WHISPER, ago, rule="", caller=caller),)))
    assert [each.relapsed for each in book.notice([(AFTER.subject, asks)], MONO)] == [True] * relapses


def test_a_restart_of_this_run_is_watched_for_its_relapse() -> None:
    book, decision = begun()
    book.conclude(decision, outcome(decision), fate=Fate.DONE, mono=MONO + 5)
    assert [each.id for each in book.notice(HELD, MONO + 9)] == [decision.id]


def test_a_day_is_remembered_six_hours_of_cleanups_two_of_others_and_what_is_under_way_for_ever() -> None:
    old = [
        deed(WHISPER, KEPT - 1),
        deed(WHISPER, KEPT + 1),
        deed(WHISPER, KEPT_OBSERVED - 1, fate=Fate.OBSERVED),
        deed(WHISPER, KEPT_OBSERVED + 1, fate=Fate.OBSERVED),
        deed(WHISPER, 2 * KEPT, fate=Fate.INTENDED, ended=None),
        deed(WHISPER, KEPT_CLEANUP - 1, "cleanup"),
        deed(WHISPER, KEPT_CLEANUP + 1, "cleanup"),
        deed(WHISPER, KEPT_CLEANUP + 1, "recycle"),
    ]
    book = Book(Ledger(tuple(old), {"a": MONO - KEPT - 1, "b": MONO}))
    book.notice([], MONO)
    assert {each.id for each in book.ledger().deeds} == {old[n].id for n in (0, 2, 4, 5, 7)}


def test_the_ledger_is_the_same_object_until_something_changes_and_oldest_first() -> None:
    two = (deed(WHISPER, 10), deed(WHISPER, 900))
    book = Book(Ledger(two))
    first = book.ledger()
    assert first is book.ledger()
    assert [each.id for each in first.deeds] == [two[1].id, two[0].id]
    book.resume("whisper", MONO)
    assert book.ledger().resumed == {"whisper": MONO}
    assert first.resumed == {}


def test_freed_bytes_reach_the_ledger() -> None:
    book, decision = begun("cleanup")
    ended = outcome(decision)
    freed = type(ended)(decision.id, ok=True, detail="", started=0, ended=1, before_bytes=9 * MIB, after_bytes=8 * MIB)
    book.conclude(decision, freed, fate=Fate.DONE, mono=MONO + 1)
    found: Deed = book.ledger().deeds[0]
    assert (found.before_bytes, found.after_bytes) == (9 * MIB, 8 * MIB)
