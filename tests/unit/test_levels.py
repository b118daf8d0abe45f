from brimline.model import Kind, Subject
from brimline.sources.levels import LevelBook, Override
from fakes import container

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
    assert BOOK.of(WHISPER, 0.5, None) == (0.5, 0.9)
    assert BOOK.of(WHISPER, None, 0.99) == (0.7, 0.99)


def test_a_glob_names_a_service_of_a_project_and_a_unit() -> None:
    book = LevelBook(0.8, 0.85, (Override("shop/api", 0.1, None), Override("system.slice/a.*", 0.2, None)))
    assert book.of(container("shop-api-1", labels=("shop", "api")))[0] == 0.1
    assert book.of(container("shop-api-1", labels=("other", "api")))[0] == 0.8
    assert book.of(Subject(Kind.CGROUP, "system.slice/a.service", ("system.slice/a.service",), "a"))[0] == 0.2
