"""`where`: globs as anchored regexes, a leading `!` negates, a missing label is ""."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brimline.model import Kind, Subject
from brimline.rules import selector
from brimline.rules.slips import SlipError
from brimline.rules.terms import Selector
from unit.rule_texts import globs


def container(name: str, project: str = "", service: str = "") -> Subject:
    return Subject(Kind.CONTAINER, name, (name, project, service), "1")


@pytest.mark.parametrize(
    ("glob", "matched", "not_matched"),
    [
        ("whisper-*", ["whisper-", "whisper-1"], ["whisper", "my-whisper-1"]),
        ("api?", ["api1"], ["api", "api12"]),
        ("api[12]", ["api1", "api2"], ["api3", "api12"]),
        ("api[!12]", ["api3"], ["api1", "api"]),
        ("a.b+c", ["a.b+c"], ["axb+c", "a.bbc"]),
        ("!test-*", ["api", ""], ["test-1"]),
        ("", [""], ["x"]),
        ("!", ["x"], [""]),
        ("[[]x", ["[x"], ["x"]),
        ("[]x]", ["]", "x"], ["[]x]"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("[a-c-]", ["b", "-"], ["d"]),
        ("Über*", ["Überall"], ["über"]),
    ],
)
def test_globs(glob: str, matched: list[str], not_matched: list[str]) -> None:
    pattern = selector.parse("container", glob)
    assert [text for text in matched if not pattern.matches(text)] == []
    assert [text for text in not_matched if pattern.matches(text)] == []


@settings(max_examples=300)
@given(globs(), st.text(st.sampled_from("abx[]!^-.*?&|~é"), max_size=5))
def test_a_glob_matches_as_the_shell_does(glob: str, text: str) -> None:
    assume(not glob.startswith("!"))
    assert selector.parse("container", glob).matches(text) == fnmatchcase(text, glob)
    assert selector.parse("container", "!" + glob).matches(text) != fnmatchcase(text, glob)


@pytest.mark.parametrize(
    ("glob", "start", "expected"),
    [("api[12", 3, 'this "[" is not closed'), ("api[", 3, "is not closed"), ("[z-a]", 1, '"z-a" runs backwards')],
)
def test_a_class_that_cannot_be_read(glob: str, start: int, expected: str) -> None:
    with pytest.raises(SlipError, match=re.escape(expected)) as error:
        selector.parse("container", glob)
    assert error.value.slips[0].start == start


def test_a_selector_wants_the_kind_and_every_pattern() -> None:
    wanted = Selector(
        Kind.CONTAINER, (selector.parse("compose_project", "shop"), selector.parse("container", "whisper-*"))
    )
    assert wanted.matches(container("whisper-1", "shop"))
    assert not wanted.matches(container("whisper-1"))
    assert not wanted.matches(container("api", "shop"))
    assert not wanted.matches(Subject(Kind.CGROUP, "whisper-1", ("whisper-1",), "1"))
    assert Selector(Kind.HOST).matches(Subject(Kind.HOST, "host", (), "1"))
