import pytest

from brimline.model import Kind, SourceReport, Subject
from brimline.sources.oom import OomLedger
from brimline.sources.oom_kill import Cause, attribute
from fakes import FakeClock, container, values


def _alive(_: Subject) -> bool:
    return True


def _dead(_: Subject) -> bool:
    return False


class Ledger:
    """A ledger with its clock, and its columns as numbers."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = OomLedger()

    def total(self, name: str = "web") -> float | None:
        return self._values().get("brimline_container_memory_oom_kills_total", {}).get(name)

    def causes(self, name: str = "web") -> dict[str, float]:
        rows = self._values().get("brimline_container_memory_oom_kills_by_cause_total", {})
        return {k.partition("{")[2].rstrip("}"): v for k, v in rows.items() if k.startswith(f"{name}{{") and v}

    def _values(self) -> dict[str, dict[str, float]]:
        return values(SourceReport("cgroup", tuple(self.ledger.columns())))


@pytest.mark.parametrize(
    ("own", "ancestor", "whole", "cause"),
    [
        (True, False, True, Cause.OWN_LIMIT),
        (False, True, True, Cause.ANCESTOR),
        (False, False, True, Cause.HOST),
        (False, False, False, Cause.UNKNOWN),  # a level that could not be seen may have been the one
        (True, True, True, Cause.UNKNOWN),
    ],
)
def test_cause(cause: Cause, *, own: bool, ancestor: bool, whole: bool) -> None:
    assert attribute(own=own, ancestor=ancestor, whole=whole) is cause


def test_what_was_counted_before_brimline_started_is_no_fresh_kill() -> None:
    book = Ledger()
    book.ledger.begin(container(), 7, newborn=False)
    assert book.total() == 0
    assert not book.ledger.rose(container(), 7)
    assert book.ledger.rose(container(), 8)


def test_a_newborn_counts_from_its_first_kill() -> None:
    book = Ledger()
    book.ledger.begin(container(), 1, newborn=True)
    assert book.ledger.rose(container(), 1)


def test_worker_killed_main_alive() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.observe(container(), 1, Cause.OWN_LIMIT, book.clock.now())
    book.ledger.settle(book.clock.now(), _alive)
    assert (book.total(), book.causes()) == (1, {})  # the victim may still be dying
    book.ledger.settle(book.clock.pass_(1.0), _alive)
    assert book.causes() == {"own_limit,worker": 1}


def test_main_killed_is_named_at_once() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.observe(container(), 3, Cause.ANCESTOR, book.clock.now())
    book.ledger.settle(book.clock.now(), _dead)
    assert book.causes() == {"ancestor,main": 1, "ancestor,worker": 2}


def test_docker_tells_of_what_the_kernel_already_counted() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.observe(container(), 1, Cause.OWN_LIMIT, book.clock.now())
    book.ledger.told(container(), book.clock.pass_(0.04))
    book.ledger.gone(container(), book.clock.pass_(0.1))
    book.ledger.told(container(), book.clock.pass_(0.5))
    assert book.total() == 1


@pytest.mark.parametrize("first", ["told", "gone"])
def test_a_kill_whose_cgroup_went_before_it_was_read_is_counted_on_dockers_word(first: str) -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    for step in (first, {"told": "gone", "gone": "told"}[first], "told"):
        getattr(book.ledger, step)(container(), book.clock.pass_(0.2))
    book.ledger.settle(book.clock.now(), _alive)
    assert (book.total(), book.causes()) == (1, {"unknown,main": 1})


def test_dockers_word_is_dropped_where_the_kernel_was_read_since_and_counts_nothing() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.told(container(), book.clock.now())
    book.ledger.confirm(lambda *_: True, book.clock.pass_(0.5))  # too early: the count may follow
    book.ledger.confirm(lambda *_: False, book.clock.pass_(5))
    book.ledger.confirm(lambda *_: True, book.clock.pass_(5))
    book.ledger.gone(container(), book.clock.pass_(5))
    assert book.total() == 0


def test_the_count_outlives_the_container_for_an_hour_and_goes_on_with_the_next() -> None:
    book = Ledger()
    book.ledger.begin(container(uid="c1"), 0, newborn=True)
    book.ledger.observe(container(uid="c1"), 2, Cause.HOST, book.clock.now())
    book.ledger.gone(container(uid="c1"), book.clock.now())
    book.ledger.settle(book.clock.pass_(1800), _alive)
    assert book.total() == 2
    book.ledger.begin(container(uid="c2"), 1, newborn=True)
    book.ledger.observe(container(uid="c2"), 1, Cause.OWN_LIMIT, book.clock.now())
    book.ledger.settle(book.clock.pass_(7200), _alive)
    assert book.total() == 3
    book.ledger.gone(container(uid="c2"), book.clock.now())
    book.ledger.settle(book.clock.pass_(10), _alive)
    book.ledger.settle(book.clock.pass_(3599), _alive)
    assert book.total() == 3
    book.ledger.settle(book.clock.pass_(2), _alive)
    assert book.total() is None


def test_every_cause_is_preset_to_zero_and_cgroups_have_no_break_down() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.begin(Subject(Kind.CGROUP, "a.service", ("a.service",), "a@1"), 0, newborn=True)
    columns = {c.metric.name: c for c in book.ledger.columns()}
    preset = columns["brimline_container_memory_oom_kills_by_cause_total"]
    assert list(preset.values) == [0] * 8
    assert set(preset.extra or ()) == {(c, v) for c in Cause for v in ("main", "worker")}
    assert list(columns["brimline_cgroup_memory_oom_kills_total"].values) == [0]


def test_a_life_between_two_looks_is_counted_once_on_dockers_word() -> None:
    book = Ledger()
    book.ledger.told(container(), book.clock.now())
    book.ledger.told(container(), book.clock.pass_(0.5))  # the oom event, then the flag at its exit
    book.ledger.settle(book.clock.now(), _alive)
    assert book.total() is None  # its cgroup may yet be looked at
    book.ledger.settle(book.clock.pass_(4.5), _alive)
    assert (book.total(), book.causes()) == (1, {"unknown,main": 1})
    book.ledger.told(container(), book.clock.pass_(1))
    assert book.total() == 1


@pytest.mark.parametrize("kills", [0, 1])  # v1 counts a kill a moment after it told Docker
def test_a_kill_docker_told_of_before_its_cgroup_was_opened_is_the_kernels_to_count(kills: int) -> None:
    book = Ledger()
    book.ledger.told(container(), book.clock.now())
    book.ledger.begin(container(), kills, newborn=True)
    assert book.ledger.rose(container(), 1)
    book.ledger.observe(container(), 1, Cause.OWN_LIMIT, book.clock.pass_(0.1))
    book.ledger.settle(book.clock.pass_(5), _alive)
    book.ledger.gone(container(), book.clock.pass_(0.1))
    assert (book.total(), book.causes()) == (1, {"own_limit,worker": 1})


def test_a_kill_docker_told_of_before_its_cgroup_was_opened_and_gone_again_is_counted() -> None:
    book = Ledger()
    book.ledger.told(container(), book.clock.now())
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.gone(container(), book.clock.pass_(0.1))
    book.ledger.settle(book.clock.pass_(5), _alive)
    assert (book.total(), book.causes()) == (1, {"unknown,main": 1})


def test_dockers_word_on_a_closed_life_comes_too_late() -> None:
    book = Ledger()
    book.ledger.begin(container(), 0, newborn=True)
    book.ledger.observe(container(), 1, Cause.OWN_LIMIT, book.clock.now())
    book.ledger.gone(container(), book.clock.now())
    book.ledger.settle(book.clock.pass_(20), _alive)
    book.ledger.told(container(), book.clock.pass_(1))
    assert book.total() == 1


def test_an_unknown_cgroup_that_is_gone_is_nobodys_kill() -> None:
    book = Ledger()
    book.ledger.gone(container(), book.clock.now())
    assert book.total() is None


def test_a_total_of_nothing_outlives_nobody() -> None:
    book = Ledger()
    book.ledger.begin(container(), 5, newborn=False)
    book.ledger.gone(container(), book.clock.now())
    book.ledger.settle(book.clock.pass_(9), _alive)
    assert book.total() == 0  # Docker may still tell of a kill
    book.ledger.settle(book.clock.pass_(1), _alive)
    assert book.total() is None


def test_a_life_goes_on_after_it_could_not_be_read() -> None:
    book = Ledger()
    assert not book.ledger.begin(container(), 5, newborn=False)
    present = {(Kind.CONTAINER, "c1"): container()}
    book.ledger.follow(present, book.clock.pass_(60))
    book.ledger.settle(book.clock.pass_(60), _alive)
    assert book.ledger.begin(container(), 6, newborn=True)
    assert book.ledger.rose(container(), 6)
    book.ledger.observe(container(), 6, Cause.UNKNOWN, book.clock.now())
    assert book.total() == 1
    assert book.ledger.begin(container(), 2, newborn=True)  # levels below went with their counts
    assert not book.ledger.rose(container(), 2)
    assert book.ledger.rose(container(), 3)
    book.ledger.follow({}, book.clock.now())
    book.ledger.settle(book.clock.pass_(10), _alive)
    book.ledger.settle(book.clock.pass_(3601), _alive)
    assert book.total() is None


def test_a_renamed_one_takes_its_count_along_and_the_old_name_begins_anew() -> None:
    book = Ledger()
    book.ledger.begin(container("aa"), 0, newborn=True)
    book.ledger.observe(container("aa"), 2, Cause.HOST, book.clock.now())
    book.ledger.follow({(Kind.CONTAINER, "c1"): container("bb")}, book.clock.now())
    book.ledger.begin(container("aa", "c2"), 0, newborn=True)
    assert (book.total("aa"), book.total("bb")) == (0, 2)
    book.ledger.observe(container("bb"), 3, Cause.HOST, book.clock.now())
    swapped = {(Kind.CONTAINER, "c1"): container("aa"), (Kind.CONTAINER, "c2"): container("bb", "c2")}
    book.ledger.follow(swapped, book.clock.now())
    assert (book.total("aa"), book.total("bb")) == (3, 0)
    book.ledger.settle(book.clock.pass_(1), _alive)
    assert (book.causes("aa"), book.causes("bb")) == ({"host,worker": 3}, {})


def test_a_name_that_is_taken_goes_on_with_its_own_count() -> None:
    book = Ledger()
    for uid, name, kills in (("c1", "bb", 3), ("c2", "aa", 1)):
        book.ledger.begin(container(name, uid), 0, newborn=True)
        book.ledger.observe(container(name, uid), kills, Cause.HOST, book.clock.now())
    book.ledger.gone(container("bb", "c1"), book.clock.now())
    book.ledger.settle(book.clock.pass_(20), _alive)
    book.ledger.follow({(Kind.CONTAINER, "c2"): container("bb", "c2")}, book.clock.now())
    assert (book.total("aa"), book.total("bb")) == (None, 3)
    book.ledger.observe(container("bb", "c2"), 2, Cause.HOST, book.clock.now())
    assert book.total("bb") == 4
