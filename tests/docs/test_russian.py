"""README.ru.md goes in step with README.md: the same headings, code, tables, links and numbers, in the same order."""

from __future__ import annotations

import re

import pytest

from docs.pages import page

ENGLISH, RUSSIAN = page("README.md").text, page("README.ru.md").text
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?](?=\s)")


def levels(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def links(text: str) -> list[str]:
    """Return where links lead, in their order, but for the one to the other language."""
    found = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text))
    return [link for link in found if link not in {"README.md", "README.ru.md"}]


def rows(text: str) -> list[int]:
    """Return how many cells each row of each table has."""
    return [line.count("|") for line in FENCE.sub("", text).splitlines() if line.startswith("|")]


def sections(text: str) -> list[str]:
    return re.split(r"^## .+$", FENCE.sub("", text), flags=re.MULTILINE)


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:\.\d+)*", text))


def test_the_headings_are_as_many_and_as_deep() -> None:
    assert levels(RUSSIAN) == levels(ENGLISH)


def test_the_code_is_the_same() -> None:
    assert FENCE.findall(RUSSIAN) == FENCE.findall(ENGLISH)


def test_the_links_lead_to_the_same_places() -> None:
    assert links(RUSSIAN) == links(ENGLISH)


def test_each_names_the_other() -> None:
    assert "](README.ru.md)" in ENGLISH
    assert "](README.md)" in RUSSIAN


def test_the_tables_have_the_same_rows_and_cells() -> None:
    assert rows(RUSSIAN) == rows(ENGLISH)


@pytest.mark.parametrize("index", range(len(sections(ENGLISH))))
def test_each_section_names_the_same_code_and_numbers(index: int) -> None:
    english, russian = sections(ENGLISH)[index], sections(RUSSIAN)[index]
    assert sorted(spans(russian)) == sorted(spans(english))
    assert numbers(russian) == numbers(english)


def test_each_says_what_it_is_in_three_sentences() -> None:
    for text in (ENGLISH, RUSSIAN):
        introduction = text.partition("\n\n")[2].partition("\n\n")[0]
        assert len(SENTENCE_END.findall(f"{introduction} ")) == 3, introduction


def test_what_is_out_of_step_would_be_noticed() -> None:
    assert levels("# a\n## b\n```sh\n# no heading\n```\n") == [1, 2]
    assert links("[a](b.md) [c](README.ru.md)\n```\n[x](y)\n```\n") == ["b.md"]
    assert rows("| a | b |\n| c |\n") == [3, 2]
    assert numbers("80 and 85 %, 3.11") == ["3.11", "80", "85"]
