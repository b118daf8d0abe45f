import pytest

from brimline.levels import LevelBook, Levels, Override
from brimline.model import Column, Kind, Now, Snapshot, SourceReport, Subject
from brimline.sources import cgroup
from fakes import container, described

BOOK = LevelBook(
    0.8, 0.85, (Override("shop/whisper-*", 0.7, 0.9), Override("whisper-*", 0.6, None), Override("*", None, 0.95))
)
WHISPER = container("whisper-1", labels=("shop", "whisper"))


def test_without_a_word_the_defaults_hold() -> None:
    assert LevelBook(0.8, 0.85).of(WHISPER) == (0.8, 0.85)


def test_the_first_glob_that_says_something_wins_for_each_level() -> None:
    assert BOOK.of(WHISPER) == (0.7, 0.9)
    assert BOOK.of(container("whisper-2")) == (0.6, 0.95)
    assert BOOK.of(container("other")) == (0.8, 0.95)


def test_the_owners_own_labels_come_first() -> None:
    assert BOOK.of(WHISPER, (0.5, None)) == (0.5, 0.9)
    assert BOOK.of(WHISPER, (None, 0.99)) == (0.7, 0.99)


def test_a_glob_names_a_service_of_a_project_and_a_unit() -> None:
    book = LevelBook(0.8, 0.85, (Override("shop/api", 0.1, None), Override("system.slice/a.*", 0.2, None)))
    assert book.of(container("shop-api-1", labels=("shop", "api")))[0] == 0.1
    assert book.of(container("shop-api-1", labels=("other", "api")))[0] == 0.8
    assert book.of(Subject(Kind.CGROUP, "system.slice/a.service", ("system.slice/a.service",), "a"))[0] == 0.2


def seen(labels: dict[Subject, dict[str, str]], subjects: tuple[Subject, ...] = (WHISPER,)) -> Snapshot:
    ratio = Column(cgroup.MEMORY_USED_RATIO[Kind.CONTAINER], subjects, [0.5] * len(subjects))
    engine = {subject: described(subject, own) for subject, own in labels.items()}
    return Snapshot(Now(0.0, 0.0), (SourceReport("docker", (), containers=engine), SourceReport("cgroup", (ratio,))))


def served(levels: Levels, snapshot: Snapshot) -> list[float]:
    (column,) = levels.report(snapshot).columns
    assert column.extra == (("alert",), ("restart",)) * (len(column.subjects) // 2)
    return list(column.values)


def test_labels_rule_and_a_silent_engine_changes_nothing() -> None:
    levels = Levels(LevelBook(0.8, 0.85))
    assert served(levels, seen({WHISPER: {"brimline.restart-at": "95%", "brimline.alert-at": "0.9"}})) == [0.9, 0.95]
    assert served(levels, seen({})) == [0.9, 0.95]


def test_a_label_nobody_can_read_is_ignored_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    levels = Levels(LevelBook(0.8, 0.85))
    for _ in range(3):
        assert served(levels, seen({WHISPER: {"brimline.restart-at": "often"}})) == [0.8, 0.85]
    assert len(caplog.records) == 1
    assert "brimline.restart-at" in caplog.text


def test_the_series_keeps_its_tuples_until_something_changes() -> None:
    levels, subjects = Levels(LevelBook(0.8, 0.85)), (WHISPER,)
    snapshot = seen({}, subjects)
    (first,), (again,) = levels.report(snapshot).columns, levels.report(snapshot).columns
    assert again.subjects is first.subjects
    levels.use(LevelBook(0.7, 0.75))
    assert served(levels, snapshot) == [0.7, 0.75]


def test_the_version_moves_with_the_book_and_with_what_owners_say() -> None:
    levels = Levels(LevelBook(0.8, 0.85))
    other = container("other", "c2")
    versions = [levels.version]

    def moved() -> bool:
        versions.append(levels.version)
        return versions[-1] != versions[-2]

    levels.report(seen({WHISPER: {"brimline.alert-at": "70%"}}))
    assert moved()
    assert levels.of(WHISPER) == (0.7, 0.85)
    levels.report(seen({WHISPER: {"brimline.alert-at": "70%"}, other: {"some.label": "x"}}, (WHISPER, other)))
    levels.report(seen({}))
    assert not moved(), "who says nothing of levels changes none, nor does a silent engine"
    assert levels.of(other) == (0.8, 0.85)
    levels.use(LevelBook(0.6, 0.9))
    assert moved()
    assert levels.of(WHISPER) == (0.7, 0.9)
    levels.report(seen({other: {}}))
    assert moved()
    assert levels.of(WHISPER) == (0.6, 0.9)
