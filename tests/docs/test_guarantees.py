"""docs/guarantees.md: every promise has an id of its own, a place where it is kept, and tests that exist."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest

from docs.pages import ROOT, page

_ROW = re.compile(r"^\| (G\d+) \| (.+?) \| `(.+?)` \| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Promise:
    """One row."""

    id: str
    words: str
    kept: str
    tests: tuple[str, ...]


def promises(text: str) -> list[Promise]:
    return [Promise(m[1], m[2], m[3], tuple(re.findall(r"`([^`]+)`", m[4]))) for m in _ROW.finditer(text)]


def exists(test: str) -> bool:
    """Tell whether `path::name` is a test, of a module or of a class in it."""
    file, _, name = test.partition("::")
    if not (ROOT / file).is_file():
        return False
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return name.startswith("test_") and name in functions


PROMISES = promises(page("docs/guarantees.md").text)


def test_every_row_is_a_promise_and_every_id_its_own() -> None:
    rows = re.findall(r"^\| G.*", page("docs/guarantees.md").text, re.MULTILINE)
    assert len(rows) == len(PROMISES) > 20
    assert [promise.id for promise in PROMISES] == [f"G{n}" for n in range(1, len(PROMISES) + 1)]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.id)
def test_every_promise_is_proved_by_tests_that_exist(promise: Promise) -> None:
    assert promise.tests, f"{promise.id} is proved by nothing"
    assert [test for test in promise.tests if not exists(test)] == []
    assert (ROOT / "exporter/brimline" / promise.kept).is_file()


def test_a_promise_without_a_test_or_with_one_that_is_none_would_be_noticed() -> None:
    (empty,) = promises("| G1 | Nothing is done. | `policy/decide.py` |  |")
    assert empty.tests == ()
    assert not exists("tests/unit/test_policy_verdicts.py::test_of_nothing")
    assert not exists("tests/unit/test_of_nothing.py::test_a_wish_is_judged")
    assert not exists("tests/unit/test_policy_verdicts.py::pause"), "no test"
    assert exists("tests/unit/test_policy_verdicts.py::test_a_wish_is_judged")
